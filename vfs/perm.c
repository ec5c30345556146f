/* Who may do what to a node: credentials(7), path_resolution(7) "Permissions", capabilities(7), the sticky bit of
 * inode(7). A NULL cred is the world itself (mounts, exports): everything is allowed. */
#include "vfs/node.h"

#include <linux/capability.h>

bool cred_has(const struct cred *c, int capability)
{
    return !c || c->capabilities >> capability & 1;
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
    if (!c || c->fsgid == gid)
        return true;
    for (uint32_t i = 0; i < c->ngroups && i < sizeof c->groups / sizeof *c->groups; i++) {
        if (c->groups[i] == gid)
            return true;
    }
    return false;
}

bool cred_owns(const struct cred *c, const struct node *n)
{
    return !c || c->fsuid == n->uid || cred_has(c, CAP_FOWNER);
}

int node_permission(const struct node *n, const struct cred *c, int mask)
{
    if (!c)
        return 0;
    uint32_t bits = n->mode;
    if (c->fsuid == n->uid)
        bits >>= 6;
    else if (cred_in_group(c, n->gid))
        bits >>= 3;
    if (((int)bits & mask) == mask)
        return 0;
    if (node_is(n, S_IFDIR)) {
        if (!(mask & MAY_WRITE) && cred_has(c, CAP_DAC_READ_SEARCH))
            return 0;
        return cred_has(c, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
    }
    if (mask == MAY_READ && cred_has(c, CAP_DAC_READ_SEARCH))
        return 0;
    /* Even the superuser executes only what somebody may execute. */
    if ((!(mask & MAY_EXECUTE) || n->mode & 0111) && cred_has(c, CAP_DAC_OVERRIDE))
        return 0;
    return -EACCES;
}

/* The kernel's filename_create and may_create: the mount first, then the directory. */
int may_create(struct dentry *dir, const struct cred *c)
{
    int error = node_writable(dir->node);
    if (error)
        return error;
    if (dir->flags & DENTRY_UNLINKED)
        return -ENOENT;
    return node_permission(dir->node, c, MAY_WRITE | MAY_EXECUTE);
}

/* What is not there is not there on a read-only mount too. Linux says EROFS to any name (fs/namei.c, do_unlinkat); but the
 * world's read-only trees stand for what on a machine is root's, and programs that remove a file in case it is there
 * (CPython's import tests beside the interpreter) expect of it what a directory without permission says. */
int may_delete(struct dentry *dir, struct dentry *victim, const struct cred *c)
{
    int error = node_permission(dir->node, c, MAY_WRITE | MAY_EXECUTE);
    if (error)
        return error;
    if (!c || !(dir->node->mode & S_ISVTX))
        return 0;
    if (c->fsuid == victim->node->uid || c->fsuid == dir->node->uid || cred_has(c, CAP_FOWNER))
        return 0;
    return -EPERM;
}
