/* execve(2), execveat(2): arguments copied in, the program found in the VFS, `#!` followed, then the machine loads it. */
#include "stubs/exec.h"

#include "kernel/recorder.h"
#include "stubs/credentials.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STRING_MOST = 32 * 4096,      /* MAX_ARG_STRLEN */
    TOTAL_MOST = 6 * 1024 * 1024, /* what _STK_LIM / 4 * 3 allows the strings of one execve */
    COUNT_MOST = 0x40000,         /* pointers are counted against the same room */
    SCRIPT_DEPTH = 4,             /* binfmt_script: interpreters of interpreters */
    SCRIPT_LINE = 256,            /* BINPRM_BUF_SIZE */
};

struct executing {
    struct call *call; /* NULL: the world's first program */
    struct task *task;
    struct exec_arguments arguments;
    size_t room;
    bool unreadable; /* to whoever executes it: not dumpable (fs/exec.c, would_dump) */
    bool closes; /* the program's name leads through a descriptor that execve closes: no interpreter could open it */
};

static int add_bytes(struct executing *x, const char *bytes, size_t n)
{
    struct exec_arguments *a = &x->arguments;
    if (n > TOTAL_MOST - a->size)
        return -E2BIG;
    if (a->size + n > x->room) {
        size_t room = x->room == 0 ? 4096 : x->room;
        while (room < a->size + n)
            room *= 2;
        char *grown = realloc(a->bytes, room);
        if (grown == NULL)
            return -ENOMEM;
        a->bytes = grown;
        x->room = room;
    }
    memcpy(a->bytes + a->size, bytes, n);
    a->size += n;
    return 0;
}

/* Copies one vector of strings. Pointers are fetched in blocks, each once. */
static int add_vector(struct executing *x, uint64_t vector, uint32_t *count, char *buffer)
{
    uint64_t block[64];
    size_t have = 0, next = 0;
    *count = 0;
    if (vector == 0)
        return 0; /* Linux takes NULL for an empty vector */
    for (;; next++) {
        if (next == have) {
            /* Up to the end of the page: what follows may not be mapped. */
            uint64_t at = vector + (uint64_t)*count * 8, in_page = (4096 - at % 4096) / 8;
            have = in_page == 0 ? 1 : in_page < 64 ? in_page : 64;
            next = 0;
            if (call_read(x->call, at, block, have * 8) < 0)
                return -EFAULT;
        }
        if (block[next] == 0)
            return 0;
        if (*count >= COUNT_MOST)
            return -E2BIG;
        ssize_t n = call_string(x->call, block[next], buffer, STRING_MOST, -E2BIG);
        if (n < 0)
            return (int)n;
        int error = add_bytes(x, buffer, (size_t)n + 1);
        if (error < 0)
            return error;
        ++*count;
    }
}

static int copy_arguments(struct executing *x, uint64_t argv, uint64_t envp)
{
    char *buffer = malloc(STRING_MOST);
    if (buffer == NULL)
        return -ENOMEM;
    int error = add_vector(x, argv, &x->arguments.argc, buffer);
    if (error == 0 && x->arguments.argc == 0) { /* Linux 5.18: an empty argv gets one empty string */
        error = add_bytes(x, "", 1);
        x->arguments.argc = 1;
    }
    if (error == 0)
        error = add_vector(x, envp, &x->arguments.envc, buffer);
    free(buffer);
    return error;
}

/* ---- the program ------------------------------------------------------------------------------------------------------- */

static int check_executable(struct task *t, struct dentry *d)
{
    const struct place at = {t->world->vfs, &t->cred, t->fs->root, d};
    struct statx st;
    int error = vfs_stat(&at, "", WALK_EMPTY_PATH, &st);
    if (error < 0)
        return error;
    if (!S_ISREG(st.stx_mode))
        return S_ISLNK(st.stx_mode) ? -ELOOP : -EACCES;
    return vfs_access(&at, "", X_OK, WALK_EMPTY_PATH);
}

/* Somebody has a lease on the program: this open of it waits, while the call does. */
static bool waits(struct executing *x, struct file *f)
{
    struct call *c = x->call;
    if (c == NULL || !file_open_waits(f, call_poll_table(c)))
        return false;
    call_keep_file(c, f);
    return true;
}

/* -EWOULDBLOCK: the call waits, and begins again. */
static int open_program(struct executing *x, const struct place *at, const char *path, unsigned walk_flags,
                        struct dentry **d, struct file **f)
{
    int error = vfs_walk(at, path, walk_flags, d);
    if (error < 0)
        return error;
    error = check_executable(x->task, *d);
    /* Who may execute it need not be able to read it: fs/exec.c opens it for that (FMODE_EXEC). */
    const struct place there = {at->vfs, at->cred, at->root, *d};
    if (error == 0 && vfs_access(&there, "", R_OK, WALK_EMPTY_PATH) < 0)
        x->unreadable = true;
    struct cred kernel = *at->cred;
    kernel.capabilities |= UINT64_C(1) << CAP_DAC_OVERRIDE;
    const struct place as_kernel = {at->vfs, &kernel, at->root, at->start};
    if (error == 0)
        error = vfs_open_dentry(&as_kernel, *d, O_RDONLY | O_LARGEFILE, f);
    if (error == 0 && waits(x, *f))
        error = -EWOULDBLOCK;
    else if (error == 0 && (error = vfs_execute(*d)) < 0)
        file_put(*f);
    if (error < 0)
        dentry_put(*d);
    return error;
}

/* What open_program gave. */
static void close_program(struct dentry *d, struct file *f)
{
    file_put(f);
    vfs_executed(d);
    dentry_put(d);
}

/* "#! INTERPRETER [ARGUMENT]": argv becomes INTERPRETER [ARGUMENT] PATH argv[1]... */
static int follow_script(struct executing *x, char *line, const char *path, char *interpreter)
{
    char *end = line + strcspn(line, "\n");
    bool cut = *end == '\0';
    *end = '\0';
    char *name = line + 2 + strspn(line + 2, " \t");
    char *after = name + strcspn(name, " \t");
    if (*name == '\0' || (cut && *after == '\0'))
        return -ENOEXEC;
    char *argument = after + strspn(after, " \t");
    *after = '\0';
    for (char *tail = argument + strlen(argument); tail > argument && (tail[-1] == ' ' || tail[-1] == '\t');)
        *--tail = '\0';
    struct executing new = {0};
    const size_t first = strlen(x->arguments.bytes) + 1;
    int error = add_bytes(&new, name, strlen(name) + 1);
    if (error == 0 && *argument != '\0')
        error = add_bytes(&new, argument, strlen(argument) + 1);
    if (error == 0)
        error = add_bytes(&new, path, strlen(path) + 1);
    if (error == 0)
        error = add_bytes(&new, x->arguments.bytes + first, x->arguments.size - first);
    if (error < 0) {
        free(new.arguments.bytes);
        return error;
    }
    memcpy(interpreter, name, strlen(name) + 1); /* shorter than the line it was in */
    free(x->arguments.bytes);
    x->arguments.bytes = new.arguments.bytes;
    x->arguments.size = new.arguments.size;
    x->arguments.argc += *argument != '\0' ? 2 : 1;
    x->room = new.room;
    return 0;
}

static ssize_t read_start(struct file *f, char *to, size_t n)
{
    struct io io = io_over_buffer(to, n - 1);
    uint64_t position = 0;
    ssize_t got = file_read(f, &io, &position);
    to[got > 0 ? got : 0] = '\0';
    return got;
}

/* Follow `#!` until a program that is no script. *path is the name the program is executed by: the first one's for AT_EXECFN. */
static int resolve_scripts(struct executing *x, const char *path, struct dentry **d, struct file **f)
{
    char line[SCRIPT_LINE], interpreter[SCRIPT_LINE];
    struct task *t = x->task;
    for (int depth = 0;; depth++) {
        ssize_t got = read_start(*f, line, sizeof line);
        if (got < 0)
            return (int)got;
        if (got < 2 || line[0] != '#' || line[1] != '!')
            return 0;
        if (x->closes)
            return -ENOENT;
        if (depth == SCRIPT_DEPTH)
            return -ELOOP;
        int error = follow_script(x, line, depth == 0 ? path : interpreter, interpreter);
        if (error < 0)
            return error;
        const struct place at = {t->world->vfs, &t->cred, t->fs->root, t->fs->cwd};
        struct dentry *next_dentry = NULL;
        struct file *next = NULL;
        error = open_program(x, &at, interpreter, 0, &next_dentry, &next);
        if (error < 0)
            return error;
        close_program(*d, *f);
        *d = next_dentry;
        *f = next;
    }
}

static void set_names(struct task *t, struct dentry *d, const char *path)
{
    struct process *p = t->process;
    char full[VFS_PATH_MAX];
    const char *name = strrchr(path, '/');
    snprintf(t->comm, sizeof t->comm, "%s", name != NULL ? name + 1 : path);
    if (dentry_path(d, t->fs->root, full, sizeof full) < 0)
        snprintf(full, sizeof full, "%s", path);
    free(p->program);
    p->program = strdup(full);
    process_set_program(p, d);
}

/* Set-user-id programs of the world's: credentials(7). Nothing of it reaches the real process. */
static void set_ids(struct task *t, struct dentry *d)
{
    const struct place at = {t->world->vfs, &t->cred, t->fs->root, d};
    struct statx st;
    struct cred *c = &t->cred;
    if (!t->no_new_privs && vfs_stat(&at, "", WALK_EMPTY_PATH, &st) == 0) {
        if ((st.stx_mode & S_ISUID) != 0)
            c->euid = st.stx_uid;
        if ((st.stx_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
            c->egid = st.stx_gid;
    }
    credentials_execute(c);
}

/* The program at `d` and `f` (taken over) with the arguments of x (taken over). 0: the task stands in the new program. */
static int start_program(struct executing *x, struct dentry *d, struct file *f, const char *name)
{
    struct task *t = x->task;
    int error = resolve_scripts(x, name, &d, &f);
    if (error == 0) {
        const struct cred before = t->cred;
        set_ids(t, d); /* before the machine writes them into the auxiliary vector */
        error = t->world->machine->exec(t, f, name, &x->arguments);
        if (error < 0)
            t->cred = before;
    }
    if (error == 0) {
        set_names(t, d, name);
        t->dumpable = !x->unreadable && t->cred.uid == t->cred.euid && t->cred.gid == t->cred.egid;
        record(t->world, executed, t, t->process->program);
        process_exec_done(t);
    }
    exec_arguments_free(&x->arguments);
    close_program(d, f);
    return error;
}

int exec_start(struct task *t, const struct place *at, const char *path, struct exec_arguments *arguments)
{
    struct executing x = {.task = t, .arguments = *arguments, .room = arguments->size};
    struct dentry *d = NULL;
    struct file *f = NULL;
    *arguments = (struct exec_arguments){0};
    int error = open_program(&x, at, path, 0, &d, &f);
    if (error == 0)
        return start_program(&x, d, f, path);
    exec_arguments_free(&x.arguments);
    return error;
}

/* fd: the directory, or the file, that the path begins at; AT_FDCWD. */
static int64_t execute(struct call *c, const struct place *at, int fd, const char *path, unsigned walk_flags,
                       uint64_t argv, uint64_t envp, const char *name)
{
    struct executing x = {.call = c, .task = c->task, .closes = fd != AT_FDCWD && fdtable_cloexec(c->task->fds, fd)};
    struct dentry *d = NULL;
    struct file *f = NULL;
    int error = open_program(&x, at, path, walk_flags, &d, &f);
    if (error == -EWOULDBLOCK)
        return call_block(c, -1, -CALL_RESTART_SYS);
    if (error < 0)
        return error;
    error = copy_arguments(&x, argv, envp);
    if (error == 0) {
        error = start_program(&x, d, f, name);
    } else {
        exec_arguments_free(&x.arguments);
        close_program(d, f);
    }
    if (error == -EWOULDBLOCK) /* of an interpreter */
        return call_block(c, -1, -CALL_RESTART_SYS);
    return error == 0 || error == -ESRCH ? CALL_GONE : error;
}

int64_t stub_execve(struct call *c)
{
    const char *path;
    struct place at;
    int error = call_path(c, 0, &path);
    if (error == 0)
        error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    return execute(c, &at, AT_FDCWD, path, 0, c->arg[1], c->arg[2], path);
}

int64_t stub_execveat(struct call *c)
{
    const char *path;
    struct place at;
    int flags = (int)c->arg[4], fd = (int)c->arg[0];
    int error = call_path(c, 1, &path);
    if (error < 0)
        return error;
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) == 0)
        return -ENOENT;
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    char name[VFS_PATH_MAX + 32];
    unsigned walk_flags =
        ((flags & AT_EMPTY_PATH) != 0 ? WALK_EMPTY_PATH : 0) | ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? WALK_NOFOLLOW : 0);
    if (path[0] == '\0') {
        struct file *f = call_file(c, fd);
        if (f == NULL)
            return fd == AT_FDCWD ? -EACCES /* a directory */ : -EBADF;
        if (f->dentry == NULL)
            return -EACCES;
        at = (struct place){c->world->vfs, &c->task->cred, c->task->fs->root, f->dentry};
        snprintf(name, sizeof name, "/dev/fd/%d", fd);
    } else {
        error = call_place(c, path[0] == '/' ? AT_FDCWD : fd, &at);
        if (error < 0)
            return error;
        if (path[0] == '/' || fd == AT_FDCWD)
            snprintf(name, sizeof name, "%s", path);
        else
            snprintf(name, sizeof name, "/dev/fd/%d/%s", fd, path);
    }
    return execute(c, &at, path[0] == '/' ? AT_FDCWD : fd, path, walk_flags, c->arg[2], c->arg[3], name);
}
