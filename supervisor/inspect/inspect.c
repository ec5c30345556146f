/* Where a replay stops, what is to be seen is written, and it ends or goes on (supervisor/inspect/inspect.h). */
#include "supervisor/inspect/inner.h"

#include "supervisor/inspect/python_stack.h"
#include "supervisor/inspect/guest_memory.h"
#include "supervisor/maps.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"
#include "trace/decode.h"
#include "trace/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct inspection *inspection_new(const struct inspect_request *request)
{
    struct inspection *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    i->request = *request;
    if (!request->shell)
        return i;
    i->text = calloc(1, sizeof *i->text);
    if (i->text != NULL && (i->text->context = trace_context_new()) != NULL)
        return i;
    inspection_free(i);
    return NULL;
}

void inspection_free(struct inspection *i)
{
    if (i == NULL)
        return;
    if (i->text != NULL)
        trace_context_free(i->text->context);
    free(i->text);
    for (unsigned k = 0; k < EVENTS_KEPT; k++)
        free(i->line[k]);
    free(i);
}

void inspection_watch(struct inspection *i, const struct event *e)
{
    char *line = NULL;
    size_t size;
    if (i->text == NULL || trace_context_see(i->text->context, e) < 0 ||
        (i->text->to = open_memstream(&line, &size)) == NULL)
        return;
    trace_text_event(i->text, e);
    (void)fclose(i->text->to);
    if (line == NULL || size == 0) {
        free(line);
        return;
    }
    char **slot = &i->line[i->lines++ % EVENTS_KEPT];
    free(*slot);
    *slot = line;
}

static int put_map(void *context, const struct memory_map *m)
{
    fprintf(context, "  %012" PRIx64 "-%012" PRIx64 " %c%c%c%c %08" PRIx64 "%s", m->start, m->end,
            (m->protection & PROT_READ) != 0 ? 'r' : '-', (m->protection & PROT_WRITE) != 0 ? 'w' : '-',
            (m->protection & PROT_EXEC) != 0 ? 'x' : '-', m->shared ? 's' : 'p', m->offset,
            *m->name != '\0' ? "  " : "");
    decode_plain(context, m->name, strlen(m->name), "");
    fputc('\n', context);
    return 0;
}

void inspect_maps(struct world *w, FILE *out)
{
    for (struct process *p = w->processes; p != NULL; p = p->next) {
        struct tracee *any = guest_stopped(p);
        fprintf(out, "process %d:%s\n", p->pid, any == NULL ? " it ended" : "");
        if (any != NULL && maps_each(any->task, false, put_map, out) < 0)
            fprintf(out, "  its mappings cannot be read: this machine shows no /proc\n");
    }
}

void inspect_where(struct holder *h, FILE *out)
{
    const struct replaying *r = h->world->again;
    char why[1024];
    if (replaying_diverged(r, why, sizeof why))
        fprintf(out, "%s\n", why);
    else
        fprintf(out, "%s event %" PRIu64 ", at %.9f s, of thread %d\n",
                replaying_stopped(r) ? "behind" : "the run ended behind", replaying_index(r),
                (double)clock_elapsed(&h->world->clock) / 1e9, replaying_tid(r));
}

bool inspect_go_on(struct holder *h, const char *where, FILE *out)
{
    struct replaying_until until;
    char why[256];
    if (!replaying_stopped(h->world->again)) {
        fprintf(out, "the run is over: begin again to see an earlier moment\n");
        return false;
    }
    if (replaying_until_parse(where, &until, why, sizeof why) < 0 ||
        replaying_go_on(h->world->again, &until, why, sizeof why) < 0) {
        fprintf(out, "%s\n", why);
        return false;
    }
    return true;
}

bool inspect_go_to_end(struct holder *h)
{
    static const struct replaying_until nowhere = {0};
    char why[256];
    return replaying_stopped(h->world->again) && replaying_go_on(h->world->again, &nowhere, why, sizeof why) == 0;
}

bool inspect_get(const struct inspection *i, struct holder *h, char *c)
{
    struct pollfd asked = {.fd = fileno(i->request.in), .events = POLLIN};
    bool over = false;
    ssize_t n = -1;
    while (!over && n < 0) {
        sigset_t before;
        tick_hold(&before); /* what comes before the wait must end it */
        bool there = !tick_came() && ppoll(&asked, 1, NULL, &before) > 0;
        tick_let_go(&before);
        over = tick_terminated();
        tick_take(h);
        if (there && (n = read(asked.fd, c, 1)) < 0 && errno != EINTR)
            over = true;
    }
    return n == 1;
}

void inspection_tick(struct inspection *i, struct holder *h)
{
    enum { INTERRUPT = 3 }; /* gdb's ^C, while it waits for `continue` to end; else it says nothing then */
    struct pollfd said = {.fd = i->request.in != NULL ? fileno(i->request.in) : -1, .events = POLLIN};
    char c;
    if (!i->gdb_waits || poll(&said, 1, 0) <= 0)
        return;
    ssize_t n = read(said.fd, &c, 1);
    if (n == 0 || (n == 1 && c == INTERRUPT)) /* 0: it is gone, which is seen there */
        replaying_interrupt(h->world->again);
}

/* Nothing passes while somebody thinks: there are no ticks. */
static bool talk(struct inspection *i, struct holder *h)
{
    tick_pause(true);
    bool goes_on = i->request.gdb ? inspect_gdb(i, h) : i->request.shell && inspect_shell(i, h);
    tick_pause(false);
    return goes_on;
}

bool inspection_stop(struct inspection *i, struct holder *h)
{
    fflush(stdout);
    if (i->request.maps)
        inspect_maps(h->world, i->request.out);
    if (i->request.stack)
        python_stacks(h->world, i->request.out);
    fflush(i->request.out);
    return talk(i, h);
}

void inspection_end(struct inspection *i, struct holder *h)
{
    if (!replaying_stopped(h->world->again)) /* else it was asked then */
        (void)talk(i, h);
}
