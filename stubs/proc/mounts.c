/* /proc/PID/mounts, mountinfo, mountstats: one mount table for all of the world. */
#include "stubs/proc/proc.h"

#include <string.h>

struct listing {
    struct text *out;
    struct vfs *vfs;
    unsigned number;
};

/* Space, tab, newline, backslash and # as octal (fs/proc_namespace.c, mangle()). */
static void put_mangled(struct text *out, const char *name)
{
    for (; *name; name++)
        if (strchr(" \t\n\\#", *name))
            text_printf(out, "\\%03o", (unsigned char)*name);
        else
            text_add(out, name, 1);
}

static int mount_line(void *context, const char *device, const char *at, const char *type, const char *options)
{
    struct listing *l = context;
    put_mangled(l->out, device);
    text_add(l->out, " ", 1);
    put_mangled(l->out, at);
    text_printf(l->out, " %s %s 0 0\n", type, options);
    return 0;
}

/* The root has the number 1, and everything else is said to be mounted on it. */
static int mountinfo_line(void *context, const char *device, const char *at, const char *type, const char *options)
{
    struct listing *l = context;
    static const struct cred root = {.capabilities = ~UINT64_C(0)};
    struct place place = {.vfs = l->vfs, .cred = &root, .root = vfs_root(l->vfs), .start = vfs_root(l->vfs)};
    struct statx st = {0};
    vfs_stat(&place, at, 0, &st);
    l->number++;
    text_printf(l->out, "%u %u %u:%u / ", l->number, l->number == 1 ? 0u : 1u, st.stx_dev_major, st.stx_dev_minor);
    put_mangled(l->out, at);
    text_printf(l->out, " %s - %s ", options, type);
    put_mangled(l->out, device);
    text_printf(l->out, " %s\n", options);
    return 0;
}

static int mountstats_line(void *context, const char *device, const char *at, const char *type, const char *options)
{
    struct listing *l = context;
    text_printf(l->out, "device ");
    put_mangled(l->out, device);
    text_printf(l->out, " mounted on ");
    put_mangled(l->out, at);
    text_printf(l->out, " with fstype %s\n", type);
    return 0;
}

static int list(const struct synthetic *s, struct text *out,
                int (*line)(void *context, const char *, const char *, const char *, const char *))
{
    const struct world *w = s->world;
    struct listing l = {.out = out, .vfs = w->vfs};
    return vfs_each_mount(w->vfs, line, &l);
}

int proc_mounts(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return list(s, out, mount_line);
}

int proc_mountinfo(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return list(s, out, mountinfo_line);
}

int proc_mountstats(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return list(s, out, mountstats_line);
}
