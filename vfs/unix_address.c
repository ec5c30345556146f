/* Names of AF_UNIX sockets: paths, abstract names, none. unix(7), "Address format". */
#include "vfs/unix.h"

#include "vfs/interface.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILY_SIZE = offsetof(struct sockaddr_un, sun_path) };

void unix_address_put(struct unix_address *a)
{
    if (a && --a->references == 0)
        free(a);
}

void unix_name_out(const struct unix_address *a, struct sockaddr_storage *out, socklen_t *length)
{
    memset(out, 0, sizeof *out);
    out->ss_family = AF_UNIX;
    *length = FAMILY_SIZE;
    if (a) {
        memcpy(out, &a->name, a->length);
        *length = a->length;
    }
}

/* A copy of what the guest gave, as Linux keeps it: a path with its NUL counted, an abstract name as it is. */
static int address_of(const struct sockaddr *from, socklen_t n, struct unix_address **out)
{
    if (n <= FAMILY_SIZE || n > sizeof(struct sockaddr_un) || from->sa_family != AF_UNIX)
        return -EINVAL;
    struct unix_address *a = calloc(1, sizeof *a + 1); /* one more: a path of 108 bytes still ends in a NUL */
    if (!a)
        return -ENOMEM;
    a->references = 1;
    memcpy(&a->name, from, n);
    a->length = n;
    if (a->name.sun_path[0])
        a->length = (socklen_t)(FAMILY_SIZE + strnlen(a->name.sun_path, n - FAMILY_SIZE) + 1);
    *out = a;
    return 0;
}

/* ---- abstract names ---- */

static struct unix_socket **name_slot(struct netstack *n, const struct unix_address *a, int type)
{
    uint32_t hash = (uint32_t)type;
    for (socklen_t i = FAMILY_SIZE; i < a->length; i++)
        hash = hash * 31 + (unsigned char)((const char *)&a->name)[i];
    return &n->names[(hash ^ hash >> 16) % NAME_SLOTS];
}

static struct unix_socket *find_abstract(struct netstack *n, const struct unix_address *a, int type)
{
    struct unix_socket *s = *name_slot(n, a, type);
    while (s && (s->base.type != type || s->address->length != a->length ||
                 memcmp(&s->address->name, &a->name, a->length) != 0))
        s = s->name_next;
    return s;
}

static int bind_abstract(struct unix_socket *s, struct unix_address *a)
{
    struct netstack *n = s->base.vfs->objects.net;
    if (find_abstract(n, a, s->base.type))
        return -EADDRINUSE;
    struct unix_socket **slot = name_slot(n, a, s->base.type);
    s->address = a;
    s->name_next = *slot;
    *slot = s;
    return 0;
}

int unix_autobind(struct unix_socket *s)
{
    struct netstack *n = s->base.vfs->objects.net;
    for (uint32_t tries = 0; tries < 0x100000; tries++) {
        struct unix_address *a = calloc(1, sizeof *a + 1);
        if (!a)
            return -ENOMEM;
        a->references = 1;
        a->name.sun_family = AF_UNIX;
        snprintf(a->name.sun_path + 1, 6, "%05x", n->next_name++ & 0xfffff);
        a->length = FAMILY_SIZE + 6;
        if (bind_abstract(s, a) == 0)
            return 0;
        unix_address_put(a);
    }
    return -ENOSPC;
}

/* ---- paths ---- */

static int bind_path(struct unix_socket *s, const struct place *at, uint32_t mode, struct unix_address *a)
{
    struct dentry *d;
    int error = vfs_mknod(at, a->name.sun_path, S_IFSOCK | mode, 0);
    if (error)
        return error == -EEXIST ? -EADDRINUSE : error;
    error = vfs_walk(at, a->name.sun_path, WALK_NOFOLLOW, &d);
    if (error)
        return error;
    struct node *node = dentry_node(d);
    struct node_extra *extra = node_extra(node);
    if (extra) {
        node_get(node);
        s->node = node;
        s->address = a;
        extra->socket = s;
    }
    dentry_put(d);
    return extra ? 0 : -ENOMEM;
}

int unix_bind(struct socket *socket, const struct place *at, uint32_t mode, const struct sockaddr *from, socklen_t n)
{
    struct unix_socket *s = unix_of(socket);
    struct unix_address *a;
    if (n == FAMILY_SIZE && from->sa_family == AF_UNIX)
        return s->address ? 0 : unix_autobind(s);
    int error = address_of(from, n, &a);
    if (error)
        return error;
    error = s->address ? -EINVAL : a->name.sun_path[0] ? bind_path(s, at, mode, a) : bind_abstract(s, a);
    if (error)
        unix_address_put(a);
    return error;
}

void unix_unname(struct unix_socket *s)
{
    if (s->node) {
        s->node->extra->socket = NULL;
        node_put(s->node);
        s->node = NULL;
    } else if (s->address && !s->address->name.sun_path[0]) {
        struct unix_socket **at = name_slot(s->base.vfs->objects.net, s->address, s->base.type);
        while (*at && *at != s) /* an accepted socket shows its listener's name, and is in no table */
            at = &(*at)->name_next;
        if (*at)
            *at = s->name_next;
    }
}

static int find_path(const struct place *at, const char *path, struct unix_socket **out)
{
    struct dentry *d;
    if (!at)
        return -EINVAL;
    int error = vfs_walk(at, path, 0, &d);
    if (error)
        return error;
    const struct node *node = dentry_node(d);
    error = node_permission(node, at->cred, MAY_WRITE);
    *out = node->extra ? node->extra->socket : NULL;
    if (!error && (!node_is(node, S_IFSOCK) || !*out))
        error = -ECONNREFUSED;
    dentry_put(d);
    return error;
}

int unix_find(struct unix_socket *asker, const struct place *at, const struct sockaddr *from, socklen_t n,
              struct unix_socket **out)
{
    struct unix_address *a;
    int error = address_of(from, n, &a);
    if (error)
        return error;
    if (a->name.sun_path[0]) {
        error = find_path(at, a->name.sun_path, out);
        if (!error && (*out)->base.type != asker->base.type)
            error = -EPROTOTYPE;
    } else {
        *out = find_abstract(asker->base.vfs->objects.net, a, asker->base.type);
        error = *out ? 0 : -ECONNREFUSED;
    }
    unix_address_put(a);
    if (!error)
        unix_get(*out);
    return error;
}

void unix_each(const struct vfs *v, void (*each)(void *context, const struct unix_row *r), void *context)
{
    enum { UNCONNECTED = 1, CONNECTING, CONNECTED }; /* enum socket_state of linux/net.h */
    const struct netstack *n = v->objects.net;
    for (const struct unix_socket *s = n ? n->all : NULL; s; s = s->all_next) {
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        if (s->dead)
            continue;
        struct unix_row r = {
            .references = s->references + 1, /* Linux counts the file's, and the socket's own */
            .type = s->base.type,
            .state = s->state != UNIX_CONNECTED ? UNCONNECTED
                     : s->base.file             ? CONNECTED
                                                : CONNECTING,
            .listening = s->state == UNIX_LISTENING,
            .inode = s->base.file ? s->base.file->id : 0,
        };
        if (s->address && s->address->length > head) {
            r.name = s->address->name.sun_path;
            r.length = s->address->length - head;
            if (r.name[0]) /* a path's length counts its end */
                r.length = strnlen(r.name, r.length);
        }
        each(context, &r);
    }
}
