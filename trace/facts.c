/* Maps of facts (trace/facts.h). */
#include "trace/facts.h"

#include <msgpack.h>
#include <string.h>

enum { MAP32 = 0xdf, MAP_HEADER = 5 };

static int append(void *data, const char *bytes, size_t n)
{
    struct facts *f = data;
    if (f->error == 0)
        f->error = event_buffer_append(&f->buffer, bytes, n);
    return f->error;
}

static void pack_text(msgpack_packer *p, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(p, n);
    msgpack_pack_str_body(p, text, n);
}

static msgpack_packer begin(struct facts *f, const char *key)
{
    msgpack_packer p;
    msgpack_packer_init(&p, f, append);
    pack_text(&p, key);
    f->pairs++;
    return p;
}

void facts_begin(struct facts *f)
{
    const char header[MAP_HEADER] = {(char)MAP32};
    *f = (struct facts){0};
    (void)append(f, header, sizeof header);
}

void facts_text(struct facts *f, const char *key, const char *text)
{
    msgpack_packer p = begin(f, key);
    if (text != NULL)
        pack_text(&p, text);
    else
        msgpack_pack_nil(&p);
}

void facts_number(struct facts *f, const char *key, int64_t value)
{
    msgpack_packer p = begin(f, key);
    msgpack_pack_int64(&p, value);
}

void facts_unsigned(struct facts *f, const char *key, uint64_t value)
{
    msgpack_packer p = begin(f, key);
    msgpack_pack_uint64(&p, value);
}

void facts_texts(struct facts *f, const char *key, size_t n, const char *const *texts)
{
    msgpack_packer p = begin(f, key);
    msgpack_pack_array(&p, n);
    for (size_t i = 0; i < n; i++)
        pack_text(&p, texts[i]);
}

void facts_end(struct facts *f)
{
    for (unsigned i = 1; f->error == 0 && i < MAP_HEADER; i++)
        f->buffer.bytes[i] = (uint8_t)(f->pairs >> 8 * (MAP_HEADER - 1 - i));
}
