/* Who makes the real connections of `forward:` rules: a process of its own, made before the supervisor confines itself. It knows the
 * addresses that the rules name, looked up once, and is asked by a rule's number; so whoever took over the supervisor could
 * connect to these and nowhere else. The supervisor's own seccomp program goes on to kill it for socket(2) and connect(2). */
#ifndef SUPERVISOR_CONNECTOR_H
#define SUPERVISOR_CONNECTOR_H

#include "policy/network.h"

struct connector;

/* One line on stderr for each rule that leaves the world. 0, or -1 with one sentence. *out NULL: no rule does. */
int connector_new(const struct network_policy *n, struct connector **out, char *why, size_t size);
void connector_free(struct connector *c); /* its process ends. NULL is allowed */
int connector_descriptor(const struct connector *c);
/* A socket that connects, and does not block; or -errno. */
int connector_dial(struct connector *c, const struct network_rule *rule);

#endif
