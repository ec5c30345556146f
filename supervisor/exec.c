/* Executing: the glass program replaces whatever the process was (the kernel's own execve: a clean address space, other threads
 * gone), everything the kernel mapped with it goes (vDSO, stack), and the program, its interpreter and a stack are
 * mapped from the VFS, at addresses that are the same in every run. */
#include "supervisor/exec.h"

#include "kernel/recorder.h"

#include "supervisor/elf.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/glass.h"
#include "supervisor/maps.h"
#include "supervisor/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE UINT64_C(4096)
#define PAGE_DOWN(x) ((x) & ~(PAGE - 1))
#define PAGE_UP(x) PAGE_DOWN((x) + PAGE - 1)

#define USER_END UINT64_C(0x7ffffffff000) /* TASK_SIZE of 47-bit addresses */
#define PIE_BASE UINT64_C(0x555555554000) /* ELF_ET_DYN_BASE without randomisation */
#define STACK_LEAST (UINT64_C(128) << 10)
#define STACK_COUNTED (UINT64_C(132) << 10) /* what a native stack has at first: fs/exec.c, setup_arg_pages */
#define STACK_MOST (UINT64_C(1) << 30)
#define BSS_AHEAD (UINT64_C(64) << 10)
/* Where in its page the stack begins, whatever the arguments and the environment are. A processor takes a store for another's
 * whose address has the same low 12 bits: where a slot of the interpreter's loop falls together so with a frame or number of
 * its heap, a program that only computes is a fifth slower. Linux leaves it to chance (arch_align_stack); here that chance would
 * be the same in each run. Of this place no program was seen to suffer (docs/performance.md). */
#define STACK_IN_PAGE 0x870
/* AT_HWCAP is CPUID.1:EDX; of it, what x86-64 has on every processor (psABI, "Micro-Architecture Levels"). */
#define HWCAP_BASELINE 0x078bfbff

struct loading {
    struct task *task;
    struct tracee *tracee;
    struct elf_image program, interpreter;
    struct file *interpreter_file; /* referenced; NULL: static */
    uint64_t program_bias, interpreter_bias;
    uint64_t vdso; /* address; 0: there is none */
};

static int64_t inject(struct loading *l, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                      uint64_t f)
{
    const uint64_t argument[6] = {a, b, c, d, e, f};
    return tracee_inject(l->tracee, nr, argument);
}

static int map_anonymous(struct loading *l, uint64_t address, uint64_t length, int protection, int more)
{
    int64_t got = inject(l, SYS_mmap, address, length, (uint64_t)protection,
                         (uint64_t)(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | more), UINT64_MAX, 0);
    return got < 0 && got > -4096 ? (int)got : 0;
}

static int zero_bytes(struct loading *l, uint64_t from, uint64_t to)
{
    static const char zeros[4096];
    if (from >= to)
        return 0;
    return tracee_write(l->tracee, from, zeros, to - from) == (ssize_t)(to - from) ? 0 : -EFAULT;
}

/* One segment: its bytes from the file, the rest of the last page cleared, pages beyond it anonymous. */
static int map_segment(struct loading *l, struct file *f, const struct elf_segment *s, uint64_t bias)
{
    uint64_t file_end = s->address + s->file_length;
    if (s->file_length > 0) {
        struct file_mapping m;
        int error = file_map(f, s->file_offset, s->file_length, false, &m);
        if (error < 0)
            return error;
        int64_t got =
            tracee_map(l->tracee, s->address + bias, s->file_length, s->protection, MAP_PRIVATE | MAP_FIXED, &m, f);
        if (got < 0 && got > -4096)
            return (int)got;
        record(l->task->world, mapped, l->task, f, s->file_offset, s->file_length);
        if ((s->protection & PROT_WRITE) != 0) {
            uint64_t end = file_end < s->end ? file_end : s->end;
            error = zero_bytes(l, s->zero_from + bias, end + bias);
            if (error < 0)
                return error;
        }
    }
    if (s->end <= file_end)
        return 0;
    uint64_t beyond =
        s->end -
        file_end; /* of a large .bss a start touches little: CPython's has 276 KiB, of which 12 are written to */
    return map_anonymous(l, file_end + bias, beyond, s->protection,
                         beyond <= BSS_AHEAD ? mm_populate(l->task->mm, beyond) : 0);
}

static int map_image(struct loading *l, struct file *f, const struct elf_image *image, uint64_t bias)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        int error = map_segment(l, f, &image->segment[i], bias);
        if (error < 0)
            return error;
    }
    return 0;
}

/* Where the interpreter goes: a hole of its size, where the kernel would put a library. */
static int reserve(struct loading *l, const struct elf_image *image, uint64_t *bias)
{
    int64_t got = inject(l, SYS_mmap, 0, image->high - image->low, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, UINT64_MAX, 0);
    if (got < 0 && got > -4096)
        return (int)got;
    *bias = (uint64_t)got - image->low;
    return 0;
}

/* The world's own, with the clock page before it, where the kernel would put its own. */
static int map_vdso(struct loading *l)
{
    if (!fast_clock_works(l->tracee->holder))
        return 0;
    int64_t got = inject(l, SYS_mmap, 0, CLOCK_PAGE_SIZE + GLASS_VDSO_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE,
                         GLASS_PROGRAM, GLASS_VDSO_OFFSET - CLOCK_PAGE_SIZE);
    if (got < 0 && got > -4096)
        return (int)got;
    l->vdso = (uint64_t)got + CLOCK_PAGE_SIZE;
    got = inject(l, SYS_mmap, (uint64_t)got, CLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                 GLASS_CLOCK, 0);
    return got < 0 && got > -4096 ? (int)got : 0;
}

/* ---- the initial stack: System V ABI, AMD64, "Process Initialization" ------------------------------------------- */

struct stack_image {
    uint8_t *bytes; /* what will stand at [bottom, top) */
    uint64_t top, bottom, at;
};

static uint64_t push(struct stack_image *s, const void *bytes, size_t n)
{
    s->at -= n;
    memcpy(s->bytes + (s->at - s->bottom), bytes, n);
    return s->at;
}

static uint32_t fill_auxv(struct loading *l, uint64_t execfn, uint64_t random, uint64_t platform, uint64_t *v)
{
    const struct cred *c = &l->task->cred;
    uint32_t n = 0;
#define AUX(type, value) (v[n++] = (type), v[n++] = (uint64_t)(value))
    if (l->vdso != 0)
        AUX(AT_SYSINFO_EHDR, l->vdso);
    const bool baseline = l->task->world->policy->cpu_baseline;
    AUX(AT_HWCAP, baseline ? HWCAP_BASELINE : getauxval(AT_HWCAP));
    AUX(AT_PAGESZ, PAGE);
    AUX(AT_CLKTCK, 100);
    AUX(AT_PHDR, l->program.headers + l->program_bias);
    AUX(AT_PHENT, l->program.header_size);
    AUX(AT_PHNUM, l->program.header_count);
    AUX(AT_BASE, l->interpreter_file != NULL ? l->interpreter.low + l->interpreter_bias : 0);
    AUX(AT_FLAGS, 0);
    AUX(AT_ENTRY, l->program.entry + l->program_bias);
    AUX(AT_UID, c->uid);
    AUX(AT_EUID, c->euid);
    AUX(AT_GID, c->gid);
    AUX(AT_EGID, c->egid);
    AUX(AT_SECURE, c->uid != c->euid || c->gid != c->egid);
    AUX(AT_RANDOM, random);
    AUX(AT_HWCAP2, baseline ? 0 : getauxval(AT_HWCAP2));
    AUX(AT_EXECFN, execfn);
    AUX(AT_PLATFORM, platform);
    if (getauxval(AT_MINSIGSTKSZ) != 0)
        AUX(AT_MINSIGSTKSZ, getauxval(AT_MINSIGSTKSZ));
    AUX(AT_NULL, 0);
#undef AUX
    return n;
}

static int build_stack(struct loading *l, const char *path, const struct exec_arguments *a, uint64_t *sp)
{
    struct mm *mm = l->task->mm;
    size_t words = 1 + a->argc + 1 + a->envc + 1 + 64;
    size_t room = PAGE_UP(a->size + strlen(path) + words * 8 + 256 + PAGE);
    struct stack_image s = {.top = mm->stack_top, .bottom = mm->stack_top - room, .at = mm->stack_top};
    if (room > (mm->stack_top - mm->stack_bottom) / 2)
        return -E2BIG;
    s.bytes = calloc(1, room);
    uint64_t *vector = calloc(words, 8);
    if (s.bytes == NULL || vector == NULL) {
        free(s.bytes);
        free(vector);
        return -ENOMEM;
    }
    uint8_t chance[16];
    random_bytes(&l->task->world->random, RANDOM_AUXV, chance, sizeof chance);
    s.at -= 8; /* the kernel, too, leaves a null word at the very end */
    uint64_t execfn = push(&s, path, strlen(path) + 1);
    uint64_t strings = push(&s, a->bytes, a->size);
    uint64_t platform = push(&s, "x86_64", 7);
    s.at &= ~UINT64_C(15);
    uint64_t random = push(&s, chance, sizeof chance);

    size_t n = 0, offset = 0;
    vector[n++] = a->argc;
    for (uint32_t i = 0; i < a->argc + a->envc; i++) {
        if (i == a->argc) {
            vector[n++] = 0;
            mm->env_start = strings + offset;
        }
        vector[n++] = strings + offset;
        offset += strlen(a->bytes + offset) + 1;
    }
    if (a->envc == 0) {
        vector[n++] = 0;
        mm->env_start = strings + offset;
    }
    vector[n++] = 0;
    mm->arg_start = strings;
    mm->arg_end = mm->env_start;
    mm->env_end = strings + a->size;
    mm->auxv_words = fill_auxv(l, execfn, random, platform, mm->auxv);
    memcpy(vector + n, mm->auxv, mm->auxv_words * 8);
    n += mm->auxv_words;
    s.at -= n * 8;
    s.at -= (s.at - STACK_IN_PAGE) % PAGE;
    memcpy(s.bytes + (s.at - s.bottom), vector, n * 8);
    *sp = s.at;
    size_t size = s.top - s.at;
    ssize_t put = tracee_write(l->tracee, s.at, s.bytes + (s.at - s.bottom), size);
    free(s.bytes);
    free(vector);
    return put == (ssize_t)size ? 0 : -ENOMEM;
}

/* ---- the order of things ---------------------------------------------------------------------------------------- */

static int open_interpreter(struct loading *l)
{
    struct task *t = l->task;
    const struct place at = {.vfs = t->world->vfs, .cred = &t->cred, .root = t->fs->root, .start = t->fs->root};
    int error = vfs_open(&at, l->program.interpreter, O_RDONLY, 0, 0, &l->interpreter_file);
    if (error == 0)
        error = elf_read(l->interpreter_file, &l->interpreter);
    if (error == 0 && !l->interpreter.relocatable)
        error = -ENOEXEC;
    return error == -ENOEXEC ? -ELIBBAD : error;
}

static uint64_t stack_size(const struct task *t)
{
    uint64_t size = PAGE_UP(t->process->limits[RLIMIT_STACK].rlim_cur);
    if (t->process->limits[RLIMIT_STACK].rlim_cur > STACK_MOST)
        size = STACK_MOST;
    return size < STACK_LEAST ? STACK_LEAST : size;
}

/* Pages that do not count as memory before they are touched. A host that counts them all the same (vm.overcommit_memory 2) gives less. */
static int map_stack(struct loading *l)
{
    enum { STACK_LESS = 64 << 20 };
    struct mm *mm = l->task->mm;
    uint64_t size = stack_size(l->task);
    mm->stack_top = USER_END;
    mm->stack_bottom = USER_END - size;
    mm->stack_protection = PROT_READ | PROT_WRITE | (l->program.executable_stack ? PROT_EXEC : 0);
    int error = map_anonymous(l, mm->stack_bottom, size, mm->stack_protection, MAP_NORESERVE | MAP_STACK);
    if (error == -ENOMEM && size > STACK_LESS) {
        mm->stack_bottom = USER_END - STACK_LESS;
        error = map_anonymous(l, mm->stack_bottom, STACK_LESS, mm->stack_protection, MAP_NORESERVE | MAP_STACK);
    }
    return error;
}

static uint64_t reserved(const struct mm *m)
{
    return m->stack_bottom > EXEC_MMAP_TOP ? m->stack_bottom - EXEC_MMAP_TOP : 0;
}

uint64_t exec_uncounted(const struct mm *m, int resource)
{
    if (m == NULL || (resource != RLIMIT_AS && resource != RLIMIT_DATA))
        return 0;
    uint64_t stack = m->stack_top - m->stack_bottom;
    if (resource == RLIMIT_DATA)
        return stack; /* a native one is no data */
    return reserved(m) + (stack > STACK_COUNTED ? stack - STACK_COUNTED : 0) + GLASS_END - GLASS_CODE;
}

/* It is of the glass program's file: so the kernel never makes one mapping of it and a neighbour of the guest's. */
static void leave_no_choice(struct loading *l)
{
    struct mm *mm = l->task->mm;
    int64_t got = inject(l, SYS_mmap, EXEC_MMAP_TOP, reserved(mm), PROT_NONE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                         GLASS_PROGRAM, 0);
    if (got < 0 && got > -4096 && l->task->world->addresses_vary)
        world_not_reproducible(l->task->world, "addresses: the kernel randomises them, personality(2) is refused, and "
                                               "RLIMIT_AS leaves no room to take the choice away");
}

/* By vfork(2) or CLONE_VM: another process's limit says how far that stack may grow. */
static bool shared_with_others(const struct task *t)
{
    uint32_t own = 0;
    for (const struct task *o = t->process->threads; o != NULL; o = o->next_thread)
        own += o->mm == t->mm;
    return t->mm->references > own;
}

/* What was reserved gives way. Of a process's limits those that count the stack are told first: exec_uncounted. */
int exec_raise_stack(struct task *t)
{
    struct mm *mm = t->mm;
    const struct process *p = t->process;
    const uint64_t before = mm->stack_bottom, bottom = mm->stack_top - stack_size(t);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    if (bottom >= before || shared_with_others(t))
        return 0;
    if (!maps_reserved(t, bottom - PAGE, before))
        return -ENOMEM;
    mm->stack_bottom = bottom;
    (void)t->world->machine->limit(t->process, RLIMIT_DATA, &p->limits[RLIMIT_DATA]);
    const uint64_t argument[6] = {
        bottom, before - bottom, (uint64_t)mm->stack_protection, (uint64_t)(flags | MAP_FIXED), UINT64_MAX, 0};
    int64_t got = tracee_inject(t->machine, SYS_mmap, argument);
    if (got < 0 && got > -4096)
        mm->stack_bottom = before;
    (void)t->world->machine->limit(t->process, RLIMIT_DATA, &p->limits[RLIMIT_DATA]);
    return got < 0 && got > -4096 ? (int)got : 0;
}

static void count_image(const struct elf_image *image, uint64_t *all, uint64_t *data)
{
    for (uint32_t i = 0; i < image->segment_count; i++)
        if (image->segment[i].protection & PROT_WRITE)
            *data += image->segment[i].end - image->segment[i].address;
    *all += PAGE_UP(image->high) - PAGE_DOWN(image->low);
}

/* Would the kernel have come so far? Where its own mappings meet a limit, the program dies of SIGSEGV before its first instruction
 * (fs/binfmt_elf.c, load_elf_binary). */
static bool within_limits(const struct loading *l, uint64_t sp)
{
    const struct rlimit64 *limit = l->task->process->limits;
    const struct rlimit64 *data_limit = &limit[RLIMIT_DATA];
    uint64_t stack = USER_END - PAGE_DOWN(sp), all = stack < STACK_COUNTED ? STACK_COUNTED : stack, data = 0;
    count_image(&l->program, &all, &data);
    if (l->interpreter_file != NULL)
        count_image(&l->interpreter, &all, &data);
    return stack <= limit[RLIMIT_STACK].rlim_cur && all <= limit[RLIMIT_AS].rlim_cur && data <= data_limit->rlim_cur;
}

/* The real process's limits are out of the way while it is loaded, and its program's again afterwards. */
static void lift_limits(const struct loading *l)
{
    static const struct rlimit64 none = {RLIM64_INFINITY, RLIM64_INFINITY};
    (void)l->task->world->machine->limit(l->task->process, RLIMIT_AS, &none);
    (void)l->task->world->machine->limit(l->task->process, RLIMIT_DATA, &none);
}

static void put_limits_back(const struct loading *l)
{
    struct process *p = l->task->process;
    (void)l->task->world->machine->limit(p, RLIMIT_AS, &p->limits[RLIMIT_AS]);
    (void)l->task->world->machine->limit(p, RLIMIT_DATA, &p->limits[RLIMIT_DATA]);
}

/* Past the point of no return. */
static int load(struct loading *l, struct file *program, const char *path, const struct exec_arguments *arguments)
{
    struct mm *mm = l->task->mm;
    int64_t gone =
        inject(l, SYS_munmap, GLASS_END, USER_END - GLASS_END, 0, 0, 0, 0); /* vDSO, vvar, the kernel's stack */
    if (gone < 0)
        return (int)gone;
    int error = map_stack(l);
    if (error == 0)
        leave_no_choice(l);
    l->program_bias = l->program.relocatable
                          ? ((PIE_BASE + l->program.alignment - 1) & ~(l->program.alignment - 1)) - l->program.low
                          : 0;
    if (error == 0)
        error = map_vdso(l);
    if (error == 0)
        error = map_image(l, program, &l->program, l->program_bias);
    if (error == 0 && l->interpreter_file != NULL) {
        error = reserve(l, &l->interpreter, &l->interpreter_bias);
        if (error == 0)
            error = map_image(l, l->interpreter_file, &l->interpreter, l->interpreter_bias);
    }
    if (error < 0)
        return error;
    mm->brk_start = mm->brk = PAGE_UP(l->program.brk + l->program_bias);
    mm->text_start = l->program.low + l->program_bias;
    mm->text_end = l->program.high + l->program_bias;
    mm->entry = l->program.entry + l->program_bias;
    uint64_t sp;
    error = build_stack(l, path, arguments, &sp);
    if (error < 0)
        return error;
    struct user_regs_struct *r = &l->tracee->regs;
    struct user_regs_struct start = {.cs = r->cs, .ss = r->ss, .ds = r->ds, .es = r->es, .fs = r->fs, .gs = r->gs};
    start.rip = l->interpreter_file != NULL ? l->interpreter.entry + l->interpreter_bias : mm->entry;
    uint64_t allowed = PAGE_UP(l->task->process->limits[RLIMIT_STACK].rlim_cur);
    if (!within_limits(l, sp))
        start.rip = 0;              /* where nothing is */
    else if (allowed < STACK_LEAST) /* it was made of a size that arguments fit into */
        (void)inject(l, SYS_munmap, mm->stack_bottom, STACK_LEAST - allowed, 0, 0, 0, 0);
    start.rsp = sp;
    start.eflags = 0x202;
    start.orig_rax = (uint64_t)-1;
    *r = start;
    return 0;
}

/* The old memory is left by all, and the other threads end, as far as the world is concerned, while it is still there. */
static void leave_old_memory(struct task *t)
{
    struct task *next;
    task_release_memory(t);
    for (struct task *o = t->process->threads; o != NULL; o = next) {
        next = o->next_thread;
        if (o == t)
            continue;
        task_release_memory(o);
        if (o->machine != NULL)
            ((struct tracee *)o->machine)->task = NULL;
        o->machine = NULL;
        if (o->state != TASK_DEAD)
            task_exited(o, 0);
    }
}

static int replace(struct loading *l)
{
    struct task *t = l->task;
    struct handed_table *table = handed_table_copy(NULL);
    struct mm *mm = mm_new(t->world);
    if (table == NULL || mm == NULL) {
        free(table);
        if (mm != NULL)
            mm_put(mm);
        return -ENOMEM;
    }
    mm->machine = table;
    mm->machine_release = handed_table_release;
    if (!l->tracee->fresh) {
        leave_old_memory(t);
        int error = tracee_execute(l->tracee);
        if (error < 0) {
            mm_put(mm);
            return -ESRCH;
        }
    }
    l->tracee->fresh = false;
    if (t->mm != NULL)
        mm_put(t->mm);
    t->mm = mm;
    return 0;
}

int exec_program(struct task *t, struct file *program, const char *path, struct exec_arguments *arguments)
{
    struct loading l = {.task = t, .tracee = t->machine};
    int error = elf_read(program, &l.program);
    if (error == 0 && l.program.interpreter[0] != '\0')
        error = open_interpreter(&l);
    if (error == 0 && !l.program.relocatable && (l.program.low < GLASS_END || l.program.high > USER_END - STACK_MOST))
        error = -EADDRINUSE; /* the glass program and what belongs to it, or the stack */
    if (error == 0 && arguments->size > stack_size(t) / 4)
        error = -E2BIG;
    bool limited = t->process->limits[RLIMIT_AS].rlim_cur != RLIM64_INFINITY ||
                   t->process->limits[RLIMIT_DATA].rlim_cur != RLIM64_INFINITY;
    if (error == 0 && limited)
        lift_limits(&l);
    if (error == 0)
        error = replace(&l);
    if (error == 0 && load(&l, program, path, arguments) < 0) {
        t->world->machine->kill(t->process);
        error = -ESRCH;
    }
    if (error != -ESRCH && limited)
        put_limits_back(&l);
    file_put(l.interpreter_file);
    return error;
}
