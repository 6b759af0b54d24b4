/* doorward agency: an agency's own key, and the process that signs with it.
 *
 * It asks the service what waits to be signed, looks at it (signer.h), signs, and gives it back.
 * Which hub is a home's it keeps itself (homes.h); another one counts when a person says so. The
 * key is in a file of this process alone; for an agency that hosts with an operator the process
 * runs beside the service under its own user. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agency/homes.h"
#include "agency/signer.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define PATH_BYTES   512u
#define ANSWER_MAX   (512u * 1024u)
#define ITEMS_MAX    50u     /* of one answer; each with what its hub signed */
#define WAIT_MS      "20000" /* of a question that finds nothing to sign */
#define ID_TEXT      33u
#define AGAIN_MS_MIN 500u
#define AGAIN_MS_MAX 30000u

struct settings {
    char service[256];
    char state[256], token_file[PATH_BYTES], key_file[PATH_BYTES], ca_file[PATH_BYTES];
    char agency[40], name[DW_NAME_MAX], origin[128];
    bool hosted;
    uint32_t per_day, days_ahead;
};

#define TEXT(field, def, text) DW_SETTING_OF_TEXT(struct settings, field, def, text)
#define UINT(field, lo, hi, def, of, text) \
    DW_SETTING_OF_UINT(struct settings, field, lo, hi, def, of, text)

static const struct dw_setting table[] = {
    TEXT(service, NULL, "address of the service, as https://service.example"),
    TEXT(state, NULL, "folder of its own: which hub is a home's"),
    TEXT(token_file, NULL, "file with the agency's token"),
    TEXT(key_file, NULL, "the agency's secret key (doorward agency key FILE)"),
    TEXT(ca_file, "", "certificates that are believed, or empty: the system's"),
    TEXT(agency, NULL, "the agency's id at the service, 32 hexadecimal digits"),
    TEXT(name, NULL, "the agency's name, as households know it"),
    TEXT(origin, NULL, "origin of the couriers' page, as https://service.example"),
    {"hosted", DW_SETTING_BOOL, offsetof(struct settings, hosted), 0, 0, "no", "",
     "the key lies with the operator of the service; households are told"},
    UINT(per_day, 1, DW_SIGNER_REVISIONS_MAX, "500", "jobs", "signed in 24 hours at most"),
    UINT(days_ahead, 1, 90, "14", "days", "windows further away are not signed"),
};

static struct settings conf;
static struct dw_secret secret;
static struct dw_signer signer;
static volatile sig_atomic_t is_stopping;

static void on_signal(int number)
{
    (void)number;
    is_stopping = 1;
}

/* ---- asking the service ---- */

struct answer {
    char *text; /* malloc */
    size_t len;
    bool is_too_long;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct answer *a = ctx;
    size_t more = size * count;
    if (a->len + more > ANSWER_MAX) {
        a->is_too_long = true;
        return 0;
    }
    char *text = realloc(a->text, a->len + more + 1);
    if (!text)
        return 0;
    memcpy(text + a->len, bytes, more);
    a->text = text;
    a->len += more;
    text[a->len] = 0;
    return more;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)ctx, (void)a, (void)b, (void)c, (void)d;
    return is_stopping;
}

/* NULL: not reached, refused, or not JSON; the reason is in the log. */
static json_t *ask(CURL *curl, const struct curl_slist *head, const char *path, const char *body)
{
    char url[600];
    struct answer a = {0};
    long status = 0;
    if (snprintf(url, sizeof url, "%s%s", conf.service, path) >= (int)sizeof url)
        return NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    else
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *j = NULL;
    if (code == CURLE_OK && status >= 200 && status < 300 && a.text)
        j = json_loadb(a.text, a.len, JSON_REJECT_DUPLICATES, NULL);
    else if (!is_stopping)
        dw_log("warn", "service", "path=%s status=%ld why=\"%s\"", path, status,
               a.is_too_long ? "answer too long" : curl_easy_strerror(code));
    free(a.text);
    return j;
}

/* ---- signing ---- */

static int64_t now_s(void)
{
    struct timespec t = {0};
    return clock_gettime(CLOCK_REALTIME, &t) == 0 ? (int64_t)t.tv_sec : 0;
}

/* Bytes as the API writes them. `*ret_len` is 0 when there is no such text, or another one. */
static bool read_bytes(const json_t *item, const char *field, uint8_t *ret_bytes, size_t cap,
                       size_t *ret_len)
{
    const char *text = json_string_value(json_object_get(item, field));
    *ret_len = 0;
    return text && !dw_failed(dw_unbase64url(text, strlen(text), ret_bytes, cap, ret_len));
}

static bool read_hex(const json_t *item, const char *field, uint8_t *ret_bytes, size_t len)
{
    const char *text = json_string_value(json_object_get(item, field));
    return text && !dw_failed(dw_unhex(text, ret_bytes, len));
}

/* What is asked, and where it is kept while it is looked at. */
struct asked {
    struct dw_signer_item item;
    const char *id;
    uint8_t home[DW_HOME_BYTES];
    bool has_home;
    uint8_t payload[DW_SIGNED_PAYLOAD_MAX], grant[DW_SIGNED_BYTES_MAX];
};

static bool read_item(const json_t *j, struct asked *ret)
{
    size_t payload_len, grant_len;
    memset(ret, 0, sizeof *ret);
    ret->id = json_string_value(json_object_get(j, "id"));
    ret->item.kind = json_string_value(json_object_get(j, "kind"));
    if (!ret->id || !ret->item.kind || strspn(ret->id, "0123456789abcdef-") != strlen(ret->id) ||
        !read_bytes(j, "payload", ret->payload, sizeof ret->payload, &payload_len))
        return false;
    ret->item.payload = dw_view_of(ret->payload, payload_len);
    (void)read_bytes(j, "grant", ret->grant, sizeof ret->grant, &grant_len);
    ret->item.grant = dw_view_of(ret->grant, grant_len);
    ret->has_home = read_hex(j, "home", ret->home, sizeof ret->home) &&
                    read_hex(j, "hub", ret->item.hub_pub, sizeof ret->item.hub_pub);
    return true;
}

/* False: what is known of this home cannot be told now. */
static bool recall_home(struct asked *a)
{
    if (!a->has_home)
        return strcmp(a->item.kind, "shift") == 0;
    dw_err e = dw_homes_hub(conf.state, a->home, a->item.known_hub);
    a->item.is_known = !dw_failed(e);
    return a->item.is_known || dw_is(e, DW_E_NOT_FOUND);
}

static void log_refused(const struct asked *a, enum dw_signer_no no)
{
    char home[2 * DW_HOME_BYTES + 1], hub[2 * DW_THUMB_BYTES + 1];
    struct dw_key key;
    bool is_other = no == DW_SIGNER_NO_HUB || no == DW_SIGNER_NO_HOME;
    dw_log("warn", "refused", "id=%s kind=%s why=\"%s\"", a->id, a->item.kind,
           dw_signer_no_words(no));
    if (!is_other || !a->has_home)
        return;
    dw_key_from_pub(a->item.hub_pub, &key);
    dw_hex(a->home, sizeof a->home, home);
    dw_hex(key.thumb, sizeof key.thumb, hub);
    dw_log("warn", "other_hub",
           "home=%s hub=%s next=\"ask the household; if it is theirs: doorward agency "
           "accept-home --config FILE %s %s\"",
           home, hub, home, hub);
}

/* Signs and, before anything leaves, keeps which hub it was for. */
static enum dw_signer_no sign_asked(struct asked *a, struct dw_buf *out)
{
    struct dw_key hub;
    enum dw_signer_no no = dw_signer_sign(&signer, &a->item, now_s(), out);
    if (no != DW_SIGNER_YES || a->item.is_known || !a->has_home)
        return no;
    dw_key_from_pub(a->item.hub_pub, &hub);
    if (dw_failed(dw_homes_keep(conf.state, a->home, hub.thumb))) {
        dw_log("error", "state", "why=\"the state folder cannot be written\"");
        return DW_SIGNER_NO_HOME;
    }
    return DW_SIGNER_YES;
}

static bool give_back(CURL *curl, const struct curl_slist *head, const struct asked *a,
                      const struct dw_buf *object)
{
    char path[128], coded[DW_BASE64URL_CAP(DW_SIGNED_BYTES_MAX)];
    dw_base64url(object->ptr, object->len, coded, sizeof coded);
    if (snprintf(path, sizeof path, "/v1/signing/%s", a->id) >= (int)sizeof path)
        return false;
    json_t *body = json_pack("{s:s}", "object", coded);
    char *bytes = json_dumps(body, JSON_COMPACT);
    json_t *answer = bytes ? ask(curl, head, path, bytes) : NULL;
    if (answer)
        dw_log("info", "signed", "id=%s kind=%s", a->id, a->item.kind);
    bool is_taken = answer != NULL;
    json_decref(answer);
    json_decref(body);
    free(bytes);
    return is_taken;
}

/* True when it was signed and taken. */
static bool sign_item(CURL *curl, const struct curl_slist *head, const json_t *item)
{
    static struct asked a;
    uint8_t object[DW_SIGNED_BYTES_MAX];
    struct dw_buf out = dw_buf_of(object, sizeof object);
    if (!read_item(item, &a) || !recall_home(&a)) {
        dw_log("warn", "refused", "why=\"what was asked cannot be read\"");
        return false;
    }
    enum dw_signer_no no = sign_asked(&a, &out);
    if (no != DW_SIGNER_YES)
        log_refused(&a, no);
    return no == DW_SIGNER_YES && give_back(curl, head, &a, &out);
}

static void rest(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it, and so does the loop */
}

/* One page of what waits, from `after` on; `*ret_next` is where the next one begins, "" at the end.
 * False: not reached, or nothing of it was taken. */
static bool sign_page(CURL *curl, const struct curl_slist *head, const char *after,
                      char ret_next[ID_TEXT])
{
    char path[128];
    size_t taken = 0;
    /* Only the first page waits for something to come. */
    (void)snprintf(path, sizeof path, "/v1/signing?limit=%u%s%s", ITEMS_MAX,
                   after[0] ? "&after=" : "&wait_ms=" WAIT_MS, after);
    json_t *j = ask(curl, head, path, NULL);
    const json_t *items = json_object_get(j, "items");
    size_t count = json_array_size(items);
    for (size_t i = 0; i < count && i < ITEMS_MAX && !is_stopping; i++)
        taken += sign_item(curl, head, json_array_get(items, i));
    const char *next = json_string_value(json_object_get(j, "next"));
    bool is_id =
        next && strlen(next) == ID_TEXT - 1 && strspn(next, "0123456789abcdef") == ID_TEXT - 1;
    (void)snprintf(ret_next, ID_TEXT, "%s", is_id ? next : "");
    bool is_well = j && (count == 0 || taken > 0);
    json_decref(j);
    return is_well;
}

static int run(CURL *curl, const struct curl_slist *head)
{
    uint32_t again_ms = AGAIN_MS_MIN;
    char after[ID_TEXT] = "", next[ID_TEXT];
    while (!is_stopping) {
        bool is_well = sign_page(curl, head, after, next);
        memcpy(after, next, sizeof after);
        /* What is refused stays in the list: it must not be asked about in a hurry. */
        if (is_well) {
            again_ms = AGAIN_MS_MIN;
        } else if (after[0] == 0) {
            rest(again_ms);
            again_ms = again_ms < AGAIN_MS_MAX / 2 ? again_ms * 2 : AGAIN_MS_MAX;
        }
    }
    return 0;
}

/* ---- start ---- */

static int wrong(const char *why)
{
    fprintf(stderr, "doorward agency: %s\n", why);
    return 2;
}

static int make_key(const char *path)
{
    char pub[PATH_BYTES], text[2 * DW_KEY_BYTES + 1];
    if (snprintf(pub, sizeof pub, "%s.pub", path) >= (int)sizeof pub)
        return wrong("the name of the file is too long");
    dw_err e = dw_secret_create(path, &secret);
    if (dw_is(e, DW_E_EXISTS))
        return wrong("there is a key already; it is kept");
    if (dw_failed(e) || dw_failed(dw_key_save(pub, &secret.key)))
        return wrong("the key cannot be written there");
    dw_hex(secret.key.pub, DW_KEY_BYTES, text);
    printf("%s\n", text);
    return 0;
}

static bool load(char *ret_bearer, size_t cap)
{
    char token[128];
    struct dw_buf b = dw_buf_of(token, sizeof token - 1);
    if (dw_failed(dw_secret_load(conf.key_file, &secret))) {
        (void)wrong("key_file cannot be read, or others may read it (doorward agency key FILE)");
        return false;
    }
    if (dw_failed(dw_file_read(conf.token_file, &b))) {
        (void)wrong("token_file cannot be read");
        return false;
    }
    token[b.len] = 0;
    token[strcspn(token, "\r\n")] = 0;
    (void)snprintf(ret_bearer, cap, "Authorization: Bearer %s", token);
    signer.secret = &secret;
    struct dw_signer_rules *r = &signer.rules;
    if (strlen(conf.agency) != 32 || dw_failed(dw_unhex(conf.agency, r->agency, 16))) {
        (void)wrong("agency: give the id of 32 hexadecimal digits");
        return false;
    }
    (void)snprintf(r->name, sizeof r->name, "%s", conf.name);
    (void)snprintf(r->origin, sizeof r->origin, "%s", conf.origin);
    r->is_hosted = conf.hosted;
    r->per_day = conf.per_day;
    r->days_ahead = conf.days_ahead;
    return true;
}

static int start(const char *config)
{
    char why[512], bearer[200];
    if (dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), config, &conf, why, sizeof why)))
        return wrong(why);
    if (!load(bearer, sizeof bearer))
        return 2;
    struct sigaction act = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
    struct curl_slist *head = curl_slist_append(NULL, bearer);
    head = curl_slist_append(head, "Content-Type: application/json");
    if (!curl || !head)
        return wrong("the HTTP library does not start");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 40000L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    if (conf.ca_file[0])
        curl_easy_setopt(curl, CURLOPT_CAINFO, conf.ca_file);
    if (dw_failed(dw_homes_open(conf.state)))
        return wrong("state: the folder cannot be made or written");
    const char *const write_paths[] = {conf.state, NULL};
    const char *const read_paths[] = {"/etc", conf.ca_file[0] ? conf.ca_file : "/etc/ssl", NULL};
    const struct dw_sandbox box = {
        .flags = DW_SANDBOX_NET_CONNECT | DW_SANDBOX_THREADS | DW_SANDBOX_RESOLVE |
                 DW_SANDBOX_FILES_WRITE,
        .read_paths = read_paths,
        .write_paths = write_paths,
    };
    if (dw_failed(dw_sandbox_enter(&box)))
        return wrong("the sandbox is not to be had on this kernel");
    char thumb[17];
    dw_hex(secret.key.thumb, 8, thumb);
    dw_log("info", "ready", "agency=%s key=%s hosted=%d", conf.agency, thumb, conf.hosted);
    int code = run(curl, head);
    curl_slist_free_all(head);
    curl_easy_cleanup(curl);
    dw_secret_wipe(&secret);
    return code;
}

/* A person says that this hub is the home's from now on. */
static int accept_home(const char *config, const char *home_text, const char *hub_text)
{
    char why[512], before[2 * DW_THUMB_BYTES + 1] = "none";
    uint8_t home[DW_HOME_BYTES], hub[DW_THUMB_BYTES], known[DW_THUMB_BYTES];
    if (dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), config, &conf, why, sizeof why)))
        return wrong(why);
    if (dw_failed(dw_unhex(home_text, home, sizeof home)) ||
        dw_failed(dw_unhex(hub_text, hub, sizeof hub)))
        return wrong(
            "give the home's id (32 hexadecimal digits) and its hub's (64), as the log has "
            "them");
    if (!dw_failed(dw_homes_hub(conf.state, home, known)))
        dw_hex(known, sizeof known, before);
    if (dw_failed(dw_homes_open(conf.state)) || dw_failed(dw_homes_keep(conf.state, home, hub))) {
        (void)wrong("state: the folder cannot be written");
        return 1;
    }
    printf("home %s: hub %s, before: %s\n", home_text, hub_text, before);
    return 0;
}

static void usage(FILE *out)
{
    (void)fputs("usage: doorward agency key FILE            makes a key, prints its public half\n"
                "       doorward agency run --config FILE   signs what the service asks for\n"
                "       doorward agency accept-home --config FILE HOME HUB\n"
                "                                           this hub is the home's from now on\n",
                out);
}

int main(int argc, char **argv)
{
    if (dw_failed(dw_crypto_init()))
        return wrong("the crypto library does not start");
    if (argc == 3 && strcmp(argv[1], "key") == 0)
        return make_key(argv[2]);
    if (argc == 4 && strcmp(argv[1], "run") == 0 && strcmp(argv[2], "--config") == 0)
        return start(argv[3]);
    if (argc == 6 && strcmp(argv[1], "accept-home") == 0 && strcmp(argv[2], "--config") == 0)
        return accept_home(argv[3], argv[4], argv[5]);
    bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    usage(is_help ? stdout : stderr);
    return is_help ? 0 : 2;
}
