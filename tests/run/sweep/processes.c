/* Calls on processes: who they are, what they may, how they begin and end. None ends another process, or this one. */
#include "sweep.h"

#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define ABSENT 0x3fffffffL
static struct value pids[8], kill_pids[6], tids[7];
enum { DIRECTORY = 20, FILE_FD, EMPTY_FD, OPATH, LINK_OPATH, PIPE, PIDFD };

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

static void one_zombie(long result, const long *a)
{
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
        return;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    if (child < 0 || waitid(P_PID, child, &info, WEXITED | WNOWAIT) != 0)
        exit(4);
}

static void rescheduled(long result, const long *a);

static void made(long result, const long *a)
{
    close((int)result);
}

#define P(text)                                                                                                        \
    {                                                                                                                  \
        text, (long)(text)                                                                                             \
    }
LIST(ids, {"-1", -1}, {"mine", 1000}, {"0", 0}, {"65536", 65536}, {"mine with junk above", 1000 | 1L << 32},
     {"2^31", 1L << 31});
LIST(outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY});
LIST(counts, {"0", 0}, {"1", 1}, {"-1", -1}, {"65537", 65537}, {"2^32", 1L << 32});
LIST(groups, {"IN", IN}, {"NULL", 0}, {"nowhere", NOWHERE});
#define HEADERS (IN + 0x100)
LIST(headers, {"version 3", HEADERS}, {"version 1", HEADERS + 8}, {"unknown version", HEADERS + 16},
     {"of -1", HEADERS + 24}, {"of nobody", HEADERS + 32}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(capabilities, {"none", IN}, {"all", IN + 0x180}, {"NULL", 0}, {"nowhere", NOWHERE});

/* Not what depends on the kernel's configuration or the machine, or would act behind the world's back (stubs/prctl.c). */
LIST(options, V(PR_SET_PDEATHSIG), V(PR_GET_PDEATHSIG), V(PR_GET_DUMPABLE), {"PR_GET_UNALIGN", PR_GET_UNALIGN},
     {"PR_SET_UNALIGN", PR_SET_UNALIGN}, V(PR_GET_KEEPCAPS), V(PR_SET_KEEPCAPS), {"PR_GET_FPEMU", PR_GET_FPEMU},
     V(PR_GET_TIMING), V(PR_SET_TIMING), V(PR_GET_NAME), {"PR_GET_ENDIAN", PR_GET_ENDIAN}, V(PR_CAPBSET_READ),
     V(PR_CAPBSET_DROP), V(PR_GET_TSC), V(PR_GET_SECUREBITS), V(PR_SET_SECUREBITS), V(PR_TASK_PERF_EVENTS_DISABLE),
     V(PR_TASK_PERF_EVENTS_ENABLE), V(PR_MCE_KILL), V(PR_MCE_KILL_GET), V(PR_SET_CHILD_SUBREAPER),
     V(PR_GET_CHILD_SUBREAPER), V(PR_SET_NO_NEW_PRIVS), V(PR_GET_NO_NEW_PRIVS), V(PR_CAP_AMBIENT), V(PR_SET_IO_FLUSHER),
     V(PR_GET_IO_FLUSHER), {"0", 0}, {"9999", 9999}, {"-1", -1},
     {"PR_GET_KEEPCAPS with junk above", PR_GET_KEEPCAPS | 1L << 32});
LIST(option_arguments, {"0", 0}, {"1", 1}, {"2", 2}, {"64", 64}, {"65", 65}, {"-1", -1}, {"OUT", OUT},
     {"nowhere", NOWHERE}, {"1 with junk above", 1 | 1L << 32});
LIST(few_arguments, {"0", 0}, {"1", 1});
LIST(set_name, V(PR_SET_NAME));
LIST(names, P("x"), P("longer than fifteen bytes"), P(""), {"edge", EDGE}, {"NULL", 0}, {"nowhere", NOWHERE});

LIST(resources, {"FSIZE", RLIMIT_FSIZE}, {"NOFILE", RLIMIT_NOFILE}, {"CORE", RLIMIT_CORE}, {"16", 16}, {"-1", -1},
     {"FSIZE with junk above", RLIMIT_FSIZE | 1L << 32});
#define LIMITS (IN + 0x200)
LIST(limits, {"above its maximum", LIMITS}, {"raised", LIMITS + 16}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(who, {"SELF", 0}, {"CHILDREN", -1}, {"THREAD", 1}, {"2", 2}, {"-2", -2}, {"SELF with junk above", 1L << 32});

LIST(wait_options, {"NOHANG", WNOHANG}, {"NOHANG|UNTRACED", 3}, {"NOHANG|EXITED", WNOHANG | WEXITED},
     {"NOHANG|NOWAIT", WNOHANG | WNOWAIT}, {"NOHANG|ALL", WNOHANG | 0x40000000},
     {"NOHANG|CLONE", (int)(WNOHANG | 0x80000000)}, {"NOHANG|bit 8", WNOHANG | 256}, {"-1", -1},
     {"NOHANG with junk above", WNOHANG | 1L << 32});
LIST(waitid_options, {"0", 0}, {"EXITED|NOHANG", WEXITED | WNOHANG},
     {"EXITED|NOHANG|NOWAIT", WEXITED | WNOHANG | WNOWAIT}, {"NOHANG", WNOHANG}, {"STOPPED|NOHANG", WSTOPPED | WNOHANG},
     {"bit 8", WEXITED | WNOHANG | 256}, {"-1", -1});
LIST(id_types, {"P_ALL", 0}, {"P_PID", 1}, {"P_PGID", 2}, {"P_PIDFD", 3}, {"4", 4}, {"-1", -1});
LIST(wait_outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE});

LIST(no_signals, {"0", 0}, {"65", 65}, {"-1", -1}, {"128", 128}, {"0 with junk above", 1L << 32});
LIST(queued_signals, {"0", 0}, {"URG", SIGURG}, {"65", 65}, {"-1", -1});
#define INFOS (IN + 0x300)
LIST(infos, {"of the user", INFOS}, {"of the kernel", INFOS + 128}, {"of tkill", INFOS + 256},
     {"of a queue", INFOS + 384}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(pidfds, V(PIDFD), V(FILE_FD), {"closed", 99}, {"-1", -1});
LIST(few_flags, {"0", 0}, {"bit 20", 1 << 20}, {"-1", -1}, {"junk above", 1L << 32});

LIST(clone_flags, {"THREAD", CLONE_THREAD}, {"SIGHAND", CLONE_SIGHAND},
     {"THREAD|SIGHAND", CLONE_THREAD | CLONE_SIGHAND}, {"NEWNS|FS", CLONE_NEWNS | CLONE_FS},
     {"NEWUSER|FS", CLONE_NEWUSER | CLONE_FS}, {"PIDFD|DETACHED", CLONE_PIDFD | CLONE_DETACHED},
     {"PIDFD|PARENT_SETTID", CLONE_PIDFD | CLONE_PARENT_SETTID},
     {"NEWPID|THREAD", CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM});
LIST(unshared, {"0", 0}, {"FILES", CLONE_FILES}, {"FS", CLONE_FS}, {"bit 0", 1}, {"-1", -1},
     {"SYSVSEM", CLONE_SYSVSEM});

LIST(programs, P("none"), P("d"), P("f"), P("executable text"), P("empty"), P("script of none"),
     P("script of a script of none"), P("script of d"), P("script of nothing"), P("short ELF"), P("ELF of 32 bits"),
     P("ELF of another machine"), P("ELF without headers"), P("loop"), P("dang"), P("f/x"), P(""), {"NULL", 0},
     {"nowhere", NOWHERE}, P("locked/x"), P("fifo"));
#define VECTORS (IN + 0x800)
LIST(argvs, {"NULL", 0}, {"empty", IN}, {"of one", VECTORS}, {"of a bad pointer", VECTORS + 16}, {"nowhere", NOWHERE});
LIST(good_argvs, {"NULL", 0}, {"of one", VECTORS});
LIST(a_script, P("script of none"));
LIST(few_argvs, {"NULL", 0}, {"of one", VECTORS}, {"nowhere", NOWHERE});
LIST(exec_fds, {"AT_FDCWD", AT_FDCWD}, V(DIRECTORY), V(FILE_FD), V(EMPTY_FD), V(OPATH), V(LINK_OPATH), V(PIPE),
     {"closed", 99});
LIST(exec_paths, P("none"), P(""), P("../f"), P("../l"), {"nowhere", NOWHERE});
LIST(exec_flags, {"0", 0}, {"EMPTY_PATH", AT_EMPTY_PATH}, {"NOFOLLOW", AT_SYMLINK_NOFOLLOW}, {"1", 1},
     {"junk above", 1L << 32});

LIST(policies, {"OTHER", SCHED_OTHER}, {"FIFO", SCHED_FIFO}, {"BATCH", SCHED_BATCH}, {"4", 4}, {"DEADLINE", 6},
     {"99", 99}, {"-1", -1}, {"OTHER with junk above", 1L << 32});
#define PRIORITIES (IN + 0x900)
LIST(priorities, {"0", PRIORITIES}, {"1", PRIORITIES + 4}, {"-1", PRIORITIES + 8}, {"100", PRIORITIES + 12},
     {"NULL", 0}, {"nowhere", NOWHERE});
LIST(mask_sizes, {"0", 0}, {"1", 1}, {"7", 7}, {"1024", 1024}, {"1025", 1025});
LIST(set_sizes, {"8", 8}, {"0", 0}, {"1", 1});
LIST(affinities, {"none", IN}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(bad_which, {"3", 3}, {"-1", -1});
LIST(any_which, {"0", 0}, {"1", 1}, {"2", 2}, {"3", 3}, {"-1", -1});
LIST(nobody, {"absent", ABSENT}, {"-2", -2});

LIST(random_lengths, {"0", 0}, {"16", 16}, {"5000", 5000});
LIST(random_flags, {"0", 0}, {"NONBLOCK", 1}, {"RANDOM", 2}, {"RANDOM|NONBLOCK", 3}, {"INSECURE", 4},
     {"INSECURE|RANDOM", 6}, {"8", 8}, {"-1", -1}, {"junk above", 1L << 32});
LIST(barriers, {"QUERY", 0}, {"GLOBAL", 1}, {"REGISTER_PRIVATE", 16}, {"PRIVATE", 8}, {"bit 20", 1 << 20}, {"-1", -1},
     {"3", 3});
LIST(barrier_flags, {"0", 0}, {"2", 2}, {"-1", -1});
LIST(list_sizes, {"24", 24}, {"0", 0}, {"23", 23}, {"25", 25}, {"-1", -1});

LIST(words, {"0", IN}, {"+1", IN + 1}, {"+2", IN + 2}, {"NULL", 0}, {"nowhere", NOWHERE}, {"kernel", KERNEL});
LIST(other_words, {"second", IN + 0x80}, {"+1", IN + 0x81}, {"NULL", 0}, {"nowhere", NOWHERE});
/* Values that are not there: nobody sleeps. */
LIST(futex_waits, V(FUTEX_WAIT), V(FUTEX_WAIT_BITSET), V(FUTEX_WAIT_REQUEUE_PI), V(FUTEX_LOCK_PI2), V(FUTEX_LOCK_PI),
     V(FUTEX_TRYLOCK_PI), {"FUTEX_WAIT|PRIVATE", FUTEX_WAIT | FUTEX_PRIVATE_FLAG},
     {"FUTEX_WAIT|CLOCK_REALTIME", FUTEX_WAIT | FUTEX_CLOCK_REALTIME},
     {"FUTEX_WAIT_BITSET|CLOCK_REALTIME", FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME});
LIST(futex_wakes, V(FUTEX_WAKE), V(FUTEX_WAKE_BITSET), V(FUTEX_FD), V(FUTEX_REQUEUE), V(FUTEX_CMP_REQUEUE),
     V(FUTEX_UNLOCK_PI), V(FUTEX_CMP_REQUEUE_PI), {"14", 14}, {"127", 127}, {"-1", -1},
     {"FUTEX_WAKE|CLOCK_REALTIME", FUTEX_WAKE | FUTEX_CLOCK_REALTIME}, {"FUTEX_WAKE|bit 9", FUTEX_WAKE | 512},
     {"FUTEX_WAKE with junk above", FUTEX_WAKE | 1L << 32});
LIST(futex_values, {"5", 5}, {"-1", -1}, {"0", 0});
LIST(seven, {"7", 7});
LIST(futex_bits, {"0", 0}, {"1", 1});
LIST(futex_times, {"bad nanoseconds", IN + 0xA00}, {"negative", IN + 0xA10}, {"nowhere", NOWHERE}, {"0", IN + 0xA20});
LIST(futex_counts, {"0", 0}, {"1", 1}, {"-1", -1});

/* struct sched_attr, whose first word is its size. */
#define SCHEDULINGS (IN + 0xB00)
LIST(schedulings, {"OTHER", SCHEDULINGS}, {"FIFO", SCHEDULINGS + 64}, {"of unknown flags", SCHEDULINGS + 128},
     {"of unknown policy", SCHEDULINGS + 192}, {"too small", SCHEDULINGS + 256}, {"longer", SCHEDULINGS + 320},
     {"of negative nice", SCHEDULINGS + 384}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(scheduling_sizes, {"48", 48}, {"56", 56}, {"0", 0}, {"47", 47}, {"4097", 4097},
     {"48 with junk above", 48 | 1L << 32});
#define WAITERS (IN + 0xE00)
LIST(waiters, {"of another value", WAITERS}, {"of 8 bits", WAITERS + 24}, {"of unknown flags", WAITERS + 48},
     {"reserved", WAITERS + 72}, {"not aligned", WAITERS + 96}, {"nowhere", NOWHERE}, {"NULL", 0});
LIST(waiter_counts, {"1", 1}, {"0", 0}, {"129", 129}, {"-1", -1});
LIST(wait_clocks, {"REALTIME", 0}, {"MONOTONIC", 1}, {"BOOTTIME", 7}, {"-1", -1});
LIST(wait_times, {"NULL", 0}, {"bad nanoseconds", IN + 0xA00}, {"nowhere", NOWHERE});
LIST(name_lengths, {"0", 0}, {"1", 1}, {"64", 64}, {"65", 65}, {"-1", -1});

static const struct row rows[] = {
    {ROW(setuid, ids), SHOW, NULL},
    {ROW(setgid, ids), SHOW, NULL},
    {ROW(setreuid, ids, ids), SHOW, NULL},
    {ROW(setregid, ids, ids), SHOW, NULL},
    {ROW(setresuid, ids, ids, ids), SHOW, NULL},
    {ROW(setresgid, ids, ids, ids), SHOW, NULL},
    {ROW(setfsuid, ids), SHOW, NULL},
    {ROW(setfsgid, ids), SHOW, NULL},
    {ROW(getresuid, outs, outs, outs), SHOW, NULL},
    {ROW(getresgid, outs, outs, outs), SHOW, NULL},
    {ROW(getgroups, counts, outs), SHOW, NULL},
    {ROW(setgroups, counts, groups), SHOW, NULL},
    {ROW(capget, headers, outs), SHOW, NULL},
    {ROW(capset, headers, capabilities), SHOW, NULL},
    {ROW(prctl, options, option_arguments, few_arguments, few_arguments, zero), SHOW, NULL},
    {ROW(prctl, set_name, names, zero, zero, zero), SHOW, NULL},
    {ROW(getrlimit, resources, outs), SHOW, NULL},
    {ROW(setrlimit, resources, limits), SHOW, NULL},
    {ROW(prlimit64, pids, resources, limits, outs), SHOW, NULL},
    {ROW(getrusage, who, outs), SHOW, NULL},
    {ROW(wait4, pids, wait_outs, wait_options, wait_outs), HIDE | ALWAYS, one_zombie},
    {ROW(waitid, id_types, pids, wait_outs, waitid_options, wait_outs), HIDE | ALWAYS, one_zombie},
    {ROW(kill, kill_pids, no_signals), SHOW, NULL},
    {ROW(tkill, tids, no_signals), SHOW, NULL},
    {ROW(tgkill, tids, tids, no_signals), SHOW, NULL},
    {ROW(rt_sigqueueinfo, tids, queued_signals, infos), SHOW, NULL},
    {ROW(rt_tgsigqueueinfo, tids, tids, queued_signals, infos), SHOW, NULL},
    {ROW(pidfd_open, tids, few_flags), HIDE, made},
    {ROW(pidfd_send_signal, pidfds, queued_signals, infos, few_flags), SHOW, NULL},
    {ROW(pidfd_getfd, pidfds, pidfds, few_flags), HIDE, made},
    {ROW(setpgid, pids, pids), SHOW, NULL},
    {ROW(getpgid, pids), HIDE, NULL},
    {ROW(getsid, pids), HIDE, NULL},
    {ROW(clone, clone_flags, zero, zero, zero, zero), HIDE, NULL},
    {ROW(unshare, unshared), SHOW, NULL},
    {ROW(execve, programs, good_argvs, good_argvs), SHOW, NULL},
    {ROW(execve, a_script, argvs, few_argvs), SHOW, NULL},
    {ROW(execveat, exec_fds, exec_paths, good_argvs, good_argvs, exec_flags), SHOW, NULL},
    {ROW(sched_setscheduler, pids, policies, priorities), SHOW, NULL},
    {ROW(sched_setparam, pids, priorities), SHOW, NULL},
    {ROW(sched_getscheduler, pids), SHOW, NULL},
    {ROW(sched_getparam, pids, outs), SHOW, NULL},
    {ROW(sched_get_priority_max, policies), SHOW, NULL},
    {ROW(sched_get_priority_min, policies), SHOW, NULL},
    {ROW(sched_rr_get_interval, pids, outs), SHOW, NULL},
    {ROW(sched_getaffinity, pids, mask_sizes, outs), HIDE, NULL},
    {ROW(sched_setaffinity, pids, set_sizes, affinities), SHOW, NULL},
    {ROW(getpriority, any_which, nobody), SHOW, NULL},
    {ROW(setpriority, any_which, nobody, few_arguments), SHOW, NULL},
    {ROW(ioprio_get, bad_which, nobody), SHOW, NULL},
    {ROW(sched_setattr, pids, schedulings, few_flags), ALWAYS, rescheduled},
    {ROW(sched_getattr, pids, outs, scheduling_sizes, few_flags), SHOW, NULL},
    {ROW(futex_waitv, waiters, waiter_counts, few_flags, wait_times, wait_clocks), SHOW, NULL},
    {ROW(sethostname, names, name_lengths), SHOW, NULL},
    {ROW(setdomainname, names, name_lengths), SHOW, NULL},
    {ROW(acct, programs), SHOW, NULL},
    {ROW(swapon, programs, zero), SHOW, NULL},
    {ROW(swapoff, programs), SHOW, NULL},
    {ROW(vhangup, zero), SHOW, NULL},
    {ROW(getrandom, outs, random_lengths, random_flags), SHOW, NULL},
    {ROW(uname, outs), SHOW, NULL},
    {ROW(sysinfo, outs), SHOW, NULL},
    {ROW(times, outs), HIDE, NULL},
    {ROW(getcpu, outs, outs), SHOW, NULL},
    {ROW(membarrier, barriers, barrier_flags, zero), HIDE, NULL},
    {ROW(set_robust_list, outs, list_sizes), SHOW, NULL},
    {ROW(get_robust_list, tids, outs, outs), SHOW, NULL},
    {ROW(futex, words, futex_waits, seven, futex_times, other_words, futex_bits), SHOW, NULL},
    {ROW(futex, words, futex_wakes, futex_values, futex_counts, other_words, seven), SHOW, NULL},
};

static void set_schedulings(void)
{
    const unsigned made[][16] = {{48}, {48, SCHED_FIFO, 0, 0, 0, 1}, {48, 0, 0x80000000}, {48, 99}, {40},
                                 {64}, {48, 0, 0, 0, (unsigned)-5}};
    memcpy((void *)SCHEDULINGS, made, sizeof made);
}

static void rescheduled(long result, const long *a)
{
    set_schedulings();
}

static void file(const char *name, const void *bytes, size_t n, int mode)
{
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    if (write(fd, bytes, n) != (ssize_t)n || fchmod(fd, mode))
        exit(5);
    close(fd);
}

static void make_programs(void)
{
    char elf[64] = "\177ELF\2\1\1";
    elf[16] = 2, elf[18] = 62, elf[20] = 1, elf[54] = 56, elf[52] = 64;
    mkdir("d", 0755), mkdir("locked", 0);
    file("f", "hello", 5, 0644);
    file("executable text", "hello\n", 6, 0755);
    file("empty", "", 0, 0755);
    file("script of none", "#!/none\n", 8, 0755);
    file("script of a script of none", "#!script of none\n", 17, 0755);
    file("script of d", "#!d\n", 4, 0755);
    file("script of nothing", "#! \n", 4, 0755);
    file("short ELF", elf, 20, 0755);
    file("ELF without headers", elf, 64, 0755);
    elf[4] = 1;
    file("ELF of 32 bits", elf, 64, 0755);
    elf[4] = 2, elf[18] = 40;
    file("ELF of another machine", elf, 64, 0755);
    symlink("loop", "loop"), symlink("none", "dang"), symlink("f", "l");
    mkfifo("fifo", 0755);
}

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return 6;
    signal(SIGURG, SIG_IGN);
    const long self = getpid();
    const struct value some[] = {{"0", 0},   {"self", self},         {"absent", ABSENT},
                                 {"-1", -1}, {"INT_MIN", INT32_MIN}, {"self with junk above", self | 1L << 32}};
    memcpy(pids, some, sizeof some);
    memcpy(tids, some, sizeof some);
    memcpy(kill_pids,
           (struct value[]){{"self", self}, {"absent", ABSENT}, {"-absent", -ABSENT}, {"INT_MIN", INT32_MIN}},
           4 * sizeof *some);
    memcpy((void *)HEADERS,
           (unsigned[]){0x20080522, 0, 0x19980330, 0, 0x12345678, 0, 0x20080522, -1U, 0x20080522, ABSENT}, 40);
    memset((void *)(IN + 0x180), -1, 24);
    memcpy((void *)LIMITS, (long[]){9, 8, 9, (1L << 31) + 1}, 32);
    for (int i = 0; i < 4; i++)
        ((siginfo_t *)(INFOS + 128 * i))->si_code = (int[]){SI_USER, 0x80, SI_TKILL, SI_QUEUE}[i];
    memcpy((void *)VECTORS, (long[]){(long)"x", 0, NOWHERE, 0}, 32);
    memcpy((void *)PRIORITIES, (int[]){0, 1, -1, 100}, 16);
    memcpy((void *)(IN + 0xA00), (long[]){0, 1000000000, -1, 0, 0, 0}, 48);
    set_schedulings();
    const struct futex_waitv waited[] = {
        {7, IN, FUTEX_32, 0}, {7, IN, 0, 0}, {7, IN, FUTEX_32 | 64, 0}, {7, IN, FUTEX_32, 1}, {7, IN + 1, FUTEX_32, 0}};
    memcpy((void *)WAITERS, waited, sizeof waited);
    memset((void *)EDGE, 'n', 4);
    make_programs();
    int p[2];
    if (pipe(p))
        return 7;
    put(open("d", O_RDONLY), DIRECTORY);
    put(open("f", O_RDONLY), FILE_FD);
    put(open("empty", O_RDONLY), EMPTY_FD);
    put(open("executable text", O_PATH), OPATH);
    put(open("l", O_PATH | O_NOFOLLOW), LINK_OPATH);
    put(p[0], PIPE);
    put((int)syscall(SYS_pidfd_open, self, 0), PIDFD);
    one_zombie(0, NULL);
    SWEEP(rows);
    return fflush(stdout);
}
