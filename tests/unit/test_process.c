// rooms: kernel stubs vfs policy
/* Processes from birth to the wait for them, who they are, and what they may: tables of what Linux answers. */
#include "tests/unit/fake_machine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MINUS_ONE UINT64_C(0xffffffff)
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static void leave_queue(struct fake_machine *f)
{
    while (sched_pick(f->world) != NULL)
        ;
}

/* A child by fork(2). */
static struct task *child_of(struct task *parent, uint64_t flags)
{
    struct fake_machine *f = fake_of(parent);
    int64_t pid = fake_call_as(parent, SYS_clone, (const uint64_t[6]){flags});
    assert_true(pid > 0);
    struct task *t = task_find(f->world, (int32_t)pid);
    assert_non_null(t);
    leave_queue(f);
    return t;
}

static void ends(struct task *t, int status)
{
    task_exited(t, status);
}

/* ---- clone ------------------------------------------------------------------------------------------------------- */

static void test_clone_flags(void **state)
{
    static const struct {
        uint64_t flags;
        int64_t error; /* 0: a child */
    } cases[] = {
        {SIGCHLD, 0},
        {0, 0},
        {SIGUSR1, 0},
        {200, 0}, /* no such signal: a silent child */
        {CLONE_VM | SIGCHLD, 0},
        {CLONE_FILES | CLONE_FS | SIGCHLD, 0},
        {CLONE_VM | CLONE_SIGHAND | SIGCHLD, 0},
        {THREAD_FLAGS, 0},
        {CLONE_PARENT | SIGCHLD, 0},
        {CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD, 0},
        {CLONE_SIGHAND, -EINVAL},
        {CLONE_THREAD, -EINVAL},
        {CLONE_THREAD | CLONE_VM, -EINVAL},
        {CLONE_THREAD | CLONE_SIGHAND, -EINVAL},
        {CLONE_NEWNS | CLONE_FS, -EINVAL},
        {CLONE_NEWUSER | CLONE_FS, -EINVAL},
        {CLONE_NEWUSER | THREAD_FLAGS, -EINVAL},
        {CLONE_NEWPID | THREAD_FLAGS, -EINVAL},
        {CLONE_NEWUSER | SIGCHLD, -EPERM},
        {CLONE_NEWNS | SIGCHLD, -EPERM},
        {CLONE_NEWPID | SIGCHLD, -EPERM},
        {CLONE_NEWNET | SIGCHLD, -EPERM},
        {CLONE_NEWUTS | SIGCHLD, -EPERM},
        {CLONE_NEWIPC | SIGCHLD, -EPERM},
        {CLONE_NEWCGROUP | SIGCHLD, -EPERM},
        {CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, -EINVAL},
        {CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, -EINVAL},
        {CLONE_PIDFD | THREAD_FLAGS, -EINVAL},
        {CLONE_PIDFD | SIGCHLD, -EFAULT}, /* nowhere to write it */
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t before = f->world->task_count;
        int64_t got = fake_call(f, SYS_clone, cases[i].flags);
        if ((got < 0 ? got : 0) != cases[i].error)
            print_error("flags %#lx: %ld\n", (unsigned long)cases[i].flags, (long)got);
        assert_int_equal(got < 0 ? got : 0, cases[i].error);
        assert_int_equal(f->world->task_count, before + (cases[i].error == 0));
    }
}

static void test_what_is_shared(void **state)
{
    struct fake_machine *f = *state;
    struct task *own = child_of(f->task, SIGCHLD);
    assert_ptr_not_equal(own->mm, f->task->mm);
    assert_ptr_not_equal(own->fds, f->task->fds);
    assert_ptr_not_equal(own->fs, f->task->fs);
    assert_ptr_not_equal(own->process->handlers, f->process->handlers);
    assert_int_equal(own->tid, own->process->pid);
    assert_ptr_equal(own->process->parent, f->process);
    struct task *thread = child_of(f->task, THREAD_FLAGS);
    assert_ptr_equal(thread->mm, f->task->mm);
    assert_ptr_equal(thread->fds, f->task->fds);
    assert_ptr_equal(thread->fs, f->task->fs);
    assert_ptr_equal(thread->process, f->process);
    assert_int_not_equal(thread->tid, f->task->tid);
    struct task *sibling = child_of(own, CLONE_PARENT | CLONE_VM | CLONE_SIGHAND | SIGCHLD);
    assert_ptr_equal(sibling->process->parent, f->process);
    assert_ptr_equal(sibling->mm, own->mm);
    assert_ptr_equal(sibling->process->handlers, own->process->handlers);
}

static void test_clone_writes_tids(void **state)
{
    struct fake_machine *f = *state;
    int32_t *tids = fake_bytes(f, 0);
    tids[0] = tids[1] = 0;
    int64_t tid =
        fake_call(f, SYS_clone, THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, 0,
                  fake_at(0), fake_at(4));
    assert_true(tid > 0);
    assert_int_equal(tids[0], tid);
    assert_int_equal(tids[1], tid);
    struct task *t = task_find(f->world, (int32_t)tid);
    assert_int_equal(t->clear_child_tid, fake_at(4));
    /* At its end the word is cleared: pthread_join(3) waits for that. */
    assert_int_equal(fake_call_as(t, SYS_exit, (const uint64_t[6]){0}), CALL_GONE);
    assert_int_equal(tids[1], 0);
    assert_true(f->exiting && !f->exiting_group);
    /* A pointer to nowhere does not keep the thread from living. */
    assert_true(fake_call(f, SYS_clone, THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, 8, 8) > 0);
}

static void test_machine_refuses(void **state)
{
    struct fake_machine *f = *state;
    f->clone_error = -EAGAIN;
    uint32_t tasks = f->world->task_count, processes = f->world->process_count, open = fdtable_count(f->task->fds);
    assert_int_equal(fake_call(f, SYS_fork, 0), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_clone, THREAD_FLAGS), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_clone, CLONE_PIDFD | SIGCHLD, 0, fake_at(0)), -EAGAIN);
    assert_int_equal(f->world->task_count, tasks);
    assert_int_equal(f->world->process_count, processes);
    assert_int_equal(fdtable_count(f->task->fds), open);
    assert_null(sched_pick(f->world));
}

static void test_vfork_waits(void **state)
{
    struct fake_machine *f = *state;
    for (int executes = 0; executes < 2; executes++) {
        assert_int_equal(fake_call(f, SYS_vfork, 0), CALL_BLOCK);
        struct task *child = sched_pick(f->world);
        assert_non_null(child);
        assert_ptr_equal(child->mm, f->task->mm);
        fake_signal(f, SIGUSR1); /* a handler waits: it goes on waiting */
        if (f->task->state == TASK_READY)
            assert_int_equal(fake_again(f->task), CALL_BLOCK);
        int32_t pid = child->tid;
        if (executes)
            process_exec_done(child);
        else
            ends(child, 0);
        assert_int_equal(fake_again(f->task), pid);
        leave_queue(f);
    }
}

static void test_process_limits(void **state)
{
    struct fake_machine *f = *state;
    f->loaded->limits.processes = 3;
    f->process->limits[RLIMIT_NPROC].rlim_cur = 2;
    assert_true(fake_call(f, SYS_fork, 0) > 0);
    assert_int_equal(fake_call(f, SYS_fork, 0), -EAGAIN); /* the guest's own limit */
    assert_int_equal(fake_call(f, SYS_clone, THREAD_FLAGS), -EAGAIN);
    assert_false(f->world->ending);
    f->task->cred.capabilities = UINT64_C(1) << CAP_SYS_RESOURCE;
    assert_true(fake_call(f, SYS_clone, THREAD_FLAGS) > 0);
    assert_true(fake_call(f, SYS_fork, 0) > 0);
    assert_false(f->world->ending);
    assert_int_equal(fake_call(f, SYS_fork, 0), -EAGAIN); /* the policy's: a verdict */
    assert_true(f->world->ending);
    assert_int_equal(f->world->verdict, VERDICT_PROCESSES);
}

static void test_threads_are_bounded(void **state)
{
    struct fake_machine *f = *state;
    f->loaded->limits.processes = 2;
    int64_t got = 0;
    int threads = 0;
    while (threads < 20000 && (got = fake_call(f, SYS_clone, THREAD_FLAGS)) > 0)
        threads++;
    assert_int_equal(got, -EAGAIN);
    assert_in_range(threads, 500, 2000);
    assert_false(f->world->ending);
}

static void test_unshare(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_NEWUSER), -EPERM);
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_NEWNS | CLONE_FS), -EPERM);
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_VFORK), -EINVAL);
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_THREAD), 0);
    struct task *thread = child_of(f->task, THREAD_FLAGS);
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_THREAD), -EINVAL);
    assert_int_equal(fake_call(f, SYS_unshare, CLONE_FILES | CLONE_FS), 0);
    assert_ptr_not_equal(thread->fds, f->task->fds);
    assert_ptr_not_equal(thread->fs, f->task->fs);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static int64_t wait_any(struct fake_machine *f, int options)
{
    return fake_call(f, SYS_wait4, (uint64_t)-1, fake_at(0), (uint64_t)options, 0);
}

static void test_wait_errors(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(wait_any(f, 0), -ECHILD);
    assert_int_equal(wait_any(f, WNOHANG), -ECHILD);
    assert_int_equal(wait_any(f, WNOWAIT), -EINVAL);
    assert_int_equal(wait_any(f, 1 << 20), -EINVAL);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)INT32_MIN, 0, 0), -ESRCH);
    static const struct {
        uint64_t type, id, options;
        int64_t error;
    } cases[] = {
        {P_ALL, 0, 0, -EINVAL},
        {P_ALL, 0, WNOHANG, -EINVAL},
        {P_ALL, 0, WEXITED | 1 << 20, -EINVAL},
        {P_PID, 0, WEXITED, -EINVAL},
        {P_PID, (uint64_t)-5, WEXITED, -EINVAL},
        {P_PGID, (uint64_t)-5, WEXITED, -EINVAL},
        {P_PGID, 0, WEXITED, -ECHILD},
        {7, 0, WEXITED, -EINVAL},
        {P_PIDFD, 99, WEXITED, -EBADF},
        {P_PIDFD, (uint64_t)-1, WEXITED, -EINVAL},
        {P_PID, 12345, WEXITED, -ECHILD},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(fake_call(f, SYS_waitid, cases[i].type, cases[i].id, 0, cases[i].options, 0), cases[i].error);
}

static void test_wait_blocks_until_a_child_ends(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD);
    int32_t pid = child->tid;
    assert_int_equal(wait_any(f, WNOHANG), 0);
    assert_int_equal(wait_any(f, 0), CALL_BLOCK);
    ends(child, 3 << 8);
    assert_non_null(process_find(f->world, pid)); /* a zombie */
    assert_int_equal(fake_again(f->task), pid);
    assert_int_equal(*(int32_t *)fake_bytes(f, 0), 3 << 8);
    assert_null(process_find(f->world, pid));
    assert_int_equal(wait_any(f, 0), -ECHILD);
}

/* A child that ends by each status, seen by waitid: code and status. */
static void test_waitid_tells(void **state)
{
    static const struct {
        int word, code, status;
    } cases[] = {{0, CLD_EXITED, 0},
                 {7 << 8, CLD_EXITED, 7},
                 {SIGKILL, CLD_KILLED, SIGKILL},
                 {SIGSEGV | 0x80, CLD_DUMPED, SIGSEGV}};
    struct fake_machine *f = *state;
    siginfo_t *info = fake_bytes(f, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct task *child = child_of(f->task, SIGCHLD);
        int32_t pid = child->tid;
        memset(info, 0xff, sizeof *info);
        assert_int_equal(fake_call(f, SYS_waitid, P_PID, (uint64_t)pid, fake_at(0), WEXITED | WNOHANG), 0);
        assert_int_equal(info->si_signo, 0);
        assert_int_equal(info->si_pid, 0);
        ends(child, cases[i].word);
        for (int keep = 1; keep >= 0; keep--) { /* WNOWAIT leaves it there */
            uint64_t options = WEXITED | (keep ? WNOWAIT : 0);
            assert_int_equal(fake_call(f, SYS_waitid, P_PID, (uint64_t)pid, fake_at(0), options), 0);
            assert_int_equal(info->si_signo, SIGCHLD);
            assert_int_equal(info->si_errno, 0);
            assert_int_equal(info->si_code, cases[i].code);
            assert_int_equal(info->si_pid, pid);
            assert_int_equal(info->si_uid, 1000);
            assert_int_equal(info->si_status, cases[i].status);
        }
        assert_null(process_find(f->world, pid));
    }
}

static void test_stopped_and_continued(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD);
    int32_t pid = child->tid, *word = fake_bytes(f, 0);
    process_stop(child->process, SIGTSTP);
    assert_int_equal(wait_any(f, WNOHANG), 0); /* not asked for */
    assert_int_equal(wait_any(f, WNOHANG | WUNTRACED), pid);
    assert_true(WIFSTOPPED(*word) && WSTOPSIG(*word) == SIGTSTP);
    assert_int_equal(wait_any(f, WNOHANG | WUNTRACED), 0); /* told once */
    process_continue(child->process);
    assert_int_equal(wait_any(f, WNOHANG | WUNTRACED), 0);
    assert_int_equal(wait_any(f, WNOHANG | WCONTINUED), pid);
    assert_true(WIFCONTINUED(*word));
    assert_int_equal(wait_any(f, WNOHANG | WCONTINUED), 0);
    process_stop(child->process, SIGSTOP);
    for (int i = 0; i < 2; i++) { /* WNOWAIT does not take it */
        assert_int_equal(fake_call(f, SYS_waitid, P_ALL, 0, fake_at(0), WSTOPPED | WNOWAIT), 0);
        assert_int_equal(((siginfo_t *)fake_bytes(f, 0))->si_code, CLD_STOPPED);
    }
    assert_int_equal(wait_any(f, WNOHANG | WUNTRACED), pid);
}

static void test_wait_for_whom(void **state)
{
    struct fake_machine *f = *state;
    struct task *a = child_of(f->task, SIGCHLD), *b = child_of(f->task, SIGCHLD), *quiet = child_of(f->task, 0);
    int32_t pid_a = a->tid, pid_b = b->tid, pid_quiet = quiet->tid;
    b->process->pgid = pid_b;
    ends(a, 0);
    ends(b, 0);
    ends(quiet, 0);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)(int64_t)-pid_b, 0, WNOHANG), pid_b);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)pid_b, 0, WNOHANG), -ECHILD);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)pid_quiet, 0, WNOHANG), -ECHILD);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)pid_a, 0, WNOHANG | (uint32_t)__WCLONE), -ECHILD);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)pid_quiet, 0, WNOHANG | (uint32_t)__WCLONE), pid_quiet);
    assert_int_equal(fake_call(f, SYS_wait4, 0, 0, WNOHANG | __WALL), pid_a); /* of the caller's group */
    assert_int_equal(fake_call(f, SYS_wait4, 0, 0, WNOHANG | __WALL), -ECHILD);
}

static void test_wait_is_interrupted(void **state)
{
    struct fake_machine *f = *state;
    child_of(f->task, SIGCHLD);
    assert_int_equal(wait_any(f, 0), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_SYS);
}

/* Linux reaps first and writes then. */
static void test_bad_pointer_reaps(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD);
    int32_t pid = child->tid;
    ends(child, 0);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)-1, 8, 0), -EFAULT);
    assert_null(process_find(f->world, pid));
}

static void test_ignored_children(void **state)
{
    struct fake_machine *f = *state;
    f->process->handlers->action[SIGCHLD].handler = 1;
    struct task *child = child_of(f->task, SIGCHLD);
    int32_t pid = child->tid;
    assert_int_equal(wait_any(f, 0), CALL_BLOCK);
    ends(child, 0);
    assert_null(process_find(f->world, pid)); /* no zombie */
    assert_int_equal(fake_again(f->task), -ECHILD);
}

static void test_orphans(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD), *grandchild = child_of(child, SIGCHLD);
    int32_t grandpid = grandchild->tid;
    assert_int_equal(fake_call_as(grandchild, SYS_getppid, (const uint64_t[6]){0}), child->tid);
    ends(child, 0);
    assert_int_equal(fake_call_as(grandchild, SYS_getppid, (const uint64_t[6]){0}), 1);
    ends(grandchild, 0);
    assert_null(process_find(f->world, grandpid)); /* the reaper waits at once */

    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1), 0);
    child = child_of(f->task, SIGCHLD);
    grandchild = child_of(child, SIGCHLD);
    grandpid = grandchild->tid;
    ends(child, 0);
    assert_int_equal(fake_call_as(grandchild, SYS_getppid, (const uint64_t[6]){0}), f->process->pid);
    ends(grandchild, 5 << 8);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)grandpid, fake_at(0), 0), grandpid);
}

static void test_pidfd(void **state)
{
    struct fake_machine *f = *state;
    int64_t pid = fake_call(f, SYS_clone, CLONE_PIDFD | SIGCHLD, 0, fake_at(0));
    int32_t fd = *(int32_t *)fake_bytes(f, 0);
    assert_true(pid > 0);
    struct file *file = fdtable_file(f->task->fds, fd);
    assert_non_null(file);
    assert_true(fdtable_cloexec(f->task->fds, fd));
    assert_int_equal(file_poll(file, NULL), 0);
    struct task *child = task_find(f->world, (int32_t)pid);
    assert_null(fdtable_file(child->fds, fd)); /* the parent's alone */
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED), CALL_BLOCK);
    ends(child, 0);
    assert_true((file_poll(file, NULL) & POLLIN) != 0);
    assert_int_equal(fake_again(f->task), 0);
    assert_true((file_poll(file, NULL) & POLLIN) != 0); /* still, though it is gone */
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED), -ECHILD);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)pid, 0), -ESRCH);
    assert_int_equal(fake_call(f, SYS_pidfd_open, 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)f->process->pid, 1), -EINVAL);
    struct task *thread = child_of(f->task, THREAD_FLAGS);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)thread->tid, 0), -EINVAL);
    /* A non-blocking one says EAGAIN where WNOHANG would say 0. */
    pid = fake_call(f, SYS_fork, 0);
    fd = (int32_t)fake_call(f, SYS_pidfd_open, (uint64_t)pid, O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED | WNOHANG), 0);
}

/* ---- groups and sessions -------------------------------------------------------------------------------------------
 */

static void test_setpgid(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD), *other = child_of(f->task, SIGCHLD);
    struct task *grandchild = child_of(child, SIGCHLD), *thread = child_of(f->task, THREAD_FLAGS);
    uint64_t pid = (uint64_t)child->tid;
    assert_int_equal(fake_call(f, SYS_setpgid, 0, 0), -EPERM); /* it leads a session */
    assert_int_equal(fake_call(f, SYS_setpgid, pid, (uint64_t)-1), -EINVAL);
    assert_int_equal(fake_call(f, SYS_setpgid, 31000, 0), -ESRCH);
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)grandchild->tid, 0), -ESRCH); /* no child of the caller's */
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)thread->tid, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_setpgid, pid, 31000), -EPERM); /* no such group */
    assert_int_equal(fake_call(f, SYS_setpgid, pid, 0), 0);
    assert_int_equal(fake_call(f, SYS_getpgid, pid), pid);
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)other->tid, pid), 0); /* joins it */
    other->process->executed = true;
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)other->tid, 0), -EACCES);
    assert_int_equal(fake_call_as(other, SYS_setpgid, (const uint64_t[6]){0, 0}), 0); /* itself it may */
    assert_int_equal(fake_call_as(grandchild, SYS_setsid, (const uint64_t[6]){0}), grandchild->tid);
    assert_int_equal(fake_call_as(child, SYS_setpgid, (const uint64_t[6]){(uint64_t)grandchild->tid, 0}), -EPERM);
    assert_int_equal(fake_call(f, SYS_setpgid, pid, (uint64_t)grandchild->tid), -EPERM); /* another session's */
}

static void test_setsid(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = child_of(f->task, SIGCHLD), *member = child_of(child, SIGCHLD);
    uint64_t pid = (uint64_t)child->tid;
    assert_int_equal(fake_call(f, SYS_setsid, 0), -EPERM);
    assert_int_equal(fake_call(f, SYS_getsid, pid), f->process->sid);
    assert_int_equal(fake_call(f, SYS_getsid, 31000), -ESRCH);
    assert_int_equal(fake_call_as(child, SYS_setpgid, (const uint64_t[6]){0, 0}), 0);
    assert_int_equal(fake_call_as(child, SYS_setsid, (const uint64_t[6]){0}), -EPERM); /* a group's leader */
    assert_int_equal(fake_call_as(member, SYS_setsid, (const uint64_t[6]){0}), member->tid);
    assert_int_equal(fake_call(f, SYS_getsid, (uint64_t)member->tid), member->tid);
    assert_int_equal(fake_call(f, SYS_getpgid, (uint64_t)member->tid), member->tid);
    /* Also a group whose only members are others, and zombies. */
    struct task *leader = child_of(f->task, SIGCHLD), *follower = child_of(f->task, SIGCHLD);
    uint64_t number = (uint64_t)leader->tid;
    assert_int_equal(fake_call(f, SYS_setpgid, number, number), 0);
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)follower->tid, number), 0);
    assert_int_equal(fake_call(f, SYS_setpgid, number, (uint64_t)f->process->pid), 0);
    assert_int_equal(fake_call_as(leader, SYS_setsid, (const uint64_t[6]){0}), -EPERM);
}

/* ---- credentials ---------------------------------------------------------------------------------------------------
 */

#define KEEP MINUS_ONE

static void test_set_user_ids(void **state)
{
    /* Real, effective, saved before; the call; its answer; real, effective, saved after. */
    static const struct {
        uint32_t before[3];
        long nr;
        uint64_t arg[3];
        int64_t answer;
        uint32_t after[3];
    } cases[] = {
        {{1000, 1000, 1000}, SYS_setuid, {1000}, 0, {1000, 1000, 1000}},
        {{1000, 1000, 1000}, SYS_setuid, {0}, -EPERM, {1000, 1000, 1000}},
        {{1000, 1000, 1000}, SYS_setuid, {KEEP}, -EINVAL, {1000, 1000, 1000}},
        {{1000, 1001, 1002}, SYS_setuid, {1002}, 0, {1000, 1002, 1002}},
        {{1000, 1001, 1002}, SYS_setuid, {1001}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setuid, {33}, 0, {33, 33, 33}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 1002}, 0, {1000, 1002, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {1001, 1000}, 0, {1001, 1000, 1000}},
        {{1000, 1001, 1002}, SYS_setreuid, {1002, KEEP}, -EPERM, {1000, 1001, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 1000}, 0, {1000, 1000, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 5}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setreuid, {7, KEEP}, 0, {7, 0, 0}},
        {{1000, 1001, 1002}, SYS_setresuid, {1002, 1000, 1001}, 0, {1002, 1000, 1001}},
        {{1000, 1001, 1002}, SYS_setresuid, {KEEP, KEEP, KEEP}, 0, {1000, 1001, 1002}},
        {{1000, 1001, 1002}, SYS_setresuid, {KEEP, KEEP, 0}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setresuid, {1, 2, 3}, 0, {1, 2, 3}},
    };
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint32_t *b = cases[i].before, *a = cases[i].after;
        *c = (struct cred){.uid = b[0], .euid = b[1], .suid = b[2], .fsuid = b[1]};
        if (b[1] == 0)
            c->capabilities = c->permitted = UINT64_MAX >> 23;
        assert_int_equal(fake_call_as(f->task, (uint64_t)cases[i].nr,
                                      (const uint64_t[6]){cases[i].arg[0], cases[i].arg[1], cases[i].arg[2]}),
                         cases[i].answer);
        if (c->uid != a[0] || c->euid != a[1] || c->suid != a[2])
            print_error("case %zu: %u %u %u\n", i, c->uid, c->euid, c->suid);
        assert_true(c->uid == a[0] && c->euid == a[1] && c->suid == a[2]);
        assert_int_equal(c->fsuid, c->euid);
    }
}

static void test_set_group_ids(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    *c = (struct cred){.gid = 10, .egid = 11, .sgid = 12, .fsgid = 11, .uid = 1000, .euid = 1000, .suid = 1000};
    assert_int_equal(fake_call(f, SYS_setgid, 11), -EPERM);
    assert_int_equal(fake_call(f, SYS_setgid, 12), 0);
    assert_true(c->gid == 10 && c->egid == 12 && c->sgid == 12 && c->fsgid == 12);
    assert_int_equal(fake_call(f, SYS_setresgid, 12, 10, KEEP), 0);
    assert_true(c->gid == 12 && c->egid == 10 && c->sgid == 12);
    assert_int_equal(fake_call(f, SYS_setregid, 11, KEEP), -EPERM);
    assert_int_equal(fake_call(f, SYS_setregid, 10, KEEP), 0);
    assert_true(c->gid == 10 && c->egid == 10 && c->sgid == 10);
    /* The old one is what setfsgid(2) returns, whether or not it changed. */
    assert_int_equal(fake_call(f, SYS_setfsgid, 99), 10);
    assert_int_equal(c->fsgid, 10);
    c->capabilities = UINT64_C(1) << CAP_SETGID;
    assert_int_equal(fake_call(f, SYS_setfsgid, 99), 10);
    assert_int_equal(fake_call(f, SYS_setfsgid, KEEP), 99);
}

static void test_groups(void **state)
{
    struct fake_machine *f = *state;
    uint32_t *list = fake_bytes(f, 0);
    for (int i = 0; i < 40; i++)
        list[i] = 100 - (uint32_t)i;
    assert_int_equal(fake_call(f, SYS_setgroups, 3, fake_at(0)), -EPERM);
    assert_int_equal(fake_call(f, SYS_getgroups, 0, 0), 0);
    f->task->cred.capabilities = UINT64_C(1) << CAP_SETGID;
    assert_int_equal(fake_call(f, SYS_setgroups, 3, fake_at(0)), 0);
    assert_int_equal(fake_call(f, SYS_setgroups, 33, fake_at(0)), -ENOMEM);
    assert_int_equal(fake_call(f, SYS_setgroups, 70000, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_setgroups, 2, 8), -EFAULT);
    assert_int_equal(fake_call(f, SYS_getgroups, 0, 0), 3);
    assert_int_equal(fake_call(f, SYS_getgroups, 2, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getgroups, (uint64_t)-1, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getgroups, 10, fake_at(256)), 3);
    uint32_t *got = fake_bytes(f, 256);
    assert_true(got[0] == 98 && got[1] == 99 && got[2] == 100);
}

/* capabilities(7), "Effect of user ID changes on capabilities". */
static void test_capabilities_follow_ids(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    const uint64_t all = UINT64_MAX >> 23;
    const struct cred root = {.capabilities = all, .permitted = all, .bounding = all};
    *c = root;
    assert_int_equal(fake_call(f, SYS_setresuid, KEEP, 1000, KEEP), 0); /* effective only */
    assert_true(c->capabilities == 0 && c->permitted == all);
    assert_int_equal(fake_call(f, SYS_setresuid, KEEP, 0, KEEP), 0);
    assert_true(c->capabilities == all);
    assert_int_equal(fake_call(f, SYS_setresuid, 1000, 1000, 1000), 0);
    assert_true(c->capabilities == 0 && c->permitted == 0);
    assert_int_equal(fake_call(f, SYS_setuid, 0), -EPERM);
    *c = root;
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_KEEPCAPS, 1), 0);
    assert_int_equal(fake_call(f, SYS_setresuid, 1000, 1000, 1000), 0);
    assert_true(c->capabilities == 0 && c->permitted == all);
    *c = root;
    assert_int_equal(fake_call(f, SYS_setfsuid, 1000), 0);
    assert_int_equal(c->capabilities >> CAP_DAC_OVERRIDE & 1, 0);
    assert_int_equal(c->capabilities >> CAP_SETUID & 1, 1);
    assert_int_equal(fake_call(f, SYS_setfsuid, 0), 1000);
    assert_true(c->capabilities == all);
}

static void test_capset(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    uint32_t *header = fake_bytes(f, 0), *data = fake_bytes(f, 64);
    c->permitted = c->capabilities = 7;
    header[0] = 0x1234;
    header[1] = 0;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), 0), 0); /* a question for the version */
    assert_int_equal(header[0], _LINUX_CAPABILITY_VERSION_3);
    header[0] = 0x1234;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), 0);
    assert_true(data[0] == 7 && data[1] == 7 && data[2] == 0);
    header[1] = 31000;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_capset, fake_at(0), fake_at(64)), -EPERM);
    header[1] = 0;
    static const struct {
        uint32_t effective, permitted, inheritable;
        int64_t answer;
    } cases[] = {{7, 7, 0, 0}, {15, 7, 0, -EPERM}, {7, 15, 0, -EPERM}, {3, 7, 7, -EPERM /* not in the bounding set */},
                 {1, 3, 0, 0}, {3, 3, 0, 0},       {4, 3, 0, -EPERM}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(data, 0, 24);
        data[0] = cases[i].effective;
        data[1] = cases[i].permitted;
        data[2] = cases[i].inheritable;
        assert_int_equal(fake_call(f, SYS_capset, fake_at(0), fake_at(64)), cases[i].answer);
    }
    assert_true(c->capabilities == 3 && c->permitted == 3);
}

/* ---- limits --------------------------------------------------------------------------------------------------------
 */

static int64_t limit(struct fake_machine *f, int32_t pid, uint64_t resource, uint64_t cur, uint64_t max)
{
    struct rlimit64 *l = fake_bytes(f, 0);
    *l = (struct rlimit64){cur, max};
    return fake_call(f, SYS_prlimit64, (uint64_t)pid, resource, fake_at(0), fake_at(32));
}

static void test_limits(void **state)
{
    struct fake_machine *f = *state;
    struct rlimit64 *old = fake_bytes(f, 32);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 2, 1), -EINVAL);
    assert_int_equal(limit(f, 0, RLIM_NLIMITS, 1, 2), -EINVAL);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 1 << 20, 1 << 30), 0);
    assert_int_equal(old->rlim_cur, RLIM64_INFINITY);
    assert_true(f->limited == RLIMIT_AS && f->limit.rlim_cur == 1 << 20);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 1 << 20, RLIM64_INFINITY), -EPERM); /* never up again */
    assert_int_equal(limit(f, 0, RLIMIT_NOFILE, 8, 8), 0);
    assert_int_equal(fake_call(f, SYS_prlimit64, 31000, RLIMIT_AS, 0, fake_at(0)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_prlimit64, 0, RLIMIT_AS, 8, 0), -EFAULT);
    struct task *child = child_of(f->task, SIGCHLD);
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 5, 9), 0);
    assert_int_equal(child->process->limits[RLIMIT_FSIZE].rlim_cur, 5);
    child->cred.suid = 0;
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 5, 9), -EPERM);
    f->task->cred.capabilities = UINT64_MAX;
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 50, 90), 0);
    assert_int_equal(limit(f, 0, RLIMIT_NOFILE, 1 << 20, 1 << 20), -EPERM); /* fs.nr_open */
    for (int i = 0; i < 8; i++)
        assert_true(fake_call(f, SYS_pidfd_open, (uint64_t)f->process->pid, 0) >= 0);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)f->process->pid, 0), -EMFILE);
}

/* ---- prctl, scheduling ---------------------------------------------------------------------------------------------
 */

static void test_prctl(void **state)
{
    static const struct {
        uint64_t arg[5];
        int64_t answer;
    } cases[] = {
        {{PR_SET_PDEATHSIG, SIGTERM}, 0},
        {{PR_SET_PDEATHSIG, 65}, -EINVAL},
        {{PR_GET_DUMPABLE}, 1},
        {{PR_SET_DUMPABLE, 2}, -EINVAL},
        {{PR_SET_DUMPABLE, 0}, 0},
        {{PR_GET_DUMPABLE}, 0},
        {{PR_GET_NO_NEW_PRIVS}, 0},
        {{PR_SET_NO_NEW_PRIVS, 0}, -EINVAL},
        {{PR_SET_NO_NEW_PRIVS, 1, 1}, -EINVAL},
        {{PR_SET_NO_NEW_PRIVS, 1}, 0},
        {{PR_GET_NO_NEW_PRIVS}, 1},
        {{PR_SET_SECCOMP, 2, FAKE_BASE}, -EINVAL},
        {{PR_SET_TSC, PR_TSC_SIGSEGV}, -EINVAL},
        {{PR_SET_MM, PR_SET_MM_BRK, 1}, -EPERM},
        {{PR_SET_PTRACER, 1}, -EINVAL},
        {{PR_SET_SYSCALL_USER_DISPATCH, 1}, -EINVAL},
        {{PR_CAPBSET_READ, 0}, 0},
        {{PR_CAPBSET_READ, 64}, -EINVAL},
        {{PR_CAPBSET_DROP, 0}, -EPERM},
        {{PR_SET_SECUREBITS, SECBIT_NOROOT}, -EPERM},
        {{PR_SET_KEEPCAPS, 2}, -EINVAL},
        {{PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1}, -EPERM},
        {{PR_GET_TIMERSLACK}, 50000},
        {{PR_SET_TIMERSLACK, 1}, 0},
        {{PR_GET_TIMERSLACK}, 1},
        {{PR_SET_THP_DISABLE, 1}, CALL_NATIVE},
        {{PR_SET_NAME, 8}, -EFAULT},
        {{12345}, -EINVAL},
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint64_t *a = cases[i].arg;
        int64_t got = fake_call(f, SYS_prctl, a[0], a[1], a[2], a[3], a[4]);
        if (got != cases[i].answer)
            print_error("prctl %d %ld: %ld\n", (int)a[0], (long)a[1], (long)got);
        assert_int_equal(got, cases[i].answer);
    }
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_NAME, fake_string(f, 0, "a name that is too long")), 0);
    assert_int_equal(fake_call(f, SYS_prctl, PR_GET_NAME, fake_at(64)), 0);
    assert_string_equal(fake_bytes(f, 64), "a name that is ");
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_NAME, fake_string(f, 0, "short")), 0);
    assert_string_equal(f->task->comm, "short");
}

static void test_scheduling(void **state)
{
    struct fake_machine *f = *state;
    int32_t *parameter = fake_bytes(f, 0);
    *parameter = 0;
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_BATCH, fake_at(0)), 0);
    assert_int_equal(fake_call(f, SYS_sched_getscheduler, 0), SCHED_BATCH);
    *parameter = 5;
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_BATCH, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_FIFO, fake_at(0)), -EPERM);
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 31000, SCHED_FIFO, fake_at(0)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_sched_getaffinity, 0, 4, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_getaffinity, 0, 128, fake_at(0)), 8);
    assert_int_equal(*(uint64_t *)fake_bytes(f, 0), 1);
    assert_int_equal(fake_call(f, SYS_sched_setaffinity, 0, 8, fake_at(0)), 0);
    *(uint64_t *)fake_bytes(f, 0) = 2;
    assert_int_equal(fake_call(f, SYS_sched_setaffinity, 0, 8, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getpriority, PRIO_PROCESS, 0), 20);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 0, 5), 0);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 0, 4), -EACCES);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 31000, 4), -ESRCH);
    assert_int_equal(fake_call(f, SYS_getpriority, PRIO_PGRP, 0), 15);
    assert_int_equal(fake_call(f, SYS_getpriority, 3, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_getscheduler, 1), SCHED_OTHER); /* the reaper: to look at only */
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 1, SCHED_OTHER, fake_at(4096)), -EPERM);
    /* A yield returns after the others ran. */
    assert_int_equal(fake_call(f, SYS_sched_yield, 0), 0);
    int64_t pid = fake_call(f, SYS_fork, 0);
    assert_int_equal(fake_call(f, SYS_sched_yield, 0), CALL_BLOCK);
    assert_int_equal(sched_pick(f->world)->tid, pid);
    assert_ptr_equal(sched_pick(f->world), f->task);
    assert_int_equal(fake_again(f->task), 0);
}

static void test_getrandom(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10, 8), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10, 2 | 4), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 0, 0), 0);
    assert_int_equal(fake_call(f, SYS_getrandom, 8, 10, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10000, 0), 10000);
    unsigned writes = f->writes;
    fake_unmap(f, 20);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), UINT64_MAX, 1), 20 * FAKE_PAGE);
    assert_in_range(f->writes - writes, 1, 22);
}

/* What is mapped with its pages counts as touched: no more than so much of a process, whoever its parents were. */
static void test_populating_has_an_end(void **state)
{
    struct fake_machine *f = *state;
    uint64_t sum = 0;
    assert_int_equal(mm_populate(f->task->mm, UINT64_C(1) << 30), 0);
    assert_int_equal(mm_populate(f->task->mm, UINT64_MAX), 0);
    while (mm_populate(f->task->mm, MM_ARENA) == MAP_POPULATE && sum < UINT64_C(1) << 30)
        sum += MM_ARENA;
    assert_int_equal(sum, 8 << 20);
    assert_int_equal(mm_populate(child_of(f->task, SIGCHLD)->mm, MM_ARENA), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_clone_flags),
        TEST(test_what_is_shared),
        TEST(test_clone_writes_tids),
        TEST(test_machine_refuses),
        TEST(test_vfork_waits),
        TEST(test_process_limits),
        TEST(test_threads_are_bounded),
        TEST(test_unshare),
        TEST(test_wait_errors),
        TEST(test_wait_blocks_until_a_child_ends),
        TEST(test_waitid_tells),
        TEST(test_stopped_and_continued),
        TEST(test_wait_for_whom),
        TEST(test_wait_is_interrupted),
        TEST(test_bad_pointer_reaps),
        TEST(test_ignored_children),
        TEST(test_orphans),
        TEST(test_pidfd),
        TEST(test_setpgid),
        TEST(test_setsid),
        TEST(test_set_user_ids),
        TEST(test_set_group_ids),
        TEST(test_groups),
        TEST(test_capabilities_follow_ids),
        TEST(test_capset),
        TEST(test_limits),
        TEST(test_prctl),
        TEST(test_scheduling),
        TEST(test_getrandom),
        TEST(test_populating_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
