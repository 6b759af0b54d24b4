/* bench_core - what one step of the rules costs. Prints JSON lines; the median of the runs counts.
 *
 * The mix is that of a visit: a frame every 33 ms, a word of the lock every second, the timeouts
 * between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/lock.h"
#include "core/visit.h"

#define RUNS  9
#define STEPS 400000u

void dw_panic(const char *expr, const char *file, int line)
{
    fprintf(stderr, "panic: %s at %s:%d\n", expr, file, line);
    abort();
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void line(const char *name, double *v, double limit)
{
    qsort(v, RUNS, sizeof *v, ascending);
    double ns = v[RUNS / 2];
    printf("{\"name\":\"core.%s\",\"value\":%.1f,\"unit\":\"ns\",\"limit\":%.0f,\"ratio\":%.3f,"
           "\"spread\":[%.1f,%.1f],\"ok\":%s}\n",
           name, ns, limit, ns / limit, v[0], v[RUNS - 1], ns <= limit ? "true" : "false");
}

static struct dw_interlock k;
static uint32_t effects;

static void step(struct dw_event *ev)
{
    struct dw_effects fx;
    if (dw_failed(dw_interlock_step(&k, ev, &fx)))
        abort();
    effects += fx.count;
}

/* `open`: with the door open, in a visit; else idle. */
static double interlock(bool open)
{
    struct dw_params p;
    dw_params_default(&p);
    dw_interlock_init(&k, &p, (dw_mono){1000});
    struct dw_event lock = {.type = DW_EV_LOCK}, frame = {.type = DW_EV_FRAME};
    frame.frame = (struct dw_frame_seen){.order = DW_FRAME_NEXT, .camera_class = DW_CAMERA_K2};
    lock.lock = (struct dw_lock_word){.lock_class = DW_LOCK_A,
                                      .bolt = open ? DW_BOLT_RETRACTED : DW_BOLT_THROWN,
                                      .contact = open ? DW_CONTACT_OPEN : DW_CONTACT_CLOSED,
                                      .strike = open ? DW_STRIKE_OUT : DW_STRIKE_IN,
                                      .throws_left = 100,
                                      .has_relock = 1};
    uint64_t now = 1000;
    uint32_t done = 0;
    double from = seconds();
    while (done < STEPS) {
        now += 33;
        dw_mono due = dw_interlock_deadline(&k);
        while (due.ms <= now && done < STEPS) {
            struct dw_event ev = {.now = due, .type = DW_EV_TIMEOUT};
            step(&ev);
            done++;
            due = dw_interlock_deadline(&k);
        }
        uint32_t n = k.live.newest_nonce;
        frame.now.ms = now;
        frame.frame.nonce = n;
        frame.frame.since_ms = n ? (uint32_t)(now - 8 - k.live.nonce_at[n].ms) : 0;
        step(&frame);
        done++;
        if (now % 1000 < 33) {
            lock.now.ms = now;
            lock.lock.ask = k.lock_newest_ask;
            if (open && k.state == DW_VISIT_NONE) { /* the bench's own short way in */
                k.state = DW_VISIT_INSIDE;
                k.visit = 1;
                k.dwell_ms = UINT32_MAX;
                k.retracted_at.ms = now;
            }
            step(&lock);
            done++;
        }
    }
    return (seconds() - from) * 1e9 / done;
}

static double lock_rules(void)
{
    struct dw_lock l;
    struct dw_lock_limits limits;
    struct dw_lock_fx fx;
    dw_lock_limits_default(&limits);
    dw_lock_init(&l, &limits);
    struct dw_lock_event ev = {.type = DW_LEV_POWER_UP,
                               .sense = {.bolt = DW_BOLT_THROWN,
                                         .contact = DW_CONTACT_CLOSED,
                                         .strike = DW_STRIKE_IN,
                                         .throws_left = 100}};
    double from = seconds();
    for (uint32_t i = 0; i < STEPS; i++) {
        ev.now.ms = 1000 + i;
        if (i > 0)
            ev.type = i % 4 ? DW_LEV_SENSE : DW_LEV_TIMEOUT;
        if (dw_failed(dw_lock_step(&l, &ev, &fx)))
            abort();
        effects += fx.count;
    }
    return (seconds() - from) * 1e9 / STEPS;
}

int main(void)
{
    double idle[RUNS], open[RUNS], lock[RUNS];
    for (int i = 0; i < RUNS; i++) {
        idle[i] = interlock(false);
        open[i] = interlock(true);
        lock[i] = lock_rules();
    }
    line("visit_step_idle", idle, 200);
    line("visit_step_open", open, 200);
    line("lock_step", lock, 200);
    return effects == 0; /* looked at, so that nothing is optimised away */
}
