/* See spawn.h. The supervisor itself can neither fork nor execute any more: a guest task that stands at a call is cloned, as
 * fork(2) would, and the copy becomes the program at once, before it ran one instruction of what it was copied from. */
#include "supervisor/spawn.h"

#include "stubs/credentials.h"
#include "stubs/exec.h"
#include "supervisor/setup.h"
#include "supervisor/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Nothing of the task it is cloned from stays with it, as far as the world can see. */
static int make_its_own(struct task *t, struct file *end)
{
    struct world *w = t->world;
    struct process *p = t->process;
    const struct policy *policy = w->policy;
    struct fdtable *fds = fdtable_new((uint32_t)p->limits[RLIMIT_NOFILE].rlim_cur);
    if (fds == NULL)
        return -ENOMEM;
    fdtable_put(t->fds);
    t->fds = fds;
    p->parent = NULL;
    p->pgid = p->sid = p->pid;
    p->tty = NULL;
    memset(p->handlers->action, 0, sizeof p->handlers->action);
    t->cred = credentials_of_user(policy);
    if (end == NULL) /* a server listens at the port that the guest asks for, be it 80: capabilities(7), ambient */
        t->cred.ambient = t->cred.inheritable = t->cred.permitted |= UINT64_C(1) << CAP_NET_BIND_SERVICE;
    t->no_new_privs = false;
    const struct place root = {w->vfs, &t->cred, vfs_root(w->vfs), vfs_root(w->vfs)};
    struct dentry *cwd;
    struct file *null = NULL, *error_file = w->stdio[2];
    int error = vfs_walk(&root, policy->cwd, WALK_DIRECTORY, &cwd);
    if (error < 0)
        return error;
    dentry_put(t->fs->root);
    dentry_put(t->fs->cwd);
    t->fs->root = vfs_root(w->vfs);
    dentry_get(t->fs->root);
    t->fs->cwd = cwd;
    t->fs->umask = 022;
    if (end == NULL || error_file == NULL)
        error = vfs_open(&root, "/dev/null", O_RDWR, 0, 0, &null);
    struct file *const all[3] = {end != NULL ? end : null,
                                 end != NULL          ? end
                                 : error_file != NULL ? error_file
                                                      : null,
                                 error_file != NULL ? error_file : null};
    for (int fd = 0; error >= 0 && fd < 3; fd++) {
        file_get(all[fd]);
        error = fdtable_replace(t->fds, fd, all[fd], false);
    }
    file_put(null);
    return error < 0 ? error : 0;
}

static int run(struct task *t, const char *program, char *const *arguments)
{
    struct world *w = t->world;
    struct exec_arguments a;
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    const struct run_request r = {.is_exec = true, .argc = count, .argv = (const char *const *)arguments};
    int error = setup_arguments(w, &r, program, &a);
    const struct place at = {w->vfs, &t->cred, t->fs->root, t->fs->cwd};
    if (error == 0)
        error = exec_start(t, &at, program, &a);
    exec_arguments_free(&a);
    return error;
}

int spawn_program(struct world *w, char *const *arguments, struct file *end)
{
    struct task *near = w->current, *child;
    uint64_t most = w->policy->limits.processes;
    if (near == NULL || near->machine == NULL || !near->in_call || (most != 0 && w->process_count >= most))
        return -EAGAIN;
    char *program = setup_find_program(w, arguments[0]);
    if (program == NULL)
        return -ENOENT;
    int error = process_clone(near, SIGCHLD, &child);
    if (error == 0) {
        error = make_its_own(child, end);
        if (error == 0)
            error = w->machine->clone(near, child, SIGCHLD, 0, 0);
        if (error < 0)
            task_abandon(child);
    }
    if (error == 0) {
        error = tracee_to_mark(child->machine);
        if (error == 0) {
            w->machine->set_blocked(child, 0);
            error = run(child, program, arguments);
        }
        if (error == 0)
            sched_ready(child);
        else
            w->machine->kill(child->process);
    }
    free(program);
    return error;
}
