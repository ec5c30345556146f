"""Every limit ends the run, with its verdict, status 124 and a line on stderr, and with nothing left. None of these has a native
half: outside they would do what they say. Most of them would never end but for the limit: that they end is the test; how soon
(within 100 ms of real time) is nothing that a busy machine can be asked."""
import subprocess

import pytest

MIB = 1 << 20


@pytest.fixture
def ended(terrarium):
    """ended(verdict, limits, code): the run ends by that limit; returns the result."""

    def call(verdict, limits, code, **more):
        result = terrarium("run", "--limit", limits, "--", "-c", code, report=True, **more)
        assert result.status == 124, result
        assert result.report["verdict"] == verdict, result.report
        assert f"terrarium: ended by the limit {limits.split('=')[0] if verdict == 'files' else verdict}=" in result.err, result.err
        return result

    return call


def test_cpu_in_python(ended):
    result = ended("cpu", "cpu=300ms", "while True: pass")
    used = result.report["limits"]["cpu"]
    assert used["allowed"] == 0.3 and 0.3 <= used["counted"] < 0.301


def test_cpu_in_system_calls(ended):
    ended("cpu", "cpu=300ms", "import os\nwhile True: os.getppid()")


def test_cpu_of_many_processes_together(ended):
    ended("cpu", "cpu=500ms", """
import os
for i in range(8):
    if os.fork() == 0:
        while True: pass
while True: pass
""")


def test_cpu_with_every_signal_blocked_and_ignored(ended):
    ended("cpu", "cpu=300ms", """
import signal
for s in signal.valid_signals():
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True: pass
""")


def test_wall_while_sleeping_for_input(terrarium):
    import subprocess, os
    read, write = os.pipe()
    done = subprocess.run([os.environ["TERRARIUM_UNDER_TEST"], "run", "--limit", "wall=300ms", "--", "-c", "input()"], stdin=read, capture_output=True,
                          timeout=120)
    os.close(read), os.close(write)
    assert done.returncode == 124


def test_wall_while_computing(ended):
    ended("wall", "wall=300ms,cpu=1h", "while True: pass")


def test_wall_of_a_deadlock(ended):
    ended("wall", "wall=1h", "import threading\nl = threading.Lock(); l.acquire(); l.acquire()")


def test_memory_allocated(ended):
    result = ended("memory", "memory=256MiB", "b = []\nwhile True: b.append(bytearray(1 << 20))")
    assert result.report["limits"]["memory"]["used"] < 512 * MIB


def test_memory_at_once(ended):
    ended("memory", "memory=256MiB", "b = bytearray(1 << 32)\nb[::4096] = b'x' * (1 << 20)\nprint('got it')")


@pytest.mark.parametrize("way", ["open('/tmp/f', 'w+b', 0).truncate(n); open('/tmp/f', 'rb', 0).readinto(b)", "open('/tmp/f', 'wb', 0).write(b)"])
def test_memory_in_one_call(ended, way):
    """2 GiB that one read(2) or write(2) would touch: the limit does not wait for its end."""
    result = ended("memory", "memory=64MiB,files=4GiB", f"""
import mmap
n = (2 << 30) - 4096
b = mmap.mmap(-1, n, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
{way}
""")
    assert result.report["limits"]["memory"]["used"] < 512 * MIB


def test_memory_just_under_is_fine(inside):
    assert inside("b = bytearray(180 << 20); b[::4096] = b'x' * (180 << 8); print('ok')",
                  policy="terrarium: 1\nlimits: {memory: 256MiB}") == "ok\n"


def test_memory_just_over(ended):
    """As much as allowed, in one mapping, and a page more."""
    ended("memory", "memory=256MiB", """
import mmap, time
m = mmap.mmap(-1, (256 << 20) + 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(0, len(m), 4096): m[i] = 1
import os
for i in range(10 ** 7): os.getppid()
""")


def test_memory_reserved_is_not_memory(inside):
    assert inside("import mmap; m = mmap.mmap(-1, 1 << 36, flags=mmap.MAP_PRIVATE | 0x4000); m[1 << 35] = 7; print(m[1 << 35])",
                  policy="terrarium: 1\nlimits: {memory: 64MiB}") == "7\n"


def test_memory_reserved_by_arenas_is_not_memory(inside):
    """What is mapped with its pages has an end: the rest of 400 MiB stays untouched."""
    assert inside("import mmap; a = [mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(400)]\n"
                  "for i in range(1000): open('/dev/null').close()\nprint(a[399][5])",
                  policy="terrarium: 1\nlimits: {memory: 64MiB}") == "0\n"


def test_memory_of_64_processes(ended):
    result = ended("memory", "memory=256MiB,processes=100", """
import os, time
for i in range(64):
    if os.fork() == 0:
        b = bytearray(16 << 20)
        for j in range(0, len(b), 4096): b[j] = 1
        time.sleep(1000)
        os._exit(0)
time.sleep(1)
for i in range(10 ** 7): os.getppid()
""")
    assert result.report["limits"]["memory"]["used"] < 512 * MIB


SHARED_BY_FORK = """
import os, signal
shared = bytearray(b'x') * (24 << 20)
r, w = os.pipe()
for i in range(16):
    if os.fork() == 0:
        os.close(w)
        for j in range(200000): i += j
        os.read(r, 1)
        for at in range(0, len(shared), 4096): shared[at] = 1
        signal.pause()
for i in range(20000): os.getppid()
"""


def test_memory_shared_by_fork_is_counted_once(terrarium):
    """And looking at what is shared, which is a walk through everybody's page tables, leaves time for the run."""
    for limits in "memory=128MiB", "memory=1GiB", "wall=60s":
        result = terrarium("run", "--limit", limits, "--", "-c", SHARED_BY_FORK + "os.kill(0, signal.SIGKILL)", report=True)
        assert result.report["verdict"] == "signal", result.report
        assert 24 << 20 <= result.report["limits"]["memory"]["used"] < 128 << 20, result.report["limits"]


def test_memory_that_is_shared_no_more(ended):
    """Pages that are written to after a fork: no new memory by the sum of what processes have."""
    ended("memory", "memory=128MiB", SHARED_BY_FORK + "os.close(w)\nsignal.pause()\nprint('got it')")


def test_memory_shared_anonymous(ended):
    """Shared anonymous memory is nobody's in particular (RssShmem): it must be counted all the same."""
    ended("memory", "memory=128MiB", """
import mmap, os
m = mmap.mmap(-1, 1 << 30)
for i in range(0, len(m), 4096): m[i] = 1
for i in range(10 ** 6): os.getppid()
print('got it')
""")


def test_memory_shared_anonymous_hidden(ended):
    """Touched, then dropped from the page tables: it is still there."""
    ended("memory", "memory=128MiB", """
import mmap, os
m = mmap.mmap(-1, 1 << 30)
for i in range(0, len(m), 1 << 20):
    for j in range(i, i + (1 << 20), 4096): m[j] = 1
    m.madvise(mmap.MADV_DONTNEED, i, 1 << 20)
for i in range(10 ** 6): os.getppid()
print('got it')
""")


def test_memory_of_threads_whose_leader_left(ended):
    """Of a process whose first thread ended before the others, /proc/PID tells no memory."""
    ended("memory", "memory=128MiB", """
import ctypes, os, threading, time
def work():
    time.sleep(0.1)
    keep = [bytearray(b'x') * (10 << 20) for _ in range(60)]
    print('got it', flush=True)
    os._exit(0)
threading.Thread(target=work).start()
ctypes.CDLL(None).syscall(60, 0)
""")


def test_memory_hidden_by_a_mapping_that_fails(ended):
    """Shared memory is on an account of its own as long as somebody maps it. What was to be put in its place was not."""
    ended("memory", "memory=128MiB", """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
PRIVATE, SHARED, FIXED, ANONYMOUS, size = 2, 1, 16, 32, 20 << 20
for i in range(20):
    at = libc.mmap(None, size, 3, SHARED | ANONYMOUS, -1, 0)
    ctypes.memset(at, 1, size)
    libc.mmap(at - 4095, size + 8192, 0, PRIVATE | ANONYMOUS | FIXED, -1, 0)
    libc.munmap(ctypes.c_void_p(at - 4095), ctypes.c_size_t(size + 8192))
print('got it')
""")


def test_memory_populated_at_once(ended):
    """One call that fills memory: it must be stopped in its middle."""
    ended("memory", "memory=128MiB", """
import mmap
m = mmap.mmap(-1, 3 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
print('got it')
""")


def test_memory_populated_at_once_shared(ended):
    ended("memory", "memory=128MiB", """
import mmap
m = mmap.mmap(-1, 3 << 30, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
print('got it')
""")


def test_memory_in_a_memfd(ended):
    ended("memory", "memory=128MiB", """
import mmap, os
fd = os.memfd_create('x')
os.ftruncate(fd, 1 << 30)
m = mmap.mmap(fd, 1 << 30)
for i in range(0, len(m), 4096): m[i] = 1
for i in range(10 ** 6): os.getppid()
print('got it')
""")


def test_memory_in_memfds_that_were_closed(terrarium):
    """What was mapped, unmapped and closed is gone: nothing may keep it, least of all the hand-over's descriptors."""
    result = terrarium("run", "--limit", "memory=200MiB", "--", "-c", """
import mmap, os
for n in range(20):
    fd = os.memfd_create('x')
    os.ftruncate(fd, 32 << 20)
    m = mmap.mmap(fd, 32 << 20)
    for i in range(0, len(m), 4096): m[i] = 1
    m.close(); os.close(fd)
print('ok')
kept = sum(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('RssShmem'))
""", report=True)
    assert result.out == "ok\n" and result.status == 0, (result, result.report["limits"])


def test_memory_shared_again_and_again(terrarium):
    result = terrarium("run", "--limit", "memory=200MiB", "--", "-c", """
import mmap
for n in range(20):
    m = mmap.mmap(-1, 32 << 20)
    for i in range(0, len(m), 4096): m[i] = 1
    m.close()
    gap = mmap.mmap(-1, (n + 1) << 20, flags=mmap.MAP_PRIVATE)
print('ok')
""", report=True)
    assert result.out == "ok\n" and result.status == 0, (result, result.report["limits"])


def test_memory_in_system_v_shm(ended):
    ended("memory", "memory=128MiB", """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
i = libc.shmget(0, ctypes.c_size_t(1 << 30), 0o1600)
a = libc.shmat(i, None, 0)
for off in range(0, 1 << 30, 1 << 20): ctypes.memset(a + off, 1, 1 << 20)
for i in range(10 ** 6): os.getppid()
print('got it')
""")


def test_memory_of_page_tables(ended):
    """A byte read in each 2 MiB of reserved space costs a page of page tables, and no page of its own."""
    ended("memory", "memory=128MiB", """
import mmap, os
m = mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
m.madvise(mmap.MADV_NOHUGEPAGE)
for i in range(0, len(m), 1 << 21): m[i]
print('got it')
""")


def test_memory_files(ended):
    """Files in memory are memory: the limit of files is wider here."""
    ended("memory", "memory=64MiB,files=1GiB", """
f = open('big', 'wb')
while True: f.write(b'x' * (1 << 20)); f.flush()
""")


def test_files(ended):
    """The write that goes beyond is the last call, whatever the program would do about ENOSPC."""
    result = ended("files", "files=8MiB", """
f = open('big', 'wb', buffering=0)
while True:
    try: f.write(b'x' * 65536)
    except OSError as e: print('refused', flush=True)
""")
    assert result.out == "" and result.report["limits"]["files"]["used"] <= 8 * MIB, result
    assert result.err.endswith("ended by the limit files=8MiB\n"), result


def test_files_by_number(ended):
    result = ended("files", "file_count=1000", "n = 0\nwhile True: open(str(n), 'w').close(); n += 1")
    assert result.report["limits"]["file_count"] == {"used": 1000, "allowed": 1000}
    assert result.err.endswith("ended by the limit file_count=1000\n"), result


def test_files_of_a_mount(terrarium, tmp_path):
    """A mount's own size is that of a disk: a full one is an error like any."""
    policy = tmp_path / "p.yaml"
    policy.write_text("terrarium: 1\nlimits: {files: 64MiB}\nmounts:\n  - {at: /small, memory: true, quota: 1MiB}\n")
    result = terrarium("run", "--policy", policy, "--", "-c", """
import errno
f = open('/small/big', 'wb', buffering=0)
n = 0
try:
    while True: n += f.write(b'x' * 65536)
except OSError as e:
    print(errno.errorcode[e.errno], n)
""")
    assert (result.out, result.status) == (f"ENOSPC {MIB}\n", 0), result


def test_files_by_mapping(ended):
    """A sparse file, filled through a mapping, asks nobody."""
    ended("files", "files=8MiB", """
import mmap, os
f = open('big', 'w+b'); f.truncate(1 << 30)
m = mmap.mmap(f.fileno(), 1 << 30)
for i in range(0, len(m), 4096): m[i] = 1
for i in range(10 ** 6): os.getppid()
print('got it')
""")


def test_output(ended):
    result = ended("output", "output=1MiB", "while True: print('x' * 1000)")
    assert len(result.out) <= MIB


def test_output_in_one_write(ended):
    result = ended("output", "output=1MiB", "import os; os.write(1, b'x' * (1 << 26))")
    assert len(result.out) <= MIB


def test_processes_bomb(ended):
    ended("processes", "processes=32", "import os\nwhile True: os.fork()")


def test_processes_bomb_that_dodges(ended):
    """Each forks and leaves: the count never falls fast enough."""
    ended("processes", "processes=32", """
import os, time
while True:
    if os.fork() == 0:
        os.fork(); time.sleep(1000)
""")


def test_processes_as_threads(terrarium):
    """Threads are no processes: a bomb of them meets EAGAIN."""
    result = terrarium("run", "--limit", "processes=32", "--", "-c", """
import threading, time
n = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        n += 1
except RuntimeError as e:
    print(e, n < 20000)
""", report=True)
    assert result.out == "can't start new thread True\n" and result.status == 0, result


def test_memory_in_queues_of_sockets(ended):
    """What nobody receives is held by the supervisor."""
    ended("memory", "memory=64MiB", """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = []
while True:
    a, b = socket.socketpair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    a.setblocking(False)
    kept += [a, b]
    try:
        while True: a.send(bytes(65536))
    except BlockingIOError:
        pass
""")


@pytest.mark.parametrize("source", ["host: ./lower, mode: cow", "tar: ./lower.tar, mode: cow"])
def test_files_of_a_mount_that_is_written_over(terrarium, tmp_path, source):
    (tmp_path / "lower").mkdir()
    (tmp_path / "lower/there").write_bytes(bytes(20000))
    subprocess.run(["tar", "-C", tmp_path / "lower", "-cf", tmp_path / "lower.tar", "there"], check=True)
    policy = tmp_path / "p.yaml"
    policy.write_text(f"terrarium: 1\nuser: {{name: root, uid: 0, gid: 0}}\nmounts:\n  - {{at: /c, {source}, quota: 12KiB}}\n")
    result = terrarium("run", "--policy", policy, "--", "-c", """
import errno, os
def put(name, mode):
    try: return open(name, mode, buffering=0).write(b'x' * 20000)
    except OSError as e: return errno.errorcode[e.errno]
print(put('/c/new', 'wb'), put('/c/more', 'wb'), put('/c/there', 'r+b'), os.statvfs('/c').f_blocks)
""")
    assert (result.out, result.status) == ("12288 ENOSPC ENOSPC 3\n", 0), result
