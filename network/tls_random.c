/* A provider of OpenSSL with one algorithm: a random generator that draws from the world's seed. With it as the library
 * context's only generator a handshake is a function of the world: same seed, same bytes.
 *
 * The generator's parameter "chance" is the address of the pointer to the stream whose turn it is. */
#include "network/tls.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "TERRARIUM-SEEDED";
static const char parameter[] = "chance";

struct generator {
    struct chance **chance;
    int state;
};

static void *generator_new(void *provider, void *parent, const OSSL_DISPATCH *parent_calls)
{
    struct generator *g = calloc(1, sizeof *g);
    if (g != NULL)
        g->state = EVP_RAND_STATE_UNINITIALISED;
    return g;
}

static void generator_free(void *g)
{
    free(g);
}

static int generator_set(void *context, const OSSL_PARAM parameters[])
{
    struct generator *g = context;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(parameters, parameter);
    const void *at;
    size_t size;
    if (p == NULL)
        return 1;
    if (!OSSL_PARAM_get_octet_ptr(p, &at, &size) || size != sizeof g->chance)
        return 0;
    g->chance = (struct chance **)at;
    return 1;
}

static int generator_start(void *context, unsigned strength, int resistance, const unsigned char *text, size_t size,
                           const OSSL_PARAM parameters[])
{
    struct generator *g = context;
    g->state = EVP_RAND_STATE_READY;
    return 1;
}

static int generator_stop(void *context)
{
    struct generator *g = context;
    g->state = EVP_RAND_STATE_UNINITIALISED;
    return 1;
}

static int generator_draw(void *context, unsigned char *out, size_t n, unsigned strength, int resistance,
                          const unsigned char *more, size_t more_size)
{
    struct generator *g = context;
    if (g->chance == NULL || *g->chance == NULL)
        return 0;
    chance_draw(*g->chance, out, n);
    return 1;
}

static int generator_get(void *context, OSSL_PARAM parameters[])
{
    struct generator *g = context;
    OSSL_PARAM *p = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STATE);
    if (p != NULL && !OSSL_PARAM_set_int(p, g->state))
        return 0;
    p = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STRENGTH);
    if (p != NULL && !OSSL_PARAM_set_uint(p, 256))
        return 0;
    p = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_MAX_REQUEST);
    return p == NULL || OSSL_PARAM_set_size_t(p, 1 << 16);
}

static const OSSL_PARAM *generator_gettable(void *context, void *provider)
{
    static const OSSL_PARAM known[] = {OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL),
                                       OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
                                       OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL), OSSL_PARAM_END};
    return known;
}

static const OSSL_PARAM *generator_settable(void *context, void *provider)
{
    static const OSSL_PARAM known[] = {OSSL_PARAM_octet_ptr("chance", NULL, 0), OSSL_PARAM_END};
    return known;
}

/* One thread: nothing to lock. */
static int generator_locking(void *context)
{
    return 1;
}

static int generator_lock(void *context)
{
    return 1;
}

static void generator_unlock(void *context)
{
}

#define CALL(id, function)                                                                                             \
    {                                                                                                                  \
        id, (void (*)(void))function                                                                                   \
    }

static const OSSL_DISPATCH calls[] = {
    CALL(OSSL_FUNC_RAND_NEWCTX, generator_new),
    CALL(OSSL_FUNC_RAND_FREECTX, generator_free),
    CALL(OSSL_FUNC_RAND_INSTANTIATE, generator_start),
    CALL(OSSL_FUNC_RAND_UNINSTANTIATE, generator_stop),
    CALL(OSSL_FUNC_RAND_GENERATE, generator_draw),
    CALL(OSSL_FUNC_RAND_ENABLE_LOCKING, generator_locking),
    CALL(OSSL_FUNC_RAND_LOCK, generator_lock),
    CALL(OSSL_FUNC_RAND_UNLOCK, generator_unlock),
    CALL(OSSL_FUNC_RAND_GET_CTX_PARAMS, generator_get),
    CALL(OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, generator_gettable),
    CALL(OSSL_FUNC_RAND_SET_CTX_PARAMS, generator_set),
    CALL(OSSL_FUNC_RAND_SETTABLE_CTX_PARAMS, generator_settable),
    {0, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    static const OSSL_ALGORITHM generators[] = {{name, "provider=terrarium", calls, NULL}, {NULL, NULL, NULL, NULL}};
    *no_cache = 0;
    return operation == OSSL_OP_RAND ? generators : NULL;
}

static int start_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **out,
                          void **context)
{
    static const OSSL_DISPATCH provider[] = {CALL(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0, NULL}};
    *out = provider;
    *context = (void *)handle;
    return 1;
}

bool tls_random_install(struct tls_world *t)
{
    struct chance **source = &t->chance;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_ptr(parameter, (void **)&source, sizeof source),
                               OSSL_PARAM_END};
    if (!OSSL_PROVIDER_add_builtin(t->library, "terrarium", start_provider))
        return false;
    t->ours = OSSL_PROVIDER_load(t->library, "terrarium");
    if (t->ours == NULL || !RAND_set_DRBG_type(t->library, name, NULL, NULL, NULL))
        return false;
    enum { GENERATORS = 3 };
    EVP_RAND_CTX *all[GENERATORS] = {RAND_get0_primary(t->library), RAND_get0_public(t->library),
                                     RAND_get0_private(t->library)};
    for (size_t i = 0; i < GENERATORS; i++)
        if (all[i] == NULL || !EVP_RAND_CTX_set_params(all[i], parameters))
            return false;
    return true;
}
