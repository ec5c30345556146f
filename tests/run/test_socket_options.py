"""Options of sockets, natively and inside: what they are at first, what becomes of what is said, and what is refused."""
import textwrap

HEAD = """
import errno, fcntl, os, socket, struct, time
from socket import *
import socket
if os.getuid() == 0: # natively, maybe: the guest is an ordinary user
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
def tried(f, *a):
    try:
        return f(*a)
    except OSError as e:
        return errno.errorcode[e.errno]
"""

# By number, as Python does not know all of them. What depends on the machine's settings or on the kernel's age is left out.
TABLE = HEAD + """
V4 = 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 26, 32, 33, 34, 35
V6 = 16, 17, 18, 19, 23, 25, 26, 31, 49, 51, 53, 56, 58, 60, 66, 67, 73, 74, 75, 78
TCP = 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 17, 18, 19, 25, 27, 28, 30, 34, 36, 99
UDP = 1, 101, 102, 103, 104, 99
COMMON = 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 18, 19, 29, 30, 32, 35, 36, 38, 39, 40, 41, 43, 45, 56, 62, 99
for family, kind in (AF_INET, SOCK_STREAM), (AF_INET, SOCK_DGRAM), (AF_INET6, SOCK_STREAM), (AF_INET6, SOCK_DGRAM), (AF_UNIX, SOCK_STREAM):
    levels = [(SOL_SOCKET, COMMON)]
    if family != AF_UNIX: levels += (IPPROTO_IP, V4), (IPPROTO_IPV6, V6), (IPPROTO_TCP, TCP), (IPPROTO_UDP, UDP), (77, (1,))
    for level, names in levels:
        for name in names:
            said = []
            s = socket.socket(family, kind)
            first = tried(s.getsockopt, level, name, 4)
            for value in (1, 0, 5, 300) if level == SOL_SOCKET else (1, 0, -1, 5, 300, 70000):
                said.append((tried(s.setsockopt, level, name, value), tried(s.getsockopt, level, name, 4)))
            if level != IPPROTO_TCP or name != 8: said.append(tried(s.setsockopt, level, name, b""))
            print(family.name, kind.name, level, name, first, *said)
"""

DEVICES = HEAD + """
s = socket.socket()
print(s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16), tried(s.setsockopt, SOL_SOCKET, SO_BINDTODEVICE, b"no such"))
print(tried(s.setsockopt, SOL_SOCKET, SO_BINDTODEVICE, b"lo\\0"), s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16))
print(tried(s.getsockopt, SOL_SOCKET, SO_BINDTODEVICE, 4), s.getsockopt(SOL_SOCKET, 62))
l = socket.create_server(("127.0.0.1", 0)); print(tried(s.connect, l.getsockname()))
cookie = s.getsockopt(SOL_SOCKET, 57, 8)
print(cookie == s.getsockopt(SOL_SOCKET, 57, 8), cookie != l.getsockopt(SOL_SOCKET, 57, 8), tried(s.getsockopt, SOL_SOCKET, 57, 4))
s = socket.socket(); print(tried(s.getsockopt, 0, 14), tried(s.getsockopt, SOL_TCP, TCP_INFO, 1)[0])
s.connect(l.getsockname()); print(s.getsockopt(0, 14), l.getsockopt(SOL_TCP, TCP_INFO, 1)[0], struct.unpack("2I", l.getsockopt(SOL_TCP, TCP_INFO, 32)[24:]))
l6 = socket.create_server(("::1", 0), family=AF_INET6); s = socket.create_connection(l6.getsockname()[:2]); print(s.getsockopt(IPPROTO_IPV6, 24))
s = socket.socket(); s.setsockopt(0, 24, 1) # IP_BIND_ADDRESS_NO_PORT
s.bind(("127.0.0.2", 0)); print(s.getsockname(), tried(s.connect, l.getsockname()), s.getsockname()[0], s.getsockname()[1] > 0)
s = socket.socket(); s.setsockopt(0, 24, 1); s.bind(("127.0.0.2", 0)); s.listen(); print(s.getsockname()[0], s.getsockname()[1] > 0)
"""

ARRIVALS = HEAD + """
def stamps(controls):
    return [(level, kind, len(value), abs(struct.unpack("qq", value)[0] - time.time()) < 9, struct.unpack("qq", value)[1] < 10 ** 6)
            for level, kind, value in controls if kind in (29, 63) or struct.unpack("qq", value)[1] < 10 ** 9]
for option in 29, 35, 63, 64: # SO_TIMESTAMP, SO_TIMESTAMPNS, and as they are where time has 64 bits everywhere
    u = socket.socket(AF_INET, SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.settimeout(9)
    a, b = socketpair(AF_UNIX, SOCK_DGRAM)
    for to, from_ in (u, u), (b, a):
        to.setsockopt(SOL_SOCKET, option, 1)
        from_.sendto(b"x", u.getsockname()) if to is u else from_.send(b"x")
        print(option, [s[:4] for s in stamps(to.recvmsg(9, 200)[1])], to.getsockopt(SOL_SOCKET, option))
    u.setsockopt(SOL_SOCKET, 29, 0); u.sendto(b"x", u.getsockname()); print(u.recvmsg(9, 200)[1], u.getsockopt(SOL_SOCKET, option))
for make in lambda: socket.socket(AF_INET, SOCK_DGRAM), lambda: socket.socket(), lambda: socket.socket(AF_UNIX):
    print(tried(fcntl.ioctl, make(), 0x8906, bytearray(16)), tried(fcntl.ioctl, make(), 0x8907, bytearray(16)))
u = socket.socket(AF_INET, SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.sendto(b"x", u.getsockname()); u.recv(9)
for command in 0x8906, 0x8907:
    at = bytearray(16); print(fcntl.ioctl(u, command, at), abs(struct.unpack("qq", at)[0] - time.time()) < 9)
"""


def test_every_option(same):
    assert same(TABLE).count("\n") > 300


def test_devices_names_and_paths(same):
    same(textwrap.dedent(DEVICES))


def test_when_it_arrived(same):
    assert "(1, 35, 16, True)" in same(ARRIVALS)
