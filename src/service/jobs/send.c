/* Jobs on their way to the hubs. */
#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"
#include "service/agencies/signing.h"
#include "service/homes/grants.h"
#include "service/jobs/jobs.h"
#include "wire/grant.h"

/* A home has a few open jobs; more than this at once waits for the next change. */
#define OF_ONE_MAX 256
/* Of one step of dw_jobs_send_all: 5,000 jobs a second at the link's tick. */
#define STEP_MAX 256

void dw_parcel_commit(const uint8_t salt[16], const char *barcode, uint8_t ret_commitment[32])
{
    dw_sha256_2(dw_view_of(salt, 16), dw_view_of(barcode, strlen(barcode)), ret_commitment);
}

static void copy_name(char ret_name[DW_NAME_MAX], sqlite3_stmt *q, int i)
{
    (void)snprintf(ret_name, DW_NAME_MAX, "%.47s", dw_col_text(q, i));
}

static void send_recall(struct dw_work *w, const uint8_t hub[32], const uint8_t job[DW_ID_BYTES],
                        uint32_t revision)
{
    struct dw_recall out = {.revision = revision};
    uint8_t bytes[128];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    memcpy(out.hub, hub, sizeof(out.hub));
    memcpy(out.job, job, sizeof(out.job));
    if (!dw_failed(dw_recall_write(&out, &buf)))
        dw_post(w, hub, DW_LINK_KIND_RECALL, dw_view_of_buf(&buf));
}

/* The screening that is best for the day: one that is valid then, else the one that ends last. The
 * hub checks it again; with none, the day it gets ended in 1970. */
static void add_screening(struct dw_work *w, struct dw_job *out)
{
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT issuer, kind, from_day, to_day FROM screenings"
                                " WHERE visitor = ? ORDER BY ? BETWEEN from_day AND to_day DESC,"
                                " to_day DESC LIMIT 1",
                                "ki", out->visitor, (int64_t)out->window.day);
    (void)snprintf(out->screening_issuer, sizeof(out->screening_issuer), "none");
    (void)snprintf(out->screening_kind, sizeof(out->screening_kind), "none");
    if (!dw_db_next(w->db, q))
        return;
    copy_name(out->screening_issuer, q, 0);
    copy_name(out->screening_kind, q, 1);
    out->screening_from_day = sqlite3_column_int(q, 2);
    out->screening_to_day = sqlite3_column_int(q, 3);
}

static void add_parcels(struct dw_work *w, struct dw_job *out, const uint8_t salt[16])
{
    sqlite3_stmt *q = dw_db_ask(w->db, "SELECT barcode FROM parcels WHERE job = ? ORDER BY number",
                                "k", out->job);
    while (out->parcel_count < DW_JOB_PARCELS_MAX && dw_db_next(w->db, q))
        dw_parcel_commit(salt, dw_col_text(q, 0), out->parcel[out->parcel_count++]);
}

/* One job as the tables have it. */
struct known {
    struct dw_job job;
    uint8_t home[DW_ID_BYTES];
    struct dw_grant grant; /* the one that it stands on */
    bool has_grant, is_due, is_at_hub;
};

#define JOB_QUERY                                                                            \
    "SELECT h.hub_thumb, h.zone, j.nbf_s, j.exp_s, j.agency, a.name, j.kind, j.door, j.day," \
    " j.from_min, j.to_min, j.revision, j.visitor, v.name, j.notes, j.salt,"                 \
    " j.is_recalled = 0 AND j.exp_s > ?2 AND v.is_active = 1 AND g.exp_s > ?2"               \
    " AND g.revoked IS NULL AND a.key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM stopped t"   \
    " WHERE t.home = j.home AND t.agency = j.agency), j.is_at_hub, j.home, g.bytes"          \
    " FROM jobs j JOIN homes h ON h.id = j.home JOIN agencies a ON a.id = j.agency"          \
    " LEFT JOIN visitors v ON v.id = j.visitor"                                              \
    " LEFT JOIN grants g ON g.home = j.home AND g.id = j.grant_id AND g.agency = j.agency"   \
    " WHERE j.id = ?1 AND h.hub_thumb IS NOT NULL"

/* What the service chooses itself stays within the grant; what the agency chose must fit. */
static void fit(struct dw_job *job, const struct dw_grant *grant)
{
    if (job->dwell_ms > grant->dwell_ms)
        job->dwell_ms = grant->dwell_ms;
    if (job->camera_class < grant->camera_class)
        job->camera_class = grant->camera_class;
    if (job->kind == DW_VISIT_STAY && job->openings > grant->uses)
        job->openings = (uint8_t)grant->uses;
}

static bool load(struct dw_work *w, const uint8_t job[DW_ID_BYTES], struct known *k)
{
    struct dw_job *out = &k->job;
    uint8_t salt[16];
    memset(k, 0, sizeof(*k));
    sqlite3_stmt *q = dw_db_ask(w->db, JOB_QUERY, "ki", job, dw_service_now_ms() / 1000);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 0, out->hub, sizeof(out->hub)) ||
        !dw_col_blob(q, 15, salt, sizeof(salt)))
        return false;
    k->is_due = sqlite3_column_int(q, 16) == 1;
    k->is_at_hub = sqlite3_column_int(q, 17) == 1;
    (void)dw_col_blob(q, 18, k->home, sizeof(k->home));
    const void *bytes = sqlite3_column_blob(q, 19);
    k->has_grant = bytes && !dw_failed(dw_grant_read(
                                dw_view_of(bytes, (size_t)sqlite3_column_bytes(q, 19)), &k->grant));
    out->revision = (uint32_t)sqlite3_column_int64(q, 11);
    copy_name(out->zone, q, 1);
    out->nbf_s = sqlite3_column_int64(q, 2);
    out->exp_s = sqlite3_column_int64(q, 3);
    memcpy(out->job, job, sizeof(out->job));
    (void)dw_col_blob(q, 4, out->agency, sizeof(out->agency));
    copy_name(out->agency_name, q, 5);
    out->kind = (uint8_t)sqlite3_column_int(q, 6);
    out->door = (uint8_t)sqlite3_column_int(q, 7);
    out->openings = out->kind == DW_VISIT_DROP ? 1 : 16;
    out->window.day = sqlite3_column_int(q, 8);
    out->window.from_min = (uint16_t)sqlite3_column_int(q, 9);
    out->window.to_min = (uint16_t)sqlite3_column_int(q, 10);
    out->dwell_ms = 60000; /* T_dwell; the home may tighten it */
    (void)dw_col_blob(q, 12, out->visitor, sizeof(out->visitor));
    copy_name(out->visitor_name, q, 13);
    (void)snprintf(out->notes, sizeof(out->notes), "%.255s", dw_col_text(q, 14));
    out->camera_class = DW_CAMERA_K1;
    add_screening(w, out);
    add_parcels(w, out, salt);
    return true;
}

/* The manifest's payload: the job byte for byte as it always was, and the grant that it names. */
static bool put_up(struct dw_work *w, const struct known *k, struct dw_view *ret_object)
{
    struct dw_manifest m = {0};
    uint8_t bytes[DW_SIGNED_PAYLOAD_MAX];
    struct dw_buf job = dw_buf_of(m.job, sizeof(m.job)), buf = dw_buf_of(bytes, sizeof(bytes));
    memcpy(m.hub, k->job.hub, sizeof(m.hub));
    memcpy(m.grant, k->grant.id, sizeof(m.grant));
    dw_err e = dw_job_write(&k->job, &job);
    m.job_len = (uint16_t)job.len;
    if (!dw_failed(e))
        e = dw_manifest_write(&m, &buf);
    if (dw_failed(e)) {
        dw_log("error", "job-unsent", "why=%s", dw_err_name(e));
        return false;
    }
    return dw_signing_ask(w, k->job.agency, DW_SIGNING_MANIFEST, k->job.job, dw_view_of_buf(&buf),
                          ret_object);
}

void dw_job_send(struct dw_work *w, const uint8_t job[DW_ID_BYTES])
{
    struct known k;
    struct dw_view object;
    if (!load(w, job, &k))
        return;
    if (!k.is_due || !k.has_grant) {
        dw_signing_drop(w, DW_SIGNING_MANIFEST, job);
        if (k.is_at_hub)
            send_recall(w, k.job.hub, job, k.job.revision);
        return;
    }
    fit(&k.job, &k.grant);
    dw_shift_renew(w, k.job.visitor);
    if (!put_up(w, &k, &object))
        return;
    dw_shift_send(w, k.job.hub, k.job.visitor);
    dw_post_signed(w, k.job.hub, DW_LINK_KIND_MANIFEST, object);
    if (!k.is_at_hub)
        (void)dw_db_do(w->db, "UPDATE jobs SET is_at_hub = 1 WHERE id = ?", "k", job);
}

bool dw_job_choose(struct dw_work *w, const uint8_t job[DW_ID_BYTES], const char **ret_why)
{
    struct known k;
    *ret_why = NULL;
    if (!load(w, job, &k) || !dw_grant_is_live(w->db, k.home, k.job.agency))
        return false;
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT bytes FROM grants WHERE home = ? AND agency = ? AND revoked IS NULL"
                  " AND bytes IS NOT NULL AND exp_s > ? ORDER BY heard DESC, id LIMIT 32",
                  "kki", k.home, k.job.agency, dw_service_now_ms() / 1000);
    while (dw_db_next(w->db, q)) {
        struct dw_grant grant;
        struct dw_job fitted = k.job;
        const char *why = NULL;
        if (dw_failed(dw_grant_read(dw_col_view(q, 0), &grant)))
            continue;
        fit(&fitted, &grant);
        if (dw_grant_holds(&grant, &fitted, &why))
            return dw_db_do(w->db, "UPDATE jobs SET grant_id = ? WHERE id = ?", "kk", grant.id,
                            job);
        /* Of several grants, the one for this kind of visit and this door says what is wrong. */
        if (!*ret_why || (strcmp(why, "kind") != 0 && strcmp(why, "door") != 0))
            *ret_why = why;
    }
    return false;
}

static void send_rows(struct dw_work *w, sqlite3_stmt *q, bool is_change)
{
    uint8_t id[OF_ONE_MAX][DW_ID_BYTES];
    size_t count = 0;
    while (count < OF_ONE_MAX && dw_db_next(w->db, q))
        (void)dw_col_blob(q, 0, id[count++], DW_ID_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (is_change)
            (void)dw_db_do(w->db, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", "k",
                           id[i]);
        dw_job_send(w, id[i]);
    }
}

void dw_jobs_send_of_visitor(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT id FROM jobs WHERE visitor = ? AND is_recalled = 0"
                                " AND exp_s > ? ORDER BY exp_s LIMIT ?",
                                "kii", visitor, dw_service_now_ms() / 1000, (int64_t)OF_ONE_MAX);
    send_rows(w, q, true);
}

void dw_jobs_send_of_permission(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                                const uint8_t agency[DW_ID_BYTES])
{
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT id FROM jobs WHERE home = ? AND agency = ?"
                  " AND is_recalled = 0 AND exp_s > ? ORDER BY exp_s LIMIT ?",
                  "kkii", home, agency, dw_service_now_ms() / 1000, (int64_t)OF_ONE_MAX);
    send_rows(w, q, true);
}

void dw_jobs_send_of_grant(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                           const uint8_t grant[DW_ID_BYTES])
{
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT id FROM jobs WHERE home = ? AND grant_id = ?"
                  " AND is_recalled = 0 AND exp_s > ? ORDER BY exp_s LIMIT ?",
                  "kkii", home, grant, dw_service_now_ms() / 1000, (int64_t)OF_ONE_MAX);
    send_rows(w, q, true);
}

void dw_jobs_send_of_home(struct dw_work *w, const uint8_t home[DW_ID_BYTES])
{
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT id FROM jobs WHERE home = ? AND exp_s > ? ORDER BY exp_s LIMIT ?",
                  "kii", home, dw_service_now_ms() / 1000, (int64_t)OF_ONE_MAX);
    send_rows(w, q, false);
}

/* -- everything to everybody --------------------------------------------------------------------
 */

struct step {
    struct dw_work work; /* first */
    int64_t exp_s;
    uint8_t id[DW_ID_BYTES];
    bool is_last;
};

static bool run_step(struct dw_work *w)
{
    struct step *step = (struct step *)w;
    uint8_t id[STEP_MAX][DW_ID_BYTES];
    size_t count = 0;
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT id, exp_s FROM jobs WHERE (exp_s, id) > (?, ?)"
                                " ORDER BY exp_s, id LIMIT ?",
                                "iki", step->exp_s, step->id, (int64_t)STEP_MAX);
    while (count < STEP_MAX && dw_db_next(w->db, q)) {
        (void)dw_col_blob(q, 0, id[count], DW_ID_BYTES);
        memcpy(step->id, id[count++], DW_ID_BYTES);
        step->exp_s = sqlite3_column_int64(q, 1);
    }
    step->is_last = count < STEP_MAX;
    for (size_t i = 0; i < count; i++)
        dw_job_send(w, id[i]);
    return true;
}

static void step_done(struct dw_work *w, bool is_stored)
{
    struct step *step = (struct step *)w;
    struct dw_sweep *sweep = &w->service->sweep;
    if (is_stored) {
        dw_service_after(w);
        sweep->exp_s = step->exp_s;
        memcpy(sweep->id, step->id, sizeof(sweep->id));
        sweep->is_on = !step->is_last;
    }
    sweep->is_busy = false;
    if (sweep->must_restart)
        dw_jobs_send_all(w->service);
    struct dw_arena arena = w->arena;
    dw_arena_done(&arena);
}

void dw_jobs_tick(struct dw_service *s)
{
    if (s->sweep.again_at && uv_now(s->loop) >= s->sweep.again_at) {
        s->sweep.again_at = 0;
        dw_jobs_send_all(s);
        return;
    }
    if (!s->sweep.is_on || s->sweep.is_busy || !s->is_link_up)
        return;
    struct dw_arena arena = {0};
    struct step *step = dw_arena_take(&arena, sizeof(*step));
    step->work.arena = arena;
    step->work.service = s;
    step->work.posts_end = &step->work.posts;
    step->work.run = run_step;
    step->work.done = step_done;
    step->exp_s = s->sweep.exp_s;
    memcpy(step->id, s->sweep.id, sizeof(step->id));
    s->sweep.is_busy = true;
    if (dw_failed(dw_store_write(s->store, &step->work))) {
        s->sweep.is_busy = false;
        arena = step->work.arena;
        dw_arena_done(&arena);
    }
}

void dw_jobs_send_all(struct dw_service *s)
{
    s->sweep.must_restart = s->sweep.is_busy;
    if (s->sweep.is_busy)
        return;
    s->sweep.is_on = true;
    s->sweep.exp_s = dw_service_now_ms() / 1000;
    memset(s->sweep.id, 0, sizeof(s->sweep.id));
    dw_jobs_tick(s);
}
