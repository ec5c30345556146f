/* A message that carries a descriptor from one process to another (SCM_RIGHTS, unix(7)), as sendmsg(2) and recvmsg(2) take it. */
#ifndef SUPERVISOR_DESCRIPTOR_H
#define SUPERVISOR_DESCRIPTOR_H

#include <string.h>
#include <sys/socket.h>

struct descriptor_message {
    struct msghdr header; /* points into the rest: it stays where it was made */
    struct iovec vec;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
};

/* n bytes, which a message must have, and room for a descriptor. */
static inline void descriptor_room(struct descriptor_message *m, void *bytes, size_t n)
{
    memset(m, 0, sizeof *m);
    m->vec = (struct iovec){bytes, n};
    m->header = (struct msghdr){
        .msg_iov = &m->vec, .msg_iovlen = 1, .msg_control = &m->control, .msg_controllen = sizeof m->control};
}

/* n bytes and the descriptor; fd < 0: the bytes alone. */
static inline void descriptor_put(struct descriptor_message *m, void *bytes, size_t n, int fd)
{
    descriptor_room(m, bytes, n);
    if (fd < 0) {
        m->header.msg_controllen = 0;
        return;
    }
    m->control.header =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&m->control.header), &fd, sizeof fd);
}

/* The descriptor that was received; -1: none was. */
static inline int descriptor_taken(const struct descriptor_message *m)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m->header);
    int fd = -1;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

#endif
