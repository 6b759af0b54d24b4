/* What agencies sign (manifest, shift), what visitors sign (stop), and what a passkey made of it.
 */
#include "wire/fields.h"
#include "wire/grant.h"
#include "wire/text.h"

#include <string.h>

#define ALG_ES256 1u
#define ALG_EDDSA 2u

static void copy_view(struct dw_view from, void *ret_to, size_t cap)
{
    DW_ASSERT(from.len <= cap);
    if (from.len > 0)
        memcpy(ret_to, from.ptr, from.len);
}

/* ---- evidence ---- */

static bool is_context(struct dw_view text)
{
    static const char *const contexts[] = {DW_GRANT_CONTEXT, DW_CONTROL_CONTEXT, DW_STOP_CONTEXT};
    for (size_t i = 0; i < DW_ARRAY_COUNT(contexts); i++)
        if (text.len == strlen(contexts[i]) && memcmp(text.ptr, contexts[i], text.len) == 0)
            return true;
    return false;
}

/* The same purpose by the rules of another version: "doorward/stop/0" [I15]. */
static bool is_other_version(struct dw_view text)
{
    static const char *const contexts[] = {DW_GRANT_CONTEXT, DW_CONTROL_CONTEXT, DW_STOP_CONTEXT};
    for (size_t i = 0; i < DW_ARRAY_COUNT(contexts); i++) {
        size_t head = strlen(contexts[i]) - 1;
        if (text.len > head && memcmp(text.ptr, contexts[i], head) == 0)
            return !is_context(text);
    }
    return false;
}

static bool is_evidence_sound(const struct dw_evidence *m)
{
    return is_context(dw_text_of(m->context, sizeof m->context)) && m->bytes_len > 0 &&
           m->bytes_len <= sizeof m->bytes && m->credential_len > 0 &&
           m->credential_len <= sizeof m->credential && m->auth_len > 0 &&
           m->auth_len <= sizeof m->auth && m->client_len > 0 &&
           m->client_len <= sizeof m->client && m->signature_len > 0 &&
           m->signature_len <= sizeof m->signature;
}

dw_err dw_evidence_write(const struct dw_evidence *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_evidence_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 8);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->id, sizeof in->id);
    dw_wr_key(&w, DW_CLAIM_SIGNED_AS);
    dw_wr_text_from(&w, sizeof in->context, in->context);
    dw_wr_key(&w, DW_CLAIM_SIGNED_BYTES);
    dw_wr_bytes(&w, in->bytes, in->bytes_len);
    dw_wr_key(&w, DW_CLAIM_CREDENTIAL);
    dw_wr_bytes(&w, in->credential, in->credential_len);
    dw_wr_key(&w, DW_CLAIM_AUTH_DATA);
    dw_wr_bytes(&w, in->auth, in->auth_len);
    dw_wr_key(&w, DW_CLAIM_CLIENT_DATA);
    dw_wr_bytes(&w, in->client, in->client_len);
    dw_wr_key(&w, DW_CLAIM_SIGNATURE);
    dw_wr_bytes(&w, in->signature, in->signature_len);
    return dw_wr_end(&w);
}

dw_err dw_evidence_read(struct dw_view in, struct dw_evidence *ret_evidence)
{
    struct dw_evidence m;
    struct dw_view bytes = {0}, credential = {0}, auth = {0}, client = {0}, signature = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 8);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.id, sizeof m.id);
    dw_rd_key(&r, DW_CLAIM_SIGNED_AS);
    dw_rd_text_into(&r, sizeof m.context, m.context);
    dw_rd_key(&r, DW_CLAIM_SIGNED_BYTES);
    dw_rd_bytes_upto(&r, sizeof m.bytes, &bytes);
    dw_rd_key(&r, DW_CLAIM_CREDENTIAL);
    dw_rd_bytes_upto(&r, sizeof m.credential, &credential);
    dw_rd_key(&r, DW_CLAIM_AUTH_DATA);
    dw_rd_bytes_upto(&r, sizeof m.auth, &auth);
    dw_rd_key(&r, DW_CLAIM_CLIENT_DATA);
    dw_rd_bytes_upto(&r, sizeof m.client, &client);
    dw_rd_key(&r, DW_CLAIM_SIGNATURE);
    dw_rd_bytes_upto(&r, sizeof m.signature, &signature);
    DW_TRY(dw_rd_end(&r));
    copy_view(bytes, m.bytes, sizeof m.bytes);
    copy_view(credential, m.credential, sizeof m.credential);
    copy_view(auth, m.auth, sizeof m.auth);
    copy_view(client, m.client, sizeof m.client);
    copy_view(signature, m.signature, sizeof m.signature);
    m.bytes_len = (uint16_t)bytes.len;
    m.credential_len = (uint16_t)credential.len;
    m.auth_len = (uint16_t)auth.len;
    m.client_len = (uint16_t)client.len;
    m.signature_len = (uint16_t)signature.len;
    if (is_other_version(dw_text_of(m.context, sizeof m.context)))
        return dw_fail(DW_E_VERSION);
    if (!is_evidence_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_evidence = m;
    return DW_OK;
}

/* ---- manifest ---- */

/* The job inside is read here too: an agency's signature over something that is no job, or one for
 * another hub, is no manifest. */
static bool is_manifest_sound(const struct dw_manifest *m)
{
    struct dw_job job;
    return m->job_len <= sizeof m->job &&
           !dw_failed(dw_job_read(dw_view_of(m->job, m->job_len), &job)) &&
           memcmp(job.hub, m->hub, sizeof m->hub) == 0;
}

dw_err dw_manifest_write(const struct dw_manifest *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_manifest_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->grant, sizeof in->grant);
    dw_wr_key(&w, DW_CLAIM_JOB_BYTES);
    dw_wr_bytes(&w, in->job, in->job_len);
    return dw_wr_end(&w);
}

dw_err dw_manifest_read(struct dw_view in, struct dw_manifest *ret_manifest)
{
    struct dw_manifest m;
    struct dw_view job = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.grant, sizeof m.grant);
    dw_rd_key(&r, DW_CLAIM_JOB_BYTES);
    dw_rd_bytes_upto(&r, sizeof m.job, &job);
    DW_TRY(dw_rd_end(&r));
    copy_view(job, m.job, sizeof m.job);
    m.job_len = (uint16_t)job.len;
    if (!is_manifest_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_manifest = m;
    return DW_OK;
}

/* ---- shift ---- */

static bool is_shift_sound(const struct dw_shift *m)
{
    struct dw_view origin = dw_text_of(m->origin, sizeof m->origin);
    if (m->nbf_s < 0 || m->exp_s <= m->nbf_s || m->exp_s > DW_UNIX_S_MAX ||
        m->exp_s - m->nbf_s > DW_SHIFT_SECONDS_MAX)
        return false;
    if (m->credential_len == 0 || m->credential_len > sizeof m->credential)
        return false;
    if (!(m->alg == ALG_ES256 && m->key_len == 64) && !(m->alg == ALG_EDDSA && m->key_len == 32))
        return false;
    return origin.len > 8 && dw_text_is_ascii(origin);
}

dw_err dw_shift_write(const struct dw_shift *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_shift_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 8);
    dw_wr_key(&w, DW_CLAIM_EXP);
    dw_wr_int(&w, in->exp_s);
    dw_wr_key(&w, DW_CLAIM_NBF);
    dw_wr_int(&w, in->nbf_s);
    dw_wr_key(&w, DW_CLAIM_AGENCY);
    dw_wr_bytes(&w, in->agency, sizeof in->agency);
    dw_wr_key(&w, DW_CLAIM_VISITOR);
    dw_wr_bytes(&w, in->visitor, sizeof in->visitor);
    dw_wr_key(&w, DW_CLAIM_VISITOR_NAME);
    dw_wr_name(&w, sizeof in->visitor_name, in->visitor_name);
    dw_wr_key(&w, DW_CLAIM_CREDENTIAL);
    dw_wr_bytes(&w, in->credential, in->credential_len);
    dw_wr_key(&w, DW_CLAIM_PASSKEY);
    dw_wr_array(&w, 2);
    dw_wr_uint(&w, in->alg);
    dw_wr_bytes(&w, in->key, in->key_len);
    dw_wr_key(&w, DW_CLAIM_ORIGIN);
    dw_wr_text_from(&w, sizeof in->origin, in->origin);
    return dw_wr_end(&w);
}

dw_err dw_shift_read(struct dw_view in, struct dw_shift *ret_shift)
{
    struct dw_shift m;
    struct dw_view credential = {0}, key = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 8);
    dw_rd_key(&r, DW_CLAIM_EXP);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.exp_s);
    dw_rd_key(&r, DW_CLAIM_NBF);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.nbf_s);
    dw_rd_key(&r, DW_CLAIM_AGENCY);
    dw_rd_bytes(&r, m.agency, sizeof m.agency);
    dw_rd_key(&r, DW_CLAIM_VISITOR);
    dw_rd_bytes(&r, m.visitor, sizeof m.visitor);
    dw_rd_key(&r, DW_CLAIM_VISITOR_NAME);
    dw_rd_name(&r, sizeof m.visitor_name, m.visitor_name);
    dw_rd_key(&r, DW_CLAIM_CREDENTIAL);
    dw_rd_bytes_upto(&r, sizeof m.credential, &credential);
    dw_rd_key(&r, DW_CLAIM_PASSKEY);
    dw_rd_array(&r, 2);
    dw_rd_u8(&r, &m.alg);
    dw_rd_bytes_upto(&r, sizeof m.key, &key);
    dw_rd_key(&r, DW_CLAIM_ORIGIN);
    dw_rd_text_into(&r, sizeof m.origin, m.origin);
    DW_TRY(dw_rd_end(&r));
    copy_view(credential, m.credential, sizeof m.credential);
    copy_view(key, m.key, sizeof m.key);
    m.credential_len = (uint8_t)credential.len;
    m.key_len = (uint8_t)key.len;
    if (!is_shift_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_shift = m;
    return DW_OK;
}

/* ---- stop ---- */

dw_err dw_stop_write(const struct dw_stop *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 8);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->manifest, sizeof in->manifest);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->hub_nonce, sizeof in->hub_nonce);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_DOOR);
    dw_wr_uint(&w, in->door);
    dw_wr_key(&w, DW_CLAIM_COURIER_NONCE);
    dw_wr_bytes(&w, in->courier_nonce, sizeof in->courier_nonce);
    dw_wr_key(&w, DW_CLAIM_ACTION);
    dw_wr_text(&w, dw_view_of("open", 4));
    dw_wr_key(&w, DW_CLAIM_DOOR_CODE);
    dw_wr_bytes(&w, in->door_code, sizeof in->door_code);
    return dw_wr_end(&w);
}

dw_err dw_stop_read(struct dw_view in, struct dw_stop *ret_stop)
{
    struct dw_stop m;
    struct dw_view action = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 8);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.manifest, sizeof m.manifest);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.hub_nonce, sizeof m.hub_nonce);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_DOOR);
    dw_rd_u8(&r, &m.door);
    dw_rd_key(&r, DW_CLAIM_COURIER_NONCE);
    dw_rd_bytes(&r, m.courier_nonce, sizeof m.courier_nonce);
    dw_rd_key(&r, DW_CLAIM_ACTION);
    dw_rd_text(&r, 4, &action);
    dw_rd_key(&r, DW_CLAIM_DOOR_CODE);
    dw_rd_bytes(&r, m.door_code, sizeof m.door_code);
    DW_TRY(dw_rd_end(&r));
    if (action.len != 4 || memcmp(action.ptr, "open", 4) != 0)
        return dw_fail(DW_E_INVALID);
    *ret_stop = m;
    return DW_OK;
}
