/* Calls about a lent file or name (lent_page.h), answered where they are made: a C library's `syscall` instructions lead here, by trampolines
 * (supervisor/count/trampoline.h), when the descriptor is the lent one, or AT_FDCWD. Each answer is to the guest exactly what the call is, and an
 * event of the world like it. What is not foreseen here is made as a call. Nothing here is trusted.
 *
 * No answer is half given: bytes are moved first, then the event is made, and then one word says that it was. Whoever is interrupted in
 * between, by a handler that does the same or by another task, finds another word and makes the call. Bytes are moved by one instruction,
 * `rep movsb`: when it faults, the supervisor goes on behind it, and what is left says so (supervisor/lending.c). */
#include "supervisor/glass/event.h"
#include "supervisor/glass/glass.h"
#include "supervisor/glass/lent_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAKE_THE_CALL INT64_MIN

static struct lent_page *const page = (struct lent_page *)GLASS_LENT;
static struct clock_page *const clock_page = (struct clock_page *)GLASS_COUNTER;

/* The registers are those of the call, rax its number, the stack is the caller's from `top` on, and all but rcx and r11, which a call changes too, are kept. rcx is 0 when it is
 * answered, in rax; else the number is in rax again. First in the image. */
__asm__(".pushsection .text.entry, \"ax\"\n"
        ".globl lent_entry\n"
        "lent_entry:\n"
        "    push %rdi\n"
        "    push %rsi\n"
        "    push %rdx\n"
        "    push %r8\n"
        "    push %r9\n"
        "    push %r10\n"
        "    push %rax\n"
        "    mov %rax, %rcx\n"
        "    mov %r10, %r8\n"
        "    lea 64(%rsp), %r9\n"
        "    call lent_answer\n"
        "    pop %rcx\n"
        "    pop %r10\n"
        "    pop %r9\n"
        "    pop %r8\n"
        "    pop %rdx\n"
        "    pop %rsi\n"
        "    pop %rdi\n"
        "    movabs $0x8000000000000000, %r11\n"
        "    cmp %r11, %rax\n"
        "    je 1f\n"
        "    xor %ecx, %ecx\n"
        "    ret\n"
        "1:  mov %rcx, %rax\n"
        "    mov $1, %ecx\n"
        "    ret\n"
        ".popsection\n");

/* False: a fault. */
static bool move(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return n == 0;
}

/* Memory of the guest's that bytes may be moved to or from here: not beyond its address space (access_ok), and not where this code has its own
 * stack, which the kernel's would not touch: below `top`. */
static bool reachable(uint64_t at, uint64_t n, uint64_t top)
{
    enum { DEPTH = 4096 };
    const uint64_t end = (UINT64_C(1) << 47) - 4096;
    return at < end && n <= end - at && n <= INT32_MAX && (at >= top || at + n <= top - DEPTH);
}

static bool commit(uint64_t before, uint64_t after, enum lent_kind kind)
{
    if (!__atomic_compare_exchange_n(&page->word, &before, after + LENT_CALL, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return false;
    __asm__ volatile("incq %0" : "+m"(page->answered[kind]));
    return true;
}

/* Not behind what was written: which of the two was first is a matter of the file's times. */
static int64_t answer_read(uint64_t word, void *to, uint64_t n, uint64_t top)
{
    uint64_t position = word & LENT_POSITION, left = page->length - position;
    if ((page->flags & LENT_READ) == 0 || n == 0 || position > page->length ||
        (n > left && (page->flags & LENT_END) == 0))
        return MAKE_THE_CALL;
    if (!reachable((uint64_t)to, n, top))
        return MAKE_THE_CALL;
    n = n < left ? n : left;
    if (!move(to, (const char *)GLASS_WINDOW + position, n))
        return MAKE_THE_CALL;
    int64_t now = clock_page_event(clock_page);
    if (now < 0)
        return MAKE_THE_CALL;
    if (page->read_at == 0)
        page->read_at = now;
    return commit(word, word + n, LENT_READS) ? (int64_t)n : MAKE_THE_CALL;
}

static int64_t answer_write(uint64_t word, const void *from, uint64_t n, uint64_t top)
{
    uint64_t position = word & LENT_POSITION;
    if ((page->flags & LENT_APPEND) == 0 || n == 0 || position < page->length || position > page->room ||
        n > page->room - position || !reachable((uint64_t)from, n, top) ||
        !move((char *)GLASS_WINDOW + position, from, n))
        return MAKE_THE_CALL;
    int64_t now = clock_page_event(clock_page);
    if (now < 0)
        return MAKE_THE_CALL;
    page->written_at = now;
    return commit(word, word + n, LENT_WRITES) ? (int64_t)n : MAKE_THE_CALL;
}

static int64_t answer_seek(uint64_t word, int64_t offset, uint64_t whence)
{
    uint64_t position = word & LENT_POSITION, base = page->base,
             end = position > page->length ? position : page->length;
    int64_t from = (int64_t)base, to;
    if (whence == SEEK_SET)
        from = 0;
    else if (whence == SEEK_CUR)
        from += (int64_t)position;
    else if (whence == SEEK_END && (page->flags & LENT_END) != 0)
        from += (int64_t)end;
    else
        return MAKE_THE_CALL;
    if (__builtin_add_overflow(from, offset, &to) || to < (int64_t)base || (uint64_t)to - base > end)
        return MAKE_THE_CALL;
    uint64_t moved = (uint64_t)to - base;
    if ((position > page->length && moved != position) || clock_page_event(clock_page) < 0)
        return MAKE_THE_CALL;
    return commit(word, word - position + moved, LENT_SEEKS) ? to : MAKE_THE_CALL;
}

static int64_t answer_stat(uint64_t word, const char *path, void *to, uint64_t flags, uint64_t top)
{
    char first = 1;
    if ((page->flags & LENT_STAT) == 0 || flags != AT_EMPTY_PATH || (word & LENT_POSITION) > page->length ||
        (page->read_at != 0 && (page->flags & LENT_ACCESSED) == 0) ||
        !reachable((uint64_t)to, sizeof page->stat, top) || !move(&first, path, 1) || first != '\0' ||
        !move(to, &page->stat, sizeof page->stat) || clock_page_event(clock_page) < 0)
        return MAKE_THE_CALL;
    return commit(word, word, LENT_STATS) ? 0 : MAKE_THE_CALL;
}

/* How long the path is with its NUL, or 0: longer than a name, or not to be read. No byte is read behind the page that its NUL is in. */
static uint32_t fetch_path(const char *path, char to[LENT_NAME_SIZE], uint64_t top)
{
    uint32_t have = 0, length = 0;
    if (!reachable((uint64_t)path, LENT_NAME_SIZE, top))
        return 0;
    while (have < LENT_NAME_SIZE) {
        uint32_t n = (uint32_t)(4096 - ((uint64_t)(path + have) & 4095)), left = LENT_NAME_SIZE - have;
        n = n < left ? n : left;
        if (!move(to + have, path + have, n))
            return 0;
        for (have += n; length < have; length++)
            if (to[length] == '\0')
                return length + 1;
    }
    return 0;
}

/* From the end: most paths begin alike. */
static bool is_path(const char *a, const char *b, uint32_t length)
{
    while (length > 0 && a[length - 1] == b[length - 1])
        length--;
    return length == 0;
}

/* What was read or written and not told yet may be what the name is of. */
static int64_t answer_name(uint64_t word, const char *path, void *to, uint64_t flags, uint64_t top)
{
    char asked[LENT_NAME_SIZE];
    uint32_t n = page->names < LENT_NAMES ? page->names : LENT_NAMES, length;
    if ((word & LENT_POSITION) > page->length || (page->read_at != 0 && (page->flags & LENT_ACCESSED) == 0) ||
        !reachable((uint64_t)to, sizeof(struct stat), top) || (length = fetch_path(path, asked, top)) == 0)
        return MAKE_THE_CALL;
    for (struct lent_name *e = page->name; e < page->name + n; e++) {
        if (e->length != length || e->flags != flags || !is_path(e->path, asked, length))
            continue;
        if (!move(to, &e->stat, sizeof e->stat) || clock_page_event(clock_page) < 0 || !commit(word, word, LENT_NAMED))
            return MAKE_THE_CALL;
        e->used = 1;
        return 0;
    }
    return MAKE_THE_CALL;
}

static int64_t answer_ioctl(uint64_t word, uint32_t command)
{
    if (command != TCGETS || clock_page_event(clock_page) < 0)
        return MAKE_THE_CALL;
    return commit(word, word, LENT_IOCTLS) ? -ENOTTY : MAKE_THE_CALL;
}

static int64_t answer_list(uint64_t word)
{
    if ((page->flags & LENT_LISTED) == 0 || clock_page_event(clock_page) < 0)
        return MAKE_THE_CALL;
    return commit(word, word, LENT_LISTS) ? 0 : MAKE_THE_CALL;
}

static int64_t answer_close(uint64_t word)
{
    if (clock_page_event(clock_page) < 0 || !commit(word, word | LENT_CLOSED, LENT_CLOSES))
        return MAKE_THE_CALL;
    page->fd = LENT_NOBODY;
    return 0;
}

int64_t lent_answer(uint64_t fd, uint64_t second, uint64_t third, uint64_t nr, uint64_t fourth, uint64_t top);
int64_t lent_answer(uint64_t fd, uint64_t second, uint64_t third, uint64_t nr, uint64_t fourth, uint64_t top)
{
    uint64_t word = __atomic_load_n(&page->word, __ATOMIC_RELAXED);
    if (nr == SYS_newfstatat && (uint32_t)fd == LENT_NAMES_FD && page->names_fd == LENT_NAMES_FD)
        return answer_name(word, (const char *)second, (void *)third, fourth, top);
    if ((word & LENT_CLOSED) != 0 || (int32_t)fd < 0 || (uint32_t)fd != page->fd)
        return MAKE_THE_CALL;
    switch (nr) {
    case SYS_read:
        return answer_read(word, (void *)second, third, top);
    case SYS_write:
        return answer_write(word, (const void *)second, third, top);
    case SYS_lseek:
        return answer_seek(word, (int64_t)second, third);
    case SYS_newfstatat:
        return answer_stat(word, (const char *)second, (void *)third, fourth, top);
    case SYS_ioctl:
        return answer_ioctl(word, (uint32_t)second);
    case SYS_getdents64:
        return answer_list(word);
    case SYS_close:
        return answer_close(word);
    default:
        return MAKE_THE_CALL;
    }
}
