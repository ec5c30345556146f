/* The list of attempts (network/attempts.h). What one run can make it hold is bounded: in number, in what is kept of one, and
 * in all. */
#include "network/attempts.h"

#include "network/buffer.h"
#include "network/capture.h"
#include "network/har.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS_MOST = 10000,
    TEXTS_MOST = 1000,    /* URLs, and files kept, of one attempt */
    FILE_MOST = 16 << 20, /* kept of one side, or one file */
    ALL_MOST = 256 << 20, /* kept in all */
    TOLD_MOST = 32 << 20, /* texts in all: URLs, names, notes */
    TOLD_EACH = 512,      /* what each costs besides its letters */
    ALIVE_MOST = 100000,  /* attempts at a time, with those that are only drawn */
};

struct attempts {
    struct attempts_config config;
    struct attempt *first, *last;
    struct attempt *drawn; /* not listed: those that live */
    size_t count, alive;
    bool ended;
    uint64_t lost; /* not listed: beyond ATTEMPTS_MOST */
    size_t kept;   /* bytes */
    size_t told;   /* bytes of texts */
};

static const struct conversation_ops ops;

struct attempts *attempts_new(const struct attempts_config *config)
{
    struct attempts *l = calloc(1, sizeof *l);
    if (l != NULL)
        l->config = *config;
    return l;
}

static void free_files(struct attempt_file *f)
{
    for (struct attempt_file *next; f != NULL; f = next) {
        next = f->next;
        free(f->name);
        free(f->bytes);
        free(f);
    }
}

static void free_attempt(struct attempt *a)
{
    free_files(a->sides[0]);
    free_files(a->sides[1]);
    free_files(a->files);
    json_decref(a->tls);
    json_decref(a->urls);
    json_decref(a->kept);
    json_decref(a->answers);
    free(a->flow);
    har_forget(a->http);
    free(a->name);
    free(a->serves);
    free(a);
}

void attempts_free(struct attempts *l)
{
    if (l == NULL)
        return;
    for (struct attempt *a = l->first, *next; a != NULL; a = next) {
        next = a->next;
        free_attempt(a);
    }
    for (struct attempt *a = l->drawn, *next; a != NULL; a = next) {
        next = a->next;
        free_attempt(a);
    }
    free(l);
}

static void append(struct attempts *l, struct attempt *a)
{
    a->next = NULL;
    *(l->last != NULL ? &l->last->next : &l->first) = a;
    l->last = a;
    a->number = ++l->count;
}

struct attempt *attempt_new(struct attempts *l, enum attempt_kind kind, bool listed)
{
    if (listed && l->count >= ATTEMPTS_MOST) {
        l->lost++;
        return NULL;
    }
    struct attempt *a = l->alive < ALIVE_MOST ? calloc(1, sizeof *a) : NULL;
    if (a == NULL) {
        l->lost += listed;
        return NULL;
    }
    struct attempts_caller caller = {0};
    l->config.caller(l->config.context, &caller);
    *a = (struct attempt){
        .conversation = {&ops},
        .list = l,
        .kind = kind,
        .listed = listed,
        .time = l->config.now(l->config.context),
        .pid = caller.pid,
        .call = caller.call,
    };
    memcpy(a->process, caller.process, sizeof a->process);
    a->process[sizeof a->process - 1] = '\0';
    crypto_hash_sha256_init(&a->hash[0]);
    crypto_hash_sha256_init(&a->hash[1]);
    l->alive++;
    if (listed) {
        append(l, a);
        return a;
    }
    a->next = l->drawn;
    l->drawn = a;
    return a;
}

static void take_off(struct attempt *a)
{
    struct attempt **at = &a->list->drawn;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
}

void attempt_list(struct attempt *a)
{
    if (a->listed)
        return;
    if (a->list->count >= ATTEMPTS_MOST) {
        a->list->lost++;
        return;
    }
    take_off(a);
    a->listed = true;
    append(a->list, a);
}

void attempt_over(struct attempt *a)
{
    struct attempts *l = a->list;
    if (a->listed || l->ended)
        return;
    take_off(a);
    l->alive--;
    free_attempt(a);
}

void attempts_ended(struct attempts *l)
{
    l->ended = true;
    l->config.capture = NULL;
    l->config.har = NULL;
}

struct capture *attempts_capture(const struct attempts *l)
{
    return l->config.capture;
}

/* ---- what is kept ----------------------------------------------------------------------------------------------- */

/* A name that the guest said, as one part of a path: no slash, no leading dot, nothing a terminal acts on. */
static char *safe_name(const char *text)
{
    char *name = strdup(text[0] != '\0' ? text : "unnamed");
    if (name == NULL)
        return NULL;
    if (strlen(name) > 100)
        name[100] = '\0';
    for (char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-@+=,", *c) == NULL)
            *c = '_';
    if (name[0] == '.')
        name[0] = '_';
    return name;
}

static void keep(struct attempts *l, struct attempt_file *f, const void *bytes, size_t n)
{
    size_t room = f->size < FILE_MOST ? FILE_MOST - f->size : 0, left = l->kept < ALL_MOST ? ALL_MOST - l->kept : 0;
    size_t part = n < room ? n : room;
    part = part < left ? part : left;
    f->cut = f->cut || part < n;
    if (part == 0)
        return;
    if (!bytes_reserve(&f->bytes, &f->room, f->size + part)) {
        f->cut = true;
        return;
    }
    memcpy(f->bytes + f->size, bytes, part);
    f->size += part;
    l->kept += part;
}

static struct attempt_file *new_file(struct attempt_file **list, const char *name)
{
    struct attempt_file *f = calloc(1, sizeof *f);
    if (f != NULL && (f->name = safe_name(name)) == NULL) {
        free(f);
        f = NULL;
    }
    if (f == NULL)
        return NULL;
    while (*list != NULL)
        list = &(*list)->next;
    *list = f;
    return f;
}

void attempt_bytes(struct attempt *a, bool guest, const void *bytes, size_t n)
{
    int side = guest ? 0 : 1;
    a->bytes[side] += n;
    if (!a->listed)
        return;
    crypto_hash_sha256_update(&a->hash[side], bytes, n);
    if (!a->list->config.keep)
        return;
    if (a->sides[side] == NULL)
        (void)new_file(&a->sides[side], guest ? "sent" : "received");
    if (a->sides[side] != NULL)
        keep(a->list, a->sides[side], bytes, n);
}

int attempts_each_file(struct attempts *l, int (*put)(void *context, const char *name, const void *bytes, size_t n),
                       void *context)
{
    int result = 0;
    for (struct attempt *a = l->first; a != NULL && result == 0; a = a->next) {
        char ip[46], path[512];
        char *who = safe_name(a->name != NULL ? a->name : network_print_ip(a->ip, ip));
        if (who == NULL)
            return -1;
        struct attempt_file *const lists[] = {a->sides[0], a->sides[1], a->files};
        for (size_t i = 0; i < 3; i++)
            for (struct attempt_file *f = lists[i]; f != NULL && result == 0; f = f->next) {
                snprintf(path, sizeof path, "%04zu-%s-%u/%s%s", a->number, who, a->port, f->name, f->cut ? ".cut" : "");
                result = put(context, path, f->bytes, f->size);
            }
        free(who);
    }
    return result;
}

/* ---- what a far end tells (network/conversation.h) --------------------------------------------------------------- */

static struct attempt *of(struct conversation *c)
{
    return (struct attempt *)c;
}

/* Text of the guest's: what is no UTF-8 is escaped. */
static json_t *text(const char *bytes)
{
    json_t *t = json_string(bytes);
    if (t != NULL)
        return t;
    size_t n = strlen(bytes);
    char *escaped = malloc(4 * n + 1), *out = escaped;
    if (escaped == NULL)
        return json_null();
    for (const unsigned char *c = (const unsigned char *)bytes; *c != '\0'; c++)
        out += sprintf(out, *c < 0x80 ? "%c" : "\\x%02x", *c);
    t = json_string(escaped);
    free(escaped);
    return t;
}

static void add(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

static void add_text(json_t *o, const char *key, const char *value)
{
    if (value != NULL && *value != '\0')
        add(o, key, text(value));
}

static void on_plain(struct conversation *c, bool from_guest, const void *bytes, size_t n)
{
    struct attempt *a = of(c);
    struct attempt_file *f = a->files;
    const char *name = from_guest ? "sent.plain" : "received.plain";
    if (a->list->config.capture != NULL)
        capture_plain(a->list->config.capture, a, from_guest, bytes, n);
    if (!a->listed || !a->list->config.keep)
        return;
    while (f != NULL && strcmp(f->name, name) != 0)
        f = f->next;
    if (f == NULL)
        f = new_file(&a->files, name);
    if (f != NULL)
        keep(a->list, f, bytes, n);
}

static void on_tls(struct conversation *c, const struct tls_facts *t)
{
    struct attempt *a = of(c);
    if (t->failure[0] == '\0' && a->list->config.capture != NULL)
        capture_plain(a->list->config.capture, a, true, "", 0);
    json_decref(a->tls);
    a->tls = json_object();
    add_text(a->tls, "sni", t->server_name);
    add_text(a->tls, "version", t->version);
    add_text(a->tls, "cipher", t->cipher);
    add_text(a->tls, "alpn", t->alpn);
    add_text(a->tls, "ja3", t->ja3);
    add_text(a->tls, "ja3_text", t->ja3_text);
    add_text(a->tls, "ja4", t->ja4);
    add_text(a->tls, "client_certificate", t->client_certificate);
    add_text(a->tls, "failure", t->failure);
}

static void on_key(struct conversation *c, const char *line)
{
    if (of(c)->list->config.capture != NULL)
        capture_key(of(c)->list->config.capture, line);
}

/* Is there room for so many letters more? */
static bool may_tell(struct attempt *a, const json_t *list, size_t letters)
{
    size_t cost = letters + TOLD_EACH;
    bool fits = json_array_size(list) < TEXTS_MOST && cost <= TOLD_MOST - a->list->told;
    a->list->told += fits ? cost : 0;
    a->untold = a->untold || !fits;
    return fits;
}

static void on_http(struct conversation *c, const struct http_exchange *x)
{
    struct attempt *a = of(c);
    if (a->urls == NULL)
        a->urls = json_array();
    if (may_tell(a, a->urls, strlen(x->target) + strlen(x->host))) {
        char *url = NULL;
        bool absolute = strstr(x->target, "://") != NULL;
        if (asprintf(&url, "%s%s%s%s", absolute ? "" : x->scheme, absolute ? "" : "://", absolute ? "" : x->host,
                     x->target) < 0)
            return;
        json_t *o = json_object();
        add_text(o, "method", x->method);
        add_text(o, "url", url);
        add(o, "status", json_integer(x->status));
        if (x->body_size > 0)
            add(o, "body", json_integer((json_int_t)x->body_size));
        add_text(o, "rule", x->rule);
        (void)json_array_append_new(a->urls, o);
        free(url);
    }
    if (a->list->config.har != NULL)
        har_begin(a->list->config.har, a, x);
}

static void on_http_body(struct conversation *c, const void *bytes, size_t n)
{
    if (of(c)->list->config.har != NULL)
        har_body(of(c)->list->config.har, of(c), bytes, n);
}

static void on_http_done(struct conversation *c)
{
    struct attempt *a = of(c);
    if (a->list->config.har != NULL)
        har_done(a->list->config.har, a);
}

static void on_kept(struct conversation *c, const struct kept *k)
{
    struct attempt *a = of(c);
    char name[128], hex[2 * crypto_hash_sha256_BYTES + 1];
    unsigned char digest[crypto_hash_sha256_BYTES];
    if (a->kept == NULL)
        a->kept = json_array();
    if (!may_tell(a, a->kept, strlen(k->name) + strlen(k->note)))
        return;
    crypto_hash_sha256(digest, k->bytes, k->size);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    json_t *o = json_object();
    add_text(o, "kind", k->kind);
    add_text(o, "name", k->name);
    add_text(o, "note", k->note);
    add(o, "size", json_integer((json_int_t)k->size));
    add(o, "sha256", json_string(hex));
    (void)json_array_append_new(a->kept, o);
    if (!a->listed || !a->list->config.keep)
        return;
    snprintf(name, sizeof name, "%s-%zu-%.80s", k->kind, json_array_size(a->kept), k->name);
    struct attempt_file *f = new_file(&a->files, name);
    if (f != NULL)
        keep(a->list, f, k->bytes, k->size);
}

void attempt_belongs(struct attempt *a, const struct attempt *announced)
{
    attempt_list(a);
    a->outcome = "connected";
    if (announced == NULL)
        return;
    a->part_of = announced->number;
    a->rule = announced->rule;
    a->name = announced->name != NULL ? strdup(announced->name) : NULL;
}

static void on_announced(struct conversation *c, struct conversation *by)
{
    attempt_belongs(of(c), by != NULL ? of(by) : NULL);
}

static void on_serves(struct conversation *c, const char *what)
{
    struct attempt *a = of(c);
    free(a->serves);
    a->serves = strdup(what);
}

static const struct conversation_ops ops = {
    .plain = on_plain,
    .tls = on_tls,
    .key = on_key,
    .http = on_http,
    .http_body = on_http_body,
    .http_done = on_http_done,
    .kept = on_kept,
    .serves = on_serves,
    .announced = on_announced,
};

/* ---- the report ------------------------------------------------------------------------------------------------- */

static json_t *side(const struct attempt *a, int which)
{
    crypto_hash_sha256_state state = a->hash[which]; /* it may go on */
    unsigned char digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];
    json_t *o = json_object();
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    add(o, "bytes", json_integer((json_int_t)a->bytes[which]));
    add(o, "sha256", json_string(hex));
    return o;
}

static json_t *rule_json(const struct network_rule *rule)
{
    json_t *o = json_object();
    add(o, "file", json_string(rule->origin.file != NULL ? rule->origin.file : ""));
    add(o, "line", json_integer(rule->origin.line));
    add(o, "text", text(rule->text));
    if (rule->note != NULL)
        add(o, "note", text(rule->note));
    return o;
}

static json_t *question(int type)
{
    static const struct {
        int type;
        const char *name;
    } known[] = {{1, "A"},   {2, "NS"},   {5, "CNAME"}, {6, "SOA"},  {12, "PTR"},
                 {15, "MX"}, {16, "TXT"}, {28, "AAAA"}, {33, "SRV"}, {255, "ANY"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type)
            return json_string(known[i].name);
    return json_sprintf("TYPE%d", type);
}

static json_t *attempt_json(const struct attempt *a)
{
    static const char *const kinds[] = {"tcp", "udp", "resolve"};
    char ip[46], when[64];
    json_t *o = json_object();
    add(o, "number", json_integer((json_int_t)a->number));
    add(o, "kind", json_string(kinds[a->kind]));
    snprintf(when, sizeof when, "%lld.%09lld", (long long)(a->time / 1000000000), (long long)(a->time % 1000000000));
    add(o, "time", json_string(when));
    add(o, "pid", json_integer(a->pid));
    add(o, "process", text(a->process));
    add(o, "call", a->call != NULL ? json_string(a->call) : json_null());
    add(o, "name", a->name != NULL ? text(a->name) : json_null());
    if (a->kind != ATTEMPT_NAME) {
        add(o, "address", json_string(network_print_ip(a->ip, ip)));
        add(o, "port", json_integer(a->port));
        add(o, "sent", side(a, 0));
        add(o, "received", side(a, 1));
    }
    add(o, "outcome", a->outcome != NULL ? json_string(a->outcome) : json_null());
    add(o, "rule", a->rule != NULL ? rule_json(a->rule) : json_null());
    if (a->kind == ATTEMPT_NAME)
        add(o, "type", question(a->question));
    if (a->answers != NULL)
        add(o, "answers", json_incref(a->answers));
    if (a->part_of != 0)
        add(o, "part_of", json_integer((json_int_t)a->part_of));
    add_text(o, "serves", a->serves);
    if (a->tls != NULL)
        add(o, "tls", json_incref(a->tls));
    if (a->urls != NULL)
        add(o, "http", json_incref(a->urls));
    if (a->kept != NULL)
        add(o, "kept", json_incref(a->kept));
    if (a->untold)
        add(o, "cut", json_true());
    return o;
}

json_t *attempts_json(struct attempts *l)
{
    json_t *all = json_array();
    for (const struct attempt *a = l->first; a != NULL; a = a->next)
        (void)json_array_append_new(all, attempt_json(a));
    if (l->lost > 0) {
        json_t *o = json_object();
        add(o, "kind", json_string("more"));
        add(o, "count", json_integer((json_int_t)l->lost));
        (void)json_array_append_new(all, o);
    }
    return all;
}
