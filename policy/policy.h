/* The declarative policy: one YAML file read into one struct, and its rules compiled once into something that decides a
 * call quickly. A leaf: it knows no task, no VFS, no ptrace; only the table of system calls (kernel/sysent.h).
 *
 * Strict: an unknown key, a wrong type, a duplicate key or a bad unit is an error with file, line and column.
 * The schema in prose is docs/policy.md, for editors docs/policy.schema.json. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where something of the policy was said. file: owned by the policy; "(built in)" and "(command line)" exist too. */
struct policy_origin {
    const char *file;
    int line, column; /* from 1; 0: nowhere */
};

/* One sentence, ready to print after "terrarium: ": "policy.yaml:12:9: unknown key 'mout' in mounts[0] (did you mean
 * 'mount'?)" */
struct policy_error {
    char text[1024];
};

struct network_policy;

enum mount_kind { POLICY_MOUNT_HOST, POLICY_MOUNT_TAR, POLICY_MOUNT_MEMORY };

struct policy_mount {
    char *at; /* absolute guest path */
    enum mount_kind kind;
    char *source;         /* host path, resolved against the directory of the policy file; NULL for memory */
    bool copy_on_write;   /* else read-only; true for memory */
    uint64_t quota_bytes; /* 0: none of its own */
    struct policy_origin origin;
};

struct policy_file {
    char *path; /* absolute guest path */
    enum { POLICY_FILE_BYTES, POLICY_FILE_ABSENT, POLICY_FILE_LINK, POLICY_FILE_DIRECTORY, POLICY_FILE_HOST } kind;
    char *bytes;
    size_t size;      /* content, or the symlink's target, or the host path */
    uint32_t mode;    /* 0: default (0644, directories 0755) */
    int64_t uid, gid; /* -1: root */
    bool secret;      /* kept in a record as a hash only */
    struct policy_origin origin;
};

/* 0 means "no limit" in each. Times in nanoseconds, sizes in bytes. */
struct policy_limits {
    uint64_t cpu, wall, memory, output, processes, files, open_files, file_count;
};

enum policy_action { POLICY_DENY, POLICY_ANSWER, POLICY_KILL, POLICY_LOG, POLICY_ALLOW };

struct policy_rule {
    enum policy_action action;
    int error;      /* POLICY_DENY: positive errno */
    int64_t answer; /* POLICY_ANSWER: the value returned */
    char *note;     /* may be NULL */
    char *text;     /* the rule as one line of words, for explain and the report */
    struct policy_origin origin;
    size_t index;    /* position among the rules: first match wins */
    bool about_path; /* it has a `path` */
};

struct policy {
    char *python;   /* host path of the interpreter; NULL: found on PATH */
    char *hostname; /* default "terrarium" */
    char *cwd;      /* default "/box" */
    struct {
        char *name;
        uint32_t uid, gid;
        char *home, *shell;
    } user; /* default: guest, 1000, 1000, /home/guest, /bin/sh */
    struct {
        bool real;
        int64_t start;
        double rate;
        int64_t per_event;
    } clock;       /* start: ns since epoch (default 2024-01-01T00:00:00Z); per_event: ns a call costs (default 10us) */
    uint64_t seed; /* default 0 */
    uint64_t schedule_seed; /* which schedule of its threads and processes is tried; 0: the ordinary one */
    bool trap_all;          /* trap: all */
    bool cpu_baseline;      /* cpu: baseline */
    struct policy_limits limits;
    struct policy_mount *mounts;
    size_t mount_count; /* by path: a parent before its children; each `at` once */
    struct policy_file *files;
    size_t file_count; /* likewise */
    char **environment;
    size_t environment_count;       /* "NAME=VALUE", in the order given */
    struct network_policy *network; /* policy/network.h; NULL: no network: section was given */
    struct policy_origin network_origin;
    char *path;                     /* of the file it was read from, or NULL */
    char *digest;                   /* BLAKE2b-256 of every byte that was read for it, hex */
    struct policy_sources *sources; /* private: rules, origins, memory */
};

/* What stands for a place of the host where none is to be told. */
#define POLICY_NOWHERE "/bundled"

/* path NULL: the built-in defaults alone. A name without '/' and '.' ("grading") is a profile that ships with terrarium,
 * looked for in profile_directories (NULL-terminated). 0, or -1 with *error filled and *out NULL. */
int policy_load(const char *path, const char *const *profile_directories, struct policy **out,
                struct policy_error *error);
/* From text that may be anybody's (policy_show's, out of a record): it may include nothing. `name` stands for a file's in messages. */
int policy_load_text(const char *name, const char *text, size_t size, struct policy **out, struct policy_error *error);
void policy_free(struct policy *p);

/* The command line's word over the policy's; errors begin with `option` ("--seed: 'x': expected a whole number"). 0 or
 * -1. key: a scalar of the schema by its full name: "python", "cwd", "hostname", "random.seed", "schedule.seed", "trap". */
int policy_set(struct policy *p, const char *option, const char *key, const char *value, struct policy_error *error);
/* "cpu=10s,wall=30s,memory=256MiB" */
int policy_set_limits(struct policy *p, const char *text, struct policy_error *error);
int policy_add_mount(struct policy *p, const char *text, struct policy_error *error);       /* HOST:GUEST[:ro|cow] */
int policy_add_image(struct policy *p, const char *text, struct policy_error *error);       /* TAR[:GUEST] */
int policy_add_environment(struct policy *p, const char *text, struct policy_error *error); /* NAME=VALUE */
int policy_compile(struct policy *p, struct policy_error *error); /* after the last change, before decide */
/* That every host path the policy names (mounts, images, files) is there: 0, or -1 and the first that is not. */
int policy_check_sources(const struct policy *p, struct policy_error *error);

/* One call as the rules see it. paths: for each argument of kind ARG_PATH (in order) the absolute path it leads to in
 * the guest's tree, symlinks resolved as the call itself would; NULL entries are calls without one. */
struct policy_query {
    int nr;
    uint64_t argument[6];
    const char *path[2];
};
/* The first rule that matches, or NULL: nothing said, the stub answers. Costs O(length of the path), not O(rules). */
const struct policy_rule *policy_decide(const struct policy *p, const struct policy_query *q);
/* Its rules in the order they are asked, as written. */
size_t policy_rule_count(const struct policy *p);
struct policy_rule *policy_rule_at(const struct policy *p, size_t index);
bool policy_has_rules(const struct policy *p, int nr); /* any rule may match this call: it must be trapped and asked */
bool policy_wants_paths(const struct policy *p, int nr); /* some of them look at paths */

/* rename(2) and link(2) give a thing another name, and rules judge names: the first rule that denies or kills something
 * by the name `from`, or (below) by a name beneath it, and would not by `to`. NULL: the name may change. */
const struct policy_rule *policy_bars_name(const struct policy *p, const char *from, const char *to, bool below);
/* Is this call one that gives names: 0, or which of its paths loses its own: 1 the first, 3 both (RENAME_EXCHANGE). */
unsigned policy_names_lost(int nr, const uint64_t argument[6]);

/* What `terrarium policy explain CALL [ARG]...` prints: which line decides and what the guest would get, also where the
 * decision is built in (the table's). */
int policy_explain(const struct policy *p, int argc, const char *const *argv, char **text, struct policy_error *error);
/* What `policy show` prints: the whole policy in force, as YAML, every value with where it came from as a comment. */
char *policy_show(const struct policy *p);
/* Units and names for messages: "256 MiB", "10 s", "EACCES" (NULL: no such errno), and back. */
const char *policy_errno_name(int error);
int policy_errno_number(const char *name);

#endif
