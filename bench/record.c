/* bench/record - what recording one 1080p30 camera costs, beside `ffmpeg -c copy` on the same
 * stream.
 *
 *   record HUB_CAMERA HUB_RTSP RTSP_SERVER
 *
 * JSON lines: name, value, unit, limit, peer, ratio. CPU is that of the processes that record,
 * between 3 s and 15 s of each run, median of the rounds; peer and ours take turns. A stream of 4
 * Mbit/s.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "media/rig.h"
#include "os/os.h"

#define ROUNDS     3
#define FROM_MS    3000
#define UNTIL_MS   15000
#define CLIP_S     "18"
#define RSS_MB_MAX 60.0

static const char *hub_camera, *hub_rtsp, *rtsp_server;
static char folder[64] = "/tmp/dw-bench-XXXXXX", clip[96];
static struct rig rig;

static double cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double memory_mb(pid_t pid, const char *field)
{
    char path[64], line[256];
    double kb = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, field, strlen(field)) == 0)
            kb = strtod(line + strlen(field), NULL);
    }
    if (f)
        (void)fclose(f);
    return kb / 1024;
}

static void stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (int i = 0; i < 300; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        (void)poll(NULL, 0, 10);
    }
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static pid_t start_server(uint16_t *ret_port)
{
    int out[2];
    char line[64] = "";
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(out[1], 1);
        execl(rtsp_server, rtsp_server, "0", "--file", clip, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    if (read(out[0], line, sizeof line - 1) < 6)
        return -1;
    close(out[0]);
    *ret_port = (uint16_t)strtoul(line + 5, NULL, 10);
    return pid;
}

/* CPU seconds a minute of up to two processes over the window; `pump` keeps the rig alive. */
static double watch(pid_t a, pid_t b, bool pump, double *ret_rss_mb, double *ret_pss_mb)
{
    uint64_t begin = rig_now_ms();
    double from = 0;
    bool has_from = false;
    for (;;) {
        uint64_t age = rig_now_ms() - begin;
        if (age >= FROM_MS && !has_from) {
            from = cpu_s(a) + cpu_s(b);
            has_from = true;
        }
        if (age >= UNTIL_MS)
            break;
        if (pump)
            rig_pump(&rig, 50);
        else
            (void)poll(NULL, 0, 50);
    }
    if (ret_rss_mb)
        *ret_rss_mb = memory_mb(a, "Rss:");
    if (ret_pss_mb)
        *ret_pss_mb = memory_mb(a, "Pss:");
    return (cpu_s(a) + cpu_s(b) - from) * 60000.0 / (UNTIL_MS - FROM_MS);
}

static double run_peer(uint16_t port)
{
    char url[64], out[96];
    (void)snprintf(url, sizeof url, "rtsp://127.0.0.1:%u/cam", port);
    (void)snprintf(out, sizeof out, "%s/peer.mp4", folder);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(null, 2);
        execlp("ffmpeg", "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy",
               "-an", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-y",
               out, (char *)NULL);
        _exit(127);
    }
    double s = watch(pid, 0, false, NULL, NULL);
    stop(pid);
    return s;
}

static pid_t start_reader(uint16_t port)
{
    char path[128];
    int guard[2];
    (void)snprintf(path, sizeof path, "%s/rtsp.conf", folder);
    FILE *f = fopen(path, "w");
    if (!f || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guard) != 0)
        return -1;
    (void)fprintf(f, "rtsp.url = rtsp://127.0.0.1:%u/cam\n", port);
    (void)fclose(f);
    pid_t pid = fork();
    if (pid == 0) {
        int a = fcntl(guard[1], F_DUPFD, 20), b = fcntl(rig.plain, F_DUPFD, 20);
        (void)dup2(a, 3);
        (void)dup2(b, 4);
        execl(hub_rtsp, hub_rtsp, "--config", path, (char *)NULL);
        _exit(127);
    }
    close(guard[1]);
    return pid; /* guard[0] stays open: its end would end the reader */
}

static double run_rtsp(uint16_t port, bool has_look)
{
    if (!rig_start(&rig, hub_camera, has_look ? "" : "camera.second_look = no\n", true, 0))
        return 0;
    while (!rig.ready)
        rig_pump(&rig, 50);
    rig_tell_record(&rig, true, 1);
    pid_t reader = start_reader(port);
    double s = watch(rig.pid, reader, true, NULL, NULL);
    stop(reader);
    if (rig.unproven < 300)
        s = -1; /* nothing was recorded: no figure */
    rig_end(&rig);
    return s;
}

static double run_agent(bool has_look, double *ret_rss_mb, double *ret_pss_mb, double *ret_idle_mb)
{
    if (!rig_start(&rig, hub_camera, has_look ? "" : "camera.second_look = no\n", false, 0))
        return 0;
    while (!rig.ready)
        rig_pump(&rig, 50);
    *ret_idle_mb = memory_mb(rig.pid, "Pss:");
    if (!rig_accept(&rig))
        return 0;
    rig_give_pipe(&rig);
    rig_play(&rig, 60);
    rig_tell_record(&rig, true, 1);
    rig_play(&rig, 30);
    double from = cpu_s(rig.pid);
    uint64_t begin = rig_now_ms();
    rig_play(&rig, (UNTIL_MS - FROM_MS) * 30 / 1000);
    double s = (cpu_s(rig.pid) - from) * 60000.0 / (double)(rig_now_ms() - begin);
    *ret_rss_mb = memory_mb(rig.pid, "Rss:");
    *ret_pss_mb = memory_mb(rig.pid, "Pss:");
    rig_end(&rig);
    return s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static void line(const char *name, double value, const char *unit, double limit, double peer)
{
    (void)printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"limit\":%.3f", name, value,
                 unit, limit);
    if (peer > 0)
        (void)printf(",\"peer\":\"ffmpeg -c copy\",\"peer_value\":%.3f,\"ratio\":%.2f", peer,
                     value / peer);
    (void)printf("}\n");
    (void)fflush(stdout);
}

/* The clip as units for the agent's runs. */
static bool load_units(void)
{
    char command[256];
    (void)snprintf(command, sizeof command,
                   "ffmpeg -nostdin -v error -i %s -c copy -bsf:v "
                   "h264_mp4toannexb,h264_metadata=aud=insert -f h264 -",
                   clip);
    return rig_clip_load(&rig_clip, command);
}

int main(int argc, char **argv)
{
    char text[64];
    uint16_t port = 0;
    double peer[ROUNDS], rtsp[ROUNDS], rtsp_look[ROUNDS], copy[ROUNDS], full[ROUNDS];
    double rss = 0, pss = 0, idle = 0;
    if (argc < 4 || dw_failed(dw_crypto_init()) || !mkdtemp(folder))
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    hub_camera = argv[1];
    hub_rtsp = argv[2];
    rtsp_server = argv[3];
    (void)snprintf(clip, sizeof clip, "%s/clip.mp4", folder);
    (void)fprintf(stderr, "record: making a clip of 1080p30\n");
    if (!rig_shell(text, sizeof text,
                   "ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1920x1080:rate=30 -t " CLIP_S
                   " -c:v libx264 -preset ultrafast -tune zerolatency -threads 1 -b:v 4M -maxrate "
                   "4M -bufsize 2M -pix_fmt yuv420p -x264-params "
                   "keyint=30:min-keyint=30:scenecut=0:repeat-headers=1 -y %s",
                   clip) ||
        !load_units())
        return 1;
    pid_t server = start_server(&port);
    if (server <= 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        (void)fprintf(stderr, "record: round %d of %d\n", i + 1, ROUNDS);
        peer[i] = run_peer(port);
        copy[i] = run_agent(false, &rss, &pss, &idle);
        full[i] = run_agent(true, &rss, &pss, &idle);
        rtsp[i] = run_rtsp(port, false);
        rtsp_look[i] = run_rtsp(port, true);
    }
    stop(server);
    double p = median(peer);
    line("record_copy_cpu_s_per_min", median(copy), "s", 1.3 * p, p);
    line("record_hash_records_look_cpu_s_per_min", median(full), "s", 2.5 * p, p);
    line("record_rtsp_copy_cpu_s_per_min", median(rtsp), "s", 1.3 * p, p);
    line("record_rtsp_look_cpu_s_per_min", median(rtsp_look), "s", 2.5 * p, p);
    line("record_camera_process_rss", rss, "MB", RSS_MB_MAX, 0);
    line("record_camera_process_pss", pss, "MB", RSS_MB_MAX, 0);
    line("record_camera_process_idle_pss", idle, "MB", RSS_MB_MAX, 0);
    (void)rig_shell(text, sizeof text, "rm -rf %s", folder);
    return 0;
}
