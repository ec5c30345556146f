/* See trust.h. A bundle that is there is copied and gets the authority behind its own certificates; the host's files stay as
 * they are, as always. */
#include "supervisor/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BUNDLE = 16 << 20 };

struct trust {
    struct world *world;
    struct place root;
    const char *pem;
    int error;     /* the first */
    int looked_at; /* directories, by add_tree */
};

static void put(struct trust *t, const char *path, const void *bytes, size_t n)
{
    int error = vfs_put_file(t->world->vfs, path, bytes, n, 0644, 0, 0);
    if (error < 0 && t->error == 0)
        t->error = error;
}

/* The bundle at `path` with the authority behind it; where there is none, nothing is made unless `make`. */
static void add_to(struct trust *t, const char *path, bool make)
{
    struct statx st;
    struct file *f = NULL;
    size_t more = strlen(t->pem);
    bool there = vfs_stat(&t->root, path, 0, &st) == 0 && S_ISREG(st.stx_mode) && st.stx_size <= MOST_BUNDLE &&
                 vfs_open(&t->root, path, O_RDONLY, 0, 0, &f) == 0;
    if (!there && !make)
        return;
    size_t size = there ? st.stx_size : 0;
    char *bytes = malloc(size + 1 + more);
    if (bytes == NULL) {
        t->error = -ENOMEM;
        file_put(f);
        return;
    }
    struct io io = io_over_buffer(bytes, size);
    while (there && io.left > 0) {
        ssize_t n = file_read(f, &io, NULL);
        if (n <= 0)
            break;
    }
    size -= there ? io.left : 0;
    if (size > 0 && bytes[size - 1] != '\n')
        bytes[size++] = '\n';
    memcpy(bytes + size, t->pem, more);
    put(t, path, bytes, size + more);
    free(bytes);
    file_put(f);
}

/* A directory of packages: certifi's bundle, and pip's own copy of certifi. */
static void add_to_packages(struct trust *t, const char *directory)
{
    static const char *const bundles[] = {"certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem"};
    for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++) {
        char path[VFS_PATH_MAX];
        snprintf(path, sizeof path, "%.4000s/%s", directory, bundles[i]);
        add_to(t, path, false);
    }
}

struct pythons {
    struct trust *trust;
    const char *lib;
};

static int each_python(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next)
{
    static const char *const kinds[] = {"", "/site-packages", "/dist-packages"};
    const struct pythons *p = s->context;
    if (strncmp(name, "python3", 7) != 0)
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[VFS_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s%s", p->lib, name, kinds[i]);
        add_to_packages(p->trust, path[0] == '/' && path[1] == '/' ? path + 1 : path);
    }
    return 0;
}

/* A prefix that an interpreter may be installed below: its lib/python3*. */
static void add_below(struct trust *t, const char *prefix)
{
    char lib[VFS_PATH_MAX];
    struct file *f;
    snprintf(lib, sizeof lib, "%s/lib", strcmp(prefix, "/") == 0 ? "" : prefix);
    if (vfs_open(&t->root, lib, O_RDONLY | O_DIRECTORY, 0, 0, &f) < 0)
        return;
    struct pythons p = {t, lib};
    struct dirent_sink sink = {.emit = each_python, .context = &p};
    (void)file_getdents(f, &sink);
    file_put(f);
}

/* What lies below a directory, where projects have their environments (`.venv`): so deep, and so many directories in all. */
enum { TREE_DEPTH = 3, TREE_MOST = 100 };

struct tree {
    struct trust *trust;
    const char *directory;
    int depth;
};

static void add_tree(struct trust *t, const char *directory, int depth);

/* Of the root's own: those where nobody has a project. */
static bool is_systems(const char *name)
{
    static const char *const names[] = {"bin",  "boot", "dev",  "etc", "lib", "lib64",
                                        "proc", "run",  "sbin", "sys", "usr", "var"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int each_child(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next)
{
    const struct tree *tree = s->context;
    char path[VFS_PATH_MAX];
    if (type != DT_DIR || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (*tree->directory == '\0' && is_systems(name)))
        return 0;
    if (tree->trust->looked_at++ >= TREE_MOST)
        return 1;
    if (snprintf(path, sizeof path, "%s/%s", tree->directory, name) >= (int)sizeof path)
        return 0;
    if (tree->depth > 1) {
        add_tree(tree->trust, path, tree->depth - 1);
        return 0;
    }
    add_below(tree->trust, path);
    add_to_packages(tree->trust, path);
    return 0;
}

/* Those at exactly this depth: the nearer ones come first, as there is an end to it. */
static void add_tree(struct trust *t, const char *directory, int depth)
{
    struct tree tree = {t, directory, depth};
    struct dirent_sink sink = {.emit = each_child, .context = &tree};
    struct file *f;
    if (vfs_open(&t->root, *directory != '\0' ? directory : "/", O_RDONLY | O_DIRECTORY, 0, 0, &f) < 0)
        return;
    (void)file_getdents(f, &sink);
    file_put(f);
}

static int each_mount(void *context, const char *device, const char *at, const char *type, const char *options)
{
    struct trust *t = context;
    if (strcmp(type, "proc") == 0 || strcmp(type, "dev") == 0 || strcmp(at, "/usr") == 0 || strcmp(at, "/") == 0)
        return 0;
    add_below(t, at);
    add_to_packages(t, at);
    return 0;
}

/* Where the world's environment says that the certificates are, besides: what the policy put there, too. */
static void add_to_environment(struct trust *t, const char *hash)
{
    static const char *const files[] = {"SSL_CERT_FILE=", "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE="};
    static const char directory[] = "SSL_CERT_DIR=";
    const struct policy *p = t->world->policy;
    for (size_t i = 0; i < p->environment_count; i++) {
        const char *variable = p->environment[i];
        for (size_t k = 0; k < sizeof files / sizeof *files; k++)
            if (strncmp(variable, files[k], strlen(files[k])) == 0)
                add_to(t, variable + strlen(files[k]), false);
        if (strncmp(variable, directory, sizeof directory - 1) != 0)
            continue;
        for (const char *at = variable + sizeof directory - 1; *at != '\0';) {
            char path[VFS_PATH_MAX];
            struct statx st;
            size_t n = strcspn(at, ":");
            snprintf(path, sizeof path, "%.*s", (int)(n < 4000 ? n : 4000), at);
            bool there = path[0] == '/' && vfs_stat(&t->root, path, 0, &st) == 0 && S_ISDIR(st.stx_mode);
            snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", hash);
            if (there)
                put(t, path, t->pem, strlen(t->pem));
            at += n + (at[n] == ':');
        }
    }
}

static const struct cred root_cred = {.capabilities = ~UINT64_C(0)};

static int finish(const struct trust *t, struct run_error *e)
{
    if (t->error == 0)
        return 0;
    snprintf(e->text, sizeof e->text, "the world's trust stores: %s", strerror(-t->error));
    return -1;
}

int trust_environment(struct world *w, struct contents *cs, struct run_error *e)
{
    char hash[16];
    struct trust t = {
        .world = w, .root = {w->vfs, &root_cred, vfs_root(w->vfs), vfs_root(w->vfs)}, .pem = contents_authority(cs)};
    snprintf(hash, sizeof hash, "%08lx.0", contents_authority_hash(cs));
    if (t.pem != NULL)
        add_to_environment(&t, hash);
    return finish(&t, e);
}

int trust_install(struct world *w, struct contents *cs, struct run_error *e)
{
    char hashed[64];
    struct trust t = {
        .world = w, .root = {w->vfs, &root_cred, vfs_root(w->vfs), vfs_root(w->vfs)}, .pem = contents_authority(cs)};
    if (t.pem == NULL) {
        snprintf(e->text, sizeof e->text, "the world's certificate authority cannot be made");
        return -1;
    }
    add_to(&t, "/etc/ssl/certs/ca-certificates.crt", true);
    snprintf(hashed, sizeof hashed, "/etc/ssl/certs/%08lx.0", contents_authority_hash(cs));
    put(&t, hashed, t.pem, strlen(t.pem));
    add_below(&t, "/");
    add_below(&t, "/usr");
    add_below(&t, "/usr/local");
    (void)vfs_each_mount(w->vfs, each_mount, &t);
    for (int depth = 1; depth <= TREE_DEPTH; depth++)
        add_tree(&t, "", depth);
    return finish(&t, e);
}
