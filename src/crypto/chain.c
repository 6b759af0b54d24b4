#include "crypto/chain.h"
#include "crypto/signed.h"
#include "wire/cbor.h"

#include <string.h>

#define HOST_MAX 128u

const char *dw_chain_no_code(enum dw_chain_no no)
{
    static const char *const codes[DW_CHAIN_NO_COUNT] = {[DW_CHAIN_YES] = "",
#define X(name, code) [DW_CHAIN_NO_##name] = code,
                                                         DW_CHAIN_NO_LIST(X)
#undef X
    };
    return (size_t)no < DW_ARRAY_COUNT(codes) ? codes[no] : "?";
}

void dw_chain_challenge(const char *context, struct dw_view bytes,
                        uint8_t ret_challenge[DW_HASH_BYTES])
{
    /* The zero byte ends the context: no context and bytes are another's. */
    dw_sha256_2(dw_view_of(context, strlen(context) + 1), bytes, ret_challenge);
}

void dw_chain_passkey_thumb(const struct dw_passkey *p, uint8_t ret_thumb[DW_THUMB_BYTES])
{
    uint8_t bytes[96];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    bool is_es256 = p->alg == DW_PASSKEY_ES256;
    dw_wr_init(&w, &out);
    dw_wr_map(&w, is_es256 ? 4 : 3);
    dw_wr_key(&w, 1);
    dw_wr_uint(&w, is_es256 ? 2 : 1);
    dw_wr_key(&w, -1);
    dw_wr_uint(&w, is_es256 ? 1 : 6);
    dw_wr_key(&w, -2);
    dw_wr_bytes(&w, p->key, 32);
    if (is_es256) {
        dw_wr_key(&w, -3);
        dw_wr_bytes(&w, p->key + 32, 32);
    }
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    dw_sha256(dw_view_of_buf(&out), ret_thumb);
}

/* The whole interval must lie between the two [I13]. */
static bool is_early(struct dw_utc now, int64_t nbf_s)
{
    return now.lo_ms < nbf_s * 1000;
}

static bool is_late(struct dw_utc now, int64_t exp_s)
{
    return now.hi_ms >= exp_s * 1000;
}

static bool is_same_view(struct dw_view v, const uint8_t *bytes, size_t len)
{
    return v.len == len && memcmp(v.ptr, bytes, len) == 0;
}

/* Host of an origin "scheme://host[:port]". */
static bool host_of(const char *origin, char ret_host[HOST_MAX])
{
    const char *host = strstr(origin, "://");
    size_t len = host ? strcspn(host + 3, ":/") : 0;
    if (len == 0 || len >= HOST_MAX)
        return false;
    memcpy(ret_host, host + 3, len);
    ret_host[len] = 0;
    return true;
}

static enum dw_chain_no of_passkey(dw_err e, enum dw_chain_no other, enum dw_chain_no signature)
{
    if (!dw_failed(e))
        return DW_CHAIN_YES;
    return e.code == DW_E_SIGNATURE ? signature : other;
}

static enum dw_chain_no check_grant(const struct dw_chain *c, const struct dw_chain_want *want,
                                    struct dw_grant *ret_grant)
{
    struct dw_evidence e;
    uint8_t challenge[DW_HASH_BYTES], thumb[DW_THUMB_BYTES];
    const struct dw_passkey *owner = NULL;
    if (dw_failed(dw_evidence_read(c->grant, &e)))
        return DW_CHAIN_NO_GRANT_FORM;
    if (!dw_same(e.hub, want->hub, sizeof e.hub))
        return DW_CHAIN_NO_GRANT_AUDIENCE;
    if (strcmp(e.context, DW_GRANT_CONTEXT) != 0)
        return DW_CHAIN_NO_GRANT_CONTEXT;
    for (size_t i = 0; i < want->owner_count && !owner; i++) {
        if (is_same_view(dw_view_of(e.credential, e.credential_len), want->owner[i].id,
                         want->owner[i].id_len))
            owner = &want->owner[i];
    }
    if (!owner)
        return DW_CHAIN_NO_GRANT_KEY;

    struct dw_view bytes = dw_view_of(e.bytes, e.bytes_len);
    struct dw_passkey key = *owner; /* the check counts in it; what is stored stays */
    dw_chain_challenge(DW_GRANT_CONTEXT, bytes, challenge);
    struct dw_passkey_want page = {want->owner_origin, want->owner_rp_id, challenge};
    enum dw_chain_no no = of_passkey(
        dw_passkey_check(&page, &key, dw_view_of(e.client, e.client_len),
                         dw_view_of(e.auth, e.auth_len), dw_view_of(e.signature, e.signature_len)),
        DW_CHAIN_NO_GRANT_ORIGIN, DW_CHAIN_NO_GRANT_SIGNATURE);
    if (no != DW_CHAIN_YES)
        return no;
    if (dw_failed(dw_grant_read(bytes, ret_grant)))
        return DW_CHAIN_NO_GRANT_FORM;

    const struct dw_grant *g = ret_grant;
    dw_chain_passkey_thumb(owner, thumb);
    if (!dw_same(g->hub, want->hub, sizeof g->hub))
        return DW_CHAIN_NO_GRANT_AUDIENCE;
    if (!dw_same(g->owner, thumb, sizeof thumb) || !dw_same(g->id, e.id, sizeof e.id))
        return DW_CHAIN_NO_GRANT_KEY;
    if (g->epoch > want->epoch || g->epoch < want->epoch_least)
        return DW_CHAIN_NO_GRANT_EPOCH;
    if (is_early(want->now, g->nbf_s))
        return DW_CHAIN_NO_GRANT_EARLY;
    if (is_late(want->now, g->exp_s))
        return DW_CHAIN_NO_GRANT_LATE;
    if (!want->is_guest && !dw_same(g->grantee, want->agency->thumb, sizeof g->grantee))
        return DW_CHAIN_NO_GRANT_GRANTEE;
    return DW_CHAIN_YES;
}

/* A message of the agency, in this context and no other. `no`: for its form, context, signature. */
static enum dw_chain_no open_agency(const struct dw_key *agency, enum dw_context context,
                                    struct dw_view object, const enum dw_chain_no no[3],
                                    struct dw_view *ret_payload)
{
    dw_err e = dw_signed_open(agency, context, object, ret_payload);
    if (!dw_failed(e))
        return DW_CHAIN_YES;
    if (dw_is(e, DW_E_CONTEXT))
        return no[1];
    return dw_is(e, DW_E_SIGNATURE) || dw_is(e, DW_E_KEY) ? no[2] : no[0];
}

static enum dw_chain_no check_manifest(const struct dw_chain *c, const struct dw_chain_want *want,
                                       const struct dw_grant *grant, struct dw_job *ret_job)
{
    static const enum dw_chain_no codes[] = {
        DW_CHAIN_NO_MANIFEST_FORM, DW_CHAIN_NO_MANIFEST_CONTEXT, DW_CHAIN_NO_MANIFEST_SIGNATURE};
    struct dw_manifest m;
    struct dw_view payload;
    enum dw_chain_no no =
        open_agency(want->agency, DW_CONTEXT_MANIFEST, c->manifest, codes, &payload);
    if (no != DW_CHAIN_YES)
        return no;
    /* The reader has seen that the job inside is for the same hub. */
    if (dw_failed(dw_manifest_read(payload, &m)) ||
        dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), ret_job)))
        return DW_CHAIN_NO_MANIFEST_FORM;
    if (!dw_same(m.hub, want->hub, sizeof m.hub))
        return DW_CHAIN_NO_MANIFEST_AUDIENCE;
    if (!dw_same(m.grant, grant->id, sizeof m.grant))
        return DW_CHAIN_NO_MANIFEST_GRANT;
    if (!dw_grant_holds(grant, ret_job, NULL))
        return DW_CHAIN_NO_MANIFEST_SCOPE;
    if (is_early(want->now, ret_job->nbf_s))
        return DW_CHAIN_NO_MANIFEST_EARLY;
    if (is_late(want->now, ret_job->exp_s))
        return DW_CHAIN_NO_MANIFEST_LATE;
    return DW_CHAIN_YES;
}

static enum dw_chain_no check_shift(const struct dw_chain *c, const struct dw_chain_want *want,
                                    const struct dw_job *job, struct dw_shift *ret_shift)
{
    static const enum dw_chain_no codes[] = {DW_CHAIN_NO_SHIFT_FORM, DW_CHAIN_NO_SHIFT_CONTEXT,
                                             DW_CHAIN_NO_SHIFT_SIGNATURE};
    struct dw_view payload;
    enum dw_chain_no no = open_agency(want->agency, DW_CONTEXT_SHIFT, c->shift, codes, &payload);
    if (no != DW_CHAIN_YES)
        return no;
    if (dw_failed(dw_shift_read(payload, ret_shift)))
        return DW_CHAIN_NO_SHIFT_FORM;
    if (!dw_same(ret_shift->agency, job->agency, sizeof job->agency) ||
        !dw_same(ret_shift->visitor, job->visitor, sizeof job->visitor))
        return DW_CHAIN_NO_SHIFT_VISITOR;
    if (is_early(want->now, ret_shift->nbf_s))
        return DW_CHAIN_NO_SHIFT_EARLY;
    if (is_late(want->now, ret_shift->exp_s))
        return DW_CHAIN_NO_SHIFT_LATE;
    return DW_CHAIN_YES;
}

static struct dw_passkey passkey_of(const struct dw_shift *shift)
{
    struct dw_passkey key = {.alg = shift->alg == 1 ? DW_PASSKEY_ES256 : DW_PASSKEY_EDDSA,
                             .id_len = shift->credential_len,
                             .key_len = shift->key_len};
    memcpy(key.id, shift->credential, shift->credential_len);
    memcpy(key.key, shift->key, shift->key_len);
    return key;
}

/* Who signs a guest's papers names nobody by them: the owner did, in the grant. */
static enum dw_chain_no check_guest(const struct dw_chain_want *want, const struct dw_grant *grant,
                                    const struct dw_shift *shift)
{
    struct dw_passkey key = passkey_of(shift);
    uint8_t thumb[DW_THUMB_BYTES];
    dw_chain_passkey_thumb(&key, thumb);
    if (!dw_same(want->agency->thumb, want->hub, sizeof thumb))
        return DW_CHAIN_NO_MANIFEST_SIGNATURE;
    return dw_same(grant->grantee, thumb, sizeof thumb) ? DW_CHAIN_YES : DW_CHAIN_NO_GRANT_GRANTEE;
}

/* The hub writes what must have been signed itself: nothing of it is taken from the message. */
static enum dw_chain_no check_proof(const struct dw_chain *c, const struct dw_chain_want *want,
                                    const struct dw_chain_said *said)
{
    const struct dw_shift *shift = &said->shift;
    struct dw_stop stop = {.visit = want->visit, .door = said->job.door};
    uint8_t bytes[512], challenge[DW_HASH_BYTES];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    char host[HOST_MAX];

    if (!is_same_view(c->credential, shift->credential, shift->credential_len))
        return DW_CHAIN_NO_PROOF_KEY;
    struct dw_passkey key = passkey_of(shift);
    /* Whether it may be synced is not in the certificate: what the device says is no evidence. */
    if (c->auth_data.len > DW_HASH_BYTES)
        key.is_eligible = (c->auth_data.ptr[DW_HASH_BYTES] & 0x08u) != 0;

    memcpy(stop.hub, want->hub, sizeof stop.hub);
    memcpy(stop.manifest, said->manifest_hash, sizeof stop.manifest);
    memcpy(stop.hub_nonce, want->hub_nonce, sizeof stop.hub_nonce);
    memcpy(stop.courier_nonce, want->courier_nonce, sizeof stop.courier_nonce);
    memcpy(stop.door_code, want->door_code, sizeof stop.door_code);
    if (dw_failed(dw_stop_write(&stop, &out)) || !host_of(shift->origin, host))
        return DW_CHAIN_NO_PROOF_ORIGIN;
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&out), challenge);
    struct dw_passkey_want page = {shift->origin, host, challenge};
    return of_passkey(dw_passkey_check(&page, &key, c->client_data, c->auth_data, c->signature),
                      DW_CHAIN_NO_PROOF_ORIGIN, DW_CHAIN_NO_PROOF_SIGNATURE);
}

enum dw_chain_no dw_chain_check(const struct dw_chain *chain, const struct dw_chain_want *want,
                                struct dw_chain_said *ret_said)
{
    struct dw_chain_said said;
    memset(&said, 0, sizeof said);
    if (!dw_utc_is_known(want->now))
        return DW_CHAIN_NO_CLOCK;
    enum dw_chain_no no = check_grant(chain, want, &said.grant);
    if (no == DW_CHAIN_YES)
        no = check_manifest(chain, want, &said.grant, &said.job);
    if (no == DW_CHAIN_YES)
        no = check_shift(chain, want, &said.job, &said.shift);
    if (no == DW_CHAIN_YES && want->is_guest)
        no = check_guest(want, &said.grant, &said.shift);
    if (no != DW_CHAIN_YES)
        return no;
    dw_sha256(chain->manifest, said.manifest_hash);
    no = check_proof(chain, want, &said);
    if (no == DW_CHAIN_YES)
        *ret_said = said;
    return no;
}
