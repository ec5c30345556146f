/* exit(2), exit_group(2). The real task exits; the world hears of it from the machine (task_exited). What others wait
 * for in the dying task's memory is done here, while that memory can still be reached: the kernel's mm_release
 * (kernel/fork.c). */
#include "kernel/recorder.h"
#include "stubs/stubs.h"

/* Nobody else runs before the real task is gone, so whoever is woken finds it gone. */
static void release_memory(struct task *t)
{
    static const int32_t zero;
    if (t->state == TASK_DEAD)
        return;
    futex_exit_robust(t);
    t->robust_list = 0;
    if (t->clear_child_tid != 0 && t->mm != NULL && t->mm->references > 1) {
        if (t->world->machine->write(t, t->clear_child_tid, &zero, sizeof zero) > 0)
            record(t->world, wrote, t, t->clear_child_tid, &zero, sizeof zero);
        (void)futex_wake_address(t, t->clear_child_tid, 1);
    }
    t->clear_child_tid = 0;
}

int64_t stub_exit(struct call *c)
{
    release_memory(c->task);
    c->world->machine->exit(c->task, (int)(c->arg[0] & 0xff), false);
    return CALL_GONE;
}

int64_t stub_exit_group(struct call *c)
{
    struct process *p = c->task->process;
    for (struct task *t = p->threads; t != NULL; t = t->next_thread)
        release_memory(t);
    if (!p->group_exit) {
        p->group_exit = true;
        p->group_exit_status = (int)(c->arg[0] & 0xff) << 8;
    }
    c->world->machine->exit(c->task, (int)(c->arg[0] & 0xff), true);
    return CALL_GONE;
}
