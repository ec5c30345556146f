// rooms: network vfs policy kernel/sysent
/* TLS between a real client (OpenSSL's) and a far end: handshakes, certificates, sameness, fingerprints. */
#include "tests/unit/far_fixture.h"

#include "network/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct client {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

static struct client *client_new(const char *authority, const char *name, int version)
{
    struct client *c = calloc(1, sizeof *c);
    BIO *pem = BIO_new_mem_buf(authority, -1);
    X509 *x = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    assert_non_null(x);
    c->context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(c->context), x), 1);
    SSL_CTX_set_verify(c->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_max_proto_version(c->context, version);
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(c->context), fixed_now(NULL) / 1000000000);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->context), X509_V_FLAG_X509_STRICT);
    c->ssl = SSL_new(c->context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    SSL_set_tlsext_host_name(c->ssl, name);
    SSL_set1_host(c->ssl, name);
    SSL_set_alpn_protos(c->ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    X509_free(x);
    BIO_free(pem);
    return c;
}

static void client_free(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    free(c);
}

/* Carries what each side has to say to the other, until neither says anything. */
static void carry(struct client *c, struct wire *w)
{
    for (;;) {
        char bytes[16384];
        int n = BIO_read(c->out, bytes, sizeof bytes);
        if (n > 0)
            wire_give(w, bytes, (size_t)n);
        size_t back = w->sent_size;
        if (back > 0)
            BIO_write(c->in, w->sent, (int)back);
        w->sent_size = 0;
        if (back > 0)
            wire_room(w);
        if (n <= 0 && back == 0)
            return;
        if (!SSL_is_init_finished(c->ssl))
            SSL_do_handshake(c->ssl);
    }
}

static bool shake(struct client *c, struct wire *w)
{
    for (int i = 0; i < 20 && SSL_do_handshake(c->ssl) != 1; i++)
        carry(c, w);
    carry(c, w);
    return SSL_is_init_finished(c->ssl);
}

static const char *ask(struct client *c, struct wire *w, const char *text)
{
    static char answer[1 << 16];
    int size = 0, n;
    if (*text != '\0')
        assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), strlen(text));
    do {
        carry(c, w);
        n = SSL_read(c->ssl, answer + size, (int)sizeof answer - 1 - size);
        size += n > 0 ? n : 0;
    } while (n > 0);
    answer[size] = '\0';
    return answer;
}

static const char hello[] = "- {path: /, body: \"hello\"}\n- {path: /bye, close: true, body: bye}\n";
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void a_client_that_trusts_the_authority_is_served(void **state)
{
    static const struct {
        int version;
        const char *name, *words;
    } rows[] = {
        {TLS1_3_VERSION, "api.example.com", "tls[api.example.com TLSv1.3 http/1.1 t13d"},
        {TLS1_2_VERSION, "www.example.org", "tls[www.example.org TLSv1.2 http/1.1 t12d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage s;
        stage_open(&s, CONTENT_HTTP, hello, 1);
        struct wire *w = stage_connect(&s, true);
        struct client *c = client_new(contents_authority(s.contents), rows[i].name, rows[i].version);
        assert_true(shake(c, w));
        assert_non_null(strstr(ask(c, w, GET("/")), "\r\n\r\nhello"));
        assert_non_null(strstr(s.hearing->text, rows[i].words));
        assert_non_null(strstr(s.hearing->text, "http[GET https://h/ body=0 200]"));
        assert_non_null(
            strstr(s.hearing->text, rows[i].version == TLS1_3_VERSION ? "key[CLIENT_HANDSH]" : "key[CLIENT_RANDOM]"));
        assert_non_null(strstr(ask(c, w, GET("/bye")), "\r\n\r\nbye"));
        assert_int_equal(SSL_get_shutdown(c->ssl), SSL_RECEIVED_SHUTDOWN); /* told, not cut */
        assert_true(w->finished);
        client_free(c);
        wire_free(w);
        stage_close(&s);
    }
}

static void the_same_seed_makes_the_same_authority_and_another_another(void **state)
{
    struct stage a, b, c;
    stage_open(&a, CONTENT_HTTP, hello, 7);
    stage_open(&b, CONTENT_HTTP, hello, 7);
    stage_open(&c, CONTENT_HTTP, hello, 8);
    assert_string_equal(contents_authority(a.contents), contents_authority(b.contents));
    assert_string_not_equal(contents_authority(a.contents), contents_authority(c.contents));
    stage_close(&a);
    stage_close(&b);
    stage_close(&c);
}

/* A client's flight, recorded once, is answered twice: everything the far end says is the same. */
static void the_same_hello_is_answered_with_the_same_bytes(void **state)
{
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (size_t i = 0; i < 2; i++) {
        char flight[4096], first[1 << 14];
        size_t size = 0, first_size = 0;
        for (int round = 0; round < 3; round++) {
            struct stage s;
            stage_open(&s, CONTENT_HTTP, hello, round == 2 ? 8 : 7);
            struct wire *w = stage_connect(&s, true);
            if (round == 0) {
                struct client *c = client_new(contents_authority(s.contents), "h", versions[i]);
                SSL_do_handshake(c->ssl);
                size = (size_t)BIO_read(c->out, flight, sizeof flight);
                client_free(c);
            }
            wire_give(w, flight, size);
            assert_true(w->sent_size > 500 && w->sent_size < sizeof first);
            if (round == 0) {
                memcpy(first, w->sent, w->sent_size);
                first_size = w->sent_size;
            } else if (round == 1) {
                assert_int_equal(w->sent_size, first_size);
                assert_memory_equal(w->sent, first, first_size);
            } else {
                assert_memory_not_equal(w->sent, first, first_size);
            }
            wire_free(w);
            stage_close(&s);
        }
    }
}

static void a_client_that_does_not_trust_is_told_of(void **state)
{
    struct stage s, other;
    stage_open(&s, CONTENT_HTTP, hello, 1);
    stage_open(&other, CONTENT_HTTP, hello, 2);
    struct wire *w = stage_connect(&s, true);
    struct client *c = client_new(contents_authority(other.contents), "h", TLS1_2_VERSION);
    assert_false(shake(c, w));
    assert_non_null(strstr(s.hearing->text, "unknown ca"));
    assert_true(w->finished);
    client_free(c);
    stage_end(&s, w);
    stage_close(&other);
}

static void what_is_no_tls_ends_it(void **state)
{
    struct stage s;
    stage_open(&s, CONTENT_HTTP, hello, 1);
    struct wire *w = stage_connect(&s, true);
    wire_give(w, GET("/"), strlen(GET("/")));
    assert_true(w->finished);
    assert_non_null(strstr(s.hearing->text, "http request"));
    wire_free(w);
    w = stage_connect(&s, true);
    wire_end_of_input(w);
    assert_true(w->finished);
    assert_non_null(strstr(s.hearing->text, "ended within the handshake"));
    stage_end(&s, w);
}

static void a_clients_certificate_is_kept(void **state)
{
    struct stage s;
    stage_open(&s, CONTENT_HTTP, hello, 1);
    struct wire *w = stage_connect(&s, true);
    struct client *c = client_new(contents_authority(s.contents), "h", TLS1_3_VERSION);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x = X509_new();
    X509_set_pubkey(x, key);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_sign(x, key, EVP_sha256());
    assert_int_equal(SSL_use_certificate(c->ssl, x), 1);
    assert_int_equal(SSL_use_PrivateKey(c->ssl, key), 1);
    assert_true(shake(c, w));
    ask(c, w, GET("/"));
    assert_non_null(strstr(s.hearing->text, " certificate] "));
    X509_free(x);
    EVP_PKEY_free(key);
    client_free(c);
    stage_end(&s, w);
}

static void much_goes_through_a_narrow_wire(void **state)
{
    static char yaml[400100];
    struct stage s;
    strcpy(yaml, "- {path: /, headers: {Content-Type: a/b}, body: \"");
    memset(yaml + strlen(yaml), 'y', 400000);
    strcat(yaml, "\"}\n");
    stage_open(&s, CONTENT_HTTP, yaml, 1);
    struct wire *w = stage_connect(&s, true);
    struct client *c = client_new(contents_authority(s.contents), "h", TLS1_3_VERSION);
    assert_true(shake(c, w));
    w->limit = 1000;
    SSL_write(c->ssl, GET("/"), strlen(GET("/")));
    size_t total = 0;
    for (int i = 0; i < 3000; i++) {
        char bytes[4096];
        int n;
        carry(c, w);
        while ((n = SSL_read(c->ssl, bytes, sizeof bytes)) > 0)
            total += (size_t)n;
    }
    assert_true(total > 400000 && total < 400500);
    client_free(c);
    stage_end(&s, w);
}

static void a_talk_may_begin_tls_in_its_middle(void **state)
{
    struct stage s;
    struct wire *w =
        stage_begin(&s, CONTENT_TALK,
                    "- {send: \"hello\\n\"}\n- {expect: \"STARTTLS\\n\", send: \"go\\n\", starttls: true}\n"
                    "- {expect: \"secret\", send: \"well\"}\n");
    assert_string_equal(wire_take(w), "hello\n");
    assert_string_equal(wire_ask(w, "STARTTLS\n"), "go\n");
    struct client *c = client_new(contents_authority(s.contents), "h", TLS1_3_VERSION);
    assert_true(shake(c, w));
    assert_string_equal(ask(c, w, "secret"), "well");
    client_free(c);
    stage_end(&s, w);
}

/* ---- fingerprints -------------------------------------------------------------------------------------------------------- */

static size_t unhex(const char *hex, unsigned char *to)
{
    size_t n = 0;
    for (; hex[0] != '\0'; hex += 2)
        sscanf(hex, "%2hhx", &to[n++]);
    return n;
}

static void fingerprints_are_those_of_the_standard(void **state)
{
    /* The parts of a hello of Chrome's whose JA4 the standard gives as its example: t13d1516h2_8daaf6152771_e5627efa2ab1.
     * Ciphers, extensions (GREASE among them) and signature algorithms as there; the rest is filling. */
    static const char ciphers[] = "0a0a130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035";
    static const char extensions[] = "1a1a0000"
                                     "0000000e000c0000096c6f63616c686f7374"
                                     "00170000"
                                     "ff01000100"
                                     "000a000a00082a2a001d00170018"
                                     "000b00020100"
                                     "00230000"
                                     "0010000e000c02683208687474702f312e31"
                                     "0005000501"
                                     "00000000"
                                     "000d0012001004030804040105030805050108060601"
                                     "00120000"
                                     "00330006000400170000"
                                     "002d00020101"
                                     "002b0007060a0a03040303"
                                     "001b0003020002"
                                     "44690005000302"
                                     "6832"
                                     "3a3a000100"
                                     "00150000";
    unsigned char body[2048], packet[2048];
    size_t n = 0, c, e;
    unsigned char text[1024];
    body[n++] = 3;
    body[n++] = 3;
    memset(body + n, 7, 32);
    n += 32;
    body[n++] = 0;
    c = unhex(ciphers, text);
    body[n++] = (unsigned char)(c >> 8);
    body[n++] = (unsigned char)c;
    memcpy(body + n, text, c);
    n += c;
    body[n++] = 1;
    body[n++] = 0;
    e = unhex(extensions, text);
    body[n++] = (unsigned char)(e >> 8);
    body[n++] = (unsigned char)e;
    memcpy(body + n, text, e);
    n += e;
    const unsigned char head[] = {22,
                                  3,
                                  1,
                                  (unsigned char)((n + 4) >> 8),
                                  (unsigned char)(n + 4),
                                  1,
                                  0,
                                  (unsigned char)(n >> 8),
                                  (unsigned char)n};
    memcpy(packet, head, sizeof head);
    memcpy(packet + sizeof head, body, n);
    struct client_hello h;
    assert_int_equal(client_hello_read(packet, n + sizeof head, &h), 1);
    assert_string_equal(h.server_name, "localhost");
    assert_string_equal(h.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_string_equal(h.ja3_text, "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,"
                                    "0-23-65281-10-11-35-16-5-13-18-51-45-43-27-17513-21,29-23-24,0");
    for (size_t i = 0; i < n + sizeof head; i++) /* a beginning is a beginning, not a mistake */
        assert_int_equal(client_hello_read(packet, i, &h), 0);
    packet[44] = 0xff; /* a length that lies: of the ciphers */
    assert_int_equal(client_hello_read(packet, n + sizeof head, &h), -1);
    assert_int_equal(client_hello_read((const unsigned char *)"GET / HTTP/1.1", 14, &h), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_trusts_the_authority_is_served),
        cmocka_unit_test(the_same_seed_makes_the_same_authority_and_another_another),
        cmocka_unit_test(the_same_hello_is_answered_with_the_same_bytes),
        cmocka_unit_test(a_client_that_does_not_trust_is_told_of),
        cmocka_unit_test(what_is_no_tls_ends_it),
        cmocka_unit_test(a_clients_certificate_is_kept),
        cmocka_unit_test(much_goes_through_a_narrow_wire),
        cmocka_unit_test(a_talk_may_begin_tls_in_its_middle),
        cmocka_unit_test(fingerprints_are_those_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
