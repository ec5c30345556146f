"""Sending and connecting in the ways that are seldom taken, and who may listen beside whom: natively and inside."""

HEAD = """
import array, errno, fcntl, os, select, socket, struct, tempfile, termios, threading, time
from socket import *
import socket
def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
def datagrams(family=AF_INET):
    a, b = (socket.socket(family, SOCK_DGRAM) for _ in range(2))
    for s in a, b: s.bind(('127.0.0.1' if family == AF_INET else '::1', 0)); s.setblocking(False) # loopback is at once
    return a, b
def stream(family=AF_INET):
    l = socket.create_server(('127.0.0.1' if family == AF_INET else '::1', 0), family=family)
    c = socket.create_connection(l.getsockname()[:2]); s, _ = l.accept()
    return c, s
def queued(s, command):
    n = array.array('i', [0]); error = tried(fcntl.ioctl, s, command, n); return error or n[0]
"""

MORE = HEAD + """
a, b = datagrams(); _, c = datagrams()
now = lambda: tried(b.recv, 70000)
print(a.sendto(b'1', MSG_MORE, b.getsockname()), a.sendto(b'2', MSG_MORE, c.getsockname()), now(), tried(a.send, b'3'), b.recv(9))
print(tried(a.sendto, b'x' * 60000, MSG_MORE, b.getsockname()), tried(a.sendto, b'y' * 10000, b.getsockname()), now())
print(a.sendto(b'1', MSG_MORE, b.getsockname()), a.sendto(b'', b.getsockname()), b.recv(9))
a.setsockopt(IPPROTO_UDP, 1, 1); a.sendto(b'cor', b.getsockname()); a.sendto(b'ked', b.getsockname()); print(now())
a.setsockopt(IPPROTO_UDP, 1, 0); print(b.recv(9))
a.setsockopt(IPPROTO_UDP, 1, 1); a.sendto(b'never', b.getsockname()); a.close(); print(now())
a, _ = datagrams()
def segments(size, bytes=b'abcdefg', kind=103):
    return tried(a.sendmsg, [bytes], [(IPPROTO_UDP, kind, size)], 0, b.getsockname())
print(segments(struct.pack('H', 2)), [b.recv(9) for _ in range(4)], segments(struct.pack('H', 9)), b.recv(9))
print(segments(b'1'), segments(b'12', kind=99), segments(struct.pack('H', 1), bytes(1000)))
a.setsockopt(IPPROTO_UDP, 103, 3); a.sendto(b'abcdefg', b.getsockname()); print([b.recv(9) for _ in range(3)])
for family, level, option in (AF_INET, IPPROTO_IP, 11), (AF_INET6, IPPROTO_IPV6, 25):
    a, b = datagrams(family)
    a.setsockopt(level, option, 1)
    for n in 65507, 65508, 65527, 65528, 70000:
        print(n, tried(a.sendto, bytes(n), b.getsockname()), end=' ')
        answer = tried(a.recvmsg, 9, 200, MSG_ERRQUEUE); print(answer if isinstance(answer, str) else answer[:3])
a, b = datagrams(AF_INET6); v4, _ = datagrams()
print(a.sendto(b'mapped', ('::ffff:127.0.0.1', v4.getsockname()[1])) if a.getsockname()[0] == '::' else '')
"""

FAST = HEAD + """
l = socket.create_server(('127.0.0.1', 0)); at = l.getsockname()
s = socket.socket(); print(s.sendto(b'hello', MSG_FASTOPEN, at)); c, _ = l.accept()
print(c.recv(9), tried(s.sendto, b'again', MSG_FASTOPEN, at), s.send(b'more'), c.recv(9))
print(tried(socket.socket().sendto, b'x', MSG_FASTOPEN, ('127.0.0.1', 1)), tried(socket.socket().send, b'x', MSG_FASTOPEN))
s = socket.socket(); sent = []
t = threading.Thread(target=lambda: sent.append(s.sendto(bytes(8000000), MSG_FASTOPEN, at))); t.start()
c, _ = l.accept(); n = 0
while n < 8000000: n += len(c.recv(100000))
t.join(); print(sent, n)
c, s = stream(); s.setsockopt(IPPROTO_TCP, 36, 1); c.send(b'12345'); select.select([s], [], []) # TCP_INQ
print(s.recvmsg(2, 100), s.recv(1), s.recvmsg(9, 100)[1], queued(c, 0x894b), queued(c, termios.TIOCOUTQ))
"""

CONNECTS = HEAD + """
s = socket.socket(); s.setblocking(False); print(tried(s.connect, ('127.0.0.1', 1))); select.select([], [s], [], 9)
print(s.getsockopt(SOL_SOCKET, SO_ERROR), tried(s.connect, ('127.0.0.1', 1)), tried(s.send, b'x', MSG_NOSIGNAL), tried(s.recv, 5))
s = socket.socket(); s.bind(('127.0.0.1', 0)) # meets itself
print(tried(s.connect, s.getsockname()), s.getsockname() == s.getpeername(), s.send(b'me' * 500), s.recv(5), queued(s, termios.FIONREAD))
s.shutdown(SHUT_WR); print(len(s.recv(5000)), s.recv(5)); s.close()
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for family in AF_INET, AF_INET6:
    for kind in SOCK_STREAM, SOCK_DGRAM:
        for said in AF_INET, AF_INET6, AF_UNIX:
            for n in 1, 2, 15, 16, 24, 28:
                address = struct.pack('H', said) + b'\\0\\1' + (bytes([127, 0, 0, 1]) if said == AF_INET else bytes(4)) + bytes(15) + b'\\1' + bytes(9)
                def call(f, *a):
                    return 'done' if f(*a) >= 0 else errno.errorcode[ctypes.get_errno()]
                a, b, c = (socket.socket(family, kind) for _ in range(3))
                print(family.name, kind.name, said.name, n, call(libc.connect, a.fileno(), address, n), call(libc.bind, b.fileno(), address[:2] + bytes(2) + address[4:], n),
                      call(libc.sendto, c.fileno(), b'x', 1, MSG_NOSIGNAL, address, n))
"""

AGAIN = HEAD + """
for flags in 0, AI_PASSIVE: # tries each address with one socket, of IPv6 for IPv4 too
    for host in None, '127.0.0.1', '::1':
        print(host, sorted(a[4][0] for a in socket.getaddrinfo(host, 80, type=SOCK_STREAM, flags=flags)))
import ctypes
libc = ctypes.CDLL(None)
for kind in SOCK_STREAM, SOCK_DGRAM:
    s = socket.socket(AF_INET6, kind); print(tried(s.bind, ('fe80::1', 0)), tried(s.connect, ('fe80::1', 80)))
for family, at in (AF_INET, ('127.0.0.1', 9)), (AF_INET6, ('::1', 9)):
    for name in None, (at[0], 0), ('', 0):
        s = socket.socket(family, SOCK_DGRAM)
        if name: s.bind(name)
        s.connect(at); print(s.getsockname()[0], s.getsockname()[1] != 0, end=' ')
        libc.connect(s.fileno(), bytes(28), 28); print(s.getsockname()[0], s.getsockname()[1] != 0)
        s = socket.socket(family)
        if name: s.bind(name)
        print(tried(s.connect, (at[0], 1)), s.getsockname()[0], s.getsockname()[1] != 0)
l = socket.create_server(('127.0.0.1', 0)); l.shutdown(SHUT_RDWR)
def other():
    o = socket.socket(); return tried(o.bind, l.getsockname())
print(tried(socket.create_connection, l.getsockname()), other(), tried(l.listen), other(), socket.create_connection(l.getsockname()) is None)
"""

LISTENS = HEAD + """
def bound(kind, at, *options):
    s = socket.socket(AF_INET6 if ':' in at[0] else AF_INET, kind)
    for o in options: s.setsockopt(SOL_SOCKET, o, 1)
    return s, tried(s.bind, at)
ways = (), (SO_REUSEADDR,), (SO_REUSEPORT,), (SO_REUSEADDR, SO_REUSEPORT)
for first in ways:
    for second in ways:
        for one in '127.0.0.1', '0.0.0.0', '::', '::1':
            for two in '127.0.0.1', '127.0.0.2', '0.0.0.0', '::', '::1', '::ffff:127.0.0.1':
                a, _ = bound(SOCK_STREAM, (one, 0), *first)
                b, said = bound(SOCK_STREAM, (two, a.getsockname()[1]), *second)
                print(len(first), len(second), one, two, said, tried(a.listen), tried(b.listen), tried(a.listen)); a.close(); b.close()
"""

MOVES = HEAD + """
r, w = os.pipe()
for c, s in stream(), socketpair():
    if s.family == AF_UNIX: print(tried(os.splice, s.fileno(), w, 10, flags=os.SPLICE_F_NONBLOCK)) # TCP does not look at it
    s.setblocking(False)
    print(tried(os.splice, s.fileno(), w, 10)); s.setblocking(True)
    c.setblocking(False)
    while not isinstance(tried(c.send, bytes(65536)), str): pass
    os.write(w, b'x'); print(tried(os.splice, r, c.fileno(), 10)); os.read(r, 9)
    print(tried(os.splice, r, c.fileno(), 10, flags=os.SPLICE_F_NONBLOCK))
    os.set_blocking(w, False)
    while not isinstance(tried(os.write, w, bytes(4096)), str): pass
    print(tried(os.splice, s.fileno(), w, 10)); os.set_blocking(w, True)
    os.read(r, 65536)
a, b = socketpair(AF_UNIX, SOCK_SEQPACKET); a.send(b'end', MSG_EOR); print(b.recvmsg(9)[::2])
"""


def test_datagrams_of_several_pieces_and_several_of_one(same):
    same(MORE)


def test_the_first_bytes_with_the_connection(same):
    same(FAST)


def test_odd_connections(same):
    assert "True 1000" in same(CONNECTS)


def test_a_name_goes_with_its_connection(same):
    same(AGAIN)


def test_who_listens_beside_whom(same):
    same(LISTENS)


def test_splicing_does_not_wait_for_who_does_not(same):
    same(MOVES)


def test_a_send_or_a_receive_is_at_most_two_stops(terrarium):
    def stops(n):
        done = terrarium("run", "--", "-c", f"""
import os, socket
l = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    c = socket.create_connection(l.getsockname())
    for _ in range({n}): c.send(b"x"); c.recv(1)
    os._exit(0)
s, _ = l.accept()
for _ in range({n}): s.recv(1); s.send(b"y")
os.wait()
""", report=True)
        assert done.status == 0, done
        return done.report["stops"]
    calls = 4 * 2000
    assert stops(2000) - stops(0) <= 2 * calls
