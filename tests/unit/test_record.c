// rooms: trace policy kernel/sysent kernel/describe kernel/names
/* The record: what is written is read, in any prefix, and nothing else is believed. */
#include "tests/unit/record_fixture.h"

#include "trace/format.h"

#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- writing and reading -------------------------------------------------------------------------------------------- */

static void each_kind_comes_back(void **state)
{
    size_t n;
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    struct event_buffer again = {0};
    static struct event e;
    struct event_buffer all = {0};
    int fd = memory_file();
    struct record *copy = record_begin(fd);
    bool seen[EVENT_KINDS] = {false};
    while (reader_next(r, &e) == READER_EVENT) {
        seen[e.kind] = true;
        again.size = 0;
        const char *why;
        static struct event twice;
        assert_int_equal(event_pack(&again, &e), 0);
        assert_int_equal(event_unpack(again.bytes, again.size, &twice, &why), again.size);
        assert_int_equal(event_pack(&all, &twice), 0);
        assert_int_equal(record_add(copy, &e), 0);
    }
    for (int k = 1; k < EVENT_KINDS; k++)
        assert_true(seen[k]);
    assert_true(reader_whole(r));
    assert_int_equal(record_flush(copy), 0);
    assert_memory_equal(record_head(copy), reader_head(r), EVENT_DIGEST);
    event_buffer_free(&again);
    event_buffer_free(&all);
    record_free(copy);
    reader_close(r);
    free(bytes);
}

static void fields_come_back(void **state)
{
    size_t n;
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    static struct event e;
    assert_true(reader_seek(r, 9));
    assert_int_equal(reader_next(r, &e), READER_EVENT);
    assert_int_equal(e.kind, EVENT_CALL);
    assert_int_equal(e.call.nr, SYS_read);
    assert_int_equal(e.call.result, -EACCES);
    assert_int_equal(e.call.began, 15);
    assert_int_equal(e.call.rule, 1);
    assert_int_equal(e.call.open_count, 1);
    assert_int_equal(e.call.open[0].id, 9);
    assert_int_equal(e.segment_count, 3);
    assert_int_equal(e.segment[0].kind, SEGMENT_GIVEN);
    assert_int_equal(e.segment[0].offset, 4);
    assert_int_equal(e.segment[1].kind, SEGMENT_HASH);
    assert_memory_equal(e.segment[2].bytes, "abc", 3);
    assert_int_equal(reader_next(r, &e), READER_EVENT);
    assert_int_equal(e.call.result, 1000);
    assert_true(reader_seek(r, 12));
    assert_int_equal(reader_next(r, &e), READER_EVENT);
    assert_int_equal(e.signal.uid, UINT32_MAX);
    assert_true(e.signal.value == UINT64_MAX);
    assert_false(reader_seek(r, ALL_EVENTS + 1));
    reader_close(r);
    free(bytes);
}

static void the_head_knows_nothing_of_blocks(void **state)
{
    struct record *a = record_begin(-1), *b = record_begin(-1);
    for (int i = 0; i < 100; i++) {
        add_openat(a, i, "/x", i);
        add_openat(b, i, "/x", i);
        if (i % 7 == 0)
            assert_int_equal(record_flush(b), 0);
    }
    assert_int_equal(record_flush(a), 0);
    assert_int_equal(record_flush(b), 0);
    assert_memory_equal(record_head(a), record_head(b), EVENT_DIGEST);
    add_openat(a, 100, "/x", 1);
    add_openat(b, 100, "/y", 1);
    assert_int_equal(record_flush(a), 0);
    assert_int_equal(record_flush(b), 0);
    assert_memory_not_equal(record_head(a), record_head(b), EVENT_DIGEST);
    record_free(a);
    record_free(b);
}

static void many_blocks_and_any_place(void **state)
{
    enum { MANY = 20000 };
    int fd = memory_file(), copy = dup(fd);
    struct record *w = record_begin(fd);
    static struct event e;
    for (int i = 0; i < MANY; i++) {
        char path[64];
        snprintf(path, sizeof path, "/some/directory/file%d", i);
        add_openat(w, i, path, i);
    }
    assert_int_equal(record_finish(w, NULL), 0);
    record_free(w);
    char why[256];
    struct reader *r = reader_open(copy, why, sizeof why);
    assert_true(reader_blocks(r) > 3);
    assert_int_equal(reader_events(r), MANY);
    for (uint64_t at = 7; at < MANY; at = at * 5 + 3) {
        assert_true(reader_seek(r, at));
        assert_int_equal(reader_next(r, &e), READER_EVENT);
        assert_int_equal(e.call.result, at);
    }
    assert_true(reader_seek(r, MANY));
    assert_int_equal(reader_next(r, &e), READER_END);
    reader_close(r);
}

static void content_is_kept_by_its_hash(void **state)
{
    int fd = memory_file(), copy = dup(fd);
    struct record *w = record_begin(fd);
    uint8_t digest[EVENT_DIGEST], other[EVENT_DIGEST] = {9};
    char bytes[5000], why[256];
    size_t size;
    memset(bytes, 'x', sizeof bytes);
    crypto_generichash(digest, sizeof digest, (uint8_t *)bytes, sizeof bytes, NULL, 0);
    add_run(w);
    assert_int_equal(record_content(w, digest, bytes, sizeof bytes), 0);
    assert_int_equal(record_content(w, other, bytes, 10), 0); /* a lie */
    assert_int_equal(record_finish(w, NULL), 0);
    record_free(w);
    struct reader *r = reader_open(copy, why, sizeof why);
    static char got[EVENT_PIECE_SIZE];
    assert_int_equal(reader_contents(r), 2);
    assert_true(reader_has_content(r, digest, &size));
    assert_int_equal(size, sizeof bytes);
    assert_int_equal(reader_content(r, digest, got), sizeof bytes);
    assert_memory_equal(got, bytes, sizeof bytes);
    assert_int_equal(reader_content(r, other, got), -EBADMSG);
    other[0] = 8;
    assert_int_equal(reader_content(r, other, got), -ENOENT);
    reader_close(r);
}

/* A file of a few hundred KiB that would be a quarter of a GiB, and a byte more. */
static void a_manifest_has_an_end(void **state)
{
    int fd = memory_file(), copy = dup(fd);
    struct record *w = record_begin(fd);
    static uint8_t part[EVENT_PIECE_SIZE];
    uint8_t *got;
    char why[256];
    size_t n;
    randombytes_buf(part, 1200);
    add_run(w);
    for (unsigned i = 0; i < RECORD_MANIFEST_MOST / EVENT_PIECE_SIZE; i++)
        assert_int_equal(record_manifest(w, part, sizeof part), 0);
    assert_int_equal(record_manifest(w, part, 1), -E2BIG);
    record_free(w);
    struct stat st;
    assert_int_equal(fstat(copy, &st), 0);
    size_t chunk = (size_t)(st.st_size - RECORD_HEADER) / (RECORD_MANIFEST_MOST / EVENT_PIECE_SIZE);
    assert_true(chunk < sizeof part); /* nobody wrote this one */
    assert_int_equal(pread(copy, part, chunk, RECORD_HEADER), chunk);
    assert_int_equal(pwrite(copy, part, chunk, st.st_size), chunk);
    struct reader *r = reader_open(copy, why, sizeof why);
    assert_int_equal(reader_manifest(r, &got, &n), -EBADMSG);
    reader_close(r);
    w = record_begin(memory_file());
    assert_int_equal(record_manifest(w, part, (size_t)RECORD_MANIFEST_MOST + 1), -E2BIG);
    record_free(w);
}

/* ---- what is not as it was ------------------------------------------------------------------------------------------ */

/* Cut at every byte: whatever is read is what was written, and that it is not all is said. */
static void every_prefix_is_readable(void **state)
{
    size_t n;
    uint8_t *bytes = whole(&n, true, NULL);
    for (size_t cut = 0; cut < n; cut++) {
        struct reader *r = reader_over(bytes, cut);
        uint64_t events;
        if (cut < RECORD_HEADER) {
            assert_null(r);
            continue;
        }
        assert_non_null(r);
        assert_false(reader_whole(r));
        assert_int_equal(drain(r, &events), READER_CUT);
        assert_true(events == 0 || events == ALL_EVENTS);
        assert_true(strlen(reader_why(r)) > 20);
        reader_close(r);
    }
    free(bytes);
}

/* Any bit turned: damaged, or no record at all; never another run. But zstd has bits that nobody looks at: who
 * turns them changes nothing of what is read. */
static void every_bit_counts(void **state)
{
    size_t n;
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public_key[32], key[32];
    crypto_sign_keypair(public_key, secret);
    uint8_t *bytes = whole(&n, true, secret);
    const uint8_t *frame = memmem(bytes, n, "\x28\xb5\x2f\xfd", 4);
    const uint8_t *chunk = memmem(bytes, n, "EVTS", 4);
    const uint8_t *frame_end = chunk + RECORD_CHUNK_HEADER + record_number(chunk + 4, 4);
    for (size_t bit = 0; bit < n * 8; bit++) {
        if (bit / 8 >= 10 && bit / 8 < RECORD_HEADER)
            continue; /* reserved: not looked at */
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct reader *r = reader_over(bytes, n);
        if (r != NULL) {
            uint64_t events;
            enum reader_result result = drain(r, &events);
            if (result == READER_END) /* what no hash chain covers, the signature does */
                if (reader_signature(r, key) == SIGNATURE_GOOD && memcmp(key, public_key, 32) == 0 &&
                    (bytes + bit / 8 < frame || bytes + bit / 8 >= frame_end))
                    fail_msg("byte %zu of %zu (%s) can be changed", bit / 8, n, reader_why(r));
            reader_close(r);
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes);
}

static void a_signature_is_of_one_record(void **state)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public_key[32], key[32];
    size_t n, plain;
    crypto_sign_keypair(public_key, secret);
    uint8_t *bytes = whole(&n, false, secret), *without = whole(&plain, false, NULL);
    struct reader *r = reader_over(bytes, n), *u = reader_over(without, plain);
    assert_int_equal(reader_signature(r, key), SIGNATURE_GOOD);
    assert_memory_equal(key, public_key, sizeof key);
    assert_int_equal(reader_signature(u, key), SIGNATURE_NONE);
    assert_memory_equal(reader_head(r), reader_head(u), EVENT_DIGEST);
    reader_close(r);
    reader_close(u);
    free(bytes);
    free(without);
}

static void other_files_are_no_records(void **state)
{
    char why[256];
    assert_null(reader_over((const uint8_t *)"", 0));
    assert_null(reader_over((const uint8_t *)"#!/bin/sh\necho hello\n", 21));
    assert_null(reader_over((const uint8_t *)RECORD_MAGIC "\2\0\0\0\0\0\0\0", 16)); /* another version */
    assert_null(reader_open(open("/", O_RDONLY | O_DIRECTORY), why, sizeof why));
    assert_string_equal(why, "not a regular file");
}

/* A full disk: the first error stays, and what was written before can be read. */
static void a_full_disk_is_told(void **state)
{
    char name[] = "/tmp/terrarium-record-XXXXXX", why[256];
    int fd = mkstemp(name);
    uint64_t events;
    assert_true(fd >= 0);
    struct rlimit before, small = {.rlim_cur = 20000, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct record *w = record_begin(fd);
    static struct event e;
    int error = 0;
    uint64_t chance = 1;
    for (int i = 0; i < 100000 && error == 0; i++) {
        memset(&e, 0, sizeof e);
        e.kind = EVENT_SCHEDULE;
        e.schedule.slice = chance = chance * 6364136223846793005u + 1442695040888963407u;
        error = record_add(w, &e);
        if (i % 100 == 0 && error == 0)
            error = record_flush(w);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(error, -EFBIG);
    assert_int_equal(record_finish(w, NULL), -EFBIG);
    uint64_t written = record_written(w);
    record_free(w);
    struct reader *r = reader_open(open(name, O_RDONLY), why, sizeof why);
    assert_int_equal(drain(r, &events), READER_CUT);
    assert_int_equal(events, written);
    assert_true(events > 500);
    reader_close(r);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_comes_back),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(the_head_knows_nothing_of_blocks),
        cmocka_unit_test(many_blocks_and_any_place),
        cmocka_unit_test(content_is_kept_by_its_hash),
        cmocka_unit_test(every_prefix_is_readable),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(a_signature_is_of_one_record),
        cmocka_unit_test(other_files_are_no_records),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_manifest_has_an_end),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
