/* From _PyRuntime to the frames of each thread (supervisor/inspect/python_stack.h). A thread of CPython's is found again by what
 * pthread_self(3) is to it, which is the base of the thread's %fs. The guest may have written anything into its memory: whatever
 * does not look like a code object ends a stack. */
#include "supervisor/inspect/python_stack.h"

#include "supervisor/inspect/python_inner.h"

#include "kernel/sysent.h"
#include "supervisor/inspect/python_lines.h"
#include "supervisor/maps.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    READS_MOST = 200000, /* of a process */
    MODULES_MOST = 8,
    INTERPRETERS_MOST = 64,
    THREADS_MOST = 4096,
    TABLE_MOST = 256 << 10,
    TEXT_MOST = 256,
    OWNED_BY_C_STACK = 3, /* enum _frameowner of 3.12 and 3.13 */
};

/* ---- which Python ------------------------------------------------------------------------------------------------------ */

struct modules { /* what may be CPython: its program, or its library */
    uint64_t base[MODULES_MOST];
    unsigned count, minor;
};

/* "…python3.11…": 11; else 0. */
static unsigned minor_in(const char *name)
{
    for (const char *at = name; (at = strstr(at, "python3.")) != NULL; at += 8)
        if (at[8] >= '0' && at[8] <= '9')
            return (unsigned)strtoul(at + 8, NULL, 10) % 1000;
    return 0;
}

static int see_map(void *context, const struct memory_map *m)
{
    struct modules *all = context;
    if (!m->backed || m->name == NULL || strstr(m->name, "python") == NULL)
        return 0;
    if (all->minor == 0)
        all->minor = minor_in(m->name);
    if (m->offset == 0 && all->count < MODULES_MOST && strstr(m->name, "lib-dynload") == NULL)
        all->base[all->count++] = m->start;
    return 0;
}

bool python_find(struct python *p, struct tracee *t, const char **why)
{
    struct modules all = {0};
    p->memory = (struct guest_memory){.tracee = t, .reads_left = READS_MOST};
    *why = "no CPython";
    if (maps_each(t->task, false, see_map, &all) < 0) {
        *why = "its mappings cannot be read: this machine shows no /proc";
        return false;
    }
    for (unsigned i = 0; i < all.count; i++) {
        uint64_t runtime = guest_symbol(&p->memory, all.base[i], "_PyRuntime");
        if (runtime == 0)
            continue;
        uint64_t version = guest_word(&p->memory, guest_symbol(&p->memory, all.base[i], "Py_Version"));
        p->runtime = runtime;
        p->code_type = guest_symbol(&p->memory, all.base[i], "PyCode_Type");
        p->method_type = guest_symbol(&p->memory, all.base[i], "PyCFunction_Type");
        *why = "a version of CPython whose memory is not known here (3.8 to 3.13 are)";
        return python_layout_find(&p->memory, version != 0 ? (unsigned)(version >> 16 & 0xff) : all.minor, runtime,
                                  &p->layout);
    }
    return false;
}

/* ---- one frame ------------------------------------------------------------------------------------------------------------ */

static void put_character(FILE *out, uint32_t c)
{
    if (c < 32 || c == 127 || (c >= 128 && c < 160) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        fprintf(out, "\\x%02" PRIx32, c);
    else if (c < 0x80)
        fputc((int)c, out);
    else if (c < 0x800)
        fprintf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
    else if (c < 0x10000)
        fprintf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
    else
        fprintf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 63)), (int)(0x80 | (c >> 6 & 63)),
                (int)(0x80 | (c & 63)));
}

/* A str, as UTF-8. */
static void put_text(struct python *p, FILE *out, uint64_t object)
{
    const struct python_layout *l = &p->layout;
    uint8_t bytes[TEXT_MOST * 4];
    uint32_t state;
    uint64_t length = guest_word(&p->memory, object + l->text_length);
    if (object == 0 || !guest_read(&p->memory, object + l->text_state, &state, sizeof state)) {
        fputc('?', out);
        return;
    }
    unsigned width = state >> 2 & 7; /* PEP 393 */
    bool ascii = (state >> 6 & 1) != 0, cut = length > TEXT_MOST;
    size_t n = cut ? TEXT_MOST : (size_t)length;
    if ((width != 1 && width != 2 && width != 4) || (state >> 5 & 1) == 0 ||
        (n > 0 && !guest_read(&p->memory, object + (ascii ? l->text_ascii : l->text_wide), bytes, n * width))) {
        fputc('?', out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t c = 0;
        memcpy(&c, bytes + i * width, width);
        put_character(out, c);
    }
    fputs(cut ? "..." : "", out);
}

/* The line that the frame is at; 0: not known. */
static int line_of(struct python *p, uint64_t frame, uint64_t code)
{
    const struct python_layout *l = &p->layout;
    int32_t first = 0, number = 0;
    uint64_t at;
    if (!guest_read(&p->memory, code + l->code_line, &first, sizeof first))
        return 0;
    if (l->place == PLACE_POINTER) {
        at = guest_word(&p->memory, frame + l->frame_place) - (code + l->code_bytes);
        if (at > INT32_MAX) /* in front of its first instruction */
            return first;
    } else {
        if (!guest_read(&p->memory, frame + l->frame_place, &number, sizeof number) || number < 0)
            return first;
        at = (uint64_t)number * (l->place == PLACE_UNITS ? 2 : 1);
    }
    uint64_t table = guest_word(&p->memory, code + l->code_table);
    uint64_t size = guest_word(&p->memory, table + l->bytes_size);
    uint8_t *bytes = table != 0 && size <= TABLE_MOST ? malloc(size + 1) : NULL;
    int line = bytes != NULL && (size == 0 || guest_read(&p->memory, table + l->bytes_data, bytes, size))
                   ? python_line(l->lines, bytes, size, first, at)
                   : 0;
    free(bytes);
    return line;
}

bool python_frame_is_code(struct python *p, uint64_t frame)
{
    const struct python_layout *l = &p->layout;
    uint64_t code = guest_word(&p->memory, frame + l->frame_code);
    uint8_t owner = 0;
    if (l->frame_owner != 0)
        (void)guest_read(&p->memory, frame + l->frame_owner, &owner, sizeof owner);
    /* Frames of the interpreter's own (it was entered from C) have no code, or a made-up one. */
    return code != 0 && owner != OWNED_BY_C_STACK && guest_word(&p->memory, code + l->object_type) == p->code_type;
}

void python_put_frame(struct python *p, FILE *out, uint64_t frame)
{
    const struct python_layout *l = &p->layout;
    uint64_t code = guest_word(&p->memory, frame + l->frame_code);
    int line = line_of(p, frame, code);
    put_text(p, out, guest_word(&p->memory, code + l->code_file));
    if (line > 0)
        fprintf(out, ":%d", line);
    fputs("  ", out);
    put_text(p, out, guest_word(&p->memory, code + l->code_name));
}

static void put_frames(struct python *p, FILE *out, uint64_t frame)
{
    unsigned count = 0;
    for (; frame != 0 && count < FRAMES_MOST && p->memory.reads_left > 0; count++) {
        if (python_frame_is_code(p, frame)) {
            fputs("    ", out);
            python_put_frame(p, out, frame);
            fputc('\n', out);
        }
        frame = guest_word(&p->memory, frame + p->layout.frame_previous);
    }
    if (frame != 0)
        fprintf(out, "    ... (not read further)\n");
}

/* ---- threads ----------------------------------------------------------------------------------------------------------------- */

/* CPython's own notion of the thread with that %fs base: the address of its PyThreadState, or 0. */
static uint64_t thread_state(struct python *p, uint64_t base)
{
    const struct python_layout *l = &p->layout;
    uint64_t interpreter = guest_word(&p->memory, p->runtime + l->interpreters);
    for (unsigned i = 0; interpreter != 0 && i < INTERPRETERS_MOST; i++) {
        uint64_t thread = guest_word(&p->memory, interpreter + l->interpreter_threads);
        for (unsigned k = 0; thread != 0 && k < THREADS_MOST; k++) {
            if (guest_word(&p->memory, thread + l->thread_id) == base)
                return thread;
            thread = guest_word(&p->memory, thread + l->thread_next);
        }
        interpreter = guest_word(&p->memory, interpreter + l->interpreter_next);
    }
    return 0;
}

uint64_t python_first_frame(struct python *p, struct task *t, const char **why)
{
    struct tracee *tracee = t->machine;
    if (tracee == NULL || tracee->where == TRACEE_RUNNING || tracee->where == TRACEE_GONE ||
        tracee_load_registers(tracee) < 0) {
        *why = "it does not stand still";
        return 0;
    }
    uint64_t thread = thread_state(p, tracee->regs.fs_base);
    if (thread == 0) {
        *why = "no Python runs in it";
        return 0;
    }
    uint64_t frame = guest_word(&p->memory, thread + p->layout.thread_frame);
    if (p->layout.by_cframe)
        frame = guest_word(&p->memory, frame + p->layout.cframe_frame);
    *why = "no function runs in it";
    return frame;
}

static void put_thread(struct python *p, FILE *out, struct task *t)
{
    const char *why;
    uint64_t frame = python_first_frame(p, t, &why);
    if (frame != 0)
        put_frames(p, out, frame);
    else
        fprintf(out, "    (%s)\n", why);
}

static void head(FILE *out, const struct task *t)
{
    const struct sysent *call = t->in_call ? sysent_get(t->call.nr) : NULL;
    fprintf(out, "  thread %d", t->tid);
    if (call != NULL)
        fprintf(out, ", in %s", call->name);
    fprintf(out, "%s\n", t == t->world->current ? ", which ran last" : "");
}

void python_stacks(struct world *w, FILE *out)
{
    for (struct process *process = w->processes; process != NULL; process = process->next) {
        struct python p;
        const char *why = "it ended";
        struct tracee *any = guest_stopped(process);
        bool found = any != NULL && python_find(&p, any, &why);
        if (found)
            fprintf(out, "process %d: CPython 3.%u\n", process->pid, p.layout.minor);
        else
            fprintf(out, "process %d: %s\n", process->pid, why);
        for (struct task *t = process->threads; t != NULL; t = t->next_thread) {
            head(out, t);
            if (found)
                put_thread(&p, out, t);
        }
    }
}
