/* POSIX message queues: mq_overview(7). Named by a filesystem of their own at /dev/mqueue, whose files are the queues.
 *
 * Nothing blocks: a full queue and an empty one say so, and the caller sleeps on what the file's poll names. Who is
 * told of a message (mq_notify(3)) is remembered here; telling is the caller's. */
#ifndef VFS_MQUEUE_H
#define VFS_MQUEUE_H

#include "vfs/vfs.h"

enum { /* /proc/sys/fs/mqueue, and ipc/mqueue.c's own */
       MQUEUE_QUEUES_MOST = 256,
       MQUEUE_MESSAGES_MOST = 10,
       MQUEUE_SIZE_MOST = 8192,
       MQUEUE_MESSAGES_HARD = 65536,
       MQUEUE_SIZE_HARD = 16 << 20,
       MQUEUE_PRIORITIES = 32768,
};

struct mqueue_message { /* on the heap */
    struct mqueue_message *next;
    uint32_t priority;
    size_t size;
    char bytes[];
};

struct mqueue_request { /* what mq_open(2) asks of a new queue */
    bool given;         /* most and size were: else the defaults */
    int64_t most, size; /* messages, bytes of each */
    uint64_t limit;     /* RLIMIT_MSGQUEUE: bytes of all queues of the caller's user */
};

struct mqueue_state {
    int64_t most, size, count;
};

enum { MQUEUE_COOKIE = 32 }; /* include/linux/mqueue.h, NOTIFY_COOKIE_LEN */

struct mqueue_notice {
    const void *owner; /* whose close(2) of the queue ends it; NULL: nobody is registered */
    int32_t pid;
    int notify, signal; /* SIGEV_* */
    uint64_t value;
    struct file *channel;       /* SIGEV_THREAD: the netlink socket that the cookie is sent by */
    char cookie[MQUEUE_COOKIE]; /* its last byte says what happened */
};

int mqueue_mount(struct vfs *v, char *why, size_t n);
/* name: without the slash that mq_open(3) takes off. flags: O_*; mode: already without the umask. */
int mqueue_open(struct vfs *v, const struct cred *c, const char *name, int flags, uint32_t mode,
                const struct mqueue_request *request, struct file **out);
int mqueue_unlink(struct vfs *v, const struct cred *c, const char *name);

bool file_is_mqueue(const struct file *f);
/* The functions below take such a file alone. */
struct mqueue_state mqueue_state(const struct file *f);
/* In its place by priority and age; taken over on success. *first: it is the first of an empty queue, and nobody was waiting for it:
 * who is registered is to be told. -EAGAIN: full. -ENOMEM. */
int mqueue_put(struct file *f, struct mqueue_message *m, bool *first);
struct mqueue_message *mqueue_take(struct file *f); /* the caller's; NULL: empty */
void mqueue_receivers(struct file *f, int change);  /* one more, or one less, sleeps for a message */
int mqueue_register(struct file *f, const struct mqueue_notice *notice); /* -EBUSY; refers to the channel */
void mqueue_unregister(struct file *f, const void *owner);
/* Takes the registration out, for who sends the signal; a channel is told here. False: there is none. */
bool mqueue_told(struct file *f, struct mqueue_notice *out);

#endif
