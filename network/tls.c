/* TLS between a guest and a far end that knows nothing of it. The guest's bytes go into a memory BIO, what OpenSSL reads
 * goes to the inner end; what that sends goes the other way. Each queue is bounded, and a full one is felt by whoever fills
 * it, through the same two questions that sockets ask: how much was taken, and is there room. */
#include "network/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_OUT = 256 << 10,  /* encrypted bytes that the guest has not taken */
    MOST_IN = 64 << 10,    /* encrypted bytes taken and not yet read */
    PLAIN = 16 << 10,      /* one record */
    MOST_HELLO = 17 << 10, /* kept for fingerprints */
};

struct tls {
    struct far_end end;    /* as the socket sees it */
    struct far_end *inner; /* whose carrier this is */
    struct contents *contents;
    struct conversation *conversation;
    struct chance chance;
    char host[256];
    SSL *ssl;      /* NULL: bytes pass as they are */
    BIO *in, *out; /* ssl's */
    struct buffer hello;
    struct buffer plain; /* decrypted, and not yet taken by the inner end */
    bool at_once, established, told, read_over, inner_told, inner_short, finishing, finish_sent, broken, pumping, again;
};

static struct tls *of(struct far_end *e)
{
    return (struct tls *)e;
}

static struct tls *under(struct far_end *inner)
{
    return inner->carrier;
}

/* Every call into the library draws from this connection's stream, and leaves no error behind. */
static void enter(struct tls *t)
{
    t->contents->tls->chance = &t->chance;
    ERR_clear_error();
}

/* ---- what is told ---------------------------------------------------------------------------------------------------- */

static char *client_certificate(SSL *ssl)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    BIO *memory = x != NULL ? BIO_new(BIO_s_mem()) : NULL;
    char *bytes, *pem = NULL;
    if (memory != NULL && PEM_write_bio_X509(memory, x)) {
        long n = BIO_get_mem_data(memory, &bytes);
        pem = n > 0 ? strndup(bytes, (size_t)n) : NULL;
    }
    BIO_free(memory);
    return pem;
}

static void tell(struct tls *t, const char *failure)
{
    if (t->told)
        return;
    t->told = true;
    struct client_hello hello = {0};
    if (t->hello.size > 0)
        client_hello_read((const unsigned char *)buffer_bytes(&t->hello), t->hello.size, &hello);
    buffer_clear(&t->hello);
    const unsigned char *alpn = NULL;
    unsigned alpn_size = 0;
    char protocol[32];
    SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_size);
    snprintf(protocol, sizeof protocol, "%.*s", (int)alpn_size, alpn != NULL ? (const char *)alpn : "");
    char *pem = client_certificate(t->ssl);
    const struct tls_facts facts = {
        .server_name = hello.server_name,
        .version = t->established ? SSL_get_version(t->ssl) : "",
        .cipher = t->established ? SSL_get_cipher_name(t->ssl) : "",
        .alpn = protocol,
        .ja3 = hello.ja3,
        .ja4 = hello.ja4,
        .ja3_text = hello.ja3_text,
        .client_certificate = pem != NULL ? pem : "",
        .failure = failure,
    };
    CONVERSATION_TELL(t->conversation, tls, &facts);
    free(pem);
}

static void key_line(const SSL *ssl, const char *line)
{
    struct tls *t = SSL_get_app_data(ssl);
    CONVERSATION_TELL(t->conversation, key, line);
}

/* ---- the server's side of the handshake -------------------------------------------------------------------------------- */

/* HTTP/1.1 is what is spoken here; a client that offers other protocols alone is told of none. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                           unsigned in_size, void *unused)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, void *unused)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_world *w = t->contents->tls;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    X509 *x = tls_certificate(w, name != NULL && *name != '\0' && strlen(name) < 254 ? name : t->host);
    return x != NULL && SSL_use_certificate(ssl, x) == 1 && SSL_use_PrivateKey(ssl, w->server_key) == 1;
}

/* A client's certificate is asked for, kept, and never judged. */
static int accept_anyone(X509_STORE_CTX *store, void *unused)
{
    return 1;
}

static SSL_CTX *server_of(struct tls_world *w)
{
    if (w->server != NULL)
        return w->server;
    SSL_CTX *s = SSL_CTX_new_ex(w->library, NULL, TLS_server_method());
    if (s == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(s, TLS1_2_VERSION);
    /* No session is resumed: tickets would carry the host's time, and every conversation is to be whole. */
    SSL_CTX_set_options(s, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(s, 0);
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(s, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(s, accept_anyone, NULL);
    SSL_CTX_set_cert_cb(s, choose_certificate, NULL);
    SSL_CTX_set_alpn_select_cb(s, choose_protocol, NULL);
    SSL_CTX_set_keylog_callback(s, key_line);
    SSL_CTX_set_max_cert_list(s, 64 << 10);
    w->server = s;
    return s;
}

static bool begin(struct tls *t)
{
    struct tls_world *w = tls_world_of(t->contents);
    if (w == NULL)
        return false;
    enter(t);
    SSL_CTX *server = server_of(w);
    t->ssl = server != NULL ? SSL_new(server) : NULL;
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
        SSL_free(t->ssl);
        t->ssl = NULL;
        BIO_free(t->in);
        BIO_free(t->out);
        return false;
    }
    SSL_set_app_data(t->ssl, t);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    w->chance = NULL;
    return true;
}

/* ---- outwards ----------------------------------------------------------------------------------------------------------- */

/* Encrypted bytes to the guest, as many as it takes. True when none wait. */
static bool flush(struct tls *t)
{
    char *bytes;
    long n;
    while ((n = BIO_get_mem_data(t->out, &bytes)) > 0) {
        size_t sent = far_send(&t->end, bytes, (size_t)n);
        if (sent == (size_t)n) {
            (void)BIO_reset(t->out);
            break;
        }
        if (sent == 0)
            return false;
        char skipped[4096];
        while (sent > 0) { /* a memory BIO is dropped from by reading it */
            int some = BIO_read(t->out, skipped, (int)(sent < sizeof skipped ? sent : sizeof skipped));
            if (some <= 0)
                return false;
            sent -= (size_t)some;
        }
    }
    if (t->finishing && !t->finish_sent) {
        t->finish_sent = true;
        far_finish(&t->end);
    }
    return true;
}

static void finish_all(struct tls *t)
{
    if (t->finishing)
        return;
    t->finishing = true;
    if (t->established && !t->broken) {
        enter(t);
        SSL_shutdown(t->ssl); /* our close_notify */
    }
    flush(t);
}

static void fail(struct tls *t)
{
    char words[256];
    unsigned long error = ERR_peek_last_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    snprintf(words, sizeof words, "%s", reason != NULL ? reason : "the connection ended within the handshake");
    t->broken = true;
    tell(t, t->established ? "" : words);
    ERR_clear_error();
    finish_all(t); /* what of an alert there is goes first */
}

static size_t inner_send(struct far_end *e, const void *bytes, size_t n)
{
    struct tls *t = under(e);
    if (t->ssl == NULL)
        return far_send(&t->end, bytes, n);
    if (t->broken || t->finishing)
        return n; /* nobody listens */
    size_t done = 0;
    while (done < n && t->established && BIO_pending(t->out) < MOST_OUT) {
        size_t some = n - done < PLAIN ? n - done : PLAIN, written = 0;
        enter(t);
        if (SSL_write_ex(t->ssl, (const char *)bytes + done, some, &written) != 1) {
            fail(t);
            return n;
        }
        CONVERSATION_TELL(t->conversation, plain, false, (const char *)bytes + done, written);
        done += written;
        if (BIO_pending(t->out) >= MOST_OUT)
            flush(t);
    }
    flush(t);
    t->inner_short = done < n;
    return done;
}

/* ---- inwards ------------------------------------------------------------------------------------------------------------ */

/* To the inner end, what it takes. True when nothing waits. */
static bool deliver(struct tls *t)
{
    while (t->plain.size > 0) {
        size_t n = t->inner->ops->received != NULL
                       ? t->inner->ops->received(t->inner, buffer_bytes(&t->plain), t->plain.size)
                       : t->plain.size;
        buffer_drop(&t->plain, n);
        if (n == 0)
            return false;
    }
    return true;
}

static bool handshake(struct tls *t)
{
    enter(t);
    int done = SSL_do_handshake(t->ssl);
    if (done == 1) {
        t->established = true;
        tell(t, "");
        flush(t);
        if (t->at_once && t->inner->ops->opened != NULL)
            t->inner->ops->opened(t->inner);
        if (t->inner_short && t->inner->ops->room != NULL) {
            t->inner_short = false;
            t->inner->ops->room(t->inner);
        }
        return true;
    }
    if (SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ)
        fail(t);
    else
        flush(t);
    return false;
}

static void pump_once(struct tls *t)
{
    if (t->broken || (!t->established && !handshake(t)))
        return;
    while (!t->broken && !t->read_over && deliver(t)) {
        char bytes[PLAIN];
        size_t n;
        enter(t);
        int done = SSL_read_ex(t->ssl, bytes, sizeof bytes, &n);
        if (done == 1) {
            CONVERSATION_TELL(t->conversation, plain, true, bytes, n);
            if (!buffer_add(&t->plain, bytes, n)) {
                fail(t);
                return;
            }
            continue;
        }
        int error = SSL_get_error(t->ssl, done);
        if (error == SSL_ERROR_ZERO_RETURN)
            t->read_over = true;
        else if (error != SSL_ERROR_WANT_READ)
            fail(t);
        break;
    }
    if (!t->broken)
        flush(t); /* a key update is answered */
    if (t->read_over && t->plain.size == 0 && !t->inner_told) {
        t->inner_told = true;
        if (t->inner->ops->finished != NULL)
            t->inner->ops->finished(t->inner);
    }
}

/* The inner end may send, pull and finish from within: once more instead of once deeper. */
static void pump(struct tls *t)
{
    t->again = true;
    if (t->pumping)
        return;
    t->pumping = true;
    while (t->again) {
        t->again = false;
        pump_once(t);
    }
    t->pumping = false;
    t->contents->tls->chance = NULL;
}

static void inner_pull(struct far_end *e)
{
    struct tls *t = under(e);
    if (t->ssl != NULL)
        pump(t);
    far_pull(&t->end);
}

static void inner_finish(struct far_end *e)
{
    struct tls *t = under(e);
    if (t->ssl != NULL)
        finish_all(t);
    else
        far_finish(&t->end);
}

static void inner_reset(struct far_end *e)
{
    struct tls *t = under(e);
    t->broken = true;
    far_reset(&t->end);
}

static void inner_arm(struct far_end *e, int64_t delay)
{
    far_arm(&under(e)->end, delay);
}

static const struct far_link inner_link = {
    .send = inner_send, .pull = inner_pull, .finish = inner_finish, .reset = inner_reset, .arm = inner_arm};

/* ---- the far end's operations ---------------------------------------------------------------------------------------------- */

static void opened(struct far_end *e)
{
    struct tls *t = of(e);
    if (t->ssl == NULL && t->inner->ops->opened != NULL)
        t->inner->ops->opened(t->inner);
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct tls *t = of(e);
    if (t->ssl == NULL) {
        size_t taken = t->inner->ops->received != NULL ? t->inner->ops->received(t->inner, bytes, n) : n;
        if (t->ssl == NULL || taken >= n)
            return taken;
        /* It begins TLS with this very command: what is behind it is a ClientHello already, and was not taken. */
        bytes = (const char *)bytes + taken;
        return taken + received(e, bytes, n - taken);
    }
    if (t->broken || t->finishing)
        return n;
    size_t taken = 0;
    while (taken < n && !t->broken && !t->finishing) {
        long waiting = BIO_pending(t->in);
        size_t some = n - taken, room = waiting < MOST_IN ? (size_t)(MOST_IN - waiting) : 0;
        if (some > room)
            some = room;
        if (some == 0)
            return taken;
        if (!t->told && t->hello.size < MOST_HELLO) {
            size_t space = MOST_HELLO - t->hello.size;
            buffer_add(&t->hello, (const char *)bytes + taken, some < space ? some : space);
        }
        if (BIO_write(t->in, (const char *)bytes + taken, (int)some) != (int)some) {
            fail(t);
            return n;
        }
        taken += some;
        pump(t);
    }
    return t->broken || t->finishing ? n : taken;
}

static void finished(struct far_end *e)
{
    struct tls *t = of(e);
    if (t->ssl != NULL && !t->established) {
        fail(t);
        return;
    }
    t->read_over = true;
    if (t->ssl != NULL) {
        pump(t);
    } else if (t->inner->ops->finished != NULL) {
        t->inner->ops->finished(t->inner);
    }
}

static void room(struct far_end *e)
{
    struct tls *t = of(e);
    if (t->ssl != NULL && (!flush(t) || t->broken || t->finishing))
        return;
    if (t->ssl == NULL || t->inner_short) {
        t->inner_short = false;
        if (t->inner->ops->room != NULL)
            t->inner->ops->room(t->inner);
    }
}

static void timer(struct far_end *e)
{
    struct far_end *inner = of(e)->inner;
    if (inner->ops->timer != NULL)
        inner->ops->timer(inner);
}

static void gone(struct far_end *e)
{
    struct tls *t = of(e);
    if (t->ssl != NULL && !t->told)
        tell(t, "the connection ended within the handshake");
    if (t->contents->tls != NULL && t->contents->tls->chance == &t->chance)
        t->contents->tls->chance = NULL;
    t->inner->ops->gone(t->inner);
    SSL_free(t->ssl);
    buffer_clear(&t->hello);
    buffer_clear(&t->plain);
    free(t);
}

static const struct far_end_ops ops = {opened, received, finished, room, timer, gone};

struct far_end *tls_wrap(struct contents *cs, struct far_end *inner, const struct content_peer *peer, bool at_once)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->end.ops = &ops;
        t->inner = inner;
        t->contents = cs;
        t->conversation = peer->conversation;
        t->at_once = at_once;
        snprintf(t->host, sizeof t->host, "%s", peer->host);
        chance_init(&t->chance, cs->config.seed, "connection", "", cs->connections);
        buffer_init(&t->hello, &cs->account, MOST_HELLO);
        buffer_init(&t->plain, &cs->account, 2 * PLAIN);
        inner->link = &inner_link;
        inner->carrier = t;
        if (!at_once || begin(t))
            return &t->end;
        free(t);
    }
    inner->ops->gone(inner);
    return NULL;
}

void tls_heard_by(struct far_end *wrapped, struct conversation *c)
{
    of(wrapped)->conversation = c;
}

void tls_begin(struct far_end *inner)
{
    struct tls *t = under(inner);
    if (t->ssl == NULL && !begin(t)) {
        t->broken = true;
        far_reset(&t->end);
    }
}
