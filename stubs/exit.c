/* exit(2), exit_group(2). The real task exits; the world hears of it from the machine (task_exited). */
#include "stubs/stubs.h"

static int64_t leave(struct call *c, bool group)
{
    c->world->machine->exit(c->task, (int)(c->arg[0] & 0xff), group);
    return CALL_GONE;
}

int64_t stub_exit(struct call *c)
{
    return leave(c, false);
}

int64_t stub_exit_group(struct call *c)
{
    struct process *p = c->task->process;
    if (!p->group_exit) {
        p->group_exit = true;
        p->group_exit_status = (int)(c->arg[0] & 0xff) << 8;
    }
    return leave(c, true);
}
