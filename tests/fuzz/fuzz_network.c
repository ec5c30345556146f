/* Bytes of a guest against the far ends that read them: the first byte chooses which, the second how they are cut. Every end
 * meets a guest that does not read as well. */
#include "tests/unit/far_fixture.h"

#include "network/tls.h"

#include <sodium.h>

static const struct {
    enum content_kind kind;
    const char *yaml;
    bool tls;
} ends[] = {
    {CONTENT_HTTP,
     "- {method: POST, path: /j*, match: {json: {a: [1, 'x*']}}, json: {ok: true}}\n"
     "- {path: /f, match: {form: {a: 'b*'}}, chunked: 3B, body: abcdefgh}\n"
     "- {path: /w, websocket: [{send: hi}, {any: [{expect: a, send: b}, {expect: {regex: '(c+)d'}, reply: '$1'}]}]}\n"
     "- {path: {regex: '^/(a+)+$'}, query: {q: '*z'}, body: x}\n",
     false},
    {CONTENT_RESPOND, "tests/fuzz/seeds", false},
    {CONTENT_SERVICE, "smtp", false},
    {CONTENT_SERVICE, "ftp", false},
    {CONTENT_SERVICE, "irc", false},
    {CONTENT_SERVICE, "echo", false},
    {CONTENT_TALK,
     "[{send: hi}, {any: [{expect: 'a*b', send: c}, {expect: {regex: '^(x+x+)+y'}, reply: '$1$1'}, {expect: q, leave: "
     "true}]}, {expect: {hex: '00'}}, {close: true}]",
     false},
    {CONTENT_TALK, "[{expect: a, starttls: true}, {expect: b, send: c}]", false},
    {CONTENT_HTTP, "- {path: /, body: x}", true},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stage stages[sizeof ends / sizeof *ends];
    struct client_hello hello;
    if (size < 2 || size > 60000 || sodium_init() < 0)
        return 0;
    size_t which = data[0] % (sizeof ends / sizeof *ends), piece = data[1] % 64 + 1u;
    bool narrow = data[1] & 64;
    if (stages[which].contents == NULL)
        stage_open(&stages[which], ends[which].kind, ends[which].yaml, 1);
    data += 2;
    size -= 2;
    client_hello_read(data, size, &hello);
    struct wire *w = stage_connect(&stages[which], ends[which].tls);
    if (narrow)
        w->limit = 5;
    for (size_t at = 0; at < size && !w->reset; at += piece) {
        wire_give(w, data + at, size - at < piece ? size - at : piece);
        w->sent_size = 0;
        if (narrow && !w->reset)
            wire_room(w);
        if (w->armed >= 0 && !w->reset)
            wire_timer(w);
    }
    if (!w->reset)
        wire_end_of_input(w);
    wire_free(w);
    stages[which].hearing->text[0] = '\0';
    return 0;
}
