/* The end of what the objects of one world share (struct objects of vfs/node.h). */
#include "vfs/socket_inner.h"

#include <stdlib.h>

/* When it runs, every file is closed: no pipe, terminal or lock is left. */
void objects_release(struct vfs *v)
{
    free(v->objects.ptys);
    dev_release(v->objects.dev);
    netstack_free(v->objects.net);
    inet_free(v->objects.inet);
    v->objects = (struct objects){0};
}
