/* The manifest of a record that stands alone may be anybody's: the input is one, in a record that is otherwise good. All that a replay asks of
 * it is asked, and a tree is made of it as a replay's world is. What must hold besides: no path of the host is opened (there is no such path
 * among what is mounted), and a file has the size that its status said.
 * Build and run: make fuzz-bundle. */
#include "policy/policy.h"
#include "supervisor/bundle.h"
#include "vfs/vfs.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char content[] = "content of the one piece that there is";

static struct reader *record_of(const uint8_t *manifest, size_t n)
{
    static struct event e;
    uint8_t digest[EVENT_DIGEST];
    char why[512];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct record *r = record_begin(fd);
    crypto_generichash(digest, sizeof digest, (const uint8_t *)content, sizeof content, NULL, 0);
    e = (struct event){.kind = EVENT_SCHEDULE, .tid = 2};
    if (fd < 0 || r == NULL || record_add(r, &e) < 0 || record_content(r, digest, content, sizeof content) < 0 ||
        record_manifest(r, manifest, n) < 0 || record_finish(r, NULL) < 0)
        abort();
    int again = dup(fd);
    record_free(r); /* which has closed its own */
    if (lseek(again, 0, SEEK_SET) != 0)
        abort();
    return reader_open(again, why, sizeof why);
}

/* Every file below `path` is looked at and read, to some depth and number. */
static void look(const struct place *at, const char *path, int depth, int *left)
{
    static const char *const names[] = {"a", "b", "link", "sub", "none"};
    struct statx st;
    struct file *f;
    char bytes[256];
    if ((*left)-- <= 0 || depth == 0 || vfs_stat(at, path, 0, &st) < 0)
        return;
    if (S_ISREG(st.stx_mode) && vfs_open(at, path, O_RDONLY, 0, 0, &f) == 0) {
        struct file_given given;
        if (file_given(f, &given)) {
            if (given.size != st.stx_size)
                abort();
            (void)file_given_read(f, 0, bytes, sizeof bytes);
        }
        file_put(f);
    }
    for (size_t i = 0; S_ISDIR(st.stx_mode) && i < sizeof names / sizeof *names; i++) {
        char below[256];
        snprintf(below, sizeof below, "%s/%s", path, names[i]);
        look(at, below, depth - 1, left);
    }
}

static void make_tree(struct bundled *b)
{
    const struct vfs_config config = {.quota_bytes = 1 << 20};
    struct vfs *v = vfs_new(&config);
    char why[512], *target = NULL;
    int left = 200;
    if (v == NULL)
        abort();
    struct view *w = bundled_view(b);
    vfs_set_view(v, w, 0);
    if (w->host_link(w, "/lib", &target, 0) == 0)
        free(target);
    (void)w->host_has(w, "/usr", false);
    (void)vfs_mount_host(v, "/m", "/nowhere/at/all", MOUNT_COPY_ON_WRITE, why, sizeof why);
    (void)vfs_mount_tar(v, "/t", "/nowhere/at/all", MOUNT_READ_ONLY, why, sizeof why);
    struct cred root = {.capabilities = UINT64_MAX};
    const struct place at = {v, &root, vfs_root(v), vfs_root(v)};
    look(&at, "/m", 4, &left);
    look(&at, "/t", 3, &left);
    vfs_free(v);
}

static void ask(struct bundled *b)
{
    struct run_request r = {0};
    struct interpreter i;
    struct host_stream_past past;
    struct policy_error wrong;
    struct policy *p = NULL;
    size_t n;
    const char *text = bundled_policy(b, &n);
    if (policy_load_text("fuzz", text, n, &p, &wrong) == 0) {
        for (size_t k = 0; k < 8; k++)
            (void)(bundled_rule_line(b, false, k) + bundled_rule_line(b, true, k));
        policy_free(p);
    }
    if (bundled_request(b, &r) == 0)
        for (int k = 0; k < r.argc; k++)
            if (r.argv[k] == NULL)
                abort();
    if (bundled_interpreter(b, &i) == 0)
        interpreter_free(&i);
    for (int k = 0; k < 3; k++)
        (void)bundled_stream(b, k, &past);
}

static void say_nothing(void *context, const char *file, const char *what)
{
    (void)context;
    if (*file == '\0' || *what == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char why[512];
    if (sodium_init() < 0)
        abort();
    struct reader *r = record_of(bytes, n);
    struct bundled *b = r != NULL ? bundled_open(r, why, sizeof why) : NULL;
    if (b == NULL)
        return 0;
    /* Bytes that are not in the record are looked for where nothing is. */
    struct bundle_place nowhere = {"/nonexistent", "/"};
    const struct bundle_places places = {&nowhere, 1};
    (void)bundled_find(b, &places, say_nothing, NULL);
    ask(b);
    make_tree(b);
    bundled_free(b);
    return 0;
}
