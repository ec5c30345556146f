/* The supervisor's side of the clock page. The guest can write all of it, at any time it runs; of what it wrote only `left` and `reads`
 * are ever used, as they were read once; the rest is compared with what it must be, but for the name of who runs, which says nothing to us. The page is written only while no task runs. */
#include "supervisor/fast_clock.h"

#include "policy/policy.h"
#include "supervisor/count/takes.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/lent_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Without a stop: it costs nothing, and a page that was written can make no more of the time than that. */
enum { READS_MOST = 1 << 20 };

/* The page, and what is lent to the guest behind it. */
enum { AREA = CLOCK_PAGE_SIZE + LENT_PAGE_SIZE + LENT_WINDOW_SIZE };

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct fast_clock {
    struct clock_page *page; /* shared with the guest */
    size_t size;             /* of the mapping, and the file */
    int fd;
    dev_t device;
    ino_t inode;
    bool works;        /* the page is believed */
    bool offered;      /* the guest has a vDSO that reads it */
    int64_t end;       /* page->end, as it was last written */
    int64_t left;      /* page->left, when it was last written or folded */
    int64_t reads;     /* page->reads, the same */
    int64_t moved;     /* what was taken from page->left since the world began */
    int64_t step;      /* all that is taken is a multiple of it */
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

bool fast_clock_answers(uint64_t nr)
{
    for (size_t i = 0; i < sizeof answered / sizeof *answered; i++)
        if (nr == (uint64_t)answered[i])
            return true;
    return false;
}

int fast_clock_new(struct holder *h)
{
    const struct clock *clock = &h->world->clock;
    struct stat st;
    struct fast_clock *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -ENOMEM;
    h->fast_clock = f;
    /* Under a limit on files, which the caller of terrarium may have set, it is the page alone. */
    struct rlimit most = {.rlim_cur = 0};
    f->size = getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur >= AREA ? AREA : CLOCK_PAGE_SIZE;
    f->fd = memfd_create("clock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* A page that could shrink would be a SIGBUS for the supervisor. */
    if (f->fd < 0 || ftruncate(f->fd, (off_t)f->size) < 0 ||
        fcntl(f->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0 || fstat(f->fd, &st) < 0)
        return -errno;
    void *page = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    f->page = page;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    f->works = !clock->real && clock->per_event > 0;
    f->offered = f->works && wanted(h->world);
    f->end = clock->elapsed;
    f->step = greatest_common_divisor(CLOCK_CHECK_NS, clock->per_event);
    *f->page = (struct clock_page){
        .end = clock->elapsed, .per_event = clock->per_event, .epoch = clock->epoch, .boot = clock->boot};
    return 0;
}

void fast_clock_free(struct holder *h)
{
    struct fast_clock *f = h->fast_clock;
    if (f == NULL)
        return;
    if (f->page != NULL)
        munmap(f->page, f->size);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
    h->fast_clock = NULL;
}

bool fast_clock_works(const struct holder *h)
{
    return h->fast_clock->works && h->fast_clock->offered;
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

void *fast_clock_behind(const struct holder *h)
{
    return h->fast_clock->size == AREA ? (uint8_t *)h->fast_clock->page + CLOCK_PAGE_SIZE : NULL;
}

int fast_clock_descriptor(const struct holder *h)
{
    return h->fast_clock->fd;
}

bool fast_clock_is(const struct holder *h, dev_t device, ino_t inode)
{
    return h->fast_clock->device == device && h->fast_clock->inode == inode;
}

/* The page is of no use any more: every read becomes a call, and checks are not stopped at. */
static void give_up(struct world *w, struct fast_clock *f)
{
    f->works = false;
    __atomic_store_n(&f->page->per_event, INT64_MAX, __ATOMIC_RELAXED);
    __atomic_store_n(&f->page->left, INT64_MAX, __ATOMIC_RELAXED);
    __atomic_store_n(&f->page->name, 0, __ATOMIC_RELAXED); /* nobody is named rather than the wrong one */
    world_not_reproducible(w, "clock: the guest wrote into the page of its vDSO");
}

static bool as_written(const struct fast_clock *f, const struct clock *c)
{
    const struct clock_page *p = f->page;
    return __atomic_load_n(&p->end, __ATOMIC_RELAXED) == f->end &&
           __atomic_load_n(&p->per_event, __ATOMIC_RELAXED) == c->per_event &&
           __atomic_load_n(&p->epoch, __ATOMIC_RELAXED) == c->epoch &&
           __atomic_load_n(&p->boot, __ATOMIC_RELAXED) == c->boot;
}

void fast_clock_fold(struct tracee *t)
{
    struct fast_clock *f = t->holder->fast_clock;
    if (!f->works || t->task == NULL)
        return;
    struct world *w = t->holder->world;
    int64_t left = __atomic_load_n(&f->page->left, __ATOMIC_RELAXED),
            reads = __atomic_load_n(&f->page->reads, __ATOMIC_RELAXED), moved, cost;
    /* A check that finds nothing left stops: it is the last. */
    if (!as_written(f, &w->clock) || __builtin_sub_overflow(f->left, left, &moved) || moved < 0 ||
        moved > f->left + CLOCK_CHECK_NS || moved % f->step != 0 || reads < f->reads ||
        __builtin_mul_overflow(reads, w->clock.per_event, &cost) || cost > f->moved + moved) {
        give_up(w, f);
        return;
    }
    if (moved == 0 && reads == f->reads)
        return;
    /* None of them reached a CPU timer: the limit was before it. */
    task_charge(t->task, moved, (uint64_t)(reads - f->reads));
    w->clock_reads += (uint64_t)(reads - f->reads);
    f->left = left;
    f->reads = reads;
    f->moved += moved;
    if (t->holder->count_sites != 0)
        w->checks = (uint64_t)((f->moved - cost) / CLOCK_CHECK_NS);
    clock_jump(&w->clock, __builtin_sub_overflow(f->end, left, &cost) ? INT64_MAX : cost);
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
    uint64_t left = task->calls < t->until ? t->until - task->calls : 0;
    /* At the same times however often the page is written in between. */
    bool long_events = __builtin_mul_overflow((int64_t)READS_MOST, w->clock.per_event, &turn);
    int64_t end = long_events ? INT64_MAX : sum(now, turn - now % turn);
    if (sched_others_ready(w) && left < READS_MOST && !long_events &&
        sum(now, (int64_t)left * w->clock.per_event) < end)
        end = now + (int64_t)left * w->clock.per_event;
    if ((sched_others_ready(w) || sched_preempts(w)) && t->turn_end < end)
        end = t->turn_end;
    limit = end < limit ? end : limit;
    if (t->holder->look_at != 0 && t->holder->look_at < limit)
        limit = t->holder->look_at;
    if (w->policy->limits.cpu != 0 && (uint64_t)w->cpu < w->policy->limits.cpu) {
        int64_t cut = sum(now, (int64_t)w->policy->limits.cpu - w->cpu);
        limit = cut < limit ? cut : limit;
    }
    if (p->cpu_alarm != 0) {
        int64_t alarm = p->cpu < p->cpu_alarm ? sum(now, p->cpu_alarm - p->cpu) : now;
        limit = alarm < limit ? alarm : limit;
    }
    return limit < INT64_MAX - CLOCK_CHECK_NS ? limit : INT64_MAX - CLOCK_CHECK_NS;
}

void fast_clock_publish(struct tracee *t)
{
    struct fast_clock *f = t->holder->fast_clock;
    if (!f->works || t->task == NULL)
        return;
    int64_t limit = limit_of(t), elapsed = clock_elapsed(&t->holder->world->clock);
    int64_t end = limit > elapsed ? limit : elapsed;
    __atomic_store_n(&f->page->name, TAKES_MARK | (uint32_t)t->task->tid, __ATOMIC_RELAXED);
    if (end != f->end)
        __atomic_store_n(&f->page->end, f->end = end, __ATOMIC_RELAXED);
    if (end - elapsed != f->left)
        __atomic_store_n(&f->page->left, f->left = end - elapsed, __ATOMIC_RELAXED);
}
