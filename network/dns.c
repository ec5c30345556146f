/* Answering questions (network/dns.h). The wire format is libc's: ns_initparse and ns_parserr read the hostile message,
 * ns_name_compress writes names (RFC 1035, 3596, 2782, 6891). */
#include "network/dns.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST_CNAME = 8, POINTERS = 32, LEAST_DATAGRAM = 512, MADE_UP_TTL = 300, STREAMS_MOST = 256 };

struct writer {
    struct dns *dns;
    uint8_t *start, *at, *end;
    const uint8_t *names[POINTERS]; /* what ns_name_compress may point back to */
    uint16_t answers;
    bool full;
    json_t *told; /* the answers in words */
};

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void put_16(struct writer *w, uint16_t value)
{
    if (w->end - w->at < 2)
        w->full = true;
    else
        ns_put16(value, w->at), w->at += 2;
}

static void put_32(struct writer *w, uint32_t value)
{
    if (w->end - w->at < 4)
        w->full = true;
    else
        ns_put32(value, w->at), w->at += 4;
}

static void put_bytes(struct writer *w, const void *bytes, size_t n)
{
    if ((size_t)(w->end - w->at) < n) {
        w->full = true;
        return;
    }
    memcpy(w->at, bytes, n);
    w->at += n;
}

static void put_name(struct writer *w, const char *name)
{
    int n = w->full ? -1 : ns_name_compress(name, w->at, (size_t)(w->end - w->at), w->names, w->names + POINTERS);
    if (n < 0)
        w->full = true;
    else
        w->at += n;
}

/* RFC 2782: the target of an SRV is not compressed. */
static void put_whole_name(struct writer *w, const char *name)
{
    int n = w->full ? -1 : ns_name_compress(name, w->at, (size_t)(w->end - w->at), NULL, NULL);
    if (n < 0)
        w->full = true;
    else
        w->at += n;
}

static void put_data(struct writer *w, const struct network_record *r)
{
    uint8_t length;
    switch (r->type) {
    case ns_t_a:
        put_bytes(w, r->ip + 12, 4);
        break;
    case ns_t_aaaa:
        put_bytes(w, r->ip, 16);
        break;
    case ns_t_txt:
        length = (uint8_t)r->size;
        put_bytes(w, &length, 1);
        put_bytes(w, r->text, r->size);
        break;
    case ns_t_srv:
        put_16(w, r->priority);
        put_16(w, r->weight);
        put_16(w, r->port);
        put_whole_name(w, r->text);
        break;
    case ns_t_mx:
        put_16(w, r->priority);
        put_name(w, r->text);
        break;
    default:
        put_name(w, r->text);
    }
}

static void tell(struct writer *w, const struct network_record *r)
{
    char ip[46], text[600];
    static const struct {
        uint16_t type;
        const char *name;
    } kinds[] = {{ns_t_cname, "CNAME"}, {ns_t_mx, "MX"}, {ns_t_txt, "TXT"},
                 {ns_t_srv, "SRV"},     {ns_t_ns, "NS"}, {ns_t_ptr, "PTR"}};
    if (r->type == ns_t_a || r->type == ns_t_aaaa) {
        (void)json_array_append_new(w->told, json_string(network_print_ip(r->ip, ip)));
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == r->type)
            snprintf(text, sizeof text, "%s %s", kinds[i].name, r->text);
    json_t *t = json_string(text);
    (void)json_array_append_new(w->told, t != NULL ? t : json_string("TXT (not UTF-8)"));
}

/* A record that does not fit leaves nothing behind but `full`. */
static void put_record(struct writer *w, const char *owner, const struct network_record *r, uint32_t ttl)
{
    uint8_t *before = w->at;
    if (w->full)
        return;
    put_name(w, owner);
    put_16(w, r->type);
    put_16(w, ns_c_in);
    put_32(w, ttl);
    uint8_t *length = w->at;
    put_16(w, 0);
    put_data(w, r);
    if (w->full) {
        w->at = before;
        return;
    }
    ns_put16((uint16_t)(w->at - length - 2), length);
    w->answers++;
    tell(w, r);
}

static void put_address(struct writer *w, const char *owner, int type, const uint8_t ip[16], uint32_t ttl)
{
    struct network_record r = {.type = network_is_ipv4(ip) ? ns_t_a : ns_t_aaaa};
    memcpy(r.ip, ip, 16);
    if (type == r.type || type == ns_t_any)
        put_record(w, owner, &r, ttl);
}

/* ---- who is what ------------------------------------------------------------------------------------------------- */

/* 7.113.0.203.in-addr.arpa, and the 32 digits of ip6.arpa. */
static bool read_reverse(const char *name, uint8_t ip[16])
{
    unsigned a, b, c, d;
    int end = 0;
    size_t n = strlen(name);
    memset(ip, 0, 16);
    if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &d, &c, &b, &a, &end) == 4 && (size_t)end == n && a < 256 &&
        b < 256 && c < 256 && d < 256) {
        ip[10] = ip[11] = 0xff;
        ip[12] = (uint8_t)a;
        ip[13] = (uint8_t)b;
        ip[14] = (uint8_t)c;
        ip[15] = (uint8_t)d;
        return true;
    }
    if (n != 64 + strlen("ip6.arpa") || strcasecmp(name + 64, "ip6.arpa") != 0)
        return false;
    for (int i = 0; i < 32; i++) {
        const char digits[] = "0123456789abcdef", *digit = strchr(digits, name[2 * i] | 0x20);
        if (digit == NULL || name[2 * i] == '\0' || digit - digits > 15 || name[2 * i + 1] != '.')
            return false;
        int half = 31 - i;
        ip[half / 2] |= (uint8_t)((digit - digits) << (half % 2 ? 0 : 4));
    }
    return true;
}

static int put_reverse(struct writer *w, const char *name, int type, const uint8_t ip[16])
{
    static const uint8_t own[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [14] = 2, [15] = 15};
    const char *known = names_of(w->dns->names, ip, 0);
    if (known == NULL && network_is_ipv4(ip) && ip[12] == 127)
        known = "localhost";
    if (known == NULL && memcmp(ip, own, 16) == 0)
        known = w->dns->policy->hostname;
    if (known == NULL)
        return ns_r_nxdomain;
    const struct network_record r = {.type = ns_t_ptr, .text = known};
    if (type == ns_t_ptr || type == ns_t_any)
        put_record(w, name, &r, MADE_UP_TTL);
    return ns_r_noerror;
}

static bool is_localhost(const char *name)
{
    size_t n = strlen(name), local = strlen("localhost");
    return n >= local && strcasecmp(name + n - local, "localhost") == 0 && (n == local || name[n - local - 1] == '.');
}

/* What the policy does not speak of. */
static int put_others(struct writer *w, const char *name, int type, const struct network_rule **rule)
{
    static const uint8_t lo4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, lo6[16] = {[15] = 1};
    uint8_t ip[16];
    if (is_localhost(name)) {
        put_address(w, name, type, lo4, MADE_UP_TTL);
        put_address(w, name, type, lo6, MADE_UP_TTL);
        return ns_r_noerror;
    }
    if (read_reverse(name, ip))
        return put_reverse(w, name, type, ip);
    *rule = network_speaks_of(w->dns->policy->network, name);
    if (*rule == NULL)
        return ns_r_nxdomain;
    if (!names_make_up(w->dns->names, name, ip))
        return ns_r_servfail;
    put_address(w, name, type, ip, MADE_UP_TTL);
    return ns_r_noerror;
}

/* The rcode; -1: no answer at all. */
static int put_answers(struct writer *w, const char *asked, int type, const struct network_rule **rule)
{
    static const int codes[] = {
        [NETWORK_NXDOMAIN] = ns_r_nxdomain, [NETWORK_SERVFAIL] = ns_r_servfail, [NETWORK_SILENT] = -1};
    const char *name = asked;
    for (int depth = 0; depth <= DEEPEST_CNAME; depth++) {
        const struct network_rule *r = network_resolve(w->dns->policy->network, name);
        const char *other = NULL;
        if (depth == 0)
            *rule = r;
        if (r == NULL)
            return put_others(w, name, type, depth == 0 ? rule : &r);
        if (r->reply != NETWORK_RECORDS)
            return codes[r->reply];
        for (size_t i = 0; i < r->record_count; i++) {
            const struct network_record *record = &r->records[i];
            if (record->type == type || type == ns_t_any || record->type == ns_t_cname)
                put_record(w, name, record, r->ttl);
            if (record->type == ns_t_cname && type != ns_t_cname && type != ns_t_any)
                other = record->text;
            if (record->type == type && (type == ns_t_a || type == ns_t_aaaa))
                names_learn(w->dns->names, asked, record->ip);
        }
        if (other == NULL)
            return ns_r_noerror;
        name = other;
    }
    return ns_r_servfail;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void note(struct dns *d, const char *name, int type, const struct network_rule *rule, int code, json_t *answers)
{
    static const char *const outcomes[] = {
        [ns_r_noerror] = "answered", [ns_r_servfail] = "servfail", [ns_r_nxdomain] = "nxdomain"};
    char text[NS_MAXDNAME + 32];
    struct attempt *a = attempt_new(d->attempts, ATTEMPT_NAME, true);
    if (a == NULL) {
        json_decref(answers);
        return;
    }
    snprintf(text, sizeof text, "%s", name);
    a->name = strdup(text);
    a->rule = rule;
    a->outcome = code < 0 ? "no answer" : outcomes[code];
    a->answers = answers;
    a->question = type;
}

/* Only the header, with the question's id. */
static size_t fail(const uint8_t *question, uint8_t *out, int code)
{
    memset(out, 0, NS_HFIXEDSZ);
    memcpy(out, question, 2);
    out[2] = 0x80 | (question[2] & 0x79); /* an answer; opcode and RD as asked */
    out[3] = (uint8_t)(0x80 | code);
    return NS_HFIXEDSZ;
}

/* EDNS: how much the asker can take in one datagram. */
static size_t datagram_most(ns_msg *m)
{
    ns_rr rr;
    for (int i = 0; i < ns_msg_count(*m, ns_s_ar); i++)
        if (ns_parserr(m, ns_s_ar, i, &rr) == 0 && ns_rr_type(rr) == ns_t_opt)
            return ns_rr_class(rr) + 0u < LEAST_DATAGRAM ? (size_t)LEAST_DATAGRAM : ns_rr_class(rr) + 0u;
    return LEAST_DATAGRAM;
}

size_t dns_answer(struct dns *d, const uint8_t *question, size_t n, bool datagram, uint8_t *out, size_t most)
{
    ns_msg m;
    ns_rr rr;
    if (n < NS_HFIXEDSZ || most < LEAST_DATAGRAM || question[2] & 0x80) /* an answer is not answered */
        return 0;
    if (n > DNS_MOST || ns_initparse(question, (int)n, &m) < 0 || ns_msg_count(m, ns_s_qd) != 1)
        return fail(question, out, ns_r_formerr);
    if (ns_msg_getflag(m, ns_f_opcode) != ns_o_query)
        return fail(question, out, ns_r_notimpl);
    if (ns_parserr(&m, ns_s_qd, 0, &rr) < 0)
        return fail(question, out, ns_r_formerr);
    int class = ns_rr_class(rr);
    if (class != (int)ns_c_in && class != (int)ns_c_any)
        return fail(question, out, ns_r_refused);
    size_t room = datagram ? datagram_most(&m) : most;
    struct writer w = {.dns = d, .start = out, .at = out + NS_HFIXEDSZ, .end = out + (room < most ? room : most)};
    const struct network_rule *rule = NULL;
    const char *name = ns_rr_name(rr);
    w.told = json_array();
    w.names[0] = out;
    put_name(&w, name);
    put_16(&w, ns_rr_type(rr));
    put_16(&w, ns_rr_class(rr));
    int code = put_answers(&w, name, ns_rr_type(rr), &rule);
    note(d, name, ns_rr_type(rr), rule, code, w.told);
    if (code < 0)
        return 0;
    (void)fail(question, out, code);
    out[2] |= 4 | (w.full ? 2 : 0); /* it is the one that knows; TC */
    ns_put16(1, out + 4);
    ns_put16(w.answers, out + 6);
    return (size_t)(w.at - out);
}

/* ---- as a far end ------------------------------------------------------------------------------------------------ */

struct dns_end {
    struct far_end end; /* first */
    struct dns *dns;
    /* Of a stream alone. */
    uint8_t in[2 + DNS_MOST]; /* a stream's message so far: two bytes of length first */
    size_t have;
    uint8_t out[2 + DNS_MOST]; /* its answer, that must go out whole before another is read */
    size_t size, sent;
};

static size_t datagram_received(struct far_end *e, const void *bytes, size_t n)
{
    struct dns_end *d = (struct dns_end *)e;
    uint8_t out[DNS_MOST];
    size_t size = dns_answer(d->dns, bytes, n, true, out, sizeof out);
    if (size > 0)
        (void)far_send(e, out, size);
    return n;
}

/* true: all of it is out. */
static bool flush(struct dns_end *d)
{
    if (d->sent < d->size)
        d->sent += far_send(&d->end, d->out + d->sent, d->size - d->sent);
    return d->sent == d->size;
}

static size_t stream_received(struct far_end *e, const void *bytes, size_t n)
{
    struct dns_end *d = (struct dns_end *)e;
    const uint8_t *from = bytes;
    size_t taken = 0;
    while (taken < n && flush(d)) {
        d->in[d->have++] = from[taken++];
        size_t length = d->have >= 2 ? ns_get16(d->in) : DNS_MOST;
        if (d->have < 2 || d->have < 2 + length)
            continue;
        d->size = dns_answer(d->dns, d->in + 2, length, false, d->out + 2, DNS_MOST);
        d->have = d->sent = 0;
        if (d->size > 0) {
            ns_put16((uint16_t)d->size, d->out);
            d->size += 2;
        }
    }
    (void)flush(d);
    return taken;
}

static void stream_room(struct far_end *e)
{
    if (flush((struct dns_end *)e))
        far_pull(e);
}

static void stream_finished(struct far_end *e)
{
    far_finish(e);
}

static void datagram_gone(struct far_end *e)
{
    free(e);
}

static void stream_gone(struct far_end *e)
{
    ((struct dns_end *)e)->dns->streams--;
    free(e);
}

static const struct far_end_ops datagram_ops = {.received = datagram_received, .gone = datagram_gone};
static const struct far_end_ops stream_ops = {
    .received = stream_received, .room = stream_room, .finished = stream_finished, .gone = stream_gone};

struct far_end *dns_end(struct dns *dns, bool datagram)
{
    if (!datagram && dns->streams == STREAMS_MOST)
        return NULL;
    struct dns_end *d = calloc(1, datagram ? offsetof(struct dns_end, in) : sizeof *d);
    if (d == NULL)
        return NULL;
    d->end.ops = datagram ? &datagram_ops : &stream_ops;
    d->dns = dns;
    dns->streams += !datagram;
    return &d->end;
}
