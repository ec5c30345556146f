/* From a file's name to a struct policy: reading, includes, the defaults beneath, the digest above. What a value means
 * is schema.c's and lists.c's; nothing here looks at one. */
#include "policy/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/lists.h"
#include "policy/schema.h"

enum { MOST_INCLUDES = 64 /* files of one policy */, DEEPEST_INCLUDE = 16 };

struct block {
    struct block *next;
    max_align_t data[];
};

void *policy_allocate(struct policy *p, size_t size)
{
    struct block *b = calloc(1, sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->next = p->sources->blocks;
    p->sources->blocks = b;
    return b->data;
}

char *policy_duplicate(struct policy *p, const char *text, size_t size)
{
    char *copy = policy_allocate(p, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, text, size);
    return copy;
}

char *policy_format(struct policy *p, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = NULL;
    int length = vasprintf(&text, format, list);
    va_end(list);
    if (length < 0)
        return NULL;
    char *copy = policy_duplicate(p, text, (size_t)length);
    free(text);
    return copy;
}

int policy_grow(struct policy *p, void *array, size_t count, size_t *room, size_t element)
{
    void **where = array;
    if (count < *room)
        return 0;
    size_t more = *room ? *room * 2 : 8;
    void *moved = policy_allocate(p, more * element);
    if (moved == NULL)
        return -1;
    if (count > 0)
        memcpy(moved, *where, count * element);
    *where = moved;
    *room = more;
    return 0;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    struct policy_sources *s = p->sources;
    if (s != NULL) {
        compiled_free(s->compiled);
        free(s->hash);
        for (struct block *b = s->blocks, *next; b != NULL; b = next) {
            next = b->next;
            free(b);
        }
        free(s);
    }
    free(p);
}

/* What holds where nobody says anything. docs/policy.md names these values; a test compares. */
static int set_defaults(struct policy *p)
{
    static const struct policy built_in = {
        .hostname = "terrarium",
        .cwd = "/box",
        .user = {.name = "guest", .uid = 1000, .gid = 1000, .home = "/home/guest", .shell = "/bin/sh"},
        .clock = {.start = 1704067200000000000, .rate = 1.0, .per_event = 10000},
        .limits = {.processes = 256, .files = 1ULL << 30, .open_files = 4096, .file_count = 200000},
    };
    struct policy_sources *s = p->sources;
    *p = built_in;
    p->sources = s;
    char **const texts[] = {&p->hostname, &p->cwd, &p->user.name, &p->user.home, &p->user.shell};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = policy_duplicate(p, *texts[i], strlen(*texts[i]));
        if (*texts[i] == NULL)
            return -1;
    }
    return 0;
}

/* One file being read, and the files that include it: enough to see a circle. */
struct including {
    dev_t device;
    ino_t inode;
    const struct including *parent;
    int depth;
};

/* Says which file cannot be read, once: without a place to point at, the file is the place. */
static int fail_reading(struct reader *r, const struct node *at, const char *path, int error)
{
    if (at == NULL)
        return reader_fail(r, NULL, "%s", strerror(error));
    return reader_fail(r, at, "cannot read %s: %s", path, strerror(error));
}

/* The whole text, bounded. The caller frees *text. `at` in r's file named it (NULL: the command line). */
static int read_text(struct reader *r, const struct node *at, const char *path, char **text, size_t *size,
                     struct including *self)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_reading(r, at, path, errno);
    if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        close(fd);
        return fail_reading(r, at, path, EISDIR);
    }
    self->device = st.st_dev;
    self->inode = st.st_ino;
    size_t room = 1 << 16, count = 0;
    char *buffer = malloc(room);
    int result = buffer ? 0 : reader_out_of_memory(r);
    while (result == 0) {
        if (count == room) {
            char *more = room <= NODES_MOST_BYTES ? realloc(buffer, room * 2) : NULL;
            if (more == NULL) {
                result = reader_fail(r, at, "%s is larger than %d MiB", path, NODES_MOST_BYTES >> 20);
                break;
            }
            buffer = more;
            room *= 2;
        }
        ssize_t n = read(fd, buffer + count, room - count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            result = fail_reading(r, at, path, errno);
        if (n <= 0)
            break;
        count += (size_t)n;
    }
    close(fd);
    if (result < 0) {
        free(buffer);
        return -1;
    }
    *text = buffer;
    *size = count;
    return 0;
}

/* The digest's input: each text with its length before it, in the order of reading. */
static void digest_text(struct policy *p, const char *text, size_t size)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    crypto_generichash_update(p->sources->hash, length, sizeof length);
    crypto_generichash_update(p->sources->hash, (const unsigned char *)text, size);
}

static bool is_profile_name(const char *name)
{
    return *name != '\0' && strpbrk(name, "/.") == NULL;
}

/* The file of a name: a profile's, or a path against the including file's directory. NULL with an error. */
static char *resolve(struct reader *r, const struct node *at, const char *name, const char *const *profile_directories)
{
    if (!is_profile_name(name)) {
        char *path = schema_host_path(r, name);
        if (path == NULL)
            reader_out_of_memory(r);
        return path;
    }
    for (; profile_directories != NULL && *profile_directories != NULL; profile_directories++) {
        char *path = policy_format(r->policy, "%s/%s.yaml", *profile_directories, name);
        if (path == NULL) {
            reader_out_of_memory(r);
            return NULL;
        }
        if (access(path, R_OK) == 0)
            return path;
    }
    static const char *const shipped[] = {"grading", "forensic", "offline", NULL};
    char near[128];
    reader_fail(r, at, "no profile is named '%.100s'%s (a file's name has a '.' or a '/' in it: ./%.100s)", name,
                reader_suggest(name, shipped, near), name);
    return NULL;
}

static int load_file(struct reader *outer, const struct node *at, const char *name, const char *const *profiles,
                     const struct including *parent);

static int load_includes(struct reader *r, const struct node *list, const char *const *profiles,
                         const struct including *self)
{
    const struct node *const *names = (const struct node *const *)list->items;
    size_t count = list->count;
    if (list->kind == NODE_SCALAR) { /* one needs no list */
        names = &list;
        count = 1;
    } else if (list->kind != NODE_SEQUENCE) {
        return reader_fail(r, list, "include: expected a file, a profile's name, or a list of them");
    }
    for (size_t i = 0; i < count; i++) {
        if (names[i]->kind != NODE_SCALAR || node_is_null(names[i]) || strlen(names[i]->text) != names[i]->size)
            return reader_fail(r, names[i], "include[%zu]: expected a file or a profile's name", i);
        if (load_file(r, names[i], names[i]->text, profiles, self) < 0)
            return -1;
    }
    return 0;
}

/* Everything a text says, its includes first: what is said later wins. */
static int read_policy(struct reader *r, const struct node *root, const char *const *profiles,
                       const struct including *self)
{
    const struct node start = {.line = 1, .column = 1};
    if (root == NULL)
        return reader_fail(r, &start, "the policy is empty: it begins with 'terrarium: 1'");
    if (root->kind != NODE_MAPPING)
        return reader_fail(r, root, "the policy: expected keys and values");
    const struct node *include = schema_find(root, "include", NULL);
    if (include != NULL && load_includes(r, include, profiles, self) < 0)
        return -1;
    if (schema_read(r, root, "", schema_policy, r->policy) < 0)
        return -1;
    if (schema_find(root, "terrarium", NULL) == NULL)
        return reader_fail(
            r, root, "the key 'terrarium' is missing: a policy says which version it is written for (terrarium: 1)");
    return 0;
}

/* at: where `name` stands in outer's file; NULL: the file the user named. */
static int load_file(struct reader *outer, const struct node *at, const char *name, const char *const *profiles,
                     const struct including *parent)
{
    struct policy *p = outer->policy;
    struct including self = {.parent = parent, .depth = parent ? parent->depth + 1 : 0};
    char *path = resolve(outer, at, name, profiles);
    if (path == NULL)
        return -1;
    if (++p->sources->includes > MOST_INCLUDES || self.depth > DEEPEST_INCLUDE)
        return reader_fail(outer, at, "includes: more than %d files, or deeper than %d", MOST_INCLUDES,
                           DEEPEST_INCLUDE);
    char *text = NULL;
    size_t size = 0;
    if (read_text(outer, at, path, &text, &size, &self) < 0)
        return -1;
    for (const struct including *i = parent; i != NULL; i = i->parent)
        if (i->device == self.device && i->inode == self.inode) {
            free(text);
            return reader_fail(outer, at, "%s includes itself", path);
        }
    p->sources->bytes += size;
    digest_text(p, text, size);
    const char *slash = strrchr(path, '/');
    struct reader r = {.policy = p, .error = outer->error, .file = path};
    if (slash != NULL) /* else the working directory */
        r.directory = policy_duplicate(p, path, slash == path ? 1 : (size_t)(slash - path));
    struct node *root = NULL;
    struct node_memory *memory = NULL;
    struct node_problem problem;
    int result = 0;
    if (p->sources->bytes > NODES_MOST_BYTES)
        result = reader_fail(outer, at, "includes: more than %d MiB of text", NODES_MOST_BYTES >> 20);
    else if (nodes_read(text, size, &root, &memory, &problem) < 0)
        result = reader_fail(&r, &(struct node){.line = problem.line, .column = problem.column}, "%s", problem.text);
    else
        result = read_policy(&r, root, profiles, &self);
    nodes_free(memory);
    free(text);
    if (result == 0 && parent == NULL)
        p->path = path;
    return result;
}

static struct policy *new_policy(void)
{
    struct policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->sources = calloc(1, sizeof *p->sources);
    /* libsodium's state wants 64-byte alignment. */
    void *hash = NULL;
    if (p->sources == NULL || posix_memalign(&hash, 64, crypto_generichash_statebytes()) != 0 || sodium_init() < 0 ||
        (p->sources->hash = hash, crypto_generichash_init(hash, NULL, 0, crypto_generichash_BYTES)) != 0 ||
        set_defaults(p) < 0) {
        if (p->sources != NULL && p->sources->hash == NULL)
            free(hash);
        policy_free(p);
        return NULL;
    }
    return p;
}

static int finish_digest(struct policy *p)
{
    unsigned char digest[crypto_generichash_BYTES];
    crypto_generichash_final(p->sources->hash, digest, sizeof digest);
    p->digest = policy_allocate(p, 2 * sizeof digest + 1);
    if (p->digest == NULL)
        return -1;
    sodium_bin2hex(p->digest, 2 * sizeof digest + 1, digest, sizeof digest);
    return 0;
}

/* Everything was read, or result says that it was not: p is finished and given out, or freed. */
static int settle(struct reader *r, struct policy *p, int result, struct policy **out)
{
    if (result == 0)
        result = lists_settle(r);
    if (result == 0 && finish_digest(p) < 0)
        result = reader_out_of_memory(r);
    if (result < 0) {
        policy_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

int policy_load(const char *path, const char *const *profile_directories, struct policy **out,
                struct policy_error *error)
{
    *out = NULL;
    struct policy *p = new_policy();
    struct reader r = {.policy = p, .error = error, .file = path ? path : "(built in)"};
    if (p == NULL)
        return reader_out_of_memory(&r);
    int result = path != NULL ? load_file(&r, NULL, path, profile_directories, NULL) : 0;
    return settle(&r, p, result, out);
}

int policy_load_text(const char *name, const char *text, size_t size, struct policy **out, struct policy_error *error)
{
    *out = NULL;
    struct policy *p = new_policy();
    struct reader r = {.policy = p, .error = error};
    struct including self = {.depth = DEEPEST_INCLUDE};
    struct node *root = NULL;
    struct node_memory *memory = NULL;
    struct node_problem problem;
    if (p == NULL)
        return reader_out_of_memory(&r);
    r.file = policy_duplicate(p, name, strlen(name)); /* origins point to it */
    p->sources->bytes = size;
    digest_text(p, text, size);
    int result;
    if (size > NODES_MOST_BYTES)
        result = reader_fail(&r, NULL, "more than %d MiB of text", NODES_MOST_BYTES >> 20);
    else if (nodes_read(text, size, &root, &memory, &problem) < 0)
        result = reader_fail(&r, &(struct node){.line = problem.line, .column = problem.column}, "%s", problem.text);
    else
        result = read_policy(&r, root, NULL, &self);
    nodes_free(memory);
    return settle(&r, p, result, out);
}
