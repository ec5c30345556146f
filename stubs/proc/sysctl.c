/* /proc/sys (sysctl(8)): the values programs ask for. Constant, but for the host name and the identifiers; read-only.
 */
#include "stubs/proc/entries.h"
#include "kernel/release.h"

#include <string.h>

CONSTANT(ostype, KERNEL_SYSNAME)
CONSTANT(osrelease, KERNEL_RELEASE)
CONSTANT(version, KERNEL_VERSION)
CONSTANT(domainname, KERNEL_DOMAIN)
CONSTANT(zero, "0")
CONSTANT(one, "1")
CONSTANT(two, "2")
CONSTANT(pid_max, "32768")
CONSTANT(threads_max, "32768")
CONSTANT(ngroups_max, "65536")
CONSTANT(cap_last_cap, "40")
CONSTANT(overflow_id, "65534")
CONSTANT(core_pattern, "core")
CONSTANT(sem, "32000\t32000\t500\t128")
CONSTANT(msgmax, "8192")
CONSTANT(msgmnb, "16384")
CONSTANT(msgmni, "128")
CONSTANT(shmmax, "18446744073692774399")
CONSTANT(shmmni, "4096")
CONSTANT(printk, "4\t4\t1\t7")
CONSTANT(ten, "10")
CONSTANT(two_hundred_fifty_six, "256")
CONSTANT(max_map_count, "65530")
CONSTANT(mmap_min_addr, "65536")
CONSTANT(file_max, "1048576")
CONSTANT(file_nr, "64\t0\t1048576")
CONSTANT(pipe_max_size, "1048576")
CONSTANT(lease_break_time, "45")
CONSTANT(inotify_events, "16384")
CONSTANT(inotify_instances, "128")
CONSTANT(inotify_watches, "65536")
CONSTANT(somaxconn, "4096")
CONSTANT(socket_buffer, "212992")
CONSTANT(dgram_queue, "10")
CONSTANT(ttl, "64")
CONSTANT(privileged_ports, "1024")
CONSTANT(tcp_rmem, "4096\t131072\t6291456")
CONSTANT(tcp_wmem, "4096\t16384\t4194304")
CONSTANT(keepalive_time, "7200")
CONSTANT(keepalive_interval, "75")
CONSTANT(keepalive_probes, "9")
CONSTANT(syn_retries, "6")
CONSTANT(fin_timeout, "60")
CONSTANT(congestion, "cubic")
CONSTANT(congestions, "reno cubic")
CONSTANT(port_range, "32768\t60999")
CONSTANT(ping_group_range, "0\t2147483647") /* as Debian's systemd sets it */

static int hostname(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct world *w = s->world;
    text_printf(out, "%s\n", w->policy && w->policy->hostname ? w->policy->hostname : "terrarium");
    return 0;
}

/* A version 4 UUID (RFC 9562) of 16 bytes. */
static void put_uuid(struct text *out, uint8_t b[16])
{
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    for (int i = 0; i < 16; i++)
        text_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    text_printf(out, "\n");
}

/* The same for a whole run, and drawn from no stream, so that reading it moves none (splitmix64 of the seed). */
static int boot_id(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct world *w = s->world;
    uint64_t state = w->policy ? w->policy->seed : 0;
    uint8_t bytes[16];
    for (int half = 0; half < 2; half++) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        memcpy(bytes + 8 * half, &z, sizeof z);
    }
    put_uuid(out, bytes);
    return 0;
}

static int uuid(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct world *w = s->world;
    uint8_t bytes[16];
    random_bytes(&w->random, RANDOM_GUEST, bytes, sizeof bytes);
    put_uuid(out, bytes);
    return 0;
}

static const struct synthetic_entry random_entries[] = {
    VALUE("boot_id", boot_id),
    VALUE("uuid", uuid),
    VALUE("entropy_avail", two_hundred_fifty_six),
    VALUE("poolsize", two_hundred_fifty_six),
    END,
};
static const struct synthetic_entry yama_entries[] = {VALUE("ptrace_scope", one), END};
static const struct synthetic_entry kernel_entries[] = {
    VALUE("hostname", hostname),
    VALUE("domainname", domainname),
    VALUE("ostype", ostype),
    VALUE("osrelease", osrelease),
    VALUE("version", version),
    VALUE("pid_max", pid_max),
    VALUE("threads-max", threads_max),
    VALUE("ngroups_max", ngroups_max),
    VALUE("cap_last_cap", cap_last_cap),
    VALUE("overflowuid", overflow_id),
    VALUE("overflowgid", overflow_id),
    VALUE("core_pattern", core_pattern),
    VALUE("core_uses_pid", zero),
    VALUE("randomize_va_space", zero),
    VALUE("perf_event_paranoid", two),
    VALUE("kptr_restrict", two),
    VALUE("dmesg_restrict", one),
    VALUE("unprivileged_bpf_disabled", two),
    VALUE("tainted", zero),
    VALUE("printk", printk),
    VALUE("sem", sem),
    VALUE("msgmax", msgmax),
    VALUE("msgmnb", msgmnb),
    VALUE("msgmni", msgmni),
    VALUE("shmmax", shmmax),
    VALUE("shmall", shmmax),
    VALUE("shmmni", shmmni),
    DIRECTORY("random", random_entries),
    DIRECTORY("yama", yama_entries),
    END,
};
static const struct synthetic_entry vm_entries[] = {
    VALUE("overcommit_memory", zero),      VALUE("max_map_count", max_map_count), VALUE("swappiness", zero),
    VALUE("mmap_min_addr", mmap_min_addr), VALUE("memfd_noexec", zero),           END,
};
static const struct synthetic_entry inotify_entries[] = {
    VALUE("max_queued_events", inotify_events),
    VALUE("max_user_instances", inotify_instances),
    VALUE("max_user_watches", inotify_watches),
    END,
};
static const struct synthetic_entry mqueue_entries[] = {
    VALUE("msg_default", ten),
    VALUE("msg_max", ten),
    VALUE("msgsize_default", msgmax),
    VALUE("msgsize_max", msgmax),
    VALUE("queues_max", two_hundred_fifty_six),
    END,
};
static const struct synthetic_entry fs_entries[] = {
    VALUE("file-max", file_max),         VALUE("file-nr", file_nr),
    VALUE("nr_open", file_max),          VALUE("pipe-max-size", pipe_max_size),
    VALUE("protected_symlinks", zero),   VALUE("protected_hardlinks", zero),
    VALUE("leases-enable", one),         VALUE("lease-break-time", lease_break_time),
    VALUE("suid_dumpable", zero),        DIRECTORY("inotify", inotify_entries),
    DIRECTORY("mqueue", mqueue_entries), END,
};
static const struct synthetic_entry core_entries[] = {
    VALUE("somaxconn", somaxconn),        VALUE("rmem_default", socket_buffer), VALUE("rmem_max", socket_buffer),
    VALUE("wmem_default", socket_buffer), VALUE("wmem_max", socket_buffer),     END,
};
static const struct synthetic_entry unix_entries[] = {VALUE("max_dgram_qlen", dgram_queue), END};
static const struct synthetic_entry ipv6_entries[] = {VALUE("bindv6only", zero), END};
static const struct synthetic_entry ipv4_entries[] = {
    VALUE("ip_default_ttl", ttl),
    VALUE("ip_unprivileged_port_start", privileged_ports),
    VALUE("tcp_rmem", tcp_rmem),
    VALUE("tcp_wmem", tcp_wmem),
    VALUE("tcp_keepalive_time", keepalive_time),
    VALUE("tcp_keepalive_intvl", keepalive_interval),
    VALUE("tcp_keepalive_probes", keepalive_probes),
    VALUE("tcp_syn_retries", syn_retries),
    VALUE("tcp_fin_timeout", fin_timeout),
    VALUE("tcp_congestion_control", congestion),
    VALUE("tcp_available_congestion_control", congestions),
    VALUE("ip_local_port_range", port_range),
    VALUE("ip_forward", zero),
    VALUE("ping_group_range", ping_group_range),
    END,
};
static const struct synthetic_entry net_entries[] = {
    DIRECTORY("core", core_entries),
    DIRECTORY("ipv4", ipv4_entries),
    DIRECTORY("ipv6", ipv6_entries),
    DIRECTORY("unix", unix_entries),
    END,
};
const struct synthetic_entry proc_sysctl_entries[] = {
    DIRECTORY("kernel", kernel_entries),
    DIRECTORY("vm", vm_entries),
    DIRECTORY("fs", fs_entries),
    DIRECTORY("net", net_entries),
    END,
};
