/* exit(2), exit_group(2). The real task exits; the world hears of it from the machine (task_exited). What others wait
 * for in the dying task's memory is done here, while that memory can still be reached. Nobody else runs before the real
 * task is gone, so whoever is woken finds it gone. */
#include "stubs/stubs.h"

int64_t stub_exit(struct call *c)
{
    task_release_memory(c->task);
    c->world->machine->exit(c->task, (int)(c->arg[0] & 0xff), false);
    return CALL_GONE;
}

int64_t stub_exit_group(struct call *c)
{
    struct process *p = c->task->process;
    for (struct task *t = p->threads; t != NULL; t = t->next_thread)
        task_release_memory(t);
    if (!p->group_exit) {
        p->group_exit = true;
        p->group_exit_status = (int)(c->arg[0] & 0xff) << 8;
    }
    c->world->machine->exit(c->task, (int)(c->arg[0] & 0xff), true);
    return CALL_GONE;
}
