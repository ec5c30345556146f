/* Guest programs of test_sweep.py: every combination of odd arguments, call by call.
 *
 * A row names a system call and, for each argument, the values it is given; `sweep` makes the call with each combination and
 * prints a line: the call, its arguments by name, and the result or the errno. Nothing printed may differ between two Linux
 * systems (addresses, ids, numbers of descriptors): a row hides what does. Programs run natively and inside; the texts are compared.
 *
 * Calls are made through syscall(2), so that nothing is checked before. None may block: descriptors are O_NONBLOCK. */
#ifndef SWEEP_H
#define SWEEP_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct value {
    const char *name; /* NULL ends a list */
    long v;
};
#define V(x)                                                                                                           \
    {                                                                                                                  \
#x, (long)(x)                                                                                                  \
    }
#define LIST(name, ...) static const struct value name[] = {__VA_ARGS__, {NULL, 0}}

struct row {
    const char *name;
    long nr;
    const struct value *argument[6]; /* up to the first NULL */
    enum {
        SHOW,       /* a result as it is */
        HIDE,       /* only that it is one: a descriptor, an id */
        BYTES = 4,  /* and what stands at OUT afterwards, as a sum */
        ALWAYS = 8, /* it may have changed something also where there was an error */
    } show;
    /* Sets up again what the call changed; it is called where there was no error, or ALWAYS. */
    void (*after)(long result, const long *arguments);
};
#define ROW(call, ...) .name = #call, .nr = SYS_##call, .argument = {__VA_ARGS__}

/* Memory of every kind, at fixed addresses. */
#define PAGE 4096L
#define OUT 0x20000000L               /* 16 pages to write to */
#define IN 0x20100000L                /* a page of zeros to read from */
#define READ_ONLY 0x20200000L         /* a page of zeros */
#define NO_ACCESS 0x20300000L         /* a page */
#define NOWHERE 0x20400000L           /* nothing is there */
#define EDGE (0x20500000L + PAGE - 4) /* four bytes, and then nothing */
#define BEYOND (1L << 56)             /* no program may have what is there, on any machine */
#define KERNEL ((long)0xffff888000000000UL)
LIST(out, {"OUT", OUT}, {"NULL", 0}, {"read only", READ_ONLY}, {"nowhere", NOWHERE}, {"edge", EDGE}, {"kernel", KERNEL},
     {"-1", -1});
LIST(zero, {"0", 0});

static inline void sweep_memory(void)
{
    static const struct {
        long at, pages;
        int protection;
    } areas[] = {{OUT, 16, PROT_READ | PROT_WRITE},
                 {IN, 1, PROT_READ | PROT_WRITE},
                 {READ_ONLY, 1, PROT_READ},
                 {NO_ACCESS, 1, PROT_NONE},
                 {EDGE & -PAGE, 1, PROT_READ | PROT_WRITE}};
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++)
        mmap((void *)areas[i].at, areas[i].pages * PAGE, areas[i].protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0);
}

static inline const char *sweep_result(long result)
{
    static char text[32];
    if (result == -1) {
        const char *name = strerrorname_np(errno);
        if (name)
            return name;
    }
    snprintf(text, sizeof text, "%ld", result);
    return text;
}

static inline unsigned sweep_sum(const unsigned char *at, size_t n)
{
    unsigned sum = 2166136261U;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ at[i]) * 16777619U;
    return sum;
}

static inline long sweep_call(long nr, const long *a)
{
    return syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static inline void sweep_row(const struct row *row)
{
    size_t at[6] = {0}, n = 0;
    while (n < 6 && row->argument[n])
        n++;
    for (;;) {
        long a[6] = {0};
        for (size_t i = 0; i < n; i++)
            a[i] = row->argument[i][at[i]].v;
        if (row->show & BYTES)
            memset((void *)OUT, 0xEE, 16 * PAGE);
        const long result = sweep_call(row->nr, a);
        const int error = errno;
        printf("%s(", row->name);
        for (size_t i = 0; i < n; i++)
            printf("%s%s", i ? ", " : "", row->argument[i][at[i]].name);
        errno = error;
        printf(") = %s", (row->show & HIDE) && result != -1 ? "ok" : sweep_result(result));
        if (row->show & BYTES && result != -1)
            printf(" %08x", sweep_sum((void *)OUT, 16 * PAGE));
        printf("\n");
        if (row->after && (result != -1 || row->show & ALWAYS))
            row->after(result, a);
        size_t i = n;
        while (i-- > 0 && !row->argument[i][++at[i]].name)
            at[i] = 0;
        if (i == (size_t)-1)
            return;
    }
}

static inline void sweep(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sweep_row(&rows[i]);
}
#define SWEEP(rows) sweep(rows, sizeof(rows) / sizeof((rows)[0]))

static inline void limit(int resource, rlim_t to)
{
    if (setrlimit(resource, &(struct rlimit){to, to}) != 0)
        exit(5);
}

/* Where the program works: argv[1], an empty directory. */
static inline void sweep_begin(int argc, char **argv)
{
    static char room[1 << 16];
    setvbuf(stdout, room, getenv("SWEEP_LINES") ? _IOLBF : _IOFBF,
            sizeof room); /* the last line is the one it died of */
    if (argc < 2 || chdir(argv[1]) != 0)
        exit(2);
    umask(022);
    /* No call takes much of the machine, whatever it asks for. */
    limit(RLIMIT_FSIZE, 1 << 26);
    limit(RLIMIT_AS, 1L << 31);
    limit(RLIMIT_NOFILE, 1024);
    limit(RLIMIT_CORE, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    sweep_memory();
}

#endif
