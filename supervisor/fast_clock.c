/* The supervisor's side of the clock page. The guest can write all of it, at any time it runs; of what it wrote only `now` is
 * ever used, as it was read once; the rest is compared with what it must be. */
#include "supervisor/fast_clock.h"

#include "policy/policy.h"
#include "supervisor/glass/clock_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Without a stop: it costs nothing, and a page that was written can make no more of the time than that. */
enum { READS_MOST = 1 << 20 };

struct fast_clock {
    struct clock_page *page; /* shared with the guest */
    int fd;
    dev_t device;
    ino_t inode;
    bool works;        /* the page is believed */
    bool reads;        /* the guest has a vDSO that reads it */
    int64_t seen;      /* page->now, when it was last written or folded */
    int64_t limit;     /* page->limit, as it was last written */
    int64_t armed;     /* page->armed, the same */
    int64_t looked_at; /* page->left at the last tick */
};

static const int answered[] = {SYS_clock_gettime, SYS_gettimeofday, SYS_time, SYS_clock_getres, SYS_getcpu};

static bool wanted(const struct world *w)
{
    const struct policy *p = w->policy;
    if (p->trap_all)
        return false;
    for (size_t i = 0; i < sizeof answered / sizeof *answered; i++)
        if (policy_has_rules(p, answered[i]))
            return false;
    return true;
}

int fast_clock_new(struct holder *h)
{
    const struct clock *clock = &h->world->clock;
    struct stat st;
    struct fast_clock *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -ENOMEM;
    h->fast_clock = f;
    f->fd = memfd_create("clock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* A page that could shrink would be a SIGBUS for the supervisor. */
    if (f->fd < 0 || ftruncate(f->fd, CLOCK_PAGE_SIZE) < 0 ||
        fcntl(f->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0 || fstat(f->fd, &st) < 0)
        return -errno;
    void *page = mmap(NULL, CLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    f->page = page;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    f->works = !clock->real && clock->per_event > 0;
    f->reads = f->works && wanted(h->world);
    f->seen = clock->elapsed;
    *f->page = (struct clock_page){
        .now = clock->elapsed, .per_event = clock->per_event, .epoch = clock->epoch, .boot = clock->boot};
    return 0;
}

void fast_clock_free(struct holder *h)
{
    struct fast_clock *f = h->fast_clock;
    if (f == NULL)
        return;
    if (f->page != NULL)
        munmap(f->page, CLOCK_PAGE_SIZE);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
    h->fast_clock = NULL;
}

bool fast_clock_works(const struct holder *h)
{
    return h->fast_clock->works && h->fast_clock->reads;
}

bool fast_clock_counts(const struct holder *h)
{
    return h->fast_clock->works;
}

bool fast_clock_moves(struct holder *h)
{
    struct fast_clock *f = h->fast_clock;
    int64_t left = __atomic_load_n(&f->page->left, __ATOMIC_RELAXED);
    bool moved = left != f->looked_at;
    f->looked_at = left;
    return moved;
}

int fast_clock_descriptor(const struct holder *h)
{
    return h->fast_clock->fd;
}

bool fast_clock_is(const struct holder *h, dev_t device, ino_t inode)
{
    return h->fast_clock->device == device && h->fast_clock->inode == inode;
}

/* The page is of no use any more: every read becomes a call. */
static void give_up(struct world *w, struct fast_clock *f)
{
    f->works = false;
    f->limit = INT64_MIN;
    __atomic_store_n(&f->page->limit, f->limit, __ATOMIC_RELAXED);
    __atomic_store_n(&f->page->left, INT64_MAX, __ATOMIC_RELAXED); /* checks are not stopped at any more */
    world_not_reproducible(w, "clock: the guest wrote into the page of its vDSO");
}

static bool as_written(const struct fast_clock *f, const struct clock *c)
{
    const struct clock_page *p = f->page;
    return __atomic_load_n(&p->limit, __ATOMIC_RELAXED) == f->limit &&
           __atomic_load_n(&p->per_event, __ATOMIC_RELAXED) == c->per_event &&
           __atomic_load_n(&p->epoch, __ATOMIC_RELAXED) == c->epoch &&
           __atomic_load_n(&p->boot, __ATOMIC_RELAXED) == c->boot;
}

/* What reads and checks did. None of them reached a CPU timer: the limit was before it. */
static void charge(struct task *t, int64_t ns, int64_t reads)
{
    t->calls += (uint64_t)reads;
    t->world->clock_reads += (uint64_t)reads;
    t->cpu += ns;
    t->process->cpu += ns;
    t->world->cpu += ns;
}

/* The page's words that move, as they were found: whether reads and checks can have made them of what was written. */
static bool can_be(const struct fast_clock *f, const struct clock *c, int64_t read, int64_t armed, int64_t counted)
{
    return read >= 0 && read <= f->limit - f->seen && read % c->per_event == 0 && armed == f->armed - read &&
           counted >= 0 && counted % CLOCK_CHECK_NS == 0 && counted - CLOCK_CHECK_NS <= f->limit - f->seen - read;
}

void fast_clock_fold(struct tracee *t)
{
    struct fast_clock *f = t->holder->fast_clock;
    if (!f->works || t->task == NULL)
        return;
    struct world *w = t->holder->world;
    int64_t now = __atomic_load_n(&f->page->now, __ATOMIC_RELAXED),
            left = __atomic_load_n(&f->page->left, __ATOMIC_RELAXED);
    int64_t armed = __atomic_load_n(&f->page->armed, __ATOMIC_RELAXED), counted;
    if (!as_written(f, &w->clock) || now < f->seen || __builtin_sub_overflow(armed, left, &counted)) {
        give_up(w, f);
        return;
    }
    if (now == f->seen && counted == 0)
        return;
    if (!can_be(f, &w->clock, now - f->seen, armed, counted)) {
        give_up(w, f);
        return;
    }
    charge(t->task, now - f->seen + counted, (now - f->seen) / w->clock.per_event);
    w->checks += (uint64_t)(counted / CLOCK_CHECK_NS);
    f->seen = now + counted;
    f->armed = left;
    __atomic_store_n(&f->page->armed, left, __ATOMIC_RELAXED);
    if (counted != 0)
        __atomic_store_n(&f->page->now, f->seen, __ATOMIC_RELAXED);
    clock_jump(&w->clock, f->seen);
}

static int64_t sum(int64_t a, int64_t b) /* b >= 0 */
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* The elapsed time at which something but reading happens. */
static int64_t limit_of(const struct tracee *t)
{
    const struct task *task = t->task;
    const struct world *w = task->world;
    const struct process *p = task->process;
    int64_t now = clock_elapsed(&w->clock), limit = clock_next(&w->clock), turn;
    uint64_t reads = READS_MOST, left = task->calls < t->until ? t->until - task->calls : 0;
    if (sched_others_ready(w) && left < reads)
        reads = left;
    int64_t end = __builtin_mul_overflow(reads, w->clock.per_event, &turn) ? INT64_MAX : sum(now, turn);
    if ((sched_others_ready(w) || sched_preempts(w)) && t->turn_end < end)
        end = t->turn_end;
    limit = end < limit ? end : limit;
    if (w->policy->limits.cpu != 0 && (uint64_t)w->cpu < w->policy->limits.cpu) {
        int64_t cut = sum(now, (int64_t)w->policy->limits.cpu - w->cpu);
        limit = cut < limit ? cut : limit;
    }
    if (p->cpu_alarm != 0) {
        int64_t alarm = p->cpu < p->cpu_alarm ? sum(now, p->cpu_alarm - p->cpu) : now;
        limit = alarm < limit ? alarm : limit;
    }
    return limit;
}

void fast_clock_publish(struct tracee *t)
{
    struct fast_clock *f = t->holder->fast_clock;
    if (!f->works || t->task == NULL)
        return;
    int64_t limit = limit_of(t);
    if (limit != f->limit)
        __atomic_store_n(&f->page->limit, f->limit = limit, __ATOMIC_RELAXED);
    /* The task may be running (a tick): what it read since the fold comes first. */
    int64_t elapsed = clock_elapsed(&t->holder->world->clock), seen = f->seen;
    while (elapsed != seen &&
           !__atomic_compare_exchange_n(&f->page->now, &seen, elapsed, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        fast_clock_fold(t);
        if (!f->works)
            return;
        seen = f->seen;
    }
    f->seen = elapsed;
    f->armed = limit > elapsed ? limit - elapsed : 0;
    __atomic_store_n(&f->page->armed, f->armed, __ATOMIC_RELAXED);
    __atomic_store_n(&f->page->left, f->armed, __ATOMIC_RELAXED);
}
