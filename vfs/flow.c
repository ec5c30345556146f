/* Telling who listens on the wire of a connection between two guests (vfs/flow.h). */
#include "vfs/flow.h"

#include <stdlib.h>

struct flow {
    uint32_t references; /* its two ends */
    const struct net_hooks *hooks;
    void *record;
};

void flow_begin(struct inet_socket *first, struct inet_socket *second)
{
    const struct net_hooks *hooks = &inet_table_of(first)->hooks;
    if (!hooks->begin || !hooks->event)
        return;
    struct far_request request = {.type = SOCK_STREAM};
    inet_address_whole(&first->remote, &request.to);
    inet_address_whole(&first->local, &request.from);
    void *record = hooks->begin(hooks->context, &request, false);
    struct flow *f = record ? malloc(sizeof *f) : NULL;
    if (!f) {
        if (record)
            hooks->event(record, NET_OVER, true, NULL, 0);
        return;
    }
    *f = (struct flow){.references = 2, .hooks = hooks, .record = record};
    first->flow = second->flow = f;
    first->flow_first = true;
    flow_tell(first, NET_OPENED, NULL, 0);
}

void flow_tell(struct inet_socket *s, enum net_event event, const void *bytes, size_t n)
{
    s->flow->hooks->event(s->flow->record, event, s->flow_first, bytes, n);
}

void flow_leave(struct inet_socket *s)
{
    struct flow *f = s->flow;
    s->flow = NULL;
    s->flow_first = false;
    if (!f || --f->references > 0)
        return;
    f->hooks->event(f->record, NET_OVER, true, NULL, 0);
    free(f);
}
