/* The process that connects (supervisor/connector.h), and how it is asked: a rule's index there, an errno and a descriptor
 * back (SCM_RIGHTS, unix(7)). */
#include "supervisor/connector.h"

#include "supervisor/descriptor.h"

#include <errno.h>
#include <netdb.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 5 /* of a process of our own, which never waits */ };

struct goal {
    size_t rule;
    struct sockaddr_storage to;
    socklen_t length;
};

struct connector {
    int socket;
    bool broken; /* an answer did not come: the next would be taken for it */
    size_t count;
    struct goal goals[];
};

/* ---- the process ---------------------------------------------------------------------------------------------------------- */

static int dial(const struct goal *g)
{
    int fd = socket(g->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&g->to, g->length) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static void answer(int socket, int fd)
{
    int32_t error = fd < 0 ? fd : 0;
    struct descriptor_message message;
    descriptor_put(&message, &error, sizeof error, fd);
    (void)sendmsg(socket, &message.header, MSG_NOSIGNAL);
    if (fd >= 0)
        close(fd);
}

static bool confine(void)
{
    static const int allowed[] = {SCMP_SYS(read),  SCMP_SYS(socket),     SCMP_SYS(connect),     SCMP_SYS(sendmsg),
                                  SCMP_SYS(close), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn)};
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool good = ctx != NULL && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
    for (size_t i = 0; good && i < sizeof allowed / sizeof *allowed; i++)
        good = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    good = good && seccomp_load(ctx) == 0; /* with no_new_privs */
    seccomp_release(ctx);
    return good;
}

/* Nothing of the supervisor's stays open in it, its caller's streams least of all. */
static _Noreturn void serve(const struct connector *c, int socket)
{
    uint32_t asked;
    setsid(); /* ^C is the guest's */
    if (dup2(socket, 0) != 0 || close_range(1, ~0U, 0) < 0 || !confine())
        _exit(1);
    while (read(0, &asked, sizeof asked) == (ssize_t)sizeof asked)
        answer(0, asked < c->count ? dial(&c->goals[asked]) : -EINVAL);
    _exit(0);
}

/* Its parent ends at once: it is no child that the supervisor would meet in its waits. */
static int begin(struct connector *c)
{
    int pair[2], status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        pid_t own = fork();
        if (own == 0)
            serve(c, pair[1]);
        _exit(own < 0);
    }
    close(pair[1]);
    c->socket = pair[0];
    if (pid < 0)
        return -EAGAIN;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    const struct timeval most = {.tv_sec = ANSWER_SECONDS};
    (void)setsockopt(c->socket, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    return status == 0 ? 0 : -EAGAIN;
}

/* ---- the supervisor's side --------------------------------------------------------------------------------------------------- */

static int look_up(const struct network_rule *rule, struct goal *g, char *why, size_t size)
{
    char port[8], ip[64];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", rule->forward_port);
    int error = getaddrinfo(rule->forward_host, port, &hints, &found);
    if (error == 0 && found->ai_addrlen <= sizeof g->to) {
        memcpy(&g->to, found->ai_addr, found->ai_addrlen);
        g->length = found->ai_addrlen;
        error = getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST);
    }
    if (found != NULL)
        freeaddrinfo(found);
    if (error != 0) {
        snprintf(why, size, "%s:%d:%d: forward: %s: %s", rule->origin.file, rule->origin.line, rule->origin.column,
                 rule->forward_host, gai_strerror(error));
        return -1;
    }
    fprintf(stderr, "terrarium: %s:%d: forward: connections to %s leave the world, for %s port %u (%s)\n",
            rule->origin.file, rule->origin.line, rule->targets[0].text, rule->forward_host, rule->forward_port, ip);
    return 0;
}

int connector_new(const struct network_policy *n, struct connector **out, char *why, size_t size)
{
    *out = NULL;
    size_t count = 0;
    for (size_t i = 0; i < n->rule_count; i++)
        count += n->rules[i]->kind == NETWORK_CONNECT && n->rules[i]->action == NETWORK_FORWARD;
    if (count == 0)
        return 0;
    struct connector *c = calloc(1, sizeof *c + count * sizeof *c->goals);
    if (c == NULL) {
        snprintf(why, size, "out of memory");
        return -1;
    }
    c->socket = -1;
    int error = 0;
    for (size_t i = 0; error == 0 && i < n->rule_count; i++) {
        if (n->rules[i]->kind != NETWORK_CONNECT || n->rules[i]->action != NETWORK_FORWARD)
            continue;
        c->goals[c->count].rule = n->rules[i]->index;
        error = look_up(n->rules[i], &c->goals[c->count++], why, size);
    }
    if (error == 0 && (error = begin(c)) < 0)
        snprintf(why, size, "forward: the process that connects cannot be made: %s", strerror(-error));
    if (error != 0) {
        connector_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void connector_free(struct connector *c)
{
    if (c != NULL && c->socket >= 0)
        close(c->socket);
    free(c);
}

int connector_descriptor(const struct connector *c)
{
    return c->socket;
}

static int take_answer(int socket)
{
    int32_t error = -EPROTO;
    struct descriptor_message message;
    ssize_t n;
    descriptor_room(&message, &error, sizeof error);
    do
        n = recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof error)
        return -EPIPE;
    int fd = descriptor_taken(&message);
    if (error != 0 || fd < 0)
        return error < 0 ? error : -EPROTO;
    return fd;
}

int connector_dial(struct connector *c, const struct network_rule *rule)
{
    for (uint32_t i = 0; i < c->count && !c->broken; i++) {
        if (c->goals[i].rule != rule->index)
            continue;
        ssize_t n;
        do
            n = write(c->socket, &i, sizeof i);
        while (n < 0 && errno == EINTR);
        int fd = n == (ssize_t)sizeof i ? take_answer(c->socket) : -EPIPE;
        c->broken = fd == -EPIPE || fd == -EPROTO; /* no errno of connect(2) */
        return fd;
    }
    return -EINVAL;
}
