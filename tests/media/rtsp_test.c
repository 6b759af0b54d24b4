/* An ordinary camera over RTSP, from a real RTSP server to the recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/camera/folder.h"
#include "os/os.h"
#include "rig.h"

#define VISIT UINT64_C(0x42)

static const char *program, *reader_program, *server_program;
static struct rig rig;
static pid_t server, reader;
static int reader_guard = -1;
static uint16_t server_port;

#define EXPECT(cond, ms)                              \
    do {                                              \
        uint64_t expect_end_ = rig_now_ms() + (ms);   \
        while (!(cond) && rig_now_ms() < expect_end_) \
            rig_pump(&rig, 20);                       \
        assert_true(cond);                            \
    } while (0)

static void end_child(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static int clean(void **state)
{
    (void)state;
    end_child(&reader);
    end_child(&server);
    if (reader_guard >= 0)
        close(reader_guard);
    reader_guard = -1;
    rig_end(&rig);
    return 0;
}

static void start_server(uint16_t port, const char *option, const char *value)
{
    int out[2];
    char number[8], line[64] = "";
    (void)snprintf(number, sizeof number, "%u", port);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    server = fork();
    if (server == 0) {
        (void)dup2(out[1], 1);
        execl(server_program, server_program, number, option, value, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    struct pollfd p = {out[0], POLLIN, 0};
    assert_int_equal(poll(&p, 1, 20000), 1);
    ssize_t n = read(out[0], line, sizeof line - 1);
    assert_true(n > 5 && strncmp(line, "port ", 5) == 0);
    server_port = (uint16_t)strtoul(line + 5, NULL, 10);
    close(out[0]);
}

/* The reader takes the rig's end of the descriptor. */
static void start_reader(const char *more)
{
    char path[256], conf[512], log[256];
    int guard[2];
    (void)snprintf(path, sizeof path, "%s/rtsp.conf", rig.folder);
    (void)snprintf(log, sizeof log, "%s/rtsp.log", rig.folder);
    (void)snprintf(conf, sizeof conf, "rtsp.url = rtsp://127.0.0.1:%u/cam\n%s", server_port, more);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(conf, f);
    (void)fclose(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guard), 0);
    reader = fork();
    if (reader == 0) {
        int a = fcntl(guard[1], F_DUPFD, 20), b = fcntl(rig.plain, F_DUPFD, 20);
        int e = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(a, 3);
        (void)dup2(b, 4);
        (void)dup2(e, 2);
        execl(reader_program, reader_program, "--config", path, (char *)NULL);
        _exit(127);
    }
    close(guard[1]);
    reader_guard = guard[0];
    close(rig.plain);
    rig.plain = -1;
    struct pollfd p = {reader_guard, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 20000), 1); /* READY */
    static _Alignas(8) uint8_t room[8192];
    enum dw_ipc_type type;
    int fd;
    assert_false(dw_failed(dw_ipc_receive(reader_guard, room, sizeof room, &type, &fd)));
    assert_int_equal(type, DW_IPC_READY);
}

static void begin(void)
{
    assert_true(rig_start(&rig, program, "", true, 0));
    EXPECT(rig.ready == 1, 10000);
    rig_give_pipe(&rig);
}

static bool log_has(const char *words)
{
    char text[32];
    return rig_shell(text, sizeof text, "grep -c '%s' %s/rtsp.log", words, rig.folder);
}

static void sound_is_offered_and_never_recorded(void **state)
{
    (void)state;
    char text[512], folder[256];
    start_server(0, NULL, NULL);
    /* The camera does offer sound. */
    assert_true(rig_shell(text, sizeof text,
                          "timeout 20 ffprobe -v error -rtsp_transport tcp -show_entries "
                          "stream=codec_type -of csv=p=0 rtsp://127.0.0.1:%u/cam",
                          server_port));
    assert_non_null(strstr(text, "audio"));
    begin();
    start_reader("");
    EXPECT(rig.unproven >= 45, 15000);
    rig_tell_record(&rig, true, VISIT);
    uint32_t before = rig.unproven;
    EXPECT(rig.unproven >= before + 90, 10000);
    rig_tell_record(&rig, false, VISIT);
    EXPECT(rig.segments >= 2, 5000);
    assert_false(dw_failed(dw_visit_folder(folder, sizeof folder, rig.recordings, VISIT)));
    (void)snprintf(text, sizeof text, "%s/visit.json", folder);
    EXPECT(access(text, F_OK) == 0, 5000);
    assert_true(rig_shell(text, sizeof text, "cat %s/seg-*.mp4 > %s/whole.mp4", folder, folder));
    assert_true(rig_shell(text, sizeof text,
                          "timeout 20 ffprobe -v error -count_packets -show_entries "
                          "stream=codec_type,nb_read_packets -of csv=p=0 %s/whole.mp4",
                          folder));
    assert_memory_equal(text, "video,", 6);
    assert_true(strtoul(text + 6, NULL, 10) >= 120);
    assert_null(strstr(text, "audio"));
    assert_true(log_has("kind=audio used=0"));
    assert_int_equal(rig.frames, 0);
    assert_true(rig.shown_count >= 100 && rig.shown[0].head.is_key);
    assert_true(rig.decoded >= 2);
}

/* Packets just stop: no FIN, no RST. */
static void silence_is_seen_and_survived(void **state)
{
    (void)state;
    start_server(0, "--no-sound", NULL);
    begin();
    start_reader("");
    EXPECT(rig.unproven >= 30, 15000);
    uint64_t stopped = rig_now_ms();
    kill(server, SIGSTOP);
    EXPECT(log_has("camera late_ms="), 3000);
    uint64_t late_ms = rig_now_ms() - stopped;
    uint32_t seen = rig.unproven;
    assert_true(late_ms < 1500); /* 300 ms, and a grep each 20 ms on a busy machine */
    EXPECT(log_has("reason=silent"), 5000);
    assert_int_equal(rig.unproven, seen); /* and nothing is told that did not come */
    kill(server, SIGCONT);
    EXPECT(rig.unproven > seen + 30, 20000);
    (void)printf("late told %llu ms after the stop\n", (unsigned long long)late_ms);
}

static void a_camera_that_restarts_is_found_again(void **state)
{
    (void)state;
    start_server(0, "--no-sound", NULL);
    begin();
    start_reader("");
    EXPECT(rig.unproven >= 30, 15000);
    end_child(&server);
    EXPECT(log_has("rtsp=restart"), 5000);
    uint32_t seen = rig.unproven;
    start_server(server_port, "--no-sound", NULL);
    EXPECT(rig.unproven > seen + 30, 20000);
}

static void write_secret(const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/secret", rig.folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void passwords_work_and_stay_out_of_the_log(void **state)
{
    (void)state;
    char more[256];
    start_server(0, "--auth", "door:s3cret-word");
    begin();
    write_secret("door:s3cret-word\n");
    (void)snprintf(more, sizeof more, "rtsp.credentials_file = %s/secret\n", rig.folder);
    start_reader(more);
    EXPECT(rig.unproven >= 30, 15000);
    assert_false(log_has("s3cret-word"));
    assert_false(log_has("rtsp://"));
}

static void a_wrong_password_is_no_picture_and_no_end(void **state)
{
    (void)state;
    char more[256];
    start_server(0, "--auth", "door:s3cret-word");
    begin();
    write_secret("door:guess\n");
    (void)snprintf(more, sizeof more, "rtsp.credentials_file = %s/secret\n", rig.folder);
    start_reader(more);
    EXPECT(log_has("rtsp=restart"), 10000);
    assert_int_equal(rig.unproven, 0);
    assert_int_equal(waitpid(reader, NULL, WNOHANG), 0);
    assert_false(log_has("guess"));
}

/* A server that answers with anything but RTSP. */
static void nonsense_from_the_camera_is_survived(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\nRTSP/1.0 200 "
        "OK\r\nCSeq: "
        "2\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv=0\r\nm=vi",
        "\x24\x00\xff\xff\x80\x60\xff\xff\xff\xff",
        "",
    };
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    server_port = ntohs(at.sin_port);
    begin();
    start_reader("");
    for (size_t i = 0; i < DW_ARRAY_COUNT(answers); i++) {
        struct pollfd p = {listener, POLLIN, 0};
        assert_int_equal(poll(&p, 1, 15000), 1);
        int link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        char in[512];
        struct pollfd q = {link, POLLIN, 0};
        (void)poll(&q, 1, 2000);
        (void)!recv(link, in, sizeof in, MSG_DONTWAIT);
        (void)!send(link, answers[i], strlen(answers[i]), MSG_NOSIGNAL);
        (void)!send(link, "\0\0\0\0", 4, MSG_NOSIGNAL);
        close(link);
    }
    close(listener);
    assert_int_equal(waitpid(reader, NULL, WNOHANG), 0);
    assert_int_equal(rig.unproven, 0);
}

static void an_address_with_a_password_is_refused(void **state)
{
    (void)state;
    char text[512], path[128];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/dw-rtsp-conf-XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    static const char conf[] = "rtsp.url = rtsp://a:b@127.0.0.1/cam\n";
    assert_int_equal(write(fd, conf, sizeof conf - 1), sizeof conf - 1);
    close(fd);
    assert_true(
        rig_shell(text, sizeof text, "%s --config %s 2>&1; test $? = 2", reader_program, path));
    assert_non_null(strstr(text, "credentials_file"));
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(sound_is_offered_and_never_recorded, clean),
        cmocka_unit_test_teardown(silence_is_seen_and_survived, clean),
        cmocka_unit_test_teardown(a_camera_that_restarts_is_found_again, clean),
        cmocka_unit_test_teardown(passwords_work_and_stay_out_of_the_log, clean),
        cmocka_unit_test_teardown(a_wrong_password_is_no_picture_and_no_end, clean),
        cmocka_unit_test_teardown(nonsense_from_the_camera_is_survived, clean),
        cmocka_unit_test(an_address_with_a_password_is_refused),
    };
    if (argc < 4 || dw_failed(dw_crypto_init())) {
        (void)fprintf(stderr, "usage: rtsp_test HUB_CAMERA HUB_RTSP RTSP_SERVER [TEST]\n");
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    program = argv[1];
    reader_program = argv[2];
    server_program = argv[3];
    if (argc > 4)
        cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
