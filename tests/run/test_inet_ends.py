"""What a TCP socket says after its connection's end, and what comes beside a datagram: natively and inside."""

HEAD = """
import errno, socket, struct
def tried(f, *a):
    try:
        return f(*a)
    except OSError as e:
        return errno.errorcode[e.errno]
"""

ENDS = HEAD + """
def pair():
    listener = socket.create_server(('127.0.0.1', 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    return client, server
def named(s):
    name = tried(s.getpeername)
    return name if isinstance(name, str) else 'named'
c, s = pair()
print(tried(c.shutdown, 2), tried(c.shutdown, 2), tried(c.shutdown, 1), named(c), named(s))
print(tried(s.shutdown, 1), named(c), named(s), tried(c.shutdown, 1), tried(s.shutdown, 0))
c, s = pair()
print(tried(c.shutdown, 1), named(c), named(s), tried(c.shutdown, 1))
s.close()
print(named(c), tried(c.shutdown, 1), tried(c.shutdown, 0))
c, s = pair()
c.close()
print(named(s), tried(s.shutdown, 0), named(s), tried(s.shutdown, 1), named(s), tried(s.shutdown, 1))
c, s = pair()
s.send(b'left')
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
s.close()
print(named(c), tried(c.shutdown, 1), tried(c.recv, 10), tried(c.recv, 10), tried(c.recv, 10), named(c))
"""

RESETS = HEAD + """
import select, time
def pair():
    listener = socket.create_server(('127.0.0.1', 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    return client, server
def events(s):
    p = select.poll(); p.register(s, 0x7fff); return [hex(e) for _, e in p.poll(0)]
def told(s):
    time.sleep(.05)
    return events(s), tried(s.recv, 9, socket.MSG_DONTWAIT), tried(s.recv, 9, socket.MSG_DONTWAIT), tried(s.send, b'z', socket.MSG_NOSIGNAL), events(s)
for how in socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR:
    c, s = pair(); s.shutdown(how); time.sleep(.05) # and the other one goes on sending
    print(how, tried(c.send, b'one'), told(c), told(s))
    c, s = pair(); s.shutdown(how); c.shutdown(socket.SHUT_WR); time.sleep(.05)
    print(tried(s.shutdown, 2), told(c), told(s))
    c, s = pair(); c.send(b'unread'); time.sleep(.05); s.shutdown(how); s.close()
    print(told(c))
    c, s = pair(); c.send(b'unread'); c.shutdown(how); time.sleep(.05); s.close()
    print(told(c))
    c, s = pair(); s.send(b'before'); time.sleep(.05); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close(); time.sleep(.05)
    print(tried(c.recv, 99, socket.MSG_WAITALL), tried(c.recv, 99), told(c)) # the error is the next call's
    c, s = pair(); c.shutdown(how); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); time.sleep(.05); s.close()
    print(told(c))
"""

BESIDE = HEAD + """
V4, V6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
def pair(family, protocol=0):
    a, b = (socket.socket(family, socket.SOCK_DGRAM, protocol) for _ in range(2))
    b.bind(('127.0.0.1' if family == socket.AF_INET else '::1', 0))
    a.connect(b.getsockname())
    b.settimeout(5)
    return a, b
def beside(s, room=200):
    data, controls, flags, _ = s.recvmsg(100, room)
    print(data, controls, flags)
a, b = pair(socket.AF_INET)
for option in socket.IP_RECVTOS, socket.IP_TTL, 12, 8: # IP_RECVTTL, IP_PKTINFO
    b.setsockopt(V4, option, 1 if option != socket.IP_TTL else 33)
a.send(b'plain'); beside(b)
a.setsockopt(V4, socket.IP_TTL, 7); a.setsockopt(V4, socket.IP_TOS, 0x10)
a.send(b'options'); beside(b)
a.sendmsg([b'message'], [(V4, socket.IP_TTL, struct.pack('i', 9)), (V4, socket.IP_TOS, b'\\x20')]); beside(b)
a.send(b'little room'); beside(b, 30)
for level, kind, value in ((V4, socket.IP_TTL, struct.pack('i', 0)), (V4, socket.IP_TTL, b'x'), (V4, socket.IP_TOS, struct.pack('i', 256)),
                           (V4, 99, b''), (V6, 99, b''), (77, 1, b'')):
    print(tried(a.sendmsg, [b'odd'], [(level, kind, value)]))
a, b = pair(socket.AF_INET6)
for option in socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS, socket.IPV6_RECVPKTINFO:
    print(b.getsockopt(V6, option))
    b.setsockopt(V6, option, 1)
a.send(b'plain'); beside(b)
a.setsockopt(V6, socket.IPV6_UNICAST_HOPS, 5); a.setsockopt(V6, socket.IPV6_TCLASS, 8)
a.send(b'options'); beside(b)
a.sendmsg([b'message'], [(V6, socket.IPV6_HOPLIMIT, struct.pack('i', 9)), (V6, socket.IPV6_TCLASS, struct.pack('i', 3))]); beside(b)
for kind, value in (socket.IPV6_HOPLIMIT, struct.pack('i', 256)), (socket.IPV6_HOPLIMIT, b'x'), (99, b''):
    print(tried(a.sendmsg, [b'odd'], [(V6, kind, value)]))
b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); b.bind(('::', 0))
b.setsockopt(V6, socket.IPV6_RECVPKTINFO, 1); b.setsockopt(V6, socket.IPV6_RECVHOPLIMIT, 1); b.setsockopt(V4, socket.IP_RECVTOS, 1)
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.sendto(b'mapped', ('127.0.0.1', b.getsockname()[1])); beside(b)
"""

LITE = HEAD + """
LITE, SEND, RECEIVE = socket.IPPROTO_UDPLITE, 10, 11
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM, LITE) for _ in range(2))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.bind(('127.0.0.1', 0))
print(tried(u.bind, b.getsockname()), tried(u.getsockopt, LITE, SEND), tried(u.setsockopt, LITE, SEND, 8), tried(socket.socket, socket.AF_INET, socket.SOCK_STREAM, LITE), a.proto)
a.connect(b.getsockname())
b.setblocking(False)
for value in -1, 0, 3, 8, 20, 70000:
    print(value, tried(a.setsockopt, LITE, SEND, value), tried(a.getsockopt, LITE, SEND))
for send, receive in (0, 0), (8, 8), (8, 0), (10, 9), (10, 12), (100, 12), (0, 12):
    a.setsockopt(LITE, SEND, send)
    b.setsockopt(LITE, RECEIVE, receive)
    a.send(b'0123456789')
    print(send, receive, tried(b.recv, 100))
"""


def test_after_the_end(same):
    same(ENDS)


def test_resets_and_half_ends(same):
    assert "EPIPE" in same(RESETS)


def test_beside_a_datagram(same):
    assert "little room" in same(BESIDE)


def test_udp_lite(same):
    same(LITE)


FULL = HEAD + """
import os, select, threading, time
listener = socket.create_server(("127.0.0.1", 0), backlog=2)
def one(n, out):
    s = socket.create_connection(listener.getsockname(), timeout=n % 2 and 30 or None)
    s.sendall(b"%d" % n); out.append((n, s.recv(9)))
out = []
threads = [threading.Thread(target=one, args=(n, out)) for n in range(12)]
for t in threads: t.start()
time.sleep(0.2)
for _ in threads:
    s, _ = listener.accept()
    s.sendall(b"=" + s.recv(9))
for t in threads: t.join()
print(sorted(out))
"""


def test_a_backlog_that_is_full_is_waited_for(same):
    same(FULL)


def test_a_full_backlog_that_goes_away_or_never_empties(terrarium):
    done = terrarium("run", "--", "-c", HEAD + """
import select, time
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
inside = socket.create_connection(listener.getsockname())
late = socket.socket(); late.setblocking(False)
print(tried(late.connect, listener.getsockname()))
gone = socket.socket(); gone.setblocking(False); print(tried(gone.connect, listener.getsockname())); gone.close()
t = time.monotonic()
print(tried(socket.create_connection, listener.getsockname()), round(time.monotonic() - t))
print([len(x) for x in select.select([], [late], [], 0)], errno.errorcode[late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
last = socket.socket(); last.setblocking(False); print(tried(last.connect, listener.getsockname()))
listener.close()
print(errno.errorcode[last.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
""")
    assert (done.status, done.out) == (0, "EINPROGRESS\nEINPROGRESS\nETIMEDOUT 127\n[0, 1, 0] ETIMEDOUT\nEINPROGRESS\nECONNREFUSED\n"), done


def test_listeners_on_one_port_share_what_comes(inside):
    """SO_REUSEPORT: by the sender, which is the same in every run; natively which is chance, and that both get some is near certain."""
    code = """
import select, socket
def on(kind, port=0):
    s = socket.socket(type=kind); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM: s.listen()
    return s
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
    a = on(kind); b = on(kind, a.getsockname()[1]); who = ""
    for _ in range(40):
        c = socket.socket(type=kind); c.connect(a.getsockname())
        if kind == socket.SOCK_DGRAM: c.send(b"x"); c.send(b"y")
        for s in select.select([a, b], [], [], 9)[0]:
            who += "ab"[s is b]
            if kind == socket.SOCK_STREAM: s.accept()
            else: s.recv(1); assert s.recv(1) == b"y"
    print(who.count("a") > 4, who.count("b") > 4, len(who))
    a.close(); c = socket.socket(type=kind); c.connect(b.getsockname())
"""
    assert inside(code) == "True True 40\n" * 2


def test_congestion_control_has_a_name(same):
    same("""
import socket
s = socket.socket()
for name in b"reno", b"no such":
    try: print(s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).strip(b"\\0"))
    except OSError as e: print(e.errno)
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 3), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
""")


def test_who_was_not_accepted_is_reset(same):
    same(HEAD + """
import ctypes
libc = ctypes.CDLL(None)
def stops(how):
    listener = socket.create_server(('127.0.0.1', 0))
    clients = [socket.create_connection(listener.getsockname(), 5) for _ in range(2)]
    clients[0].send(b'unread')
    how(listener)
    return [(tried(c.recv, 9), tried(c.recv, 9)) for c in clients], tried(listener.accept), tried(socket.create_connection, listener.getsockname(), 5)
print(stops(lambda s: s.shutdown(socket.SHUT_RD)))
print(stops(lambda s: libc.connect(s.fileno(), bytes(16), 16))[0])
""")
