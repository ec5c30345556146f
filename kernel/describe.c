/* Calls in words (kernel/describe.h). One printer a kind of argument, in a table; strace(1) is the model for how it
 * reads. */
#include "kernel/describe.h"
#include "kernel/names.h"
#include "kernel/sysent.h"
#include "policy/policy.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

enum { TEXT_SHOWN = 512 }; /* bytes of one string */

struct out {
    char *at;
    size_t used, room; /* room: without the NUL */
    bool full;
};

static void add_bytes(struct out *o, const char *bytes, size_t n)
{
    if (n > o->room - o->used) {
        n = o->room - o->used;
        o->full = true;
    }
    memcpy(o->at + o->used, bytes, n);
    o->used += n;
    o->at[o->used] = '\0';
}

static void add(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct out *o, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_bytes(o, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

static void begin(struct out *o, char *buf, size_t n)
{
    *o = (struct out){.at = buf, .room = n - 1};
    buf[0] = '\0';
}

static size_t end(struct out *o)
{
    if (o->full && o->used >= 3)
        memcpy(o->at + o->used - 3, "...", 3);
    return o->used;
}

static void add_escaped(struct out *o, const char *text, size_t most)
{
    size_t i = 0;
    for (; i < most && text[i]; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b == '"' || b == '\\')
            add(o, "\\%c", b);
        else if (b == '\n')
            add(o, "\\n");
        else if (b == '\t')
            add(o, "\\t");
        else if (b < ' ' || b > '~')
            add(o, "\\x%02x", b);
        else
            add_bytes(o, (const char *)&b, 1);
    }
    if (text[i])
        add(o, "...");
}

/* The names of the flags in `value`, and what no name covers as hex. nothing: what 0 is called. */
static void add_flags(struct out *o, const struct name *list, uint64_t value, const char *nothing, bool go_on)
{
    bool any = go_on;
    for (; list->name; list++) {
        uint64_t mask = list->mask ? list->mask : list->value;
        if (mask == 0 || (value & mask) != list->value)
            continue;
        add(o, "%s%s", any ? "|" : "", list->name);
        value &= ~mask;
        any = true;
    }
    if (value)
        add(o, "%s0x%llx", any ? "|" : "", (unsigned long long)value);
    else if (!any)
        add(o, "%s", nothing);
}

static void add_name(struct out *o, const struct name *list, uint64_t value, const char *otherwise)
{
    const char *name = name_of(list, value);
    if (name)
        add(o, "%s", name);
    else
        add(o, otherwise[0] == 'd' ? "%lld" : "0x%llx", (long long)value);
}

static void add_signal(struct out *o, uint64_t value)
{
    enum { RT_FIRST = 32, RT_LAST = 64 }; /* the kernel's range; the C library keeps 32 and 33 */
    if (value >= RT_FIRST && value <= RT_LAST)
        add(o, "SIGRT_%d", (int)value - RT_FIRST);
    else
        add_name(o, names_signals, value, "d");
}

static void add_futex(struct out *o, uint64_t value)
{
    add_name(o, names_futex, value & FUTEX_CMD_MASK, "x");
    if (value & FUTEX_PRIVATE_FLAG)
        add(o, "|FUTEX_PRIVATE_FLAG");
    if (value & FUTEX_CLOCK_REALTIME)
        add(o, "|FUTEX_CLOCK_REALTIME");
}

static void add_clone(struct out *o, uint64_t value)
{
    add_flags(o, names_clone_flags, (uint32_t)value & ~0xffu, "0", false);
    if (value & 0xff) {
        add(o, "|");
        add_signal(o, value & 0xff);
    }
}

static void add_value(struct out *o, int kind, uint64_t value)
{
    switch (kind) {
    case ARG_INT:
    case ARG_ID:
    case ARG_PID:
    case ARG_FD:
        add(o, "%d", (int)value);
        break;
    case ARG_DIRFD:
        if ((int)value == AT_FDCWD)
            add(o, "AT_FDCWD");
        else
            add(o, "%d", (int)value);
        break;
    case ARG_SIZE:
        add(o, "%llu", (unsigned long long)value);
        break;
    case ARG_OFFSET:
        add(o, "%lld", (long long)value);
        break;
    case ARG_PATH:
    case ARG_STR:
    case ARG_PTR:
    case ARG_ARGV:
    case ARG_SOCKADDR:
        if (value)
            add(o, "0x%llx", (unsigned long long)value);
        else
            add(o, "NULL");
        break;
    case ARG_OPEN_FLAGS:
        add_name(o, names_access_modes, value & O_ACCMODE, "x");
        add_flags(o, names_open_flags, (uint32_t)value & ~(uint32_t)O_ACCMODE, "", true);
        break;
    case ARG_AT_FLAGS:
        add_flags(o, names_at_flags, (uint32_t)value, "0", false);
        break;
    case ARG_MODE:
        add(o, "%#o", (unsigned)value);
        break;
    case ARG_ACCESS_MODE:
        add_flags(o, names_access, (uint32_t)value, "F_OK", false);
        break;
    case ARG_WHENCE:
        add_name(o, names_whence, (uint32_t)value, "d");
        break;
    case ARG_FCNTL:
        add_name(o, names_fcntl, (uint32_t)value, "d");
        break;
    case ARG_PROT:
        add_flags(o, names_protection, value, "PROT_NONE", false);
        break;
    case ARG_MAP_FLAGS:
        add_flags(o, names_map_flags, value, "0", false);
        break;
    case ARG_CLONE_FLAGS:
        add_clone(o, value);
        break;
    case ARG_SIGNAL:
        add_signal(o, (uint32_t)value);
        break;
    case ARG_CLOCK:
        add_name(o, names_clocks, (uint32_t)value, "d");
        break;
    case ARG_FUTEX_OP:
        add_futex(o, (uint32_t)value);
        break;
    default:
        add(o, "0x%llx", (unsigned long long)value);
    }
}

/* What says nothing is left out: AT_FDCWD before a path, the mode of an open that does not create. */
static bool silent(const struct sysent *s, uint64_t nr, const uint64_t arg[6], int i)
{
    int next = i + 1 < s->argument_count ? s->argument[i + 1] : ARG_NONE;
    if (s->argument[i] == ARG_DIRFD)
        return next == ARG_PATH && (int)arg[i] == AT_FDCWD;
    if (s->argument[i] == ARG_MODE && i > 0 && s->argument[i - 1] == ARG_OPEN_FLAGS)
        return !(arg[i - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
    return false;
}

size_t describe_call(uint64_t nr, const uint64_t arg[6], const char *const text[6], const char *const leads[6],
                     char *buf, size_t n)
{
    struct out o;
    const struct sysent *s = sysent_get(nr);
    begin(&o, buf, n);
    if (!s) {
        add(&o, "syscall_%llu(", (unsigned long long)nr);
        for (int i = 0; i < SYSENT_ARGUMENTS; i++)
            add(&o, "%s0x%llx", i ? ", " : "", (unsigned long long)arg[i]);
        add(&o, ")");
        return end(&o);
    }
    add(&o, "%s(", s->name);
    bool any = false;
    for (int i = 0; i < s->argument_count; i++) {
        if (silent(s, nr, arg, i))
            continue;
        if (any)
            add(&o, ", ");
        any = true;
        if (text && text[i]) {
            add(&o, "\"");
            add_escaped(&o, text[i], TEXT_SHOWN);
            add(&o, "\"");
            if (leads && leads[i]) {
                add(&o, "<");
                add_escaped(&o, leads[i], TEXT_SHOWN);
                add(&o, ">");
            }
        } else if (nr == SYS_ioctl && i == 1) {
            add_name(&o, names_ioctl, (uint32_t)arg[i], "x");
        } else {
            add_value(&o, s->argument[i], arg[i]);
        }
    }
    add(&o, ")");
    return end(&o);
}

size_t describe_result(int64_t result, char *buf, size_t n)
{
    struct out o;
    begin(&o, buf, n);
    const char *name = result < 0 && result >= -4095 ? policy_errno_name((int)-result) : NULL;
    if (name)
        add(&o, "-1 %s", name);
    else
        add(&o, "%lld", (long long)result);
    return end(&o);
}

size_t describe_value(int kind, uint64_t value, char *buf, size_t n)
{
    struct out o;
    begin(&o, buf, n);
    add_value(&o, kind, value);
    return end(&o);
}
