/* Arguments in words (trace/decode.h): one table says what each pointer leads to, one printer a kind. */
#include "trace/decode.h"

#include "kernel/describe.h"
#include "kernel/names.h"
#include "kernel/sysent.h"
#include "policy/policy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/stat.h>

/* ---- bytes and texts ---------------------------------------------------------------------------------------------- */

const uint8_t *decode_memory(const struct event *e, uint64_t address, bool written, size_t *n)
{
    for (uint32_t i = 0; i < e->segment_count; i++) {
        const struct event_segment *s = &e->segment[i];
        if (s->address == address && s->written == written && s->kind == SEGMENT_BYTES) {
            *n = (size_t)s->size;
            return s->bytes;
        }
    }
    return NULL;
}

const char *decode_string(const struct event *e, int i, size_t *n)
{
    if (i >= e->call.argument_count)
        return NULL;
    const uint8_t *bytes = decode_memory(e, e->call.argument[i], false, n);
    if (bytes == NULL)
        return NULL;
    *n = strnlen((const char *)bytes, *n);
    return (const char *)bytes;
}

static void print_pointer(FILE *to, uint64_t address)
{
    if (address == 0)
        fputs("NULL", to);
    else
        fprintf(to, "0x%" PRIx64, address);
}

/* ---- what pointers lead to ---------------------------------------------------------------------------------------- */

struct memory { /* what is printed */
    FILE *to;
    const struct event *e;
    const uint8_t *bytes; /* NULL: not in the record */
    size_t n;
    uint64_t address, length; /* length: of a buffer, as the call says */
};

#define LOAD(m, type, value)                                                                                           \
    type value;                                                                                                        \
    if ((m)->n < sizeof value)                                                                                         \
        return false;                                                                                                  \
    memcpy(&value, (m)->bytes, sizeof value)

static bool print_stat(const struct memory *m)
{
    LOAD(m, struct stat, st);
    static const char *const type[16] = {[S_IFREG >> 12] = "S_IFREG",  [S_IFDIR >> 12] = "S_IFDIR",
                                         [S_IFCHR >> 12] = "S_IFCHR",  [S_IFBLK >> 12] = "S_IFBLK",
                                         [S_IFIFO >> 12] = "S_IFIFO",  [S_IFLNK >> 12] = "S_IFLNK",
                                         [S_IFSOCK >> 12] = "S_IFSOCK"};
    const char *name = type[st.st_mode >> 12 & 15];
    fprintf(m->to, "{st_mode=%s|%#o, st_size=%lld, ...}", name != NULL ? name : "0", st.st_mode & 07777U,
            (long long)st.st_size);
    return true;
}

static bool print_statx(const struct memory *m)
{
    LOAD(m, struct statx, st);
    fprintf(m->to, "{stx_mask=%#x, stx_mode=%#o, stx_size=%llu, ...}", st.stx_mask, st.stx_mode,
            (unsigned long long)st.stx_size);
    return true;
}

static bool print_timespec(const struct memory *m)
{
    LOAD(m, struct timespec, t);
    fprintf(m->to, "{tv_sec=%lld, tv_nsec=%lld}", (long long)t.tv_sec, (long long)t.tv_nsec);
    return true;
}

static bool print_timeval(const struct memory *m)
{
    LOAD(m, struct timeval, t);
    fprintf(m->to, "{tv_sec=%lld, tv_usec=%lld}", (long long)t.tv_sec, (long long)t.tv_usec);
    return true;
}

static bool print_itimerspec(const struct memory *m)
{
    LOAD(m, struct itimerspec, t);
    fprintf(m->to, "{it_interval={%lld, %lld}, it_value={%lld, %lld}}", (long long)t.it_interval.tv_sec,
            (long long)t.it_interval.tv_nsec, (long long)t.it_value.tv_sec, (long long)t.it_value.tv_nsec);
    return true;
}

static bool print_int(const struct memory *m)
{
    LOAD(m, int32_t, value);
    fprintf(m->to, "[%d]", value);
    return true;
}

static bool print_pair(const struct memory *m)
{
    int32_t pair[2];
    if (m->n < sizeof pair)
        return false;
    memcpy(pair, m->bytes, sizeof pair);
    fprintf(m->to, "[%d, %d]", pair[0], pair[1]);
    return true;
}

static bool print_status(const struct memory *m)
{
    LOAD(m, int32_t, status);
    char name[32];
    if (WIFEXITED(status)) {
        fprintf(m->to, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        describe_value(ARG_SIGNAL, (uint64_t)WTERMSIG(status), name, sizeof name);
        fprintf(m->to, "[{WIFSIGNALED(s) && WTERMSIG(s) == %s}]", name);
    } else {
        fprintf(m->to, "[%#x]", (unsigned)status);
    }
    return true;
}

static bool print_rlimit(const struct memory *m)
{
    LOAD(m, struct rlimit, l);
    const rlim_t value[] = {l.rlim_cur, l.rlim_max};
    for (int i = 0; i < 2; i++) {
        fputs(i == 0 ? "{rlim_cur=" : ", rlim_max=", m->to);
        if (value[i] == RLIM_INFINITY)
            fputs("RLIM64_INFINITY", m->to);
        else
            fprintf(m->to, "%llu", (unsigned long long)value[i]);
    }
    fputc('}', m->to);
    return true;
}

static bool print_utsname(const struct memory *m)
{
    LOAD(m, struct utsname, u);
    fputs("{sysname=", m->to);
    decode_text(m->to, (uint8_t *)u.sysname, strnlen(u.sysname, sizeof u.sysname), 65, false);
    fputs(", nodename=", m->to);
    decode_text(m->to, (uint8_t *)u.nodename, strnlen(u.nodename, sizeof u.nodename), 65, false);
    fputs(", ...}", m->to);
    return true;
}

static bool print_sockaddr(const struct memory *m)
{
    struct sockaddr_storage a = {0};
    char text[INET6_ADDRSTRLEN];
    size_t n = m->n < sizeof a ? m->n : sizeof a;
    memcpy(&a, m->bytes, n);
    if (n < sizeof a.ss_family)
        return false;
    if (a.ss_family == AF_INET && n >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        fprintf(m->to, "{sa_family=AF_INET, sin_port=htons(%u), sin_addr=inet_addr(\"%s\")}", ntohs(in->sin_port),
                text);
    } else if (a.ss_family == AF_INET6 && n >= 24) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
        fprintf(m->to, "{sa_family=AF_INET6, sin6_port=htons(%u), sin6_addr=\"%s\"}", ntohs(in->sin6_port), text);
    } else if (a.ss_family == AF_UNIX) {
        const uint8_t *path = m->bytes + offsetof(struct sockaddr_un, sun_path);
        size_t room = n - offsetof(struct sockaddr_un, sun_path);
        fputs("{sa_family=AF_UNIX, sun_path=", m->to);
        decode_text(m->to, path, room > 0 && path[0] != 0 ? strnlen((const char *)path, room) : room, 108, false);
        fputc('}', m->to);
    } else {
        fprintf(m->to, "{sa_family=%u, ...}", a.ss_family);
    }
    return true;
}

static bool print_polled(const struct memory *m)
{
    enum { SHOWN = 8 };
    size_t count = m->n / sizeof(struct pollfd);
    fputc('[', m->to);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        struct pollfd p;
        memcpy(&p, m->bytes + i * sizeof p, sizeof p);
        fprintf(m->to, "%s{fd=%d, events=%#x}", i > 0 ? ", " : "", p.fd, (unsigned)(uint16_t)p.events);
    }
    fputs(count > SHOWN ? ", ...]" : "]", m->to);
    return true;
}

static bool print_epoll(const struct memory *m)
{
    enum { SHOWN = 8 };
    size_t count = m->n / sizeof(struct epoll_event);
    bool one = m->e->call.nr == SYS_epoll_ctl;
    fputs(one ? "" : "[", m->to);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        struct epoll_event ev;
        memcpy(&ev, m->bytes + i * sizeof ev, sizeof ev);
        fprintf(m->to, "%s{events=%#x, data=%#" PRIx64 "}", i > 0 ? ", " : "", ev.events, ev.data.u64);
    }
    fputs(one ? "" : count > SHOWN ? ", ...]" : "]", m->to);
    return true;
}

static bool print_signal_set(const struct memory *m)
{
    LOAD(m, uint64_t, set);
    char name[32];
    fputc('[', m->to);
    bool any = false;
    for (uint64_t rest = set; rest != 0; rest &= rest - 1) {
        describe_value(ARG_SIGNAL, (uint64_t)__builtin_ctzll(rest) + 1, name, sizeof name);
        fprintf(m->to, "%s%s", any ? " " : "", strncmp(name, "SIG", 3) == 0 ? name + 3 : name);
        any = true;
    }
    fputc(']', m->to);
    return true;
}

static bool print_action(const struct memory *m)
{
    struct {
        uint64_t handler, flags, restorer, mask;
    } action;
    if (m->n < sizeof action)
        return false;
    memcpy(&action, m->bytes, sizeof action);
    if (action.handler <= 1)
        fprintf(m->to, "{sa_handler=%s, sa_flags=%#" PRIx64 "}", action.handler == 0 ? "SIG_DFL" : "SIG_IGN",
                action.flags);
    else
        fprintf(m->to, "{sa_handler=%#" PRIx64 ", sa_flags=%#" PRIx64 "}", action.handler, action.flags);
    return true;
}

static bool print_buffer(const struct memory *m)
{
    decode_text(m->to, m->bytes, m->n, DECODE_BYTES_SHOWN, m->length > m->n);
    return true;
}

static bool print_link(const struct memory *m)
{
    decode_text(m->to, m->bytes, m->n, 4096, false);
    return true;
}

/* struct linux_dirent64, or the old one: how many there are says enough. */
static bool print_entries(const struct memory *m)
{
    size_t count = 0, at = 0;
    const size_t length_at = 16;
    while (at + length_at + 2 <= m->n) {
        uint16_t length;
        memcpy(&length, m->bytes + at + length_at, sizeof length);
        if (length == 0)
            break;
        at += length;
        count++;
    }
    print_pointer(m->to, m->address);
    fprintf(m->to, " /* %zu entries */", count);
    return true;
}

/* An array of iovecs: the pieces follow it as segments of their own, which are shown behind each other. */
static bool print_vector(const struct memory *m)
{
    enum { SHOWN = 4 };
    size_t count = m->n / sizeof(struct iovec);
    bool filled = m->e->call.nr == SYS_readv || m->e->call.nr == SYS_preadv || m->e->call.nr == SYS_preadv2;
    fputc('[', m->to);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        struct iovec v;
        size_t n;
        memcpy(&v, m->bytes + i * sizeof v, sizeof v);
        const uint8_t *bytes = decode_memory(m->e, (uint64_t)(uintptr_t)v.iov_base, filled, &n);
        fputs(i > 0 ? ", {iov_base=" : "{iov_base=", m->to);
        if (bytes != NULL)
            decode_text(m->to, bytes, n < v.iov_len ? n : v.iov_len, DECODE_BYTES_SHOWN, false);
        else
            print_pointer(m->to, (uint64_t)(uintptr_t)v.iov_base);
        fprintf(m->to, ", iov_len=%zu}", v.iov_len);
    }
    fputs(count > SHOWN ? ", ...]" : "]", m->to);
    return true;
}

/* argv, envp: the pointers as they were read one by one or together; strings are segments of their own. */
static bool print_strings(const struct memory *m)
{
    enum { SHOWN = 32 };
    bool environment = m->e->call.nr == SYS_execve     ? m->address == m->e->call.argument[2]
                       : m->e->call.nr == SYS_execveat ? m->address == m->e->call.argument[3]
                                                       : false;
    size_t count = 0;
    fputs(environment ? "" : "[", m->to);
    for (uint64_t at = m->address;; at += 8, count++) {
        size_t n;
        uint64_t pointer = 0;
        const uint8_t *word = decode_memory(m->e, at, false, &n);
        if (word == NULL && at - m->address + 8 <= m->n)
            word = m->bytes + (at - m->address), n = 8;
        if (word == NULL || n < 8)
            break;
        memcpy(&pointer, word, 8);
        if (pointer == 0)
            break;
        const uint8_t *text = decode_memory(m->e, pointer, false, &n);
        if (environment || count > SHOWN)
            continue;
        fputs(count > 0 ? ", " : "", m->to);
        if (count == SHOWN)
            fputs("...", m->to);
        else if (text != NULL)
            decode_text(m->to, text, strnlen((const char *)text, n), DECODE_BYTES_SHOWN * 8, false);
        else
            print_pointer(m->to, pointer);
    }
    if (environment) {
        print_pointer(m->to, m->address);
        fprintf(m->to, " /* %zu vars */", count);
    } else {
        fputc(']', m->to);
    }
    return true;
}

/* Where the length of a buffer stands. */
enum { LENGTH_RESULT = -1, LENGTH_NONE = -2 };

static const struct pointer {
    uint16_t nr;
    uint8_t argument;
    bool written;  /* by the call */
    int8_t length; /* of a buffer: which argument says it, or LENGTH_* */
    bool (*print)(const struct memory *m);
} pointers[] = {
#define IN(nr, i, kind)                                                                                                \
    {                                                                                                                  \
        SYS_##nr, i, false, LENGTH_NONE, print_##kind                                                                  \
    }
#define OUT(nr, i, kind)                                                                                               \
    {                                                                                                                  \
        SYS_##nr, i, true, LENGTH_NONE, print_##kind                                                                   \
    }
    {SYS_read, 1, true, LENGTH_RESULT, print_buffer},
    {SYS_pread64, 1, true, LENGTH_RESULT, print_buffer},
    {SYS_recvfrom, 1, true, LENGTH_RESULT, print_buffer},
    {SYS_getrandom, 0, true, LENGTH_RESULT, print_buffer},
    {SYS_write, 1, false, 2, print_buffer},
    {SYS_pwrite64, 1, false, 2, print_buffer},
    {SYS_sendto, 1, false, 2, print_buffer},
    {SYS_setsockopt, 3, false, 4, print_buffer},
    {SYS_readlink, 1, true, LENGTH_RESULT, print_link},
    {SYS_readlinkat, 2, true, LENGTH_RESULT, print_link},
    {SYS_getcwd, 0, true, LENGTH_NONE, print_link},
    {SYS_getxattr, 2, true, LENGTH_RESULT, print_buffer},
    {SYS_lgetxattr, 2, true, LENGTH_RESULT, print_buffer},
    {SYS_fgetxattr, 2, true, LENGTH_RESULT, print_buffer},
    {SYS_setxattr, 2, false, 3, print_buffer},
    IN(readv, 1, vector),
    IN(writev, 1, vector),
    IN(preadv, 1, vector),
    IN(pwritev, 1, vector),
    IN(preadv2, 1, vector),
    IN(pwritev2, 1, vector),
    OUT(stat, 1, stat),
    OUT(fstat, 1, stat),
    OUT(lstat, 1, stat),
    OUT(newfstatat, 2, stat),
    OUT(statx, 4, statx),
    OUT(getdents64, 1, entries),
    OUT(getdents, 1, entries),
    IN(nanosleep, 0, timespec),
    OUT(nanosleep, 1, timespec),
    IN(clock_nanosleep, 2, timespec),
    OUT(clock_nanosleep, 3, timespec),
    OUT(clock_gettime, 1, timespec),
    OUT(clock_getres, 1, timespec),
    IN(clock_settime, 1, timespec),
    IN(futex, 3, timespec),
    IN(ppoll, 2, timespec),
    IN(pselect6, 4, timespec),
    IN(rt_sigtimedwait, 2, timespec),
    OUT(gettimeofday, 0, timeval),
    IN(select, 4, timeval),
    IN(setitimer, 1, itimerspec),
    IN(timer_settime, 2, itimerspec),
    OUT(timer_gettime, 1, itimerspec),
    IN(timerfd_settime, 2, itimerspec),
    OUT(timerfd_gettime, 1, itimerspec),
    OUT(pipe, 0, pair),
    OUT(pipe2, 0, pair),
    OUT(socketpair, 3, pair),
    OUT(wait4, 1, status),
    IN(poll, 0, polled),
    IN(ppoll, 0, polled),
    OUT(epoll_wait, 1, epoll),
    OUT(epoll_pwait, 1, epoll),
    IN(epoll_ctl, 3, epoll),
    IN(setrlimit, 1, rlimit),
    OUT(getrlimit, 1, rlimit),
    IN(prlimit64, 2, rlimit),
    OUT(prlimit64, 3, rlimit),
    OUT(uname, 0, utsname),
    IN(rt_sigaction, 1, action),
    IN(rt_sigprocmask, 1, signal_set),
    IN(rt_sigsuspend, 0, signal_set),
    IN(rt_sigtimedwait, 0, signal_set),
    IN(signalfd4, 1, signal_set),
    IN(connect, 1, sockaddr),
    IN(bind, 1, sockaddr),
    IN(sendto, 4, sockaddr),
    OUT(accept, 1, sockaddr),
    OUT(accept4, 1, sockaddr),
    OUT(getsockname, 1, sockaddr),
    OUT(getpeername, 1, sockaddr),
    OUT(recvfrom, 4, sockaddr),
    OUT(accept, 2, int),
    OUT(accept4, 2, int),
    OUT(getsockname, 2, int),
    OUT(getpeername, 2, int),
    OUT(getsockopt, 3, int),
    IN(execve, 1, strings),
    IN(execve, 2, strings),
    IN(execveat, 2, strings),
    IN(execveat, 3, strings),
#undef IN
#undef OUT
};

static const struct pointer *pointer_of(uint64_t nr, int i)
{
    for (size_t at = 0; at < sizeof pointers / sizeof *pointers; at++)
        if (pointers[at].nr == nr && pointers[at].argument == i)
            return &pointers[at];
    return NULL;
}

int decode_first_memory(const struct event *e)
{
    const struct sysent *s = sysent_get(e->call.nr);
    for (int i = 0; i < e->call.argument_count; i++)
        if (e->call.argument[i] != 0 && (pointer_of(e->call.nr, i) != NULL ||
                                         (s != NULL && (s->argument[i] == ARG_PATH || s->argument[i] == ARG_STR))))
            return i;
    return e->call.argument_count;
}

/* What a read took from a given file, or a secret, is not in the record as bytes. */
static bool print_reference(FILE *to, const struct event *e, uint64_t address)
{
    for (uint32_t i = 0; i < e->segment_count; i++) {
        const struct event_segment *s = &e->segment[i];
        if (s->address != address || s->kind == SEGMENT_BYTES)
            continue;
        if (s->kind == SEGMENT_GIVEN)
            fprintf(to, "<%" PRIu64 " bytes of the file at %" PRIu64 ">", s->size, s->offset);
        else
            fprintf(to, "<%" PRIu64 " secret bytes>", s->size);
        return true;
    }
    return false;
}

static bool print_memory(FILE *to, const struct event *e, int i, const struct pointer *p)
{
    struct memory m = {.to = to, .e = e, .address = e->call.argument[i]};
    if (m.address == 0)
        return false;
    if (p->written && print_reference(to, e, m.address))
        return true;
    m.bytes = decode_memory(e, m.address, p->written, &m.n);
    if (m.bytes == NULL)
        return false;
    m.length = m.n;
    if (p->length >= 0)
        m.length = e->call.argument[p->length];
    if (m.n > m.length)
        m.n = (size_t)m.length;
    return p->print(&m);
}

/* ---- numbers that the table of calls has no kind for -------------------------------------------------------------- */

static const struct name families[] = {{AF_UNIX, "AF_UNIX", 0},
                                       {AF_INET, "AF_INET", 0},
                                       {AF_INET6, "AF_INET6", 0},
                                       {AF_NETLINK, "AF_NETLINK", 0},
                                       {0, NULL, 0}};
static const struct name socket_types[] = {{SOCK_STREAM, "SOCK_STREAM", 0},
                                           {SOCK_DGRAM, "SOCK_DGRAM", 0},
                                           {SOCK_RAW, "SOCK_RAW", 0},
                                           {SOCK_SEQPACKET, "SOCK_SEQPACKET", 0},
                                           {0, NULL, 0}};
static const struct name epoll_operations[] = {{EPOLL_CTL_ADD, "EPOLL_CTL_ADD", 0},
                                               {EPOLL_CTL_DEL, "EPOLL_CTL_DEL", 0},
                                               {EPOLL_CTL_MOD, "EPOLL_CTL_MOD", 0},
                                               {0, NULL, 0}};

static bool print_number(FILE *to, const struct event *e, int i)
{
    uint64_t value = e->call.argument[i];
    const char *name = NULL;
    bool is_socket = e->call.nr == SYS_socket || e->call.nr == SYS_socketpair;
    if (e->call.nr == SYS_ioctl && i == 1)
        name = name_of(names_ioctl, (uint32_t)value);
    else if (e->call.nr == SYS_epoll_ctl && i == 1)
        name = name_of(epoll_operations, value);
    else if (is_socket && i == 0)
        name = name_of(families, value);
    else if (is_socket && i == 1)
        name = name_of(socket_types, value & 0xf);
    if (name == NULL)
        return false;
    fputs(name, to);
    if (is_socket && i == 1)
        fprintf(to, "%s%s", value & SOCK_CLOEXEC ? "|SOCK_CLOEXEC" : "", value & SOCK_NONBLOCK ? "|SOCK_NONBLOCK" : "");
    return true;
}

/* ---- arguments and results ---------------------------------------------------------------------------------------- */

static void print_open(FILE *to, struct trace_context *c, const struct event *e, int which)
{
    for (unsigned i = 0; i < e->call.open_count; i++) {
        const char *name = e->call.open[i].argument == which ? trace_open_name(c, e->call.open[i].id) : NULL;
        if (name == NULL)
            continue;
        fputc('<', to);
        for (const char *at = name; *at != '\0'; at++)
            fprintf(to, (unsigned char)*at < ' ' || (unsigned char)*at > '~' ? "\\%03o" : "%c", (unsigned char)*at);
        fputc('>', to);
    }
}

bool decode_argument(FILE *to, struct trace_context *c, const struct event *e, int i)
{
    const struct sysent *s = sysent_get(e->call.nr);
    uint64_t value = e->call.argument[i];
    int kind = s != NULL ? s->argument[i] : ARG_HEX;
    char text[256];
    size_t n;
    if (kind == ARG_MODE && i > 0 && s->argument[i - 1] == ARG_OPEN_FLAGS &&
        (e->call.argument[i - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) == 0)
        return false;
    const struct pointer *p = pointer_of(e->call.nr, i);
    if (p != NULL && e->kind == EVENT_CALL && print_memory(to, e, i, p))
        return true;
    const char *string = kind == ARG_PATH || kind == ARG_STR ? decode_string(e, i, &n) : NULL;
    if (string != NULL) {
        decode_text(to, (const uint8_t *)string, n, 4096, false);
    } else if (p != NULL) {
        print_pointer(to, value);
    } else if (!print_number(to, e, i)) {
        describe_value(kind, value, text, sizeof text);
        fputs(text, to);
    }
    print_open(to, c, e, i);
    return true;
}

void decode_result(FILE *to, struct trace_context *c, const struct event *e)
{
    static const struct name restarts[] = {
        {512, "ERESTARTSYS", 0}, {513, "ERESTARTNOINTR", 0}, {514, "ERESTARTNOHAND", 0}, {0, NULL, 0}};
    const struct sysent *s = sysent_get(e->call.nr);
    int64_t result = e->call.result;
    if (!e->call.has_result) {
        bool executed = (e->call.flags & EVENT_GONE) != 0 && (e->call.nr == SYS_execve || e->call.nr == SYS_execveat);
        fputs(executed ? "0" : "?", to);
        return;
    }
    if (result < 0 && result >= -4095) {
        const char *name = policy_errno_name((int)-result);
        const char *restart = name_of(restarts, (uint64_t)-result);
        if (restart != NULL)
            fprintf(to, "? %s (a signal came)", restart);
        else
            fprintf(to, "-1 %s (%s)", name != NULL ? name : "?", strerror((int)-result));
        return;
    }
    bool address = s != NULL && (e->call.nr == SYS_mmap || e->call.nr == SYS_brk || e->call.nr == SYS_mremap ||
                                 e->call.nr == SYS_shmat);
    fprintf(to, address ? "%#" PRIx64 : "%" PRId64, result);
    print_open(to, c, e, EVENT_OPEN_RESULT);
}

void decode_name(FILE *to, uint64_t nr)
{
    const struct sysent *s = sysent_get(nr);
    if (s != NULL)
        fputs(s->name, to);
    else
        fprintf(to, "syscall_%" PRIu64, nr);
}
