/* Guest program of test_storms.py: many things at once, that the supervisor must take apart. Each ends by saying so.
 *
 *     storms WHICH SEED */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *self;
static unsigned long seed;

static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (seed >> 33) % n;
}

/* threads racing execve / exit / fork / exit_group */
static atomic_int go;
static void *racer(void *how)
{
    while (!go)
        sched_yield();
    switch ((long)how % 7) {
    case 0:
        execl(self, self, "nothing", NULL);
        break;
    case 1:
        syscall(SYS_exit, 3);
        break;
    case 2: {
        pid_t p = fork();
        if (p == 0) {
            usleep(10);
            _exit(0);
        }
        break;
    }
    case 3:
        kill(getpid(), SIGKILL);
        break;
    case 4: {
        pid_t p = vfork();
        if (p == 0) {
            execl(self, self, "nothing", NULL);
            _exit(1);
        }
        break;
    }
    case 5:
        syscall(SYS_exit_group, 4);
        break;
    case 6:
        raise(SIGSTOP);
        break;
    }
    return NULL;
}

/* ---- threads that execute, exit, fork, kill and stop, all at once ---- */

static void exec_race(void)
{
    for (int round = 0; round < 40; round++) {
        int kinds[6], n = 2 + rnd(5);
        for (int i = 0; i < n; i++)
            kinds[i] = rnd(7);
        pid_t p = fork();
        if (p == 0) {
            pthread_t t[6];
            for (int i = 0; i < n; i++)
                pthread_create(&t[i], NULL, racer, (void *)(long)kinds[i]);
            go = 1;
            if (rnd(2))
                syscall(SYS_exit, 0);
            if (rnd(2))
                execl(self, self, "nothing", NULL);
            for (int i = 0; i < n; i++)
                pthread_join(t[i], NULL);
            _exit(0);
        }
        for (int i = 0; i < 40; i++) {
            int st;
            pid_t r = waitpid(p, &st, WNOHANG | WUNTRACED);
            if (r == p && !WIFSTOPPED(st)) {
                p = 0;
                break;
            }
            if (r == p)
                kill(p, rnd(2) ? SIGCONT : SIGKILL);
            usleep(200);
        }
        if (p) {
            kill(p, SIGKILL);
            waitpid(p, NULL, 0);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    printf("done\n");
}

/* ---- signals while threads and processes are made ---- */

static atomic_long caught;

static void onsig(int s)
{
    caught++;
}
static void *empty(void *a)
{
    return a;
}
static void sig_storm(void)
{
    struct sigaction sa = {.sa_handler = onsig, .sa_flags = rnd(2) ? SA_RESTART : 0};
    int sigs[] = {SIGALRM, SIGUSR1, SIGUSR2, SIGCHLD, SIGVTALRM, SIGPROF, SIGRTMIN + 1};
    for (int i = 0; i < 7; i++)
        sigaction(sigs[i], &sa, NULL);
    struct itimerval it = {{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &it, NULL);
    setitimer(ITIMER_VIRTUAL, &it, NULL);
    setitimer(ITIMER_PROF, &it, NULL);
    pid_t me = getpid(), bomber = fork();
    if (bomber == 0) {
        for (int i = 0; i < 5000; i++)
            if (kill(me, sigs[rnd(7)]) < 0)
                break;
        _exit(0);
    }
    for (int i = 0; i < 60; i++) {
        pthread_t t[4];
        for (int k = 0; k < 4; k++) {
            int e = pthread_create(&t[k], NULL, empty, NULL);
            if (e) {
                printf("thread: %s\n", strerror(e));
                exit(1);
            }
        }
        for (int k = 0; k < 4; k++)
            pthread_join(t[k], NULL);
        pid_t p = fork();
        if (p < 0) {
            printf("fork %s\n", strerror(errno));
            exit(1);
        }
        if (p == 0)
            _exit(0);
        while (waitpid(p, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, NULL);
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    setitimer(ITIMER_PROF, &off, NULL);
    kill(bomber, SIGKILL);
    while (waitpid(bomber, NULL, 0) < 0 && errno == EINTR)
        ;
    printf("done\n");
}

/* ---- processes with threads that are stopped, continued and killed ---- */

static void *spin(void *a)
{
    volatile long x = 0;
    for (;;) {
        x++;
        if (!(x & 0xffff))
            getppid();
    }
    return a;
}
static void stop_race(void)
{
    for (int round = 0; round < 12; round++) {
        pid_t p = fork();
        if (p == 0) {
            pthread_t t;
            for (int i = 0; i < 3; i++)
                pthread_create(&t, NULL, spin, NULL);
            for (;;) {
                pid_t c = fork();
                if (c == 0)
                    _exit(0);
                waitpid(c, NULL, 0);
            }
        }
        for (int i = 0; i < 30; i++) {
            int s[] = {SIGSTOP, SIGCONT, SIGTSTP, SIGTTIN, SIGCONT, SIGUSR1 * 0};
            kill(p, s[rnd(6)]);
            if (rnd(3) == 0)
                usleep(rnd(300));
            int st;
            waitpid(p, &st, WNOHANG | WUNTRACED | WCONTINUED);
        }
        kill(p, SIGKILL);
        while (waitpid(p, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    printf("done\n");
}

/* ---- vfork(2): children that kill their parent, stop, die, do it again ---- */

static void *dies(void *a)
{
    usleep(rnd(100));
    kill((pid_t)(long)a, SIGKILL);
    return NULL;
}
static void vforks(void)
{
    for (int i = 0; i < 40; i++) {
        int how = rnd(5);
        pid_t p = fork();
        if (p == 0) {
            if (how == 4) {
                pthread_t t;
                pthread_create(&t, NULL, dies, (void *)(long)getpid());
            }
            pid_t c = vfork();
            if (c == 0) {
                switch (how) {
                case 0:
                    kill(getppid(), SIGKILL);
                    _exit(0);
                case 1:
                    raise(SIGSTOP);
                    _exit(0);
                case 2:
                    kill(getpid(), SIGKILL);
                    _exit(0);
                case 3:
                    if (vfork() == 0) {
                        kill(getppid(), SIGKILL);
                        _exit(0);
                    }
                    _exit(0);
                case 4:
                    for (int k = 0; k < 1000; k++)
                        getppid();
                    _exit(0);
                }
            }
            _exit(0);
        }
        for (int k = 0; k < 50; k++) {
            if (waitpid(p, NULL, WNOHANG) == p) {
                p = 0;
                break;
            }
            usleep(100);
        }
        if (p) {
            kill(p, SIGKILL);
            waitpid(p, NULL, 0);
        }
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    printf("done\n");
}

/* ---- blocking calls that are interrupted ---- */

static void *killer(void *a)
{
    for (int i = 0; i < 200; i++) {
        syscall(SYS_tgkill, getpid(), (long)a, SIGUSR1);
        usleep(1);
    }
    return NULL;
}
static void *blocker(void *a)
{
    for (int i = 0; i < 100; i++) {
        int fds[2];
        char c;
        struct timespec ts = {0, 1000};
        switch (rnd(6)) {
        case 0:
            nanosleep(&ts, NULL);
            break;
        case 1:
            pipe(fds);
            {
                struct timeval tv = {0, 100};
                select(fds[0] + 1, NULL, NULL, NULL, &tv);
            }
            close(fds[0]);
            close(fds[1]);
            break;
        case 2: {
            sigset_t s;
            sigemptyset(&s);
            struct timespec t = {0, 5000};
            ppoll(NULL, 0, &t, &s);
        } break;
        case 3: {
            pid_t p = fork();
            if (p == 0)
                _exit(0);
            waitpid(p, NULL, 0);
        } break;
        case 4: {
            sigset_t s;
            sigemptyset(&s);
            sigaddset(&s, SIGUSR2);
            sigtimedwait(&s, NULL, &ts);
        } break;
        case 5: {
            void *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open(self, O_RDONLY | O_CLOEXEC), 0);
            munmap(m, 4096);
        } break;
        }
    }
    return NULL;
}

static void interrupts(void)
{
    struct sigaction sa = {.sa_handler = onsig};
    sigaction(SIGUSR1, &sa, NULL);
    pthread_t t[8];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, killer, (void *)(long)(getpid() + rnd(5)));
    for (int i = 4; i < 8; i++)
        pthread_create(&t[i], NULL, blocker, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    printf("done\n");
}

/* ---- lengths and addresses that nobody has ---- */

static long addresses[] = {
    0, 1, 0x10000, 0x11000, 0x12000, -1, -4096, 0x7ffffffff000, 0x800000000000, 0xffffffff80000000, 0xffffffffff600000};

static void iovecs(void)
{
    struct iovec v[1024];
    static char b[64];
    int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY),
        f = open("/tmp/f", O_CREAT | O_RDWR, 0600), p[2];
    pipe2(p, O_NONBLOCK);
    size_t lengths[] = {0, 1, 64, 1UL << 31, 1UL << 40, 1UL << 62, (size_t)-1, 0x7fffffffffffffffUL, 0x7ffff000, 4096};
    for (int i = 0; i < 800; i++) {
        int n = rnd(1025);
        for (int k = 0; k < n; k++)
            v[k] = (struct iovec){rnd(3) ? (void *)b : (void *)addresses[rnd(11)], lengths[rnd(rnd(2) ? 3 : 10)]};
        int fd[] = {null, zero, f, p[0], p[1], 0};
        int d = fd[rnd(5)];
        switch (rnd(8)) {
        case 0:
            writev(d, v, n);
            break;
        case 1:
            readv(d, v, n);
            break;
        case 2:
            pwritev2(d, v, n, rnd(2) ? -1 : (long)1 << rnd(63), rnd(32));
            break;
        case 3:
            preadv2(d, v, n, rnd(2) ? -1 : (long)1 << rnd(63), rnd(32));
            break;
        case 4:
            vmsplice(d, v, n, rnd(16));
            break;
        case 5:
            write(d, addresses[rnd(11)], lengths[rnd(10)]);
            break;
        case 6:
            splice(d, NULL, fd[rnd(5)], NULL, lengths[rnd(10)], rnd(16));
            break;
        case 7:
            ftruncate(f, rnd(2) ? 0 : 1UL << rnd(40));
            break;
        }
    }
    printf("done\n");
}

/* ---- descriptors that hold each other ---- */

static void epoll_loops(void)
{
    int e[100];
    for (int i = 0; i < 100; i++)
        e[i] = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT};

    for (int i = 0; i < 100; i++)
        for (int k = 0; k < 100; k++) {
            ev.data.fd = k;
            epoll_ctl(e[i], EPOLL_CTL_ADD, e[k], &ev);
        }
    for (int i = 0; i < 100; i++) {
        struct epoll_event out[64];
        epoll_wait(e[i], out, 64, 0);
    }
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    for (int i = 0; i < 100; i++)
        epoll_ctl(e[i], EPOLL_CTL_ADD, s[0], &ev);
    for (int i = 0; i < 1000; i++) {
        write(s[1], "x", 1);
        struct epoll_event out[64];
        epoll_wait(e[i % 100], out, 64, 0);
    }
    for (int i = 0; i < 100; i += 2)
        close(e[i]);
    printf("done\n");
}

static int send_fd(int s, int fd)
{
    char c[CMSG_SPACE(sizeof(int))] = {0}, b = 'x';
    struct iovec io = {&b, 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(s, &m, MSG_DONTWAIT);
}

static void fd_cycles(void)
{
    int sent = 0;
    for (int i = 0; i < 1500; i++) {
        int s[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0) {
            printf("stopped at errno %d\n", errno);
            break;
        }
        sent += send_fd(s[0], s[0]) > 0;
        sent += send_fd(s[0], s[1]) > 0;
        sent += send_fd(s[1], s[0]) > 0;
        int e = epoll_create1(0);
        struct epoll_event ev = {.events = EPOLLIN};
        epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev);
        send_fd(s[0], e);
        close(e);
        close(s[0]);
        close(s[1]);
    }
    printf("done\n");
}

static void fd_chain(void)
{
    int prev = -1, n = 0;
    for (int i = 0; i < 20000; i++) {
        int s[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
            break;
        if (prev >= 0) {
            if (send_fd(s[0], prev) < 0)
                break;
            close(prev);
        }
        close(s[0]);
        prev = s[1];
        n++;
    }
    close(prev);
    printf("done\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"ends", exec_race},    {"signals", sig_storm},     {"stops", stop_race},
               {"vforks", vforks},     {"interrupts", interrupts}, {"lengths", iovecs},
               {"epoll", epoll_loops}, {"descriptors", fd_cycles}, {"chain", fd_chain}};
    self = argv[0];
    setvbuf(stdout, NULL, _IONBF, 0);
    seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    (void)rnd(2);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (argc > 2 && strcmp(argv[1], all[i].name) == 0)
            all[i].run();
    return 0;
}
