/* Calls on sockets, of AF_UNIX and on the loopback interface. Nothing leaves it. */
#include "sweep.h"

#include <netinet/in.h>
#include <sys/un.h>

enum {
    STREAM = 20,
    LISTENER,
    LEFT,
    RIGHT,
    DATAGRAM,
    BOUND,
    PACKETS,
    PACKETS_PEER,
    TCP,
    TCP_LISTENER,
    CLIENT,
    SERVER,
    UDP,
    UDP_BOUND,
    FILE_FD,
    PIPE,
    OPATH,
    LAST
};
#define UNIX V(STREAM), V(LISTENER), V(LEFT), V(DATAGRAM), V(BOUND), V(PACKETS)
#define INET V(TCP), V(TCP_LISTENER), V(CLIENT), V(UDP), V(UDP_BOUND)
#define NONE                                                                                                           \
    V(FILE_FD), V(PIPE), V(OPATH), {"closed", 99}, {"-1", -1},                                                         \
    {                                                                                                                  \
        "LEFT with junk above", LEFT | 1L << 32                                                                        \
    }
LIST(fds, UNIX, INET, NONE);
LIST(few, V(STREAM), V(LISTENER), V(LEFT), V(BOUND), V(PACKETS), V(CLIENT), V(TCP), V(UDP_BOUND), V(FILE_FD), V(OPATH),
     {"closed", 99});

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

#define ADDRESSES (IN + 0x100)
#define ADDRESS(i) (ADDRESSES + 128 * (i))
static const struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f};

static void set_memory(void)
{
    memset((void *)IN, 0, PAGE);
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "listener"},
                       bound = {.sun_family = AF_UNIX, .sun_path = "bound"};
    struct sockaddr_un none = {.sun_family = AF_UNIX, .sun_path = "none"},
                       file = {.sun_family = AF_UNIX, .sun_path = "f"}, strange = {.sun_family = 77};
    struct sockaddr_un fresh = {.sun_family = AF_UNIX, .sun_path = "fresh"},
                       beyond = {.sun_family = AF_UNIX, .sun_path = "nowhere/x"};
    const void *made[] = {&path,    &bound, &none,   &file,
                          &strange, &fresh, &beyond, &(struct sockaddr_un){.sun_family = AF_UNSPEC}};
    for (int i = 0; i < 8; i++)
        memcpy((void *)ADDRESS(i), made[i], sizeof path);
    struct sockaddr_in closed = loopback, here = loopback;
    closed.sin_port = htons(1);
    memcpy((void *)ADDRESS(8), &closed, sizeof closed);
    memcpy((void *)ADDRESS(9), &here, sizeof here);
    const int lengths[] = {128, 0, 4, -1, 2};
    memcpy((void *)(IN + 0x800), lengths, sizeof lengths);
}
#define LENGTH_AT(i) (IN + 0x800 + 4 * (i))

static void open_unix(void)
{
    int p[2];
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "listener"},
                       bound = {.sun_family = AF_UNIX, .sun_path = "bound"};
    unlink("listener"), unlink("bound"), unlink("fresh");
    put(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), STREAM);
    put(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), LISTENER);
    if (bind(LISTENER, (void *)&path, sizeof path) || listen(LISTENER, 5))
        exit(4);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), put(p[0], LEFT), put(p[1], RIGHT);
    write(RIGHT, "hello", 5);
    put(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), DATAGRAM);
    put(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), BOUND);
    if (bind(BOUND, (void *)&bound, sizeof bound))
        exit(5);
    sendto(DATAGRAM, "hello", 5, 0, (void *)&bound, sizeof bound);
    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p), put(p[0], PACKETS), put(p[1], PACKETS_PEER);
    write(PACKETS_PEER, "hello", 5);
}

static void open_inet(void)
{
    struct sockaddr_in at = loopback;
    socklen_t n = sizeof at;
    put(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), TCP);
    put(socket(AF_INET, SOCK_STREAM, 0), TCP_LISTENER);
    if (bind(TCP_LISTENER, (void *)&at, n) || listen(TCP_LISTENER, 5) || getsockname(TCP_LISTENER, (void *)&at, &n))
        exit(6);
    put(socket(AF_INET, SOCK_STREAM, 0), CLIENT);
    /* Reset when it is closed: nothing of it stays behind. */
    setsockopt(CLIENT, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (connect(CLIENT, (void *)&at, n))
        exit(7);
    put(accept(TCP_LISTENER, NULL, NULL), SERVER);
    write(SERVER, "hello", 5);
    for (int fd = TCP_LISTENER; fd <= SERVER; fd++)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    put(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), UDP);
    put(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), UDP_BOUND);
    at = loopback;
    if (bind(UDP_BOUND, (void *)&at, sizeof at))
        exit(8);
}

static void again(long result, const long *a)
{
    if ((int)a[0] < STREAM)
        return;
    if ((int)a[0] <= PACKETS)
        open_unix();
    else if ((int)a[0] <= UDP_BOUND)
        open_inet();
    set_memory();
}

static void made(long result, const long *a)
{
    close((int)result);
}

static void pair_made(long result, const long *a)
{
    close(((int *)a[3])[0]), close(((int *)a[3])[1]);
}

static void accepted(long result, const long *a)
{
    close((int)result);
    again(result, a);
}

LIST(domains, {"UNSPEC", 0}, {"UNIX", AF_UNIX}, {"INET", AF_INET}, {"46", 46}, {"-1", -1},
     {"UNIX with junk above", AF_UNIX | 1L << 32});
LIST(types, {"0", 0}, {"STREAM", SOCK_STREAM}, {"DGRAM", SOCK_DGRAM}, {"SEQPACKET", SOCK_SEQPACKET}, {"11", 11},
     {"15", 15}, {"STREAM|NONBLOCK", SOCK_STREAM | SOCK_NONBLOCK}, {"STREAM|bit 20", SOCK_STREAM | 1 << 20}, {"-1", -1},
     {"STREAM with junk above", SOCK_STREAM | 1L << 32});
LIST(protocols, {"0", 0}, {"1 on its own", 6}, {"17", 17}, {"255", 255}, {"256", 256}, {"-1", -1});
LIST(outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY});
LIST(out_only, {"OUT", OUT});
LIST(few_outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(addresses, {"of a listener", ADDRESS(0)}, {"of a bound one", ADDRESS(1)}, {"of none", ADDRESS(2)},
     {"of a file", ADDRESS(3)}, {"of family 77", ADDRESS(4)}, {"fresh", ADDRESS(5)}, {"beyond none", ADDRESS(6)},
     {"UNSPEC", ADDRESS(7)}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(inet_addresses, {"of nobody", ADDRESS(8)}, {"of here", ADDRESS(9)}, {"of family 77", ADDRESS(4)},
     {"of UNIX", ADDRESS(0)}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(unix_fds, UNIX, NONE);
LIST(inet_fds, INET);
LIST(address_lengths, {"all", sizeof(struct sockaddr_un)}, {"0", 0}, {"1", 1}, {"2", 2}, {"16", 16}, {"111", 111},
     {"129", 129}, {"-1", -1});
LIST(inet_lengths, {"16", 16}, {"0", 0}, {"2", 2}, {"15", 15}, {"129", 129}, {"-1", -1});
LIST(backlogs, {"5", 5}, {"0", 0}, {"-1", -1}, {"2^31", 1L << 31});
LIST(lengths_at, {"128", LENGTH_AT(0)}, {"0", LENGTH_AT(1)}, {"4", LENGTH_AT(2)}, {"-1", LENGTH_AT(3)}, {"NULL", 0},
     {"nowhere", NOWHERE});
LIST(accept_flags, {"0", 0}, {"NONBLOCK|CLOEXEC", SOCK_NONBLOCK | SOCK_CLOEXEC}, {"1", 1}, {"-1", -1},
     {"junk above", 1L << 32});
LIST(hows, {"RD", 0}, {"WR", 1}, {"RDWR", 2}, {"3", 3}, {"-1", -1}, {"RD with junk above", 1L << 32});
LIST(lengths, {"0", 0}, {"5", 5}, {"-1", -1}, {"LONG_MAX", INT64_MAX});
LIST(send_flags, {"0", MSG_NOSIGNAL}, {"OOB", MSG_OOB | MSG_NOSIGNAL}, {"DONTROUTE", MSG_DONTROUTE | MSG_NOSIGNAL},
     {"MORE", MSG_MORE | MSG_DONTWAIT}, {"EOR", MSG_EOR | MSG_NOSIGNAL}, {"bit 30", 1 << 30 | MSG_NOSIGNAL},
     {"junk above", MSG_NOSIGNAL | 1L << 32});
LIST(receive_flags, {"0", 0}, {"PEEK", MSG_PEEK}, {"OOB", MSG_OOB}, {"TRUNC|PEEK", MSG_TRUNC | MSG_PEEK},
     {"WAITALL|DONTWAIT", MSG_WAITALL | MSG_DONTWAIT}, {"ERRQUEUE", MSG_ERRQUEUE}, {"junk above", 1L << 32});
LIST(few_flags, {"0", MSG_DONTWAIT | MSG_NOSIGNAL}, {"ERRQUEUE", MSG_ERRQUEUE | MSG_DONTWAIT | MSG_NOSIGNAL});
LIST(no_address, {"NULL", 0});
LIST(zero_length, {"0", 0});
LIST(message_lengths, {"5", 5});

/* Messages. */
#define MESSAGES (IN + 0x900)
LIST(messages, {"plain", MESSAGES}, {"of nothing", MESSAGES + 64}, {"of too many pieces", MESSAGES + 128},
     {"of a bad piece", MESSAGES + 192}, {"of a bad vector", MESSAGES + 256}, {"with bad control", MESSAGES + 320},
     {"with short control", MESSAGES + 384}, {"with a long name", MESSAGES + 448}, {"with a bad name", MESSAGES + 512},
     {"NULL", 0}, {"nowhere", NOWHERE});

static void set_messages(void)
{
    static struct iovec one = {(void *)OUT, 5}, bad = {(void *)NOWHERE, 5};
    static struct cmsghdr control = {.cmsg_len = 3, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    const struct msghdr some[] = {
        {.msg_iov = &one, .msg_iovlen = 1},
        {0},
        {.msg_iov = &one, .msg_iovlen = 1025},
        {.msg_iov = &bad, .msg_iovlen = 1},
        {.msg_iov = (void *)NOWHERE, .msg_iovlen = 1},
        {.msg_iov = &one, .msg_iovlen = 1, .msg_control = (void *)NOWHERE, .msg_controllen = 64},
        {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control},
        {.msg_iov = &one, .msg_iovlen = 1, .msg_name = (void *)ADDRESS(0), .msg_namelen = 129},
        {.msg_iov = &one, .msg_iovlen = 1, .msg_name = (void *)NOWHERE, .msg_namelen = 16}};
    for (int i = 0; i < 9; i++)
        memcpy((void *)(MESSAGES + 64 * i), &some[i], sizeof some[i]);
}

static void message_done(long result, const long *a)
{
    again(result, a);
    set_messages();
}

#define N(x) V(x)
LIST(levels, {"SOCKET", SOL_SOCKET}, {"SOCKET with junk above", SOL_SOCKET | 1L << 32});
LIST(no_levels, {"99", 99}, {"-1", -1});
LIST(one_option, {"3", 3});
LIST(options, N(SO_TYPE), N(SO_ERROR), N(SO_ACCEPTCONN), N(SO_DOMAIN), N(SO_PROTOCOL), N(SO_REUSEADDR), N(SO_KEEPALIVE),
     N(SO_BROADCAST), N(SO_LINGER), N(SO_RCVTIMEO), N(SO_SNDTIMEO), N(SO_PEERCRED), N(SO_PASSCRED), N(SO_OOBINLINE),
     N(SO_SNDBUF), N(SO_RCVBUF), N(SO_RCVLOWAT), {"9999", 9999}, {"-1", -1},
     {"SO_TYPE with junk above", SO_TYPE | 1L << 32});
LIST(option_values, {"zeros", READ_ONLY}, {"1", ADDRESS(7) + 64}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(option_lengths, {"4", 4}, {"0", 0}, {"3", 3}, {"16", 16}, {"-1", -1});

static const struct row rows[] = {
    {ROW(socket, domains, types, protocols), HIDE, made},
    {ROW(socketpair, domains, types, protocols, outs), SHOW, pair_made},
    {ROW(bind, unix_fds, addresses, address_lengths), SHOW, again},
    {ROW(bind, inet_fds, inet_addresses, inet_lengths), SHOW, again},
    {ROW(connect, unix_fds, addresses, address_lengths), SHOW, again},
    {ROW(connect, inet_fds, inet_addresses, inet_lengths), SHOW | ALWAYS, again},
    {ROW(listen, fds, backlogs), SHOW, again},
    {ROW(accept4, fds, outs, lengths_at, accept_flags), HIDE, accepted},
    {ROW(getsockname, fds, outs, lengths_at), SHOW, again},
    {ROW(getpeername, fds, outs, lengths_at), SHOW, again},
    {ROW(shutdown, fds, hows), SHOW, again},
    {ROW(sendto, fds, few_outs, lengths, send_flags, no_address, zero_length), SHOW, again},
    {ROW(sendto, unix_fds, out_only, message_lengths, few_flags, addresses, address_lengths), SHOW, again},
    {ROW(sendto, inet_fds, out_only, message_lengths, few_flags, inet_addresses, inet_lengths), SHOW | ALWAYS, again},
    {ROW(recvfrom, fds, few_outs, lengths, receive_flags, no_address, zero_length), ALWAYS, again},
    {ROW(recvfrom, fds, few_outs, message_lengths, few_flags, outs, lengths_at), SHOW | ALWAYS, again},
    {ROW(sendmsg, fds, messages, few_flags), SHOW, message_done},
    {ROW(recvmsg, fds, messages, few_flags), SHOW | ALWAYS, message_done},
    {ROW(getsockopt, few, no_levels, one_option, few_outs, lengths_at), HIDE, again},
    {ROW(setsockopt, few, no_levels, one_option, option_values, option_lengths), SHOW, again},
    {ROW(getsockopt, few, levels, options, few_outs, lengths_at), HIDE, again},
    {ROW(setsockopt, few, levels, options, option_values, option_lengths), SHOW, again},
};

int main(int argc, char **argv)
{
    int p[2];
    sweep_begin(argc, argv);
    if (pipe(p))
        return 4;
    put(p[0], PIPE);
    put(open("f", O_RDWR | O_CREAT, 0644), FILE_FD);
    put(open("f", O_PATH), OPATH);
    set_memory();
    set_messages();
    open_unix();
    open_inet();
    SWEEP(rows);
    return fflush(stdout);
}
