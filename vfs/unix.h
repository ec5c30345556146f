/* AF_UNIX sockets, between vfs/unix.c (the calls), vfs/unix_address.c (names), vfs/unix_receive.c,
 * vfs/unix_urgent.c (urgent bytes) and vfs/unix_queue.c (messages and the files they carry). */
#ifndef VFS_UNIX_H
#define VFS_UNIX_H

#include "vfs/socket_inner.h"

#include <sys/un.h>

enum {
    NAME_SLOTS = 64,
    FILES_IN_FLIGHT_MAX = 4096,      /* of a world: ETOOMANYREFS; Linux bounds them by RLIMIT_NOFILE of the sender */
    BYTES_IN_FLIGHT_MAX = 256 << 20, /* of a world: ENOBUFS */
    DATAGRAMS_WAITING = 10,          /* net.unix.max_dgram_qlen */
};

struct unix_address {
    uint32_t references;
    socklen_t length;
    struct sockaddr_un name;
};

enum unix_state { UNIX_APART, UNIX_LISTENING, UNIX_CONNECTED };

struct unix_message {
    struct unix_message *next;
    struct unix_socket *sender; /* referenced: its send buffer is charged until the message is consumed */
    struct unix_address *from;  /* referenced; NULL: unnamed */
    struct ucred credentials;
    struct file **files; /* owned, and each referenced */
    uint32_t file_count;
    bool urgent;     /* sent with MSG_OOB: nothing joins it; when its byte was taken it is empty, and the mark */
    int64_t arrived; /* CLOCK_REALTIME, where somebody asked */
    uint32_t charge; /* bytes of the sender's buffer */
    size_t start, end, room; /* within data */
    char data[];
};

struct unix_socket {
    struct socket base;  /* first */
    uint32_t references; /* its file, or the listener it waits in; peers; messages in flight from it */
    enum unix_state state;
    bool dead; /* its file is gone */
    struct unix_address *address;
    struct node *node;                        /* referenced: the name in the tree, which points back */
    struct unix_socket *all_next, **all_here; /* of the netstack's `all` */
    struct unix_socket *name_next;            /* in the table of abstract names */
    struct unix_socket *peer;                 /* referenced; for datagrams: where they go */
    struct unix_socket *full;                 /* referenced: a datagram found this one's queue full */
    struct ucred self;                        /* who used it last, for messages that do not say */

    struct unix_message *first, *last; /* received, unread */
    struct unix_message *urgent;       /* among them: the last urgent byte, not taken; NULL: none */
    uint32_t waiting;
    uint64_t unread;      /* bytes */
    uint64_t outstanding; /* sent, unread by others: charge of the send buffer */
    struct waitq room;    /* senders and connecters wait for this one's queue */

    struct unix_socket *pending_first, *pending_last, *pending_next; /* of a listener: connected, not accepted */
    uint32_t pending, backlog;

    uint32_t in_flight;                            /* references to its file that messages hold */
    struct unix_socket *flight_next, *flight_prev; /* all with in_flight > 0 */
    /* During a collection (vfs/unix_queue.c). */
    uint32_t held_inside;
    bool candidate;
    struct unix_socket *work_next;
};

struct netstack {
    struct unix_socket *names[NAME_SLOTS]; /* abstract */
    struct unix_socket *all;               /* for /proc/net; the newest first */
    uint32_t next_name;                    /* autobind */
    struct unix_socket *flying;
    uint32_t files_in_flight;
    uint64_t bytes_in_flight;    /* charged to all senders */
    struct unix_message *doomed; /* taken off their queues, to be freed by whoever is doing so already */
    bool dooming, collecting;
};

/* vfs/unix.c */
struct unix_socket *unix_alloc(struct vfs *v, int type);
void unix_get(struct unix_socket *s);
void unix_put(struct unix_socket *s); /* NULL is allowed */
static inline struct unix_socket *unix_of(struct socket *s)
{
    return (struct unix_socket *)s;
}
static inline bool unix_is_dgram(const struct unix_socket *s)
{
    return s->base.type == SOCK_DGRAM;
}

/* vfs/unix_urgent.c: MSG_OOB of streams. */
/* The last byte of m->io, into the queue of `to`. 1, or -errno. */
ssize_t unix_send_urgent(struct unix_socket *s, struct unix_socket *to, struct socket_message *m);
ssize_t unix_receive_urgent(struct unix_socket *s, struct socket_message *m, int flags);
/* The message that a read goes on with, of those from `message` on: marks are stepped over. NULL: none; or the read that has taken
 * bytes (`done`) ends here. */
struct unix_message *unix_past_mark(struct unix_socket *s, struct unix_message *message, bool peek, bool done);
int unix_at_mark(const struct socket *s);

/* vfs/unix_receive.c */
ssize_t unix_receive(struct socket *s, struct socket_message *m, int flags);

/* vfs/unix_address.c */
int unix_bind(struct socket *s, const struct place *at, uint32_t mode, const struct sockaddr *a, socklen_t n);
int unix_autobind(struct unix_socket *s);
void unix_unname(struct unix_socket *s);
void unix_address_put(struct unix_address *a); /* NULL is allowed */
/* The socket of that name, referenced; of the same type as `asker`. */
int unix_find(struct unix_socket *asker, const struct place *at, const struct sockaddr *a, socklen_t n,
              struct unix_socket **out);
void unix_name_out(const struct unix_address *a, struct sockaddr_storage *out, socklen_t *length);

/* vfs/unix_queue.c */
/* A message with room for `size` bytes, from s, carrying the files of m. -ENOMEM, -ENOBUFS, -ETOOMANYREFS. */
int unix_message_new(struct unix_socket *s, const struct socket_message *m, size_t size, struct unix_message **out);
void unix_queue(struct unix_socket *to, struct unix_message *message);
void unix_discard(struct unix_message *message); /* one that stands in no queue */
void unix_drop_first(struct unix_socket *s);     /* frees it and gives its sender room */
void unix_drop(struct unix_socket *s, struct unix_message *message,
               struct unix_message *before); /* before: NULL, it is the first */
void unix_drop_all(struct unix_socket *s);
/* Hands the files of a message to a receiver (peek: copies of the references). */
void unix_hand_files(struct vfs *v, struct unix_message *message, struct socket_message *m, bool peek);
void unix_collect(struct netstack *n);           /* sockets that only messages to each other keep alive */
bool unix_has_room(const struct unix_socket *s); /* to send: poll(2)'s idea, a quarter of the buffer used */

#endif
