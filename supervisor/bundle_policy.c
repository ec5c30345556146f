/* The policy in force as a bundle keeps it (supervisor/bundle.h): without the places of the host that it names, as what they hold is
 * in the bundle. */
#include "supervisor/bundle.h"

#include "policy/network.h"

#include <stdlib.h>
#include <string.h>

static char nowhere[] = POLICY_NOWHERE;

static void hide_mounts(const struct policy *p, struct policy_mount *to)
{
    for (size_t i = 0; i < p->mount_count; i++) {
        to[i] = p->mounts[i];
        if (to[i].source != NULL)
            to[i].source = nowhere;
    }
}

static void hide_files(const struct policy *p, struct policy_file *to)
{
    for (size_t i = 0; i < p->file_count; i++) {
        to[i] = p->files[i];
        if (to[i].kind == POLICY_FILE_HOST) {
            to[i].bytes = nowhere;
            to[i].size = sizeof nowhere - 1;
        } else if (to[i].secret) {
            to[i].size = 0;
        }
    }
}

/* Rules of their own, with the text that names no place. */
static void hide_fixtures(const struct network_policy *n, struct network_rule *to, struct network_rule **list)
{
    for (size_t i = 0; i < n->rule_count; i++) {
        to[i] = *n->rules[i];
        to[i].content_text = to[i].content_placeless;
        list[i] = &to[i];
    }
}

/* Comments of policy_show say where a value was read: a place of the host. Only whole-line ends are comments: a '#' in a
 * quoted text has no two spaces and a space around it at the end of the line. */
static void drop_comments(char *text)
{
    char *to = text;
    for (char *line = text; *line != '\0';) {
        char *end = strchrnul(line, '\n'), *comment = NULL;
        for (char *at = line; at + 3 < end; at++)
            if (memcmp(at, "  # ", 4) == 0)
                comment = at;
        size_t n = (size_t)((comment != NULL ? comment : end) - line);
        memmove(to, line, n);
        to += n;
        *to++ = '\n';
        line = end + (*end == '\n');
    }
    *to = '\0';
}

char *bundle_policy_text(const struct policy *p)
{
    struct policy copy = *p;
    struct network_policy network = {0};
    size_t n = p->network != NULL ? p->network->rule_count : 0;
    struct policy_mount *mounts = calloc(p->mount_count + 1, sizeof *mounts);
    struct policy_file *files = calloc(p->file_count + 1, sizeof *files);
    struct network_rule *rules = calloc(n + 1, sizeof *rules), **list = calloc(n + 1, sizeof *list);
    char *text = NULL;
    if (mounts != NULL && files != NULL && rules != NULL && list != NULL) {
        hide_mounts(p, mounts);
        hide_files(p, files);
        copy.mounts = mounts;
        copy.files = files;
        if (p->network != NULL) {
            network = *p->network;
            hide_fixtures(p->network, rules, list);
            network.rules = list;
            copy.network = &network;
        }
        text = policy_show(&copy);
    }
    free(mounts);
    free(files);
    free(rules);
    free(list);
    if (text != NULL)
        drop_comments(text);
    return text;
}
