/* System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2). An operation on several is done whole or not at
 * all; who must wait sleeps on the set and tries again when anything in it changed. */
#include "stubs/sysv.h"
#include "stubs/stubs.h"
#include "stubs/timeouts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

enum {
    SET_MOST = 32000, /* semaphores in a set (SEMMSL) */
    OPS_MOST = 500,   /* SEMOPM */
    VALUE_MOST = 32767,
    UNDO_MOST = 1024, /* (process, set) pairs with something to undo */
};

struct semaphore {
    int32_t value;
    int32_t pid;             /* who changed it last */
    uint32_t increase, zero; /* sleepers: GETNCNT, GETZCNT */
};

struct semaphore_set {
    struct sysv_object object;
    int64_t operated; /* seconds */
    uint32_t count;
    struct semaphore at[];
};

/* What a process's end gives back to one set. */
struct sysv_undo {
    struct sysv_undo *next;
    struct process *process;
    struct semaphore_set *set; /* referenced */
    int16_t adjust[];
};

/* A semop that sleeps: its operations, copied in once. */
struct pending {
    struct semaphore_set *set; /* referenced */
    struct semaphore *sleeps_on;
    bool for_zero;
    size_t count;
    struct sembuf op[];
};

static void free_set(struct sysv_object *o)
{
    free(o);
}

/* ---- undo ---- */

static void drop_undo(struct sysv_undo **at)
{
    struct sysv_undo *u = *at;
    *at = u->next;
    sysv_put(&u->set->object);
    free(u);
}

void semaphores_undo(struct sysv *s, struct process *p)
{
    for (struct sysv_undo **at = &s->undo; *at;) {
        struct sysv_undo *u = *at;
        if (p && u->process != p) {
            at = &u->next;
            continue;
        }
        for (uint32_t i = 0; p && !u->set->object.removed && i < u->set->count; i++) {
            if (!u->adjust[i])
                continue;
            int32_t value = u->set->at[i].value + u->adjust[i];
            u->set->at[i].value = value < 0 ? 0 : value > VALUE_MOST ? VALUE_MOST : value;
            u->set->at[i].pid = p->pid;
        }
        if (p)
            waitq_wake(&u->set->object.wait, UINT32_MAX);
        drop_undo(at);
    }
}

static struct sysv_undo *undo_of(struct call *c, struct semaphore_set *set)
{
    struct sysv *s = c->world->sysv;
    size_t count = 0;
    for (struct sysv_undo *u = s->undo; u; u = u->next, count++)
        if (u->process == c->task->process && u->set == set)
            return u;
    struct sysv_undo *u = count < UNDO_MOST ? calloc(1, sizeof *u + set->count * sizeof u->adjust[0]) : NULL;
    if (!u)
        return NULL;
    u->process = c->task->process;
    u->set = set;
    set->object.references++;
    u->next = s->undo;
    s->undo = u;
    return u;
}

/* SETVAL, SETALL: what was to be undone no longer makes sense (semctl(2)). n < 0: of all. */
static void forget_undo(struct sysv *s, struct semaphore_set *set, int64_t n)
{
    for (struct sysv_undo *u = s->undo; u; u = u->next)
        for (uint32_t i = 0; u->set == set && i < set->count; i++)
            if (n < 0 || n == i)
                u->adjust[i] = 0;
}

/* ---- semget ---- */

static struct sysv_object *make_set(struct call *c, int *error)
{
    int count = (int)c->arg[1];
    if (count <= 0) {
        *error = -EINVAL;
        return NULL;
    }
    struct semaphore_set *set = calloc(1, sizeof *set + (size_t)count * sizeof set->at[0]);
    if (!set)
        return NULL;
    set->count = (uint32_t)count;
    set->object.release = free_set;
    return &set->object;
}

static int check_set(struct call *c, struct sysv_object *o)
{
    return (int)c->arg[1] > (int)((struct semaphore_set *)o)->count ? -EINVAL : 0;
}

int64_t stub_semget(struct call *c)
{
    struct sysv *s = sysv_of(c->world);
    int count = (int)c->arg[1];
    if (count < 0 || count > SET_MOST)
        return -EINVAL;
    return s ? sysv_get(c, &s->semaphores, (key_t)c->arg[0], (int)c->arg[2], make_set, check_set) : -ENOMEM;
}

/* ---- semop ---- */

/* Tries all; a failure takes back what was done. 0, -EAGAIN with *blocked, -ERANGE. */
static int try_all(struct semaphore_set *set, const struct sembuf *op, size_t n, size_t *blocked)
{
    int error = 0;
    size_t done = 0;
    for (; done < n; done++) {
        struct semaphore *s = &set->at[op[done].sem_num];
        int32_t value = s->value + op[done].sem_op;
        if (op[done].sem_op == 0 ? s->value != 0 : value < 0)
            error = -EAGAIN;
        else if (value > VALUE_MOST)
            error = -ERANGE;
        if (error)
            break;
        s->value = value;
    }
    if (!error)
        return 0;
    *blocked = done;
    while (done-- > 0)
        set->at[op[done].sem_num].value -= op[done].sem_op;
    return error;
}

static void commit(struct call *c, struct semaphore_set *set, struct sysv_undo *undo, const struct sembuf *op, size_t n)
{
    bool changed = false;
    for (size_t i = 0; i < n; i++) {
        set->at[op[i].sem_num].pid = c->task->process->pid;
        changed |= op[i].sem_op != 0;
        if (undo && op[i].sem_flg & SEM_UNDO)
            undo->adjust[op[i].sem_num] = (int16_t)(undo->adjust[op[i].sem_num] - op[i].sem_op);
    }
    set->operated = sysv_seconds(c);
    if (changed)
        waitq_wake(&set->object.wait, UINT32_MAX);
}

static void count_sleeper(struct pending *p, int by)
{
    if (p->sleeps_on)
        *(p->for_zero ? &p->sleeps_on->zero : &p->sleeps_on->increase) += (uint32_t)by;
    if (by < 0)
        p->sleeps_on = NULL;
}

static void release_pending(void *kept)
{
    struct pending *p = kept;
    count_sleeper(p, -1);
    sysv_put(&p->set->object);
    free(p);
}

/* The operations and their set, copied and checked in the first run. */
static int64_t begin(struct call *c, bool bad_time, struct pending **out)
{
    struct sysv *s = sysv_of(c->world);
    uint64_t n = (uint32_t)c->arg[2];
    bool alter = false;
    if (!s)
        return -ENOMEM;
    if (n > OPS_MOST)
        return -E2BIG;
    if (n < 1)
        return -EINVAL;
    struct pending *p = malloc(sizeof *p + n * sizeof p->op[0]);
    if (!p)
        return -ENOMEM;
    int64_t error = call_read(c, c->arg[1], p->op, n * sizeof p->op[0]);
    if (!error && bad_time)
        error = -EINVAL;
    struct sysv_object *o = error ? NULL : sysv_find(&s->semaphores, (int)c->arg[0]);
    if (!error && !o)
        error = -EINVAL;
    for (uint64_t i = 0; !error && i < n; i++) {
        alter |= p->op[i].sem_op != 0;
        if (p->op[i].sem_num >= ((struct semaphore_set *)o)->count)
            error = -EFBIG;
    }
    if (!error && !sysv_may(o, c, alter ? SYSV_WRITE : SYSV_READ))
        error = -EACCES;
    if (error) {
        free(p);
        return error;
    }
    p->count = n;
    p->set = (struct semaphore_set *)o;
    p->sleeps_on = NULL;
    o->references++;
    c->kept = p;
    c->release = release_pending;
    *out = p;
    return 0;
}

static int64_t operate(struct call *c, int64_t ns, bool bad_time)
{
    struct pending *p = c->kept;
    struct sysv_undo *undo = NULL;
    size_t blocked;
    if (!p) {
        int64_t error = begin(c, bad_time, &p);
        if (error)
            return error;
    }
    count_sleeper(p, -1);
    struct semaphore_set *set = p->set;
    if (set->object.removed)
        return -EIDRM;
    for (size_t i = 0; i < p->count && !undo; i++)
        if (p->op[i].sem_flg & SEM_UNDO && !(undo = undo_of(c, set)))
            return -ENOSPC;
    int error = try_all(set, p->op, p->count, &blocked);
    if (!error)
        commit(c, set, undo, p->op, p->count);
    if (error != -EAGAIN || p->op[blocked].sem_flg & IPC_NOWAIT)
        return error;
    p->sleeps_on = &set->at[p->op[blocked].sem_num];
    p->for_zero = p->op[blocked].sem_op == 0;
    count_sleeper(p, 1);
    call_wait_on(c, &set->object.wait);
    int64_t result = sleep_or_end(c, ns, -EINTR);
    return result == 0 ? -EAGAIN : result;
}

int64_t stub_semop(struct call *c)
{
    return operate(c, -1, false);
}

int64_t stub_semtimedop(struct call *c)
{
    int64_t ns;
    int error = timespec_argument(c, c->arg[3], &ns);
    return error == -EFAULT ? error : operate(c, ns, error); /* the operations are copied before the time is judged */
}

/* ---- semctl ---- */

static int64_t put_information(struct call *c, const struct sysv *s, bool used)
{
    struct seminfo i = {.semmap = 1024000000,
                        .semmni = SYSV_MOST,
                        .semmns = SYSV_MOST * SET_MOST,
                        .semmnu = UNDO_MOST,
                        .semmsl = SET_MOST,
                        .semopm = OPS_MOST,
                        .semume = OPS_MOST,
                        .semusz = 20,
                        .semvmx = VALUE_MOST,
                        .semaem = VALUE_MOST};
    if (used) { /* SEM_INFO: sets and semaphores there are */
        i.semusz = s->semaphores.count;
        i.semaem = 0;
        for (int slot = 0; slot < s->semaphores.highest; slot++)
            if (s->semaphores.slot[slot])
                i.semaem += (int)((struct semaphore_set *)s->semaphores.slot[slot])->count;
    }
    if (call_write(c, c->arg[3], &i, sizeof i))
        return -EFAULT;
    return s->semaphores.highest ? s->semaphores.highest - 1 : 0;
}

static int64_t put_set(struct call *c, const struct semaphore_set *set)
{
    struct semid_ds out;
    memset(&out, 0, sizeof out);
    sysv_fill(&set->object, &out.sem_perm);
    out.sem_otime = set->operated;
    out.sem_ctime = set->object.changed;
    out.sem_nsems = set->count;
    return call_write(c, c->arg[3], &out, sizeof out);
}

static int64_t change_set(struct call *c, struct semaphore_set *set, int command, const struct semid_ds *in)
{
    if (!sysv_owns(&set->object, c))
        return -EPERM;
    if (command == IPC_RMID) {
        struct sysv *s = c->world->sysv;
        for (struct sysv_undo **at = &s->undo; *at;)
            if ((*at)->set == set)
                drop_undo(at);
            else
                at = &(*at)->next;
        sysv_remove(&s->semaphores, &set->object);
        return 0;
    }
    sysv_set(c, &set->object, &in->sem_perm);
    return 0;
}

static int64_t all_values(struct call *c, struct semaphore_set *set, bool store)
{
    uint16_t *values = malloc(set->count * sizeof *values);
    int64_t error = values ? 0 : -ENOMEM;
    if (!error && store) {
        error = call_read(c, c->arg[3], values, set->count * sizeof *values);
        for (uint32_t i = 0; !error && i < set->count; i++)
            if (values[i] > VALUE_MOST)
                error = -ERANGE;
        for (uint32_t i = 0; !error && i < set->count; i++)
            set->at[i] = (struct semaphore){values[i], c->task->process->pid, set->at[i].increase, set->at[i].zero};
        if (!error) {
            forget_undo(c->world->sysv, set, -1);
            set->object.changed = sysv_seconds(c);
            waitq_wake(&set->object.wait, UINT32_MAX);
        }
    } else if (!error) {
        for (uint32_t i = 0; i < set->count; i++)
            values[i] = (uint16_t)set->at[i].value;
        error = call_write(c, c->arg[3], values, set->count * sizeof *values);
    }
    free(values);
    return error;
}

static int64_t set_value(struct call *c, struct semaphore_set *set, uint32_t n)
{
    set->at[n].value = (int32_t)c->arg[3];
    set->at[n].pid = c->task->process->pid;
    set->object.changed = sysv_seconds(c);
    forget_undo(c->world->sysv, set, n);
    waitq_wake(&set->object.wait, UINT32_MAX);
    return 0;
}

enum { STAT_ANY = 20 };

static bool known(int command)
{
    return (command >= GETPID && command <= SETALL) || command == IPC_STAT || command == IPC_SET ||
           command == IPC_RMID || command == SEM_STAT || command == STAT_ANY;
}

int64_t stub_semctl(struct call *c)
{
    struct sysv *s = sysv_of(c->world);
    int id = (int)c->arg[0], command = (int)c->arg[2];
    uint32_t n = (uint32_t)c->arg[1];
    if (!s)
        return -ENOMEM;
    if (command == IPC_INFO || command == SEM_INFO)
        return put_information(c, s, command == SEM_INFO);
    if (id < 0 || !known(command))
        return -EINVAL;
    struct semid_ds in;
    if (command == IPC_SET && call_read(c, c->arg[3], &in, sizeof in))
        return -EFAULT;
    if (command == SETVAL && (uint32_t)c->arg[3] > VALUE_MOST)
        return -ERANGE;
    bool by_index = command == SEM_STAT || command == STAT_ANY;
    struct sysv_object *o = by_index ? (id >= 0 && id < s->semaphores.highest ? s->semaphores.slot[id] : NULL)
                                     : sysv_find(&s->semaphores, id);
    if (!o)
        return -EINVAL;
    struct semaphore_set *set = (struct semaphore_set *)o;
    if (command == IPC_RMID || command == IPC_SET)
        return change_set(c, set, command, &in);
    if (command == SETVAL && n >= set->count)
        return -EINVAL;
    bool writes = command == SETVAL || command == SETALL;
    if (command != STAT_ANY && !sysv_may(o, c, writes ? SYSV_WRITE : SYSV_READ))
        return -EACCES;
    switch (command) {
    case IPC_STAT:
        return put_set(c, set);
    case SEM_STAT:
    case STAT_ANY: {
        int64_t error = put_set(c, set);
        return error ? error : o->id;
    }
    case GETALL:
    case SETALL:
        return all_values(c, set, writes);
    }
    if (n >= set->count)
        return -EINVAL;
    switch (command) {
    case GETVAL:
        return set->at[n].value;
    case GETPID:
        return set->at[n].pid;
    case GETNCNT:
        return set->at[n].increase;
    case GETZCNT:
        return set->at[n].zero;
    case SETVAL:
        return set_value(c, set, n);
    default:
        return -EINVAL;
    }
}
