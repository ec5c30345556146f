// rooms: kernel stubs vfs policy
/* Signals: who hears of which, what a bell means, who may send, and the calls that wait for them. */
#include "tests/unit/fake_machine.h"

#include <limits.h>
#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HANDLER UINT64_C(0x1234)
#define RESTART_NOHAND (-CALL_RESTART_NOHAND)
enum { DFL = 0, IGN = 1, RT = 40 };

static void handle(struct fake_machine *f, int signal, uint64_t handler)
{
    f->process->handlers->action[signal] = (struct signal_action){.handler = handler};
}

static int send(struct fake_machine *f, int signal, int code)
{
    siginfo_t info;
    signal_user_info(&info, signal, f->task);
    info.si_code = code;
    return signal_send_process(f->process, &info);
}

static int claim(struct task *t, int signal, siginfo_t *info)
{
    siginfo_t real = {.si_signo = signal, .si_code = SI_TKILL};
    return signal_claim(t, signal, &real, info);
}

/* Blocks everything in the thread; the mask is the caller's. */
static struct task *deaf_thread(struct fake_machine *f, uint64_t *mask)
{
    struct task *t = fake_thread(f);
    *mask = UINT64_MAX;
    t->machine = mask;
    return t;
}

static void forget_masks(struct fake_machine *f)
{
    for (struct task *t = f->process->threads; t != NULL; t = t->next_thread)
        t->machine = NULL;
}

/* ---- dispositions ---- */

static void test_dispositions(void **state)
{
    static const struct {
        int signal;
        uint64_t handler;
        bool blocked;
        bool queued;  /* it is pending after kill(2) */
        bool stopped; /* the process stopped at once */
        int claimed;  /* what the bell's stop delivers; -1: there is no bell */
    } cases[] = {
        {SIGUSR1, HANDLER, false, true, false, SIGUSR1},
        {SIGUSR1, DFL, false, true, false, SIGUSR1},
        {SIGUSR1, IGN, false, false, false, -1},
        {SIGUSR1, IGN, true, true, false, 0}, /* its handler may be another one by then */
        {SIGCHLD, DFL, false, false, false, -1},
        {SIGCHLD, HANDLER, false, true, false, SIGCHLD},
        {SIGCHLD, DFL, true, true, false, 0},
        {SIGWINCH, DFL, false, false, false, -1},
        {SIGURG, DFL, false, false, false, -1},
        {SIGCONT, DFL, false, false, false, -1},
        {SIGCONT, HANDLER, false, true, false, SIGCONT},
        {SIGSTOP, DFL, false, false, true, -1},
        {SIGTSTP, DFL, false, false, true, -1},
        {SIGTSTP, HANDLER, false, true, false, SIGTSTP},
        {SIGTSTP, IGN, false, false, false, -1},
        {SIGTTIN, DFL, true, true, false, 0}, /* it stops when it is unblocked */
        {SIGSEGV, HANDLER, false, true, false, SIGSEGV},
        {RT, DFL, false, true, false, RT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake_machine *f = *state;
        siginfo_t info = {0};
        f->process->stopped = false;
        signal_discard(f->process, UINT64_MAX);
        f->rings = 0;
        f->blocked = cases[i].blocked ? SIGNAL_BIT(cases[i].signal) : 0;
        handle(f, cases[i].signal, cases[i].handler);
        assert_int_equal(send(f, cases[i].signal, SI_USER), 0);
        assert_int_equal((signal_pending(f->task) & SIGNAL_BIT(cases[i].signal)) != 0, cases[i].queued);
        assert_int_equal(f->process->stopped, cases[i].stopped);
        assert_int_equal(f->rings, cases[i].claimed >= 0);
        if (cases[i].claimed < 0)
            continue;
        assert_ptr_equal(f->rung_task, cases[i].blocked ? NULL : f->task);
        assert_int_equal(claim(f->task, cases[i].signal, &info), cases[i].claimed);
        if (cases[i].claimed > 0) {
            assert_int_equal(info.si_pid, f->process->pid);
            assert_int_equal(info.si_uid, 1000);
            assert_int_equal(info.si_code, SI_USER);
        }
        assert_int_equal(signal_pending(f->task), 0);
        assert_int_equal(f->process->stopped, cases[i].signal == SIGTTIN);
    }
}

static void test_kill_is_at_once(void **state)
{
    struct fake_machine *f = *state;
    f->blocked = UINT64_MAX;
    handle(f, SIGKILL, IGN);
    assert_int_equal(send(f, SIGKILL, SI_USER), 0);
    assert_int_equal(f->killed, 1);
    assert_int_equal(f->rings, 0);
}

static void test_stop_and_continue_undo_each_other(void **state)
{
    struct fake_machine *f = *state;
    f->blocked = SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGCONT);
    handle(f, SIGCONT, HANDLER);
    send(f, SIGTSTP, SI_USER);
    send(f, SIGCONT, SI_USER);
    assert_int_equal(signal_pending(f->task), SIGNAL_BIT(SIGCONT));
    send(f, SIGTSTP, SI_USER);
    assert_int_equal(signal_pending(f->task), SIGNAL_BIT(SIGTSTP));
    send(f, SIGSTOP, SI_USER);
    assert_true(f->process->stopped);
    send(f, SIGCONT, SI_USER); /* continues, blocked or not */
    assert_false(f->process->stopped);
    assert_true(f->process->continued);
}

/* ---- bells ---- */

static void test_standard_signals_once_realtime_each(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    handle(f, SIGUSR1, HANDLER);
    handle(f, RT, HANDLER);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(f, SIGUSR1, SI_QUEUE), 0);
        assert_int_equal(send(f, RT, SI_QUEUE - i), 0);
    }
    assert_int_equal(f->rings, 2); /* one bell a number */
    assert_int_equal(claim(f->task, SIGUSR1, &info), SIGUSR1);
    assert_int_equal(claim(f->task, SIGUSR1, &info), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(f->task, RT, &info), RT);
        assert_int_equal(info.si_code, SI_QUEUE - i);
        assert_int_equal(f->rings, i < 2 ? 3 + i : 4); /* what is left is rung for again */
    }
    assert_int_equal(claim(f->task, RT, &info), 0);
}

static void test_queue_is_bounded(void **state)
{
    struct fake_machine *f = *state;
    f->blocked = UINT64_MAX;
    for (int i = 0; i < SIGNAL_QUEUE_MAX; i++)
        assert_int_equal(send(f, RT, SI_QUEUE), 0);
    assert_int_equal(send(f, RT, SI_QUEUE), -EAGAIN);
    assert_int_equal(send(f, RT, SI_USER), 0);       /* kill(2): one is there already */
    assert_int_equal(send(f, SIGUSR1, SI_QUEUE), 0); /* a standard one finds room */
    assert_int_equal(f->process->signals.count, SIGNAL_QUEUE_MAX + 1);
    f->process->limits[RLIMIT_SIGPENDING].rlim_cur = 0;
    assert_int_equal(send(f, RT + 1, SI_QUEUE), -EAGAIN);
}

static void test_the_bell_goes_to_who_can_hear(void **state)
{
    struct fake_machine *f = *state;
    uint64_t mask;
    struct task *other = deaf_thread(f, &mask);
    siginfo_t info;
    handle(f, SIGUSR1, HANDLER);
    handle(f, SIGUSR2, HANDLER);
    send(f, SIGUSR1, SI_USER);
    assert_ptr_equal(f->rung_task, f->task); /* the leader first */
    f->blocked = UINT64_MAX;
    mask = 0;
    send(f, SIGUSR2, SI_USER);
    assert_ptr_equal(f->rung_task, other);
    assert_int_equal(claim(other, SIGUSR2, &info), SIGUSR2);
    /* SIGUSR1's bell was the leader's, which blocks it by now: whoever asks gets one of its own */
    assert_false(signal_deliverable(f->task, f->blocked));
    unsigned before = f->rings;
    assert_true(signal_deliverable(other, mask));
    assert_ptr_equal(f->rung_task, other);
    assert_true(signal_deliverable(other, mask));
    assert_int_equal(f->rings, before + 1); /* once */
    assert_int_equal(claim(other, SIGUSR1, &info), SIGUSR1);
    forget_masks(f);
}

static void test_an_ending_thread_passes_the_bell_on(void **state)
{
    struct fake_machine *f = *state;
    uint64_t mask;
    struct task *other = deaf_thread(f, &mask);
    handle(f, SIGUSR1, HANDLER);
    f->blocked = UINT64_MAX;
    mask = 0;
    send(f, SIGUSR1, SI_USER);
    assert_ptr_equal(f->rung_task, other);
    f->blocked = 0;
    other->machine = NULL;
    task_exited(other, 0);
    assert_ptr_equal(f->rung_task, f->task);
}

static void test_faults_pass_unchanged(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t real = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR}, info = {0};
    real.si_addr = (void *)0x42;
    handle(f, SIGSEGV, HANDLER);
    assert_int_equal(signal_claim(f->task, SIGSEGV, &real, &info), SIGSEGV);
    assert_memory_equal(&info, &real, sizeof info);
    /* A sent one waits behind it, and gets a bell of its own. */
    send(f, SIGSEGV, SI_USER);
    assert_int_equal(f->rings, 1);
    assert_int_equal(signal_claim(f->task, SIGSEGV, &real, &info), SIGSEGV);
    assert_int_equal(info.si_code, SEGV_MAPERR);
    assert_int_equal(f->rings, 2);
    assert_int_equal(claim(f->task, SIGSEGV, &info), SIGSEGV);
    assert_int_equal(info.si_code, SI_USER);
    /* From outside the world: swallowed. */
    real = (siginfo_t){.si_signo = SIGTERM, .si_code = SI_USER};
    assert_int_equal(signal_claim(f->task, SIGTERM, &real, &info), 0);
    real = (siginfo_t){.si_signo = SIGSEGV, .si_code = SI_USER};
    assert_int_equal(signal_claim(f->task, SIGSEGV, &real, &info), 0);
}

static void test_reset_handler(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    f->process->handlers->action[SIGUSR1] = (struct signal_action){.handler = HANDLER, .flags = SA_RESETHAND};
    send(f, SIGUSR1, SI_USER);
    assert_int_equal(claim(f->task, SIGUSR1, &info), SIGUSR1);
    assert_int_equal(f->process->handlers->action[SIGUSR1].handler, DFL);
}

static void test_order(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    static const int sent[] = {RT + 1, SIGUSR2, RT, SIGTERM, SIGUSR1, SIGSEGV, SIGHUP};
    static const int taken[] = {SIGSEGV, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, RT, RT + 1};
    f->blocked = UINT64_MAX;
    for (size_t i = 0; i < COUNT(sent); i++)
        send(f, sent[i], SI_QUEUE);
    for (size_t i = 0; i < COUNT(taken); i++) {
        assert_true(signal_dequeue(f->task, UINT64_MAX, &info));
        assert_int_equal(info.si_signo, taken[i]);
    }
    assert_false(signal_dequeue(f->task, UINT64_MAX, &info));
}

static void test_exec(void **state)
{
    struct fake_machine *f = *state;
    handle(f, SIGUSR1, HANDLER);
    handle(f, SIGUSR2, IGN);
    f->blocked = UINT64_MAX;
    send(f, SIGUSR1, SI_USER);
    f->rings = 0;
    signal_exec(f->process);
    assert_int_equal(f->process->handlers->action[SIGUSR1].handler, DFL);
    assert_int_equal(f->process->handlers->action[SIGUSR2].handler, IGN);
    assert_int_equal(signal_pending(f->task), SIGNAL_BIT(SIGUSR1));
    assert_int_equal(f->rings, 1);
}

/* ---- the calls ---- */

static void test_sigaction(void **state)
{
    struct fake_machine *f = *state;
    struct signal_action act = {.handler = HANDLER, .mask = UINT64_MAX}, old;
    static const struct {
        uint64_t signal, act, old, size;
        int64_t result;
    } cases[] = {
        {0, FAKE_BASE, 0, 8, -EINVAL},
        {65, FAKE_BASE, 0, 8, -EINVAL},
        {SIGKILL, FAKE_BASE, 0, 8, -EINVAL},
        {SIGSTOP, FAKE_BASE, 0, 8, -EINVAL},
        {SIGKILL, 0, FAKE_BASE, 8, 0},
        {SIGUSR1, FAKE_BASE, 0, 16, -EINVAL},
        {SIGUSR1, 8, 0, 8, -EFAULT},
        {SIGUSR1, 0, 8, 8, -EFAULT},
        {SIGUSR1, 0, 0, 8, 0},
        {64, FAKE_BASE + 256, 0, 8, CALL_NATIVE},
    };
    memcpy(fake_bytes(f, 256), &act, sizeof act);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(fake_call(f, SYS_rt_sigaction, cases[i].signal, cases[i].act, cases[i].old, cases[i].size),
                         cases[i].result);
    assert_int_equal(fake_call(f, SYS_rt_sigaction, 64, 0, FAKE_BASE, 8), 0);
    memcpy(&old, fake_bytes(f, 0), sizeof old);
    assert_int_equal(old.handler, HANDLER);
    assert_int_equal(old.mask, UINT64_MAX & ~SIGNAL_BIT(SIGKILL) & ~SIGNAL_BIT(SIGSTOP));
    /* What is ignored from now on is forgotten. */
    f->blocked = UINT64_MAX;
    send(f, SIGUSR1, SI_USER);
    act.handler = IGN;
    memcpy(fake_bytes(f, 256), &act, sizeof act);
    assert_int_equal(fake_call(f, SYS_rt_sigaction, SIGUSR1, FAKE_BASE + 256, 0, 8), CALL_NATIVE);
    assert_int_equal(signal_pending(f->task), 0);
}

static void test_sigpending(void **state)
{
    struct fake_machine *f = *state;
    uint64_t set;
    f->blocked = SIGNAL_BIT(SIGUSR1);
    send(f, SIGUSR1, SI_USER);
    send(f, SIGTERM, SI_USER); /* on its way: not "pending" to sigpending(2) */
    assert_int_equal(fake_call(f, SYS_rt_sigpending, FAKE_BASE, 8), 0);
    memcpy(&set, fake_bytes(f, 0), sizeof set);
    assert_int_equal(set, SIGNAL_BIT(SIGUSR1));
    assert_int_equal(fake_call(f, SYS_rt_sigpending, FAKE_BASE, 9), -EINVAL);
    assert_int_equal(fake_call(f, SYS_rt_sigpending, 8, 8), -EFAULT);
}

static void put_set(struct fake_machine *f, size_t offset, uint64_t set)
{
    memcpy(fake_bytes(f, offset), &set, sizeof set);
}

static void test_sigsuspend(void **state)
{
    struct fake_machine *f = *state;
    handle(f, SIGUSR1, HANDLER);
    handle(f, SIGUSR2, HANDLER);
    f->blocked = SIGNAL_BIT(SIGUSR1);
    put_set(f, 0, SIGNAL_BIT(SIGUSR2));
    assert_int_equal(fake_call(f, SYS_rt_sigsuspend, FAKE_BASE, 8), CALL_BLOCK);
    send(f, SIGUSR2, SI_USER); /* blocked meanwhile */
    assert_int_equal(f->task->state, TASK_BLOCKED);
    assert_ptr_equal(f->rung_task, NULL);
    send(f, SIGUSR1, SI_USER);
    assert_ptr_equal(f->rung_task, f->task);
    assert_int_equal(fake_again(f->task), RESTART_NOHAND);
    assert_true(f->suspended);
    assert_int_equal(f->suspended_mask, SIGNAL_BIT(SIGUSR2));
    assert_int_equal(fake_call(f, SYS_rt_sigsuspend, FAKE_BASE, 4), -EINVAL);
    assert_int_equal(fake_call(f, SYS_rt_sigsuspend, 8, 8), -EFAULT);
}

static void test_a_taken_signal_interrupts_nobody(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    siginfo_t info;
    handle(f, SIGUSR1, HANDLER);
    assert_int_equal(fake_call(f, SYS_pause), CALL_BLOCK);
    send(f, SIGUSR1, SI_USER);
    assert_true(signal_dequeue(other, UINT64_MAX, &info)); /* sigwait(3) of another thread was faster */
    assert_int_equal(fake_again(f->task), CALL_BLOCK);
    assert_int_equal(claim(f->task, SIGUSR1, &info), 0);
}

static void test_sigtimedwait(void **state)
{
    struct fake_machine *f = *state;
    const struct timespec none = {0}, second = {.tv_sec = 1}, wrong = {.tv_nsec = 1000000000};
    siginfo_t info;
    f->blocked = SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGCHLD);
    handle(f, SIGUSR2, HANDLER);
    put_set(f, 0, SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGCHLD));
    memcpy(fake_bytes(f, 64), &none, sizeof none);
    memcpy(fake_bytes(f, 128), &second, sizeof second);
    memcpy(fake_bytes(f, 192), &wrong, sizeof wrong);
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, fake_at(64), 8), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, fake_at(192), 8), -EINVAL);
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, 0, 4), -EINVAL);
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, 8, 0, 0, 8), -EFAULT);
    /* sent while it waits; ignored by default, but waited for */
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, fake_at(512), 0, 8), CALL_BLOCK);
    send(f, SIGCHLD, SI_USER);
    assert_int_equal(fake_again(f->task), SIGCHLD);
    memcpy(&info, fake_bytes(f, 512), sizeof info);
    assert_int_equal(info.si_signo, SIGCHLD);
    assert_int_equal(info.si_pid, f->process->pid);
    /* there already */
    send(f, SIGUSR1, SI_USER);
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, fake_at(64), 8), SIGUSR1);
    /* time */
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, fake_at(128), 8), CALL_BLOCK);
    int64_t before = clock_elapsed(&f->world->clock);
    fake_jump(f);
    assert_int_equal(clock_elapsed(&f->world->clock), before + 1000000000);
    assert_int_equal(fake_again(f->task), -EAGAIN);
    /* another signal, with a handler */
    assert_int_equal(fake_call(f, SYS_rt_sigtimedwait, FAKE_BASE, 0, 0, 8), CALL_BLOCK);
    send(f, SIGUSR2, SI_USER);
    assert_int_equal(fake_again(f->task), -EINTR);
}

static void test_signalfd(void **state)
{
    struct fake_machine *f = *state;
    struct signalfd_siginfo got[2];
    f->blocked = SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(RT);
    put_set(f, 0, f->blocked);
    assert_int_equal(fake_call(f, SYS_signalfd4, UINT64_MAX, FAKE_BASE, 8, 1), -EINVAL);
    assert_int_equal(fake_call(f, SYS_signalfd4, UINT64_MAX, FAKE_BASE, 7, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_signalfd4, 3, FAKE_BASE, 8, 0), -EBADF);
    int64_t fd = fake_call(f, SYS_signalfd4, UINT64_MAX, FAKE_BASE, 8, SFD_CLOEXEC);
    assert_int_equal(fd, 0);
    assert_true(fdtable_cloexec(f->task->fds, (int)fd));
    assert_int_equal(fake_call(f, SYS_read, fd, fake_at(512), sizeof got[0] - 1), -EINVAL);
    assert_int_equal(fake_call(f, SYS_read, fd, fake_at(512), sizeof got), CALL_BLOCK);
    send(f, RT, SI_QUEUE);
    send(f, SIGUSR1, SI_USER);
    assert_int_equal(fake_again(f->task), sizeof got);
    memcpy(got, fake_bytes(f, 512), sizeof got);
    assert_int_equal(got[0].ssi_signo, SIGUSR1);
    assert_int_equal(got[0].ssi_pid, f->process->pid);
    assert_int_equal(got[1].ssi_signo, RT);
    assert_int_equal(got[1].ssi_code, SI_QUEUE);
    put_set(f, 0, SIGNAL_BIT(RT));
    assert_int_equal(fake_call(f, SYS_signalfd4, fd, FAKE_BASE, 8, 0), fd); /* another set */
    send(f, SIGUSR1, SI_USER);
    assert_int_equal(fake_call(f, SYS_read, fd, fake_at(512), sizeof got), CALL_BLOCK);
    call_end(&f->task->call);
    assert_int_equal(file_poll(fdtable_file(f->task->fds, (int)fd), NULL), 0);
    send(f, RT, SI_USER);
    assert_int_equal(file_poll(fdtable_file(f->task->fds, (int)fd), NULL), EPOLLIN);
}

/* ---- who may send ---- */

static void test_may_signal(void **state)
{
    static const struct {
        uint32_t uid, euid, other_uid, other_suid;
        uint64_t capabilities;
        bool same_session;
        int signal;
        int64_t result;
    } cases[] = {
        {1000, 1000, 1000, 1000, 0, false, SIGUSR1, 0},  {1000, 1000, 1000, 0, 0, false, SIGUSR1, 0},
        {1000, 1000, 0, 1000, 0, false, SIGUSR1, 0},     {1000, 1000, 0, 0, 0, false, SIGUSR1, -EPERM},
        {1000, 1000, 0, 0, 0, true, SIGUSR1, -EPERM},    {1000, 1000, 0, 0, 0, true, SIGCONT, 0},
        {1000, 1000, 0, 0, 0, false, SIGCONT, -EPERM},   {1000, 1000, 0, 0, 0, false, 0, -EPERM},
        {1000, 0, 0, 0, 0, false, SIGUSR1, 0},           {1000, 1000, 0, 0, UINT64_C(1) << CAP_KILL, false, SIGUSR1, 0},
        {1000, 1000, 1000, 1000, 0, false, 65, -EINVAL}, {1000, 1000, 1000, 1000, 0, false, -1, -EINVAL},
    };
    struct fake_machine *f = *state;
    struct process *other = process_new(f->world, f->process);
    struct task *t = task_new(other, other->pid);
    other->pgid = other->pid;
    for (size_t i = 0; i < COUNT(cases); i++) {
        f->task->cred.uid = cases[i].uid;
        f->task->cred.euid = cases[i].euid;
        f->task->cred.capabilities = cases[i].capabilities;
        t->cred.uid = cases[i].other_uid;
        t->cred.suid = cases[i].other_suid;
        other->sid = cases[i].same_session ? f->process->sid : other->pid;
        const uint64_t signal = (uint64_t)cases[i].signal;
        assert_int_equal(fake_call(f, SYS_kill, other->pid, signal), cases[i].result);
        assert_int_equal(fake_call(f, SYS_kill, (uint64_t)-other->pgid, signal), cases[i].result);
        assert_int_equal(fake_call(f, SYS_tgkill, other->pid, other->pid, signal), cases[i].result);
        assert_int_equal(fake_call(f, SYS_tkill, other->pid, signal), cases[i].result);
    }
}

static void test_kill_errors(void **state)
{
    struct fake_machine *f = *state;
    const uint64_t self = (uint64_t)f->process->pid;
    static const uint64_t nobody = 9999;
    const struct {
        long nr;
        uint64_t a, b, c;
        int64_t result;
    } cases[] = {
        {SYS_kill, nobody, 0, 0, -ESRCH},
        {SYS_kill, (uint64_t)-9999, SIGTERM, 0, -ESRCH},
        {SYS_kill, (uint64_t)INT_MIN, SIGTERM, 0, -ESRCH},
        {SYS_kill, UINT64_MAX, SIGTERM, 0, -ESRCH}, /* everyone else: there is nobody */
        {SYS_kill, 0, 0, 0, 0},
        {SYS_kill, 1, 0, 0, -EPERM},
        {SYS_kill, self, 0, 0, 0},
        {SYS_kill, self, 65, 0, -EINVAL},
        {SYS_tkill, 0, SIGTERM, 0, -EINVAL},
        {SYS_tkill, nobody, SIGTERM, 0, -ESRCH},
        {SYS_tgkill, self, nobody, SIGTERM, -ESRCH},
        {SYS_tgkill, nobody, self, SIGTERM, -ESRCH},
        {SYS_tgkill, 0, self, SIGTERM, -EINVAL},
        {SYS_tgkill, self, 0, SIGTERM, -EINVAL},
        {SYS_tgkill, self, self, 0, 0},
        {SYS_rt_sigqueueinfo, self, SIGTERM, 8, -EFAULT},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(fake_call(f, (uint64_t)cases[i].nr, cases[i].a, cases[i].b, cases[i].c), cases[i].result);
}

static void test_siginfo_of_ones_own(void **state)
{
    struct fake_machine *f = *state;
    static const struct {
        int code;
        int64_t self, other;
    } cases[] = {{SI_QUEUE, 0, 0},      {SI_MESGQ, 0, 0},       {SI_USER, 0, -EPERM},
                 {SI_TKILL, 0, -EPERM}, {SI_KERNEL, 0, -EPERM}, {SEGV_MAPERR, 0, -EPERM}};
    struct process *other = process_new(f->world, f->process);
    struct task *t = task_new(other, other->pid);
    t->cred = f->task->cred;
    f->blocked = UINT64_MAX;
    for (size_t i = 0; i < COUNT(cases); i++) {
        siginfo_t info = {.si_signo = 77, .si_code = cases[i].code}, got;
        memcpy(fake_bytes(f, 0), &info, sizeof info);
        assert_int_equal(fake_call(f, SYS_rt_sigqueueinfo, other->pid, RT, FAKE_BASE), cases[i].other);
        assert_int_equal(fake_call(f, SYS_rt_tgsigqueueinfo, other->pid, other->pid, RT, FAKE_BASE), cases[i].other);
        assert_int_equal(fake_call(f, SYS_rt_sigqueueinfo, f->process->pid, RT, FAKE_BASE), cases[i].self);
        assert_true(signal_dequeue(f->task, UINT64_MAX, &got));
        assert_int_equal(got.si_signo, RT);
        assert_int_equal(got.si_code, cases[i].code);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_dispositions),
        CASE(test_kill_is_at_once),
        CASE(test_stop_and_continue_undo_each_other),
        CASE(test_standard_signals_once_realtime_each),
        CASE(test_queue_is_bounded),
        CASE(test_the_bell_goes_to_who_can_hear),
        CASE(test_an_ending_thread_passes_the_bell_on),
        CASE(test_faults_pass_unchanged),
        CASE(test_reset_handler),
        CASE(test_order),
        CASE(test_exec),
        CASE(test_sigaction),
        CASE(test_sigpending),
        CASE(test_sigsuspend),
        CASE(test_a_taken_signal_interrupts_nobody),
        CASE(test_sigtimedwait),
        CASE(test_signalfd),
        CASE(test_may_signal),
        CASE(test_kill_errors),
        CASE(test_siginfo_of_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
