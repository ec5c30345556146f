/* Semaphores, messages and queues: System V's and POSIX's. Nobody sleeps. */
#include "sweep.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

enum { QUEUE = 20, READ_ONLY_QUEUE, WRITE_ONLY_QUEUE, FILE_FD, PIPE };
static struct value sets[6], queues[6];
static int set, denied_set, queue, denied_queue;

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

#define P(text)                                                                                                        \
    {                                                                                                                  \
        text, (long)(text)                                                                                             \
    }
LIST(keys, {"PRIVATE", 0}, {"none", 0x7a3b5c2e}, {"junk above", 1L << 32});
LIST(counts, {"1", 1}, {"0", 0}, {"-1", -1}, {"32001", 32001});
LIST(get_flags, {"0", 0}, {"CREAT", IPC_CREAT | 0600}, {"EXCL", IPC_EXCL | 0600},
     {"CREAT|EXCL", IPC_CREAT | IPC_EXCL | 0600});
#define OPERATIONS (IN + 0x100)
LIST(operations, {"add", OPERATIONS}, {"take", OPERATIONS + 8}, {"for zero", OPERATIONS + 16},
     {"beyond", OPERATIONS + 24}, {"too much", OPERATIONS + 32}, {"undone", OPERATIONS + 40}, {"NULL", 0},
     {"nowhere", NOWHERE});
LIST(operation_counts, {"1", 1}, {"0", 0}, {"501", 501}, {"-1", -1}, {"1 with junk above", 1 | 1L << 32});
#define SPANS (IN + 0x200)
LIST(spans, {"0", SPANS}, {"bad nanoseconds", SPANS + 16}, {"negative", SPANS + 32}, {"nowhere", NOWHERE});
LIST(numbers, {"0", 0}, {"1", 1}, {"2", 2}, {"-1", -1}, {"0 with junk above", 1L << 32});
LIST(semaphore_commands, {"GETPID", 11}, {"GETVAL", 12}, {"GETALL", 13}, {"GETNCNT", 14}, {"GETZCNT", 15},
     {"SETVAL", 16}, {"SETALL", 17}, {"IPC_STAT", 2}, {"IPC_SET", 1}, {"99", 99}, {"-1", -1});
LIST(semaphore_arguments, {"0", 0}, {"5", 5}, {"32768", 32768}, {"-1", -1}, {"OUT", OUT}, {"nowhere", NOWHERE});

#define MESSAGES (IN + 0x300)
LIST(messages, {"of type 1", MESSAGES}, {"of type 0", MESSAGES + 16}, {"of type -1", MESSAGES + 32}, {"NULL", 0},
     {"nowhere", NOWHERE}, {"edge", EDGE});
LIST(sizes, {"0", 0}, {"5", 5}, {"8193", 8193}, {"-1", -1}, {"2^32", 1L << 32});
LIST(send_flags, {"NOWAIT", IPC_NOWAIT}, {"NOWAIT and bit 4", IPC_NOWAIT | 16});
LIST(outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"edge", EDGE});
LIST(types, {"0", 0}, {"1", 1}, {"7", 7}, {"-9", -9}, {"LONG_MIN", INT64_MIN});
LIST(receive_flags, {"NOWAIT", IPC_NOWAIT}, {"NOWAIT|NOERROR", IPC_NOWAIT | MSG_NOERROR},
     {"NOWAIT|EXCEPT", IPC_NOWAIT | 020000}, {"NOWAIT and bit 4", IPC_NOWAIT | 16});
LIST(message_commands, {"IPC_STAT", 2}, {"IPC_SET", 1}, {"99", 99}, {"-1", -1},
     {"IPC_STAT with junk above", 2 | 1L << 32});

static char name_256[257];
LIST(names, P("sweep"), P("none"), P(""), P("."), P(".."), P("a/b"), P("/slash"), {"256 bytes", (long)name_256},
     {"NULL", 0}, {"nowhere", NOWHERE});
LIST(open_flags, {"RDWR", O_RDWR}, {"CREAT", O_RDWR | O_CREAT}, {"CREAT|EXCL", O_RDWR | O_CREAT | O_EXCL},
     {"ACCMODE", 3}, {"RDONLY|NONBLOCK", O_RDONLY | O_NONBLOCK}, {"TRUNC", O_RDWR | O_TRUNC});
#define ATTRIBUTES (IN + 0x400)
LIST(attributes, {"NULL", 0}, {"good", ATTRIBUTES}, {"of no message", ATTRIBUTES + 64}, {"negative", ATTRIBUTES + 128},
     {"too many", ATTRIBUTES + 192}, {"nowhere", NOWHERE});
LIST(mode, {"0600", 0600});
LIST(fds, V(QUEUE), V(READ_ONLY_QUEUE), V(WRITE_ONLY_QUEUE), V(FILE_FD), V(PIPE), {"closed", 99}, {"-1", -1},
     {"QUEUE with junk above", QUEUE | 1L << 32});
LIST(lengths, {"0", 0}, {"5", 5}, {"16", 16}, {"17", 17}, {"-1", -1});
LIST(priorities, {"0", 0}, {"32767", 32767}, {"32768", 32768}, {"-1", -1});
LIST(times, {"NULL", 0}, {"past", SPANS}, {"bad nanoseconds", SPANS + 16}, {"negative", SPANS + 32},
     {"nowhere", NOWHERE});
LIST(few_outs, {"OUT", OUT}, {"nowhere", NOWHERE}, {"NULL", 0});
#define EVENTS (IN + 0x600)
LIST(events, {"NULL", 0}, {"none", EVENTS}, {"signal 65", EVENTS + 64}, {"signal URG", EVENTS + 128},
     {"kind 9", EVENTS + 192}, {"thread", EVENTS + 256}, {"nowhere", NOWHERE});
#define SETTINGS (IN + 0x800)
LIST(settings, {"NULL", 0}, {"NONBLOCK", SETTINGS}, {"unknown", SETTINGS + 64}, {"nowhere", NOWHERE});

static void set_memory(void)
{
    memset((void *)OPERATIONS, 0, 64);
    const struct sembuf some[] = {{0, 1, IPC_NOWAIT}, {0, -5, IPC_NOWAIT},    {0, 0, IPC_NOWAIT},
                                  {9, 1, IPC_NOWAIT}, {0, 32767, IPC_NOWAIT}, {0, 1, IPC_NOWAIT | SEM_UNDO}};
    for (int i = 0; i < 6; i++)
        memcpy((void *)(OPERATIONS + 8 * i), &some[i], sizeof some[i]);
    const struct timespec spans[] = {{0, 0}, {0, 1000000000}, {-1, 0}};
    memcpy((void *)SPANS, spans, sizeof spans);
    memcpy((void *)MESSAGES, (long[]){1, 0x6f6c6c6568, 0, 0, -1, 0}, 48);
    const struct mq_attr some_attributes[] = {{0, 4, 16, 0}, {0, 0, 16, 0}, {0, -1, -1, 0}, {0, 100000, 16, 0}};
    for (int i = 0; i < 4; i++)
        memcpy((void *)(ATTRIBUTES + 64 * i), &some_attributes[i], sizeof some_attributes[i]);
    const struct sigevent some_events[] = {
        {.sigev_notify = SIGEV_NONE},
        {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65},
        {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG},
        {.sigev_notify = 9},
        {.sigev_notify = SIGEV_THREAD, .sigev_signo = FILE_FD, .sigev_value.sival_ptr = (void *)NOWHERE}};
    memcpy((void *)EVENTS, some_events, sizeof some_events);
    *(long *)SETTINGS = O_NONBLOCK, *(long *)(SETTINGS + 64) = 1;
    memset((void *)EDGE, 1, 4);
    memset((void *)OUT, 0, 256);
}

static void set_made(long result, const long *a)
{
    semctl((int)result, 0, IPC_RMID);
}

static void queue_made(long result, const long *a)
{
    msgctl((int)result, IPC_RMID, NULL);
}

static void operated(long result, const long *a)
{
    struct semid_ds own = {.sem_perm = {.uid = getuid(), .gid = getgid(), .mode = 0600}};
    semctl(set, 0, IPC_SET, &own);
    semctl(set, 0, SETVAL, 3);
    set_memory();
}

static void controlled(long result, const long *a)
{
    struct msqid_ds own = {.msg_perm = {.uid = getuid(), .gid = getgid(), .mode = 0600}, .msg_qbytes = 8192};
    msgctl(queue, IPC_SET, &own);
    set_memory();
}

static void sent(long result, const long *a)
{
    while (msgrcv(queue, (void *)OUT, 8192, 0, IPC_NOWAIT) >= 0)
        ;
    msgsnd(queue, (void *)MESSAGES, 5, IPC_NOWAIT);
    set_memory();
}

static void remake_queue(void)
{
    const struct mq_attr four = {0, 4, 16, 0};
    mq_unlink("/sweep");
    put(mq_open("/sweep", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &four), QUEUE);
    put(mq_open("/sweep", O_RDONLY | O_NONBLOCK), READ_ONLY_QUEUE);
    put(mq_open("/sweep", O_WRONLY | O_NONBLOCK), WRITE_ONLY_QUEUE);
    mq_send(QUEUE, "hello", 5, 1);
}

static void queue_opened(long result, const long *a)
{
    if (a[1] & O_CREAT)
        mq_unlink("/none");
    close((int)result);
    set_memory();
}

static void queue_changed(long result, const long *a)
{
    remake_queue();
    set_memory();
}

static const struct row rows[] = {
    {ROW(semget, keys, counts, get_flags), HIDE, set_made},
    {ROW(semop, sets, operations, operation_counts), SHOW, operated},
    {ROW(semtimedop, sets, operations, operation_counts, spans), SHOW, operated},
    {ROW(semctl, sets, numbers, semaphore_commands, semaphore_arguments), HIDE, operated},
    {ROW(msgget, keys, get_flags), HIDE, queue_made},
    {ROW(msgsnd, queues, messages, sizes, send_flags), SHOW, sent},
    {ROW(msgrcv, queues, outs, sizes, types, receive_flags), SHOW | ALWAYS, sent},
    {ROW(msgctl, queues, message_commands, outs), HIDE, controlled},
    {ROW(mq_open, names, open_flags, mode, attributes), HIDE, queue_opened},
    {ROW(mq_timedsend, fds, messages, lengths, priorities, times), SHOW, queue_changed},
    {ROW(mq_timedreceive, fds, outs, lengths, few_outs, times), SHOW | ALWAYS, queue_changed},
    {ROW(mq_notify, fds, events), SHOW, queue_changed},
    {ROW(mq_getsetattr, fds, settings, outs), SHOW, queue_changed},
    {ROW(mq_unlink, names), SHOW, queue_changed},
};

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    signal(SIGURG, SIG_IGN);
    memset(name_256, 'n', 256);
    int p[2];
    if (pipe(p))
        return 4;
    put(p[0], PIPE);
    put(open("f", O_RDWR | O_CREAT, 0644), FILE_FD);
    set_memory();
    set = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600), denied_set = semget(IPC_PRIVATE, 1, IPC_CREAT);
    queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600), denied_queue = msgget(IPC_PRIVATE, IPC_CREAT);
    memcpy(sets,
           (struct value[]){{"a set", set},
                            {"denied", denied_set},
                            {"absent", 0x7fffffff},
                            {"-1", -1},
                            {"a set with junk above", set | 1L << 32}},
           5 * sizeof *sets);
    memcpy(queues,
           (struct value[]){{"a queue", queue},
                            {"denied", denied_queue},
                            {"absent", 0x7fffffff},
                            {"-1", -1},
                            {"a queue with junk above", queue | 1L << 32}},
           5 * sizeof *queues);
    operated(0, NULL), sent(0, NULL), remake_queue();
    SWEEP(rows);
    mq_unlink("/sweep");
    set_made(set, NULL), set_made(denied_set, NULL), queue_made(queue, NULL), queue_made(denied_queue, NULL);
    return fflush(stdout);
}
