/* seccomp_unotify(2), and a wait for it that no signal can be too early for. */
#include "supervisor/notice.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Newer than Debian 12's linux/seccomp.h. */
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0) /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

enum { MESSAGE_ROOM = 256 }; /* the kernel's structs grow at their ends */

union question {
    struct seccomp_notif n;
    char room[MESSAGE_ROOM];
};

union answer {
    struct seccomp_notif_resp r;
    char room[MESSAGE_ROOM];
};

/* Both are set by handlers, and a signal arrives at a process: they belong to no world. */
static volatile sig_atomic_t woken; /* some signal came since notice_look_around */
static volatile sig_atomic_t child; /* SIGCHLD did */

bool notice_possible(void)
{
    struct seccomp_notif_sizes sizes;
    return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 && sizes.seccomp_notif <= MESSAGE_ROOM &&
           sizes.seccomp_notif >= sizeof(struct seccomp_notif) && sizes.seccomp_notif_resp <= MESSAGE_ROOM &&
           sizes.seccomp_notif_resp >= sizeof(struct seccomp_notif_resp) &&
           sizes.seccomp_data == sizeof(struct seccomp_data);
}

unsigned long notice_flags(void)
{
    return SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

void notices_use(struct sock_fprog *program, bool use)
{
    const uint32_t from = use ? SECCOMP_RET_TRACE | NOTICE_MARK : SECCOMP_RET_USER_NOTIF;
    const uint32_t to = use ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_TRACE;
    for (unsigned i = 0; i < program->len; i++)
        if (program->filter[i].code == (BPF_RET | BPF_K) && program->filter[i].k == from)
            program->filter[i].k = to;
}

void notice_begin(int listener)
{
    /* Both sides are on one processor: whoever is woken may as well run now. */
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

/* long notice_enter(int fd, unsigned long request, void *message, const volatile int *woken): ioctl(2), unless *woken.
 *
 * A signal between the look and the call would be slept over; so a handler that finds itself in between (notice_interrupt) goes on behind
 * the call, with -EINTR, as if it had come in it. */
long notice_enter(int fd, unsigned long request, void *message, const volatile sig_atomic_t *came);
extern const char notice_look[], notice_out[];
__asm__(".pushsection .text\n"
        ".globl notice_enter, notice_look, notice_out\n"
        ".type notice_enter, @function\n"
        "notice_enter:\n"
        "    mov $-4, %rax\n" /* -EINTR */
        "notice_look:\n"
        "    cmpl $0, (%rcx)\n"
        "    jne notice_out\n"
        "    mov $16, %eax\n" /* SYS_ioctl */
        "    syscall\n"
        "notice_out:\n"
        "    ret\n"
        ".size notice_enter, . - notice_enter\n"
        ".popsection\n");
_Static_assert(SYS_ioctl == 16 && EINTR == 4 && sizeof(sig_atomic_t) == 4, "as notice_enter has them");

void notice_interrupt(void *context)
{
    ucontext_t *u = context;
    greg_t *pc = &u->uc_mcontext.gregs[REG_RIP];
    woken = 1;
    if (*pc >= (greg_t)notice_look && *pc < (greg_t)notice_out) {
        *pc = (greg_t)notice_out;
        u->uc_mcontext.gregs[REG_RAX] = -EINTR;
    }
}

void notice_child(void)
{
    child = 1;
}

bool notice_child_came(void)
{
    if (child == 0)
        return false;
    child = 0; /* in this order: what comes between is looked for too, now */
    return true;
}

void notice_look_around(void)
{
    woken = 0;
}

int notice_wait(int listener, struct notice *out)
{
    union question q;
    memset(&q, 0, sizeof q); /* the kernel insists */
    long error = notice_enter(listener, SECCOMP_IOCTL_NOTIF_RECV, &q, &woken);
    if (error < 0)
        return (int)error;
    out->id = q.n.id;
    out->real = (pid_t)q.n.pid;
    out->nr = (uint32_t)q.n.data.nr;
    for (int i = 0; i < 6; i++)
        out->arg[i] = q.n.data.args[i];
    return 0;
}

int notice_answer(int listener, uint64_t id, int64_t result)
{
    union answer a;
    memset(&a, 0, sizeof a);
    a.r.id = id;
    a.r.val = result;
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a) < 0 ? -errno : 0;
}
