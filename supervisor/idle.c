/* An idle world uses no CPU: every task sleeps, so the next thing to happen is a byte from outside, a deadline, or nothing.
 *
 * The caller's streams come first: what stands in them is an input, when it came is not. While somebody waits for them
 * deadlines pass in real time; else the virtual clock jumps to the next one. */
#include "supervisor/idle.h"

#include "kernel/recorder.h"
#include "supervisor/deadlock.h"
#include "supervisor/limits.h"
#include "supervisor/network.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

/* Of the outside, what somebody waits for, as poll(2) wants it: the caller's streams, and behind them real connections. */
struct outside {
    struct pollfd polled[3 + FORWARDS_MOST];
    struct file *files[3];
    nfds_t streams, all;
    bool in_vain; /* the last sleep was slept to its end */
};

static void look_outside(const struct holder *h, struct outside *o)
{
    const struct world *w = h->world;
    o->streams = 0;
    for (int i = 0; i < 3; i++) {
        if (w->stdio[i] == NULL || !host_stream_waited(w->stdio[i]))
            continue;
        o->files[o->streams] = w->stdio[i];
        o->polled[o->streams++] =
            (struct pollfd){.fd = host_stream_fd(w->stdio[i]), .events = host_stream_waits_for(w->stdio[i])};
    }
    o->all = o->streams + network_poll(h, o->polled + o->streams);
}

static void sleep_until(struct world *w, int64_t next)
{
    int64_t from = clock_elapsed(&w->clock);
    clock_jump(&w->clock, next);
    record(w, jumped, from);
}

/* Real time that was slept through, up to `most`: as an event, so that a replay sleeps as long. */
static void slept(struct world *w, int64_t most)
{
    int64_t from = clock_elapsed(&w->clock);
    if (!w->clock.real)
        return;
    clock_look(&w->clock, most);
    if (clock_elapsed(&w->clock) > from)
        record(w, jumped, from);
}

/* Sleep for at most ns (negative: for ever) or until something outside is ready. True: it is, and somebody became ready by it. */
static bool wait_really(struct holder *h, struct outside *o, int64_t ns)
{
    int64_t wall = limits_wall_left(h);
    if (wall >= 0 && (ns < 0 || wall < ns))
        ns = wall;
    const struct timespec timeout = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    if (ns != 0)
        record(h->world, waits);
    tick_pause(true);
    sigset_t before;
    tick_hold(&before); /* what comes between the question and the sleep must end the sleep: select(2), "pselect()" */
    while (tracee_wait_any(h, false) == 0) /* whoever dies from here on ends the sleep */
        ;
    int ready = tick_came() || h->gone != NULL ? -1 : ppoll(o->polled, o->all, ns < 0 ? NULL : &timeout, &before);
    o->in_vain = ready == 0;
    tick_let_go(&before);
    tick_pause(false);
    uint64_t earlier = h->outside;
    tick_take(h);
    h->outside_idle = h->outside & ~earlier;
    limits_check(h);
    /* Whom a stream wakes is ready before whom time does, whatever came first meanwhile: what is due is so at the next look. */
    if (ready > 0 && clock_next(&h->world->clock) > clock_elapsed(&h->world->clock))
        slept(h->world, clock_next(&h->world->clock) - 1);
    else if (ready == 0 && ns != 0)
        slept(h->world, INT64_MAX);
    for (nfds_t i = 0; ready > 0 && i < o->streams; i++)
        if (o->polled[i].revents != 0)
            host_stream_ready(o->files[i], (uint32_t)o->polled[i].revents);
    if (ready > 0)
        network_pump(h);
    return sched_others_ready(h->world);
}

/* What happened next is in the record. */
static void wait_again(struct world *w, const struct outside *o)
{
    if (replaying_over(w->again))
        return;
    if (w->clock.real && replaying_jumps(w->again)) {
        int64_t from = clock_elapsed(&w->clock);
        clock_jump(&w->clock, replaying_time(w->again));
        record(w, jumped, from);
        if (clock_next(&w->clock) <= clock_elapsed(&w->clock) || !replaying_wakes(w->again))
            return; /* else somebody has a turn whom no deadline woke */
    }
    if (replaying_wakes_streams(w->again))
        for (nfds_t i = 0; i < o->streams; i++)
            host_stream_ready(o->files[i], POLLIN | POLLOUT);
    else if (clock_next(&w->clock) != INT64_MAX)
        sleep_until(w, clock_next(&w->clock));
}

void idle_wait(struct holder *h)
{
    struct world *w = h->world;
    struct outside o;
    while (tracee_wait_any(h, false) == 0) /* somebody outside may have killed a guest process */
        ;
    if (h->gone != NULL)
        return;
    look_outside(h, &o);
    if (w->again != NULL) {
        wait_again(w, &o);
        return;
    }
    if (o.all > 0 && (wait_really(h, &o, 0) || h->outside != 0 || tick_suspends(h)))
        return;
    int64_t next = clock_next(&w->clock);
    int64_t left = next == INT64_MAX ? -1 : next > clock_now(&w->clock) ? next - clock_now(&w->clock) : 0;
    if (left == 0 && w->clock.real) {
        slept(w, INT64_MAX);
        return;
    }
    if (left >= 0 && !w->clock.real && o.all == 0) {
        h->computed = 0;
        sleep_until(w, next);
        return;
    }
    if (left < 0 && o.all == 0 && deadlock_found(h))
        return;
    /* Bytes that woke nobody (an epoll set that nobody waits in) are no reason to look again at once. */
    for (nfds_t i = 0; i < o.streams; i++)
        if (o.polled[i].revents != 0)
            o.polled[i].fd = -1;
    if (wait_really(h, &o, left) || h->outside != 0 || w->clock.real || left < 0 || w->ending)
        return;
    if (o.in_vain) {
        world_not_reproducible(
            w, o.streams > 0 ? "stdin: a deadline passed in real time while the caller's input was waited for"
                             : "forward: a deadline passed in real time while a real connection was waited for");
        sleep_until(w, next);
    }
}
