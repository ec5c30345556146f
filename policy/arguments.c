/* Names, widths and values of arguments (policy/arguments.h). */
#include "policy/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/sysent.h"
#include "policy/constants.h"
#include "policy/policy.h"
#include "policy/units.h"

enum { U16 = 1, U32, S32, U64, S64 };

/* Per kind: the name a rule may use, and how wide the kernel takes it. */
static const struct {
    const char *name;
    uint8_t width;
} kinds[] = {
    [ARG_NONE] = {NULL, U64},
    [ARG_INT] = {NULL, S32},
    [ARG_HEX] = {NULL, U32},
    [ARG_SIZE] = {"size", U64},
    [ARG_OFFSET] = {"offset", S64},
    [ARG_ID] = {"id", U32},
    [ARG_PID] = {"pid", S32},
    [ARG_FD] = {"fd", S32},
    [ARG_DIRFD] = {"dirfd", S32},
    [ARG_PATH] = {NULL, U64},
    [ARG_STR] = {NULL, U64},
    [ARG_PTR] = {NULL, U64},
    [ARG_ARGV] = {NULL, U64},
    [ARG_SOCKADDR] = {NULL, U64},
    [ARG_OPEN_FLAGS] = {"flags", S32},
    [ARG_AT_FLAGS] = {"flags", S32},
    [ARG_MODE] = {"mode", U16}, /* umode_t */
    [ARG_ACCESS_MODE] = {"mode", S32},
    [ARG_WHENCE] = {"whence", U32},
    [ARG_FCNTL] = {"operation", U32},
    [ARG_PROT] = {"prot", U64},
    [ARG_MAP_FLAGS] = {"flags", U64},
    [ARG_CLONE_FLAGS] = {"flags", U32}, /* clone(2) takes lower_32_bits(), kernel/fork.c */
    [ARG_SIGNAL] = {"signal", S32},
    [ARG_CLOCK] = {"clock", S32},
    [ARG_FUTEX_OP] = {"operation", S32},
};

/* Arguments of kind int or hex that the kernel takes whole (include/linux/syscalls.h says unsigned long there): a bit
 * per index. All others of these kinds are an int or unsigned int. */
static const struct {
    const char *call;
    uint8_t whole;
} wide[] = {
    {"brk", 1 << 0},
    {"ioctl", 1 << 2},
    {"readv", 1 << 2},
    {"writev", 1 << 2},
    {"mremap", 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4},
    {"semctl", 1 << 3},
    {"fcntl", 1 << 2},
    {"truncate", 1 << 1},
    {"ptrace", 1 << 0 | 1 << 3},
    {"msgrcv", 1 << 3},
    {"modify_ldt", 1 << 2},
    {"prctl", 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4},
    {"arch_prctl", 1 << 1},
    {"sysfs", 1 << 1 | 1 << 2},
    {"mount", 1 << 3},
    {"ioperm", 1 << 0 | 1 << 1},
    {"capget", 1 << 0 | 1 << 1},
    {"capset", 1 << 0 | 1 << 1},
    {"remap_file_pages", 1 << 3 | 1 << 4},
    {"mbind", 1 << 2 | 1 << 4},
    {"set_mempolicy", 1 << 2},
    {"get_mempolicy", 1 << 2 | 1 << 4},
    {"set_mempolicy_home_node", 1 << 2 | 1 << 3},
    {"kexec_load", 1 << 0 | 1 << 3},
    {"kexec_file_load", 1 << 4},
    {"keyctl", 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4},
    {"migrate_pages", 1 << 1},
    {"move_pages", 1 << 1},
    {"unshare", 1 << 0},
    {"vmsplice", 1 << 2},
    {"preadv", 1 << 2 | 1 << 3 | 1 << 4},
    {"pwritev", 1 << 2 | 1 << 3 | 1 << 4},
    {"preadv2", 1 << 2 | 1 << 3 | 1 << 4},
    {"pwritev2", 1 << 2 | 1 << 3 | 1 << 4},
    {"perf_event_open", 1 << 4},
    {"fanotify_mark", 1 << 2},
    {"process_vm_readv", 1 << 2 | 1 << 4 | 1 << 5},
    {"process_vm_writev", 1 << 2 | 1 << 4 | 1 << 5},
    {"kcmp", 1 << 3 | 1 << 4},
    {"pkey_alloc", 1 << 0 | 1 << 1},
    {"futex_wake", 1 << 1},
    {"futex_wait", 1 << 1 | 1 << 2},
    {"mseal", 1 << 3},
};

/* Hex arguments that hold flags, and are no kind of their own in the table: "flags" names them too. */
static bool is_last_hex(const struct sysent *s, int index)
{
    const struct constant *sets[2];
    constants_for(sysent_number(s->name), index, sets);
    return s->argument[index] == ARG_HEX && sets[1] != NULL;
}

int argument_index(int nr, const char *name, const char **why)
{
    const struct sysent *s = sysent_get((uint64_t)nr);
    if (name[0] >= '0' && name[0] <= '9' && name[1] == '\0') {
        int index = name[0] - '0';
        *why = "the call has no such argument (the first is 0)";
        if (index >= s->argument_count)
            return -1;
        *why = "this argument is a path: write path: beside args:";
        return s->argument[index] == ARG_PATH ? -1 : index;
    }
    int found = -1;
    for (int i = 0; i < s->argument_count; i++) {
        const char *own = kinds[s->argument[i]].name;
        if (own == NULL && is_last_hex(s, i))
            own = "flags";
        if (own == NULL || strcmp(own, name) != 0)
            continue;
        *why = "the call has more than one such argument: use its number, from 0";
        if (found >= 0)
            return -1;
        found = i;
    }
    *why = "the call has no such argument: use its number, from 0";
    return found;
}

struct argument_width argument_width(int nr, int index)
{
    const struct sysent *s = sysent_get((uint64_t)nr);
    uint8_t kind = s->argument[index], width = kinds[kind].width;
    if (kind == ARG_HEX || kind == ARG_INT)
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
            if (wide[i].whole >> index & 1 && strcmp(wide[i].call, s->name) == 0)
                width = kind == ARG_HEX ? U64 : S64;
    return (struct argument_width){
        .mask = width == U16                   ? 0xffff
                : width == U32 || width == S32 ? 0xffffffff
                                               : UINT64_MAX,
        .is_signed = width == S32 || width == S64,
    };
}

/* A name of the argument's sets. false with the nearest one in why. */
static bool find_constant(int nr, int index, const char *name, uint64_t *value, char *why)
{
    const struct constant *sets[2];
    constants_for(nr, index, sets);
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2;
    for (int i = 0; i < 2; i++)
        for (const struct constant *c = sets[i]; c != NULL && c->name != NULL; c++) {
            if (strcmp(c->name, name) == 0) {
                *value = c->value;
                return true;
            }
            size_t d = sysent_distance(c->name, name);
            if (d < least) {
                least = d;
                nearest = c->name;
            }
        }
    if (nearest != NULL)
        snprintf(why, WHY_ROOM, "'%.64s' is no value of argument %d of %s (did you mean '%s'?)", name, index,
                 sysent_get((uint64_t)nr)->name, nearest);
    else
        snprintf(why, WHY_ROOM, "'%.64s' is no value of argument %d of %s", name, index,
                 sysent_get((uint64_t)nr)->name);
    return false;
}

static bool read_number(uint8_t kind, const char *text, uint64_t *value, const char **why)
{
    int64_t negative;
    uint32_t mode;
    if (kind == ARG_MODE && units_read_mode(text, &mode, why) == 0) {
        *value = mode;
        return true;
    }
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
        *why = "write 0o644 for an octal number";
        return false;
    }
    if (text[0] == '-') {
        if (units_read_integer(text, &negative, why) < 0)
            return false;
        *value = (uint64_t)negative;
        return true;
    }
    return units_read_number(text, value, why) == 0 ||
           ((kind == ARG_SIZE || kind == ARG_OFFSET) && units_read_size(text, value, why) == 0);
}

int argument_read(int nr, int index, const char *text, uint64_t *value, char *why)
{
    struct argument_width width = argument_width(nr, index);
    uint8_t kind = sysent_get((uint64_t)nr)->argument[index];
    uint64_t sum = 0;
    for (const char *rest = text;;) {
        char part[80];
        size_t length = strcspn(rest, "|"), from = strspn(rest, " ");
        size_t end = length;
        while (end > from && rest[end - 1] == ' ')
            end--;
        snprintf(why, WHY_ROOM, "'%.64s': expected a number, a constant, or several joined by |", text);
        if (from >= end || end - from >= sizeof part)
            return -1;
        memcpy(part, rest + from, end - from);
        part[end - from] = '\0';
        uint64_t one;
        const char *words;
        if ((part[0] >= '0' && part[0] <= '9') || part[0] == '-') {
            if (!read_number(kind, part, &one, &words)) {
                snprintf(why, WHY_ROOM, "'%.64s': %s", part, words);
                return -1;
            }
            /* What does not fit could never be equal; -1 fits, as the bits it has at this width. */
            bool fits = (one & ~width.mask) == 0 || (part[0] == '-' && (one | width.mask >> 1) == UINT64_MAX);
            if (!fits) {
                snprintf(why, WHY_ROOM, "'%.64s' does not fit argument %d of %s", part, index,
                         sysent_get((uint64_t)nr)->name);
                return -1;
            }
        } else if (!find_constant(nr, index, part, &one, why)) {
            return -1;
        }
        sum |= one & width.mask;
        if (rest[length] == '\0')
            break;
        rest += length + 1;
    }
    *value = sum;
    return 0;
}

/* Where several names share a number, strerrorname_np(3) knows one of them. */
static const struct {
    const char *name;
    int number;
} other_names[] = {
    {"EWOULDBLOCK", EWOULDBLOCK},
    {"EDEADLOCK", EDEADLOCK},
    {"ENOTSUP", ENOTSUP},
};

enum { LARGEST_ERRNO = 133 };

const char *policy_errno_name(int error)
{
    return error > 0 && error <= LARGEST_ERRNO ? strerrorname_np(error) : NULL;
}

int policy_errno_number(const char *name)
{
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++)
        if (strcmp(other_names[i].name, name) == 0)
            return other_names[i].number;
    for (int error = 1; error <= LARGEST_ERRNO; error++) {
        const char *own = strerrorname_np(error);
        if (own != NULL && strcmp(own, name) == 0)
            return error;
    }
    return -1;
}
