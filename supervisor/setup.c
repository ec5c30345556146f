/* The world as its first program finds it. Order matters: later mounts may sit inside earlier ones, and the policy has the
 * last word over everything that is built in. */
#include "supervisor/setup.h"

#include "stubs/credentials.h"
#include "stubs/proc/proc.h"
#include "supervisor/bundle.h"
#include "supervisor/interpreter.h"
#include "supervisor/limits.h"
#include "supervisor/tick.h"
#include "supervisor/trust.h"
#include "supervisor/replaying.h"
#include "vfs/synthetic.h"
#include "vfs/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHADOW_GROUP = 42 }; /* Debian's */

static int say(struct run_error *e, const char *what, int error, const char *why)
{
    snprintf(e->text, sizeof e->text, "%s: %s", what, why[0] != '\0' ? why : strerror(-error));
    return -1;
}

/* ---- what is built in --------------------------------------------------------------------------------------------- */

/* What the host's root looks like, or looked like when the run was recorded. */
static int host_link(struct view *view, const char *path, char **target)
{
    char text[PATH_MAX];
    if (view == NULL || !view->gives) {
        ssize_t n = readlink(path, text, sizeof text - 1);
        int error = n > 0 ? 0 : -ENOENT;
        if (error == 0 && (*target = strndup(text, (size_t)n)) == NULL)
            return -ENOMEM;
        return view != NULL ? view->host_link(view, path, target, error) : error;
    }
    return view->host_link(view, path, target, 0);
}

static bool host_has(struct view *view, const char *path)
{
    bool there = (view == NULL || !view->gives) && access(path, R_OK) == 0;
    return view != NULL ? view->host_has(view, path, there) : there;
}

/* The C library's tree, and where a system not merged into /usr keeps it. */
static int mount_system(struct world *w, struct view *view, struct run_error *e)
{
    static const char *const tops[] = {"/usr", "/bin", "/sbin", "/lib", "/lib64"};
    /* What of /etc the dynamic linker and Debian's packages read: which file is which library. No host's own settings. */
    static const char *const etc[] = {
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/mime.types",
        "/etc/services",    "/etc/protocols",  "/etc/python3",      "/etc/python3.11",   "/etc/debian_version"};
    char why[256] = "";
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        char *target = NULL;
        int error = host_link(view, tops[i], &target);
        if (error == 0) {
            error = vfs_put_symlink(w->vfs, tops[i], target);
            free(target);
        } else if (error != -ENOMEM) {
            error = host_has(view, tops[i]) ? vfs_mount_host(w->vfs, tops[i], tops[i], MOUNT_READ_ONLY, why, sizeof why)
                                            : 0;
        }
        if (error < 0)
            return say(e, tops[i], error, why);
    }
    for (size_t i = 0; i < sizeof etc / sizeof *etc; i++) {
        if (!host_has(view, etc[i]))
            continue;
        int error = vfs_mount_host(w->vfs, etc[i], etc[i], MOUNT_READ_ONLY, why, sizeof why);
        if (error < 0)
            return say(e, etc[i], error, why);
    }
    return 0;
}

static int put_text(struct world *w, const char *path, const char *text, struct run_error *e)
{
    int error = vfs_put_file(w->vfs, path, text, strlen(text), 0644, 0, 0);
    return error < 0 ? say(e, path, error, "") : 0;
}

static int put_etc(struct world *w, struct run_error *e)
{
    const struct policy *p = w->policy;
    char text[2048];
    int error = 0;
    snprintf(text, sizeof text,
             "root:x:0:0:root:/root:/bin/sh\n%s:x:%u:%u::%s:%s\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/"
             "nologin\n",
             p->user.name, p->user.uid, p->user.gid, p->user.home, p->user.shell);
    error |= put_text(w, "/etc/passwd", p->user.uid == 0 ? strchr(text, '\n') + 1 : text, e);
    snprintf(text, sizeof text, "%stty:x:5:\nshadow:x:42:\n%s:x:%u:\nnogroup:x:65534:\n",
             p->user.gid == 0 ? "" : "root:x:0:\n", p->user.name, p->user.gid);
    error |= put_text(w, "/etc/group", text, e);
    /* Nobody has a password; only root may see that. */
    snprintf(text, sizeof text, "root:*:19723:0:99999:7:::\n%s:*:19723:0:99999:7:::\nnobody:*:19723:0:99999:7:::\n",
             p->user.name);
    const char *shadow = p->user.uid == 0 ? strchr(text, '\n') + 1 : text;
    error |= vfs_put_file(w->vfs, "/etc/shadow", shadow, strlen(shadow), 0640, 0, SHADOW_GROUP);
    snprintf(text, sizeof text, "%s\n", p->hostname);
    error |= put_text(w, "/etc/hostname", text, e);
    snprintf(text, sizeof text, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n",
             p->hostname);
    error |= put_text(w, "/etc/hosts", text, e);
    error |=
        put_text(w, "/etc/nsswitch.conf",
                 "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n"
                 "services: files\n",
                 e);
    error |= put_text(w, "/etc/host.conf", "multi on\n", e); /* every address of a name in /etc/hosts */
    error |= put_text(w, "/etc/resolv.conf", "nameserver 127.0.0.53\n", e);
    error |= put_text(w, "/etc/timezone", "Etc/UTC\n", e);
    error |= put_text(w, "/etc/shells", "/bin/sh\n", e);
    error |= put_text(w, "/etc/machine-id", "7e77a21000000000000000000000000a\n", e);
    error |= vfs_put_symlink(w->vfs, "/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
    error |= vfs_put_symlink(w->vfs, "/etc/os-release", "../usr/lib/os-release");
    error |= vfs_put_symlink(w->vfs, "/etc/mtab", "../proc/self/mounts");
    return error < 0 ? -1 : 0;
}

static int put_directories(struct world *w, struct run_error *e)
{
    const struct policy *p = w->policy;
    char why[256] = "";
    const struct {
        const char *path;
        uint32_t mode, uid, gid;
    } directories[] = {
        {"/tmp", 01777, 0, 0},
        {"/var", 0755, 0, 0},
        {"/var/tmp", 01777, 0, 0},
        {"/var/lib", 0755, 0, 0},
        {"/run", 0755, 0, 0},
        {"/root", 0711, 0, 0},
        {"/home", 0755, 0, 0},
        {"/opt", 0755, 0, 0},
        {"/srv", 0755, 0, 0},
        {"/mnt", 0755, 0, 0},
        {"/sys", 0555, 0, 0},
        {"/var/log", 0755, 0, 0},
        {p->user.home, 0755, p->user.uid, p->user.gid},
        {p->cwd, 0755, p->user.uid, p->user.gid},
    };
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        int error =
            vfs_put_dir(w->vfs, directories[i].path, directories[i].mode, directories[i].uid, directories[i].gid);
        if (error < 0 && error != -EEXIST)
            return say(e, directories[i].path, error, "");
    }
    int error = proc_mount(w, why, sizeof why);
    if (error < 0)
        return say(e, "/proc", error, why);
    error = dev_mount(w->vfs, &w->dev, &w->tty, why, sizeof why);
    return error < 0 ? say(e, "/dev", error, why) : 0;
}

/* ---- what the policy says ------------------------------------------------------------------------------------------ */

static int at_origin(struct run_error *e, const struct policy_origin *o, const char *what, int error, const char *why)
{
    char where[256] = "";
    if (o->line > 0)
        snprintf(where, sizeof where, "%s:%d:%d: ", o->file, o->line, o->column);
    else if (o->file != NULL)
        snprintf(where, sizeof where, "%s: ", o->file);
    snprintf(e->text, sizeof e->text, "%s%s: %s", where, what, why[0] != '\0' ? why : strerror(-error));
    return -1;
}

static int mount_policy(struct world *w, struct run_error *e)
{
    const struct policy *p = w->policy;
    for (size_t i = 0; i < p->mount_count; i++) {
        const struct policy_mount *m = &p->mounts[i];
        enum mount_mode mode = m->copy_on_write ? MOUNT_COPY_ON_WRITE : MOUNT_READ_ONLY;
        char why[512] = "";
        int error;
        if (m->kind == POLICY_MOUNT_HOST)
            error = vfs_mount_host(w->vfs, m->at, m->source, mode, why, sizeof why);
        else if (m->kind == POLICY_MOUNT_TAR)
            error = vfs_mount_tar(w->vfs, m->at, m->source, mode, why, sizeof why);
        else
            error = vfs_mount_memory(w->vfs, m->at, 0755, p->user.uid, p->user.gid, m->quota_bytes, why, sizeof why);
        if (error < 0)
            return at_origin(e, &m->origin, m->source != NULL ? m->source : m->at, error, why);
        if (m->copy_on_write)
            vfs_mount_quota(w->vfs, m->at, m->quota_bytes);
    }
    return 0;
}

/* `file:` of the policy: bytes of the host. */
static int put_host_file(struct world *w, const struct policy_file *f, struct run_error *e)
{
    char why[512] = "";
    int error = vfs_mount_host(w->vfs, f->path, f->bytes, MOUNT_COPY_ON_WRITE, why, sizeof why);
    return error < 0 ? at_origin(e, &f->origin, f->bytes, error, why) : 0;
}

static int put_policy_files(struct world *w, struct run_error *e)
{
    const struct policy *p = w->policy;
    for (size_t i = 0; i < p->file_count; i++) {
        const struct policy_file *f = &p->files[i];
        uint32_t uid = f->uid < 0 ? 0 : (uint32_t)f->uid, gid = f->gid < 0 ? 0 : (uint32_t)f->gid;
        int error = 0;
        switch (f->kind) {
        case POLICY_FILE_BYTES:
            error = vfs_put_file(w->vfs, f->path, f->bytes, f->size, f->mode != 0 ? f->mode : 0644, uid, gid);
            break;
        case POLICY_FILE_ABSENT:
            error = vfs_put_absent(w->vfs, f->path);
            break;
        case POLICY_FILE_LINK:
            error = vfs_put_symlink(w->vfs, f->path, f->bytes);
            break;
        case POLICY_FILE_DIRECTORY:
            error = vfs_put_dir(w->vfs, f->path, f->mode != 0 ? f->mode : 0755, uid, gid);
            break;
        case POLICY_FILE_HOST:
            if (put_host_file(w, f, e) < 0)
                return -1;
            break;
        }
        if (error < 0)
            return at_origin(e, &f->origin, f->path, error, "");
    }
    return 0;
}

static int mount_script(struct world *w, const struct run_request *r, struct run_error *e)
{
    const char *name = strrchr(r->script, '/');
    char at[PATH_MAX], why[512] = "";
    snprintf(at, sizeof at, "%s/%s", strcmp(w->policy->cwd, "/") == 0 ? "" : w->policy->cwd,
             name != NULL ? name + 1 : r->script);
    int error = vfs_mount_host(w->vfs, at, r->script, MOUNT_COPY_ON_WRITE, why, sizeof why);
    return error < 0 ? say(e, r->script, error, why) : 0;
}

/* An image mounted at / brings its own system. */
static bool has_own_root(const struct policy *p)
{
    for (size_t i = 0; i < p->mount_count; i++)
        if (strcmp(p->mounts[i].at, "/") == 0)
            return true;
    return false;
}

static int mount_interpreter(struct world *w, const struct run_request *r, struct bundle *bundle, char **program,
                             struct run_error *e)
{
    struct interpreter found;
    char why[256] = "";
    if (r->is_exec && w->policy->python == NULL)
        return 0;
    if (r->again != NULL && bundled_interpreter(replaying_bundled(r->again), &found) < 0)
        return say(e, "the record", -EBADMSG, "the interpreter is not in it");
    if (r->again == NULL && interpreter_find(w->policy->python, &found, e) < 0)
        return -1;
    if (bundle != NULL)
        bundle_interpreter(bundle, &found);
    for (int i = 0; i < found.trees; i++) {
        int error = vfs_mount_host(w->vfs, found.tree[i], found.tree[i], MOUNT_READ_ONLY, why, sizeof why);
        if (error < 0) {
            say(e, found.tree[i], error, why);
            interpreter_free(&found);
            return -1;
        }
    }
    if (!r->is_exec)
        *program = strdup(found.path);
    interpreter_free(&found);
    return 0;
}

static bool executable(struct world *w, const char *path)
{
    const struct cred root = {.capabilities = ~UINT64_C(0)};
    const struct place at = {w->vfs, &root, vfs_root(w->vfs), vfs_root(w->vfs)};
    struct statx st;
    return vfs_stat(&at, path, 0, &st) == 0 && S_ISREG(st.stx_mode) && (st.stx_mode & 0111) != 0;
}

static const char guest_path[] = "/usr/local/bin:/usr/bin:/bin";

char *setup_find_program(struct world *w, const char *name)
{
    if (strchr(name, '/') != NULL)
        return strdup(name);
    for (const char *at = guest_path; *at != '\0';) {
        size_t n = strcspn(at, ":");
        char candidate[PATH_MAX];
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, at, name);
        if (executable(w, candidate))
            return strdup(candidate);
        at += n + (at[n] == ':');
    }
    return NULL;
}

struct view *setup_view(struct bundle *bundle, const struct run_request *r)
{
    return r->again != NULL ? bundled_view(replaying_bundled(r->again)) : bundle_view(bundle);
}

int setup_tree(struct world *w, const struct run_request *r, struct contents *contents, struct bundle *bundle,
               char **program, struct run_error *e)
{
    bool own_root = has_own_root(w->policy);
    vfs_set_view(w->vfs, setup_view(bundle, r), 0);
    *program = NULL;
    if (own_root && mount_policy(w, e) < 0)
        return -1;
    if (!own_root && (mount_system(w, setup_view(bundle, r), e) < 0 || mount_interpreter(w, r, bundle, program, e) < 0))
        return -1;
    if (put_etc(w, e) < 0 || put_directories(w, e) < 0)
        return -1;
    if (!own_root && mount_policy(w, e) < 0)
        return -1;
    if (contents != NULL && trust_install(w, contents, e) < 0)
        return -1;
    if (put_policy_files(w, e) < 0 || (contents != NULL && trust_environment(w, contents, e) < 0) ||
        (r->script != NULL && mount_script(w, r, e) < 0))
        return -1;
    if (*program == NULL) {
        const char *name = r->is_exec ? r->argv[0] : w->policy->python != NULL ? w->policy->python : "python3";
        *program = setup_find_program(w, name);
        if (*program == NULL) {
            snprintf(e->text, sizeof e->text, "%s: no such program in the world (PATH is %s)", name, guest_path);
            return -1;
        }
    }
    return 0;
}

/* ---- the first process ----------------------------------------------------------------------------------------------- */

/* Whoever feeds the caller's input a byte at a time keeps neither a limit nor a signal waiting. */
static bool input_over(void *context)
{
    const struct world *w = context;
    return tick_signalled() || limits_wall_left(w->machine_context) == 0;
}

static int open_streams(struct world *w, struct task *t, const struct run_request *r, struct bundle *bundle)
{
    w->streams.over = input_over;
    for (int i = 0; i < 3; i++) {
        struct host_stream_past past;
        if (r->again == NULL)
            host_stream_describe(i, &past);
        else if (bundled_stream(replaying_bundled(r->again), i, &past) < 0)
            return -EBADMSG;
        if (bundle != NULL)
            bundle_stream(bundle, i, &past);
        if (!past.open)
            continue; /* the caller closed it: it is closed here too */
        struct file *f = r->again == NULL ? host_stream_new(w->vfs, i, past.flags, &w->streams, &w->tty)
                                          : host_stream_again(w->vfs, i, &past, &w->streams, &w->tty);
        if (f == NULL)
            return -ENOMEM;
        w->stdio[i] = f;
        file_get(f);
        int error = fdtable_replace(t->fds, i, f, false);
        if (error < 0)
            return error;
    }
    return 0;
}

/* A world started from a terminal has it as its controlling terminal, with the first program in the foreground. */
static void take_terminal(struct world *w, struct process *p)
{
    for (int i = 0; i < 3; i++) {
        struct terminal *tty = w->stdio[i] != NULL ? host_stream_terminal(w->stdio[i]) : NULL;
        if (tty == NULL)
            continue;
        tty->session = p->sid;
        tty->foreground = p->pgid;
        p->tty = tty;
        return;
    }
}

int setup_first(struct world *w, const struct run_request *r, struct bundle *bundle, struct task **first,
                struct run_error *e)
{
    const struct policy *policy = w->policy;
    struct process *p = process_new(w, NULL);
    struct task *t = p != NULL ? task_new(p, p->pid) : NULL;
    if (t == NULL)
        return say(e, "the first process", -ENOMEM, "");
    w->init = p;
    p->pgid = p->sid = p->pid;
    t->cred = credentials_of_user(policy);
    const struct place root = {w->vfs, &t->cred, vfs_root(w->vfs), vfs_root(w->vfs)};
    struct dentry *cwd;
    int error = vfs_walk(&root, policy->cwd, WALK_DIRECTORY, &cwd);
    if (error < 0)
        return say(e, policy->cwd, error, "");
    dentry_put(t->fs->cwd);
    t->fs->cwd = cwd;
    error = open_streams(w, t, r, bundle);
    if (error < 0)
        return say(e, "standard streams", error, "");
    take_terminal(w, p);
    *first = t;
    return 0;
}

int setup_secrets(struct world *w, struct secrets *out, struct run_error *e)
{
    const struct policy *p = w->policy;
    struct cred root = {.capabilities = UINT64_MAX};
    const struct place at = {w->vfs, &root, vfs_root(w->vfs), vfs_root(w->vfs)};
    out->ino = calloc(p->file_count + 1, sizeof *out->ino);
    if (out->ino == NULL)
        return say(e, "the policy's files", -ENOMEM, "");
    for (size_t i = 0; i < p->file_count; i++) {
        struct file *f;
        if (!p->files[i].secret || vfs_open(&at, p->files[i].path, O_RDONLY, 0, 0, &f) < 0)
            continue;
        uint64_t ino = file_ino(f);
        if (ino != 0)
            out->ino[out->count++] = ino;
        file_put(f);
    }
    return 0;
}

/* ---- argv and environment ----------------------------------------------------------------------------------------- */

static bool add_string(struct exec_arguments *a, const char *text)
{
    size_t n = strlen(text) + 1;
    char *bytes = realloc(a->bytes, a->size + n);
    if (bytes == NULL)
        return false;
    memcpy(bytes + a->size, text, n);
    a->bytes = bytes;
    a->size += n;
    return true;
}

static bool declared(const struct policy *p, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < p->environment_count; i++)
        if (strncmp(p->environment[i], variable, n) == 0)
            return true;
    return false;
}

/* What libraries choose by the kind of processor they choose by CPUID, which cannot be trapped everywhere; but they can be asked not to:
 * glibc (manual, "Hardware Capability Tunables"), NumPy ("CPU/SIMD optimizations"), OpenSSL (OPENSSL_ia32cap(3): RDRAND, RDSEED). NumPy warns of what
 * the processor does not have; but an environment that depends on the processor would make two runs of one. */
static const char *const baseline[] = {
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-AVX512ER,"
    "-AVX512PF",
    "NPY_DISABLE_CPU_FEATURES=AVX F16C FMA3 AVX2 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
    "PYTHONWARNINGS=ignore:During parsing environment variable 'NPY_DISABLE_CPU_FEATURES':RuntimeWarning",
    "OPENSSL_ia32cap=~0x4000000000000000:~0x40000",
};

static bool add_variables(struct exec_arguments *a, const struct policy *p, const char *const *variable, size_t n)
{
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        if (declared(p, variable[i]))
            continue;
        good = add_string(a, variable[i]);
        a->envc++;
    }
    return good;
}

int setup_arguments(const struct world *w, const struct run_request *r, const char *program, struct exec_arguments *out)
{
    const struct policy *p = w->policy;
    char home[PATH_MAX], user[256], logname[256], shell[PATH_MAX], path[sizeof guest_path + 8], term[128],
        pwd[PATH_MAX];
    snprintf(home, sizeof home, "HOME=%s", p->user.home);
    snprintf(user, sizeof user, "USER=%s", p->user.name);
    snprintf(logname, sizeof logname, "LOGNAME=%s", p->user.name);
    snprintf(shell, sizeof shell, "SHELL=%s", p->user.shell);
    snprintf(path, sizeof path, "PATH=%s", guest_path);
    snprintf(pwd, sizeof pwd, "PWD=%s", p->cwd);
    /* How the caller's terminal draws is a fact of the terminal, not of the host. */
    bool terminal = w->init->tty != NULL && getenv("TERM") != NULL;
    snprintf(term, sizeof term, "TERM=%s", terminal ? getenv("TERM") : "dumb");
    const char *const built_in[] = {path, home, user, logname, shell, "LANG=C.UTF-8", pwd, term};
    *out = (struct exec_arguments){0};
    bool good = true;
    for (int i = 0; good && i < r->argc; i++, out->argc++)
        good = add_string(out, i == 0 && !r->is_exec ? program : r->argv[i]);
    good = good && add_variables(out, p, built_in, sizeof built_in / sizeof *built_in - !terminal) &&
           add_variables(out, p, baseline, p->cpu_baseline ? sizeof baseline / sizeof *baseline : 0);
    for (size_t i = 0; good && i < p->environment_count; i++, out->envc++)
        good = add_string(out, p->environment[i]);
    return good ? 0 : -ENOMEM;
}
