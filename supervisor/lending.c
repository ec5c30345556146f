/* See lending.h. One file is lent at a time: whoever reads or writes a file mostly goes on with it. How much of it is put into the window
 * grows as long as all of it was used, as a kernel's read-ahead does. */
#include "supervisor/lending.h"

#include "policy/policy.h"
#include "supervisor/count/patch.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/glass.h"
#include "supervisor/glass/lent_page.h"
#include "stubs/memory_lock.h"
#include "vfs/fdtable.h"
#include "vfs/lend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { LENT_EVENT_MOST = 1000000 }; /* ns */

static const int answered[LENT_KINDS] = {
    [LENT_READS] = SYS_read,   [LENT_WRITES] = SYS_write, [LENT_SEEKS] = SYS_lseek,      [LENT_STATS] = SYS_newfstatat,
    [LENT_IOCTLS] = SYS_ioctl, [LENT_CLOSES] = SYS_close, [LENT_NAMED] = SYS_newfstatat, [LENT_LISTS] = SYS_getdents64,
};

_Static_assert(GLASS_LENT == GLASS_COUNTER + CLOCK_PAGE_SIZE && GLASS_WINDOW == GLASS_LENT + LENT_PAGE_SIZE &&
                   GLASS_END == GLASS_WINDOW + LENT_WINDOW_SIZE && GLASS_END == MEMORY_LOWEST &&
                   sizeof(struct lent_page) <= LENT_PAGE_SIZE,
               "the guest's addresses are those of one file, from the clock page on");

struct lending {
    struct lent_page *page;
    uint8_t *window;
    struct file *file; /* referenced; NULL: nothing is lent */
    struct task *task; /* to whom */
    int fd;
    bool append;
    uint64_t word; /* page->word, when it was last written or looked at */
    uint64_t base; /* as page->base, length and room were written */
    uint32_t length, room;
    uint64_t answered[LENT_KINDS]; /* page->answered, when it was last looked at */
    int64_t looked_at;             /* elapsed time then */
    uint64_t ran;                  /* the address space that ran last … */
    uint32_t ran_mapped;           /* … and how much of the page and the window it can write to */
    uint64_t last;                 /* the file that was read or written last (its id) … */
    uint64_t last_position;        /* … up to here … */
    bool used_up;                  /* … with all that was lent of it */
    uint32_t pace;                 /* what was lent then */
    struct task *names_task;       /* to whom names are lent; NULL: there are none */
    uint64_t names_changes;        /* vfs_changes() then */
    uint32_t names;                /* how many */
    uint32_t names_next;           /* which goes first */
};

int lending_new(struct holder *h, void *page)
{
    struct lending *l = page != NULL ? calloc(1, sizeof *l) : NULL;
    if (l == NULL)
        return page != NULL ? -ENOMEM : 0;
    l->page = page;
    l->window = (uint8_t *)page + LENT_PAGE_SIZE;
    l->page->fd = l->page->names_fd = LENT_NOBODY;
    l->page->word = l->word = LENT_CLOSED;
    h->lending = l;
    return 0;
}

void lending_free(struct holder *h)
{
    if (h->lending != NULL && h->lending->file != NULL)
        file_put(h->lending->file);
    free(h->lending);
    h->lending = NULL;
}

bool lending_possible(const struct holder *h)
{
    const struct world *w = h->world;
    if (h->lending == NULL || !fast_clock_works(h) || w->recorder != NULL || w->again != NULL || w->policy->trap_all)
        return false;
    for (size_t i = 0; i < LENT_KINDS; i++)
        if (policy_has_rules(w->policy, answered[i]))
            return false;
    return !policy_has_rules(w->policy, SYS_fstat);
}

/* ---- what was done with it -------------------------------------------------------------------------------------- */

static void put_fd(struct lending *l, uint32_t fd)
{
    __atomic_store_n(&l->page->fd, fd, __ATOMIC_RELAXED);
}

static void put_word(struct lending *l, uint64_t position)
{
    l->word = ((l->word + LENT_CALL) & ~(LENT_CLOSED | LENT_POSITION)) | position;
    __atomic_store_n(&l->page->word, l->word, __ATOMIC_RELAXED);
}

/* Another word, so that an answer that was interrupted finds that it is none. */
static void take_back(struct lending *l)
{
    put_fd(l, LENT_NOBODY);
    put_word(l, LENT_CLOSED);
    l->page->flags = 0;
    file_put(l->file);
    l->file = NULL;
    l->task = NULL;
}

static void count(struct lending *l, struct world *w)
{
    for (size_t i = 0; i < LENT_KINDS; i++) {
        uint64_t now = __atomic_load_n(&l->page->answered[i], __ATOMIC_RELAXED), more = now - l->answered[i];
        l->answered[i] = now;
        if (more <= w->clock_reads - w->lent_calls) { /* each moved the clock */
            w->counters[answered[i]].calls += more;
            w->counters[answered[i]].failed += i == LENT_IOCTLS ? more : 0;
            w->lent_calls += more;
        }
    }
}

/* A time that the guest wrote: as CLOCK_REALTIME, and between the last look and now. 0: none. */
static int64_t moment(const struct lending *l, const struct clock *c, int64_t written)
{
    int64_t now = clock_elapsed(c);
    if (written == 0)
        return 0;
    int64_t at = written < l->looked_at ? l->looked_at : written > now ? now : written;
    return __builtin_add_overflow(at, c->epoch, &at) ? INT64_MAX : at;
}

/* True: it may stay lent. */
static bool look(struct lending *l, struct world *w)
{
    uint64_t word = __atomic_load_n(&l->page->word, __ATOMIC_RELAXED), position = word & LENT_POSITION;
    int64_t read_at = __atomic_load_n(&l->page->read_at, __ATOMIC_RELAXED);
    int64_t written_at = __atomic_load_n(&l->page->written_at, __ATOMIC_RELAXED);
    if (word == l->word)
        return true;
    count(l, w);
    if (position > (l->append ? l->room : l->length))
        return false; /* nothing that was answered moves it there */
    struct file_return r = {.position = l->base + position, .read_at = moment(l, &w->clock, read_at)};
    if (position > l->length) {
        r.written = l->window + l->length;
        r.n = position - l->length;
        r.append_at = l->base + l->length;
        r.written_at = moment(l, &w->clock, written_at != 0 ? written_at : l->looked_at);
    }
    if (file_returned(l->file, &r) < 0)
        world_end(w, VERDICT_INTERNAL);
    l->word = word;
    l->looked_at = clock_elapsed(&w->clock);
    l->last = l->file->id;
    l->last_position = r.position;
    l->used_up = l->append ? position >= l->room / 2 : position == l->length;
    if (read_at != 0 && (l->page->flags & LENT_ACCESSED) == 0)
        l->page->flags &= ~(uint32_t)LENT_STAT;
    l->page->read_at = l->page->written_at = 0;
    if ((word & LENT_CLOSED) == 0)
        return r.n == 0;
    (void)fdtable_close(l->task->fds, l->fd, l->task->fds);
    return false;
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

/* Another word, as in take_back; what else it says stays to be looked at. */
static void interrupt_answers(struct lending *l)
{
    __atomic_store_n(&l->page->word, __atomic_load_n(&l->page->word, __ATOMIC_RELAXED) + LENT_CALL, __ATOMIC_RELAXED);
    l->word += LENT_CALL;
}

static void take_names_back(struct lending *l)
{
    if (l->names_task == NULL)
        return;
    l->page->names_fd = LENT_NOBODY;
    l->page->names = l->names = l->names_next = 0;
    l->names_task = NULL;
    interrupt_answers(l);
}

/* Nothing is lent but names. */
static void look_at_names(struct lending *l, struct world *w)
{
    uint64_t word = __atomic_load_n(&l->page->word, __ATOMIC_RELAXED);
    if (l->file != NULL || word == l->word)
        return;
    count(l, w);
    l->word = word;
}

/* Whose place it gets: it stands there already, or nobody's, or of one that was not asked for since it had its last chance. */
static struct lent_name *place_of_name(struct lending *l, const char *path, size_t length, uint32_t flags)
{
    for (uint32_t i = 0; i < l->names; i++) {
        struct lent_name *e = &l->page->name[i];
        if (e->length == length && e->flags == flags && memcmp(e->path, path, length) == 0)
            return e;
    }
    if (l->names < LENT_NAMES)
        return &l->page->name[l->names++];
    for (uint32_t i = 0; i < LENT_NAMES && l->page->name[l->names_next].used != 0; i++) {
        l->page->name[l->names_next].used = 0;
        l->names_next = (l->names_next + 1) % LENT_NAMES;
    }
    struct lent_name *e = &l->page->name[l->names_next];
    l->names_next = (l->names_next + 1) % LENT_NAMES;
    return e;
}

/* The call found it. */
static void lend_name(struct tracee *t, const uint64_t argument[6])
{
    struct lending *l = t->holder->lending;
    struct call *c = &t->task->call;
    const uint64_t flags = argument[3];
    const char *path;
    struct place at;
    struct statx st;
    bool steady;
    if (!c->steady || (uint32_t)argument[0] != LENT_NAMES_FD || (flags & ~(uint64_t)AT_SYMLINK_NOFOLLOW) != 0 ||
        call_path(c, 1, &path) < 0 || call_place(c, AT_FDCWD, &at) < 0)
        return;
    size_t length = strlen(path) + 1;
    if (length > LENT_NAME_SIZE || vfs_stat_steady(&at, path, flags != 0 ? WALK_NOFOLLOW : 0, &st, &steady) < 0 ||
        !steady)
        return;
    const uint64_t changes = vfs_changes(t->holder->world->vfs);
    if (l->names_task != t->task || l->names_changes != changes)
        take_names_back(l);
    struct lent_name *e = place_of_name(l, path, length, (uint32_t)flags);
    memcpy(e->path, path, length);
    e->length = (uint16_t)length;
    e->flags = (uint16_t)flags;
    e->used = 0;
    statx_to_stat(&st, &e->stat);
    l->names_task = t->task;
    l->names_changes = changes;
    l->page->names = l->names;
    l->page->names_fd = LENT_NAMES_FD;
    interrupt_answers(l);
}

/* ---- when it ends --------------------------------------------------------------------------------------------------- */

void lending_end(struct holder *h)
{
    struct lending *l = h->lending;
    if (l == NULL)
        return;
    look_at_names(l, h->world);
    take_names_back(l);
    if (l->file == NULL)
        return;
    (void)look(l, h->world);
    take_back(l);
}

/* Neither looks at a file nor changes one, nor sleeps: times of a loan are of one moment. */
static bool apart_from_files(uint64_t nr)
{
    switch (nr) {
    case SYS_brk:
    case SYS_getcwd:
    case SYS_getpid:
    case SYS_getrandom:
    case SYS_gettid:
    case SYS_rt_sigaction:
        return true;
    default:
        return false;
    }
}

/* Looks at files, and changes none. */
static bool only_looks(uint64_t nr)
{
    switch (nr) {
    case SYS_access:
    case SYS_lstat:
    case SYS_newfstatat:
    case SYS_readlink:
    case SYS_stat:
        return true;
    default:
        return false;
    }
}

/* Changes neither what a name leads to nor who may ask; and whatever it changes of a file's size and times is counted (vfs_changes). */
static bool leaves_names(uint64_t nr, const uint64_t argument[6])
{
    switch (nr) {
    case SYS_open:
        return (argument[1] & (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)) == (argument[1] & O_DIRECTORY);
    case SYS_openat:
        return (argument[2] & (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)) == (argument[2] & O_DIRECTORY);
    case SYS_mmap:
        return (argument[3] & MAP_TYPE) == MAP_PRIVATE;
    case SYS_ioctl:
        return argument[1] == TCGETS;
    case SYS_fcntl:
        return argument[1] <= F_GETFL || argument[1] == F_DUPFD_CLOEXEC;
    case SYS_close:
    case SYS_fstat:
    case SYS_futex:
    case SYS_getdents64:
    case SYS_getegid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getuid:
    case SYS_lseek:
    case SYS_madvise:
    case SYS_mprotect:
    case SYS_munmap:
    case SYS_poll:
    case SYS_pread64:
    case SYS_prlimit64:
    case SYS_read:
    case SYS_rt_sigprocmask:
    case SYS_sysinfo:
    case SYS_uname:
        return true;
    default:
        return apart_from_files(nr) || only_looks(nr);
    }
}

void lending_at_call(struct tracee *t, uint64_t nr, const uint64_t argument[6])
{
    struct lending *l = t->holder->lending;
    if (l == NULL)
        return;
    look_at_names(l, t->holder->world);
    if (!leaves_names(nr, argument))
        take_names_back(l);
    if (nr == SYS_rt_sigaction && (argument[0] == SIGSEGV || argument[0] == SIGBUS))
        lending_end(t->holder); /* it may not be ignored (lending_after_call) */
    if (l->file == NULL || apart_from_files(nr))
        return;
    bool may_stay = look(l, t->holder->world);
    if (!may_stay || !only_looks(nr))
        take_back(l);
}

/* Another address space is about to run: what the last one had there, or put there, is neither to be seen nor to be believed. */
static void wipe(struct holder *h)
{
    struct lending *l = h->lending;
    lending_end(h);
    if (l->ran_mapped == 0)
        return;
    memset(l->page, 0, l->ran_mapped); /* and the window, behind it */
    memset(l->answered, 0, sizeof l->answered);
    l->page->names_fd = LENT_NOBODY;
    put_fd(l, LENT_NOBODY);
    put_word(l, LENT_CLOSED);
}

void lending_before_run(struct tracee *t)
{
    struct lending *l = t->holder->lending;
    if (l == NULL)
        return;
    if (l->file != NULL && l->task != t->task)
        lending_end(t->holder);
    if (l->names_task != NULL && (l->names_task != t->task || l->names_changes != vfs_changes(t->holder->world->vfs))) {
        look_at_names(l, t->holder->world);
        take_names_back(l);
    }
    if (t->task == NULL || t->task->mm == NULL)
        return;
    if (t->task->mm->id != l->ran)
        wipe(t->holder);
    const struct handed_table *table = t->task->mm->machine;
    l->ran = t->task->mm->id;
    l->ran_mapped = table == NULL || !table->lent ? 0
                    : table->lent_whole           ? LENT_PAGE_SIZE + LENT_WINDOW_SIZE
                                                  : LENT_PAGE_SIZE + LENT_WINDOW_SMALL;
}

/* ---- lending ------------------------------------------------------------------------------------------------------ */

/* All of the window is mapped: most processes need but the beginning. */
static bool widen(struct tracee *t, struct handed_table *table)
{
    const uint64_t at = GLASS_WINDOW + LENT_WINDOW_SMALL, n = LENT_WINDOW_SIZE - LENT_WINDOW_SMALL;
    const uint64_t argument[6] = {
        at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, GLASS_CLOCK, at - GLASS_COUNTER};
    if (!table->lent_whole)
        table->lent_whole = tracee_inject(t, SYS_mmap, argument) == (int64_t)at;
    return table->lent_whole;
}

static void lend(struct tracee *t, int fd, struct file *f, uint32_t ahead, uint32_t most)
{
    struct lending *l = t->holder->lending;
    struct handed_table *table = t->task->mm->machine;
    uint64_t limit = t->task->process->limits[RLIMIT_FSIZE].rlim_cur;
    struct file_loan loan;
    if ((ahead > LENT_WINDOW_SMALL || most > LENT_WINDOW_SMALL) && !widen(t, table))
        ahead = ahead > 0 ? LENT_WINDOW_SMALL : 0, most = LENT_WINDOW_SMALL;
    if (limit != RLIM64_INFINITY)
        most = f->position > limit ? 0 : limit - f->position < most ? (uint32_t)(limit - f->position) : most;
    if (!file_lend(f, l->window, LENT_WINDOW_SIZE, ahead, most, &loan))
        return;
    file_get(f);
    l->file = f;
    l->task = t->task;
    l->fd = fd;
    l->append = loan.append;
    l->base = loan.base;
    l->length = loan.length;
    l->room = loan.append ? loan.room : 0;
    l->used_up = false;
    l->looked_at = clock_elapsed(&t->holder->world->clock);
    if (t->holder->world->clock.per_event > LENT_EVENT_MOST)
        loan.accessed = loan.listed = false; /* a loan may take long, then (vfs/lend.c, accessed_before) */
    struct lent_page *p = l->page;
    p->flags = (loan.read ? LENT_READ : 0) | (loan.end ? LENT_END : 0) | (loan.append ? LENT_APPEND : 0) | LENT_STAT |
               (loan.accessed ? LENT_ACCESSED : 0) | (loan.listed ? LENT_LISTED : 0);
    p->base = l->base;
    p->length = l->length;
    p->room = l->room;
    p->read_at = p->written_at = 0;
    statx_to_stat(&loan.stat, &p->stat);
    for (size_t i = 0; i < LENT_KINDS; i++)
        l->answered[i] = p->answered[i];
    put_word(l, 0);
    put_fd(l, (uint32_t)fd);
}

static void lend_opened(struct tracee *t, int fd, struct file *f)
{
    struct statx st;
    if (f->position != 0 || file_stat(f, &st) < 0)
        return;
    if (S_ISDIR(st.stx_mode))
        lend(t, fd, f, 0, 0);
    else if (S_ISREG(st.stx_mode))
        lend(t, fd, f, st.stx_size <= LENT_WINDOW_SMALL ? LENT_WINDOW_SMALL : 0, LENT_WINDOW_SMALL);
}

/* `n` bytes were moved, and the file stands behind them. */
static void lend_moved(struct tracee *t, int fd, struct file *f, uint64_t n, bool written)
{
    struct lending *l = t->holder->lending;
    uint64_t before = f->position - n;
    bool goes_on = f->id == l->last && before == l->last_position;
    uint32_t pace = goes_on && l->used_up ? l->pace * 2 : goes_on ? l->pace : LENT_WINDOW_SMALL;
    pace = pace < LENT_WINDOW_SMALL ? LENT_WINDOW_SMALL : pace > LENT_WINDOW_SIZE ? LENT_WINDOW_SIZE : pace;
    l->last = f->id;
    l->last_position = f->position;
    l->used_up = true;
    l->pace = pace;
    /* Who reads here and there is not read ahead for; nor is it worth it for blocks that large. What is left at the end is to be closed. */
    struct statx st;
    if (n * 2 <= pace && (goes_on || before == 0))
        lend(t, fd, f, written ? 0 : pace, pace);
    else if (!written && file_stat(f, &st) == 0 && st.stx_size == f->position)
        lend(t, fd, f, 0, 0);
}

void lending_after_call(struct tracee *t, uint64_t nr, const uint64_t argument[6], int64_t result)
{
    struct lending *l = t->holder->lending;
    bool opened = nr == SYS_openat || nr == SYS_open || nr == SYS_creat, named = nr == SYS_newfstatat,
         listed = nr == SYS_getdents64, moved = nr == SYS_read || nr == SYS_write;
    if (result < 0 || l == NULL || (l->file != NULL && !named) || (!opened && !named && !listed && !moved))
        return;
    const struct handed_table *table = t->task->mm != NULL ? t->task->mm->machine : NULL;
    if (table == NULL || !table->lent || t->holder->world->ending)
        return;
    /* A fault where it is ignored would leave it at its default (kernel/signal.c, force_sig_info_to_task). */
    const struct signal_handlers *handlers = t->task->process->handlers;
    if (handlers->action[SIGSEGV].handler == (uint64_t)SIG_IGN || handlers->action[SIGBUS].handler == (uint64_t)SIG_IGN)
        return;
    if (named) {
        lend_name(t, argument);
        return;
    }
    int fd = opened ? (int)result : (int)argument[0];
    struct file *f = fdtable_file(t->task->fds, fd);
    if (f == NULL || f->node == NULL)
        return;
    if (opened)
        lend_opened(t, fd, f);
    else if (listed)
        lend(t, fd, f, 0, 0); /* it will be asked once more, and closed */
    else if (f->position >= (uint64_t)result)
        lend_moved(t, fd, f, (uint64_t)result, nr == SYS_write);
}

bool lending_fault(struct tracee *t)
{
    static const uint8_t rep_movsb[2] = {0xf3, 0xa4};
    uint8_t at[2];
    if (t->task == NULL || tracee_load_registers(t) < 0 || !patch_is_lent_code(t->task->mm, t->regs.rip) ||
        tracee_read(t, t->regs.rip, at, sizeof at) != sizeof at || memcmp(at, rep_movsb, sizeof at) != 0)
        return false;
    t->regs.rip += sizeof at;
    t->changed = true;
    return true;
}
