/* Hostile calls over the fake machine: any call of the table, with arguments that its kinds make worth trying and memory behind
 * its pointers that looks like what it wants, or like nothing. Every choice is a byte of a given text, so that a test (any text),
 * a fuzzer (its input) and a finding (a file) are the same thing.
 *
 * Each argument has an area of its own, and each pointer in it leads to bytes of its own: so no byte is worth reading
 * twice, and one that is read twice shows (`fetched`). */
#ifndef TESTS_UNIT_HOSTILE_H
#define TESTS_UNIT_HOSTILE_H

#include "tests/unit/fake_machine.h"

#include "stubs/proc/proc.h"
#include "vfs/synthetic.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct hostile {
    struct fake_machine *f;
    const uint8_t *choices;
    size_t size, at;
    uint8_t fetched[FAKE_PAGES * FAKE_PAGE]; /* how often each byte was read since hostile_call began */
    bool twice;
    size_t twice_at;
    unsigned serial; /* sub-areas given out in this call */
    bool end_given;  /* a pointer to the last bytes there are was given out in this call */
};

enum {
    HOSTILE_AREA = 8 * FAKE_PAGE, /* of one argument */
    HOSTILE_LEAF = 64,            /* of what a pointer in it leads to … */
    HOSTILE_STRIDE = 1024,        /* … and how far apart: a string is fetched by as much (kernel/call.c) */
    HOSTILE_FDS = 26,
};

static struct hostile *hostile_now; /* machine->read has no other way to it; a test program runs one */

static inline uint32_t hostile_choose(struct hostile *h, uint32_t n)
{
    uint32_t value = h->at < h->size ? h->choices[h->at++] : 0;
    if (n > 256 && h->at < h->size)
        value = value << 8 | h->choices[h->at++];
    return value % n;
}

static inline ssize_t hostile_read(struct task *t, uint64_t address, void *to, size_t n)
{
    ssize_t got = fake_read(t, address, to, n);
    for (ssize_t i = 0; i < got; i++) {
        uint8_t *count = &hostile_now->fetched[address - FAKE_BASE + (uint64_t)i];
        if (*count > 0 && !hostile_now->twice) {
            hostile_now->twice = true;
            hostile_now->twice_at = address - FAKE_BASE + (uint64_t)i;
        }
        if (*count < UINT8_MAX)
            ++*count;
    }
    return got;
}

static inline int hostile_exec(struct task *t, struct file *program, const char *path, struct exec_arguments *arguments)
{
    return -ENOEXEC;
}

static inline int64_t hostile_map(struct task *t, uint64_t address, uint64_t length, int protection, int flags,
                                  const struct file_mapping *m, struct file *f)
{
    return address % FAKE_PAGE != 0 ? -EINVAL : address != 0 ? (int64_t)address : 0x7f0000000000;
}

static inline int hostile_maps(struct task *t, bool with_resident, int (*each)(void *, const struct memory_map *),
                               void *context)
{
    const struct memory_map one = {.start = FAKE_BASE, .end = FAKE_BASE + FAKE_PAGE, .protection = 3, .name = "[heap]"};
    return each(context, &one);
}

static inline uint64_t hostile_word(struct task *t)
{
    return FAKE_BASE;
}

/* ---- what arguments are made of ------------------------------------------------------------------------------------- */

static inline uint64_t hostile_number(struct hostile *h)
{
    static const uint64_t interesting[] = {
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        16,
        24,
        31,
        32,
        64,
        100,
        128,
        255,
        256,
        511,
        512,
        1000,
        1023,
        1024,
        4095,
        4096,
        4097,
        65535,
        65536,
        0x1000,
        0x2000,
        0x4000,
        0x8000,
        0x10000,
        0x20000,
        0x40000,
        0x80000,
        0x100000,
        0x200000,
        0x400000,
        0x800000,
        0x1000000,
        0x40000000,
        0x7ffffffe,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x7ffffffff000,
        0x7fffffffffffffff,
        0x8000000000000000,
        UINT64_MAX,
        UINT64_MAX - 1,
        (uint64_t)-100,
        UINT64_C(0xffffffff00000000),
        11,
        17,
        20,
        21,
        35,
        1030,
        0x5401,
        0x541b,
        0x5421,
    };
    uint32_t i = hostile_choose(h, sizeof interesting / sizeof *interesting + 8);
    if (hostile_choose(h, 4) == 0)
        return 0; /* flags that are not there, most of the time */
    if (i < sizeof interesting / sizeof *interesting)
        return interesting[i];
    return (uint64_t)hostile_choose(h, 65536) | (uint64_t)hostile_choose(h, 65536) << 16;
}

static inline uint64_t hostile_descriptor(struct hostile *h)
{
    uint32_t i = hostile_choose(h, HOSTILE_FDS + 6);
    return i < HOSTILE_FDS        ? i
           : i == HOSTILE_FDS     ? (uint64_t)AT_FDCWD
           : i == HOSTILE_FDS + 1 ? UINT64_MAX
                                  : hostile_number(h);
}

static inline const char *hostile_path(struct hostile *h)
{
    static const char *const paths[] = {
        "/a/file",
        "/a",
        "/",
        "",
        ".",
        "..",
        "/a/new",
        "file",
        "/a/link",
        "/a/loop",
        "/a/dir/",
        "/a/file/x",
        "/missing/x",
        "/proc/self/fd/0",
        "/proc/self",
        "/proc/self/maps",
        "/proc/self/task",
        "/dev/null",
        "/dev/zero",
        "/dev/ptmx",
        "/dev/shm/x",
        "/a/dir",
        "/a/../a/./file",
        "//a//file//",
        "/dev/fd/1",
        "/proc/self/root/a/file",
        "/proc/self/cwd",
        "/dev/random",
        "/a/fifo",
        "/proc/self/mem",
        "/proc/sys/kernel/hostname",
        "/dev/full",
        "/a/file2",
        "/a/dir2",
        "/dev/stdin",
        "/proc/1/stat",
        "/proc/self/fdinfo/2",
        "/dev/tty",
        "/dev/pts/0",
    };
    return paths[hostile_choose(h, sizeof paths / sizeof *paths)];
}

/* Bytes of its own somewhere in the area; leaves hold text, numbers or nothing. */
static inline uint64_t hostile_leaf(struct hostile *h, size_t area)
{
    size_t at = area + 4 * FAKE_PAGE + (h->serial++ * HOSTILE_STRIDE) % (4 * FAKE_PAGE);
    uint8_t *to = fake_bytes(h->f, at);
    switch (hostile_choose(h, 4)) {
    case 0:
        memset(to, 0, HOSTILE_LEAF);
        strcpy((char *)to, hostile_path(h));
        break;
    case 1:
        memset(to, 0, HOSTILE_LEAF);
        memcpy(to, &(uint32_t){hostile_choose(h, HOSTILE_FDS)}, 4);
        break;
    default:
        memset(to, (int)hostile_choose(h, 256), HOSTILE_LEAF - 1);
        to[HOSTILE_LEAF - 1] = 0;
    }
    return fake_at(at);
}

/* (pointer, small number) over and over: an array of iovecs, and a msghdr. `deep`: the pointers lead to such arrays. */
static inline void hostile_pairs(struct hostile *h, size_t area, size_t at, bool deep)
{
    uint64_t *words = fake_bytes(h->f, at);
    for (size_t i = 0; i < 16; i += 2) {
        if (deep && i == 2 && area + FAKE_PAGE != at) {
            hostile_pairs(h, area, area + FAKE_PAGE, false);
            words[i] = fake_at(area + FAKE_PAGE);
            words[i + 1] = hostile_choose(h, 5);
        } else {
            words[i] = hostile_leaf(h, area);
            words[i + 1] = hostile_choose(h, HOSTILE_LEAF + 1);
        }
    }
}

static inline void hostile_fill(struct hostile *h, size_t area)
{
    uint8_t *to = fake_bytes(h->f, area);
    uint64_t *words = fake_bytes(h->f, area);
    memset(to, 0, 512);
    switch (hostile_choose(h, 10)) {
    case 0:
        hostile_pairs(h, area, area, false);
        break;
    case 1:
        hostile_pairs(h, area, area, true);
        break;
    case 2: /* small ints */
        for (int i = 0; i < 64; i++)
            ((uint32_t *)words)[i] = hostile_choose(h, 64);
        break;
    case 3: /* timespecs and itimerspecs */
        for (int i = 0; i < 16; i++)
            words[i] = hostile_choose(h, i % 2 ? 65536 : 4);
        break;
    case 4: /* sockaddr_un, sockaddr_in, sockaddr_in6, anything */
        ((uint16_t *)words)[0] = (uint16_t[]){1, 2, 10, 0, 16, 17}[hostile_choose(h, 6)];
        if (((uint16_t *)words)[0] == 1)
            strcpy((char *)to + 2, hostile_path(h));
        else
            memcpy(to + 2, (uint8_t[]){0, 80, 127, 0, 0, 1}, 6);
        break;
    case 5: /* cmsghdr with descriptors, then another */
        words[0] = 16 + 4 * hostile_choose(h, 8);
        ((int32_t *)words)[2] = 1;
        ((int32_t *)words)[3] = (int32_t)hostile_choose(h, 4);
        for (int i = 4; i < 20; i++)
            ((int32_t *)words)[i] = (int32_t)hostile_choose(h, HOSTILE_FDS + 2) - 1;
        break;
    case 6: /* interesting words */
        for (int i = 0; i < 24; i++)
            words[i] = hostile_number(h);
        break;
    case 7:
        memset(to, 0xff, 256);
        break;
    case 8: /* a string */
        strcpy((char *)to, hostile_path(h));
        break;
    default:
        break;
    }
}

static inline uint64_t hostile_pointer(struct hostile *h, size_t area)
{
    switch (hostile_choose(h, 24)) {
    case 0:
        return 0;
    case 1:
        return FAKE_BASE + sizeof h->f->memory + FAKE_PAGE; /* nothing is there */
    case 2: /* it ends in the middle; to one argument alone, or its bytes would be those of two */
        if (h->end_given)
            return 0;
        h->end_given = true;
        return FAKE_BASE + sizeof h->f->memory - 8;
    case 3:
        return UINT64_C(0xffff888000000000);
    case 4:
        hostile_fill(h, area);
        return fake_at(area) + 1; /* odd */
    default:
        hostile_fill(h, area);
        return fake_at(area);
    }
}

static inline uint64_t hostile_argument(struct hostile *h, enum argument_kind kind, size_t area)
{
    switch (kind) {
    case ARG_PATH:
    case ARG_STR:
        if (hostile_choose(h, 12) == 0)
            return hostile_pointer(h, area);
        strcpy(fake_bytes(h->f, area), hostile_path(h));
        return fake_at(area);
    case ARG_ARGV: {
        uint64_t *words = fake_bytes(h->f, area);
        uint32_t n = hostile_choose(h, 4);
        for (uint32_t i = 0; i < n; i++)
            words[i] = hostile_leaf(h, area);
        words[n] = 0;
        return fake_at(area);
    }
    case ARG_PTR:
    case ARG_SOCKADDR:
        return hostile_pointer(h, area);
    case ARG_FD:
    case ARG_DIRFD:
        return hostile_descriptor(h);
    case ARG_HEX:
        return hostile_choose(h, 3) == 0 ? hostile_pointer(h, area) : hostile_number(h);
    case ARG_CLOCK:
    case ARG_SIGNAL:
    case ARG_WHENCE:
    case ARG_FCNTL:
    case ARG_FUTEX_OP:
        return hostile_choose(h, 4) == 0 ? hostile_number(h) : hostile_choose(h, 40);
    case ARG_PID:
        return hostile_choose(h, 3) == 0 ? hostile_number(h) : (uint64_t)h->f->process->pid;
    default:
        return hostile_number(h);
    }
}

/* ---- the world and the call --------------------------------------------------------------------------------------------- */

static inline int64_t hostile_do(struct fake_machine *f, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    int64_t result = fake_call(f, nr, a, b, c, d);
    f->task->in_call = false;
    return result;
}

/* A descriptor of every kind, most of them with something in them. */
static inline void hostile_descriptors(struct fake_machine *f)
{
    const uint64_t two = fake_at(0), text = fake_string(f, 64, "/a/file");
    hostile_do(f, SYS_open, text, O_RDWR, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/a"), O_RDONLY | O_DIRECTORY, 0, 0);
    hostile_do(f, SYS_pipe2, two, O_NONBLOCK, 0, 0);
    hostile_do(f, SYS_write, 3, text, 20, 0);
    hostile_do(f, SYS_eventfd2, 3, 0, 0, 0);
    hostile_do(f, SYS_epoll_create1, 0, 0, 0, 0);
    hostile_do(f, SYS_timerfd_create, 1, 0, 0, 0);
    memset(fake_bytes(f, 128), 0xff, 8);
    hostile_do(f, SYS_signalfd4, UINT64_MAX, fake_at(128), 8, 0);
    hostile_do(f, SYS_socketpair, 1, 1, 0, two);
    hostile_do(f, SYS_write, 8, text, 20, 0);
    hostile_do(f, SYS_socketpair, 1, 2, 0, two);
    hostile_do(f, SYS_write, 10, text, 20, 0);
    hostile_do(f, SYS_socket, 2, 1, 0, 0);
    hostile_do(f, SYS_socket, 2, 2, 0, 0);
    hostile_do(f, SYS_socket, 1, 5, 0, 0);
    hostile_do(f, SYS_memfd_create, text, 2, 0, 0);
    hostile_do(f, SYS_inotify_init1, 0, 0, 0, 0);
    hostile_do(f, SYS_pidfd_open, (uint64_t)f->process->pid, 0, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/dev/ptmx"), O_RDWR, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/proc/self"), O_RDONLY, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/proc/self/status"), O_RDONLY, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/dev/null"), O_RDWR, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/a/fifo"), O_RDWR, 0, 0);
    hostile_do(f, SYS_open, fake_string(f, 64, "/a/file"), O_PATH, 0, 0);
    memcpy(fake_bytes(f, 256), &(struct epoll_event){.events = EPOLLIN}, sizeof(struct epoll_event));
    hostile_do(f, SYS_epoll_ctl, 5, EPOLL_CTL_ADD, 2, fake_at(256));
}

static inline void hostile_setup(struct hostile *h, const struct machine **operations)
{
    static struct machine machine; /* fake_operations with what stubs may ask for besides */
    char why[256];
    machine = fake_operations;
    machine.read = hostile_read;
    machine.exec = hostile_exec;
    machine.map = hostile_map;
    machine.maps = hostile_maps;
    machine.resident = machine.instruction = machine.stack = hostile_word;
    *operations = &machine;
    hostile_now = h;
    struct fake_machine *f = h->f = fake_machine_with(NULL);
    struct vfs *v = f->world->vfs;
    f->world->machine = &machine;
    f->policy.limits.processes = 8;
    f->policy.limits.files = 8 << 20;
    assert_int_equal(proc_mount(f->world, why, sizeof why), 0);
    assert_int_equal(dev_mount(v, &f->world->dev, &f->world->tty, why, sizeof why), 0);
    assert_int_equal(vfs_put_dir(v, "/a", 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_dir(v, "/a/dir", 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_file(v, "/a/file", "#!/a/file2 x\nsome text to read", 29, 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_file(v, "/a/file2", "", 0, 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_symlink(v, "/a/link", "file"), 0);
    assert_int_equal(vfs_put_symlink(v, "/a/loop", "loop"), 0);
    hostile_do(f, SYS_mknod, fake_string(f, 64, "/a/fifo"), 010666, 0, 0);
    hostile_descriptors(f);
}

static inline void hostile_teardown(struct hostile *h)
{
    call_end(&h->f->task->call);
    world_free(h->f->world);
    free(h->f);
    h->f = NULL;
}

/* A call chosen whole. Blocks: a signal, or time, or nothing comes. */
static inline int64_t hostile_call(struct hostile *h, uint64_t nr)
{
    const struct sysent *s = sysent_get(nr);
    struct task *t = h->f->task;
    uint64_t arg[6] = {0};
    h->serial = 0;
    h->end_given = false;
    for (unsigned i = 0; i < 6; i++)
        arg[i] = s != NULL && i < s->argument_count ? hostile_argument(h, s->argument[i], FAKE_PAGE + i * HOSTILE_AREA)
                                                    : hostile_number(h);
    memset(h->fetched, 0, sizeof h->fetched);
    h->twice = false;
    int64_t result = fake_call_as(t, nr, arg);
    return result;
}

/* What was left asleep goes on, or is given up. */
static inline void hostile_settle(struct hostile *h)
{
    struct fake_machine *f = h->f;
    struct task *t = f->task;
    for (int i = 0; i < 3 && t->in_call && t->state == TASK_BLOCKED; i++) {
        memset(h->fetched, 0, sizeof h->fetched);
        if (hostile_choose(h, 2) == 0 && clock_next(&f->world->clock) != INT64_MAX)
            fake_jump(f);
        else
            fake_signal(f, 1 + (int)hostile_choose(h, 64));
        if (t->state == TASK_READY)
            (void)fake_again(t);
    }
    if (t->in_call) {
        call_end(&t->call);
        t->in_call = false;
    }
    if (t->queued)
        sched_remove(t);
    t->state = TASK_READY;
    t->restore_mask = false;
    f->world->ending = false;
    f->process->group_exit = false;
}

#endif
