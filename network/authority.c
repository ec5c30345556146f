/* The world's certificate authority: its key, its certificate and every server's certificate are made from the seed and the
 * world's clock, at the first use. Nobody outside of the world trusts it. */
#include "network/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CERTIFICATES = 1000, DAY = 86400 };

/* A fixed extension in OpenSSL's own words: never a guest's. */
static bool extend(X509 *x, X509 *issuer, int nid, const char *words)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, words);
    bool added = e != NULL && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return added;
}

static bool set_name(X509_NAME *n, const char *organisation, const char *common)
{
    return X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC, (const unsigned char *)organisation, -1, -1, 0) &&
           (*common == '\0' || strlen(common) > 64 || /* RFC 5280: at most 64; the name counts, not this */
            X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0));
}

/* days: before and after today; today's midnight, so that a run that is a second later is no other run. */
static X509 *begin_certificate(struct tls_world *t, EVP_PKEY *key, struct chance *chance, long before, long after)
{
    X509 *x = X509_new_ex(t->library, NULL);
    time_t today = contents_now(t->contents) / 1000000000 / DAY * DAY;
    unsigned char serial[16];
    chance_draw(chance, serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool made = x != NULL && number != NULL && X509_set_version(x, X509_VERSION_3) &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL &&
                ASN1_TIME_adj(X509_getm_notBefore(x), today, -(int)before, 0) != NULL &&
                ASN1_TIME_adj(X509_getm_notAfter(x), today, (int)after, 0) != NULL && X509_set_pubkey(x, key);
    BN_free(number);
    if (made)
        return x;
    X509_free(x);
    return NULL;
}

static bool make_authority(struct tls_world *t)
{
    struct chance chance;
    chance_init(&chance, t->contents->config.seed, "authority", "", 0);
    t->chance = &chance;
    t->authority_key = EVP_PKEY_Q_keygen(t->library, NULL, "EC", "P-256");
    t->server_key = EVP_PKEY_Q_keygen(t->library, NULL, "EC", "P-256");
    X509 *x = t->authority_key != NULL && t->server_key != NULL
                  ? begin_certificate(t, t->authority_key, &chance, 365, 20 * 365)
                  : NULL;
    t->authority = x;
    return x != NULL && set_name(X509_get_subject_name(x), "Terrarium", "Terrarium World Authority") &&
           X509_set_issuer_name(x, X509_get_subject_name(x)) &&
           extend(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
           extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           extend(x, x, NID_subject_key_identifier, "hash") &&
           extend(x, x, NID_authority_key_identifier, "keyid:always") && X509_sign(x, t->authority_key, EVP_sha256());
}

static bool make_pem(struct tls_world *t)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes;
    bool made = memory != NULL && PEM_write_bio_X509(memory, t->authority);
    long n = made ? BIO_get_mem_data(memory, &bytes) : 0;
    t->pem = n > 0 ? strndup(bytes, (size_t)n) : NULL;
    BIO_free(memory);
    return t->pem != NULL;
}

/* The name as the certificate's alternative: an address or a host's. Made by hand: a guest's name is no text to parse. */
static bool add_alternative(X509 *x, const char *name)
{
    unsigned char address[16];
    int size = inet_pton(AF_INET, name, address) == 1 ? 4 : inet_pton(AF_INET6, name, address) == 1 ? 16 : 0;
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_STRING *value = size > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    bool made = all != NULL && one != NULL && value != NULL &&
                (size > 0 ? ASN1_STRING_set(value, address, size) : ASN1_STRING_set(value, name, (int)strlen(name)));
    if (made) {
        GENERAL_NAME_set0_value(one, size > 0 ? GEN_IPADD : GEN_DNS, value);
        value = NULL;
        made = sk_GENERAL_NAME_push(all, one) > 0;
        if (made)
            one = NULL;
        made = made && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
    }
    ASN1_STRING_free(value);
    GENERAL_NAME_free(one);
    GENERAL_NAMES_free(all);
    return made;
}

static X509 *make_certificate(struct tls_world *t, const char *name)
{
    struct chance chance, *before = t->chance;
    chance_init(&chance, t->contents->config.seed, "certificate", name, 0);
    t->chance = &chance;
    X509 *x = begin_certificate(t, t->server_key, &chance, 30, 365);
    bool made = x != NULL && set_name(X509_get_subject_name(x), "Terrarium", name) &&
                X509_set_issuer_name(x, X509_get_subject_name(t->authority)) &&
                extend(x, t->authority, NID_basic_constraints, "critical,CA:FALSE") &&
                extend(x, t->authority, NID_key_usage, "critical,digitalSignature") &&
                extend(x, t->authority, NID_ext_key_usage, "serverAuth") &&
                extend(x, t->authority, NID_subject_key_identifier, "hash") &&
                extend(x, t->authority, NID_authority_key_identifier, "keyid:always") && add_alternative(x, name) &&
                X509_sign(x, t->authority_key, EVP_sha256());
    t->chance = before;
    if (made)
        return x;
    X509_free(x);
    return NULL;
}

X509 *tls_certificate(struct tls_world *t, const char *name)
{
    for (struct certificate *c = t->certificates; c != NULL; c = c->next)
        if (strcmp(c->name, name) == 0)
            return c->x509;
    /* A guest that asks for names without end gets the last one again. */
    if (t->certificate_count == MOST_CERTIFICATES && t->certificates != NULL)
        return t->certificates->x509;
    struct certificate *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->name = strdup(name);
    c->x509 = c->name != NULL ? make_certificate(t, name) : NULL;
    if (c->x509 == NULL) {
        free(c->name);
        free(c);
        return NULL;
    }
    c->next = t->certificates;
    t->certificates = c;
    t->certificate_count++;
    return c->x509;
}

struct tls_world *tls_world_of(struct contents *cs)
{
    if (cs->tls != NULL)
        return cs->tls;
    struct tls_world *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->contents = cs;
    /* Of the host's configuration, files and generators nothing is looked at. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    t->library = OSSL_LIB_CTX_new();
    t->standard = t->library != NULL ? OSSL_PROVIDER_load(t->library, "default") : NULL;
    if (t->standard == NULL || !tls_random_install(t) || !make_authority(t) || !make_pem(t)) {
        ERR_clear_error();
        tls_world_free(t);
        return NULL;
    }
    t->chance = NULL;
    cs->tls = t;
    return t;
}

void tls_world_free(struct tls_world *t)
{
    if (t == NULL)
        return;
    for (struct certificate *c = t->certificates, *next; c != NULL; c = next) {
        next = c->next;
        X509_free(c->x509);
        free(c->name);
        free(c);
    }
    SSL_CTX_free(t->server);
    X509_free(t->authority);
    EVP_PKEY_free(t->authority_key);
    EVP_PKEY_free(t->server_key);
    free(t->pem);
    OSSL_PROVIDER_unload(t->ours);
    OSSL_PROVIDER_unload(t->standard);
    OSSL_LIB_CTX_free(t->library);
    free(t);
}

const char *contents_authority(struct contents *cs)
{
    struct tls_world *t = tls_world_of(cs);
    return t != NULL ? t->pem : NULL;
}

unsigned long contents_authority_hash(struct contents *cs)
{
    struct tls_world *t = tls_world_of(cs);
    int done;
    return t != NULL ? X509_NAME_hash_ex(X509_get_subject_name(t->authority), t->library, NULL, &done) : 0;
}
