/* Finding the interpreter: Debian's, a pyenv's, a venv's. What it needs of the host is its prefix, a venv's base
 * (pyvenv.cfg, PEP 405), and /usr, where the C library is. */
#include "supervisor/interpreter.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_elf(const char *path)
{
    char magic[4] = {0};
    FILE *f = access(path, X_OK) == 0 ? fopen(path, "re") : NULL;
    if (f == NULL)
        return false;
    size_t got = fread(magic, 1, sizeof magic, f);
    fclose(f);
    return got == sizeof magic && memcmp(magic, "\177ELF", 4) == 0;
}

/* A pyenv's shims are shell scripts: passed over. */
static char *on_path(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path != NULL ? path : "/usr/local/bin:/usr/bin:/bin"; *at != '\0';) {
        size_t n = strcspn(at, ":");
        char candidate[PATH_MAX];
        if (n > 0 && at[0] == '/' && snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, at, name) < PATH_MAX &&
            is_elf(candidate))
            return strdup(candidate);
        at += n + (at[n] == ':');
    }
    return NULL;
}

/* dir(dir(path)): the prefix of PREFIX/bin/python3. */
static char *prefix_of(const char *path)
{
    char *copy = strdup(path);
    for (int i = 0; copy != NULL && i < 2; i++) {
        char *slash = strrchr(copy, '/');
        if (slash == NULL || slash == copy) {
            free(copy);
            return NULL;
        }
        *slash = '\0';
    }
    return copy;
}

static bool below(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void add_tree(struct interpreter *i, char *tree) /* takes tree over */
{
    bool known = tree == NULL || i->trees == INTERPRETER_TREES || strcmp(tree, "/") == 0 || below(tree, "/usr");
    for (int k = 0; !known && k < i->trees; k++)
        known = below(tree, i->tree[k]);
    if (known)
        free(tree);
    else
        i->tree[i->trees++] = tree;
}

int interpreter_find(const char *asked, struct interpreter *out, struct run_error *e)
{
    memset(out, 0, sizeof *out);
    if (asked == NULL) {
        out->path = on_path("python3");
        if (out->path == NULL) {
            snprintf(e->text, sizeof e->text, "no python3 on PATH; name one with --python PATH");
            return -1;
        }
    } else if (strchr(asked, '/') == NULL) {
        out->path = on_path(asked);
    } else {
        char directory[PATH_MAX], full[2 * PATH_MAX];
        if (asked[0] == '/')
            out->path = strdup(asked);
        else if (getcwd(directory, sizeof directory) != NULL &&
                 snprintf(full, sizeof full, "%s/%s", directory, asked) < (int)sizeof full)
            out->path = strdup(full);
    }
    char *real = out->path != NULL ? realpath(out->path, NULL) : NULL;
    if (real == NULL || !is_elf(real)) {
        snprintf(e->text, sizeof e->text, "--python %s: %s", asked,
                 real == NULL && errno != 0 ? strerror(errno) : "not an executable program");
        free(real);
        interpreter_free(out);
        return -1;
    }
    add_tree(out, prefix_of(out->path)); /* a venv, or the prefix */
    add_tree(out, prefix_of(real));      /* a venv's base */
    free(real);
    return 0;
}

void interpreter_free(struct interpreter *i)
{
    free(i->path);
    for (int k = 0; k < i->trees; k++)
        free(i->tree[k]);
    memset(i, 0, sizeof *i);
}
