/* The keys of camera and lock: who changes them, and what a key that was changed, or is another
 * boot's, can still say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"
#include "rig.h"

static void again(void)
{
    close_guard();
    open_guard();
}

static void stand_at_the_hub(void)
{
    char path[128], text[32];
    at("presence", path);
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)mono_ms);
    assert_false(dw_failed(dw_file_write(path, dw_view_of(text, (size_t)n), 0600)));
}

static struct dw_ipc_people_ask with_key(enum dw_act act, const uint8_t pub[DW_KEY_BYTES])
{
    struct dw_ipc_people_ask m = {.act = (uint8_t)act};
    dw_hex(pub, DW_KEY_BYTES, m.text);
    return m;
}

static const struct dw_ipc_story *newest_line(void)
{
    return &sent.line[(sent.lines - 1) % DW_ARRAY_COUNT(sent.line)];
}

/* ---- the lock ---- */

static void only_an_owner_at_the_hub_changes_a_key(void **state)
{
    (void)state;
    struct device *d = first_owner(), *o = member(d, DW_MEMBER_OCCUPANT, "Bo");
    struct dw_secret fresh, old = lock_key;
    dw_secret_new(&fresh);
    pass_locked(6000);
    uint32_t epoch = g.people.book.epoch, kills = sent.kills;
    struct dw_ipc_people_ask m = with_key(DW_ACT_LOCK_KEY, fresh.key.pub);

    assert_int_equal(act(d, m), DW_PEOPLE_NO_PRESENCE);
    stand_at_the_hub();
    assert_int_equal(act(o, m), DW_PEOPLE_NO_ROLE);
    m.text[63] = 0; /* not a whole key */
    assert_int_equal(act(d, m), DW_PEOPLE_NO_NO_SUCH);
    m.text[63] = 'g';
    assert_int_equal(act(d, m), DW_PEOPLE_NO_NO_SUCH);
    static const uint8_t small[DW_KEY_BYTES] = {1}; /* signs everything */
    assert_int_equal(act(d, with_key(DW_ACT_LOCK_KEY, small)), DW_PEOPLE_NO_NO_SUCH);
    assert_int_equal(act(d, with_key(DW_ACT_LOCK_KEY, g.secret.key.pub)), DW_PEOPLE_NO_NO_SUCH);
    /* The lock's key as the camera's: one key is one device. */
    assert_int_equal(act(d, with_key(DW_ACT_CAMERA_KEY, lock_key.key.pub)), DW_PEOPLE_NO_NO_SUCH);
    assert_memory_equal(g.lock.key.pub, old.key.pub, DW_KEY_BYTES);
    assert_int_equal(g.people.book.epoch, epoch);
    assert_int_equal(sent.kills, kills);

    /* What is signed names the key. */
    m = with_key(DW_ACT_LOCK_KEY, fresh.key.pub);
    m.member = d->member;
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NONE);
    struct dw_control said;
    assert_false(
        dw_failed(dw_control_read(dw_view_of(sent.answer.bytes, sent.answer.bytes_len), &said)));
    assert_int_equal(said.act, DW_ACT_LOCK_KEY);
    assert_memory_equal(said.target, fresh.key.thumb, 16);
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | fresh.key.thumb[16 + i];
    assert_int_equal(said.value, value);
    assert_int_equal(said.epoch, epoch);

    /* A signature that does not hold changes nothing, and takes no presence away. */
    struct dw_ipc_people_ask signed_ask = answered(DW_PEOPLE_ACT);
    signed_ask.member = d->member;
    sign(d, &right, &signed_ask);
    signed_ask.signature[9] ^= 1;
    assert_int_equal(tell_guard(&signed_ask), DW_PEOPLE_NO_PASSKEY);
    assert_memory_equal(g.lock.key.pub, old.key.pub, DW_KEY_BYTES);

    assert_int_equal(act(d, with_key(DW_ACT_LOCK_KEY, fresh.key.pub)), DW_PEOPLE_NO_NONE);
    assert_memory_equal(g.lock.key.pub, fresh.key.pub, DW_KEY_BYTES);
    assert_int_equal(g.people.book.epoch, epoch + 1);
    assert_int_equal(sent.kills, kills + 1); /* the process dials anew */
    assert_int_equal(newest_line()->kind, DW_STORY_PEOPLE);
    assert_int_equal(newest_line()->value, DW_CHANGE_LOCK_KEY);
    assert_int_equal(newest_line()->member, d->member);
    assert_int_equal(newest_line()->value2 >> 24, fresh.key.thumb[0]);
    uint8_t evidence[EVIDENCE_MAX];
    struct dw_buf e = dw_buf_of(evidence, sizeof evidence);
    assert_false(dw_failed(store_fact(g.store, STORE_FACT_EVIDENCE, newest_line()->number, &e)));
    assert_true(e.len > 100);

    /* The old key says nothing any more; the new one is heard. */
    assert_false(g.lock.has_lock_nonce);
    lock_says(DW_BOLT_THROWN, DW_CONTACT_CLOSED);
    assert_false(g.lock.has_lock_nonce);
    lock_key = fresh;
    pass_locked(6000);
    assert_true(g.lock.has_lock_nonce);
    assert_false(g.is_restored); /* its counter is its own: this is no restored backup */

    /* It outlives a restart, and the settings file is not believed against it. */
    lock_key = old; /* the rig's settings file */
    again();
    assert_memory_equal(g.lock.key.pub, fresh.key.pub, DW_KEY_BYTES);
    (void)first_owner();
}

static void not_while_somebody_is_at_the_door(void **state)
{
    (void)state;
    struct device *d = first_owner();
    struct dw_secret fresh;
    dw_secret_new(&fresh);
    pass_locked(6000);
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    assert_true(g.door.visit != 0);
    stand_at_the_hub();
    assert_int_equal(act(d, with_key(DW_ACT_LOCK_KEY, fresh.key.pub)), DW_PEOPLE_NO_DOOR_BUSY);
    assert_int_equal(act(d, with_key(DW_ACT_CAMERA_KEY, fresh.key.pub)), DW_PEOPLE_NO_DOOR_BUSY);
    assert_memory_equal(g.lock.key.pub, lock_key.key.pub, DW_KEY_BYTES);
}

static void the_first_key_comes_with_the_installation_and_stays(void **state)
{
    (void)state;
    struct dw_secret old = lock_key;
    dw_secret_new(&lock_key); /* somebody edits the settings */
    again();
    assert_memory_equal(g.lock.key.pub, old.key.pub, DW_KEY_BYTES);
    /* A row that is no key: whose word it is, is not known, and the file does not fill the gap. */
    struct store_fact f = {STORE_FACT_DEVICE, DEVICE_LOCK, dw_view_of("short", 5)};
    struct store_write w = {.facts = &f, .fact_count = 1};
    assert_false(dw_failed(store_write(g.store, &w)));
    again();
    assert_false(g.lock.has_key);
    pass_locked(500);
    assert_false(g.lock.has_lock_nonce);
}

/* ---- the camera's session ---- */

static struct dw_secret device_key, session_key;
static uint8_t seed[16];
static uint64_t seq;

static void link_up(const struct dw_secret *by, enum dw_context context,
                    const struct dw_camera_session *s)
{
    uint8_t payload[128];
    struct dw_ipc_camera_link m = {.is_up = 1};
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(m.session, sizeof m.session);
    assert_false(dw_failed(dw_camera_session_write(s, &p)));
    assert_false(dw_failed(dw_signed_make(by, context, dw_view_of_buf(&p), &out)));
    m.session_len = (uint16_t)out.len;
    eyes_on_link(&g, &m);
}

static struct dw_camera_session session_of(uint32_t boot, const struct dw_secret *key)
{
    struct dw_camera_session s = {.boot_count = boot};
    memcpy(s.boot_seed, seed, sizeof s.boot_seed);
    memcpy(s.pub, key->key.pub, sizeof s.pub);
    return s;
}

/* True when the guard has taken it as a frame of the enrolled camera. */
static bool is_believed(const struct dw_secret *by, uint32_t boot, const uint8_t of_seed[16])
{
    struct dw_frame_record r = {.boot_count = boot, .seq = ++seq, .t_rx_us = 1, .t_exp_us = 2};
    struct dw_ipc_frame m = {0};
    uint8_t payload[512];
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(m.record, sizeof m.record);
    memcpy(r.boot_seed, of_seed, sizeof r.boot_seed);
    assert_false(dw_failed(dw_frame_record_write(&r, &p)));
    assert_false(dw_failed(dw_signed_make(by, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &out)));
    m.len = (uint16_t)out.len;
    eyes_on_frame(&g, &m);
    return g.camera.has_seen && g.camera.seq == seq && g.camera.boot_count == boot;
}

static int with_camera(void **state)
{
    if (setup(state) != 0)
        return 1;
    dw_secret_new(&device_key);
    dw_secret_new(&session_key);
    dw_random(seed, sizeof seed);
    seq = 0;
    g.camera.key = device_key.key;
    g.camera.has_key = true;
    devices_start(&g);
    return 0;
}

static void frames_are_of_the_certified_session(void **state)
{
    (void)state;
    uint8_t other_seed[16] = {9};
    struct dw_camera_session s = session_of(7, &session_key);
    assert_false(is_believed(&session_key, 7, seed)); /* nobody has vouched for it */
    link_up(&stranger, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_false(is_believed(&session_key, 7, seed));
    link_up(&device_key, DW_CONTEXT_CAMERA_HELLO, &s); /* the right key, another context */
    assert_false(is_believed(&session_key, 7, seed));
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_true(is_believed(&session_key, 7, seed));
    assert_false(is_believed(&device_key, 7, seed)); /* the device key signs no frames */
    assert_false(is_believed(&stranger, 7, seed));
    assert_false(is_believed(&session_key, 8, seed)); /* the key is for its own boot */
    assert_false(is_believed(&session_key, 7, other_seed));
    assert_true(is_believed(&session_key, 7, seed));
}

static void one_boot_has_one_session_and_old_ones_are_over(void **state)
{
    (void)state;
    struct dw_secret second, older;
    dw_secret_new(&second);
    dw_secret_new(&older);
    struct dw_camera_session s = session_of(7, &session_key), t = session_of(7, &second);
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_true(is_believed(&session_key, 7, seed));
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &t); /* another key in the same boot */
    assert_false(is_believed(&second, 7, seed));
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &s); /* the same again: a link dialled anew */
    assert_true(is_believed(&session_key, 7, seed));
    t = session_of(6, &older);
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &t);
    assert_false(is_believed(&older, 6, seed));
    t = session_of(8, &second);
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &t); /* the camera was started again */
    assert_true(is_believed(&second, 8, seed));
    assert_false(is_believed(&session_key, 7, seed));
}

static void the_process_is_vouched_for_one_camera(void **state)
{
    (void)state;
    struct dw_ipc_link_key m = {0};
    memcpy(m.pub, session_key.key.pub, sizeof m.pub);
    sent.link_proofs = 0;
    eyes_on_link_key(&g, &m);
    assert_int_equal(sent.link_proofs, 1);
    assert_memory_equal(sent.link_proof.camera_pub, device_key.key.pub, 32);
    struct dw_view payload;
    struct dw_hub_link said;
    assert_false(dw_failed(dw_signed_open(&g.secret.key, DW_CONTEXT_HUB_LINK,
                                          dw_view_of(sent.link_proof.proof, sent.link_proof.len),
                                          &payload)));
    assert_false(dw_failed(dw_hub_link_read(payload, &said)));
    assert_memory_equal(said.camera, device_key.key.thumb, 32);
    assert_memory_equal(said.pub, m.pub, 32);
    g.camera.has_key = false; /* no camera, nobody to dial */
    eyes_on_link_key(&g, &m);
    assert_int_equal(sent.link_proofs, 1);
}

static void another_camera_begins_anew(void **state)
{
    (void)state;
    struct device *d = first_owner();
    struct dw_secret fresh;
    dw_secret_new(&fresh);
    struct dw_camera_session s = session_of(7, &session_key);
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_true(is_believed(&session_key, 7, seed));
    pass_locked(6000);
    stand_at_the_hub();
    assert_int_equal(act(d, with_key(DW_ACT_CAMERA_KEY, fresh.key.pub)), DW_PEOPLE_NO_NONE);
    assert_int_equal(newest_line()->value, DW_CHANGE_CAMERA_KEY);
    assert_false(g.camera.has_session || g.camera.has_seen);
    assert_false(is_believed(&session_key, 7, seed)); /* what the old one had vouched for is over */
    link_up(&device_key, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_false(is_believed(&session_key, 7, seed));
    s = session_of(1, &session_key); /* the new camera counts its own boots */
    link_up(&fresh, DW_CONTEXT_CAMERA_SESSION, &s);
    assert_true(is_believed(&session_key, 1, seed));
}

int main(void)
{
#define CASE(f)   cmocka_unit_test_setup_teardown(f, setup, teardown)
#define CAMERA(f) cmocka_unit_test_setup_teardown(f, with_camera, teardown)
    const struct CMUnitTest tests[] = {
        CASE(only_an_owner_at_the_hub_changes_a_key),
        CASE(not_while_somebody_is_at_the_door),
        CASE(the_first_key_comes_with_the_installation_and_stays),
        CAMERA(frames_are_of_the_certified_session),
        CAMERA(one_boot_has_one_session_and_old_ones_are_over),
        CAMERA(the_process_is_vouched_for_one_camera),
        CAMERA(another_camera_begins_anew),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("devices_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
