/* Outcomes of schedules. Two runs have the same outcome when their status, verdict, stdout and stderr are the same. */
#include "cli/schedules.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { HASH = 16, LINE = 72, OUTCOMES_MOST = 10000 };

struct outcome {
    unsigned char hash[HASH];
    unsigned count, seed; /* runs; the first one's */
    int status;
    char verdict[24];
    char line[LINE];  /* the last of stdout: what it came to, mostly */
    json_t *deadlock; /* who waits; NULL: it was none */
};

struct schedules {
    struct outcome *outcome;
    size_t count;
    unsigned runs;
};

struct schedules *schedules_new(void)
{
    return calloc(1, sizeof(struct schedules));
}

void schedules_free(struct schedules *s)
{
    for (size_t i = 0; s != NULL && i < s->count; i++)
        json_decref(s->outcome[i].deadlock);
    if (s != NULL)
        free(s->outcome);
    free(s);
}

static FILE *open_left(const char *directory, const char *name, unsigned number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%u", directory, name, number);
    return fopen(path, "re");
}

/* Into the hash; and the last line that is not empty. */
static void take_file(crypto_generichash_state *hash, FILE *f, char line[LINE])
{
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    line[0] = '\0';
    while (f != NULL && (n = getline(&text, &room, f)) > 0) {
        crypto_generichash_update(hash, (const unsigned char *)text, (unsigned long long)n);
        if (*text == '\n')
            continue;
        snprintf(line, LINE, "%s", text);
        line[strcspn(line, "\n")] = '\0';
        for (char *c = line; *c != '\0'; c++)
            if ((unsigned char)*c < ' ')
                *c = '?';
    }
    free(text);
    if (f != NULL)
        fclose(f);
}

static void look(struct outcome *o, const char *directory, unsigned number, int status)
{
    crypto_generichash_state hash;
    char unused[LINE];
    *o = (struct outcome){.status = status};
    crypto_generichash_init(&hash, NULL, 0, HASH);
    take_file(&hash, open_left(directory, "out", number), o->line);
    crypto_generichash_update(&hash, (const unsigned char *)"", 1);
    take_file(&hash, open_left(directory, "err", number), unused);
    FILE *f = open_left(directory, "report", number);
    json_t *report = f != NULL ? json_loadf(f, 0, NULL) : NULL;
    const char *verdict = json_string_value(json_object_get(report, "verdict"));
    snprintf(o->verdict, sizeof o->verdict, "%s", verdict != NULL ? verdict : "none");
    o->deadlock = json_incref(json_object_get(report, "deadlock"));
    json_decref(report);
    if (f != NULL)
        fclose(f);
    crypto_generichash_update(&hash, (const unsigned char *)o->verdict, strlen(o->verdict));
    crypto_generichash_update(&hash, (const unsigned char *)&status, sizeof status);
    crypto_generichash_final(&hash, o->hash, HASH);
}

int schedules_note(struct schedules *s, const char *directory, unsigned number, unsigned seed, int status)
{
    struct outcome now;
    look(&now, directory, number, status);
    s->runs++;
    for (size_t i = 0; i < s->count; i++)
        if (memcmp(s->outcome[i].hash, now.hash, HASH) == 0) {
            s->outcome[i].count++;
            json_decref(now.deadlock);
            return 0;
        }
    struct outcome *more = s->count < OUTCOMES_MOST ? reallocarray(s->outcome, s->count + 1, sizeof *more) : NULL;
    if (more == NULL) {
        json_decref(now.deadlock);
        return -ENOMEM;
    }
    s->outcome = more;
    now.count = 1;
    now.seed = seed;
    s->outcome[s->count++] = now;
    return 0;
}

unsigned schedules_seed(const struct schedules *s, size_t index)
{
    return index < s->count ? s->outcome[index].seed : 0;
}

bool schedules_same(const struct schedules *s, const char *directory, unsigned number, size_t index, int status)
{
    struct outcome now;
    look(&now, directory, number, status);
    json_decref(now.deadlock);
    return memcmp(now.hash, s->outcome[index].hash, HASH) == 0;
}

static void tell_deadlock(FILE *to, const json_t *waiting)
{
    size_t i;
    json_t *w;
    json_array_foreach(waiting, i, w)
    {
        const char *futex = json_string_value(json_object_get(w, "futex"));
        const json_t *holder = json_object_get(w, "held_by");
        const char *at = json_string_value(json_object_get(w, "at"));
        fprintf(to, "%14sthread %lld (%s) waits in %s", "", (long long)json_integer_value(json_object_get(w, "thread")),
                json_string_value(json_object_get(w, "name")), json_string_value(json_object_get(w, "call")));
        if (at != NULL)
            fprintf(to, " at %.*s", (int)strcspn(at, " "), at);
        else if (futex != NULL)
            fprintf(to, " at %s", futex);
        if (json_is_integer(holder))
            fprintf(to, " for what thread %lld %s", (long long)json_integer_value(holder),
                    json_is_true(json_object_get(w, "holder_gone")) ? "took, which is not in its process any more"
                                                                    : "holds");
        fputc('\n', to);
    }
}

static int more_often_first(const void *a, const void *b)
{
    const struct outcome *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : x->seed < y->seed ? -1 : 1;
}

void schedules_tell(FILE *to, const struct schedules *s)
{
    fprintf(to, "%u schedules, %zu outcome%s\n", s->runs, s->count, s->count == 1 ? "" : "s");
    qsort(s->outcome, s->count, sizeof *s->outcome, more_often_first);
    for (size_t i = 0; i < s->count; i++) {
        const struct outcome *o = &s->outcome[i];
        fprintf(to, "%6u x  seed=%-6u status %-3d %s%s%s\n", o->count, o->seed, o->status,
                strcmp(o->verdict, "ok") == 0 || strcmp(o->verdict, "exit") == 0 ? "" : o->verdict,
                o->verdict[0] != '\0' && o->line[0] != '\0' && strcmp(o->verdict, "ok") != 0 ? " " : "", o->line);
        if (o->deadlock != NULL)
            tell_deadlock(to, o->deadlock);
    }
}
