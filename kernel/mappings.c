/* Mappings as the machine tells them, or as a record did (kernel/mappings.h).
 *
 * In a record each is a line: start-end in hexadecimal, r, w, x or - each, s(hared) or p(rivate), a(nonymous), f(ile) or c(ached file of the host's), offset in
 * hexadecimal, device's major:minor, inode, resident bytes, name, in which a newline and a backslash are \ and three octal digits. */
#include "kernel/mappings.h"

#include "kernel/recorder.h"
#include "vfs/synthetic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    LINE_ROOM = 160 + 4 * 4096, /* the longest name, all of it escaped */
    PART_MOST = 48 << 10        /* of an event, whose texts are 64 KiB at most */
};

struct telling {
    struct world *world;
    struct text parts; /* lines, gathered */
    int (*each)(void *context, const struct memory_map *m);
    void *context;
    int result; /* of each: it is not called any more once this is nonzero, but what was told is told whole */
};

static void add_name(struct text *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (*p == '\n' || *p == '\\')
            text_printf(out, "\\%03o", (unsigned char)*p);
        else
            text_add(out, p, 1);
}

static int tell(void *telling, const struct memory_map *m)
{
    struct telling *t = telling;
    struct text *out = &t->parts;
    if (out->size > PART_MOST - LINE_ROOM) {
        record(t->world, mappings, true, out->bytes, out->size);
        out->size = 0;
    }
    text_printf(out, "%" PRIx64 "-%" PRIx64 " %c%c%c%c%c %" PRIx64 " %" PRIu32 ":%" PRIu32 " %" PRIu64 " %" PRIu64 " ",
                m->start, m->end, m->protection & PROT_READ ? 'r' : '-', m->protection & PROT_WRITE ? 'w' : '-',
                m->protection & PROT_EXEC ? 'x' : '-', m->shared ? 's' : 'p',
                m->cached   ? 'c'
                : m->backed ? 'f'
                            : 'a',
                m->offset, m->dev_major, m->dev_minor, m->ino, m->resident);
    add_name(out, m->name != NULL ? m->name : "");
    text_add(out, "\n", 1);
    if (t->result == 0)
        t->result = t->each(t->context, m);
    return 0;
}

static int told_now(struct task *t, bool with_resident, struct telling *to)
{
    const struct machine *machine = t->world->machine;
    if (t->world->recorder == NULL)
        return machine->maps(t, with_resident, to->each, to->context);
    int error = machine->maps(t, with_resident, tell, to);
    record(t->world, mappings, false, to->parts.bytes, to->parts.size);
    text_free(&to->parts);
    return error != 0 ? error : to->result;
}

/* ---- of a record, which may say anything ------------------------------------------------------------------------- */

/* In place. */
static void take_name(char *name)
{
    char *to = name;
    for (const char *p = name; *p != '\0';) {
        unsigned c;
        if (*p == '\\' && sscanf(p + 1, "%3o", &c) == 1 && strspn(p + 1, "01234567") >= 3) {
            *to++ = (char)c;
            p += 4;
        } else {
            *to++ = *p++;
        }
    }
    *to = '\0';
}

/* A line that ends with a NUL. False: it is none. */
static bool parse(char *line, struct memory_map *m)
{
    char mode[6];
    int name = -1;
    *m = (struct memory_map){0};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %5s %" SCNx64 " %" SCNu32 ":%" SCNu32 " %" SCNu64 " %" SCNu64 "%n",
               &m->start, &m->end, mode, &m->offset, &m->dev_major, &m->dev_minor, &m->ino, &m->resident, &name) != 8 ||
        name < 0 || line[name] != ' ' || strlen(mode) != 5)
        return false;
    m->protection =
        (mode[0] == 'r' ? PROT_READ : 0) | (mode[1] == 'w' ? PROT_WRITE : 0) | (mode[2] == 'x' ? PROT_EXEC : 0);
    m->shared = mode[3] == 's';
    m->cached = mode[4] == 'c';
    m->backed = m->cached || mode[4] == 'f';
    m->name = line + name + 1;
    take_name(line + name + 1);
    return true;
}

static void give(char *lines, struct telling *to)
{
    char *at = lines;
    for (char *end; to->result == 0 && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct memory_map m;
        *end = '\0';
        if (parse(at, &m))
            to->result = to->each(to->context, &m);
    }
}

static int told_then(struct world *w, struct telling *to)
{
    bool more = true;
    while (more) {
        size_t n = 0;
        const char *lines = w->mappings_again(w, &n, &more);
        char *copy = lines != NULL ? strndup(lines, n) : NULL;
        record(w, mappings, more, lines, n); /* where there was none, it diverges here */
        if (copy == NULL)
            return -ENOMEM;
        give(copy, to);
        free(copy);
    }
    return to->result;
}

int mappings_each(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m),
                  void *context)
{
    struct telling to = {.world = t->world, .each = each, .context = context};
    if (t->world->mappings_again != NULL)
        return told_then(t->world, &to);
    return t->world->machine->maps != NULL ? told_now(t, with_resident, &to) : -ENOSYS;
}

uint64_t mappings_resident(struct task *t, uint64_t otherwise)
{
    struct world *w = t->world;
    if (w->machine->resident == NULL)
        return otherwise;
    uint64_t bytes = w->resident_again != NULL ? w->resident_again(w) : w->machine->resident(t);
    record(w, told, TOLD_RESIDENT, (int64_t)bytes);
    return bytes;
}
