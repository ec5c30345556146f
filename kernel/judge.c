/* The policy's say in a call: which path does each argument lead to, which rule decides, and the record of what it
 * decided.
 *
 * The path a rule sees is the one the call acts on: the walk is the VFS's own, from the same place, with the same
 * flags, on the same copy of the text. So a symlink, "..", a relative path, a directory descriptor, a chroot or
 * /proc/self/fd/N leads to the same name as the plain absolute path. A second hard link is a second name, as it is for
 * Linux. What cannot be resolved because memory or room ran out is refused, never let through. */
#include "kernel/judge.h"
#include "kernel/describe.h"
#include "kernel/recorder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* What becomes of a final symlink in the first path of a call; in a second path it is never followed (rename(2),
 * link(2)). */
struct final_symlink {
    enum { FOLLOW, KEEP, KEEP_IF, FOLLOW_IF } what;
    uint8_t argument; /* KEEP_IF, FOLLOW_IF: when this argument has one of these bits */
    uint32_t bits;
};

#define KEEP_AT(n)                                                                                                     \
    {                                                                                                                  \
        KEEP_IF, n, AT_SYMLINK_NOFOLLOW                                                                                \
    }
static const struct final_symlink final_symlink[SYSENT_COUNT] = {
    [SYS_open] = {KEEP_IF, 1, O_NOFOLLOW},
    [SYS_openat] = {KEEP_IF, 2, O_NOFOLLOW},
    [SYS_lstat] = {KEEP},
    [SYS_readlink] = {KEEP},
    [SYS_readlinkat] = {KEEP},
    [SYS_lchown] = {KEEP},
    [SYS_unlink] = {KEEP},
    [SYS_unlinkat] = {KEEP},
    [SYS_rmdir] = {KEEP},
    [SYS_rename] = {KEEP},
    [SYS_renameat] = {KEEP},
    [SYS_renameat2] = {KEEP},
    [SYS_mkdir] = {KEEP},
    [SYS_mkdirat] = {KEEP},
    [SYS_mknod] = {KEEP},
    [SYS_mknodat] = {KEEP},
    [SYS_symlink] = {KEEP},
    [SYS_symlinkat] = {KEEP},
    [SYS_link] = {KEEP},
    [SYS_linkat] = {FOLLOW_IF, 4, AT_SYMLINK_FOLLOW},
    [SYS_lsetxattr] = {KEEP},
    [SYS_lgetxattr] = {KEEP},
    [SYS_llistxattr] = {KEEP},
    [SYS_lremovexattr] = {KEEP},
    [SYS_newfstatat] = KEEP_AT(3),
    [SYS_statx] = KEEP_AT(2),
    [SYS_fchownat] = KEEP_AT(4),
    [SYS_utimensat] = KEEP_AT(3),
    [SYS_faccessat2] = KEEP_AT(3),
    [452 /* fchmodat2 */] = KEEP_AT(3),
    [SYS_execveat] = KEEP_AT(4),
    [463 /* setxattrat */] = KEEP_AT(2),
    [464 /* getxattrat */] = KEEP_AT(2),
    [465 /* listxattrat */] = KEEP_AT(2),
    [466 /* removexattrat */] = KEEP_AT(2),
    [SYS_inotify_add_watch] = {KEEP_IF, 2, IN_DONT_FOLLOW},
    [SYS_name_to_handle_at] = {FOLLOW_IF, 4, AT_SYMLINK_FOLLOW},
};

int call_open_how(struct call *c, uint64_t address, uint64_t size, struct open_how *how)
{
    if (!c->keep[0]) {
        /* copy_struct_from_user(): a longer struct must be zero beyond what is known */
        char bytes[4096] = {0};
        if (size < sizeof *how)
            return -EINVAL;
        if (size > sizeof bytes)
            return -E2BIG;
        if (call_read(c, address, bytes, size) < 0)
            return -EFAULT;
        for (size_t i = sizeof *how; i < size; i++)
            if (bytes[i])
                return -E2BIG;
        memcpy(how, bytes, sizeof *how);
        c->keep[0] = 1;
        c->keep[1] = how->flags;
        c->keep[2] = how->mode;
        c->keep[3] = how->resolve;
    }
    *how = (struct open_how){.flags = c->keep[1], .mode = c->keep[2], .resolve = c->keep[3]};
    return 0;
}

/* ---- where a path leads ------------------------------------------------------------------------------------------ */

/* Appends the components of `rest`, which do not exist, by their text alone. */
static int append_missing(char *buf, size_t n, const char *rest)
{
    size_t length = strlen(buf);
    while (*rest) {
        size_t name = strcspn(rest, "/");
        if (name == 2 && rest[0] == '.' && rest[1] == '.') {
            while (length > 0 && buf[--length] != '/')
                ;
        } else if (name && !(name == 1 && rest[0] == '.')) {
            bool at_root = length == 1 && buf[0] == '/';
            if (length + !at_root + name + 1 > n)
                return -ENAMETOOLONG;
            if (!at_root)
                buf[length++] = '/';
            memcpy(buf + length, rest, name);
            length += name;
        }
        if (length == 0)
            buf[length++] = '/';
        buf[length] = '\0';
        rest += name;
        rest += strspn(rest, "/");
    }
    return 0;
}

static int walked_path(const struct place *at, const char *path, unsigned flags, char *buf, size_t n)
{
    struct dentry *d;
    int error = vfs_walk(at, path, flags, &d);
    if (error)
        return error;
    ssize_t length = dentry_path(d, vfs_root(at->vfs), buf, n);
    dentry_put(d);
    return length < 0 ? -ENAMETOOLONG : 0;
}

/* Of a path whose end does not resolve: the longest beginning that does, found by bisection because a walk goes from
 * left to right, and the rest by name. */
static int partial_path(const struct place *at, const char *path, char *buf, size_t n)
{
    uint16_t end[VFS_PATH_MAX / 2 + 1]; /* where the first i components end */
    size_t count = 0, i = strspn(path, "/");
    char text[VFS_PATH_MAX];
    end[0] = (uint16_t)(i ? 1 : 0);
    while (path[i]) {
        i += strcspn(path + i, "/");
        end[++count] = (uint16_t)i;
        i += strspn(path + i, "/");
    }
    size_t low = 0, high = count ? count - 1 : 0, probe = high; /* the last component alone is the common case */
    int error = -ENOENT;
    while (true) {
        memcpy(text, path, end[probe]);
        text[end[probe]] = '\0';
        error = walked_path(at, text, WALK_EMPTY_PATH, buf, n);
        if (error == -ENAMETOOLONG || error == -ENOMEM)
            return error;
        if (!error)
            low = probe;
        else if (probe == 0)
            return error;
        else
            high = probe - 1;
        if (low == high && !error)
            break;
        probe = low + (high - low + 1) / 2;
    }
    return append_missing(buf, n, path + end[low]);
}

/* The directory that holds the last component of `text`, and what a symlink there points to, put into `text`. */
static int follow_dangling(struct place *p, struct dentry **held, char *text)
{
    char target[VFS_PATH_MAX];
    ssize_t length = vfs_readlink(p, text, WALK_NOFOLLOW, target, sizeof target - 1);
    if (length <= 0)
        return -ENOENT;
    target[length] = '\0';
    if (target[0] != '/') {
        struct dentry *parent;
        char *slash = strrchr(text, '/');
        if (slash)
            slash[slash == text] = '\0'; /* "/name" is in "/" */
        else
            text[0] = '\0';
        int error = vfs_walk(p, text, WALK_EMPTY_PATH, &parent);
        if (error)
            return error;
        dentry_put(*held);
        *held = parent;
        p->start = parent;
    }
    memcpy(text, target, (size_t)length + 1);
    return 0;
}

int judge_path(const struct place *at, const char *path, unsigned flags, char *buf, size_t n)
{
    struct place p = *at;
    struct dentry *held = NULL;
    char text[VFS_PATH_MAX];
    int error = 0;
    size_t length = strlen(path);
    if (length >= sizeof text)
        return -ENAMETOOLONG;
    memcpy(text, path, length + 1);
    for (int links = 0; links <= VFS_SYMLINK_MAX; links++) {
        error = walked_path(&p, text, flags, buf, n);
        if (error != -ENOENT || flags & WALK_NOFOLLOW || follow_dangling(&p, &held, text))
            break;
    }
    if (error && error != -ENOMEM && error != -ENAMETOOLONG)
        error = partial_path(&p, text, buf, n);
    dentry_put(held);
    return error;
}

static bool keeps_final_symlink(struct call *c, bool second)
{
    const struct final_symlink *f = &final_symlink[c->nr];
    struct open_how how;
    if (second)
        return true;
    /* O_CREAT with O_EXCL does not follow either (open(2)) */
    uint64_t open_flags = c->nr == SYS_open ? c->arg[1] : c->nr == SYS_openat ? c->arg[2] : 0;
    if (c->nr == SYS_openat2 && call_open_how(c, c->arg[2], c->arg[3], &how) == 0) {
        open_flags = how.flags;
        if (open_flags & O_NOFOLLOW)
            return true;
    }
    if ((open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return true;
    switch (f->what) {
    case KEEP:
        return true;
    case KEEP_IF:
        return c->arg[f->argument] & f->bits;
    case FOLLOW_IF:
        return !(c->arg[f->argument] & f->bits);
    default:
        return false;
    }
}

/* Resolves argument i into buf. 1: done, 0: the call has no path there (or will fail before it uses one), -errno:
 * refuse. */
static int resolve_argument(struct call *c, int i, bool second, char *buf, size_t n)
{
    const struct sysent *s = sysent_get(c->nr);
    const char *text;
    struct place at;
    struct open_how how;
    bool has_dirfd = i > 0 && s->argument[i - 1] == ARG_DIRFD;
    unsigned flags = keeps_final_symlink(c, second) ? WALK_NOFOLLOW : 0;
    if (c->arg[i] == 0)
        return 0;
    int error = call_path(c, i, &text);
    if (error)
        return error == -EFAULT ? 0 : error; /* the stub meets the same fault */
    if (call_place(c, has_dirfd && text[0] != '/' ? (int)c->arg[i - 1] : AT_FDCWD, &at))
        return 0;
    if (!*text && !has_dirfd)
        return 0;
    if (c->nr == SYS_openat2 && call_open_how(c, c->arg[2], c->arg[3], &how) == 0 && how.resolve & RESOLVE_IN_ROOT) {
        if (call_place(c, (int)c->arg[0], &at))
            return 0;
        at.root = at.start;
    }
    error = judge_path(&at, text, flags | WALK_EMPTY_PATH, buf, n);
    return error ? error : 1;
}

/* ---- what was decided ---- */

/* The call in words, with where its paths lead when that is not what they say. */
static char *example(struct call *c, const struct policy_query *q)
{
    enum { SHOWN = 256 };
    const struct sysent *s = sysent_get(c->nr);
    const char *text[SYSENT_ARGUMENTS] = {0}, *leads[SYSENT_ARGUMENTS] = {0};
    char other[SYSENT_ARGUMENTS][SHOWN], line[DESCRIBE_ROOM];
    size_t paths = 0;
    for (int i = 0; i < s->argument_count; i++) {
        if (s->argument[i] == ARG_PATH && call_path(c, i, &text[i]) == 0) {
            if (paths < 2 && q->path[paths] && strcmp(q->path[paths], text[i]) != 0)
                leads[i] = q->path[paths];
        } else if (s->argument[i] == ARG_STR && c->arg[i]) {
            ssize_t length = call_string(c, c->arg[i], other[i], SHOWN, -ENAMETOOLONG);
            other[i][SHOWN - 1] = '\0';
            if (length >= 0 || length == -ENAMETOOLONG)
                text[i] = other[i];
        }
        paths += s->argument[i] == ARG_PATH;
    }
    describe_call(c->nr, c->arg, text, leads, line, sizeof line);
    return strdup(line);
}

static void say(const struct denial *d)
{
    const struct policy_rule *r = d->rule;
    char outcome[64] = "", line[DESCRIBE_ROOM + 1024];
    const char *verb = "logged", *name;
    switch (r->action) {
    case POLICY_DENY:
        verb = "denied";
        name = policy_errno_name(r->error);
        if (name)
            snprintf(outcome, sizeof outcome, " = %s", name);
        else
            snprintf(outcome, sizeof outcome, " = -%d", r->error);
        break;
    case POLICY_ANSWER:
        verb = "answered";
        snprintf(outcome, sizeof outcome, " = %lld", (long long)r->answer);
        break;
    case POLICY_KILL:
        verb = "killed at";
        break;
    default:
        break;
    }
    int length = snprintf(line, sizeof line, "terrarium: %s %s%s, by %s:%d%s%s%s\n", verb,
                          d->example ? d->example : "a call", outcome, r->origin.file ? r->origin.file : "(built in)",
                          r->origin.line, r->note ? " \"" : "", r->note ? r->note : "", r->note ? "\"" : "");
    if (length >= (int)sizeof line)
        length = sizeof line - 1;
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
}

/* One entry a rule, sorted by the rule's position, so that a flood of denials costs a bisection each. */
static void count_denial(struct call *c, const struct policy_rule *rule, const struct policy_query *q)
{
    struct world *w = c->world;
    size_t low = 0, high = w->denial_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->denials[middle].rule->index < rule->index)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < w->denial_count && w->denials[low].rule == rule) {
        w->denials[low].count++;
        return;
    }
    struct denial *more = realloc(w->denials, (w->denial_count + 1) * sizeof *more);
    if (!more)
        return;
    w->denials = more;
    memmove(&more[low + 1], &more[low], (w->denial_count - low) * sizeof *more);
    w->denial_count++;
    more[low] = (struct denial){.rule = rule, .count = 1, .example = example(c, q)};
    if (w->verbose)
        say(&more[low]);
}

/* A name that a rule forbids something by stays: else the thing would be reached by another. A directory takes along the
 * names of all that is below it; a link(2) is of a file. */
static const struct policy_rule *keeps_name(struct call *c, const struct policy_query *q)
{
    const struct place root = {.vfs = c->world->vfs,
                               .cred = &(const struct cred){.capabilities = ~UINT64_C(0)},
                               .root = vfs_root(c->world->vfs),
                               .start = vfs_root(c->world->vfs)};
    unsigned lost = policy_names_lost((int)c->nr, c->arg);
    const struct policy_rule *bars = NULL;
    for (int i = 0; i < 2 && bars == NULL; i++) {
        struct statx st;
        if ((lost >> i & 1) == 0 || q->path[0] == NULL || q->path[1] == NULL ||
            vfs_stat(&root, q->path[i], WALK_NOFOLLOW, &st) < 0)
            continue; /* nothing is there: the stub says so */
        bars = policy_bars_name(c->world->policy, q->path[i], q->path[1 - i], S_ISDIR(st.stx_mode));
    }
    return bars;
}

/* creat(2) and openat2(2) in openat(2)'s arguments. What a rule about a path asks of an open's flags it asks of theirs, though they are no
 * arguments. */
static bool as_openat(struct call *c, struct policy_query *q)
{
    struct open_how how = {.flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = c->arg[1]};
    uint64_t dirfd = (uint32_t)AT_FDCWD, path = c->arg[0];
    if (c->nr == SYS_openat2) {
        dirfd = c->arg[0];
        path = c->arg[1];
        if (call_open_how(c, c->arg[2], c->arg[3], &how) < 0)
            return false;
    } else if (c->nr != SYS_creat) {
        return false;
    }
    q->nr = SYS_openat;
    memcpy(q->argument, (const uint64_t[SYSENT_ARGUMENTS]){dirfd, path, how.flags, how.mode}, sizeof q->argument);
    return true;
}

/* The first rule that matches. */
static const struct policy_rule *decide(struct call *c, const struct policy_query *q)
{
    struct policy_query open = *q;
    const struct policy *p = c->world->policy;
    const struct policy_rule *rule = policy_decide(p, q);
    const struct policy_rule *other = as_openat(c, &open) ? policy_decide(p, &open) : NULL;
    return other && other->about_path && (!rule || other->index < rule->index) ? other : rule;
}

static bool opens(uint64_t nr)
{
    return nr == SYS_creat || nr == SYS_openat2;
}

bool judge_concerns(const struct policy *p, uint64_t nr)
{
    return policy_has_rules(p, (int)nr) || (opens(nr) && policy_has_rules(p, SYS_openat));
}

static bool wants_paths(const struct policy *p, uint64_t nr)
{
    return policy_wants_paths(p, (int)nr) || (opens(nr) && policy_wants_paths(p, SYS_openat));
}

bool judge_call(struct call *c, int64_t *result)
{
    struct world *w = c->world;
    const struct sysent *s = sysent_get(c->nr);
    struct policy_query q = {.nr = (int)c->nr};
    char path[2][JUDGE_PATH_ROOM];
    size_t paths = 0;
    memcpy(q.argument, c->arg, sizeof q.argument);
    if (wants_paths(w->policy, c->nr))
        for (int i = 0; i < s->argument_count && paths < 2; i++) {
            if (s->argument[i] != ARG_PATH)
                continue;
            int resolved = resolve_argument(c, i, paths > 0, path[paths], sizeof path[paths]);
            if (resolved < 0) {
                *result = resolved;
                return true;
            }
            if (resolved)
                q.path[paths] = path[paths];
            paths++;
        }
    const struct policy_rule *rule = decide(c, &q), *bars = NULL;
    if (!rule || rule->action == POLICY_LOG)
        bars = keeps_name(c, &q);
    if (bars)
        rule = bars;
    if (rule)
        record(w, decided, c, rule);
    if (!rule || rule->action == POLICY_ALLOW)
        return false;
    count_denial(c, rule, &q);
    switch (rule->action) {
    case POLICY_DENY:
        w->counters[c->nr].denied++;
        *result = -rule->error;
        return true;
    case POLICY_ANSWER:
        *result = rule->answer;
        return true;
    case POLICY_KILL:
        w->counters[c->nr].denied++;
        world_end(w, VERDICT_KILLED);
        *result = -EPERM;
        return true;
    default:
        return false;
    }
}
