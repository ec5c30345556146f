/* A capture that somebody else may have written, read back; what can be read is given again to a guest that sends and ends. */
#include "tests/unit/far_fixture.h"

#include "network/captured.h"
#include "network/tls.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct contents_config config = {.now = fixed_now};
    struct contents *cs = contents_new(&config);
    char *bytes = malloc(size + 1), why[256];
    struct sockaddr_storage to = {.ss_family = AF_INET};
    struct sockaddr_in *in = (struct sockaddr_in *)&to;
    assert_true(cs != NULL && bytes != NULL);
    memcpy(bytes, data, size);
    struct captured *c = captured_read(bytes, size, why, sizeof why);
    in->sin_port = htons(7);
    in->sin_addr.s_addr = htonl(0xc0000205);
    const struct content_peer peer = {
        .to = &to, .host = size % 2 ? "192.0.2.5" : "c2.example", .port = 7, .datagram = size % 3 == 0};
    enum content_tls tls;
    struct far_end *e = c != NULL ? captured_end_new(cs, c, &peer, &tls) : NULL;
    if (e != NULL && tls != CONTENT_CLEAR)
        e = tls_wrap(cs, e, &peer, tls == CONTENT_TLS);
    if (c != NULL)
        (void)captured_tls_at(c, 0, UINT16_MAX);
    if (e != NULL) {
        struct wire *w = wire_new(e);
        for (int i = 0; i < 20 && !w->reset; i++)
            wire_give(w, "0123456789", 10);
        w->limit = w->sent_size; /* it reads no more, and then all at once */
        if (!w->reset)
            wire_end_of_input(w);
        w->limit = sizeof w->sent;
        if (!w->reset)
            wire_room(w);
        wire_free(w);
    }
    captured_free(c);
    contents_free(cs);
    return 0;
}
