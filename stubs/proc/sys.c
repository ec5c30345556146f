/* /sys: one processor, the network's interfaces, and what C libraries and numerical libraries look for. */
#include "stubs/proc/entries.h"

CONSTANT(zero, "0")
CONSTANT(one, "1")
CONSTANT(first_level, "1")
CONSTANT(data, "Data")
CONSTANT(line, "64")
CONSTANT(size, "32K")
CONSTANT(sets, "64")
CONSTANT(ways, "8")
CONSTANT(huge, "always [madvise] never")
CONSTANT(huge_size, "2097152")

static const struct synthetic_entry nothing[] = {END};
static const struct synthetic_entry index0_entries[] = {
    VALUE("level", first_level),
    VALUE("type", data),
    VALUE("coherency_line_size", line),
    VALUE("size", size),
    VALUE("number_of_sets", sets),
    VALUE("ways_of_associativity", ways),
    VALUE("shared_cpu_list", zero),
    VALUE("shared_cpu_map", one),
    END,
};
static const struct synthetic_entry cache_entries[] = {DIRECTORY("index0", index0_entries), END};
static const struct synthetic_entry topology_entries[] = {
    VALUE("core_id", zero),
    VALUE("physical_package_id", zero),
    VALUE("core_cpus_list", zero),
    VALUE("thread_siblings_list", zero),
    VALUE("core_siblings_list", zero),
    END,
};
static const struct synthetic_entry cpu0_entries[] = {
    DIRECTORY("topology", topology_entries),
    DIRECTORY("cache", cache_entries),
    END,
};
static const struct synthetic_entry cpu_entries[] = {
    VALUE("online", zero), VALUE("possible", zero), VALUE("present", zero), DIRECTORY("cpu0", cpu0_entries), END,
};
static const struct synthetic_entry node0_entries[] = {VALUE("cpulist", zero), VALUE("cpumap", one), END};
static const struct synthetic_entry node_entries[] = {
    VALUE("online", zero),
    VALUE("possible", zero),
    DIRECTORY("node0", node0_entries),
    END,
};
static const struct synthetic_entry system_entries[] = {
    DIRECTORY("cpu", cpu_entries),
    DIRECTORY("node", node_entries),
    END,
};
static const struct synthetic_entry devices_entries[] = {DIRECTORY("system", system_entries), END};
static const struct synthetic_entry thp_entries[] = {
    VALUE("enabled", huge),
    VALUE("defrag", huge),
    VALUE("hpage_pmd_size", huge_size),
    END,
};
static const struct synthetic_entry mm_entries[] = {DIRECTORY("transparent_hugepage", thp_entries), END};
static const struct synthetic_entry kernel_entries[] = {DIRECTORY("mm", mm_entries), END};
static const struct synthetic_entry class_entries[] = {
    {.name = "net", .mode = S_IFDIR | 0555, .lookup = sys_net_lookup, .list = sys_net_list},
    DIRECTORY("thermal", nothing),
    DIRECTORY("hwmon", nothing),
    DIRECTORY("power_supply", nothing),
    END,
};
static const struct synthetic_entry cgroup_entries[] = {END};
static const struct synthetic_entry fs_entries[] = {DIRECTORY("cgroup", cgroup_entries), END};
const struct synthetic_entry proc_sys_root[] = {
    DIRECTORY("devices", devices_entries), DIRECTORY("kernel", kernel_entries), DIRECTORY("class", class_entries),
    DIRECTORY("fs", fs_entries),           DIRECTORY("block", nothing),         DIRECTORY("bus", nothing),
    DIRECTORY("module", nothing),          DIRECTORY("power", nothing),         END,
};
