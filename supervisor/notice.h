/* Calls that arrive as notices: SECCOMP_RET_USER_NOTIF (seccomp_unotify(2)) in place of a ptrace stop.
 *
 * The task sleeps in the kernel with its call asked and not begun, as at PTRACE_EVENT_SECCOMP, but is told its result by one ioctl, and
 * asked by one: a quarter less than a stop costs. What a notice cannot do is show or set registers, or let the kernel run
 * another call; calls that need that, and those that are rare (whatever is not NOTICE in kernel/sysent.def), stop by ptrace as ever, and a task in a notice can be parked in a
 * ptrace stop (supervisor/tracee.c). No notice is ever answered with SECCOMP_USER_NOTIF_FLAG_CONTINUE: what was judged is not
 * read again by the kernel.
 *
 * Needs Linux 5.19 (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: once received, a call is not interrupted but by SIGKILL), and no other
 * listener above us (a container's). Without, all calls are ptrace stops. */
#ifndef SUPERVISOR_NOTICE_H
#define SUPERVISOR_NOTICE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct notice {
    uint64_t id;
    pid_t real; /* who asks: the host's tid */
    uint32_t nr;
    uint64_t arg[6];
};

/* Whether this kernel's messages are of a size that is known here. */
bool notice_possible(void);
/* seccomp(2)'s flags for a program that notifies. */
unsigned long notice_flags(void);
/* What a rule that may notify returns is SECCOMP_RET_TRACE | NOTICE_MARK; notices_use makes it a notification, or a stop. In place. */
enum { NOTICE_MARK = 1 };
void notices_use(struct sock_fprog *program, bool use);

/* After the listener's descriptor was received. */
void notice_begin(int listener);
/* To be called before one looks at what signals may have left: what comes from here on ends the next wait. */
void notice_look_around(void);
/* Waits for a notice. 0 with *out filled; -EINTR: a signal came since notice_look_around; -ENOENT: whoever asked is gone. */
int notice_wait(int listener, struct notice *out);
/* The task goes on with this result. 0; -ENOENT: it is being killed. */
int notice_answer(int listener, uint64_t id, int64_t result);

/* For signal handlers: a wait that has not begun to sleep will not. `context`: the handler's third argument. */
void notice_interrupt(void *context);
void notice_child(void); /* SIGCHLD came: some tracee stopped or died */
/* True once after each of them. */
bool notice_child_came(void);

#endif
