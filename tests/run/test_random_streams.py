"""Pairs of sockets used at random, natively and inside: what each call answers, whatever came before it."""
import pytest

CODE = """
import array, errno, fcntl, random, select, socket, struct, termios, time
from socket import *
import socket
def tried(f, *a):
    try:
        return f(*a)
    except OSError as e:
        return errno.errorcode[e.errno]
def events(s):
    p = select.poll(); p.register(s, 0x7fff); return [hex(e) for _, e in p.poll(0)]
def waiting(s):
    n = array.array('i', [0]); return tried(fcntl.ioctl, s, termios.FIONREAD, n) or n[0]
def inet(family, kind):
    at = '127.0.0.1' if family == AF_INET else '::1'
    if kind == SOCK_DGRAM:
        a, b = (socket.socket(family, kind) for _ in range(2))
        a.bind((at, 0)); b.bind((at, 0)); a.connect(b.getsockname()); b.connect(a.getsockname())
        return a, b
    l = socket.create_server((at, 0), family=family)
    a = socket.create_connection(l.getsockname()[:2]); b, _ = l.accept()
    for s in a, b: s.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return a, b
def once(r, a, b, arrives):
    for s in a, b: s.setblocking(False)
    for step in range(50):
        s, what = r.choice((a, b)), r.randrange(14)
        if what < 4: yield 'send', tried(s.send, bytes([r.randrange(65, 90)]) * r.randrange(50), MSG_NOSIGNAL)
        elif what < 8: yield 'recv', tried(s.recv, r.randrange(60), r.choice((0, 0, MSG_PEEK, MSG_WAITALL)))
        elif what == 8: yield 'events', events(s)
        elif what == 9: yield 'waiting', waiting(s)
        elif what == 10 and r.random() < .3: yield 'shutdown', tried(s.shutdown, r.randrange(3))
        elif what == 11: yield 'error', s.getsockopt(SOL_SOCKET, SO_ERROR)
        elif what == 13: yield 'recvmsg', tried(lambda: s.recvmsg(10, 100, MSG_DONTWAIT)[:3])
        elif what == 12 and r.random() < .15:
            if r.random() < .3: s.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0))
            s.close(); s = a if s is b else b
            arrives(); yield 'closed', events(s), tried(s.recv, 10), tried(s.send, b'q', MSG_NOSIGNAL)
            arrives(); yield events(s), tried(s.send, b'q', MSG_NOSIGNAL), tried(s.recv, 100), tried(s.recv, 100), events(s)
            return
        arrives()
KINDS = {'tcp': lambda: inet(AF_INET, SOCK_STREAM), 'tcp6': lambda: inet(AF_INET6, SOCK_STREAM), 'udp': lambda: inet(AF_INET6, SOCK_DGRAM),
         'stream': lambda: socketpair(), 'dgram': lambda: socketpair(AF_UNIX, SOCK_DGRAM), 'seqpacket': lambda: socketpair(AF_UNIX, SOCK_SEQPACKET)}
for seed in range(60 if KIND[:3] == 'tcp' else 100):
    for step, said in enumerate(once(random.Random(seed), *KINDS[KIND](), (lambda: time.sleep(.0005)) if KIND[:3] == 'tcp' else int)):
        print(seed, step, said)
"""


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "udp", "stream", "dgram", "seqpacket"])
def test_used_at_random(same, kind):
    assert same(f"KIND = {kind!r}\n{CODE}").count("\n") > 1000
