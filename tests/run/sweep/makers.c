/* Calls that make descriptors, and that wait for them. */
#include "sweep.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

enum {
    READY = 20,
    EMPTY,
    WRITING,
    EVENT,
    TIMER,
    EPOLL,
    NESTED,
    INOTIFY,
    SIGNALS,
    FILE_FD,
    DIRECTORY,
    OPATH,
    DEV_NULL,
    PAIR,
    PEER,
    LAST
};
#define KINDS                                                                                                          \
    V(READY), V(EMPTY), V(WRITING), V(EVENT), V(TIMER), V(EPOLL), V(NESTED), V(INOTIFY), V(SIGNALS), V(FILE_FD),       \
        V(DIRECTORY), V(OPATH), V(DEV_NULL), V(PAIR)
LIST(fds, KINDS, {"closed", 99}, {"-1", -1}, {"junk above", EVENT | 1L << 32});

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

static void open_epolls(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    put(epoll_create1(0), EPOLL);
    put(epoll_create1(0), NESTED);
    epoll_ctl(NESTED, EPOLL_CTL_ADD, EPOLL, &e);
    epoll_ctl(EPOLL, EPOLL_CTL_ADD, EVENT, &e);
}

static void open_timer(void)
{
    put(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER);
}

static void open_inotify(void)
{
    put(inotify_init1(IN_NONBLOCK), INOTIFY);
    inotify_add_watch(INOTIFY, "d", IN_CREATE);
}

static void open_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    put(signalfd(-1, &none, SFD_NONBLOCK), SIGNALS);
}

static void make(void)
{
    int p[2];
    pipe2(p, O_NONBLOCK), put(p[0], READY);
    write(p[1], "x", 1), close(p[1]);
    pipe2(p, O_NONBLOCK), put(p[0], EMPTY), put(p[1], WRITING);
    put(eventfd(3, EFD_NONBLOCK), EVENT);
    open_timer();
    open_epolls();
    open_inotify();
    open_signals();
    put(open("f", O_RDWR | O_CREAT, 0644), FILE_FD);
    put(open("d", O_RDONLY), DIRECTORY);
    put(open("f", O_PATH), OPATH);
    put(open("/dev/null", O_RDWR), DEV_NULL);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), put(p[0], PAIR), put(p[1], PEER);
}

static void made(long result, const long *a)
{
    close((int)result);
}

static void pair_made(long result, const long *a)
{
    close(((int *)a[0])[0]), close(((int *)a[0])[1]);
}

static void controlled(long result, const long *a)
{
    open_epolls();
}

static void timed(long result, const long *a)
{
    open_timer();
}

static void watched(long result, const long *a)
{
    open_inotify();
}

static void set_signals(long result, const long *a)
{
    if (a[0] == -1)
        close((int)result);
    else
        open_signals();
}

#define P(text)                                                                                                        \
    {                                                                                                                  \
        text, (long)(text)                                                                                             \
    }
LIST(flags, {"0", 0}, {"CLOEXEC", O_CLOEXEC}, {"NONBLOCK", O_NONBLOCK}, {"DIRECT", O_DIRECT}, {"1", 1}, {"2", 2},
     {"4", 4}, {"-1", -1}, {"junk above", 1L << 32});
LIST(initial, {"0", 0}, {"-1", -1}, {"2^32", 1L << 32});
LIST(clocks, {"0", 0}, {"1", 1}, {"2", 2}, {"3", 3}, {"4", 4}, {"5", 5}, {"6", 6}, {"7", 7}, {"8", 8}, {"9", 9},
     {"11", 11}, {"16", 16}, {"-1", -1}, {"-6", -6}, {"MONOTONIC with junk above", 1 | 1L << 32});
LIST(settime_flags, {"0", 0}, {"ABSTIME", 1}, {"CANCEL_ON_SET", 2}, {"both", 3}, {"4", 4}, {"-1", -1},
     {"junk above", 1L << 32});
#define TIMES (IN + 0x100)
LIST(intervals, {"disarmed", TIMES}, {"far", TIMES + 32}, {"bad nanoseconds", TIMES + 64}, {"negative", TIMES + 96},
     {"bad interval", TIMES + 128}, {"farther than time", TIMES + 160}, {"NULL", 0}, {"nowhere", NOWHERE},
     {"read only", READ_ONLY});
LIST(olds, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY});
#define SPANS (IN + 0x200)
LIST(spans, {"0", SPANS}, {"bad nanoseconds", SPANS + 16}, {"negative", SPANS + 32}, {"nowhere", NOWHERE});
LIST(masks, {"empty", READ_ONLY}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(mask_sizes, {"8", 8}, {"0", 0}, {"4", 4}, {"16", 16}, {"128", 128}, {"-1", -1},
     {"8 with junk above", 8 | 1L << 32});
LIST(few_sizes, {"8", 8}, {"0", 0}, {"16", 16});
LIST(signal_fds, {"-1", -1}, V(SIGNALS), V(EVENT), V(OPATH), {"closed", 99}, {"-2", -2});

LIST(operations, {"ADD", 1}, {"DEL", 2}, {"MOD", 3}, {"0", 0}, {"4", 4}, {"-1", -1},
     {"ADD with junk above", 1 | 1L << 32});
#define EVENTS (IN + 0x300)
LIST(epoll_events, {"IN", EVENTS}, {"none", EVENTS + 12}, {"EXCLUSIVE", EVENTS + 24},
     {"EXCLUSIVE|ONESHOT", EVENTS + 36}, {"all bits", EVENTS + 48}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(counts, {"0", 0}, {"1", 1}, {"5", 5}, {"-1", -1}, {"INT_MAX", INT32_MAX}, {"2^32+1", 1 | 1L << 32},
     {"too many", INT32_MAX / 12 + 1});
LIST(outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY}, {"edge", EDGE},
     {"kernel", KERNEL});
LIST(few_outs, {"OUT", OUT}, {"nowhere", NOWHERE});
LIST(at_once, {"0", 0}, {"0 with junk above", 1L << 32});
LIST(epolls, V(EPOLL), V(NESTED), V(EVENT));
LIST(no_epolls, V(OPATH), {"closed", 99}, {"-1", -1}); /* told before the arguments are judged since Linux 6.13 */
LIST(one, {"1", 1});

LIST(names, P("f"), P("d"), P("l"), P("none"), P("f/"), P(""), {"NULL", 0}, {"nowhere", NOWHERE});
LIST(watch_masks, {"0", 0}, {"MODIFY", IN_MODIFY}, {"ALL", IN_ALL_EVENTS}, {"MASK_ADD", IN_MASK_ADD | IN_OPEN},
     {"MASK_CREATE", IN_MASK_CREATE | IN_OPEN}, {"MASK_ADD|MASK_CREATE", IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN},
     {"ONLYDIR", IN_ONLYDIR | IN_OPEN}, {"DONT_FOLLOW", IN_DONT_FOLLOW | IN_OPEN}, {"ONLYDIR alone", IN_ONLYDIR},
     {"bit 12", 1 << 12}, {"OPEN and bit 12", IN_OPEN | 1 << 12}, {"Q_OVERFLOW", IN_Q_OVERFLOW},
     {"IGNORED", IN_IGNORED}, {"-1", -1}, {"MODIFY with junk above", IN_MODIFY | 1L << 32});
LIST(watches, {"1", 1}, {"0", 0}, {"2", 2}, {"-1", -1}, {"1 with junk above", 1 | 1L << 32});

static char name_249[250], name_250[251];
LIST(memory_names, P(""), P("x"), P("a/b"), {"249 bytes", (long)name_249}, {"250 bytes", (long)name_250}, {"NULL", 0},
     {"nowhere", NOWHERE}, {"edge", EDGE});
/* Not what needs huge pages or came with Linux 6.3. */
LIST(memory_flags, {"0", 0}, {"CLOEXEC", 1}, {"ALLOW_SEALING", 2}, {"both", 3}, {"bit 5", 32}, {"bit 8", 256},
     {"a size without HUGETLB", 21 << 26}, {"junk above", 1L << 32});

#define POLLS (IN + 0x400)
LIST(polls, {"three", POLLS}, {"none", POLLS + 24}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY},
     {"edge", EDGE});
LIST(poll_counts, {"0", 0}, {"1", 1}, {"3", 3}, {"1025", 1025}, {"-1", -1}, {"2^32+3", 3 | 1L << 32});
#define SETS (IN + 0x500)
LIST(widths, {"0", 0}, {"1", 1}, {"64", 64}, {"128", 128}, {"1025", 1025}, {"-1", -1}, {"INT_MIN", INT32_MIN},
     {"64 with junk above", 64 | 1L << 32});
LIST(sets, {"ready", SETS}, {"closed", SETS + 128}, {"empty", SETS + 256}, {"NULL", 0}, {"nowhere", NOWHERE},
     {"read only", READ_ONLY});
LIST(few_sets, {"NULL", 0}, {"ready", SETS}, {"nowhere", NOWHERE});
#define VALUES (IN + 0x800)
LIST(timevals, {"0", VALUES}, {"negative", VALUES + 16}, {"negative microseconds", VALUES + 32}, {"nowhere", NOWHERE});
LIST(mask_structs, {"NULL", 0}, {"empty", VALUES + 64}, {"of size 4", VALUES + 80}, {"nowhere", NOWHERE},
     {"without a mask, of size 4", VALUES + 96}, {"of a mask nowhere", VALUES + 112});
LIST(few_spans, {"0", SPANS}, {"negative", SPANS + 32});

static void set_memory(void)
{
    const struct itimerspec times[] = {{{0, 0}, {0, 0}},  {{0, 0}, {1 << 20, 0}},  {{0, 0}, {5, 1000000000}},
                                       {{0, 0}, {-5, 0}}, {{5, -1}, {1 << 20, 0}}, {{0, 0}, {INT64_MAX, 0}}};
    memcpy((void *)TIMES, times, sizeof times);
    const struct timespec spans[] = {{0, 0}, {0, 1000000000}, {-1, 0}};
    memcpy((void *)SPANS, spans, sizeof spans);
    const struct epoll_event events[] = {{.events = EPOLLIN},
                                         {.events = 0},
                                         {.events = EPOLLIN | EPOLLEXCLUSIVE},
                                         {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT},
                                         {.events = -1U}};
    memcpy((void *)EVENTS, events, sizeof events);
    const struct pollfd polls[] = {{READY, POLLIN, 0}, {99, POLLIN, 0},      {-1, POLLIN, 0},
                                   {EMPTY, POLLIN, 0}, {WRITING, POLLIN, 0}, {-5, 0, 0}};
    memcpy((void *)POLLS, polls, sizeof polls);
    memset((void *)SETS, 0, 384);
    FD_SET(READY, (fd_set *)SETS);
    FD_SET(60, (fd_set *)(SETS + 128));
    const struct timeval values[] = {{0, 0}, {-1, 0}, {0, -1}, {0, 0}};
    memcpy((void *)VALUES, values, sizeof values);
    memcpy((void *)(VALUES + 64), (long[]){READ_ONLY, 8, READ_ONLY, 4, 0, 4, NOWHERE, 8}, 64);
}

static void again(long result, const long *a)
{
    set_memory();
}

static const struct row rows[] = {
    {ROW(pipe, outs), SHOW, pair_made},
    {ROW(pipe2, outs, flags), SHOW, pair_made},
    {ROW(eventfd, initial), HIDE, made},
    {ROW(eventfd2, initial, flags), HIDE, made},
    {ROW(timerfd_create, clocks, flags), HIDE, made},
    {ROW(timerfd_settime, fds, settime_flags, intervals, olds), SHOW, timed},
    {ROW(timerfd_gettime, fds, outs), SHOW, NULL},
    {ROW(signalfd, signal_fds, masks, mask_sizes), HIDE, set_signals},
    {ROW(signalfd4, signal_fds, masks, few_sizes, flags), HIDE, set_signals},
    {ROW(epoll_create, counts), HIDE, made},
    {ROW(epoll_create1, flags), HIDE, made},
    {ROW(epoll_ctl, epolls, operations, fds, epoll_events), SHOW, controlled},
    {ROW(epoll_wait, epolls, outs, counts, at_once), SHOW, NULL},
    {ROW(epoll_ctl, no_epolls, operations, fds, epoll_events), SHOW, NULL},
    {ROW(epoll_wait, no_epolls, few_outs, one, at_once), SHOW, NULL},
    {ROW(epoll_pwait, epolls, outs, counts, zero, masks, few_sizes), SHOW, NULL},
    {ROW(epoll_pwait2, epolls, few_outs, counts, spans, masks, few_sizes), SHOW, NULL},
    {ROW(inotify_init1, flags), HIDE, made},
    {ROW(inotify_add_watch, fds, names, watch_masks), SHOW, watched},
    {ROW(inotify_rm_watch, fds, watches), SHOW, watched},
    {ROW(memfd_create, memory_names, memory_flags), HIDE, made},
    {ROW(poll, polls, poll_counts, at_once), SHOW, again},
    {ROW(ppoll, polls, poll_counts, spans, masks, few_sizes), SHOW, again},
    {ROW(select, widths, sets, sets, few_sets, timevals), SHOW, again},
    {ROW(pselect6, widths, sets, few_sets, few_sets, few_spans, mask_structs), SHOW, again},
};

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    memset(name_249, 'n', 249), memset(name_250, 'n', 250);
    mkdir("d", 0755);
    symlink("f", "l");
    set_memory();
    make();
    SWEEP(rows);
    return fflush(stdout);
}
