/* The prompt of `replay --shell`: questions about the moment where the replay stands, and going on from it. */
#include "supervisor/inspect/inner.h"

#include "supervisor/inspect/python_stack.h"
#include "trace/decode.h"
#include "vfs/vfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MOST = 4096, SHOWN_MOST = 1 << 20 };

struct shell {
    struct inspection *inspection;
    struct holder *h;
    FILE *out;
    bool leaves, goes_on;
};

/* ---- commands ------------------------------------------------------------------------------------------------------------- */

static void go_until(struct shell *s, const char *where)
{
    s->goes_on = s->leaves = inspect_go_on(s->h, where, s->out);
}

static void go_to_end(struct shell *s, const char *none)
{
    s->leaves = true;
    s->goes_on = inspect_go_to_end(s->h);
}

static void where(struct shell *s, const char *none)
{
    inspect_where(s->h, s->out);
}

static void maps(struct shell *s, const char *none)
{
    inspect_maps(s->h->world, s->out);
}

static void stack(struct shell *s, const char *none)
{
    python_stacks(s->h->world, s->out);
}

static void events(struct shell *s, const char *number)
{
    const struct inspection *i = s->inspection;
    unsigned long n = *number != '\0' ? strtoul(number, NULL, 10) : 10;
    unsigned have = i->lines < EVENTS_KEPT ? i->lines : EVENTS_KEPT, shown = n < have ? (unsigned)n : have;
    for (unsigned k = i->lines - shown; k != i->lines; k++)
        fputs(i->line[k % EVENTS_KEPT], s->out);
}

static int put_change(void *context, enum change_kind kind, const char *path, const struct statx *st)
{
    static const char *const words[] = {
        [CHANGE_CREATED] = "created", [CHANGE_MODIFIED] = "changed", [CHANGE_DELETED] = "deleted"};
    if (kind == CHANGE_READ)
        return 0;
    fprintf(context, "  %-8s ", words[kind]);
    decode_plain(context, path, strlen(path), "");
    if (st != NULL && S_ISREG(st->stx_mode))
        fprintf(context, "  (%llu bytes)", (unsigned long long)st->stx_size);
    fputc('\n', context);
    return 0;
}

static void files(struct shell *s, const char *none)
{
    (void)vfs_each_change(s->h->world->vfs, put_change, s->out);
}

/* To a terminal nothing that it would obey. */
static void cat(struct shell *s, const char *path)
{
    struct vfs *v = s->h->world->vfs;
    struct cred root = {.capabilities = UINT64_MAX};
    const struct place at = {v, &root, vfs_root(v), vfs_root(v)};
    char *bytes = malloc(SHOWN_MOST);
    ssize_t n = bytes != NULL ? vfs_peek(&at, path, 0, bytes, SHOWN_MOST) : -ENOMEM;
    if (n < 0)
        fprintf(s->out, "%s: %s\n", path, n == -EINVAL ? "not a regular file" : strerror((int)-n));
    else if (isatty(fileno(s->out)))
        decode_plain(s->out, bytes, (size_t)n, "\n\t");
    else
        fwrite(bytes, 1, (size_t)n, s->out);
    if (n == SHOWN_MOST)
        fprintf(s->out, "\n... (the first MiB)\n");
    free(bytes);
}

static void quit(struct shell *s, const char *none)
{
    s->leaves = true;
}

static void help(struct shell *s, const char *none);

static const struct command {
    const char *name, *argument, *help;
    void (*run)(struct shell *s, const char *argument);
} commands[] = {
    {"until", "WHERE", "go on to an event (its number), a time (1.5s), or the Nth call of a name (openat#3)", go_until},
    {"continue", "", "go on to the end of the run", go_to_end},
    {"where", "", "behind which event this is", where},
    {"stack", "", "the Python stack of every thread", stack},
    {"maps", "", "the memory of every process", maps},
    {"files", "", "what the run created, changed or deleted so far", files},
    {"cat", "PATH", "a file of the world, as it is now", cat},
    {"events", "[N]", "the last N lines of the trace (10; at most 64)", events},
    {"help", "", "this", help},
    {"quit", "", "end here", quit},
};

static void help(struct shell *s, const char *none)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(s->out, "  %-8s %-6s %s\n", commands[i].name, commands[i].argument, commands[i].help);
}

/* ---- the prompt ------------------------------------------------------------------------------------------------------------- */

/* A command may be said by its first letters; the first that fits is meant. */
static void obey(struct shell *s, char *line)
{
    char *word = line + strspn(line, " \t"), *end = word + strcspn(word, " \t\r\n");
    char *argument = end + strspn(end, " \t\r\n");
    argument[strcspn(argument, "\r\n")] = '\0';
    *end = '\0';
    size_t n = strlen(word);
    if (n == 0)
        return;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strncmp(commands[i].name, word, n) != 0)
            continue;
        if (*argument == '\0' && commands[i].argument[0] != '\0' && commands[i].argument[0] != '[')
            fprintf(s->out, "%s %s: %s\n", commands[i].name, commands[i].argument, commands[i].help);
        else
            commands[i].run(s, argument);
        return;
    }
    fprintf(s->out, "%s: no such command (help tells them)\n", word);
}

static bool ask(const struct shell *s, char line[LINE_MOST])
{
    size_t n = 0;
    while (n + 1 < LINE_MOST && (n == 0 || line[n - 1] != '\n') && inspect_get(s->inspection, s->h, &line[n]))
        n++;
    line[n] = '\0';
    return n > 0;
}

bool inspect_shell(struct inspection *i, struct holder *h)
{
    struct shell s = {.inspection = i, .h = h, .out = i->request.out};
    char line[LINE_MOST];
    bool person = isatty(fileno(i->request.in));
    inspect_where(h, s.out);
    while (!s.leaves) {
        if (person)
            fputs("(replay) ", s.out);
        fflush(s.out);
        if (!ask(&s, line))
            break;
        obey(&s, line);
    }
    fflush(s.out);
    return s.goes_on;
}
