/* The seam between the room network/, which knows no task, and a run (supervisor/network.h). */
#include "supervisor/network.h"

#include "kernel/sysent.h"
#include "network/internet.h"
#include "policy/network.h"
#include "supervisor/spawn.h"

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
    return spawn_program(context, arguments, end);
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
