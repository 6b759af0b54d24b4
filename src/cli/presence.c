/* doorward-presence: somebody stands at the hub itself. Writes <state>/presence, which the guard
 * takes within five minutes, once: for the recovery, one more passkey, an owner who comes or goes
 * [I7, I48, docs/design/people.md]. Whoever may write into the hub's folder is at the hub; nothing
 * is asked over a network. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "os/os.h"

static int wrong(const char *what)
{
    (void)fprintf(stderr, "doorward presence: %s\n", what);
    return 1;
}

/* The folder that the hub's settings name, without the blanks at its end, as the guard reads it. */
static bool find_state(const char *config, char ret_state[256])
{
    static uint8_t text[64 * 1024];
    struct dw_buf in = dw_buf_of(text, sizeof text - 1);
    ret_state[0] = 0;
    if (dw_failed(dw_file_read(config, &in)))
        return false;
    text[in.len] = 0;
    for (const char *line = (const char *)text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, " state = %255[^\r\n]", ret_state) == 1)
            break;
    }
    for (size_t len = strlen(ret_state); len > 0 && strchr(" \t", ret_state[len - 1]); len--)
        ret_state[len - 1] = 0;
    return ret_state[0] != 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *config = NULL;
    char state[256], path[512], text[32];
    struct stat st;
    int c;
    dw_os_init("presence");
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h') {
            (void)printf(
                "doorward presence --config FILE\n\nSays to the hub that somebody stands at "
                "it. For the next five minutes, and once, it takes\na recovery code, one more "
                "passkey of a member, or a change of who is an owner.\n");
            return 0;
        }
        if (c != 'c')
            return 2;
        config = optarg;
    }
    if (!config || optind != argc) {
        (void)wrong("give --config FILE, the settings of the hub");
        return 2;
    }
    if (!find_state(config, state))
        return wrong("cannot read these settings, or they lack: state = FOLDER");
    if (stat(state, &st) != 0 || !S_ISDIR(st.st_mode))
        return wrong("there is no such folder; has the hub been started once?");
    if (dw_failed(dw_path(path, sizeof path, state, "presence")))
        return wrong("the name of the folder is too long");
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)dw_now().ms);
    if (dw_failed(dw_file_write(path, dw_view_of(text, (size_t)n), 0600)))
        return wrong("cannot write into the hub's folder; run it as the hub's user");
    (void)printf(
        "For five minutes the hub takes one recovery code, or one new passkey, or one change "
        "of owners.\n");
    return 0;
}
