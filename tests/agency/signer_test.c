/* What an agency's key signs, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agency/signer.h"
#include "core/types.h"

#define NOW INT64_C(1795514400)
#define DAY INT64_C(86400)

static struct dw_secret secret, hub, other_hub;
static struct dw_signer signer;
static struct dw_signer_item item; /* what goes along with the payload */
static uint8_t bytes[2048], object[DW_SIGNED_BYTES_MAX];
static struct dw_buf out;

/* Drop, front door, any hour of the week. */
static struct dw_grant some_grant(void)
{
    struct dw_grant g = {.nbf_s = NOW - DAY,
                         .exp_s = NOW + 30 * DAY,
                         .zone = "Europe/Amsterdam",
                         .name = "Acme",
                         .dwell_ms = 60000,
                         .window_count = 1,
                         .window = {{0, DW_WEEK_MINUTES}},
                         .uses = 9,
                         .per_day = 9};
    memcpy(g.grantee, secret.key.thumb, 32);
    memcpy(g.hub, hub.key.thumb, 32);
    memset(g.id, 7, 16);
    return g;
}

/* A permission as `by` says it, with bytes in the places of the owner's signature. */
static struct dw_view said_by(const struct dw_secret *by, const struct dw_grant *g)
{
    static uint8_t kept[DW_SIGNED_BYTES_MAX], payload[DW_SIGNED_PAYLOAD_MAX];
    struct dw_evidence e = {.context = DW_GRANT_CONTEXT,
                            .credential_len = 16,
                            .auth_len = 37,
                            .client_len = 80,
                            .signature_len = 70};
    struct dw_buf in = dw_buf_of(e.bytes, sizeof e.bytes), p = dw_buf_of(payload, sizeof payload),
                  o = dw_buf_of(kept, sizeof kept);
    assert_false(dw_failed(dw_grant_write(g, &in)));
    e.bytes_len = (uint16_t)in.len;
    memcpy(e.hub, g->hub, 32);
    memcpy(e.id, g->id, 16);
    assert_false(dw_failed(dw_evidence_write(&e, &p)));
    assert_false(dw_failed(dw_signed_make(by, DW_CONTEXT_EVIDENCE, dw_view_of_buf(&p), &o)));
    return dw_view_of_buf(&o);
}

static int fresh(void **state)
{
    (void)state;
    memset(&signer, 0, sizeof signer);
    signer.secret = &secret;
    memset(signer.rules.agency, 5, 16);
    memcpy(signer.rules.name, "Acme", 5);
    memcpy(signer.rules.origin, "https://service.example", 24);
    signer.rules.per_day = 2;
    signer.rules.days_ahead = 14;
    memset(&item, 0, sizeof item);
    memcpy(item.hub_pub, hub.key.pub, 32);
    item.is_known = true;
    memcpy(item.known_hub, hub.key.thumb, 32);
    struct dw_grant g = some_grant();
    item.grant = said_by(&hub, &g);
    return 0;
}

static struct dw_introduce some_introduce(void)
{
    struct dw_introduce m = {.name = "Acme"};
    memcpy(m.pub, secret.key.pub, 32);
    memcpy(m.hub, hub.key.thumb, 32);
    memset(m.agency, 5, 16);
    return m;
}

static struct dw_job some_job(uint8_t number)
{
    struct dw_job j = {.nbf_s = NOW + 3600,
                       .exp_s = NOW + 7200,
                       .agency_name = "Acme",
                       .kind = DW_VISIT_DROP,
                       .openings = 1,
                       .zone = "Europe/Amsterdam",
                       .dwell_ms = 60000,
                       .window = {20781, 600, 840}};
    memcpy(j.hub, hub.key.thumb, 32);
    memset(j.agency, 5, 16);
    memset(j.job, number, 16);
    return j;
}

static struct dw_shift some_shift(void)
{
    struct dw_shift m = {.nbf_s = NOW,
                         .exp_s = NOW + 3600,
                         .visitor_name = "Stewart",
                         .credential_len = 16,
                         .alg = 2,
                         .key_len = 32,
                         .origin = "https://service.example"};
    memset(m.agency, 5, 16);
    return m;
}

static enum dw_signer_no sign(const char *kind, struct dw_view payload, int64_t now_s)
{
    struct dw_view back;
    out = dw_buf_of(object, sizeof object);
    item.kind = kind;
    item.payload = payload;
    enum dw_signer_no no = dw_signer_sign(&signer, &item, now_s, &out);
    if (no != DW_SIGNER_YES) {
        assert_int_equal(out.len, 0);
        return no;
    }
    enum dw_context context = strcmp(kind, "introduce") == 0  ? DW_CONTEXT_INTRODUCE
                              : strcmp(kind, "manifest") == 0 ? DW_CONTEXT_MANIFEST
                                                              : DW_CONTEXT_SHIFT;
    assert_false(dw_failed(dw_signed_open(&secret.key, context, dw_view_of_buf(&out), &back)));
    assert_int_equal(back.len, payload.len);
    assert_memory_equal(back.ptr, payload.ptr, payload.len);
    return no;
}

static struct dw_view introduce_of(const struct dw_introduce *m)
{
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_introduce_write(m, &b)));
    return dw_view_of_buf(&b);
}

static struct dw_view manifest_of(const struct dw_job *j)
{
    struct dw_manifest m = {0};
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job), b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_job_write(j, &job)));
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, j->hub, sizeof m.hub);
    memset(m.grant, 7, sizeof m.grant);
    assert_false(dw_failed(dw_manifest_write(&m, &b)));
    return dw_view_of_buf(&b);
}

static struct dw_view shift_of(const struct dw_shift *m)
{
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_shift_write(m, &b)));
    return dw_view_of_buf(&b);
}

static void introductions(void **state)
{
    (void)state;
    struct dw_introduce m = some_introduce();
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
    m.agency[0] = 6;
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_AGENCY);
    m = some_introduce();
    m.name[0] = 'B';
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_AGENCY);
    m = some_introduce();
    m.is_hosted = true; /* households are not told otherwise than it is */
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_AGENCY);
    m = some_introduce();
    m.pub[0] ^= 1;
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_KEY);
}

static void manifests(void **state)
{
    (void)state;
    struct dw_job j = some_job(1);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_YES);
    j.agency[3] = 6;
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_AGENCY);
    j = some_job(1);
    j.agency_name[0] = 'B';
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_AGENCY);
    j = some_job(1);
    assert_int_equal(sign("manifest", manifest_of(&j), j.exp_s), DW_SIGNER_NO_WINDOW);
    j.nbf_s = NOW + 14 * DAY + 1;
    j.exp_s = j.nbf_s + 1;
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_WINDOW);
    j = some_job(1);
    assert_int_equal(sign("manifest", manifest_of(&j), 0), DW_SIGNER_NO_CLOCK);
}

/* A service that lies about which hub is behind a door: the first introduction is believed, for the
 * household must answer it; then it is that hub. */
static void a_home_keeps_its_hub(void **state)
{
    (void)state;
    struct dw_introduce m = some_introduce();
    struct dw_job j = some_job(1);
    struct dw_grant g = some_grant();
    item.is_known = false;
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_HOME);
    m.hub[0] ^= 1; /* another hub than the key that comes with it */
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_HUB);
    m.hub[0] ^= 1;
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
    item.is_known = true;
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_YES);

    /* Everything of the other hub, as true as can be: introduction, manifest, permission. */
    memcpy(item.hub_pub, other_hub.key.pub, 32);
    memcpy(m.hub, other_hub.key.thumb, 32);
    memcpy(j.hub, other_hub.key.thumb, 32);
    memcpy(g.hub, other_hub.key.thumb, 32);
    item.grant = said_by(&other_hub, &g);
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_HUB);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_HUB);
    j = some_job(1); /* only the permission */
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
    memcpy(item.known_hub, other_hub.key.thumb, 32); /* a person has said so */
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
}

static void a_day_holds_so_many_homes(void **state)
{
    (void)state;
    struct dw_introduce m = some_introduce();
    item.is_known = false;
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_NO_QUOTA);
    item.is_known = true; /* one that was met before is none more */
    assert_int_equal(sign("introduce", introduce_of(&m), NOW), DW_SIGNER_YES);
    item.is_known = false;
    assert_int_equal(sign("introduce", introduce_of(&m), NOW + DAY), DW_SIGNER_YES);
}

/* The service hands over what hubs signed; it can leave it out, exchange it, or make it up. */
static void a_permission_is_its_hubs_word(void **state)
{
    (void)state;
    struct dw_job j = some_job(1);
    struct dw_grant g = some_grant();
    item.grant = dw_view_of(NULL, 0);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
    item.grant = said_by(&other_hub, &g); /* made up */
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
    item.grant = said_by(&hub, &g);
    for (size_t i = 0; i < item.grant.len; i++) { /* changed on the way */
        uint8_t *bytes_of = (uint8_t *)(uintptr_t)item.grant.ptr;
        bytes_of[i] ^= 1;
        assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
        bytes_of[i] ^= 1;
    }
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_YES);

    g.id[0]++; /* a true one, but not the one that the manifest names */
    item.grant = said_by(&hub, &g);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
    g = some_grant();
    g.grantee[0] ^= 1; /* another agency's */
    item.grant = said_by(&hub, &g);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
    g = some_grant();
    g.hub[0] ^= 1;
    item.grant = said_by(&hub, &g);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_GRANT);
}

static void what_is_wider_than_the_permission(void **state)
{
    (void)state;
    struct dw_grant g = some_grant();
    item.grant = said_by(&hub, &g);
    for (int part = 0; part < 5; part++) {
        struct dw_job j = some_job(1);
        if (part == 0)
            j.door = 1;
        else if (part == 1)
            j.dwell_ms++;
        else if (part == 2)
            memcpy(j.zone, "Europe/London", 14);
        else if (part == 3)
            j.kind = DW_VISIT_STAY;
        else
            j.nbf_s = j.exp_s = g.exp_s + 1;
        assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_SCOPE);
    }
    g.window[0].minutes = 600; /* Mondays until ten; the job is of 10:00 to 14:00 */
    item.grant = said_by(&hub, &g);
    struct dw_job j = some_job(1);
    assert_int_equal(sign("manifest", manifest_of(&j), NOW), DW_SIGNER_NO_SCOPE);
}

static void a_day_holds_so_many(void **state)
{
    (void)state;
    struct dw_job a = some_job(1), b = some_job(2), c = some_job(3);
    assert_int_equal(sign("manifest", manifest_of(&a), NOW), DW_SIGNER_YES);
    assert_int_equal(sign("manifest", manifest_of(&b), NOW), DW_SIGNER_YES);
    assert_int_equal(sign("manifest", manifest_of(&c), NOW), DW_SIGNER_NO_QUOTA);
    a.revision = 9; /* the same job again is no other one */
    assert_int_equal(sign("manifest", manifest_of(&a), NOW + 1), DW_SIGNER_YES);
    assert_int_equal(sign("manifest", manifest_of(&c), NOW + 2), DW_SIGNER_NO_QUOTA);
    c.exp_s = NOW + 3 * DAY;
    assert_int_equal(sign("manifest", manifest_of(&c), NOW + DAY), DW_SIGNER_YES);
    /* What is refused is not counted. */
    a = some_job(4);
    a.exp_s = NOW + DAY;
    assert_int_equal(sign("manifest", manifest_of(&a), NOW + DAY), DW_SIGNER_NO_WINDOW);
    b = some_job(5);
    b.exp_s = NOW + 3 * DAY;
    assert_int_equal(sign("manifest", manifest_of(&b), NOW + DAY), DW_SIGNER_YES);
}

static void shifts(void **state)
{
    (void)state;
    struct dw_shift m = some_shift();
    assert_int_equal(sign("shift", shift_of(&m), NOW), DW_SIGNER_YES);
    m.agency[0] = 6;
    assert_int_equal(sign("shift", shift_of(&m), NOW), DW_SIGNER_NO_AGENCY);
    m = some_shift();
    m.origin[10] = 'x';
    assert_int_equal(sign("shift", shift_of(&m), NOW), DW_SIGNER_NO_ORIGIN);
    m = some_shift();
    assert_int_equal(sign("shift", shift_of(&m), m.exp_s), DW_SIGNER_NO_WINDOW);
    m.nbf_s = NOW + DAY + 1;
    m.exp_s = m.nbf_s + 60;
    assert_int_equal(sign("shift", shift_of(&m), NOW), DW_SIGNER_NO_WINDOW);
}

/* What it is asked as decides, not what it could be; and nothing but the three. */
static void no_other_kind(void **state)
{
    (void)state;
    static const char *const kinds[] = {"introduce", "manifest", "shift",  "job",
                                        "recall",    "",         "shift ", "Shift"};
    struct dw_introduce i = some_introduce();
    struct dw_job j = some_job(1);
    struct dw_shift s = some_shift();
    for (size_t k = 0; k < DW_ARRAY_COUNT(kinds); k++) {
        enum dw_signer_no as_introduce = sign(kinds[k], introduce_of(&i), NOW);
        enum dw_signer_no as_manifest = sign(kinds[k], manifest_of(&j), NOW);
        enum dw_signer_no as_shift = sign(kinds[k], shift_of(&s), NOW);
        enum dw_signer_no other = k < 3 ? DW_SIGNER_NO_FORM : DW_SIGNER_NO_KIND;
        assert_int_equal(as_introduce, k == 0 ? DW_SIGNER_YES : other);
        assert_int_equal(as_manifest, k == 1 ? DW_SIGNER_YES : other);
        assert_int_equal(as_shift, k == 2 ? DW_SIGNER_YES : other);
    }
    struct dw_view cut = shift_of(&s);
    cut.len--;
    assert_int_equal(sign("shift", cut, NOW), DW_SIGNER_NO_FORM);
}

int main(void)
{
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_secret_new(&secret);
    dw_secret_new(&hub);
    dw_secret_new(&other_hub);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(introductions, fresh),
        cmocka_unit_test_setup(manifests, fresh),
        cmocka_unit_test_setup(a_home_keeps_its_hub, fresh),
        cmocka_unit_test_setup(a_day_holds_so_many_homes, fresh),
        cmocka_unit_test_setup(a_permission_is_its_hubs_word, fresh),
        cmocka_unit_test_setup(what_is_wider_than_the_permission, fresh),
        cmocka_unit_test_setup(a_day_holds_so_many, fresh),
        cmocka_unit_test_setup(shifts, fresh),
        cmocka_unit_test_setup(no_other_kind, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
