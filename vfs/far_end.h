/* The far end of a connection that leaves the world: somebody who is no guest process, seen from its socket.
 *
 * A guest's TCP or UDP socket that speaks to an address which is not the world's own asks the world who is there
 * (struct net_hooks). What it is given is a `far_end`: an object that takes bytes and gives bytes and knows nothing of
 * sockets. Far ends are carried by a `far_link`: a socket (vfs/), or another far end that wraps it, as TLS does; so an
 * HTTP server is written once. Nothing here blocks, and nothing here is a socket of the host.
 *
 * Streams and datagrams share the shape: on a datagram socket each `received` is one datagram, and so is each send.
 *
 * Life. The far end belongs to its link from the moment it was handed over; `gone` is the last call to it, and it frees
 * itself there. From within its own operations it may send, finish, reset and arm as it likes; after `reset` no other
 * operation than `gone` comes. */
#ifndef VFS_FAR_END_H
#define VFS_FAR_END_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct far_end;

/* What a far end is told. NULL members are not called. */
struct far_end_ops {
    void (*opened)(struct far_end *e); /* once, when the connection stands */
    /* Bytes of the guest's, valid during the call. How many were taken: what is left is offered again after far_pull. On
     * datagrams all or nothing. */
    size_t (*received)(struct far_end *e, const void *bytes, size_t n);
    void (*finished)(struct far_end *e); /* the guest will send no more (its FIN), after its last byte was taken */
    void (*room)(struct far_end *e);     /* a send that was taken short may go on */
    void (*timer)(struct far_end *e);    /* the moment given to far_arm has come */
    void (*gone)(struct far_end *e);     /* the connection is no more: free e */
};

/* What a far end may do. */
struct far_link {
    /* Taken: fewer than n when its queue is full. However nobody reads them any more, e outlives the call. */
    size_t (*send)(struct far_end *e, const void *bytes, size_t n);
    void (*pull)(struct far_end *e);   /* offer again what `received` left */
    void (*finish)(struct far_end *e); /* FIN after what was sent; the guest may go on sending */
    void (*reset)(struct far_end *e);  /* RST */
    void (*arm)(struct far_end *e,
                int64_t delay); /* `timer` after so many ns of the world's time; one at a time; < 0: never */
    /* A socket's alone, for who is asked later (far_answer.waits): the connection stands; it does not (errno); somebody of
     * the world sleeps until something of it happens. */
    void (*stand)(struct far_end *e);
    void (*fell)(struct far_end *e, int error);
    bool (*awaited)(const struct far_end *e);
};

/* First in every far end's own struct. */
struct far_end {
    const struct far_end_ops *ops;
    const struct far_link *link; /* set by who carries it, before `opened` */
    void *carrier;               /* the link's */
};

static inline size_t far_send(struct far_end *e, const void *bytes, size_t n)
{
    return e->link->send(e, bytes, n);
}
static inline void far_pull(struct far_end *e)
{
    e->link->pull(e);
}
static inline void far_finish(struct far_end *e)
{
    e->link->finish(e);
}
static inline void far_reset(struct far_end *e)
{
    e->link->reset(e);
}
static inline void far_arm(struct far_end *e, int64_t delay)
{
    e->link->arm(e, delay);
}
static inline void far_stand(struct far_end *e)
{
    e->link->stand(e);
}
static inline void far_fell(struct far_end *e, int error)
{
    e->link->fell(e, error);
}
static inline bool far_awaited(const struct far_end *e)
{
    return e->link->awaited(e);
}

/* One attempt to reach an address that is not the world's own, or one of loopback where no guest listens. */
struct far_request {
    int type; /* SOCK_STREAM, SOCK_DGRAM */
    struct sockaddr_storage to, from;
    bool arrives; /* the other way round (far_arrive): from whom it comes is `to` all the same, the guest `from` */
    void *record; /* what net_hooks.begin gave */
};

struct far_answer {
    struct far_end *end; /* who is there; NULL: nobody */
    int error;           /* nobody is: positive errno, told after `delay` */
    int64_t delay;       /* ns of the world's time until the connection stands or the error comes; INT64_MAX: never */
    bool waits; /* whether it stands is not known yet: `end` tells, by far_stand or far_fell; of streams only */
};

/* What whoever listens on the wire is told. guest: by the side that began (a guest always is). */
enum net_event {
    NET_OPENED,  /* the connection stands */
    NET_REFUSED, /* an RST in the place of a SYN-ACK, or an ICMP error to a datagram */
    NET_SILENT,  /* no answer came: the attempt was given up */
    NET_BYTES,   /* of a stream; or one datagram to or from somebody beyond */
    NET_URGENT, /* NET_BYTES of a stream, the last of them sent with MSG_OOB. A far end reads it in line, as with SO_OOBINLINE */
    NET_FINISHED, /* FIN */
    NET_RESET,
    NET_OVER, /* nothing more of it comes: the record is the listener's alone again */
};

/* The world's answer to who is there, and its ear (set on a vfs by vfs_set_network; without hooks every address that is not
 * loopback is ENETUNREACH). */
struct net_hooks {
    void (*connect)(void *context, const struct far_request *r, struct far_answer *out);
    /* A SYN, or the first datagram to somebody of connect's: a record that the events come with, or NULL: not of interest.
     * asked: `connect` is asked next; else both ends are the guest's. NULL members are not called. */
    void *(*begin)(void *context, const struct far_request *r, bool asked);
    void (*event)(void *record, enum net_event event, bool guest, const void *bytes, size_t n);
    /* A datagram between guests. */
    void (*datagram)(void *context, const struct sockaddr_storage *from, const struct sockaddr_storage *to,
                     const void *bytes, size_t n);
    /* Somebody there answers an ICMP echo request. */
    bool (*pings)(void *context, const struct sockaddr_storage *to);
    void *context;
    const struct timer_clock *clock; /* the world's (vfs/objects.h) */
};
struct vfs;
/* Somebody from beyond connects to a guest's listening socket; e is carried from now on, `opened` and all, when it is 0. Else -errno:
 * nobody listens there (-ECONNREFUSED), and e is still the caller's. *record: what net_hooks.begin gave; NULL: nothing. */
int far_arrive(struct vfs *v, const struct sockaddr_storage *guest, const struct sockaddr_storage *from,
               struct far_end *e, void **record);
int vfs_set_network(struct vfs *v, const struct net_hooks *hooks); /* copied. -ENOMEM */

#endif
