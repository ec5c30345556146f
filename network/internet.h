/* Everything beyond the world: the policy's rules, the names, who answers (network/content.h), and the list of what was
 * attempted. One per world that has a `network:`; a world without has none, and may still have its conversations drawn. */
#ifndef NETWORK_INTERNET_H
#define NETWORK_INTERNET_H

#include "network/attempts.h"
#include "network/content.h"
#include "network/forward.h"
#include "policy/policy.h"
#include "vfs/far_end.h"

struct internet;

struct internet_config {
    const struct policy *policy; /* borrowed */
    const struct timer_clock *clock;
    int64_t (*now)(void *context);                                         /* CLOCK_REALTIME of the world, ns */
    void (*caller)(void *context, struct attempts_caller *out);            /* who makes the call in progress */
    struct vfs *world;                                                     /* where the programs it spawns are */
    int (*spawn)(void *context, char *const *arguments, struct file *end); /* NULL: programs cannot be run */
    void *context;
    FILE *capture, *har;       /* NULL: none; closed by internet_finish */
    bool keep;                 /* bytes, for the export */
    struct view *view;         /* contents_config's */
    struct forwards *forwards; /* internet_free frees it; NULL: no rule says `forward:` */
};

/* Opens what the policy's contents need of the host, so before the supervisor confines itself. NULL: one sentence in why. */
struct internet *internet_new(const struct internet_config *config, char *why, size_t size);
int internet_install(struct internet *i, struct vfs *v);
/* After the guest's end: capture and HAR are written out. 0, or -1 and one sentence. */
int internet_finish(struct internet *i, char *why, size_t size);
void internet_free(struct internet *i); /* after the vfs: far ends say their last words to it. NULL is allowed */

struct attempts *internet_attempts(struct internet *i);
struct contents *internet_contents(struct internet *i); /* NULL without a `network:` */

#endif
