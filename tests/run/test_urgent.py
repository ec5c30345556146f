"""Urgent data, signals for what became ready, the errors that datagrams bring back, and clients that are bound: as Linux has them."""
import os
import pty
import re
import socket
import subprocess

import pytest

from tests.conftest import PYTHON, TERRARIUM

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


# AF_UNIX streams: the texts are what Linux 6.18 says (older kernels, from 5.15 on, differed in much of it).
UNIX = URGENT.replace("def pair():", "def tcp_pair():") + """
OOB, PEEK, DONTWAIT, WAITALL = socket.MSG_OOB, socket.MSG_PEEK, socket.MSG_DONTWAIT, socket.MSG_WAITALL
pair = socket.socketpair
a, b = pair()
"""

UNIX_CASES = {
    "beside the stream": ("""
print(attempt(b.recv, 1, OOB), mark(b), a.send(b"abcde", OOB), ready(b), inq(b), mark(b))
print(attempt(b.recv, 1, OOB | PEEK), attempt(b.recv, 1, OOB), attempt(b.recv, 1, OOB), ready(b))
print(b.recv(100), mark(b), inq(b), ready(b), a.send(b"fg"), mark(b), inq(b), b.recv(100), mark(b), ready(b))
""", """EINVAL 0 5 [(1, 2)] 5 0
b'e' b'e' EINVAL [(1, 0)]
b'abcd' 1 0 [(1, 0)] 2 1 2 b'fg' 0 []
"""),
    "in line": ("""
b.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
print(a.send(b"abc"), a.send(b"d", OOB), a.send(b"ef"), ready(b), attempt(b.recv, 1, OOB))
print(b.recv(100, PEEK), b.recv(100), mark(b), b.recv(100), mark(b), ready(b))
""", """3 1 2 [(1, 2)] EINVAL
b'abc' b'abc' 1 b'def' 0 []
"""),
    "a read ends before it, one that waits for all too": ("""
a.send(b"abc"); a.send(b"d", OOB); a.send(b"efgh"); print(b.recv(7, WAITALL), mark(b), b.recv(7), attempt(b.recv, 1, OOB))
a.send(b"abc"); a.send(b"d", OOB); a.send(b"efgh"); print(b.recv(1, OOB), b.recv(7), mark(b), b.recv(7), mark(b))
a, b = tcp_pair()
a.send(b"abc"); a.send(b"d", OOB); a.send(b"efgh"); print(b.recv(7, WAITALL), mark(b), b.recv(4, WAITALL))
""", """b'abc' 1 b'efgh' EINVAL
b'd' b'abc' 1 b'efgh' 0
b'abc' 1 b'efgh'
"""),
    "a later one": ("""
a.send(b"1", OOB); a.send(b"2", OOB); print(b.recv(9, DONTWAIT | PEEK), b.recv(9), mark(b), b.recv(1, OOB), attempt(b.recv, 9, DONTWAIT))
a.send(b"x", OOB); b.recv(1, OOB); a.send(b"y", OOB); print(mark(b), b.recv(1, OOB), mark(b), a.send(b"z"), b.recv(9))
a.send(b"!", OOB); print(attempt(b.recv, 9, DONTWAIT), mark(b), attempt(b.recv, 1, OOB))
""", """b'1' b'1' 1 b'2' EAGAIN
1 b'y' 1 1 b'z'
EAGAIN 0 EINVAL
"""),
    "a signal, and who waits": ("""
got = []
for n in signal.SIGURG, signal.SIGIO: signal.signal(n, lambda n, f: got.append(signal.Signals(n).name))
a.send(b"1", OOB); print(got)
fcntl.fcntl(b, fcntl.F_SETOWN, os.getpid()); a.send(b"2", OOB); print(got)
fcntl.fcntl(b, fcntl.F_SETFL, os.O_ASYNC); got.clear(); a.send(b"3", OOB); print(sorted(got))
e = select.epoll(); a, b = pair(); e.register(b, select.EPOLLIN | select.EPOLLPRI | select.EPOLLET)
a.send(b"q", OOB); print([n for _, n in e.poll(0)], e.poll(0), b.recv(1, OOB), e.poll(0))
""", """[]
['SIGURG']
['SIGIO', 'SIGURG']
[3] [] b'q' []
"""),
    "nobody to hear it, nothing to say": ("""
print(attempt(a.send, b"", OOB), attempt(b.recv, 0, OOB), a.send(b"xy", OOB), b.recvmsg(5, 0, OOB | PEEK)[:3], b.recvmsg(5)[:3])
for kind in socket.SOCK_SEQPACKET, socket.SOCK_DGRAM:
    p, q = pair(socket.AF_UNIX, kind); print(attempt(p.send, b"x", OOB), attempt(q.recv, 1, OOB), attempt(mark, q))
u = socket.socket(socket.AF_UNIX); print(attempt(u.recv, 1, OOB), attempt(u.send, b"x", OOB), attempt(mark, u))
a.setblocking(False)
try:
    while True: a.send(b"y" * 1000)
except BlockingIOError: print(attempt(a.send, b"y", OOB))
b.shutdown(socket.SHUT_RD); print(attempt(a.send, b"z", OOB))
""", """ENOTSUP b'' 2 (b'y', [], 1) (b'x', [], 0)
ENOTSUP ENOTSUP ENOTSUP
ENOTSUP ENOTSUP ENOTSUP
EINVAL ENOTCONN 0
EAGAIN
EPIPE
"""),
    "the end": ("""
a.send(b"q", OOB); a.close(); print(b.recv(1, OOB), b.recv(5), ready(b))
a, b = pair(); a.send(b"q", OOB); b.recv(1, OOB); b.close(); print(attempt(a.recv, 1))
a, b = pair(); a.send(b"q", OOB); b.close(); print(attempt(a.recv, 1))
r, w = os.pipe(); os.set_blocking(r, False)
a, b = pair(); a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", w))], OOB); os.close(w)
print(b.recvmsg(1, 100, OOB)[:2], attempt(os.read, r, 1), a.send(b"k"), b.recvmsg(4, 100)[:2], attempt(os.read, r, 1))
""", """b'q' b'' [(1, 0)]
b''
ECONNRESET
(b'x', []) EAGAIN 1 (b'k', []) b''
"""),
}


@pytest.mark.parametrize("case", UNIX_CASES)
def test_urgent_data_of_unix_streams(inside, same, case):
    code, said = UNIX_CASES[case]
    linux = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    assert (same if linux >= (6, 18) else inside)(UNIX + code) == said


# What one thing after another makes of the queue: a thousand steps, of which the texts above cannot tell.
WALK = """
import random
def step(r, a, b):
    what = r.randrange(10)
    if what < 3: return attempt(a.send, bytes([r.randrange(97, 123)]) * r.randrange(1, 5), r.choice([0, OOB]))
    if what < 5: return attempt(b.recv, 1, OOB | r.choice([0, PEEK]))
    if what < 8: return attempt(b.recv, r.randrange(1, 20), DONTWAIT | r.choice([0, PEEK, WAITALL]))
    return b.setsockopt(socket.SOL_SOCKET, *r.choice([(socket.SO_OOBINLINE, r.randrange(2)), (42, r.choice([-1, 0, 2]))]))
for seed in range(25):
    r = random.Random(seed); a, b = pair()
    print([(step(r, a, b), mark(b), ready(b)) for _ in range(40)]); b.close(); print(attempt(a.recv, 9))
"""


@pytest.mark.skipif(tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 18), reason="Linux was another then")
def test_urgent_data_of_unix_streams_at_random(same):
    same(UNIX + WALK)


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


STDIN = """
import fcntl, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
print("armed", flush=True)
data = None
while data not in (b"", b"end\\n"):
    signal.sigwaitinfo([signal.SIGIO])
    try: data = os.read(0, 100)
    except BlockingIOError: continue
    print(data, flush=True)
"""


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_a_signal_for_the_callers_own_input(tmp_path, kind):
    """Each piece is written when the one before it was answered; and a replay is told at the same places."""
    ours, theirs = pty.openpty() if kind == "terminal" else map(socket.socket.detach, socket.socketpair()) if kind == "socket" else os.pipe()[::-1]
    command = [TERRARIUM, "run", "--record", "r.trm", "--bundle", "--python", PYTHON, "--", "-c", STDIN]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, cwd=tmp_path) as p:
        os.close(theirs)
        said = p.stdout.readline()
        for line in b"hello\n", b"again\n", b"end\n":
            os.write(ours, line)
            said += p.stdout.readline()
        assert p.wait(60) == 0
    os.close(ours)
    assert said == b"armed\nb'hello\\n'\nb'again\\n'\nb'end\\n'\n"
    done = subprocess.run([TERRARIUM, "replay", "r.trm"], capture_output=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (0, said), done


def test_a_signal_for_the_end_of_the_callers_input(terrarium):
    done = terrarium("run", "--", "-c", STDIN, stdin=b"")
    assert (done.status, done.out) == (0, "armed\nb''\n"), done


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
