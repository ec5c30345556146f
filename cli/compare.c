/* What two runs left, compared from what a person sees first (status, output) to what only shows in the reports. */
#include "cli/compare.h"

#include "trace/diff.h"
#include "vfs/vfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHOWN = 200 };

static FILE *open_left(const char *directory, const char *name, unsigned n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%u", directory, name, n);
    return fopen(path, "re");
}

static json_t *load_report(const char *directory, unsigned n)
{
    FILE *f = open_left(directory, "report", n);
    json_t *o = f != NULL ? json_loadf(f, 0, NULL) : NULL;
    if (f != NULL)
        fclose(f);
    return o;
}

bool compare_has_report(const char *directory, unsigned n)
{
    json_t *o = load_report(directory, n);
    json_decref(o);
    return o != NULL;
}

/* A line of output as it can be put on a terminal. */
static void say_line(FILE *to, unsigned run, const char *line, ssize_t n)
{
    fprintf(to, "  run %u: ", run + 1);
    if (n < 0)
        fputs("(the end)", to);
    for (ssize_t i = 0; i < n && i < LINE_SHOWN; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == '\n')
            break;
        fprintf(to, c < 0x20 || c >= 0x7f ? "\\x%02x" : "%c", c);
    }
    fputs(n > LINE_SHOWN ? " ...\n" : "\n", to);
}

static bool same_text(FILE *to, const char *directory, const char *name, const char *called, unsigned a, unsigned b)
{
    FILE *one = open_left(directory, name, a), *other = open_left(directory, name, b);
    char *line_a = NULL, *line_b = NULL;
    size_t room_a = 0, room_b = 0, number = 0;
    bool same = one != NULL && other != NULL;
    while (same) {
        ssize_t n = getline(&line_a, &room_a, one), m = getline(&line_b, &room_b, other);
        number++;
        if (n < 0 && m < 0)
            break;
        same = n == m && memcmp(line_a, line_b, (size_t)n) == 0;
        if (!same) {
            fprintf(to, "run %u and run %u differ: %s, line %zu\n", a + 1, b + 1, called, number);
            say_line(to, a, line_a, n);
            say_line(to, b, line_b, m);
        }
    }
    free(line_a);
    free(line_b);
    if (one != NULL)
        fclose(one);
    if (other != NULL)
        fclose(other);
    return same;
}

/* ---- exports ----------------------------------------------------------------------------------------------------------- */

static struct archive *open_export(const char *directory, unsigned n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/export-%u.tar", directory, n);
    struct archive *a = vfs_load_archives() == 0 ? archive_read_new() : NULL;
    if (a == NULL)
        return NULL;
    archive_read_support_format_tar(a);
    archive_read_support_format_empty(a);
    if (archive_read_open_filename(a, path, 65536) == ARCHIVE_OK)
        return a;
    archive_read_free(a);
    return NULL;
}

/* What two entries of the same place differ in; NULL: nothing but perhaps their bytes. */
static const char *differing(struct archive_entry *one, struct archive_entry *other)
{
    const char *link_a = archive_entry_symlink(one), *link_b = archive_entry_symlink(other);
    if (strcmp(archive_entry_pathname(one), archive_entry_pathname(other)) != 0)
        return "the names of what was made";
    if (archive_entry_mode(one) != archive_entry_mode(other))
        return "its mode";
    if (archive_entry_size(one) != archive_entry_size(other))
        return "its size";
    if (archive_entry_mtime(one) != archive_entry_mtime(other) ||
        archive_entry_mtime_nsec(one) != archive_entry_mtime_nsec(other))
        return "its time";
    if ((link_a == NULL) != (link_b == NULL) || (link_a != NULL && strcmp(link_a, link_b) != 0))
        return "where it leads";
    return NULL;
}

static bool same_bytes(struct archive *one, struct archive *other)
{
    static char bytes_a[65536], bytes_b[65536];
    for (;;) {
        la_ssize_t n = archive_read_data(one, bytes_a, sizeof bytes_a);
        la_ssize_t m = archive_read_data(other, bytes_b, sizeof bytes_b);
        if (n != m || n < 0)
            return false;
        if (n == 0)
            return true;
        if (memcmp(bytes_a, bytes_b, (size_t)n) != 0)
            return false;
    }
}

static bool same_exports(FILE *to, const char *directory, unsigned a, unsigned b)
{
    struct archive *one = open_export(directory, a), *other = open_export(directory, b);
    bool same = one != NULL && other != NULL;
    while (same) {
        struct archive_entry *x = NULL, *y = NULL;
        int got_x = archive_read_next_header(one, &x), got_y = archive_read_next_header(other, &y);
        if (got_x == ARCHIVE_EOF && got_y == ARCHIVE_EOF)
            break;
        const char *what = "how many files were made";
        if (got_x == got_y && got_x == ARCHIVE_OK)
            what = differing(x, y);
        if (what == NULL && !same_bytes(one, other))
            what = "its bytes";
        if (what == NULL)
            continue;
        same = false;
        fprintf(to, "run %u and run %u differ: exported files: %s: %s\n", a + 1, b + 1,
                archive_entry_pathname(x != NULL ? x : y), what);
    }
    archive_read_free(one);
    archive_read_free(other);
    return same;
}

/* ---- reports ------------------------------------------------------------------------------------------------------------- */

/* The first member of an object that is another one in the other; NULL: they are equal. */
static const char *first_difference(const json_t *one, const json_t *other)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)one, key, value) if (!json_equal(value, json_object_get(other, key))) return key;
    json_object_foreach((json_t *)other, key, value) if (json_object_get(one, key) == NULL) return key;
    return NULL;
}

static bool same_reports(FILE *to, const char *directory, unsigned a, unsigned b)
{
    /* Not compared: what a run cost (limits, stops), and its paths. */
    static const char *const compared[] = {"verdict", "exit", "events", "calls", "denied", "unknown", "files"};
    json_t *one = load_report(directory, a), *other = load_report(directory, b);
    bool same = one != NULL && other != NULL;
    for (size_t i = 0; same && i < sizeof compared / sizeof *compared; i++) {
        const json_t *x = json_object_get(one, compared[i]), *y = json_object_get(other, compared[i]);
        same = json_equal((json_t *)x, (json_t *)y);
        if (same)
            continue;
        const char *key = json_is_object(x) ? first_difference(x, y) : NULL;
        char *text_x = json_dumps(key != NULL ? json_object_get(x, key) : x, JSON_ENCODE_ANY | JSON_COMPACT);
        char *text_y = json_dumps(key != NULL ? json_object_get(y, key) : y, JSON_ENCODE_ANY | JSON_COMPACT);
        fprintf(to, "run %u and run %u differ: in their reports, %s%s%s\n", a + 1, b + 1, compared[i],
                key != NULL ? ": " : "", key != NULL ? key : "");
        say_line(to, a, text_x != NULL ? text_x : "(none)", text_x != NULL ? (ssize_t)strlen(text_x) : 6);
        say_line(to, b, text_y != NULL ? text_y : "(none)", text_y != NULL ? (ssize_t)strlen(text_y) : 6);
        free(text_x);
        free(text_y);
    }
    json_decref(one);
    json_decref(other);
    return same;
}

/* What the runs say of themselves. */
static void say_claims(FILE *to, const char *directory, unsigned n)
{
    json_t *report = load_report(directory, n), *reason;
    size_t i;
    if (json_is_true(json_object_get(report, "reproducible")))
        fprintf(to, "run %u says of itself that it is reproducible\n", n + 1);
    json_array_foreach(json_object_get(report, "not_reproducible_because"), i, reason)
        fprintf(to, "run %u says of itself: not reproducible: %s\n", n + 1, json_string_value(reason));
    json_decref(report);
}

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static struct reader *open_record(const char *directory, unsigned n, char *why, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/record-%u", directory, n);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        snprintf(why, size, "%s", strerror(errno));
    return fd < 0 ? NULL : reader_open(fd, why, size);
}

/* said: that they differ was told already. */
static bool same_records(FILE *to, const char *directory, unsigned a, unsigned b, bool said)
{
    char name_a[32], name_b[32], why[512] = "", *text = NULL;
    size_t size;
    FILE *words = open_memstream(&text, &size);
    snprintf(name_a, sizeof name_a, "run %u", a + 1);
    snprintf(name_b, sizeof name_b, "run %u", b + 1);
    const struct diff_side side[2] = {{name_a, open_record(directory, a, why, sizeof why)},
                                      {name_b, open_record(directory, b, why, sizeof why)}};
    enum diff_result result = DIFF_FAILED;
    if (words != NULL && side[0].reader != NULL && side[1].reader != NULL)
        result = trace_part(words, side, why, sizeof why);
    if (words != NULL)
        (void)fclose(words);
    if (result != DIFF_SAME && !said)
        fprintf(to, "run %u and run %u differ: only in their records\n", a + 1, b + 1);
    if (result == DIFF_FAILED)
        fprintf(to, "their records cannot be compared: %s\n", why);
    else
        fputs(text != NULL ? text : "", to);
    free(text);
    reader_close(side[0].reader);
    reader_close(side[1].reader);
    return result == DIFF_SAME;
}

bool compare_runs(FILE *to, const char *directory, unsigned a, unsigned b, int status_a, int status_b)
{
    bool same = status_a == status_b;
    if (!same)
        fprintf(to, "run %u and run %u differ: exit status %d and %d\n", a + 1, b + 1, status_a, status_b);
    same = same_text(to, directory, "out", "stdout", a, b) && same;
    same = same_text(to, directory, "err", "stderr", a, b) && same;
    if (same)
        same = same_exports(to, directory, a, b) && same_reports(to, directory, a, b);
    same = same_records(to, directory, a, b, !same) && same;
    if (!same) {
        say_claims(to, directory, a);
        say_claims(to, directory, b);
    }
    return same;
}

void compare_summary(FILE *to, const char *directory, unsigned runs, int status)
{
    json_t *report = load_report(directory, 0);
    fprintf(to, "%u runs, all the same: exit status %d, %" JSON_INTEGER_FORMAT " events\n", runs, status,
            json_integer_value(json_object_get(report, "events")));
    if (!json_is_true(json_object_get(report, "reproducible")))
        say_claims(to, directory, 0);
    json_decref(report);
}
