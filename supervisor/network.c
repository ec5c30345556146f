/* The seam between the room network/, which knows no task, and a run (supervisor/network.h). */
#include "supervisor/network.h"

#include "kernel/sysent.h"
#include "network/internet.h"
#include "policy/network.h"
#include "kernel/recorder.h"
#include "supervisor/connector.h"
#include "supervisor/replaying.h"
#include "supervisor/spawn.h"
#include "supervisor/tick.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t now(void *context)
{
    return clock_read(&((struct world *)context)->clock, CLOCK_REALTIME);
}

static void caller(void *context, struct attempts_caller *out)
{
    const struct world *w = context;
    const struct task *t = w->current;
    *out = (struct attempts_caller){0};
    if (t == NULL)
        return;
    out->pid = t->process->pid;
    memcpy(out->process, t->comm, sizeof out->process);
    const struct sysent *call = t->in_call ? sysent_get(t->call.nr) : NULL;
    out->call = call != NULL ? call->name : NULL;
}

static int spawn(void *context, char *const *arguments, struct file *end)
{
    struct world *w = context;
    int error = spawn_program(w, arguments, end);
    if (error < 0 && !w->unstarted_told) /* once: the guest says how often it connects */
        fprintf(stderr, "terrarium: network: %s, which should answer, was not started: %s\n", arguments[0],
                strerror(-error));
    w->unstarted_told |= error < 0;
    return error;
}

/* Somebody beyond the world may speak TLS. */
static bool speaks_tls(const struct network_policy *n)
{
    for (size_t i = 0; n != NULL && i < n->rule_count; i++) {
        const struct network_rule *rule = n->rules[i];
        if (rule->kind != NETWORK_CONNECT || rule->action != NETWORK_CONTENT || rule->content == NULL)
            continue;
        if (content_speaks_tls(rule->content))
            return true;
        for (size_t k = 0; k < rule->target_count; k++)
            if (network_rule_tls(rule, rule->targets[k].first) ||
                (rule->targets[k].first <= 443 && rule->targets[k].last >= 443 && network_rule_tls(rule, 443)))
                return true;
    }
    return false;
}

static FILE *open_output(const char *path, const char *what, struct run_error *e)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        snprintf(e->text, sizeof e->text, "%s %s: %s", what, path, strerror(errno));
    return f;
}

/* ---- forward: --------------------------------------------------------------------------------------------------------------- */

static int dial_real(void *context, const struct network_rule *rule)
{
    const struct holder *h = context;
    return connector_dial(h->connector, rule);
}

static void begun_real(void *context)
{
    const struct holder *h = context;
    world_not_reproducible(h->world, "forward: a real connection was made, as the policy says");
}

static void happened(void *context, const struct forward_news *n)
{
    const struct holder *h = context;
    record(h->world, forwarded, n->number, n->what, n->value, n->bytes, n->size);
}

/* A run that is run again makes none: what came of them is in its record. */
static int start_forwards(struct holder *h, struct internet_config *c, struct run_error *e)
{
    const struct network_policy *n = h->world->policy->network;
    bool again = h->world->again != NULL, any = false;
    for (size_t i = 0; n != NULL && i < n->rule_count; i++)
        any = any || (n->rules[i]->kind == NETWORK_CONNECT && n->rules[i]->action == NETWORK_FORWARD);
    if (!any)
        return 0;
    if (!again && connector_new(n, &h->connector, e->text, sizeof e->text) < 0)
        return -1;
    const struct forwards_config config = {
        .dial = again ? NULL : dial_real, .begun = begun_real, .happened = happened, .context = h};
    c->forwards = h->forwards = forwards_new(&config);
    if (c->forwards != NULL)
        return 0;
    snprintf(e->text, sizeof e->text, "out of memory");
    return -1;
}

int network_connector(const struct holder *h)
{
    return h->connector != NULL ? connector_descriptor(h->connector) : -1;
}

static void pump_again(struct holder *h)
{
    const struct task *t = h->world->current;
    const struct event *e;
    while ((e = replaying_forward(h->world->again, t != NULL ? t->tid : 0)) != NULL) {
        struct forward_news n = {e->forward.number, (enum forward_what)e->forward.what, e->forward.value,
                                 e->forward.bytes, e->forward.size};
        char bytes[FORWARD_PIECE]; /* the event's own go when it was compared, and the next is read */
        if (n.size != 0 && n.size <= sizeof bytes)
            n.bytes = memcpy(bytes, n.bytes, n.size);
        forwards_happened(h->forwards, &n);
    }
}

void network_pump(struct holder *h)
{
    if (h->forwards == NULL || h->world->ending)
        return;
    if (h->world->again != NULL)
        pump_again(h);
    else if (forwards_any(h->forwards))
        forwards_pump(h->forwards);
}

nfds_t network_poll(const struct holder *h, struct pollfd *out)
{
    bool awaited = false;
    nfds_t n = h->forwards != NULL ? forwards_poll(h->forwards, out, &awaited) : 0;
    return awaited ? n : 0;
}

int64_t network_limit(const struct holder *h)
{
    if (h->forwards == NULL || !forwards_any(h->forwards))
        return 0;
    return h->world->again != NULL ? replaying_forward_time(h->world->again)
                                   : clock_elapsed(&h->world->clock) + TICK_NS;
}

/* ---- a run's internet --------------------------------------------------------------------------------------------------------- */

int network_start(struct holder *h, const struct run_request *r, struct view *view, struct run_error *e)
{
    struct world *w = h->world;
    struct internet_config c = {
        .policy = w->policy,
        .clock = &w->timer_clock,
        .now = now,
        .caller = caller,
        .world = w->vfs,
        .spawn = spawn,
        .context = w,
        .keep = r->export_to != NULL,
        .view = view,
    };
    if (w->policy->network == NULL && r->capture == NULL && r->har == NULL)
        return 0;
    if (start_forwards(h, &c, e) < 0)
        return -1;
    if (r->capture != NULL && (c.capture = open_output(r->capture, "capture", e)) == NULL)
        return -1;
    if (r->har != NULL && (c.har = open_output(r->har, "har", e)) == NULL) {
        if (c.capture != NULL)
            fclose(c.capture);
        return -1;
    }
    h->internet = internet_new(&c, e->text, sizeof e->text);
    if (h->internet == NULL)
        return -1;
    if (internet_install(h->internet, w->vfs) < 0) {
        snprintf(e->text, sizeof e->text, "out of memory");
        return -1;
    }
    return 0;
}

struct contents *network_contents(struct holder *h)
{
    return h->internet != NULL && speaks_tls(h->world->policy->network) ? internet_contents(h->internet) : NULL;
}

int network_finish(struct holder *h, struct run_error *e)
{
    return h->internet != NULL ? internet_finish(h->internet, e->text, sizeof e->text) : 0;
}

static int each_file(void *context, int (*put)(void *to, const char *path, const void *bytes, size_t n), void *to)
{
    return attempts_each_file(context, put, to);
}

const struct export_more *network_export(struct holder *h, struct export_more *more)
{
    if (h->internet == NULL)
        return NULL;
    *more = (struct export_more){"network", each_file, internet_attempts(h->internet)};
    return more;
}
