/* Memory that changes while the kernel looks at it: a second writer turns an argument between "what may be asked for" and "what
 * must not", as fast as it can, and the calls are counted by what they did. Natively the kernel copies once and acts on its copy, so
 * every call does one or the other; a supervisor that looks twice, or lets the kernel look again, would judge one and do the
 * other. MODE, and "shared" as a second argument: the writer is another process, through MAP_SHARED. */
#include "attack.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { ROUNDS = 1200 };

struct shared {
    volatile int go, stop;
    char path[64];
    struct sockaddr_un address;
    struct msghdr message;
    struct iovec vec[2];
    union {
        struct cmsghdr header;
        char space[64];
    } control;
    char allowed[64], forbidden[64];
    char *argv[4];
};

static struct shared *m;
static const char *mode;

static void turn(int which)
{
    if (IS("path") || IS("exec"))
        memcpy(m->path, which ? m->forbidden : m->allowed, sizeof m->path);
    else if (IS("sockaddr"))
        memcpy(m->address.sun_path, which ? m->forbidden : m->allowed, 32);
    else if (IS("iovec"))
        m->vec[0].iov_len = which ? 64 : 4;
    else if (IS("msghdr"))
        m->message.msg_iovlen = which ? 2 : 1;
    else if (IS("control"))
        m->control.header.cmsg_len = which ? CMSG_LEN(4 * sizeof(int)) : CMSG_LEN(sizeof(int));
}

static void *writer(void *unused)
{
    for (int i = 0; !m->stop; i++) {
        turn(i & 1);
        if (i % 61 == 0) /* after either, in turn */
            sched_yield();
    }
    return NULL;
}

static void paths(void)
{
    int one = 0, other = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int fd = (int)RAW(SYS_openat, AT_FDCWD, m->path, O_RDONLY);
        char first[5];
        if (fd >= 0) {
            *(read(fd, first, 5) == 5 ? &one : &other) += 1; /* /dev/zero has bytes, /dev/null none */
            close(fd);
        }
        if (i % 16 == 0)
            sched_yield();
    }
    printf("%s%s", one ? "one opened\n" : "", other ? "other opened\n" : "");
}

/* The name a socket is bound by is the name it has: one copy was taken, torn or not. */
static void addresses(void)
{
    int two_names = 0, done = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int s = socket(AF_UNIX, SOCK_DGRAM, 0);
        struct sockaddr_un got;
        socklen_t n = sizeof got;
        m->address.sun_family = AF_UNIX;
        if (RAW(SYS_bind, s, &m->address, 2 + 20) == 0) {
            memset(&got, 0, sizeof got);
            getsockname(s, (struct sockaddr *)&got, &n);
            done++;
            int probe = socket(AF_UNIX, SOCK_DGRAM, 0);
            two_names += connect(probe, (struct sockaddr *)&got, n) != 0;
            close(probe);
        }
        close(s);
        if (i % 16 == 0)
            sched_yield();
    }
    printf("bound %d bad %d\n", done > 0, two_names);
}

/* What is read is at most what was asked for: the guard behind the short length stays whole, or all of it was filled. */
static void vectors(void)
{
    int bad = 0, done = 0, zero = open("/dev/zero", O_RDONLY);
    char buffer[64];
    m->vec[0].iov_base = buffer;
    m->vec[0].iov_len = 4;
    for (int i = 0; i < ROUNDS; i++) {
        memset(buffer, 'x', sizeof buffer);
        long n = RAW(SYS_readv, zero, m->vec, 1);
        done += n > 0;
        for (long k = 0; k < 64; k++)
            bad += (buffer[k] == 0) != (k < n);
        if (i % 16 == 0)
            sched_yield();
    }
    printf("read %d bad %d\n", done > 0, bad);
}

static void messages(void)
{
    int ends[2], bad = 0, done = 0;
    char one[4] = "aaaa", two[4] = "bbbb", got[64];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    m->vec[0] = (struct iovec){one, 4};
    m->vec[1] = (struct iovec){two, 4};
    m->message = (struct msghdr){.msg_iov = m->vec, .msg_iovlen = 1};
    for (int i = 0; i < ROUNDS; i++) {
        long sent = RAW(SYS_sendmsg, ends[0], &m->message, MSG_DONTWAIT);
        long n = RAW(SYS_recvfrom, ends[1], got, sizeof got, MSG_DONTWAIT, 0, 0);
        done += sent > 0;
        bad += sent != n || (n != 4 && n != 8);
        if (i % 16 == 0)
            sched_yield();
    }
    printf("sent %d bad %d\n", done > 0, bad);
}

/* SCM_RIGHTS whose length changes: one descriptor or four, never what lies behind. */
static void control(void)
{
    int ends[2], bad = 0, done = 0, fds[4] = {1, 1, 1, 1};
    char byte = 0;
    struct iovec vec = {&byte, 1};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    m->control.header.cmsg_level = SOL_SOCKET;
    m->control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&m->control.header), fds, sizeof fds);
    struct msghdr message = {
        .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &m->control, .msg_controllen = CMSG_LEN(sizeof fds)};
    for (int i = 0; i < ROUNDS / 4; i++) {
        if (RAW(SYS_sendmsg, ends[0], &message, MSG_DONTWAIT) != 1)
            continue;
        char space[128];
        struct msghdr back = {.msg_iov = &vec, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        if (recvmsg(ends[1], &back, MSG_DONTWAIT) != 1)
            continue;
        struct cmsghdr *c = CMSG_FIRSTHDR(&back);
        size_t n = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        done++;
        bad += n != 1 && n != 4;
        for (size_t k = 0; k < n; k++)
            close(((int *)CMSG_DATA(c))[k]);
        if (i % 16 == 0)
            sched_yield();
    }
    printf("passed %d bad %d\n", done > 0, bad);
}

/* execve with a name, arguments and a thread that turns both: the child is one of the two programs. */
static void programs(void)
{
    int one = 0, odd = 0;
    m->argv[0] = m->path;
    for (int i = 0; i < 15; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t t;
            pthread_create(&t, NULL, writer, NULL);
            for (int k = 0; k < i % 5; k++)
                sched_yield();
            RAW(SYS_execve, m->path, m->argv, NULL);
            _exit(77);
        }
        int status;
        waitpid(pid, &status, 0);
        one += WIFEXITED(status) && WEXITSTATUS(status) == 0;
        odd +=
            !WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 1 && WEXITSTATUS(status) != 77);
    }
    printf("ran %d odd %d\n", one > 0, odd);
}

int main(int argc, char **argv)
{
    mode = argv[1];
    int other_process = argc > 2 && strcmp(argv[2], "shared") == 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(m->allowed, IS("exec") ? "/bin/true" : IS("sockaddr") ? "" : "/dev/zero");
    strcpy(m->forbidden, IS("exec") ? "/bin/false" : IS("sockaddr") ? "" : "/dev/null");
    if (IS("sockaddr")) {
        memcpy(m->allowed, "\0aaaaaaaaaaaaaaaaaaa", 20);
        memcpy(m->forbidden, "\0bbbbbbbbbbbbbbbbbbb", 20);
    }
    turn(0);
    pthread_t t;
    pid_t pid = -1;
    if (IS("exec"))
        ;
    else if (!other_process)
        pthread_create(&t, NULL, writer, NULL);
    else if ((pid = fork()) == 0) {
        writer(NULL);
        _exit(0);
    }
    if (IS("path"))
        paths();
    else if (IS("sockaddr"))
        addresses();
    else if (IS("iovec"))
        vectors();
    else if (IS("msghdr"))
        messages();
    else if (IS("control"))
        control();
    else if (IS("exec"))
        programs();
    m->stop = 1;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return 0;
}
