// rooms: kernel stubs vfs policy
/* Processes from birth to the wait for them: tables of what Linux answers. */
#include "tests/unit/fake_machine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

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
    struct task *own = fake_child_of(f->task, SIGCHLD);
    assert_ptr_not_equal(own->mm, f->task->mm);
    assert_ptr_not_equal(own->fds, f->task->fds);
    assert_ptr_not_equal(own->fs, f->task->fs);
    assert_ptr_not_equal(own->process->handlers, f->process->handlers);
    assert_int_equal(own->tid, own->process->pid);
    assert_ptr_equal(own->process->parent, f->process);
    struct task *thread = fake_child_of(f->task, THREAD_FLAGS);
    assert_ptr_equal(thread->mm, f->task->mm);
    assert_ptr_equal(thread->fds, f->task->fds);
    assert_ptr_equal(thread->fs, f->task->fs);
    assert_ptr_equal(thread->process, f->process);
    assert_int_not_equal(thread->tid, f->task->tid);
    struct task *sibling = fake_child_of(own, CLONE_PARENT | CLONE_VM | CLONE_SIGHAND | SIGCHLD);
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
        fake_leave_queue(f);
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
    struct task *thread = fake_child_of(f->task, THREAD_FLAGS);
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
    struct task *child = fake_child_of(f->task, SIGCHLD);
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
        struct task *child = fake_child_of(f->task, SIGCHLD);
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
    struct task *child = fake_child_of(f->task, SIGCHLD);
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
    struct task *a = fake_child_of(f->task, SIGCHLD), *b = fake_child_of(f->task, SIGCHLD),
                *quiet = fake_child_of(f->task, 0);
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
    fake_child_of(f->task, SIGCHLD);
    assert_int_equal(wait_any(f, 0), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_SYS);
}

/* Linux reaps first and writes then. */
static void test_bad_pointer_reaps(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = fake_child_of(f->task, SIGCHLD);
    int32_t pid = child->tid;
    ends(child, 0);
    assert_int_equal(fake_call(f, SYS_wait4, (uint64_t)-1, 8, 0), -EFAULT);
    assert_null(process_find(f->world, pid));
}

static void test_ignored_children(void **state)
{
    struct fake_machine *f = *state;
    f->process->handlers->action[SIGCHLD].handler = 1;
    struct task *child = fake_child_of(f->task, SIGCHLD);
    int32_t pid = child->tid;
    assert_int_equal(wait_any(f, 0), CALL_BLOCK);
    ends(child, 0);
    assert_null(process_find(f->world, pid)); /* no zombie */
    assert_int_equal(fake_again(f->task), -ECHILD);
}

static void test_orphans(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = fake_child_of(f->task, SIGCHLD), *grandchild = fake_child_of(child, SIGCHLD);
    int32_t grandpid = grandchild->tid;
    assert_int_equal(fake_call_as(grandchild, SYS_getppid, (const uint64_t[6]){0}), child->tid);
    ends(child, 0);
    assert_int_equal(fake_call_as(grandchild, SYS_getppid, (const uint64_t[6]){0}), 1);
    ends(grandchild, 0);
    assert_null(process_find(f->world, grandpid)); /* the reaper waits at once */

    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1), 0);
    child = fake_child_of(f->task, SIGCHLD);
    grandchild = fake_child_of(child, SIGCHLD);
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
    struct task *thread = fake_child_of(f->task, THREAD_FLAGS);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)thread->tid, 0), -EINVAL);
    /* A non-blocking one says EAGAIN where WNOHANG would say 0. */
    pid = fake_call(f, SYS_fork, 0);
    fd = (int32_t)fake_call(f, SYS_pidfd_open, (uint64_t)pid, O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_waitid, P_PIDFD, (uint64_t)fd, 0, WEXITED | WNOHANG), 0);
}

/* ---- groups and sessions ---- */

static void test_setpgid(void **state)
{
    struct fake_machine *f = *state;
    struct task *child = fake_child_of(f->task, SIGCHLD), *other = fake_child_of(f->task, SIGCHLD);
    struct task *grandchild = fake_child_of(child, SIGCHLD), *thread = fake_child_of(f->task, THREAD_FLAGS);
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
    struct task *child = fake_child_of(f->task, SIGCHLD), *member = fake_child_of(child, SIGCHLD);
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
    struct task *leader = fake_child_of(f->task, SIGCHLD), *follower = fake_child_of(f->task, SIGCHLD);
    uint64_t number = (uint64_t)leader->tid;
    assert_int_equal(fake_call(f, SYS_setpgid, number, number), 0);
    assert_int_equal(fake_call(f, SYS_setpgid, (uint64_t)follower->tid, number), 0);
    assert_int_equal(fake_call(f, SYS_setpgid, number, (uint64_t)f->process->pid), 0);
    assert_int_equal(fake_call_as(leader, SYS_setsid, (const uint64_t[6]){0}), -EPERM);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
