/* Rules LCK-n of docs/spec/visit.md, one situation a row: what happens, what the lock does.
 *
 * Round the rules stands a body: its bolt takes 400 ms for its way, the leaf cannot open while the
 * bolt is in the strike. TIMEOUT is fed at the deadlines. Words, each with @MS: up power comes
 * (first and after each loss) open close lost    the leaf; the contact gives nothing handle release
 * key+ key-   inside handle and key: they move the bolt without us block free         something in
 * the strike force pick         the leaf opens although the bolt is out; the bolt goes back, by
 * nobody's hand retract:LEASE[,DWELL] throw   commands;  energy:N stuck              the bolt does
 * not come back half               the bolt's sensor says between, whatever it does Out come: throw
 * pull halt buzz quiet ok no:WHY; "-@MS" writes "/"; "?@MS" writes what is reported: bolt, cause,
 * openings, lease left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lock.h"

#define TRAVEL_MS 400u

struct body {
    struct dw_lock l;
    struct dw_lock_sense s;
    dw_mono now, arrives;
    bool is_out; /* where the bolt goes, or is */
    bool is_blocked, is_stuck, is_half, is_moving;
    char trace[4096];
    /* I16, I17, measured */
    dw_mono closed_loose_since;
    uint64_t closed_loose_max;
};

static void say(struct body *b, const char *word)
{
    size_t n = strlen(b->trace);
    snprintf(b->trace + n, sizeof b->trace - n, "%s%s", n ? " " : "", word);
}

static void feed(struct body *b, struct dw_lock_event ev);

static void sense(struct body *b)
{
    bool arrived = !b->is_moving;
    b->s.bolt = b->is_half || !arrived ? DW_BOLT_MOVING
                : b->is_out            ? DW_BOLT_THROWN
                                       : DW_BOLT_RETRACTED;
    b->s.strike = b->s.bolt == DW_BOLT_THROWN && b->s.contact == DW_CONTACT_CLOSED ? DW_STRIKE_IN
                                                                                   : DW_STRIKE_OUT;
    feed(b, (struct dw_lock_event){.type = DW_LEV_SENSE, .sense = b->s});
}

static void move(struct body *b, bool out)
{
    b->is_moving = true;
    b->is_out = out;
    b->arrives = (out ? b->is_blocked : b->is_stuck) ? DW_NEVER : dw_mono_add(b->now, TRAVEL_MS);
}

static void feed(struct body *b, struct dw_lock_event ev)
{
    struct dw_lock_fx fx;
    static const char *const why[] = {"none",    "bad_lease", "door_open", "not_thrown",
                                      "battery", "sensor",    "busy"};
    char word[32];
    bool moved = false;
    ev.now = b->now;
    assert_false(dw_failed(dw_lock_step(&b->l, &ev, &fx)));
    for (uint32_t i = 0; i < fx.count; i++) {
        switch ((enum dw_lock_fx_type)fx.at[i].type) {
        case DW_LFX_MOTOR_THROW:
            assert_int_equal(b->s.contact, DW_CONTACT_CLOSED); /* LCK-1 [I18], in every row */
            say(b, "throw");
            move(b, true);
            moved = true;
            break;
        case DW_LFX_MOTOR_RETRACT:
            say(b, "pull");
            move(b, false);
            moved = true;
            break;
        case DW_LFX_MOTOR_STOP:
            if (b->l.motion == DW_MOTION_IDLE && b->is_moving)
                say(b, "halt");
            b->arrives = DW_NEVER;
            break;
        case DW_LFX_BUZZER_ON: say(b, "buzz"); break;
        case DW_LFX_BUZZER_OFF: say(b, "quiet"); break;
        case DW_LFX_ACCEPT: say(b, "ok"); break;
        case DW_LFX_REFUSE:
            snprintf(word, sizeof word, "no:%s", why[fx.at[i].value]);
            say(b, word);
            break;
        case DW_LFX_REPORT: break;
        case DW_LFX_NONE:
        case DW_LFX_COUNT: assert_true(false);
        }
    }
    if (moved)
        sense(b);
    bool loose = b->s.contact == DW_CONTACT_CLOSED && b->s.bolt != DW_BOLT_THROWN;
    if (!loose)
        b->closed_loose_since = DW_NEVER;
    else if (b->closed_loose_since.ms == DW_NEVER.ms)
        b->closed_loose_since = b->now;
    else if (b->now.ms - b->closed_loose_since.ms > b->closed_loose_max)
        b->closed_loose_max = b->now.ms - b->closed_loose_since.ms;
}

static void until(struct body *b, uint64_t ms)
{
    for (;;) {
        dw_mono t = dw_lock_deadline(&b->l), at = dw_mono_min((dw_mono){ms}, t);
        at = dw_mono_min(at, b->arrives);
        if (at.ms < b->now.ms)
            at = b->now;
        b->now = at;
        if (b->arrives.ms <= at.ms) {
            b->arrives = DW_NEVER;
            b->is_moving = false;
            sense(b);
        } else if (t.ms <= at.ms) {
            feed(b, (struct dw_lock_event){.type = DW_LEV_TIMEOUT});
            assert_true(dw_lock_deadline(&b->l).ms > b->now.ms);
        } else {
            break;
        }
    }
}

static void act(struct body *b, const char *word, const char *value)
{
    struct dw_lock_event ev = {.sense = b->s};
    if (strcmp(word, "up") == 0) {
        ev.type = DW_LEV_POWER_UP;
        feed(b, ev);
    } else if (strcmp(word, "open") == 0 || strcmp(word, "force") == 0) {
        b->s.contact = DW_CONTACT_OPEN;
        sense(b);
    } else if (strcmp(word, "close") == 0) {
        b->s.contact = DW_CONTACT_CLOSED;
        sense(b);
    } else if (strcmp(word, "lost") == 0) {
        b->s.contact = DW_CONTACT_UNKNOWN;
        sense(b);
    } else if (strcmp(word, "handle") == 0 || strcmp(word, "key+") == 0) {
        if (word[0] == 'h')
            b->s.handle = 1;
        else
            b->s.key = 1;
        b->is_out = b->is_moving = false;
        b->arrives = DW_NEVER;
        sense(b);
    } else if (strcmp(word, "release") == 0 || strcmp(word, "key-") == 0) {
        b->s.handle = b->s.key = 0;
        sense(b);
    } else if (strcmp(word, "pick") == 0) {
        b->is_out = false;
        sense(b);
    } else if (strcmp(word, "block") == 0) {
        b->is_blocked = true;
    } else if (strcmp(word, "stuck") == 0) {
        b->is_stuck = true;
    } else if (strcmp(word, "free") == 0) {
        b->is_blocked = b->is_stuck = false;
    } else if (strcmp(word, "half") == 0) {
        b->is_half = !b->is_half;
        sense(b);
    } else if (strcmp(word, "energy") == 0) {
        b->s.throws_left = (uint16_t)strtoul(value, NULL, 10);
        sense(b);
    } else if (strcmp(word, "retract") == 0) {
        ev.type = DW_LEV_RETRACT;
        ev.lease_ms = (uint32_t)strtoul(value, NULL, 10);
        const char *comma = strchr(value, ',');
        ev.dwell_ms = comma ? (uint32_t)strtoul(comma + 1, NULL, 10) : 0;
        feed(b, ev);
    } else if (strcmp(word, "throw") == 0) {
        ev.type = DW_LEV_THROW;
        feed(b, ev);
    } else if (strcmp(word, "?") == 0) {
        char line[64];
        snprintf(line, sizeof line, "<%s,%s,%u,%u>", dw_bolt_word(dw_lock_bolt(&b->l)),
                 dw_cause_word((enum dw_cause)b->l.cause), b->l.opening_count,
                 dw_lock_lease_left_ms(&b->l, b->now));
        say(b, line);
    } else {
        assert_string_equal(word, "-");
        say(b, "/");
    }
}

static void begin(struct body *b)
{
    struct dw_lock_limits limits;
    memset(b, 0, sizeof *b);
    memset(&b->l, 0xA5, sizeof b->l);
    dw_lock_limits_default(&limits);
    dw_lock_init(&b->l, &limits);
    b->s.contact = DW_CONTACT_CLOSED;
    b->s.bolt = DW_BOLT_THROWN;
    b->s.strike = DW_STRIKE_IN;
    b->s.throws_left = 100;
    b->is_out = true;
    b->arrives = b->closed_loose_since = DW_NEVER;
    b->now = (dw_mono){1000};
}

static void play(struct body *b, const char *script)
{
    while (*script) {
        char token[48];
        size_t n = strcspn(script, " ");
        assert_true(n < sizeof token);
        memcpy(token, script, n);
        token[n] = 0;
        script += n + (script[n] == ' ');
        char *when = strchr(token, '@');
        *when = 0;
        until(b, 1000 + strtoull(when + 1, NULL, 10));
        char *colon = strchr(token, ':');
        if (colon)
            *colon = 0;
        act(b, token, colon ? colon + 1 : "");
    }
}

static const struct {
    const char *name, *script, *want;
} rows[] = {
    {"LCK-3 [I16]: nobody opens: locked at the end of the lease",
     "up@0 retract:15000@1000 ?@1500 -@15900 -@16100 ?@17000",
     "ok pull <retracted,command,0,14500> / throw / <thrown,command,0,0>"},
    {"LCK-2 [I17]: opened and closed: locked after T_settle",
     "up@0 retract:15000@1000 open@3000 ?@3100 close@9000 -@10400 -@10600 ?@11000",
     "ok pull <retracted,command,1,0> / throw / <thrown,command,1,0>"},
    {"LCK-2: closed for less than T_settle is still the same opening",
     "up@0 retract:15000@1000 open@3000 close@9000 open@10000 close@12000 -@13400 ?@14000",
     "ok pull / throw <thrown,command,2,0>"},
    {"LCK-9: a throw ends the lease", "up@0 retract:15000@1000 throw@2000 -@5000 ?@5000 -@20000",
     "ok pull ok throw / <thrown,command,0,0> /"},
    {"LCK-9: the lease does not outlive the first opening",
     "up@0 retract:2000@1000 open@1900 -@4000 close@5000 -@7000", "ok pull / throw /"},
    {"LCK-1 [I18]: opened while it throws: the motor stops, and throws after closing",
     "up@0 retract:15000@1000 open@3000 close@9000 open@10600 -@11000 close@12000 -@14000 ?@14000",
     "ok pull throw halt / throw / <thrown,command,2,0>"},
    {"LCK-1: the bolt does not come back, and the leaf is open: no throw",
     "up@0 stuck@500 retract:15000@1000 open@2000 -@2900 -@3100 free@3200 close@4000 -@6000 ?@6000",
     "ok pull / halt / throw / <thrown,command,1,0>"},
    {"LCK-11: told to throw with the door open",
     "up@0 retract:15000@1000 open@3000 throw@4000 close@5000 -@6900 ?@7000",
     "ok pull no:door_open throw / <thrown,command,1,0>"},
    {"LCK-4: open for longer than the dwell: it buzzes until closed",
     "up@0 retract:15000,10000@1000 open@3000 -@12900 -@13100 close@14000 -@17000",
     "ok pull / buzz / quiet throw /"},
    {"LCK-4: no dwell given: the longest",
     "up@0 retract:15000@1000 open@3000 -@182900 -@183100 close@184000 -@187000",
     "ok pull / buzz / quiet throw /"},
    {"LCK-6 [I18]: blocked: jammed, three tries, then one a minute",
     "up@0 retract:15000@1000 open@3000 block@4000 close@5000 -@8400 ?@8600 -@11400 -@13600 "
     "-@18700 -@78000 -@79000 free@79100 ?@141000 -@200000",
     "ok pull throw / halt buzz <jammed,command,1,0> / throw halt / throw halt / / throw / halt "
     "throw quiet <thrown,command,1,0> /"},
    {"LCK-6: jammed, and free at the second try",
     "up@0 retract:15000@1000 open@3000 block@4000 close@5000 ?@8600 free@9000 -@12000 ?@12100",
     "ok pull throw halt buzz <jammed,command,1,0> throw quiet / <thrown,command,1,0>"},
    {"LCK-6: the bolt does not come back: locked again, and said",
     "up@0 stuck@500 retract:15000@1000 -@2900 -@3100 ?@3200 -@4000 ?@4100",
     "ok pull / throw / <jammed,command,0,0> / <thrown,command,0,0>"},
    {"LCK-7 [I12]: power comes back with the door closed and loose",
     "up@0 retract:15000@1000 ?@1500 up@2000 ?@2100 -@3400 -@3600 ?@4500",
     "ok pull <retracted,command,0,14500> <retracted,unknown,0,0> / throw / <thrown,unknown,0,0>"},
    {"LCK-7: power comes back with the door open",
     "up@0 retract:15000@1000 open@3000 up@4000 ?@4100 -@183900 -@184100 close@185000 -@188000",
     "ok pull <retracted,unknown,1,0> / buzz / quiet throw /"},
    {"LCK-7: power comes back and it is locked", "up@0 up@1000 -@60000 ?@60000",
     "/ <thrown,unknown,0,0>"},
    {"LCK-8: the contact is lost: nothing moves until it tells again",
     "up@0 retract:15000@1000 lost@3000 throw@4000 -@30000 close@31000 -@33000 ?@33000",
     "ok pull no:sensor / throw / <thrown,command,0,0>"},
    {"LCK-8: the contact is lost while it throws",
     "up@0 retract:15000@1000 throw@2000 lost@2100 -@10000 close@11000 -@13000 ?@13000",
     "ok pull ok throw halt / throw / <thrown,command,0,0>"},
    {"LCK-10 [I20]: from inside it always opens; it is only told",
     "up@0 handle@1000 open@1200 release@1500 ?@1600 close@4000 -@6000 ?@6000",
     "<retracted,inside,1,0> throw / <thrown,inside,1,0>"},
    {"LCK-10: turned, but not opened", "up@0 handle@1000 release@1300 -@5900 -@6100 ?@6600",
     "/ throw / <thrown,inside,0,0>"},
    {"LCK-10: held for a minute: no motor fights a hand",
     "up@0 handle@1000 -@60000 release@61000 -@63000 ?@63000", "/ throw / <thrown,inside,0,0>"},
    {"LCK-10: turned while it throws",
     "up@0 retract:15000@1000 throw@3000 handle@3200 open@3300 release@3400 close@6000 -@8000 "
     "?@8000",
     "ok pull ok throw throw / <thrown,inside,1,0>"},
    {"LCK-10: turned during a lease that ends sooner",
     "up@0 retract:3000@1000 handle@2000 release@2200 -@3900 -@4100 ?@5000",
     "ok pull / throw / <thrown,inside,0,0>"},
    {"LCK-10: the key", "up@0 key+@1000 ?@1100 key-@1200 open@1500 ?@1600 close@3000 -@5000 ?@5100",
     "<retracted,key,0,0> <retracted,key,1,0> throw / <thrown,key,1,0>"},
    {"LCK-14 [I19]: opened with the bolt out", "up@0 force@1000 ?@1100 close@2000 -@4000 ?@4100",
     "<jammed,forced,1,0> / <thrown,forced,1,0>"},
    {"LCK-14: opened by command, then from inside",
     "up@0 retract:15000@1000 open@3000 ?@3100 close@4000 ?@6500 handle@8000 open@8100 ?@8200 "
     "release@8300 close@9000 -@11000 ?@11000",
     "ok pull <retracted,command,1,0> throw <thrown,command,1,0> <retracted,inside,2,0> throw / "
     "<thrown,inside,2,0>"},
    {"LCK-5: a second command while the first is in force",
     "up@0 retract:15000@1000 retract:15000@1100 retract:15000@5000 -@17000 retract:5000@18000 "
     "-@25000",
     "ok pull no:busy no:not_thrown throw / ok pull throw /"},
    {"LCK-5: after a jam it must have been locked first",
     "up@0 retract:15000@1000 open@3000 block@4000 close@5000 retract:5000@9000 free@9100 -@12500 "
     "retract:5000@13000 -@13100",
     "ok pull throw halt buzz no:not_thrown throw quiet / ok pull /"},
    {"LCK-3: the lease cannot be longer by asking again",
     "up@0 retract:5000@1000 retract:15000@4000 -@5900 -@6100 ?@6500",
     "ok pull no:not_thrown / throw / <thrown,command,0,0>"},
    {"LCK-14: picked, after it was opened from inside",
     "up@0 handle@1000 open@1200 release@1500 close@4000 -@6000 pick@20000 open@20100 ?@20200",
     "throw / <retracted,unknown,2,0>"},
    {"LCK-15: withdrawn by nothing we sense: locked again",
     "up@0 pick@1000 ?@1100 -@5900 -@6100 ?@7000",
     "<retracted,unknown,0,0> / throw / <thrown,unknown,0,0>"},
    {"LCK-13: the bolt's sensor says between", "up@0 half@1000 ?@1100 -@30000 half@31000 ?@31100",
     "<moving,unknown,0,0> throw buzz throw throw / quiet <thrown,unknown,0,0>"},
};

static void every_row(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        static struct body b;
        begin(&b);
        play(&b, rows[i].script);
        if (strcmp(b.trace, rows[i].want) != 0) {
            bad++;
            print_message("%s\n  script %s\n  want   %s\n  got    %s\n", rows[i].name,
                          rows[i].script, rows[i].want, b.trace);
        }
    }
    assert_int_equal(bad, 0);
}

/* LCK-3, LCK-2 [I16, I17]: whatever a courier does with the leaf, and with no link at all, the door
 * is never closed and loose for longer than L1 + T_bolt after the retract, T_settle + T_bolt after
 * a closing. Every pattern of six moves of the leaf on a grid of half seconds. */
static void closed_means_locked(void **state)
{
    (void)state;
    for (uint32_t lease = 1000; lease <= 15000; lease += 7000) {
        for (uint32_t pattern = 0; pattern < 4096; pattern++) {
            static struct body b;
            begin(&b);
            act(&b, "up", "");
            char value[16];
            snprintf(value, sizeof value, "%u", lease);
            act(&b, "retract", value);
            uint64_t t = b.now.ms;
            for (uint32_t i = 0; i < 6; i++) {
                t += 500u + 1000u * (pattern >> (2 * i) & 3u);
                until(&b, t);
                if (b.s.contact == DW_CONTACT_OPEN)
                    act(&b, "close", "");
                else if (b.s.bolt != DW_BOLT_THROWN)
                    act(&b, "open", "");
            }
            if (b.s.contact == DW_CONTACT_OPEN)
                act(&b, "close", "");
            until(&b, t + lease + 5000);
            assert_int_equal(dw_lock_bolt(&b.l), DW_BOLT_THROWN);
            assert_true(b.closed_loose_max <= (lease > 1500 ? lease : 1500) + 2000);
            assert_int_equal(b.l.motion, DW_MOTION_IDLE);
        }
    }
}

/* LCK-5: each thing that must hold, alone missing. LCK-12: time that runs back changes nothing. */
static void refusals(void **state)
{
    (void)state;
    struct dw_lock_limits limits;
    dw_lock_limits_default(&limits);
    static const struct {
        struct dw_lock_sense sense;
        uint32_t lease, dwell;
        enum dw_lock_refusal want;
    } cases[] = {
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3}, 1, 180000, DW_LREF_NONE},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3}, 15000, 0, DW_LREF_NONE},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3}, 0, 0, DW_LREF_BAD_LEASE},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3},
         15001,
         0,
         DW_LREF_BAD_LEASE},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3},
         1,
         180001,
         DW_LREF_BAD_LEASE},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 2}, 1, 0, DW_LREF_BATTERY},
        {{DW_BOLT_THROWN, DW_CONTACT_UNKNOWN, DW_STRIKE_IN, 0, 0, 0, 3}, 1, 0, DW_LREF_SENSOR},
        {{DW_BOLT_UNKNOWN, DW_CONTACT_CLOSED, DW_STRIKE_IN, 0, 0, 0, 3}, 1, 0, DW_LREF_SENSOR},
        {{DW_BOLT_THROWN, DW_CONTACT_OPEN, DW_STRIKE_IN, 0, 0, 0, 3}, 1, 0, DW_LREF_DOOR_OPEN},
        {{DW_BOLT_RETRACTED, DW_CONTACT_CLOSED, DW_STRIKE_OUT, 0, 0, 0, 3},
         1,
         0,
         DW_LREF_NOT_THROWN},
        {{DW_BOLT_MOVING, DW_CONTACT_CLOSED, DW_STRIKE_OUT, 0, 0, 0, 3}, 1, 0, DW_LREF_NOT_THROWN},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_OUT, 0, 0, 0, 3}, 1, 0, DW_LREF_NOT_THROWN},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_UNKNOWN, 0, 0, 0, 3},
         1,
         0,
         DW_LREF_NOT_THROWN},
        {{DW_BOLT_THROWN, DW_CONTACT_CLOSED, DW_STRIKE_ABSENT, 0, 0, 0, 3},
         1,
         0,
         DW_LREF_NOT_THROWN},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(cases); i++) {
        struct dw_lock l, was;
        struct dw_lock_fx fx;
        dw_lock_init(&l, &limits);
        struct dw_lock_event ev = {.now = {1000}, .type = DW_LEV_POWER_UP, .sense = cases[i].sense};
        assert_false(dw_failed(dw_lock_step(&l, &ev, &fx)));
        ev = (struct dw_lock_event){.now = {1100},
                                    .type = DW_LEV_RETRACT,
                                    .lease_ms = cases[i].lease,
                                    .dwell_ms = cases[i].dwell};
        was = l;
        ev.now.ms = 999;
        assert_true(dw_is(dw_lock_step(&l, &ev, &fx), DW_E_CLOCK));
        assert_memory_equal(&l, &was, sizeof l);
        assert_int_equal(fx.count, 0);
        ev.now.ms = 1100;
        assert_false(dw_failed(dw_lock_step(&l, &ev, &fx)));
        if (cases[i].want == DW_LREF_NONE) {
            assert_int_equal(fx.at[0].type, DW_LFX_ACCEPT);
            assert_int_equal(fx.at[1].type, DW_LFX_MOTOR_RETRACT);
            assert_int_equal(l.throw_at.ms, 1100 + cases[i].lease); /* planned before it moves */
            ev.now.ms = 1200;                                       /* and not twice */
            assert_false(dw_failed(dw_lock_step(&l, &ev, &fx)));
            assert_int_equal(fx.at[0].type, DW_LFX_REFUSE);
            assert_int_equal(fx.at[0].value, DW_LREF_BUSY);
        } else {
            assert_int_equal(fx.count, 1);
            assert_int_equal(fx.at[0].type, DW_LFX_REFUSE);
            assert_int_equal(fx.at[0].value, cases[i].want);
        }
    }
    /* A lock that was never told what it senses moves nothing. */
    struct dw_lock l;
    struct dw_lock_fx fx;
    for (int zero = 0; zero < 2; zero++) {
        if (zero)
            memset(&l, 0, sizeof l);
        else
            dw_lock_init(&l, &limits);
        struct dw_lock_event ev = {.now = {1}, .type = DW_LEV_RETRACT, .lease_ms = 1000};
        assert_false(dw_failed(dw_lock_step(&l, &ev, &fx)));
        assert_int_equal(fx.at[0].type, DW_LFX_REFUSE);
        assert_int_not_equal(dw_lock_bolt(&l), DW_BOLT_THROWN);
    }
}

/* LCK-13 [I18, I32] */
static void what_is_reported(void **state)
{
    (void)state;
    struct dw_lock l;
    struct dw_lock_limits limits;
    dw_lock_limits_default(&limits);
    for (uint32_t bolt = 0; bolt < DW_BOLT_COUNT; bolt++) {
        for (uint32_t strike = 0; strike < DW_STRIKE_COUNT; strike++) {
            for (uint32_t motion = 0; motion < 3; motion++) {
                for (uint32_t jam = 0; jam < 2; jam++) {
                    dw_lock_init(&l, &limits);
                    l.sense.bolt = (uint8_t)bolt;
                    l.sense.strike = (uint8_t)strike;
                    l.motion = (uint8_t)motion;
                    l.is_jammed = (uint8_t)jam;
                    enum dw_bolt want = (enum dw_bolt)bolt;
                    if (bolt == DW_BOLT_THROWN && strike != DW_STRIKE_IN)
                        want = strike == DW_STRIKE_UNKNOWN ? DW_BOLT_UNKNOWN : DW_BOLT_JAMMED;
                    if (motion)
                        want = DW_BOLT_MOVING;
                    if (jam)
                        want = DW_BOLT_JAMMED;
                    assert_int_equal(dw_lock_bolt(&l), want);
                }
            }
        }
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) { /* prints the rows as they are, for whoever adds one */
        for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
            static struct body b;
            begin(&b);
            play(&b, rows[i].script);
            printf("    {\"%s\",\n     \"%s\",\n     \"%s\"},\n", rows[i].name, rows[i].script,
                   b.trace);
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(closed_means_locked),
        cmocka_unit_test(refusals),
        cmocka_unit_test(what_is_reported),
    };
    return cmocka_run_group_tests_name("core_lock", tests, NULL, NULL);
}
