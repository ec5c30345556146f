/* The readers of what is more than one scalar: mounts, files, environment, clock and the smaller sections. */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include "policy/internal.h"

int lists_read_version(struct reader *r, const struct node *value);
int lists_read_clock(struct reader *r, const struct node *value);
int lists_read_mounts(struct reader *r, const struct node *value);
int lists_read_files(struct reader *r, const struct node *value);
int lists_read_environment(struct reader *r, const struct node *value);
int lists_read_network(struct reader *r, const struct node *value); /* policy/network.c */

/* One more of each, a later one in the place of an earlier one of the same name. Strings are the policy's. */
int lists_add_mount(struct reader *r, const struct node *at, const struct policy_mount *mount);
int lists_add_environment(struct reader *r, const struct node *at, const char *name, const char *value);
/* When everything is read: mounts and files in the order of their paths (a parent before its children), each path of
 * `files` once, the last that was said. */
int lists_settle(struct reader *r);

#endif
