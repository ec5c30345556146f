/* From a content of the policy to somebody who answers: making ready before the run, opening for each connection. */
#include "network/content.h"

#include "network/file_end.h"
#include "network/http.h"
#include "network/captured.h"
#include "network/service.h"
#include "network/talk.h"
#include "network/tls.h"
#include "vfs/vfs.h"
#include "vfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t contents_now(const struct contents *cs)
{
    return cs->config.now != NULL ? cs->config.now(cs->config.context) : 0;
}

struct contents *contents_new(const struct contents_config *config)
{
    struct contents *cs = calloc(1, sizeof *cs);
    if (cs == NULL)
        return NULL;
    cs->config = *config;
    cs->account.most = CONTENTS_MOST_MEMORY;
    const struct vfs_config tree = {.now = config->now, .context = config->context};
    cs->fixtures = vfs_new(&tree);
    if (cs->fixtures != NULL) {
        vfs_set_view(cs->fixtures, config->view, FIXTURES_FIRST);
        return cs;
    }
    free(cs);
    return NULL;
}

void contents_free(struct contents *cs)
{
    if (cs == NULL)
        return;
    for (struct prepared *p = cs->prepared, *next; p != NULL; p = next) {
        next = p->next;
        if (p->handler != NULL)
            p->handler->free(p->handler);
        captured_free(p->captured);
        free(p);
    }
    tls_world_free(cs->tls);
    vfs_free(cs->fixtures);
    free(cs);
}

int contents_mount(struct contents *cs, const char *source, char *at, char *why, size_t size)
{
    why[0] = '\0';
    snprintf(at, 32, "/%u", cs->fixture_count++);
    int error = vfs_mount_host(cs->fixtures, at, source, MOUNT_READ_ONLY, why, size);
    if (error < 0 && why[0] == '\0')
        snprintf(why, size, "%s", strerror(-error));
    return error;
}

/* The view knows it as the Nth file that was read: what its name is on the host is not told. */
static int open_file(struct contents *cs, const char *source)
{
    struct view *v = cs->config.view;
    char name[32];
    int fd = -1;
    if (v == NULL || !v->gives)
        fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (v == NULL || (fd < 0 && !v->gives))
        return fd;
    snprintf(name, sizeof name, "network:%u", cs->file_count++);
    fd = v->archive(v, name, fd);
    if (fd < 0)
        errno = -fd;
    return fd;
}

char *contents_read_file(struct contents *cs, const char *source, size_t most, size_t *size, char *why, size_t why_size)
{
    int fd = open_file(cs, source);
    size_t room = 1 << 16, count = 0;
    char *bytes = fd >= 0 ? malloc(room) : NULL;
    ssize_t n = bytes != NULL ? 1 : -1;
    while (n > 0) {
        if (count == room) {
            char *more = room < most ? realloc(bytes, room * 2) : NULL;
            if (more == NULL) {
                errno = EFBIG;
                n = -1;
                break;
            }
            bytes = more;
            room *= 2;
        }
        n = read(fd, bytes + count, room - count);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            count += (size_t)n;
    }
    if (n < 0) {
        snprintf(why, why_size, "%s: %s", source, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    if (fd >= 0)
        close(fd);
    *size = count;
    return bytes;
}

static struct prepared *find(const struct contents *cs, const struct policy_content *c)
{
    struct prepared *p = cs->prepared;
    while (p != NULL && p->content != c)
        p = p->next;
    return p;
}

static bool read_exchange(struct contents *cs, struct prepared *p, const char *file, char *why, size_t size)
{
    size_t n, place;
    char *bytes = contents_read_file(cs, file, CONTENTS_MOST_EXCHANGE, &n, why, size);
    if (bytes == NULL)
        return false;
    if (captured_is_one(bytes, n)) {
        snprintf(why, size, "%.200s: ", file);
        place = strlen(why);
        p->captured = captured_read(bytes, n, why + place, size - place);
        return p->captured != NULL;
    }
    p->handler = http_exchange_new(file, bytes, n, why, size);
    free(bytes);
    return p->handler != NULL;
}

int contents_prepare(struct contents *cs, const struct policy_content *c, char *why, size_t size)
{
    if (find(cs, c) != NULL)
        return 0;
    struct prepared *p = calloc(1, sizeof *p);
    if (p == NULL) {
        snprintf(why, size, "out of memory");
        return -1;
    }
    p->content = c;
    snprintf(why, size, "out of memory");
    bool ready = true;
    if (c->kind == CONTENT_RESPOND)
        ready = (p->handler = http_files_new(cs, c->path, why, size)) != NULL;
    else if (c->kind == CONTENT_HTTP)
        ready = (p->handler = http_script_new(cs, c, why, size)) != NULL;
    else if (c->kind == CONTENT_EXCHANGE)
        ready = read_exchange(cs, p, c->path, why, size);
    if (!ready) {
        free(p);
        return -1;
    }
    p->next = cs->prepared;
    cs->prepared = p;
    return 0;
}

ssize_t content_tls_at(const struct contents *cs, const struct policy_content *c, uint16_t first_port,
                       uint16_t last_port)
{
    const struct prepared *p = find(cs, c);
    return p != NULL && p->captured != NULL ? captured_tls_at(p->captured, first_port, last_port) : -1;
}

/* The end in the clear. */
static struct far_end *open_plain(struct contents *cs, const struct policy_content *c, const struct content_peer *peer,
                                  enum content_tls *tls)
{
    struct prepared *p = find(cs, c);
    switch (c->kind) {
    case CONTENT_RESPOND:
    case CONTENT_HTTP:
    case CONTENT_EXCHANGE:
        if (p != NULL && p->captured != NULL)
            return captured_end_new(cs, p->captured, peer, tls);
        return p != NULL && !peer->datagram ? http_server_new(cs, p->handler, peer) : NULL;
    case CONTENT_TALK:
        return talk_end_new(cs, &c->talk, peer);
    case CONTENT_SERVICE:
        return service_new(cs, c->service, peer);
    case CONTENT_PROGRAM:
        return peer->datagram ? NULL : program_end_new(cs, c);
    case CONTENT_SERVE:
        return p != NULL && !peer->datagram ? serve_end_new(cs, c, &p->started, peer->port) : NULL;
    }
    return NULL;
}

bool content_speaks_tls(const struct policy_content *c)
{
    if (c->kind == CONTENT_TALK)
        return talk_has_starttls(&c->talk);
    return c->kind == CONTENT_SERVICE && (c->service == SERVICE_TLS_SINK || service_has_starttls(c->service));
}

struct far_end *contents_open(struct contents *cs, const struct policy_content *c, const struct content_peer *peer)
{
    if (cs->ends >= CONTENTS_MOST_ENDS)
        return NULL;
    cs->connections++;
    bool at_once = peer->tls || (c->kind == CONTENT_SERVICE && c->service == SERVICE_TLS_SINK);
    enum content_tls tls = at_once ? CONTENT_TLS : content_speaks_tls(c) ? CONTENT_TLS_LATER : CONTENT_CLEAR;
    struct far_end *e = open_plain(cs, c, peer, &tls);
    return e != NULL && !peer->datagram && tls != CONTENT_CLEAR ? tls_wrap(cs, e, peer, tls == CONTENT_TLS) : e;
}
