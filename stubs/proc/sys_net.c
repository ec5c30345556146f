/* /sys/class/net: a directory for each interface (vfs/interface.h). Its key is the interface's place in their list, from 1. */
#include "stubs/proc/entries.h"

#include "kernel/world.h"
#include "vfs/interface.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const struct interface *interface_of(const struct synthetic *s)
{
    const struct interface *list;
    size_t n = interfaces(((struct world *)s->world)->vfs, &list);
    return s->key >= 1 && s->key <= n ? &list[s->key - 1] : NULL;
}

#define ABOUT(name, format, ...)                                                                                       \
    static int name(const struct synthetic *s, const struct cred *c, struct text *out)                                 \
    {                                                                                                                  \
        const struct interface *i = interface_of(s);                                                                   \
        if (i == NULL)                                                                                                 \
            return -ENOENT;                                                                                            \
        text_printf(out, format "\n", __VA_ARGS__);                                                                    \
        return 0;                                                                                                      \
    }

#define MAC "%02x:%02x:%02x:%02x:%02x:%02x"
#define SIX(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

ABOUT(mtu, "%u", i->mtu)
ABOUT(ifindex, "%d", i->index)
ABOUT(type, "%u", i->hardware)
ABOUT(flags, "0x%x",
      i->flags &(IFF_UP | IFF_BROADCAST | IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP | IFF_PROMISC | IFF_MULTICAST))
ABOUT(address, MAC, SIX(i->mac))
ABOUT(broadcast, MAC, SIX(i->all))
ABOUT(operstate, "%s", (i->flags & IFF_LOOPBACK) != 0 ? "unknown" : "up")
ABOUT(carrier, "%d", 1)
ABOUT(addr_len, "%d", 6)
ABOUT(tx_queue_len, "%d", 1000)
ABOUT(nothing, "0x%x", 0)

static const struct synthetic_entry interface_entries[] = {
    VALUE("mtu", mtu),
    VALUE("ifindex", ifindex),
    VALUE("iflink", ifindex),
    VALUE("type", type),
    VALUE("flags", flags),
    VALUE("address", address),
    VALUE("carrier", carrier),
    VALUE("broadcast", broadcast),
    VALUE("operstate", operstate),
    VALUE("addr_len", addr_len),
    VALUE("tx_queue_len", tx_queue_len),
    VALUE("dev_id", nothing),
    END,
};
static const struct synthetic_entry interface_directory = DIRECTORY("", interface_entries);

int sys_net_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                   const struct synthetic_entry **entry)
{
    const struct interface *list;
    size_t n = interfaces(((struct world *)s->world)->vfs, &list);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) {
            child->key = i + 1;
            *entry = &interface_directory;
            return 0;
        }
    return -ENOENT;
}

int sys_net_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    const struct interface *list;
    if (*at >= interfaces(((struct world *)s->world)->vfs, &list))
        return -ENOENT;
    snprintf(name, n, "%s", list[*at].name);
    *mode = S_IFDIR | 0555;
    return 0;
}
