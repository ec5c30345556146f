/* poll(2), ppoll(2), select(2), pselect6(2): one question, "which of these files are ready", in two notations.
 *
 * The guest's array (or sets) is copied in once and kept while the call sleeps. Each run asks every file anew, and
 * registers only when nothing is ready. What is left of the time is written back where Linux does so. */
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "stubs/timeouts.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* ---- signal masks ------------------------------------------------------------------------------------------------ */

int mask_argument(struct call *c, uint64_t address, uint64_t size)
{
    uint64_t mask;
    if (!address || c->again)
        return 0;
    if (size != sizeof mask)
        return -EINVAL;
    if (call_read(c, address, &mask, sizeof mask))
        return -EFAULT;
    c->task->temporary_mask = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    c->task->restore_mask = true;
    return 0;
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

int timespec_argument(struct call *c, uint64_t address, int64_t *ns)
{
    struct timespec t;
    *ns = -1;
    if (!address)
        return 0;
    if (c->again) { /* the deadline is known; the guest's memory is not read twice */
        *ns = c->has_deadline ? 0 : -1;
        return 0;
    }
    if (call_read(c, address, &t, sizeof t))
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= 1000000000)
        return -EINVAL;
    *ns = t.tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX : t.tv_sec * 1000000000 + t.tv_nsec;
    return 0;
}

int timeval_argument(struct call *c, uint64_t address, int64_t *ns)
{
    struct timeval t;
    *ns = -1;
    if (!address)
        return 0;
    if (c->again) {
        *ns = c->has_deadline ? 0 : -1;
        return 0;
    }
    if (call_read(c, address, &t, sizeof t))
        return -EFAULT;
    /* fs/select.c: microseconds beyond a second are carried over; what is negative then is refused */
    int64_t seconds, rest = t.tv_usec % 1000000 * 1000;
    if (__builtin_add_overflow((int64_t)t.tv_sec, t.tv_usec / 1000000, &seconds) || seconds < 0 || rest < 0)
        return -EINVAL;
    *ns = seconds > INT64_MAX / 1000000000 - 1 ? INT64_MAX : seconds * 1000000000 + rest;
    return 0;
}

int64_t sleep_or_end(struct call *c, int64_t ns, int64_t interrupted)
{
    int64_t deadline = call_deadline_in(c, ns);
    bool over = c->timed_out || (deadline >= 0 && deadline <= clock_elapsed(&c->world->clock));
    if (over)
        return call_interrupted(c) ? interrupted : 0;
    return call_block(c, deadline, interrupted);
}

/* The time that is left, written back as far as the memory is writable; that it is not is no error (fs/select.c,
 * poll_select_finish). */
static void put_left(struct call *c, uint64_t address, bool as_timeval)
{
    if (!address || !c->has_deadline)
        return;
    int64_t left = c->deadline - clock_elapsed(&c->world->clock);
    if (left < 0 || c->timed_out)
        left = 0;
    int64_t out[2] = {left / 1000000000, left % 1000000000 / (as_timeval ? 1000 : 1)};
    call_write(c, address, out, sizeof out);
}

/* ---- poll ---- */

static int64_t ask_poll(struct call *c, struct pollfd *fds, size_t n, struct poll_table *table)
{
    int64_t ready = 0;
    for (size_t i = 0; i < n; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        struct file *f = fdtable_file(c->task->fds, fds[i].fd);
        uint32_t events = f && !(f->flags & O_PATH) ? file_poll(f, table) : POLLNVAL;
        fds[i].revents = (short)(events & ((uint16_t)fds[i].events | POLLERR | POLLHUP | POLLNVAL));
        if (fds[i].revents) {
            ready++;
            table = NULL;
        }
    }
    return ready;
}

static int64_t poll_files(struct call *c, int64_t ns)
{
    uint64_t n = (uint32_t)c->arg[1];
    if (n > c->task->process->limits[RLIMIT_NOFILE].rlim_cur)
        return -EINVAL;
    struct pollfd *fds = c->kept, few[8];
    if (!fds) {
        fds = few;
        if (n > sizeof few / sizeof few[0]) {
            fds = malloc(n * sizeof *fds);
            if (!fds)
                return -ENOMEM;
            c->kept = fds;
            c->release = free;
        }
        if (call_read(c, c->arg[0], fds, n * sizeof *fds))
            return -EFAULT;
    }
    int64_t result = ask_poll(c, fds, n, NULL);
    if (result == 0) {
        ask_poll(c, fds, n, call_poll_table(c));
        result = sleep_or_end(c, ns, -CALL_RESTART_NOHAND);
    }
    if (result == CALL_BLOCK && fds == few && n) {
        fds = malloc(n * sizeof *fds);
        if (!fds)
            return -ENOMEM;
        memcpy(fds, few, n * sizeof *fds);
        c->kept = fds;
        c->release = free;
    }
    if (result >= 0 && call_write(c, c->arg[0], fds, n * sizeof *fds))
        return -EFAULT;
    return result;
}

int64_t stub_poll(struct call *c)
{
    int32_t milliseconds = (int32_t)c->arg[2];
    return poll_files(c, milliseconds < 0 ? -1 : milliseconds * INT64_C(1000000));
}

int64_t stub_ppoll(struct call *c)
{
    int64_t ns;
    int error = timespec_argument(c, c->arg[2], &ns);
    if (!error)
        error = mask_argument(c, c->arg[3], c->arg[4]);
    if (error)
        return error;
    int64_t result = poll_files(c, ns);
    if (result != CALL_BLOCK)
        put_left(c, c->arg[2], false);
    return result;
}

/* ---- select ---- */

enum { SETS = 3, SELECT_MOST = 1 << 20 };

/* What each set asks for (fs/select.c, POLLIN_SET …). */
static const uint32_t set_events[SETS] = {
    EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR,
    EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR,
    EPOLLPRI,
};

struct selection {
    size_t n, words;       /* descriptors, 64-bit words of a set */
    uint64_t *asked[SETS]; /* three sets, and behind them the three answers */
    uint64_t *ready[SETS];
    uint64_t bits[];
};

/* The kernel looks at no more descriptors than its table has room for, so that select(INT_MAX …) over small sets does
 * not fault: 64, then powers of two from 256 (fs/file.c, alloc_fdtable). */
static size_t table_room(struct call *c)
{
    size_t room = 64, highest = 0;
    for (int fd = fdtable_next(c->task->fds, 0); fd >= 0; fd = fdtable_next(c->task->fds, fd + 1))
        highest = (size_t)fd + 1;
    while (room < highest)
        room = room == 64 ? 256 : room * 2;
    return room < SELECT_MOST ? room : SELECT_MOST;
}

static int copy_sets(struct call *c, int n, const uint64_t from[SETS], struct selection **out)
{
    size_t count = (size_t)n;
    if (count > 64) {
        size_t room = table_room(c);
        count = count < room ? count : room;
    }
    size_t words = (count + 63) / 64;
    struct selection *s = calloc(1, sizeof *s + 2 * SETS * words * sizeof(uint64_t));
    if (!s)
        return -ENOMEM;
    c->kept = s;
    c->release = free;
    s->n = count;
    s->words = words;
    for (int i = 0; i < SETS; i++) {
        s->asked[i] = s->bits + (size_t)i * words;
        s->ready[i] = s->bits + (size_t)(SETS + i) * words;
        if (from[i] && call_read(c, from[i], s->asked[i], words * sizeof(uint64_t)))
            return -EFAULT;
    }
    *out = s;
    return 0;
}

/* Fills the answers. The count of bits, or -EBADF. */
static int64_t ask_select(struct call *c, struct selection *s, struct poll_table *table)
{
    int64_t ready = 0;
    for (size_t w = 0; w < s->words; w++) {
        uint64_t any = s->asked[0][w] | s->asked[1][w] | s->asked[2][w];
        for (int i = 0; i < SETS; i++)
            s->ready[i][w] = 0;
        while (any) {
            int bit = __builtin_ctzll(any);
            uint64_t one = UINT64_C(1) << bit;
            any &= ~one;
            if (w * 64 + (size_t)bit >= s->n)
                break;
            struct file *f = fdtable_file(c->task->fds, (int)(w * 64) + bit);
            if (!f || f->flags & O_PATH)
                return -EBADF;
            uint32_t events = file_poll(f, table);
            for (int i = 0; i < SETS; i++)
                if (s->asked[i][w] & one && events & set_events[i]) {
                    s->ready[i][w] |= one;
                    ready++;
                }
        }
    }
    return ready;
}

static int64_t select_files(struct call *c, int64_t ns)
{
    const uint64_t *sets = &c->arg[1];
    struct selection *s = c->kept;
    if ((int)c->arg[0] < 0)
        return -EINVAL;
    if (!s) {
        int error = copy_sets(c, (int)c->arg[0], sets, &s);
        if (error)
            return error;
    }
    int64_t result = ask_select(c, s, NULL);
    if (result == 0) {
        ask_select(c, s, call_poll_table(c));
        result = sleep_or_end(c, ns, -CALL_RESTART_NOHAND);
    }
    if (result >= 0)
        for (int i = 0; i < SETS; i++)
            if (sets[i] && call_write(c, sets[i], s->ready[i], s->words * sizeof(uint64_t)))
                return -EFAULT;
    return result;
}

int64_t stub_select(struct call *c)
{
    int64_t ns;
    int error = timeval_argument(c, c->arg[4], &ns);
    if (error)
        return error;
    int64_t result = select_files(c, ns);
    if (result != CALL_BLOCK)
        put_left(c, c->arg[4], true);
    return result;
}

/* The sixth argument points to the mask's address and size: the kernel has no seventh (select(2), "pselect6"). */
int64_t stub_pselect6(struct call *c)
{
    int64_t ns;
    uint64_t packed[2] = {0, 0};
    if (c->arg[5] && !c->again && call_read(c, c->arg[5], packed, sizeof packed))
        return -EFAULT;
    int error = timespec_argument(c, c->arg[4], &ns);
    if (error)
        return error;
    error = mask_argument(c, packed[0], packed[1]);
    if (error)
        return error;
    int64_t result = select_files(c, ns);
    if (result != CALL_BLOCK)
        put_left(c, c->arg[4], false);
    return result;
}
