/* Bytes of a guest against what answers in binary: the name server, as a datagram and as a stream cut in pieces, and netlink. The
 * first byte chooses. */
#include "tests/unit/far_fixture.h"

#include "network/dns.h"
#include "policy/policy.h"
#include "vfs/socket.h"

#include <linux/netlink.h>
#include <sodium.h>

static const char text[] =
    "terrarium: 1\n"
    "network:\n"
    "  - {resolve: a.example, to: [203.0.113.7, \"2001:db8::7\"], mx: \"10 m.example\", txt: \"a b\"}\n"
    "  - {resolve: _s._tcp.example, srv: \"0 5 5060 sip.example\"}\n"
    "  - {resolve: c.example, cname: a.example}\n"
    "  - {connect: \"*.made.example:80\", service: echo}\n";

static int64_t no_time(void *context)
{
    return 0;
}

static void nobody(void *context, struct attempts_caller *out)
{
    *out = (struct attempts_caller){0};
}

static void ask_names(const struct policy *p, bool stream, const uint8_t *data, size_t size)
{
    static uint8_t out[DNS_MOST];
    const struct attempts_config config = {.now = no_time, .caller = nobody};
    struct dns d = {p, names_new(p->network), attempts_new(&config), 0};
    if (!stream) {
        size_t n = dns_answer(&d, data, size, true, out, sizeof out);
        assert_true(n <= 4096 || n <= sizeof out);
    } else if (size > 0) {
        struct wire *w = wire_new(dns_end(&d, false));
        size_t piece = data[0] % 32 + 1u;
        for (size_t at = 1; at < size && !w->reset; at += piece) {
            wire_give(w, data + at, size - at < piece ? size - at : piece);
            w->sent_size = 0;
        }
        wire_free(w);
    }
    names_free(d.names);
    attempts_free(d.attempts);
}

static void ask_netlink(const uint8_t *data, size_t size)
{
    const struct vfs_config config = {.now = no_time};
    struct vfs *v = vfs_new(&config);
    struct file *f;
    char out[8192];
    assert_int_equal(socket_new(v, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &f), 0);
    struct io in = io_over_buffer((void *)(uintptr_t)data, size);
    struct socket_message m = {.io = &in};
    (void)socket_send(f, NULL, &m, 0);
    for (int i = 0; i < 64; i++) {
        struct io io = io_over_buffer(out, sizeof out);
        struct socket_message got = {.io = &io};
        if (socket_receive(f, &got, MSG_DONTWAIT) <= 0)
            break;
    }
    file_put(f);
    vfs_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy *p;
    struct policy_error e = {""};
    if (size < 1 || size > 60000 || sodium_init() < 0)
        return 0;
    if (p == NULL && (policy_load_text("fuzz.yaml", text, sizeof text - 1, &p, &e) < 0 || policy_compile(p, &e) < 0))
        fail_msg("%s", e.text);
    switch (data[0] % 3) {
    case 0:
    case 1:
        ask_names(p, data[0] % 3 == 1, data + 1, size - 1);
        break;
    default:
        ask_netlink(data + 1, size - 1);
    }
    return 0;
}
