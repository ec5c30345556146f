/* The fingerprints of a ClientHello (JA3, JA4) and the name it asks for. Read here, from bounded copies, because OpenSSL
 * does not tell of extensions that it does not know. RFC 8446, 4.1.2; GREASE values (RFC 8701) count for nothing. */
#include "network/tls.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HELLO = 16 << 10, MOST_ITEMS = 128 };

/* Bytes that are read from the front; what would go beyond makes it bad, and every read after that gives 0. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool bad;
};

static unsigned take(struct cursor *c, int n)
{
    unsigned value = 0;
    if (c->left < (size_t)n || c->bad) {
        c->bad = true;
        return 0;
    }
    for (; n > 0; n--, c->left--)
        value = value << 8 | *c->at++;
    return value;
}

/* A stretch with its length of n bytes before it. */
static struct cursor stretch(struct cursor *c, int n)
{
    size_t size = take(c, n);
    if (c->bad || size > c->left) {
        c->bad = true;
        return (struct cursor){.bad = true};
    }
    struct cursor inner = {c->at, size, false};
    c->at += size;
    c->left -= size;
    return inner;
}

struct list {
    uint16_t items[MOST_ITEMS];
    size_t count;
};

static bool grease(unsigned v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void add(struct list *l, unsigned v)
{
    if (!grease(v) && l->count < MOST_ITEMS)
        l->items[l->count++] = (uint16_t)v;
}

static void add_all(struct list *l, struct cursor c, int n)
{
    while (c.left >= (size_t)n && !c.bad)
        add(l, take(&c, n));
}

struct hello {
    unsigned version, newest;
    bool named;
    char alpn[3];
    struct list ciphers, extensions, groups, formats, signatures;
};

static void read_name(struct cursor c, struct client_hello *out, struct hello *h)
{
    struct cursor names = stretch(&c, 2);
    h->named = true;
    if (take(&names, 1) != 0) /* host_name */
        return;
    struct cursor name = stretch(&names, 2);
    if (name.bad || name.left >= sizeof out->server_name)
        return;
    for (size_t i = 0; i < name.left; i++)
        if (!isprint(name.at[i]))
            return;
    memcpy(out->server_name, name.at, name.left);
    out->server_name[name.left] = '\0';
}

/* JA4 takes the first and the last letter of the first protocol; of what is no letter or digit, hex. */
static void read_alpn(struct cursor c, struct hello *h)
{
    struct cursor all = stretch(&c, 2), first = stretch(&all, 1);
    if (first.bad || first.left == 0)
        return;
    unsigned char a = first.at[0], z = first.at[first.left - 1];
    if (isalnum(a) && isalnum(z))
        snprintf(h->alpn, sizeof h->alpn, "%c%c", a, z);
    else
        snprintf(h->alpn, sizeof h->alpn, "%x%x", a >> 4, z & 15);
}

static void read_extension(unsigned type, struct cursor c, struct client_hello *out, struct hello *h)
{
    struct list versions = {.count = 0};
    switch (type) {
    case 0:
        read_name(c, out, h);
        break;
    case 10:
        add_all(&h->groups, stretch(&c, 2), 2);
        break;
    case 11:
        add_all(&h->formats, stretch(&c, 1), 1);
        break;
    case 13:
        add_all(&h->signatures, stretch(&c, 2), 2);
        break;
    case 16:
        read_alpn(c, h);
        break;
    case 43:
        add_all(&versions, stretch(&c, 1), 2);
        for (size_t i = 0; i < versions.count; i++)
            if (versions.items[i] > h->newest)
                h->newest = versions.items[i];
        break;
    }
}

static bool read_hello(struct cursor c, struct client_hello *out, struct hello *h)
{
    h->version = h->newest = take(&c, 2);
    for (int i = 0; i < 32; i++)
        take(&c, 1);
    stretch(&c, 1);
    struct cursor ciphers = stretch(&c, 2);
    add_all(&h->ciphers, ciphers, 2);
    stretch(&c, 1);
    if (c.bad)
        return false;
    if (c.left == 0) /* no extensions at all: SSL 3.0 had none */
        return true;
    struct cursor extensions = stretch(&c, 2);
    while (extensions.left > 0 && !extensions.bad) {
        unsigned type = take(&extensions, 2);
        struct cursor body = stretch(&extensions, 2);
        if (extensions.bad)
            return false;
        add(&h->extensions, type);
        read_extension(type, body, out, h);
    }
    return !c.bad && !extensions.bad;
}

/* ---- fingerprints ---------------------------------------------------------------------------------------------------- */

static void digest(const EVP_MD *kind, const char *text, char *hex, size_t digits)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    hex[0] = '\0';
    if (EVP_Digest(text, strlen(text), bytes, &size, kind, NULL) != 1)
        return;
    for (size_t i = 0; i < digits / 2 && i < size; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static size_t join(char *text, size_t room, size_t at, const struct list *l, const char *format, char between)
{
    for (size_t i = 0; i < l->count && at + 8 < room; i++) {
        if (i > 0)
            text[at++] = between;
        at += (size_t)snprintf(text + at, room - at, format, l->items[i]);
    }
    text[at] = '\0';
    return at;
}

static void make_ja3(const struct hello *h, struct client_hello *out)
{
    const struct list *parts[] = {&h->ciphers, &h->extensions, &h->groups, &h->formats};
    size_t room = sizeof out->ja3_text, at = (size_t)snprintf(out->ja3_text, room, "%u", h->version);
    for (size_t i = 0; i < 4 && at + 16 < room; i++) {
        out->ja3_text[at++] = ',';
        at = join(out->ja3_text, room, at, parts[i], "%u", '-');
    }
    digest(EVP_md5(), out->ja3_text, out->ja3, 32);
}

static int by_value(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static const char *version_letters(unsigned version)
{
    return version == 0x0304   ? "13"
           : version == 0x0303 ? "12"
           : version == 0x0302 ? "11"
           : version == 0x0301 ? "10"
           : version == 0x0300 ? "s3"
                               : "00";
}

static void make_ja4(const struct hello *h, struct client_hello *out)
{
    char text[MOST_ITEMS * 10 + 32], ciphers[13] = "000000000000", extensions[13] = "000000000000";
    struct list sorted = h->ciphers, rest = {.count = 0};
    qsort(sorted.items, sorted.count, sizeof *sorted.items, by_value);
    if (join(text, sizeof text, 0, &sorted, "%04x", ',') > 0)
        digest(EVP_sha256(), text, ciphers, 12);
    for (size_t i = 0; i < h->extensions.count; i++)
        if (h->extensions.items[i] != 0 && h->extensions.items[i] != 16)
            rest.items[rest.count++] = h->extensions.items[i];
    qsort(rest.items, rest.count, sizeof *rest.items, by_value);
    size_t at = join(text, sizeof text, 0, &rest, "%04x", ',');
    if (h->signatures.count > 0) {
        text[at++] = '_';
        (void)join(text, sizeof text, at, &h->signatures, "%04x", ',');
    }
    if (rest.count > 0)
        digest(EVP_sha256(), text, extensions, 12);
    size_t c = h->ciphers.count < 99 ? h->ciphers.count : 99, e = h->extensions.count < 99 ? h->extensions.count : 99;
    snprintf(out->ja4, sizeof out->ja4, "t%s%c%02zu%02zu%s_%s_%s", version_letters(h->newest), h->named ? 'd' : 'i', c,
             e, h->alpn[0] != '\0' ? h->alpn : "00", ciphers, extensions);
}

int client_hello_read(const unsigned char *bytes, size_t n, struct client_hello *out)
{
    unsigned char hello[MOST_HELLO];
    size_t size = 0, wanted = 4;
    struct cursor c = {bytes, n, false};
    *out = (struct client_hello){0};
    while (size < wanted) { /* the message may lie in several records */
        if (c.left < 5)
            return c.left > 0 && c.at[0] != 22 ? -1 : 0;
        unsigned type = take(&c, 1), major = take(&c, 1);
        take(&c, 1);
        size_t length = take(&c, 2);
        if (type != 22 || major != 3 || length == 0 || size + length > sizeof hello)
            return -1;
        if (c.left < length)
            return 0;
        memcpy(hello + size, c.at, length);
        c.at += length;
        c.left -= length;
        size += length;
        if (size < 4)
            continue;
        if (hello[0] != 1)
            return -1;
        wanted = 4 + ((size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3]);
        if (wanted > sizeof hello)
            return -1;
    }
    struct hello h = {0};
    if (!read_hello((struct cursor){hello + 4, wanted - 4, false}, out, &h))
        return -1;
    make_ja3(&h, out);
    make_ja4(&h, out);
    return 1;
}
