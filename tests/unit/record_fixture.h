/* Records made in memory, for the tests of trace/: one event of each kind, and a reader over bytes. */
#ifndef TESTS_UNIT_RECORD_FIXTURE_H
#define TESTS_UNIT_RECORD_FIXTURE_H

#include "trace/facts.h"
#include "trace/reader.h"
#include "trace/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static struct event made; /* too big for a stack of many */

static inline struct event *blank(enum event_kind kind, int64_t time, int32_t tid)
{
    memset(&made, 0, sizeof made);
    made.kind = kind;
    made.time = time;
    made.tid = tid;
    return &made;
}

static inline struct event_text text(const char *t)
{
    return (struct event_text){t, strlen(t)};
}

static inline void add_run(struct record *r)
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

static inline void add_openat(struct record *r, int64_t time, const char *path, int64_t result)
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
static inline void add_all(struct record *r)
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
    e->told.value = -1;
    assert_int_equal(record_add(r, e), 0);
    e = blank(EVENT_MAPPINGS, 1000, 2);
    e->mappings.goes_on = true;
    e->mappings.lines = text("1000-2000 r--pf 0 8:1 7 0 /a\n");
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

enum { ALL_EVENTS = 23 };

static inline int memory_file(void)
{
    int fd = memfd_create("record", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A whole record in memory: its bytes, to be freed. blocks: a flush behind every event. */
static inline uint8_t *whole(size_t *n, bool blocks, const uint8_t *secret)
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

static inline struct reader *reader_over(const uint8_t *bytes, size_t n)
{
    char why[256];
    int fd = memory_file();
    assert_int_equal(write(fd, bytes, n), n);
    return reader_open(fd, why, sizeof why);
}

static inline enum reader_result drain(struct reader *r, uint64_t *events)
{
    static struct event e;
    enum reader_result result;
    *events = 0;
    while ((result = reader_next(r, &e)) == READER_EVENT)
        assert_int_equal(e.index, (*events)++);
    return result;
}

#endif
