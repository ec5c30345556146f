/* Events as bytes: one table says, for each kind, what stands in its array behind kind, time and tid. Packing and
 * unpacking read the same table, so that they cannot disagree. */
#include "trace/event.h"

#include "trace/cursor.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum field_type { FIELD_U32, FIELD_U64, FIELD_I32, FIELD_I64, FIELD_BOOL, FIELD_TEXT, FIELD_DIGEST, FIELD_SPECIAL };

struct field {
    enum field_type type;
    size_t offset; /* in struct event */
};

enum { FIELDS_MOST = 6 };

#define F(type, member)                                                                                                \
    {                                                                                                                  \
        FIELD_##type, offsetof(struct event, member)                                                                   \
    }
#define SPECIAL                                                                                                        \
    {                                                                                                                  \
        FIELD_SPECIAL, 0                                                                                               \
    }
static const struct kind {
    const char *name;
    uint8_t count;
    struct field field[FIELDS_MOST];
} kinds[EVENT_KINDS] = {
    [EVENT_RUN] = {"run", 1, {SPECIAL}},
    [EVENT_CALL] = {"call", 4, {SPECIAL}},
    [EVENT_DATA] = {"data", 1, {SPECIAL}},
    [EVENT_BLOCK] = {"block", 3, {SPECIAL}},
    [EVENT_SIGNAL] = {"signal",
                      5,
                      {F(I32, signal.number), F(I32, signal.code), F(I32, signal.pid), F(U32, signal.uid),
                       F(U64, signal.value)}},
    [EVENT_BORN] = {"born", 3, {F(I32, born.pid), F(I32, born.parent), F(U64, born.flags)}},
    [EVENT_EXEC] = {"exec", 2, {F(I32, exec.pid), F(TEXT, exec.program)}},
    [EVENT_DIED] = {"died", 3, {F(I32, died.pid), F(I32, died.status), F(BOOL, died.last)}},
    [EVENT_SCHEDULE] = {"schedule", 1, {F(U64, schedule.slice)}},
    [EVENT_STREAM] = {"stream", 2, {SPECIAL}},
    [EVENT_OPEN] = {"open", 2, {F(U64, open.id), F(TEXT, open.name)}},
    [EVENT_FILE] = {"file", 4, {F(U64, file.id), F(TEXT, file.path), F(U64, file.size), F(BOOL, file.secret)}},
    [EVENT_PIECE] = {"piece",
                     4,
                     {F(U64, piece.file), F(U64, piece.number), F(U64, piece.size), F(DIGEST, piece.digest)}},
    [EVENT_RULE] = {"rule",
                    5,
                    {F(U32, rule.index), F(U32, rule.line), F(TEXT, rule.action), F(TEXT, rule.text),
                     F(TEXT, rule.note)}},
    [EVENT_REAL] = {"real", 1, {F(TEXT, real.what)}},
    [EVENT_JUMP] = {"jump", 1, {F(I64, jump.from)}},
    [EVENT_READY] = {"ready", 2, {F(U32, ready.number), F(U32, ready.events)}},
    [EVENT_FORWARD] = {"forward", 4, {SPECIAL}},
    [EVENT_OUTSIDE] = {"outside", 1, {F(I32, outside.number)}},
    [EVENT_TOLD] = {"told", 2, {F(U32, told.what), F(I64, told.value)}},
    [EVENT_MAPPINGS] = {"mappings", 2, {F(BOOL, mappings.goes_on), F(TEXT, mappings.lines)}},
    [EVENT_END] = {"end", 3, {F(TEXT, end.verdict), F(I32, end.status), F(I32, end.wait_status)}},
};

/* Keys of a call's map. */
enum { KEY_SEGMENTS, KEY_RULE, KEY_OPENS, KEY_BEGAN, KEY_FLAGS };
enum { HEAD_FIELDS = 3 };

const char *event_kind_name(enum event_kind k)
{
    return k < EVENT_KINDS && kinds[k].name != NULL ? kinds[k].name : "?";
}

/* ---- packing ------------------------------------------------------------------------------------------------------ */

void event_buffer_free(struct event_buffer *b)
{
    free(b->bytes);
    *b = (struct event_buffer){0};
}

int event_buffer_append(struct event_buffer *b, const void *bytes, size_t n)
{
    if (n > b->room - b->size) {
        size_t room = b->room == 0 ? 4096 : b->room;
        while (room - b->size < n)
            room *= 2;
        uint8_t *more = realloc(b->bytes, room);
        if (more == NULL)
            return -ENOMEM;
        b->bytes = more;
        b->room = room;
    }
    if (n > 0) /* of nothing there may be no buffer yet */
        memcpy(b->bytes + b->size, bytes, n);
    b->size += n;
    return 0;
}

static int append(void *data, const char *bytes, size_t n)
{
    return event_buffer_append(data, bytes, n);
}

static int pack_bytes(msgpack_packer *p, const void *bytes, size_t n)
{
    return msgpack_pack_bin(p, n) | msgpack_pack_bin_body(p, bytes, n);
}

static int pack_text(msgpack_packer *p, const struct event_text *t)
{
    return msgpack_pack_str(p, t->size) | msgpack_pack_str_body(p, t->text, t->size);
}

/* [written, address, bytes], or with size: [.., size, digest], [.., size, file, offset]. */
static int pack_segment(msgpack_packer *p, const struct event_segment *s)
{
    static const size_t length[] = {[SEGMENT_BYTES] = 3, [SEGMENT_HASH] = 4, [SEGMENT_GIVEN] = 5};
    int error = msgpack_pack_array(p, length[s->kind]);
    error |= msgpack_pack_uint8(p, s->written);
    error |= msgpack_pack_uint64(p, s->address);
    if (s->kind == SEGMENT_BYTES)
        return error | pack_bytes(p, s->bytes, s->size);
    error |= msgpack_pack_uint64(p, s->size);
    if (s->kind == SEGMENT_HASH)
        return error | pack_bytes(p, s->bytes, EVENT_DIGEST);
    return error | msgpack_pack_uint64(p, s->file) | msgpack_pack_uint64(p, s->offset);
}

static int pack_segments(msgpack_packer *p, const struct event *e)
{
    int error = msgpack_pack_array(p, e->segment_count);
    for (uint32_t i = 0; i < e->segment_count; i++)
        error |= pack_segment(p, &e->segment[i]);
    return error;
}

static int pack_asked(msgpack_packer *p, const struct event *e)
{
    int error = msgpack_pack_uint64(p, e->call.nr);
    error |= msgpack_pack_array(p, e->call.argument_count);
    for (unsigned i = 0; i < e->call.argument_count; i++)
        error |= msgpack_pack_uint64(p, e->call.argument[i]);
    return error | (e->call.has_result ? msgpack_pack_int64(p, e->call.result) : msgpack_pack_nil(p));
}

static int pack_opens(msgpack_packer *p, const struct event *e)
{
    int error = msgpack_pack_array(p, (size_t)e->call.open_count * 2);
    for (unsigned i = 0; i < e->call.open_count; i++)
        error |= msgpack_pack_uint8(p, e->call.open[i].argument) | msgpack_pack_uint64(p, e->call.open[i].id);
    return error;
}

static int pack_call(msgpack_packer *p, const struct event *e)
{
    bool slept = e->call.began != e->time;
    int error = pack_asked(p, e);
    error |= msgpack_pack_map(p, (size_t)(e->segment_count != 0) + (e->call.rule != 0) + (e->call.open_count != 0) +
                                     slept + (e->call.flags != 0));
    if (e->segment_count != 0)
        error |= msgpack_pack_uint8(p, KEY_SEGMENTS) | pack_segments(p, e);
    if (e->call.rule != 0)
        error |= msgpack_pack_uint8(p, KEY_RULE) | msgpack_pack_uint32(p, e->call.rule);
    if (e->call.open_count != 0)
        error |= msgpack_pack_uint8(p, KEY_OPENS) | pack_opens(p, e);
    if (slept)
        error |= msgpack_pack_uint8(p, KEY_BEGAN) | msgpack_pack_int64(p, e->call.began);
    if (e->call.flags != 0)
        error |= msgpack_pack_uint8(p, KEY_FLAGS) | msgpack_pack_uint32(p, e->call.flags);
    return error;
}

static int pack_special(msgpack_packer *p, struct event_buffer *b, const struct event *e)
{
    switch (e->kind) {
    case EVENT_RUN:
        return append(b, (const char *)e->run.map, e->run.size);
    case EVENT_CALL:
        return pack_call(p, e);
    case EVENT_DATA:
        return pack_segments(p, e);
    case EVENT_BLOCK:
        return pack_asked(p, e);
    case EVENT_FORWARD:
        return msgpack_pack_uint32(p, e->forward.number) | msgpack_pack_uint32(p, e->forward.what) |
               msgpack_pack_uint64(p, e->forward.value) | pack_bytes(p, e->forward.bytes, e->forward.size);
    default: /* EVENT_STREAM */
        return msgpack_pack_uint32(p, e->stream.number) | pack_bytes(p, e->stream.bytes, e->stream.size);
    }
}

static int pack_field(msgpack_packer *p, const struct field *f, const struct event *e)
{
    const void *value = (const char *)e + f->offset;
    switch (f->type) {
    case FIELD_U32:
        return msgpack_pack_uint32(p, *(const uint32_t *)value);
    case FIELD_U64:
        return msgpack_pack_uint64(p, *(const uint64_t *)value);
    case FIELD_I32:
        return msgpack_pack_int32(p, *(const int32_t *)value);
    case FIELD_I64:
        return msgpack_pack_int64(p, *(const int64_t *)value);
    case FIELD_BOOL:
        return *(const bool *)value ? msgpack_pack_true(p) : msgpack_pack_false(p);
    case FIELD_TEXT:
        return pack_text(p, value);
    default: /* FIELD_DIGEST */
        return pack_bytes(p, *(const uint8_t *const *)value, EVENT_DIGEST);
    }
}

int event_pack(struct event_buffer *b, const struct event *e)
{
    const struct kind *k = &kinds[e->kind];
    size_t before = b->size;
    msgpack_packer p;
    msgpack_packer_init(&p, b, append);
    int error = msgpack_pack_array(&p, HEAD_FIELDS + k->count);
    error |= msgpack_pack_uint8(&p, (uint8_t)e->kind);
    error |= msgpack_pack_int64(&p, e->time);
    error |= msgpack_pack_int32(&p, e->tid);
    if (k->field[0].type == FIELD_SPECIAL)
        error |= pack_special(&p, b, e);
    else
        for (unsigned i = 0; i < k->count; i++)
            error |= pack_field(&p, &k->field[i], e);
    if (error == 0)
        return 0;
    b->size = before;
    return -ENOMEM;
}

/* ---- unpacking ---------------------------------------------------------------------------------------------------- */

static int64_t within(struct cursor *c, int64_t low, int64_t high)
{
    int64_t value = cursor_signed(c);
    if (value < low || value > high) {
        c->bad = true;
        value = 0;
    }
    return value;
}

static void unpack_text(struct cursor *c, struct event_text *t)
{
    t->text = cursor_text(c, &t->size);
    if (t->size > EVENT_TEXT_MOST)
        c->bad = true;
}

static const uint8_t *unpack_digest(struct cursor *c)
{
    size_t n;
    const uint8_t *bytes = cursor_bytes(c, &n);
    if (n != EVENT_DIGEST)
        c->bad = true;
    return bytes;
}

static void unpack_segment(struct cursor *c, struct event_segment *s)
{
    size_t n;
    uint32_t length = cursor_array(c);
    s->written = within(c, 0, 1) != 0;
    s->address = cursor_unsigned(c);
    switch (length) {
    case 3:
        s->kind = SEGMENT_BYTES;
        s->bytes = cursor_bytes(c, &n);
        s->size = n;
        break;
    case 4:
        s->kind = SEGMENT_HASH;
        s->size = cursor_unsigned(c);
        s->bytes = unpack_digest(c);
        break;
    case 5:
        s->kind = SEGMENT_GIVEN;
        s->size = cursor_unsigned(c);
        s->file = cursor_unsigned(c);
        s->offset = cursor_unsigned(c);
        break;
    default:
        c->bad = true;
    }
    if (s->size > EVENT_SEGMENT_MOST && s->kind == SEGMENT_BYTES)
        c->bad = true;
}

static void unpack_segments(struct cursor *c, struct event *e)
{
    uint32_t n = cursor_array(c);
    if (n > EVENT_SEGMENTS) {
        c->bad = true;
        return;
    }
    for (uint32_t i = 0; i < n && !c->bad; i++)
        unpack_segment(c, &e->segment[i]);
    e->segment_count = n;
}

static void unpack_asked(struct cursor *c, struct event *e)
{
    e->call.nr = cursor_unsigned(c);
    uint32_t n = cursor_array(c);
    if (n > EVENT_ARGUMENTS) {
        c->bad = true;
        return;
    }
    e->call.argument_count = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++)
        e->call.argument[i] = cursor_unsigned(c);
    e->call.has_result = !cursor_nil(c);
    if (e->call.has_result)
        e->call.result = cursor_signed(c);
    e->call.began = e->time;
}

static void unpack_opens(struct cursor *c, struct event *e)
{
    uint32_t n = cursor_array(c);
    if (n > 2 * EVENT_OPENS || n % 2 != 0) {
        c->bad = true;
        return;
    }
    e->call.open_count = (uint8_t)(n / 2);
    for (uint32_t i = 0; i < n / 2; i++) {
        e->call.open[i].argument = (uint8_t)within(c, 0, EVENT_OPEN_RESULT);
        e->call.open[i].id = cursor_unsigned(c);
    }
}

static void unpack_call(struct cursor *c, struct event *e)
{
    unpack_asked(c, e);
    uint32_t pairs = cursor_map(c);
    for (uint32_t i = 0; i < pairs && !c->bad; i++) {
        switch (cursor_unsigned(c)) {
        case KEY_SEGMENTS:
            unpack_segments(c, e);
            break;
        case KEY_RULE:
            e->call.rule = (uint32_t)within(c, 0, UINT32_MAX);
            break;
        case KEY_OPENS:
            unpack_opens(c, e);
            break;
        case KEY_BEGAN:
            e->call.began = cursor_signed(c);
            break;
        case KEY_FLAGS:
            e->call.flags = (uint32_t)within(c, 0, UINT32_MAX);
            break;
        default:
            cursor_skip(c);
        }
    }
}

static void unpack_special(struct cursor *c, struct event *e)
{
    switch (e->kind) {
    case EVENT_RUN:
        e->run.map = c->at;
        if (cursor_type(c) != CURSOR_MAP)
            c->bad = true;
        cursor_skip(c);
        e->run.size = (size_t)(c->at - e->run.map);
        break;
    case EVENT_CALL:
        unpack_call(c, e);
        break;
    case EVENT_DATA:
        unpack_segments(c, e);
        break;
    case EVENT_BLOCK:
        unpack_asked(c, e);
        break;
    case EVENT_FORWARD:
        e->forward.number = (uint32_t)within(c, 0, UINT32_MAX);
        e->forward.what = (uint32_t)within(c, 0, UINT32_MAX);
        e->forward.value = cursor_unsigned(c);
        e->forward.bytes = cursor_bytes(c, &e->forward.size);
        break;
    default: /* EVENT_STREAM */
        e->stream.number = (uint32_t)within(c, 0, 2);
        e->stream.bytes = cursor_bytes(c, &e->stream.size);
    }
}

static void unpack_field(struct cursor *c, const struct field *f, struct event *e)
{
    void *value = (char *)e + f->offset;
    switch (f->type) {
    case FIELD_U32:
        *(uint32_t *)value = (uint32_t)within(c, 0, UINT32_MAX);
        break;
    case FIELD_U64:
        *(uint64_t *)value = cursor_unsigned(c);
        break;
    case FIELD_I32:
        *(int32_t *)value = (int32_t)within(c, INT32_MIN, INT32_MAX);
        break;
    case FIELD_I64:
        *(int64_t *)value = cursor_signed(c);
        break;
    case FIELD_BOOL:
        *(bool *)value = cursor_bool(c);
        break;
    case FIELD_TEXT:
        unpack_text(c, value);
        break;
    default: /* FIELD_DIGEST */
        *(const uint8_t **)value = unpack_digest(c);
    }
}

size_t event_unpack(const uint8_t *bytes, size_t n, struct event *e, const char **why)
{
    struct cursor c = cursor_over(bytes, n);
    uint32_t length = cursor_array(&c);
    uint64_t index = e->index, kind = cursor_unsigned(&c);
    memset(e, 0, offsetof(struct event, segment));
    e->index = index;
    *why = "not an event";
    if (c.bad)
        return 0;
    *why = "an event of no known kind";
    if (kind == 0 || kind >= EVENT_KINDS)
        return 0;
    const struct kind *k = &kinds[kind];
    e->kind = (enum event_kind)kind;
    *why = "an event without its fields";
    if (length < (uint32_t)HEAD_FIELDS + k->count)
        return 0;
    e->time = cursor_signed(&c);
    e->tid = (int32_t)within(&c, INT32_MIN, INT32_MAX);
    if (k->field[0].type == FIELD_SPECIAL)
        unpack_special(&c, e);
    else
        for (unsigned i = 0; i < k->count && !c.bad; i++)
            unpack_field(&c, &k->field[i], e);
    for (uint32_t i = (uint32_t)HEAD_FIELDS + k->count; i < length && !c.bad; i++)
        cursor_skip(&c);
    *why = "an event with a field that cannot be";
    return c.bad ? 0 : (size_t)(c.at - bytes);
}
