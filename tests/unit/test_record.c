// rooms: trace policy kernel/sysent kernel/describe kernel/names
/* The record: what is written is read, in any prefix, and nothing else is believed. */
#include "trace/context.h"
#include "trace/decode.h"
#include "trace/diff.h"
#include "trace/facts.h"
#include "trace/filter.h"
#include "trace/format.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace/text.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct event made; /* too big for a stack of many */

static struct event *blank(enum event_kind kind, int64_t time, int32_t tid)
{
    memset(&made, 0, sizeof made);
    made.kind = kind;
    made.time = time;
    made.tid = tid;
    return &made;
}

static struct event_text text(const char *t)
{
    return (struct event_text){t, strlen(t)};
}

static void add_run(struct record *r)
{
    struct facts f;
    static const char *const argv[] = {"python3", "x.py"};
    facts_begin(&f);
    facts_text(&f, "program", "/usr/bin/python3");
    facts_texts(&f, "argv", 2, argv);
    facts_unsigned(&f, "seed", UINT64_MAX);
    facts_end(&f);
    struct event *e = blank(EVENT_RUN, 0, 0);
    e->run.map = f.buffer.bytes;
    e->run.size = f.buffer.size;
    assert_int_equal(record_add(r, e), 0);
    event_buffer_free(&f.buffer);
}

static void add_openat(struct record *r, int64_t time, const char *path, int64_t result)
{
    struct event *e = blank(EVENT_CALL, time, 2);
    e->call.nr = SYS_openat;
    e->call.argument_count = 4;
    e->call.argument[0] = (uint64_t)(int64_t)AT_FDCWD;
    e->call.argument[1] = 0x7000;
    e->call.has_result = true;
    e->call.result = result;
    e->call.began = time;
    e->segment_count = 1;
    e->segment[0] = (struct event_segment){.address = 0x7000, .size = strlen(path) + 1, .bytes = (const uint8_t *)path};
    assert_int_equal(record_add(r, e), 0);
}

/* One of each kind. */
static void add_all(struct record *r)
{
    static const uint8_t digest[EVENT_DIGEST] = {1, 2, 3};
    struct event *e;
    add_run(r);
    e = blank(EVENT_BORN, 0, 2);
    e->born.pid = 2;
    e->born.flags = 17;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_EXEC, 0, 2);
    e->exec.pid = 2;
    e->exec.program = text("/usr/bin/python3");
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_SCHEDULE, 0, 2);
    e->schedule.slice = 40;
    assert_int_equal(record_add(r, e), 0);
    add_openat(r, 10, "/etc/passwd", 3);
    e = blank(EVENT_OPEN, 20, 2);
    e->open.id = 9;
    e->open.name = text("/etc/passwd");
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_FILE, 20, 2);
    e->file.id = 50;
    e->file.path = text("/etc/passwd");
    e->file.size = 12;
    e->file.secret = true;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_PIECE, 20, 2);
    e->piece.file = 50;
    e->piece.size = 12;
    e->piece.digest = digest;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_RULE, 20, 2);
    e->rule.line = 7;
    e->rule.action = text("deny");
    e->rule.text = text("deny read");
    e->rule.note = text("no");
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_CALL, 20, 2);
    e->call.nr = SYS_read;
    e->call.argument_count = 3;
    e->call.argument[0] = 3;
    e->call.argument[1] = 0x8000;
    e->call.argument[2] = 100;
    e->call.has_result = true;
    e->call.result = -EACCES;
    e->call.began = 15;
    e->call.rule = 1;
    e->call.open_count = 1;
    e->call.open[0].id = 9;
    e->segment_count = 3;
    e->segment[0] = (struct event_segment){
        .written = true, .kind = SEGMENT_GIVEN, .address = 0x8000, .size = 12, .file = 50, .offset = 4};
    e->segment[1] =
        (struct event_segment){.written = true, .kind = SEGMENT_HASH, .address = 0x9000, .size = 5, .bytes = digest};
    e->segment[2] =
        (struct event_segment){.written = true, .address = 0xa000, .size = 3, .bytes = (const uint8_t *)"abc"};
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_BLOCK, 30, 2);
    e->call.nr = SYS_pause;
    e->call.has_result = true;
    e->call.result = 1000;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_JUMP, 1000, 0);
    e->jump.from = 30;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_SIGNAL, 1000, 2);
    e->signal.number = 10;
    e->signal.code = -6;
    e->signal.pid = 3;
    e->signal.uid = UINT32_MAX;
    e->signal.value = UINT64_MAX;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_DATA, 1000, 2);
    e->segment_count = 1;
    e->segment[0] = (struct event_segment){.written = true, .address = UINT64_MAX, .size = 4, .bytes = digest};
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_STREAM, 1000, 2);
    e->stream.number = 1;
    e->stream.bytes = (const uint8_t *)"hello\n";
    e->stream.size = 6;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_READY, 1000, 2);
    e->ready.number = 1;
    e->ready.events = 4; /* POLLOUT */
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_FORWARD, 1000, 2);
    e->forward.number = 1;
    e->forward.what = 2;
    e->forward.value = UINT64_MAX;
    e->forward.bytes = (const uint8_t *)"there";
    e->forward.size = 5;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_OUTSIDE, 1000, 2);
    e->outside.number = 2; /* SIGINT */
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_TOLD, 1000, 2);
    e->told.what = 1;
    e->told.ns = -1;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_REAL, 1000, 2);
    e->real.what = text("clock: real");
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_DIED, 1000, 2);
    e->died.pid = 2;
    e->died.status = 0x100;
    e->died.last = true;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_END, 1000, 0);
    e->end.verdict = text("exit");
    e->end.status = 1;
    e->end.wait_status = 0x100;
    assert_int_equal(record_add(r, e), 0);
}

enum { ALL_EVENTS = 22 };

static int memory_file(void)
{
    int fd = memfd_create("record", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A whole record in memory: its bytes, to be freed. blocks: a flush behind every event. */
static uint8_t *whole(size_t *n, bool blocks, const uint8_t *secret)
{
    int fd = memory_file(), copy = dup(fd);
    struct record *r = record_begin(fd);
    static const uint8_t machine[] = {0x81, 0xa3, 'c', 'p', 'u', 0xa1, 'x'};
    assert_non_null(r);
    assert_int_equal(record_machine(r, machine, sizeof machine), 0);
    add_all(r);
    if (blocks)
        assert_int_equal(record_flush(r), 0);
    assert_int_equal(record_finish(r, secret), 0);
    assert_int_equal(record_events(r), ALL_EVENTS);
    *n = (size_t)record_bytes(r);
    record_free(r);
    uint8_t *bytes = malloc(*n);
    assert_int_equal(pread(copy, bytes, *n, 0), *n);
    close(copy);
    return bytes;
}

static struct reader *reader_over(const uint8_t *bytes, size_t n)
{
    char why[256];
    int fd = memory_file();
    assert_int_equal(write(fd, bytes, n), n);
    return reader_open(fd, why, sizeof why);
}

static enum reader_result drain(struct reader *r, uint64_t *events)
{
    static struct event e;
    enum reader_result result;
    *events = 0;
    while ((result = reader_next(r, &e)) == READER_EVENT)
        assert_int_equal(e.index, (*events)++);
    return result;
}

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

/* ---- words ---------------------------------------------------------------------------------------------------------- */

static void text_reads_as_strace_does(void **state)
{
    static const char expected[] = "2     openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY) = 3\n"
                                   "2     <... read resumed><12 bytes of the file at 4>, 100) = -1 EACCES (Permission "
                                   "denied)  <deny, line 7: \"no\">\n"
                                   "2     pause( <unfinished ...>\n"
                                   "2     --- SIGUSR1 {si_signo=SIGUSR1, si_code=-6, si_pid=3, si_uid=4294967295} ---\n"
                                   "2     --- SIGINT from outside ---\n"
                                   "2     --- not reproducible from here: \"clock: real\" ---\n"
                                   "2     +++ exited with 1 +++\n";
    size_t n, length = 0;
    char *printed = NULL;
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    struct trace_context *c = trace_context_new();
    static struct event e;
    static struct trace_text t;
    t = (struct trace_text){.to = open_memstream(&printed, &length), .context = c};
    while (reader_next(r, &e) == READER_EVENT) {
        assert_int_equal(trace_context_see(c, &e), 0);
        trace_text_event(&t, &e);
    }
    trace_text_end(&t);
    fclose(t.to);
    assert_string_equal(printed, expected);
    free(printed);
    trace_context_free(c);
    reader_close(r);
    free(bytes);
}

static uint64_t taken(const char *filter)
{
    size_t n;
    char why[512] = "";
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    struct trace_context *c = trace_context_new();
    struct trace_filter *f = trace_filter_parse(filter, why, sizeof why);
    static struct event e;
    uint64_t count = 0;
    assert_string_equal(why, "");
    assert_non_null(f);
    while (reader_next(r, &e) == READER_EVENT) {
        assert_int_equal(trace_context_see(c, &e), 0);
        count += trace_filter_takes(f, c, &e);
    }
    trace_filter_free(f);
    trace_context_free(c);
    reader_close(r);
    free(bytes);
    return count;
}

static void filters_take_what_they_say(void **state)
{
    static const struct {
        const char *filter;
        uint64_t taken;
    } cases[] = {
        {"kind=call", 2},
        {"kind=call,block", 3},
        {"not kind=call", ALL_EVENTS - 2},
        {"call=openat", 1},
        {"call=read,openat", 2},
        {"call=%file", 2},
        {"call!=read and kind=call", 1},
        {"path=/etc/passwd and kind=call", 2},
        {"path=/etc/*", 4},
        {"path=/etc/**", 4},
        {"path=/etc and kind=call", 0},
        {"path=/*", 0},
        {"path=/**/passwd", 4},
        {"path=/etc/passw?", 4},
        {"pid=2 and kind=call", 2},
        {"tid=0", 3},
        {"time>=1us", 11},
        {"time<10ns", 4},
        {"time=10ns", 1},
        {"result=EACCES", 1},
        {"result=error", 1},
        {"result=ok", 1},
        {"result=3", 1},
        {"result>2", 1},
        {"rule=any", 1},
        {"rule=deny", 1},
        {"rule=7", 1},
        {"rule=none and kind=call", 1},
        {"event<3", 3},
        {"kind=call and (result=error or call=openat)", 2},
        {"(kind=call)", 2},
        {"not (kind=call or kind=block)", ALL_EVENTS - 3},
        {"path='/etc/passwd' and kind=call", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (taken(cases[i].filter) != cases[i].taken)
            fail_msg("%s takes %llu, not %llu", cases[i].filter, (unsigned long long)taken(cases[i].filter),
                     (unsigned long long)cases[i].taken);
}

static void filters_that_are_none_say_why(void **state)
{
    static const struct {
        const char *filter, *why;
    } cases[] = {
        {"", "filter, column 1: expected a test, such as call=openat"},
        {"cal=openat",
         "filter, column 1: no test 'cal' (there are pid, tid, call, path, time, result, rule, kind, event)"},
        {"call", "filter, column 5: expected =, !=, <, <=, > or >="},
        {"call=opnat", "filter, column 6: no call 'opnat' (did you mean 'openat'?)"},
        {"call<read", "filter, column 6: call can be = or != only"},
        {"kind=cal", "filter, column 6: no kind 'cal' of event"},
        {"time>5", "filter, column 6: '5' is no time: a number and one of ns, us, ms, s, m, h, d"},
        {"pid=x", "filter, column 5: pid: 'x' is no number"},
        {"result=EFOO", "filter, column 8: result: 'EFOO' is neither ok, error, a number nor the name of an error"},
        {"(call=read", "filter, column 11: expected ')'"},
        {"call=read call=write", "filter, column 11: expected 'and', 'or' or the end"},
        {"call=read and", "filter, column 14: expected a test, such as call=openat"},
        {"path='x", "filter, column 6: the quote is not closed"},
        {"path=", "filter, column 6: expected a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[512] = "";
        assert_null(trace_filter_parse(cases[i].filter, why, sizeof why));
        assert_string_equal(why, cases[i].why);
    }
    char deep[200], why[512];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_null(trace_filter_parse(deep, why, sizeof why));
}

static void differences_are_found(void **state)
{
    char why[256], *printed = NULL;
    size_t length = 0, n;
    int fd = memory_file(), copy = dup(fd);
    struct record *w = record_begin(fd);
    add_all(w);
    add_openat(w, 2000, "/tmp/more", 4);
    record_finish(w, NULL);
    record_free(w);
    uint8_t *bytes = whole(&n, false, NULL);
    struct diff_side side[2] = {{"one", reader_over(bytes, n)}, {"two", reader_open(copy, why, sizeof why)}};
    FILE *to = open_memstream(&printed, &length);
    assert_int_equal(trace_diff(to, side, why, sizeof why), DIFF_DIFFERENT);
    fclose(to);
    assert_non_null(strstr(printed, "they part at event 22:"));
    assert_non_null(strstr(printed, "A (the run is over)"));
    assert_non_null(strstr(printed, "B 2     openat(AT_FDCWD, \"/tmp/more\", O_RDONLY) = 4"));
    assert_non_null(strstr(printed, "openat                      1        2"));
    assert_non_null(strstr(printed, "\"/tmp/more\""));
    free(printed);
    reader_close(side[0].reader);
    reader_close(side[1].reader);
    struct diff_side same[2] = {{"one", reader_over(bytes, n)}, {"one", reader_over(bytes, n)}};
    assert_int_equal(trace_diff(stdout, same, why, sizeof why), DIFF_SAME);
    reader_close(same[0].reader);
    reader_close(same[1].reader);
    free(bytes);
}

/* Overlong forms, halves of pairs and what is beyond Unicode are no UTF-8; C1 control characters are obeyed by terminals. */
static void a_terminal_is_given_no_orders(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x8d", "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x8d"},
        {"\x1b[31m\r\n\t\x7f", "\\033[31m\\015\\012\t\\177"},
        {"\xc2\x9b"
         "2J\x9b",
         "\\302\\233"
         "2J\\233"},
        {"\xc0\x9b\xe0\x82\x9b\xf0\x80\x80\x9b", "\\300\\233\\340\\202\\233\\360\\200\\200\\233"},
        {"\xed\xa0\x80\xf4\x90\x80\x80\xff", "\\355\\240\\200\\364\\220\\200\\200\\377"},
        {"cut \xe2\x82", "cut \\342\\202"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = NULL;
        size_t n;
        FILE *to = open_memstream(&shown, &n);
        assert_non_null(to);
        decode_plain(to, cases[i].text, strlen(cases[i].text), "\t");
        assert_int_equal(fclose(to), 0);
        assert_string_equal(shown, cases[i].shown);
        free(shown);
    }
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
        cmocka_unit_test(text_reads_as_strace_does),
        cmocka_unit_test(filters_take_what_they_say),
        cmocka_unit_test(filters_that_are_none_say_why),
        cmocka_unit_test(differences_are_found),
        cmocka_unit_test(a_manifest_has_an_end),
        cmocka_unit_test(a_terminal_is_given_no_orders),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
