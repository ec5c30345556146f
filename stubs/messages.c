/* System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
#include "stubs/sysv.h"
#include "stubs/stubs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

enum { MESSAGE_MOST = 8192, QUEUE_BYTES = 16384 }; /* MSGMAX, MSGMNB */

struct message {
    struct message *next;
    int64_t type;
    size_t size;
    char bytes[];
};

struct queue {
    struct sysv_object object;
    struct message *first, **last;
    uint64_t bytes, count, most; /* most: msg_qbytes */
    int64_t sent, received;      /* seconds */
    int32_t sender, receiver;
};

static void free_queue(struct sysv_object *o)
{
    struct queue *q = (struct queue *)o;
    while (q->first) {
        struct message *m = q->first;
        q->first = m->next;
        free(m);
    }
    free(q);
}

static struct sysv_object *make_queue(struct call *c, int *error)
{
    struct queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->object.release = free_queue;
    q->last = &q->first;
    q->most = QUEUE_BYTES;
    return &q->object;
}

static int any_queue(struct call *c, struct sysv_object *o)
{
    return 0;
}

int64_t stub_msgget(struct call *c)
{
    struct sysv *s = sysv_of(c->world);
    return s ? sysv_get(c, &s->queues, (key_t)c->arg[0], (int)c->arg[1], make_queue, any_queue) : -ENOMEM;
}

/* ---- sending and receiving ---- */

/* A call on a queue: the queue, and what is to be sent. Kept while it sleeps. */
struct transfer {
    struct queue *queue; /* referenced */
    struct message *message;
};

static void release_transfer(void *kept)
{
    struct transfer *t = kept;
    free(t->message);
    sysv_put(&t->queue->object);
    free(t);
}

static int64_t begin(struct call *c, uint32_t wanted, struct transfer **out)
{
    struct sysv *s = sysv_of(c->world);
    struct sysv_object *o = s ? sysv_find(&s->queues, (int)c->arg[0]) : NULL;
    if (!o)
        return s ? -EINVAL : -ENOMEM;
    if (!sysv_may(o, c, wanted))
        return -EACCES;
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->queue = (struct queue *)o;
    o->references++;
    c->kept = t;
    c->release = release_transfer;
    *out = t;
    return 0;
}

static int64_t copy_message(struct call *c, struct message **out)
{
    int64_t type;
    size_t size = c->arg[2];
    if (call_read(c, c->arg[1], &type, sizeof type))
        return -EFAULT;
    if (size > MESSAGE_MOST || type < 1)
        return -EINVAL;
    struct message *m = malloc(sizeof *m + size);
    if (!m)
        return -ENOMEM;
    m->next = NULL;
    m->type = type;
    m->size = size;
    *out = m;
    return call_read(c, c->arg[1] + sizeof type, m->bytes, size);
}

static bool has_room(const struct queue *q, size_t size)
{
    return q->bytes + size <= q->most && q->count + 1 <= q->most;
}

/* Neither call is ever restarted by a handler, SA_RESTART or not (signal(7)); a stop alone does not end it (ipc/msg.c: ERESTARTNOHAND). */
static int64_t sleep_on(struct call *c, struct queue *q)
{
    call_wait_on(c, &q->object.wait);
    return call_block(c, -1, -CALL_RESTART_NOHAND);
}

int64_t stub_msgsnd(struct call *c)
{
    struct transfer *t = c->kept;
    if (!t) {
        struct message *m = NULL;
        int64_t error = copy_message(c, &m);
        if (!error)
            error = begin(c, SYSV_WRITE, &t);
        if (error) {
            free(m);
            return error;
        }
        t->message = m;
    }
    struct queue *q = t->queue;
    if (q->object.removed)
        return -EIDRM;
    if (!has_room(q, t->message->size))
        return c->arg[3] & IPC_NOWAIT ? -EAGAIN : sleep_on(c, q);
    *q->last = t->message;
    q->last = &t->message->next;
    q->bytes += t->message->size;
    q->count++;
    q->sender = c->task->process->pid;
    q->sent = sysv_seconds(c);
    t->message = NULL;
    waitq_wake(&q->object.wait, UINT32_MAX);
    return 0;
}

/* The message a type asks for (msgrcv(2)): the first, the first of a type or of any other, the lowest up to one. */
static struct message **choose(struct queue *q, int64_t type, int flags)
{
    struct message **best = NULL;
    uint64_t most = type == INT64_MIN ? INT64_MAX : (uint64_t)-type;
    for (struct message **at = &q->first; *at; at = &(*at)->next) {
        if (type == 0 || (type > 0 && ((*at)->type == type) != !!(flags & MSG_EXCEPT)))
            return at;
        if (type < 0 && (uint64_t)(*at)->type <= most && (!best || (*at)->type < (*best)->type))
            best = at;
    }
    return best;
}

static void take_out(struct queue *q, struct message **at)
{
    struct message *m = *at;
    *at = m->next;
    if (q->last == &m->next)
        q->last = at;
    q->bytes -= m->size;
    q->count--;
}

int64_t stub_msgrcv(struct call *c)
{
    struct transfer *t = c->kept;
    uint64_t room = c->arg[2];
    int flags = (int)c->arg[4];
    if ((int64_t)room < 0)
        return -EINVAL;
    if (flags & MSG_COPY) /* a tool of checkpointing, not built in everywhere */
        return -ENOSYS;
    if (!t) {
        int64_t error = begin(c, SYSV_READ, &t);
        if (error)
            return error;
    }
    struct queue *q = t->queue;
    if (q->object.removed)
        return -EIDRM;
    struct message **at = choose(q, (int64_t)c->arg[3], flags);
    if (!at)
        return flags & IPC_NOWAIT ? -ENOMSG : sleep_on(c, q);
    struct message *m = *at;
    size_t size = m->size;
    if (size > room) {
        if (!(flags & MSG_NOERROR))
            return -E2BIG;
        size = room;
    }
    take_out(q, at);
    q->receiver = c->task->process->pid;
    q->received = sysv_seconds(c);
    waitq_wake(&q->object.wait, UINT32_MAX);
    int error = call_write(c, c->arg[1], &m->type, sizeof m->type);
    if (!error)
        error = call_write(c, c->arg[1] + sizeof m->type, m->bytes, size);
    free(m);
    return error ? error : (int64_t)size;
}

/* ---- msgctl ---- */

static int64_t put_queue(struct call *c, const struct queue *q)
{
    struct msqid_ds out;
    memset(&out, 0, sizeof out);
    sysv_fill(&q->object, &out.msg_perm);
    out.msg_stime = q->sent;
    out.msg_rtime = q->received;
    out.msg_ctime = q->object.changed;
    out.__msg_cbytes = q->bytes;
    out.msg_qnum = q->count;
    out.msg_qbytes = q->most;
    out.msg_lspid = q->sender;
    out.msg_lrpid = q->receiver;
    return call_write(c, c->arg[2], &out, sizeof out);
}

static int64_t put_information(struct call *c, const struct sysv *s, bool used)
{
    struct msginfo i = {.msgmax = MESSAGE_MOST,
                        .msgmnb = QUEUE_BYTES,
                        .msgmni = SYSV_MOST,
                        .msgssz = 16,
                        .msgtql = QUEUE_BYTES,
                        .msgpool = SYSV_MOST * QUEUE_BYTES / 1024,
                        .msgmap = QUEUE_BYTES,
                        .msgseg = 0xffff};
    if (used) { /* MSG_INFO: queues, messages, bytes there are */
        i.msgpool = s->queues.count;
        i.msgmap = i.msgtql = 0;
        for (int slot = 0; slot < s->queues.highest; slot++) {
            const struct queue *q = (const struct queue *)s->queues.slot[slot];
            i.msgmap += q ? (int)q->count : 0;
            i.msgtql += q ? (int)q->bytes : 0;
        }
    }
    if (call_write(c, c->arg[2], &i, sizeof i))
        return -EFAULT;
    return s->queues.highest ? s->queues.highest - 1 : 0;
}

static int64_t change_queue(struct call *c, struct queue *q, int command, const struct msqid_ds *in)
{
    if (!sysv_owns(&q->object, c))
        return -EPERM;
    if (command == IPC_RMID) {
        sysv_remove(&c->world->sysv->queues, &q->object);
        return 0;
    }
    if (in->msg_qbytes > QUEUE_BYTES) /* more needs CAP_SYS_RESOURCE, which nobody has over the supervisor's memory */
        return -EPERM;
    q->most = in->msg_qbytes;
    sysv_set(c, &q->object, &in->msg_perm);
    waitq_wake(&q->object.wait, UINT32_MAX);
    return 0;
}

int64_t stub_msgctl(struct call *c)
{
    enum { STAT_ANY = 13 };
    struct sysv *s = sysv_of(c->world);
    int id = (int)c->arg[0], command = (int)c->arg[1];
    if (!s)
        return -ENOMEM;
    if (command == IPC_INFO || command == MSG_INFO)
        return put_information(c, s, command == MSG_INFO);
    struct msqid_ds in;
    if (id < 0)
        return -EINVAL;
    if (command == IPC_SET && call_read(c, c->arg[2], &in, sizeof in))
        return -EFAULT;
    bool by_index = command == MSG_STAT || command == STAT_ANY;
    struct sysv_object *o =
        by_index ? (id >= 0 && id < s->queues.highest ? s->queues.slot[id] : NULL) : sysv_find(&s->queues, id);
    if (!o)
        return -EINVAL;
    struct queue *q = (struct queue *)o;
    switch (command) {
    case IPC_STAT:
        return sysv_may(o, c, SYSV_READ) ? put_queue(c, q) : -EACCES;
    case MSG_STAT:
    case STAT_ANY:
        if (command == MSG_STAT && !sysv_may(o, c, SYSV_READ))
            return -EACCES;
        return put_queue(c, q) ? -EFAULT : o->id;
    case IPC_SET:
    case IPC_RMID:
        return change_queue(c, q, command, &in);
    default:
        return -EINVAL;
    }
}
