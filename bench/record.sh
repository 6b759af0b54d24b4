#!/bin/sh
# What recording one 1080p30 camera costs, beside `ffmpeg -c copy` on the same stream (bench/record.c).
#
#   bench/record.sh [BUILD_FOLDER]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-${DW_BUILD:-$root/build}}
exec "$build/bench/record" "$build/src/hub/camera/doorward-hub-camera" \
    "$build/src/hub/rtsp/doorward-hub-rtsp" "$build/tests/media/test_rtsp_server"
