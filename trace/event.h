/* One event of a record: as a struct, and as the bytes of docs/record-format.md.
 *
 * Whoever records fills a struct event and packs it; whoever reads gets one back from the bytes. Nothing is copied in
 * either direction: the pointers of an unpacked event lead into the bytes that it was unpacked from. Bytes come from
 * anywhere, so that every length is checked against what is there and nothing is allocated. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_RUN = 1,  /* the first: what is run, and as what */
    EVENT_CALL,     /* a call ended */
    EVENT_DATA,     /* memory moved by a call that is still in progress: it would be too much for one event */
    EVENT_BLOCK,    /* a call sleeps; its EVENT_CALL comes when it ends */
    EVENT_SIGNAL,   /* a signal was delivered to a task */
    EVENT_BORN,     /* a task */
    EVENT_EXEC,     /* a task runs another program now */
    EVENT_DIED,     /* a task */
    EVENT_SCHEDULE, /* who runs, and for how many calls at most */
    EVENT_STREAM,   /* bytes of the caller's stdin taken, or of stdout or stderr given out */
    EVENT_OPEN,     /* the name of an open file description; before the first event that speaks of it */
    EVENT_FILE,     /* a given file (one that is there without the guest): before its first piece */
    EVENT_PIECE,    /* the hash of one piece of a given file: before the first use of its bytes */
    EVENT_RULE,     /* a rule of the policy: before the first event that speaks of it */
    EVENT_REAL,     /* something from outside the world came in: the run is not reproducible from here on */
    EVENT_JUMP,     /* everybody slept: the clock went on to the next deadline */
    EVENT_END,      /* the last */
    EVENT_READY,    /* poll(2) said something new of one of the caller's streams */
    EVENT_FORWARD,  /* something came of a real connection (`forward:` in the policy) */
    EVENT_OUTSIDE,  /* a signal of whoever called terrarium was passed on to the guest */
    EVENT_TOLD,     /* a number that the machine told the guest: times (`clock: real`), bytes in memory */
    EVENT_MAPPINGS, /* the mappings of a process that a file of /proc tells of */
    EVENT_KINDS,
};

enum {
    EVENT_ARGUMENTS = 6,
    EVENT_SEGMENTS = 64,           /* of one event, at most */
    EVENT_MOST = 512 << 10,        /* bytes of one event, at most */
    EVENT_SEGMENT_MOST = 64 << 10, /* bytes of one segment, at most */
    EVENT_TEXT_MOST = 64 << 10,    /* of a name, a path, a rule */
    EVENT_DIGEST = 32,             /* BLAKE2b-256 */
    EVENT_PIECE_SIZE = 1 << 20,    /* given files are hashed in pieces of this size; the last is shorter */
};

/* Memory of the guest that a call read or wrote, once. */
struct event_segment {
    bool written; /* to the guest; else read from it */
    enum { SEGMENT_BYTES, SEGMENT_GIVEN, SEGMENT_HASH } kind;
    uint64_t address, size;
    const uint8_t *bytes;  /* BYTES: all `size`; HASH: EVENT_DIGEST of a secret's */
    uint64_t file, offset; /* GIVEN: the bytes are those of a given file (EVENT_FILE) from there on */
};

struct event_text { /* not NUL-terminated */
    const char *text;
    size_t size;
};

enum event_call_flags {
    EVENT_NATIVE = 1, /* the guest's own kernel ran it, on the guest's own memory */
    EVENT_GONE = 2,   /* it did not return: exit, a successful execve, the task died in it */
};

enum { EVENT_OPENS = 4, EVENT_OPEN_RESULT = EVENT_ARGUMENTS };

struct event {
    uint64_t index; /* position in the record, from 0; filled by who reads or adds it, not part of its bytes */
    enum event_kind kind;
    int64_t time; /* virtual: ns since the world began */
    int32_t tid;  /* 0: the world itself */
    union {
        struct { /* EVENT_RUN: a msgpack map, text to anything; read it by trace/cursor.h */
            const uint8_t *map;
            size_t size;
        } run;
        struct { /* EVENT_CALL, EVENT_BLOCK */
            uint64_t nr;
            uint64_t argument[EVENT_ARGUMENTS]; /* as trapped */
            uint8_t argument_count;
            bool has_result;
            int64_t result; /* as the guest gets it: -errno; BLOCK: the deadline, when it has one */
            uint32_t flags; /* enum event_call_flags */
            int64_t began;  /* when it was asked for: == time but for calls that slept */
            uint32_t rule;  /* EVENT_RULE's index + 1; 0: no rule decided */
            uint8_t open_count;
            struct {              /* which open file description a descriptor among the arguments was */
                uint8_t argument; /* EVENT_OPEN_RESULT: the result */
                uint64_t id;
            } open[EVENT_OPENS];
        } call;
        struct {
            int32_t number, code, pid;
            uint32_t uid;
            uint64_t value; /* sigqueue(3)'s, or the address of a fault, or a child's status */
        } signal;
        struct {
            int32_t pid, parent; /* parent: the tid of who made it; 0: the world */
            uint64_t flags;      /* of clone(2) */
        } born;
        struct {
            int32_t pid;
            struct event_text program;
        } exec;
        struct {
            int32_t pid, status; /* status: wait(2)'s word */
            bool last;           /* the process ended with it */
        } died;
        struct {
            uint64_t slice;
        } schedule;
        struct {
            uint32_t number; /* 0, 1, 2 */
            const uint8_t *bytes;
            size_t size;
        } stream;
        struct {
            uint64_t id;
            struct event_text name; /* a path, or as /proc/self/fd/N says: pipe:[7] */
        } open;
        struct {
            uint64_t id, size;
            struct event_text path;
            bool secret; /* its bytes are nowhere in the record */
        } file;
        struct {
            uint64_t file, number, size;
            const uint8_t *digest; /* EVENT_DIGEST bytes, of the piece's `size` bytes */
            bool later;            /* it is not known yet (trace/record.h); no part of the event */
        } piece;
        struct {
            uint32_t index;
            uint32_t line; /* 0: none */
            struct event_text action, text, note;
        } rule;
        struct {
            struct event_text what;
        } real;
        struct {
            int64_t from;
        } jump;
        struct {
            uint32_t number, events; /* POLL*; or 2^31 + the bytes that FIONREAD said */
        } ready;
        struct {
            uint32_t number, what; /* of the connection; enum forward_what (network/forward.h) */
            uint64_t value;
            const uint8_t *bytes;
            size_t size;
        } forward;
        struct {
            int32_t number;
        } outside;
        struct {
            uint32_t what; /* 0: CPU time of a process; 1: the clock, at an RDTSC; 2: bytes in memory */
            int64_t value; /* ns, or bytes */
        } told;
        struct {
            bool goes_on;            /* in the next */
            struct event_text lines; /* kernel/mappings.c */
        } mappings;
        struct {
            struct event_text verdict;
            int32_t status;      /* what terrarium exits with */
            int32_t wait_status; /* wait(2)'s word of the first program */
        } end;
    };
    uint32_t segment_count; /* EVENT_CALL, EVENT_DATA */
    struct event_segment segment[EVENT_SEGMENTS];
};

/* A growing buffer that events are packed into. */
struct event_buffer {
    uint8_t *bytes;
    size_t size, room;
};
int event_buffer_append(struct event_buffer *b, const void *bytes, size_t n); /* 0 or -ENOMEM */
void event_buffer_free(struct event_buffer *b);

/* Appends the event's bytes. 0 or -ENOMEM (the buffer is then as before). */
int event_pack(struct event_buffer *b, const struct event *e);
/* From bytes [0, n), which hold exactly one event or begin with one: returns how many bytes it is, or 0 with `why` set to
 * a literal. Bytes behind the fields known here are skipped, as a later version may add some. */
size_t event_unpack(const uint8_t *bytes, size_t n, struct event *e, const char **why);

const char *event_kind_name(enum event_kind k);

#endif
