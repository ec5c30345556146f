/* From a trapped call to its answer: count it, ask the policy, run its stub. And how a blocked call comes back.
 *
 * A call is judged once, when it is new. No other task runs between the judgement and the stub, and both use the same
 * copies of the arguments, so what was judged is what happens. What blocks runs its stub again without a new judgement:
 * the paths it was judged by have been resolved, or are copies that the guest cannot reach. */
#include "kernel/judge.h"
#include "kernel/recorder.h"

static bool is_error(int64_t result)
{
    return result < 0 && result >= -4095;
}

/* A call that slept under a signal mask of its own (ppoll(2), sigsuspend(2)) leaves it in force until the handler of
 * what interrupted it ran; any other end restores the mask first, and the signal stays pending if that blocks it. */
static void end_mask(struct task *t, int64_t result)
{
    if (!t->restore_mask)
        return;
    t->restore_mask = false;
    if (result == -EINTR || result == -CALL_RESTART_SYS || result == -CALL_RESTART_NOHAND)
        t->world->machine->suspend_with(t, t->temporary_mask);
}

void task_charge(struct task *t, int64_t ns, uint64_t events)
{
    t->calls += events;
    t->cpu += ns;
    t->process->cpu += ns;
    t->world->cpu += ns;
}

void task_event(struct task *t)
{
    struct clock *c = &t->world->clock;
    clock_event(c);
    task_charge(t, c->per_event, 1);
    if (t->process->cpu_alarm != 0 && t->process->cpu >= t->process->cpu_alarm)
        process_timers_cpu(t->process);
}

/* True: *decided is the answer, without a stub. */
static bool begin(struct task *t, int64_t *decided)
{
    struct world *w = t->world;
    struct call *c = &t->call;
    w->events++;
    task_event(t);
    record(w, asked, c);
    if (!sysent_get(c->nr)) {
        w->unknown_calls++;
        *decided = -ENOSYS;
        return true;
    }
    w->counters[c->nr].calls++;
    if (w->policy && judge_concerns(w->policy, c->nr) && judge_call(c, decided))
        return true;
    if (!stub_table[c->nr]) {
        *decided = -ENOSYS;
        return true;
    }
    return false;
}

int64_t dispatch(struct task *t)
{
    struct call *c = &t->call;
    int64_t result;
    bool answered = false;
    t->world->current = t;
    if (t->in_call && t->state != TASK_DEAD)
        t->state = TASK_READY;
    if (c->begun)
        call_rerun(c);
    else {
        c->begun = true;
        answered = begin(t, &result);
    }
    if (!answered)
        result = stub_table[c->nr](c);
    if (result == CALL_BLOCK) {
        t->state = TASK_BLOCKED;
        if (!c->again)
            record(t->world, blocked, c);
        if (c->woken)
            task_wake(t);
        return result;
    }
    if (is_error(result) && c->nr < SYSENT_COUNT)
        t->world->counters[c->nr].failed++;
    end_mask(t, result);
    if (result != CALL_NATIVE)
        record(t->world, ended, c, result, false);
    call_settle(c);
    return result;
}

void task_wake(struct task *t)
{
    t->call.woken = true;
    if (t->state != TASK_BLOCKED)
        return;
    t->state = TASK_READY;
    sched_ready(t);
}

void task_interrupt(struct task *t)
{
    if (t->state != TASK_BLOCKED)
        return;
    t->call.interrupted = true;
    task_wake(t);
}
