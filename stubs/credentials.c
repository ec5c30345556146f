/* User and group ids of a task, its groups and its capabilities (credentials(7), capabilities(7)). The ids are the
 * world's: no host file is ever reached by them. Model: the kernel's kernel/sys.c and security/commoncap.c.
 *
 * Linux keeps credentials by thread; setuid(3) and its kin tell every thread by a signal of glibc's own. */
#include "stubs/credentials.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>

enum { UNCHANGED = -1, GROUPS = sizeof((struct cred *)0)->groups / sizeof(uint32_t) };

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int64_t stub_getuid(struct call *c)
{
    return c->task->cred.uid;
}

int64_t stub_geteuid(struct call *c)
{
    return c->task->cred.euid;
}

int64_t stub_getgid(struct call *c)
{
    return c->task->cred.gid;
}

int64_t stub_getegid(struct call *c)
{
    return c->task->cred.egid;
}

static int64_t give_three(struct call *c, uint32_t a, uint32_t b, uint32_t d)
{
    if (call_write(c, c->arg[0], &a, sizeof a) < 0 || call_write(c, c->arg[1], &b, sizeof b) < 0)
        return -EFAULT;
    return call_write(c, c->arg[2], &d, sizeof d);
}

int64_t stub_getresuid(struct call *c)
{
    const struct cred *cred = &c->task->cred;
    return give_three(c, cred->uid, cred->euid, cred->suid);
}

int64_t stub_getresgid(struct call *c)
{
    const struct cred *cred = &c->task->cred;
    return give_three(c, cred->gid, cred->egid, cred->sgid);
}

int64_t stub_getgroups(struct call *c)
{
    const struct cred *cred = &c->task->cred;
    int room = (int)c->arg[0];
    if (room < 0 || (room != 0 && (uint32_t)room < cred->ngroups))
        return -EINVAL;
    if (room != 0 && call_write(c, c->arg[1], cred->groups, cred->ngroups * sizeof *cred->groups) < 0)
        return -EFAULT;
    return cred->ngroups;
}

/* ---- user ids ---------------------------------------------------------------------------------------------------- */

static bool has(const struct cred *c, int capability)
{
    return (c->capabilities >> capability & 1) != 0;
}

/* capabilities(7), "Effect of user ID changes on capabilities": commoncap.c, cap_emulate_setxuid. */
static void fix_capabilities(struct cred *new, const struct cred *old)
{
    if ((new->securebits &SECBIT_NO_SETUID_FIXUP) != 0)
        return;
    bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    if (was_root && new->uid != 0 && new->euid != 0 && new->suid != 0) {
        if ((new->securebits &SECBIT_KEEP_CAPS) == 0)
            new->permitted = new->capabilities = 0;
        new->ambient = 0;
    }
    if (old->euid == 0 && new->euid != 0)
        new->capabilities = 0;
    if (old->euid != 0 && new->euid == 0)
        new->capabilities = new->permitted;
}

/* The file capabilities go with fsuid: commoncap.c, cap_task_fix_setuid, LSM_SETID_FS. */
static void fix_file_capabilities(struct cred *new, uint32_t old_fsuid)
{
    static const uint64_t files = UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_MKNOD |
                                  UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH |
                                  UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_FSETID |
                                  UINT64_C(1) << CAP_LINUX_IMMUTABLE | UINT64_C(1) << CAP_MAC_OVERRIDE;
    if ((new->securebits &SECBIT_NO_SETUID_FIXUP) != 0)
        return;
    if (old_fsuid == 0 && new->fsuid != 0)
        new->capabilities &= ~files;
    if (old_fsuid != 0 && new->fsuid == 0)
        new->capabilities |= new->permitted &files;
}

/* Who changes its effective ids is not dumpable any more (kernel/cred.c, commit_creds), nor told of its parent's death.
 */
static int64_t commit(struct call *c, const struct cred *new)
{
    struct cred *cred = &c->task->cred;
    if (cred->euid != new->euid || cred->egid != new->egid || cred->fsuid != new->fsuid || cred->fsgid != new->fsgid ||
        (new->permitted & ~cred->permitted) != 0) {
        c->task->dumpable = false;
        c->task->parent_death_signal = 0;
    }
    *cred = *new;
    return 0;
}

static int64_t commit_uids(struct call *c, struct cred *new)
{
    fix_capabilities(new, &c->task->cred);
    return commit(c, new);
}

int64_t stub_setuid(struct call *c)
{
    struct cred new = c->task->cred;
    uint32_t uid = (uint32_t)c->arg[0];
    if (uid == (uint32_t)UNCHANGED)
        return -EINVAL;
    if (has(&new, CAP_SETUID))
        new.uid = new.suid = uid;
    else if (uid != new.uid && uid != new.suid)
        return -EPERM;
    new.euid = new.fsuid = uid;
    return commit_uids(c, &new);
}

int64_t stub_setreuid(struct call *c)
{
    const struct cred *old = &c->task->cred;
    struct cred new = *old;
    uint32_t uid = (uint32_t)c->arg[0], euid = (uint32_t)c->arg[1];
    bool privileged = has(old, CAP_SETUID);
    if (uid != (uint32_t)UNCHANGED) {
        if (uid != old->uid && uid != old->euid && !privileged)
            return -EPERM;
        new.uid = uid;
    }
    if (euid != (uint32_t)UNCHANGED) {
        if (euid != old->uid && euid != old->euid && euid != old->suid && !privileged)
            return -EPERM;
        new.euid = euid;
    }
    if (uid != (uint32_t)UNCHANGED || (euid != (uint32_t)UNCHANGED && euid != old->uid))
        new.suid = new.euid;
    new.fsuid = new.euid;
    return commit_uids(c, &new);
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t d)
{
    return id == (uint32_t)UNCHANGED || id == a || id == b || id == d;
}

int64_t stub_setresuid(struct call *c)
{
    const struct cred *old = &c->task->cred;
    struct cred new = *old;
    uint32_t id[3] = {(uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2]};
    for (int i = 0; i < 3; i++)
        if (!one_of(id[i], old->uid, old->euid, old->suid) && !has(old, CAP_SETUID))
            return -EPERM;
    if (id[0] != (uint32_t)UNCHANGED)
        new.uid = id[0];
    if (id[1] != (uint32_t)UNCHANGED)
        new.euid = id[1];
    if (id[2] != (uint32_t)UNCHANGED)
        new.suid = id[2];
    new.fsuid = new.euid;
    return commit_uids(c, &new);
}

/* The old value in any case: there is no error to see (setfsuid(2)). */
int64_t stub_setfsuid(struct call *c)
{
    struct cred new = c->task->cred;
    uint32_t old = new.fsuid, uid = (uint32_t)c->arg[0];
    if (uid == (uint32_t)UNCHANGED ||
        (!one_of(uid, new.uid, new.euid, new.suid) && uid != old && !has(&new, CAP_SETUID)))
        return old;
    new.fsuid = uid;
    fix_file_capabilities(&new, old);
    (void)commit(c, &new);
    return old;
}

/* ---- group ids --------------------------------------------------------------------------------------------------- */

int64_t stub_setgid(struct call *c)
{
    struct cred new = c->task->cred;
    uint32_t gid = (uint32_t)c->arg[0];
    if (gid == (uint32_t)UNCHANGED)
        return -EINVAL;
    if (has(&new, CAP_SETGID))
        new.gid = new.sgid = gid;
    else if (gid != new.gid && gid != new.sgid)
        return -EPERM;
    new.egid = new.fsgid = gid;
    return commit(c, &new);
}

int64_t stub_setregid(struct call *c)
{
    const struct cred *old = &c->task->cred;
    struct cred new = *old;
    uint32_t gid = (uint32_t)c->arg[0], egid = (uint32_t)c->arg[1];
    bool privileged = has(old, CAP_SETGID);
    if (gid != (uint32_t)UNCHANGED) {
        if (gid != old->gid && gid != old->egid && !privileged)
            return -EPERM;
        new.gid = gid;
    }
    if (egid != (uint32_t)UNCHANGED) {
        if (egid != old->gid && egid != old->egid && egid != old->sgid && !privileged)
            return -EPERM;
        new.egid = egid;
    }
    if (gid != (uint32_t)UNCHANGED || (egid != (uint32_t)UNCHANGED && egid != old->gid))
        new.sgid = new.egid;
    new.fsgid = new.egid;
    return commit(c, &new);
}

int64_t stub_setresgid(struct call *c)
{
    const struct cred *old = &c->task->cred;
    struct cred new = *old;
    uint32_t id[3] = {(uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2]};
    for (int i = 0; i < 3; i++)
        if (!one_of(id[i], old->gid, old->egid, old->sgid) && !has(old, CAP_SETGID))
            return -EPERM;
    if (id[0] != (uint32_t)UNCHANGED)
        new.gid = id[0];
    if (id[1] != (uint32_t)UNCHANGED)
        new.egid = id[1];
    if (id[2] != (uint32_t)UNCHANGED)
        new.sgid = id[2];
    new.fsgid = new.egid;
    return commit(c, &new);
}

int64_t stub_setfsgid(struct call *c)
{
    struct cred new = c->task->cred;
    uint32_t old = new.fsgid, gid = (uint32_t)c->arg[0];
    if (gid == (uint32_t)UNCHANGED ||
        (!one_of(gid, new.gid, new.egid, new.sgid) && gid != old && !has(&new, CAP_SETGID)))
        return old;
    new.fsgid = gid;
    (void)commit(c, &new);
    return old;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* As many as a world's credentials hold: a tenth of what NGROUPS_MAX allows would already be more than any program
 * sets. */
int64_t stub_setgroups(struct call *c)
{
    struct cred new = c->task->cred;
    uint64_t n = (uint32_t)c->arg[0];
    if (!has(&new, CAP_SETGID))
        return -EPERM;
    if (n > GROUPS)
        return n > 65536 ? -EINVAL : -ENOMEM;
    if (call_read(c, c->arg[1], new.groups, n * sizeof *new.groups) < 0)
        return -EFAULT;
    for (uint64_t i = 0; i < n; i++)
        if (new.groups[i] == (uint32_t)UNCHANGED)
            return -EINVAL;
    qsort(new.groups, n, sizeof *new.groups, by_number);
    new.ngroups = (uint32_t)n;
    return commit(c, &new);
}

/* ---- capabilities ------------------------------------------------------------------------------------------------ */

struct header {
    uint32_t version;
    int32_t pid;
};

/* 0 and how many 32-bit halves the caller's version has; -EINVAL after telling it ours. */
static int read_header(struct call *c, struct header *h, unsigned *halves)
{
    if (call_read(c, c->arg[0], h, sizeof *h) < 0)
        return -EFAULT;
    if (h->version == _LINUX_CAPABILITY_VERSION_1 || h->version == _LINUX_CAPABILITY_VERSION_2 ||
        h->version == _LINUX_CAPABILITY_VERSION_3) {
        *halves = h->version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
        return 0;
    }
    static const uint32_t ours = _LINUX_CAPABILITY_VERSION_3;
    return call_write(c, c->arg[0], &ours, sizeof ours) < 0 ? -EFAULT : -EINVAL;
}

int64_t stub_capget(struct call *c)
{
    struct header h;
    unsigned halves;
    int error = read_header(c, &h, &halves);
    if (c->arg[1] == 0)
        return error == -EINVAL ? 0 : error;
    if (error < 0)
        return error;
    if (h.pid < 0)
        return -EINVAL;
    const struct task *t = h.pid == 0 ? c->task : task_find(c->world, h.pid);
    if (t == NULL)
        return -ESRCH;
    const struct cred *cred = &t->cred;
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(cred->capabilities >> 32 * i);
        data[i].permitted = (uint32_t)(cred->permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(cred->inheritable >> 32 * i);
    }
    return call_write(c, c->arg[1], data, halves * sizeof *data);
}

int64_t stub_capset(struct call *c)
{
    struct header h;
    struct __user_cap_data_struct data[2] = {{0}};
    unsigned halves;
    int error = read_header(c, &h, &halves);
    if (error < 0)
        return error;
    if (h.pid != 0 && h.pid != c->task->tid)
        return -EPERM;
    if (call_read(c, c->arg[1], data, halves * sizeof *data) < 0)
        return -EFAULT;
    const struct cred *old = &c->task->cred;
    struct cred new = *old;
    new.capabilities = (data[0].effective | (uint64_t)data[1].effective << 32) & ALL_CAPABILITIES;
    new.permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32) & ALL_CAPABILITIES;
    new.inheritable = (data[0].inheritable | (uint64_t)data[1].inheritable << 32) & ALL_CAPABILITIES;
    if ((!has(old, CAP_SETPCAP) && (new.inheritable & ~(old->inheritable | old->permitted)) != 0) ||
        (new.inheritable & ~(old->inheritable | old->bounding)) != 0 || (new.permitted & ~old->permitted) != 0 ||
        (new.capabilities & ~new.permitted) != 0)
        return -EPERM;
    new.ambient &= new.permitted &new.inheritable;
    return commit(c, &new);
}

struct cred credentials_of_user(const struct policy *p)
{
    return (struct cred){
        .uid = p->user.uid,
        .euid = p->user.uid,
        .suid = p->user.uid,
        .fsuid = p->user.uid,
        .gid = p->user.gid,
        .egid = p->user.gid,
        .sgid = p->user.gid,
        .fsgid = p->user.gid,
        .capabilities = p->user.uid == 0 ? ALL_CAPABILITIES : 0,
        .permitted = p->user.uid == 0 ? ALL_CAPABILITIES : 0,
        .bounding = ALL_CAPABILITIES,
    };
}

/* commoncap.c, cap_bprm_creds_from_file, for a file without capabilities of its own: no file of the world has them. */
void credentials_execute(struct cred *c)
{
    bool root = (c->uid == 0 || c->euid == 0) && (c->securebits & SECBIT_NOROOT) == 0;
    if (root)
        c->ambient = 0;
    c->permitted = root ? c->bounding | c->inheritable : c->ambient;
    c->capabilities = root && c->euid != 0 ? 0 : c->permitted;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
}
