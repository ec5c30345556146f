/* The digest of a run's inputs (supervisor/inputs.h). Which files a run depends on is known when it is over: those that it read. A
 * recorded run has hashed them, piece by piece; of another it is their names, sizes and times that are told, as hashing what nobody asked
 * to keep would cost more than many a run. */
#include "supervisor/inputs.h"

#include "stubs/exec.h"
#include "supervisor/recording.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { CHUNK = 256 << 10 };

typedef crypto_generichash_state hash_state;

static void begin(hash_state *s)
{
    crypto_generichash_init(s, NULL, 0, INPUTS_HASH);
}

/* With its end, so that no two rows of texts are the same bytes. */
static void add_text(hash_state *s, const char *text)
{
    crypto_generichash_update(s, (const uint8_t *)(text != NULL ? text : ""), (text != NULL ? strlen(text) : 0) + 1);
}

static void end(hash_state *s, uint8_t out[INPUTS_HASH])
{
    crypto_generichash_final(s, out, INPUTS_HASH);
}

char *inputs_cpu_fact(const char *name)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL, *found = NULL;
    size_t room = 0;
    while (f != NULL && found == NULL && getline(&line, &room, f) > 0) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || colon == NULL)
            continue;
        colon += 1 + strspn(colon + 1, " ");
        colon[strcspn(colon, "\n")] = '\0';
        found = strdup(colon);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return found;
}

static bool hash_program(struct world *w, const char *program, uint8_t out[INPUTS_HASH])
{
    struct cred root = {.capabilities = UINT64_MAX};
    const struct place at = {w->vfs, &root, vfs_root(w->vfs), vfs_root(w->vfs)};
    struct file *f;
    struct file_given given;
    uint8_t *bytes = malloc(CHUNK);
    ssize_t n = -1;
    if (bytes != NULL && vfs_open(&at, program, O_RDONLY, 0, 0, &f) == 0) {
        hash_state s;
        begin(&s);
        if (file_given(f, &given))
            for (uint64_t offset = 0; (n = file_given_read(f, offset, bytes, CHUNK)) > 0; offset += (uint64_t)n)
                crypto_generichash_update(&s, bytes, (size_t)n);
        end(&s, out);
        file_put(f);
    }
    free(bytes);
    return n == 0;
}

void inputs_begin(struct inputs *in, const char *program, const struct exec_arguments *a)
{
    hash_state s;
    size_t at = 0;
    in->program = strdup(program);
    begin(&s);
    for (size_t i = 0; i < (size_t)a->argc + a->envc; i++) {
        add_text(&s, a->bytes + at);
        at += strlen(a->bytes + at) + 1;
    }
    end(&s, in->arguments);
}

/* A replay has of the program what the run used. */
void inputs_end(struct inputs *in, struct world *w)
{
    in->has_interpreter = in->program != NULL && w->again == NULL && hash_program(w, in->program, in->interpreter);
}

void inputs_free(struct inputs *in)
{
    free(in->program);
}

/* A file that was there and was read: its name, size and time. */
static int add_file(void *context, enum change_kind kind, const char *path, const struct statx *st)
{
    char facts[64];
    if (kind != CHANGE_READ || st == NULL)
        return 0;
    snprintf(facts, sizeof facts, "%" PRIu64 " %" PRId64 ".%09u", (uint64_t)st->stx_size, (int64_t)st->stx_mtime.tv_sec,
             st->stx_mtime.tv_nsec);
    add_text(context, path);
    add_text(context, facts);
    return 0;
}

static void hex_of(char to[2 * INPUTS_HASH + 1], const uint8_t hash[INPUTS_HASH])
{
    sodium_bin2hex(to, 2 * INPUTS_HASH + 1, hash, INPUTS_HASH);
}

void inputs_tell(const struct holder *h, struct inputs_told *out)
{
    const struct world *w = h->world;
    const struct inputs *in = h->inputs;
    uint8_t hash[INPUTS_HASH];
    struct utsname u;
    hash_state s;
    *out = (struct inputs_told){0};
    if (in->has_interpreter)
        hex_of(out->interpreter, in->interpreter);
    hex_of(out->arguments, in->arguments);
    out->tree_of_contents = recording_tree(h->recording, hash);
    if (!out->tree_of_contents) {
        begin(&s);
        (void)vfs_each_change(w->vfs, add_file, &s);
        end(&s, hash);
    }
    hex_of(out->tree, hash);
    char *features = inputs_cpu_fact("flags");
    out->cpu = inputs_cpu_fact("model name");
    out->kernel = uname(&u) == 0 ? strdup(u.release) : NULL;
    begin(&s);
    add_text(&s, features);
    end(&s, hash);
    hex_of(out->features, hash);
    free(features);
    char seeds[64]; /* the command line may say others than the policy */
    snprintf(seeds, sizeof seeds, "%" PRIu64 " %" PRIu64, (uint64_t)w->policy->seed,
             (uint64_t)w->policy->schedule_seed);
    const char *const all[] = {TERRARIUM_VERSION, out->interpreter, out->tree,     w->policy->digest, seeds,
                               out->arguments,    out->cpu,         out->features, out->kernel};
    begin(&s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        add_text(&s, all[i]);
    end(&s, hash);
    hex_of(out->digest, hash);
}

void inputs_told_free(struct inputs_told *t)
{
    free(t->cpu);
    free(t->kernel);
}
