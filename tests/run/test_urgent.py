"""Urgent data, signals for what became ready, the errors that datagrams bring back, and clients that are bound: as Linux has them."""
import pytest

URGENT = """
import errno, fcntl, os, select, signal, socket, struct, termios
def pair():
    l = socket.create_server(("127.0.0.1", 0))
    a = socket.create_connection(l.getsockname())
    b, _ = l.accept()
    l.close()
    return a, b
def attempt(f, *x):
    try: return f(*x)
    except OSError as e: return errno.errorcode[e.errno]
def mark(s):
    return struct.unpack("i", fcntl.ioctl(s, 0x8905, b"0000"))[0]
def inq(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"0000"))[0]
def ready(s):
    p = select.poll(); p.register(s, select.POLLIN | select.POLLPRI)
    return [(e & select.POLLIN, e & select.POLLPRI) for _, e in p.poll(0)]
"""

CASES = {
    "beside the stream": """
a, b = pair()
print(attempt(b.recv, 1, socket.MSG_OOB), mark(b))
print(a.send(b"abcde", socket.MSG_OOB))
print(ready(b), inq(b), mark(b), select.select([b], [], [b], 0) == ([b], [], [b]))
print(attempt(b.recv, 1, socket.MSG_OOB | socket.MSG_PEEK), attempt(b.recv, 1, socket.MSG_OOB), attempt(b.recv, 1, socket.MSG_OOB))
print(ready(b), b.recv(100), mark(b), inq(b), ready(b))
a.send(b"fg")
print(ready(b), inq(b), b.recv(100), mark(b), ready(b))
""",
    "in line": """
a, b = pair()
b.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
print(a.send(b"abc"), a.send(b"d", socket.MSG_OOB), a.send(b"ef"))
print(ready(b), inq(b), attempt(b.recv, 1, socket.MSG_OOB), mark(b))
print(b.recv(100, socket.MSG_PEEK), b.recv(100), mark(b), ready(b), b.recv(100), mark(b))
""",
    "a second mark": """
a, b = pair()
a.send(b"1", socket.MSG_OOB); a.send(b"2", socket.MSG_OOB)
print(b.recv(1, socket.MSG_OOB), inq(b)); b.setblocking(False); print(attempt(b.recv, 10))
a.send(b"xy3", socket.MSG_OOB); a.send(b"zz4", socket.MSG_OOB)
print(b.recv(1, socket.MSG_OOB), b.recv(10), mark(b), attempt(b.recv, 10))
""",
    "only the byte": """
a, b = pair()
a.send(b"!", socket.MSG_OOB)
print(ready(b), mark(b)); b.setblocking(False)
print(attempt(b.recv, 10, socket.MSG_PEEK), mark(b), attempt(b.recv, 10), mark(b), attempt(b.recv, 1, socket.MSG_OOB))
a.send(b"?", socket.MSG_OOB); a.send(b"more")
print(b.recv(10), attempt(b.recv, 1, socket.MSG_OOB))
""",
    "recvmsg and its flags": """
a, b = pair()
a.send(b"xyz", socket.MSG_OOB)
data, _, flags, _ = b.recvmsg(10, 0, socket.MSG_OOB)
print(data, flags & socket.MSG_OOB)
data, _, flags, _ = b.recvmsg(10)
print(data, flags & socket.MSG_OOB)
print(attempt(b.recv, 1, socket.MSG_ERRQUEUE), attempt(socket.socket().recv, 1, socket.MSG_OOB))
""",
    "a signal": """
a, b = pair()
got = []
signal.signal(signal.SIGURG, lambda n, f: got.append(n))
a.send(b"1", socket.MSG_OOB); print(got)
fcntl.fcntl(b, fcntl.F_SETOWN, os.getpid())
a.send(b"2", socket.MSG_OOB); print(got)
print(fcntl.fcntl(b, fcntl.F_GETOWN) == os.getpid())
fcntl.ioctl(b, 0x8902, struct.pack("i", 0))
print(fcntl.fcntl(b, fcntl.F_GETOWN), struct.unpack("i", fcntl.ioctl(b, 0x8904, b"0000")))
a.send(b"3", socket.MSG_OOB); print(got)
""",
    "nobody to hear it": """
a, b = pair()
b.close()
print(a.send(b"1", socket.MSG_OOB)); print(attempt(a.send, b"2", socket.MSG_OOB))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(attempt(s.sendto, b"x", socket.MSG_OOB, ("127.0.0.1", 9)))
""",
}


@pytest.mark.parametrize("case", CASES)
def test_urgent_data(same, case):
    same(URGENT + CASES[case])


SIGIO = """
import fcntl, os, signal, socket, pty, struct
got = []
def on(n, f): got.append(n)
for n in signal.SIGIO, signal.SIGRTMIN + 1: signal.signal(n, on)
def ask(fd, more=0):
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC | more)
def took():
    n = sorted(set(got)); got.clear(); return n
"""

ASKED = {
    "a pipe": "r, w = os.pipe(); ask(r); os.write(w, b'x'); print(took()); os.read(r, 1); print(took()); os.close(w); print(took())",
    "a socket": """
a, b = socket.socketpair(); ask(b.fileno()); a.send(b"x"); print(took()); b.recv(1); print(took())
fcntl.fcntl(b, fcntl.F_SETFL, 0); a.send(b"y"); print(took())""",
    "TCP": """
l = socket.create_server(("127.0.0.1", 0)); ask(l.fileno())
a = socket.create_connection(l.getsockname()); print(took())
b, _ = l.accept(); got.clear(); ask(b.fileno()); a.send(b"x"); print(took()); b.recv(1); got.clear()
a.close(); print(took())""",
    "UDP": """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); ask(s.fileno())
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", s.getsockname()); print(took())""",
    "a terminal": """
import time
m, s = pty.openpty(); ask(s); os.write(m, b"line\\n"); time.sleep(0.2); print(took()); os.read(s, 100); print(took())""",
    "another signal": """
r, w = os.pipe(); fcntl.fcntl(r, 10, signal.SIGRTMIN + 1); print(fcntl.fcntl(r, 11) == signal.SIGRTMIN + 1); ask(r)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 1])
os.write(w, b"x"); i = signal.sigwaitinfo([signal.SIGRTMIN + 1]); print(i.si_code, i.si_band, i.si_pid)""",
    "nobody": "r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); os.write(w, b'x'); print(took())",
    "a group": """
if os.fork(): os.wait(); os._exit(0)
os.setpgid(0, 0); r, w = os.pipe(); ask(r); fcntl.fcntl(r, fcntl.F_SETOWN, -os.getpgid(0)); os.write(w, b'x'); print(took())""",
    "by ioctl": """
r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getpid()); fcntl.ioctl(r, 0x5452, struct.pack("i", 1)); os.write(w, b"x"); print(took())
fcntl.ioctl(r, 0x5452, struct.pack("i", 0)); os.write(w, b"x"); print(took())""",
}


@pytest.mark.parametrize("case", ASKED)
def test_a_signal_for_what_became_ready(same, case):
    same(SIGIO + ASKED[case])


ERRORS = """
import errno, select, socket, struct
def attempt(f, *x):
    try: return f(*x)
    except OSError as e: return errno.errorcode[e.errno]
free = socket.socket(family, socket.SOCK_DGRAM); free.bind((host, 0)); to = free.getsockname(); free.close()
s = socket.socket(family, socket.SOCK_DGRAM)
def look(n=2000):
    got = attempt(s.recvmsg, n, 200, socket.MSG_ERRQUEUE)
    if isinstance(got, str): return got
    data, controls, flags, where = got
    return data[:4], len(data), [(l, t, d[:16], d[16:18], d[18:40].strip(b"\\0")) for l, t, d in controls], hex(flags), where == to
print(look())
print(s.sendto(b"unasked", to), look(), attempt(s.recv, 1, socket.MSG_DONTWAIT))
s.setsockopt(level, recverr, 1)
print(s.sendto(b"first" * 400, to))
p = select.poll(); p.register(s, 0); print(p.poll(1000) != [])
print(attempt(s.sendto, b"second", to), s.sendto(b"third", to))
print(look(), look(3), look(), p.poll(0))
s.connect(to); s.send(b"x"); print(attempt(s.recv, 1, socket.MSG_DONTWAIT), look(), attempt(s.recv, 1, socket.MSG_DONTWAIT))
"""


@pytest.mark.parametrize("family", ["family, host, level, recverr = socket.AF_INET, '127.0.0.1', 0, 11",
                                    "family, host, level, recverr = socket.AF_INET6, '::1', 41, 25"], ids=["IPv4", "IPv6"])
def test_errors_of_datagrams(same, family):
    same("import socket\n" + family + ERRORS)


def test_a_refusal_of_datagrams_has_its_delay(terrarium):
    done = terrarium("run", "--", "-c", """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("192.0.2.9", 9))
t = time.monotonic()
print(s.send(b"x"), s.send(b"y"))
try: s.recv(1)
except ConnectionRefusedError: print(round(time.monotonic() - t, 2))
""", policy="""
terrarium: 1
network:
  - {connect: "192.0.2.9:9", protocol: udp, refuse: true, delay: 2s}
""")
    assert (done.status, done.out) == (0, "1 1\n2.0\n"), done


def test_who_is_bound_may_connect(same):
    same("""
import socket
l = socket.create_server(("127.0.0.1", 0))
for where in "", "127.0.0.1", "127.0.0.2":
    for timeout in None, 2:
        s = socket.socket()
        s.settimeout(timeout)
        s.bind((where, 0))
        port = s.getsockname()[1]
        print(s.connect(l.getsockname()), s.getsockname()[1] == port, s.getsockname()[0], l.accept()[1][1] == port)
""")
