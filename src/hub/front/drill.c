#include <stdlib.h>
#include <string.h>

#include "hub/front/front.h"
#include "os/os.h"

#define DRILL_LINE_MAX 4096u
#define DRILL_LINES    64u
#define DRILL_MS       600000u /* the longest drill waits three minutes for a release */

struct dw_drill {
    struct dw_front *front;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    uint32_t handles; /* open ones */
    uint32_t lines;
    char name[40], ask[48];
    uint32_t len;
    char line[DRILL_LINE_MAX];
    char in[2048];
};

static void say(struct dw_drill *d, const char *line, bool is_over)
{
    struct dw_note *n = dw_say_drill(d->name, line, is_over);
    if (n)
        dw_front_pages_push(d->front, n);
    dw_note_drop(n);
}

/* The demo's last line in words: "OK; alarm after 2.1 s; door locked". Kept, so that the page can
 * show what was rehearsed. */
static void note_result(struct dw_drill *d, const char *line)
{
    static const char mark[] = "alarm after ";
    char result[300];
    if (line[0] == '{' || !strstr(line, "; door "))
        return;
    const char *at = strstr(line, mark);
    snprintf(result, sizeof(result), "%s", line);
    json_t *is_utf8 = json_string(result);
    if (is_utf8)
        dw_book_drill(d->front->book, d->name, result,
                      at ? strtod(at + sizeof(mark) - 1, NULL) : -1.0);
    json_decref(is_utf8);
}

static void on_close(uv_handle_t *h)
{
    struct dw_drill *d = h->data;
    if (--d->handles == 0)
        free(d);
}

static void end(struct dw_drill *d, const char *line)
{
    if (d->front->drill != d)
        return;
    d->front->drill = NULL;
    say(d, line, true);
    uv_close((uv_handle_t *)&d->pipe, on_close);
    uv_close((uv_handle_t *)&d->timer, on_close);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct dw_drill *d = h->data;
    (void)suggested;
    *buf = uv_buf_init(d->in, sizeof(d->in));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct dw_drill *d = s->data;
    for (ssize_t i = 0; i < n; i++) {
        char c = buf->base[i];
        if (c != '\n') {
            if (d->len + 1 >= sizeof(d->line)) {
                end(d, "");
                return;
            }
            d->line[d->len++] = c;
            continue;
        }
        d->line[d->len] = '\0';
        d->len = 0;
        if (++d->lines > DRILL_LINES) {
            end(d, "");
            return;
        }
        say(d, d->line, false);
        note_result(d, d->line);
    }
    if (n < 0)
        end(d, "");
}

static void on_written(uv_write_t *w, int status)
{
    if (status != 0)
        end(w->data, "The demo does not answer.");
}

static void on_connect(uv_connect_t *c, int status)
{
    struct dw_drill *d = c->data;
    if (d->front->drill != d)
        return;
    if (status != 0) {
        end(d, "The demo does not answer.");
        return;
    }
    uv_buf_t out = uv_buf_init(d->ask, (unsigned)strlen(d->ask));
    d->write.data = d;
    if (uv_read_start((uv_stream_t *)&d->pipe, on_room, on_read) != 0 ||
        uv_write(&d->write, (uv_stream_t *)&d->pipe, &out, 1, on_written) != 0)
        end(d, "The demo does not answer.");
}

static void on_late(uv_timer_t *t)
{
    end(t->data, "The drill took too long.");
}

static void refuse(struct dw_front *f, struct dw_page *p, const char *name, const char *why)
{
    struct dw_note *n = dw_say_drill(name, why, true);
    if (n)
        dw_front_page_push(f, p, n);
    dw_note_drop(n);
}

void dw_front_drill_run(struct dw_front *f, struct dw_page *p, const char *name)
{
    if (!f->conf.drill_socket[0]) {
        refuse(f, p, name, "Drills are run from the demo only.");
        return;
    }
    if (f->drill) {
        refuse(f, p, name, "Another drill is under way.");
        return;
    }
    struct dw_drill *d = calloc(1, sizeof(*d));
    if (!d || uv_pipe_init(&f->loop, &d->pipe, 0) != 0) {
        free(d);
        return;
    }
    uv_timer_init(&f->loop, &d->timer);
    d->handles = 2;
    d->front = f;
    d->pipe.data = d->timer.data = d->connect.data = d;
    snprintf(d->name, sizeof(d->name), "%.32s", name);
    snprintf(d->ask, sizeof(d->ask), "drill %.32s\n", name);
    f->drill = d;
    uv_timer_start(&d->timer, on_late, DRILL_MS, 0);
    uv_pipe_connect(&d->connect, &d->pipe, f->conf.drill_socket, on_connect);
}
