"""Much of everything, against the supervisor itself: what one guest can make it hold is bounded, and the run ends as it would have.
Outside these would fill the machine's own tables. Its memory is what wait4(2) tells of it; the bound is far above a quiet run's (a
few MiB) and far below what each flood asks for."""
import subprocess

import pytest

from tests.conftest import SANITIZED, TERRARIUM

# Bytes of the supervisor or of a guest process, ever: wait4(2) tells the greater.
MOST = 1 << 30 if SANITIZED else 160 << 20

FLOODS = {
    "symlinks-long": """
for i in range(10 ** 6): os.symlink('x' * 4000, '/tmp/%d' % i)
""",
    "descriptors": """
n = 0
try:
    while True: os.open('/dev/null', 0); n += 1
except OSError as e: print(e.errno)
for i in range(100000):
    try: os.dup2(0, 3 + i)
    except OSError as e: print(e.errno); break
""",
    "pipes-full": """
held = []
try:
    while True:
        r, w = os.pipe2(os.O_NONBLOCK); held.append((r, w))
        while True: os.write(w, b'x' * 65536)
except BlockingIOError:
    try:
        while True:
            r, w = os.pipe2(os.O_NONBLOCK)
            try:
                while True: os.write(w, b'x' * 65536)
            except BlockingIOError: pass
    except OSError as e: print(e.errno)
""",
    "sockets-full": """
import socket
try:
    while True:
        a, b = socket.socketpair(); a.setblocking(False); a.detach(); os.set_blocking(b.detach(), False)
        try:
            while True: os.write(b.fileno() if b.fileno() >= 0 else a.fileno(), b'x')
        except OSError: pass
except OSError as e: print(e.errno)
""",
    "descriptors-in-flight": """
import socket, array
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.setblocking(False)
try:
    for i in range(10 ** 6): a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1] * 250))])
except OSError as e: print(e.errno)
""",
    "directories-deep": """
os.chdir('/box')
n = 0
try:
    while n < 2000: os.mkdir('d' * 200); os.chdir('d' * 200); n += 1
except OSError as e: print('stopped', e.errno)
try: os.getcwd()
except OSError as e: print(e.errno)
try: os.stat('../' * 1300)
except OSError as e: print(e.errno)
""",
    "names": """
n = 0
try:
    while n < 5000: os.close(os.open('/box/%d' % n, os.O_CREAT | os.O_WRONLY)); n += 1
except OSError as e: print('stopped', e.errno)
""",
    "missing-names": """
for i in range(5000):
    try: os.stat('/box/missing-%d-' % i + 'x' * 200)
    except OSError: pass
""",
    "long-paths": """
for i in range(1000):
    try: os.stat('/box/' + '../box/' * 580)
    except OSError as e: print(e.errno)
for i in range(1000):
    try: os.stat('a/' * 3000)
    except OSError as e: assert e.errno == 36
os.symlink('/box/l2/' * 500, '/box/l1'); os.symlink('/box/l1/' * 500, '/box/l2')
for i in range(1000):
    try: os.stat('/box/l1')
    except OSError as e: assert e.errno in (40, 36), e
""",
    "watches": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0o4000)
try:
    for i in range(1000):
        name = b'/box/w%d' % i; os.mkdir(name); os.mkdir(name + b'/x')
        if libc.inotify_add_watch(fd, name, 0xfff) < 0: break
except OSError as e: print('stopped', e.errno)
for i in range(5000):
    try: os.utime('/box/w%d' % (i % 100))
    except OSError: pass
""",
    "timers": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
t = ctypes.c_int()
n = 0
while n < 50000 and libc.syscall(222, 1, 0, ctypes.byref(t)) == 0: n += 1
print('stopped', n < 50000)
""",
    "queued-signals": """
import ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
info = (ctypes.c_int * 32)(40, 0, -1)
n = 0
while n < 50000 and libc.syscall(129, os.getpid(), 40, info) == 0: n += 1
print('stopped', n < 50000)
""",
    "unknown-calls": """
import ctypes
libc = ctypes.CDLL(None)
for i in range(3000): libc.syscall(1000 + i * 7919)
""",
    "locks": """
import fcntl, struct
fd = os.open('/box/lock', os.O_CREAT | os.O_RDWR)
try:
    for i in range(2000): fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack('hhqqi', fcntl.F_WRLCK, 0, i * 4, 1, 0))
except OSError as e: print(e.errno)
""",
    "extended-attributes": """
open('/box/f', 'w').close()
try:
    for i in range(100000): os.setxattr('/box/f', 'user.a%d' % i, b'x' * 4000)
except OSError as e: print(e.errno)
""",
    "memfds": """
try:
    while True: os.ftruncate(os.memfd_create('x'), 1 << 40)
except OSError as e: print(e.errno)
""",
    "message-queues": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
n = 0
while n < 40000 and libc.msgget(n + 1, 0o1666) >= 0: n += 1
print('stopped', n < 40000)
n = 0
while n < 40000 and libc.semget(n + 1, 100, 0o1666) >= 0: n += 1
print('stopped', n < 40000)
n = 0
while n < 40000 and libc.shmget(n + 1, 1 << 30, 0o1666) >= 0: n += 1
print('stopped', n < 40000)
""",
    "arguments": """
import subprocess
try: subprocess.run(['/bin/true'] + ['x' * 1000] * 20000)
except OSError as e: print(e.errno)
try: subprocess.run(['/bin/true', 'x' * (1 << 20)])
except OSError as e: print(e.errno)
""",
    "iovecs": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(1 << 20)
vec = (ctypes.c_uint64 * 4096)()
for i in range(0, 2048, 2): vec[i], vec[i + 1] = ctypes.addressof(buffer), 1 << 20
fd = os.open('/dev/null', os.O_WRONLY)
for i in range(20): libc.writev(fd, vec, 1024)
print(libc.writev(fd, vec, 2000), ctypes.get_errno())
""",
    "epolls-nested": """
import select
held = [select.epoll()]
try:
    for i in range(200):
        e = select.epoll(); e.register(held[-1].fileno()); held.append(e)
except OSError as e: print(e.errno)
""",
}


# A program begins with its starter's greatest size as its own (execve keeps it): whoever measures must be small itself.
WATCH = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status if status >= 0 else 128 - status)
"""


@pytest.mark.parametrize("flood", FLOODS)
def test_flood(flood, tmp_path):
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        run = subprocess.run(["/usr/bin/python3", "-c", WATCH, str(tmp_path / "usage"), TERRARIUM, "run", "--python", "/usr/bin/python3",
                              "--limit", "wall=20s,memory=96MiB,files=64MiB", "--", "-c",
                              "import os\n" + FLOODS[flood] + "\nprint('end')"],
                             stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=120)
    used = int((tmp_path / "usage").read_text()) * 1024
    said = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert run.returncode in (0, 124), said
    assert used < MOST, (used, said)
    assert run.returncode == 124 or said[0].endswith("end\n"), said


def test_denials_say_nothing_to_the_terminal(terrarium):
    """A path is the guest's text: in --verbose and in the report it is quoted, so that it moves no cursor and forges no line."""
    name = "/data/x\\x1b[2J\\x07\\nterrarium: denied nothing\\r\\x9b1m"
    result = terrarium("run", "--verbose", "--", "-c", f"""
try: open("{name}")
except OSError as e: print(e.errno)
""", policy='terrarium: 1\ncalls: [{deny: openat, path: "/data/**", errno: EACCES}]', report=True)
    assert result.out == "13\n" and result.err.count("\n") == 1, result
    assert not any(c in result.err for c in "\x1b\x07\r\x9b"), result
    assert "denied openat" in result.err
