#include "crypto/tls.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define CERT_BYTES_MAX 2048
/* New keys long before the cipher's limit of 2^24 records [RFC 8446 5.5]. */
#define RECORDS_EACH_KEY (UINT64_C(1) << 20)
#define WIRE_BYTES_MAX   (4u << 20) /* of one feed */

struct dw_tls_end {
    SSL_CTX *ctx[2]; /* 0: who listens, 1: who dials */
    uint8_t alpn[64];
    uint8_t alpn_len;
    dw_tls_check *check;
    void *check_ctx;
    ASN1_OBJECT *proof_oid;
};

struct session {
    struct dw_tls_end *end;
    SSL *ssl;
    BIO *in, *out; /* owned by `ssl` */
    uint64_t records;
    bool is_checked, is_open;
    enum dw_tls_no no;
    uint8_t proof[DW_TLS_PROOF_MAX];
    size_t proof_len;
};

dw_err dw_tls_init(void)
{
    uint8_t any[16];
    if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) != 1 ||
        RAND_bytes(any, sizeof any) != 1)
        return dw_fail(DW_E_IO);
    return DW_OK;
}

/* ---- certificates ---- */

static EVP_PKEY *private_key(const struct dw_secret *secret)
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret->sec, 32);
}

static bool add_proof(X509 *cert, const ASN1_OBJECT *oid, struct dw_view proof)
{
    if (!proof.len)
        return true;
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    bool is_done = bytes && ASN1_OCTET_STRING_set(bytes, proof.ptr, (int)proof.len) == 1 &&
                   (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, bytes)) &&
                   X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(bytes);
    return is_done;
}

/* Names and dates are there because the form wants them; nobody reads them. */
static X509 *certificate(EVP_PKEY *key, const ASN1_OBJECT *oid, struct dw_view proof)
{
    X509 *cert = X509_new();
    if (!cert)
        return NULL;
    X509_NAME *name = X509_get_subject_name(cert);
    bool is_done = X509_set_version(cert, X509_VERSION_3) == 1 &&
                   ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
                   ASN1_TIME_set_string(X509_getm_notBefore(cert), "20000101000000Z") == 1 &&
                   ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") == 1 &&
                   X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"doorward",
                                              -1, -1, 0) == 1 &&
                   X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
                   add_proof(cert, oid, proof) && X509_sign(cert, key, NULL) > 0;
    if (is_done)
        return cert;
    X509_free(cert);
    return NULL;
}

/* In place of a chain to an authority: is this key the one? */
static int on_certificate(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct session *t = ssl ? SSL_get_app_data(ssl) : NULL;
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    if (!t)
        return 0;
    t->no = DW_TLS_NO_KEY;
    t->is_checked = false;
    uint8_t pub[DW_KEY_BYTES];
    size_t len = sizeof pub;
    EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, pub, &len) != 1 || len != sizeof pub ||
        !dw_key_is_sound(pub))
        return 0;
    int at = X509_get_ext_by_OBJ(cert, t->end->proof_oid, -1);
    struct dw_view proof = {0};
    if (at >= 0) {
        const ASN1_OCTET_STRING *bytes = X509_EXTENSION_get_data(X509_get_ext(cert, at));
        int size = ASN1_STRING_length(bytes);
        if (size < 0 || (size_t)size > sizeof t->proof)
            return 0;
        memcpy(t->proof, ASN1_STRING_get0_data(bytes), (size_t)size);
        t->proof_len = (size_t)size;
        proof = dw_view_of(t->proof, t->proof_len);
    }
    if (!t->end->check(t->end->check_ctx, pub, proof))
        return 0;
    t->no = DW_TLS_NO_NONE;
    t->is_checked = true;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* ---- one side ---- */

static int on_alpn(SSL *ssl, const uint8_t **ret_name, uint8_t *ret_len, const uint8_t *offered,
                   unsigned offered_len, void *arg)
{
    const struct dw_tls_end *end = arg;
    uint8_t *chosen = NULL;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_len, end->alpn, end->alpn_len, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Everything that matters is set here, whatever the machine's openssl.cnf says. */
static SSL_CTX *context(struct dw_tls_end *end, bool is_dialler, EVP_PKEY *key, X509 *cert)
{
    SSL_CTX *c = SSL_CTX_new(is_dialler ? TLS_client_method() : TLS_server_method());
    if (!c)
        return NULL;
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(c, on_certificate, NULL);
    SSL_CTX_set_max_cert_list(c, CERT_BYTES_MAX);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_alpn_select_cb(c, on_alpn, end);
    bool is_done =
        SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
        SSL_CTX_set1_groups_list(c, "X25519") == 1 &&
        SSL_CTX_set1_sigalgs_list(c, "ed25519") == 1 && SSL_CTX_set_num_tickets(c, 0) == 1 &&
        SSL_CTX_set_max_early_data(c, 0) == 1 &&
        SSL_CTX_set_alpn_protos(c, end->alpn, end->alpn_len) == 0 && /* 0 is its success */
        SSL_CTX_use_certificate(c, cert) == 1 && SSL_CTX_use_PrivateKey(c, key) == 1;
    if (is_done)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

dw_err dw_tls_end_new(const struct dw_tls_conf *conf, struct dw_tls_end **ret_end)
{
    size_t alpn = strlen(conf->alpn);
    if (conf->proof.len > DW_TLS_PROOF_MAX || alpn < 1 || alpn >= sizeof ret_end[0]->alpn)
        return dw_fail(DW_E_INVALID);
    struct dw_tls_end *end = calloc(1, sizeof *end);
    if (!end)
        return dw_fail(DW_E_IO);
    end->check = conf->check;
    end->check_ctx = conf->ctx;
    end->alpn[0] = (uint8_t)alpn;
    memcpy(end->alpn + 1, conf->alpn, alpn);
    end->alpn_len = (uint8_t)(alpn + 1);
    end->proof_oid = OBJ_txt2obj(DW_TLS_PROOF_OID, 1);
    EVP_PKEY *key = private_key(conf->secret);
    X509 *cert = key && end->proof_oid ? certificate(key, end->proof_oid, conf->proof) : NULL;
    for (int i = 0; cert && i < 2; i++)
        end->ctx[i] = context(end, i == 1, key, cert);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!end->ctx[0] || !end->ctx[1]) {
        dw_tls_end_free(end);
        return dw_fail(DW_E_IO);
    }
    *ret_end = end;
    return DW_OK;
}

void dw_tls_end_free(struct dw_tls_end *end)
{
    if (!end)
        return;
    SSL_CTX_free(end->ctx[0]);
    SSL_CTX_free(end->ctx[1]);
    ASN1_OBJECT_free(end->proof_oid);
    free(end);
}

/* ---- one connection ---- */

static void *begin(void *from, bool is_dialler)
{
    struct dw_tls_end *end = from;
    struct session *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->end = end;
    t->ssl = SSL_new(end->ctx[is_dialler]);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        SSL_free(t->ssl);
        BIO_free(t->in);
        BIO_free(t->out);
        free(t);
        return NULL;
    }
    (void)BIO_set_mem_eof_return(t->in, -1); /* empty: not yet, not never */
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_app_data(t->ssl, t);
    if (is_dialler)
        SSL_set_connect_state(t->ssl);
    else
        SSL_set_accept_state(t->ssl);
    return t;
}

static void drop(void *session)
{
    struct session *t = session;
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

/* The library's reason in our words. `t->no` is set already when a certificate was refused. */
static void note(struct session *t)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    ERR_clear_error();
    if (t->no != DW_TLS_NO_NONE)
        return;
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: t->no = DW_TLS_NO_NO_CERTIFICATE; break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: t->no = DW_TLS_NO_VERSION; break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_RECORD_LENGTH_MISMATCH:
        t->no = t->is_open ? DW_TLS_NO_RECORD : DW_TLS_NO_CLEAR;
        break;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG: t->no = DW_TLS_NO_RECORD; break;
    default:
        t->no = reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256
                    ? DW_TLS_NO_REFUSED
                : t->is_open ? DW_TLS_NO_RECORD
                             : DW_TLS_NO_HANDSHAKE;
    }
}

static dw_err feed(void *session, struct dw_view wire)
{
    struct session *t = session;
    if (wire.len > WIRE_BYTES_MAX || BIO_write(t->in, wire.ptr, (int)wire.len) != (int)wire.len) {
        t->no = DW_TLS_NO_MEMORY;
        return dw_fail(DW_E_NO_SPACE);
    }
    return DW_OK;
}

static bool says_the_same(const struct session *t)
{
    const uint8_t *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len + 1u == t->end->alpn_len && memcmp(name, t->end->alpn + 1, len) == 0;
}

static dw_err greet(void *session)
{
    struct session *t = session;
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r != 1) {
        int what = SSL_get_error(t->ssl, r);
        if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
            return dw_fail(DW_E_BUSY);
        note(t);
        return dw_fail(t->no == DW_TLS_NO_KEY ? DW_E_KEY : DW_E_DENIED);
    }
    /* The library has seen to all of this; a mistake in its settings must not open the link. */
    if (!t->is_checked || SSL_version(t->ssl) != TLS1_3_VERSION || SSL_session_reused(t->ssl) ||
        SSL_get_verify_result(t->ssl) != X509_V_OK || !says_the_same(t)) {
        t->no = t->is_checked ? DW_TLS_NO_HANDSHAKE : DW_TLS_NO_NO_CERTIFICATE;
        return dw_fail(DW_E_DENIED);
    }
    t->is_open = true;
    return DW_OK;
}

static dw_err read_plain(void *session, struct dw_buf *out, size_t *ret_len)
{
    struct session *t = session;
    size_t n = 0;
    *ret_len = 0;
    if (!t->is_open)
        return dw_fail(DW_E_DENIED);
    ERR_clear_error();
    int r = SSL_read_ex(t->ssl, out->ptr + out->len, out->cap - out->len, &n);
    if (r == 1) {
        out->len += n;
        *ret_len = n;
        return DW_OK;
    }
    int what = SSL_get_error(t->ssl, r);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return DW_OK;
    note(t);
    return dw_fail(DW_E_IO);
}

static dw_err write_plain(void *session, struct dw_view plain)
{
    struct session *t = session;
    size_t n = 0;
    if (!t->is_open)
        return dw_fail(DW_E_DENIED);
    t->records += 1 + plain.len / SSL3_RT_MAX_PLAIN_LENGTH;
    if (t->records >= RECORDS_EACH_KEY) {
        t->records = 0;
        if (SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
            note(t);
            return dw_fail(DW_E_IO);
        }
    }
    ERR_clear_error();
    if (plain.len == 0)
        return DW_OK;
    if (SSL_write_ex(t->ssl, plain.ptr, plain.len, &n) == 1 && n == plain.len)
        return DW_OK;
    note(t);
    return dw_fail(DW_E_IO);
}

static size_t waiting(void *session)
{
    struct session *t = session;
    return BIO_ctrl_pending(t->out);
}

static size_t take(void *session, uint8_t *ret_bytes, size_t cap)
{
    struct session *t = session;
    int n = cap > 0 ? BIO_read(t->out, ret_bytes, (int)cap) : 0;
    return n > 0 ? (size_t)n : 0;
}

static const char *why(const void *session)
{
    static const char *const words[] = {
#define X(name, word) word,
        DW_TLS_NO_LIST(X)
#undef X
    };
    const struct session *t = session;
    return words[t->no];
}

struct dw_seal dw_tls_seal(struct dw_tls_end *end)
{
    return (struct dw_seal){
        .end = end,
        .greet_ms = DW_TLS_GREET_MS,
        .begin = begin,
        .drop = drop,
        .feed = feed,
        .greet = greet,
        .read = read_plain,
        .write = write_plain,
        .waiting = waiting,
        .take = take,
        .why = why,
    };
}

struct dw_view dw_tls_peer_proof(const void *session)
{
    const struct session *t = session;
    return t->is_open ? dw_view_of(t->proof, t->proof_len) : (struct dw_view){0};
}
