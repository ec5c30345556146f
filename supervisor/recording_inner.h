/* What the files of a recording share: recording.c (beginning, end, facts), recording_calls.c (what a call moved), recording_files.c
 * (which bytes of given files were used), recording_events.c (everything else that happens). Nobody else includes this. */
#ifndef SUPERVISOR_RECORDING_INNER_H
#define SUPERVISOR_RECORDING_INNER_H

#include "kernel/recorder.h"
#include "supervisor/number_set.h"
#include "supervisor/recording.h"
#include "trace/event.h"

#include <sodium.h>
#include <string.h>

struct bundle;

/* What is kept of a call in progress: call->recorded. */
struct kept {
    struct kept *next, *previous;                 /* in recording->kept */
    struct event_segment segment[EVENT_SEGMENTS]; /* BYTES, HASH: `offset` is into bytes until they are told */
    uint32_t segment_count;
    uint8_t *bytes;
    size_t size, room;
    int64_t began;
    uint32_t rule;
    struct {
        uint8_t argument;
        uint64_t id;
    } open[EVENT_OPENS];
    uint8_t open_count;
    struct file *source; /* what is written to the guest comes from there; NULL: who knows */
    uint64_t source_at;
    struct file_given given;
    bool is_given, is_secret;
};

/* A given file's name, or a piece of it: what recording_tree() is made of. */
struct used {
    char *path; /* NULL: a piece */
    uint64_t number;
    const uint8_t *digest; /* the bundle's, which may come later; NULL: it is `own` */
    uint8_t own[EVENT_DIGEST];
};

struct recording {
    struct recorder recorder; /* first: the world knows this */
    struct world *world;
    struct record *record; /* NULL: somebody watches, and nothing is written */
    char *path;
    int error; /* the first; the run ends of it */
    void (*watch)(void *context, const struct event *e);
    void *watch_context;
    struct kept *kept, *spare;
    struct number_set opens, files, pieces, rules;
    struct bundle *bundle;         /* borrowed; NULL: nothing is written */
    struct worker *worker;         /* NULL: everything is done at once */
    const struct secrets *secrets; /* borrowed */
    struct used *used;             /* what the events named of given files */
    size_t used_count, used_room;
    int64_t stretch;     /* of the world's CPU time, in recording_computed() */
    uint64_t events;     /* when there is no record */
    uint8_t *piece;      /* room for one */
    struct event event;  /* the one being made */
    const uint8_t *sign; /* Ed25519 secret key, or NULL */
};

static inline struct recording *recording_of(struct recorder *r)
{
    return (struct recording *)r;
}

static inline struct event_text recording_text(const char *text, size_t most)
{
    return (struct event_text){text, strnlen(text, most)};
}

/* The event to be filled, at the world's time, and telling it. */
struct event *recording_event(struct recording *r, enum event_kind kind, int32_t tid);
void recording_tell(struct recording *r, struct event *e);
/* A record that cannot go on ends the run: a run whose evidence is lost is not what was asked for. */
void recording_failed(struct recording *r, int error);

/* recording_files.c: names the pieces that bytes [offset, + length) of a given file are in, those that were not named before. */
/* A call can map a file of any length, all of which is hashed: limits and signals are looked at meanwhile. False: the run is over. */
bool recording_goes_on(struct recording *r);
bool recording_is_secret(const struct recording *r, uint64_t ino);
void recording_forget_used(struct recording *r);
void recording_name_pieces(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                           uint64_t offset, uint64_t length);

/* What the world's recorder is told with: a row of functions from each file. */
void recording_calls_tell(struct recorder *to);  /* recording_calls.c */
void recording_events_tell(struct recorder *to); /* recording_events.c */
void recording_calls_free(struct recording *r);

#endif
