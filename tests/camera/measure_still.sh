#!/bin/sh
# Freeze and cover measures on real and generated footage: prints the table of
# docs/design/picture-measures.md and ends with 1 when a row that must hold does not.
#
#   tests/camera/measure_still.sh PATH-OF-measure_still [quick]
#
# quick: the hall and a few seconds of the rest, as a test. Without ffmpeg or the footage of opencv-doc
# only the hall is measured, and that is said.
set -eu
measure=$1
quick=${2:-}
film=/usr/share/doc/opencv-doc/examples/data/vtest.avi
work=$(mktemp -d "${TMPDIR:-/tmp}/dw-measure-XXXXXX")
trap 'rm -rf "$work"' EXIT
seconds=60
[ "$quick" = quick ] && seconds=5

head_line() {
    printf '\n%s\n\n' "$1"
    printf '| clip | pictures | least moved | median | longest still, ms | >= 1 s | 1.5 s | 2 s | 4 s | covered | mean, spread | expected |\n'
    printf '|---|---|---|---|---|---|---|---|---|---|---|---|\n'
}

# row EXPECTED: reads one line of measure_still. alive: never still for 1 s. frozen: found. clear, covered:
# never, always (95 %). limit: a known limit, written down and not judged.
row() {
    awk -v want="$1" '{
        print "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " | " $6 " | " $7 " | " $8 " | " $9 " | " $10 " | " $11 ", " $12 " | " want " |"
        ok = 1
        if (want ~ /alive/ && $6 > 0) ok = 0
        if (want ~ /frozen/ && $7 == 0) ok = 0
        if (want ~ /clear/ && $10 > 0) ok = 0
        if (want ~ /covered/ && $10 < 950) ok = 0
        if (!ok) { print "FAILED: " $1 " is not " want; exit 1 }
    }' || touch "$work/bad" # a pipe's shell is not this one
}

# raw LABEL EXPECTED FILTER [SECONDS]: the real footage through a filter, 10 pictures a second.
raw() {
    ffmpeg -v error -i "$film" -vf "${3:+$3,}format=yuv420p,extractplanes=y" -t "${4:-$seconds}" -f rawvideo - |
        "$measure" "$1" raw 768 576 100 | row "$2"
}

# flat LABEL EXPECTED COLOUR FILTER
flat() {
    ffmpeg -v error -f lavfi -i "color=$3:s=768x576:r=10" -vf "$4,format=yuv420p,extractplanes=y" -t 5 -f rawvideo - |
        "$measure" "$1" raw 768 576 100 | row "$2"
}

head_line 'Raw pictures (the camera agent): rendered hall, 640 x 400, 20 a second'
for name in day night frozen covered; do
    case $name in
    day | night) want='alive, clear' ;;
    frozen) want='frozen, clear' ;;
    covered) want='alive, covered' ;;
    esac
    "$measure" --hall "$name" "$seconds" | "$measure" "hall-$name" raw 640 400 50 | row "$want"
done

if [ ! -r "$film" ] || ! command -v ffmpeg >/dev/null; then
    echo "ffmpeg or $film is not there: only the hall was measured (apt: ffmpeg opencv-doc)"
    [ ! -e "$work/bad" ]
    exit
fi

one='select=eq(n\,100),loop=2000:1,setpts=N/10/TB' # one picture of the film, again and again
head_line 'Raw pictures: a surveillance camera (opencv-doc vtest.avi, people walking) and what was made of it'
raw film 'alive, clear' '' 80
raw film-corner-without-people 'alive, clear' 'crop=200:150:560:0,scale=768:576:flags=neighbor' 80
raw still-room-noise-1 'alive, clear' "$one,noise=alls=1:allf=t"
raw still-room-noise-4 'alive, clear' "$one,noise=alls=4:allf=t"
raw still-room-exposure-swings 'alive, clear' "$one,eq=brightness=0.2*sin(n/20):eval=frame,noise=alls=1:allf=t"
raw light-at-0.5 'alive, clear' 'lutyuv=y=16+(val-16)*0.5,noise=alls=3:allf=t'
raw light-at-0.3 'alive, clear' 'lutyuv=y=16+(val-16)*0.3,noise=alls=3:allf=t'
raw light-at-0.2 'alive, clear' 'lutyuv=y=16+(val-16)*0.2,noise=alls=3:allf=t'
raw light-at-0.15 'alive' 'lutyuv=y=16+(val-16)*0.15,noise=alls=3:allf=t'
raw light-at-0.05 'alive, covered' 'lutyuv=y=16+(val-16)*0.05,noise=alls=3:allf=t'
raw frozen 'frozen, clear' "$one"
raw frozen-but-the-clock-runs 'frozen, clear' "$one,drawtext=text='%{pts\:hms}':x=20:y=20:fontsize=40:box=1"
raw exposure-swings-without-noise limit "$one,eq=brightness=0.2*sin(n/20):eval=frame"
flat cap-noise-4 'alive, covered' black 'noise=alls=4:allf=t'
flat cap-noise-12 'alive, covered' black 'noise=alls=12:allf=t'
flat tape-bright-noise-4 'alive, covered' gray 'noise=alls=4:allf=t'
flat tape-bright-noise-12 'alive, covered' gray 'noise=alls=12:allf=t'
raw hand-close-dark 'alive, covered' 'gblur=sigma=40,lutyuv=y=16+(val-16)*0.15,noise=alls=3:allf=t' 5
raw thin-cloth-bright limit 'gblur=sigma=80,lutyuv=y=16+(val-16)*0.35,noise=alls=3:allf=t' 5
raw out-of-focus limit 'gblur=sigma=20' 5

# ---- decoded key frames ----
# key LABEL EXPECTED WIDTH HEIGHT ENCODER: y4m on standard input, one key frame a second.
key() {
    case $5 in
    cbr-2000) how='-preset ultrafast -tune zerolatency -b:v 2000k -maxrate 2000k -bufsize 2000k' ;;
    cbr-500) how='-preset ultrafast -tune zerolatency -b:v 500k -maxrate 500k -bufsize 500k' ;;
    cbr-200) how='-preset ultrafast -tune zerolatency -b:v 200k -maxrate 200k -bufsize 200k' ;;
    quality-23) how='-preset medium -crf 23' ;;
    esac
    # shellcheck disable=SC2086 # the options are words
    ffmpeg -v error -f yuv4mpegpipe -i - -c:v libx264 $how -g 20 -keyint_min 20 -x264-params scenecut=0 -f h264 - |
        ffmpeg -v error -skip_frame nokey -f h264 -i - -fps_mode passthrough -vf extractplanes=y -f rawvideo - |
        "$measure" "$1-$5" key "$3" "$4" 1000 | row "$2"
}

made() { # FILTER
    ffmpeg -v error -i "$film" -vf "$1,format=yuv420p" -r 20 -t "$seconds" -f yuv4mpegpipe -
}

one20='select=eq(n\,100),loop=2000:1,setpts=N/20/TB'
encoders='cbr-2000 cbr-500 cbr-200 quality-23'
[ "$quick" = quick ] && encoders=cbr-2000
head_line 'Decoded key frames (the second opinion of the hub): one a second, by encoder'
for e in $encoders; do
    made "fps=20" | key film 'alive, clear' 768 576 "$e"
    made "$one20,noise=alls=1:allf=t" | key still-room-noise-1 'alive, clear' 768 576 "$e"
    made "$one20,lutyuv=y=16+(val-16)*0.3,noise=alls=3:allf=t" | key night-noise-3 'alive, clear' 768 576 "$e"
    made "$one20" | key frozen limit 768 576 "$e"
    for name in day night frozen; do
        case $name in frozen) want=limit ;; *) want='alive, clear' ;; esac
        "$measure" --hall "$name" "$seconds" |
            ffmpeg -v error -f rawvideo -pix_fmt gray -s 640x400 -r 20 -i - -vf "scale=in_range=tv:out_range=tv,format=yuv420p" -f yuv4mpegpipe - |
            key "hall-$name" "$want" 640 400 "$e"
    done
done
[ ! -e "$work/bad" ]
