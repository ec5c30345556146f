"""The page that says which file is lent, and the window with its bytes (docs/architecture.md, "Files and names that are lent"), are the guest's to write.
What it gains is what it may do to that file by calls. Natively there is no such page."""
import pytest

GUEST = """
import ctypes, os, time
PAGE, WINDOW, NOBODY = 0x13000, 0x14000, 0xffffffff
FD, FLAGS, WORD, BASE, LENGTH, ROOM, READ_AT, WRITTEN_AT, ANSWERED, STAT_AT = 0, 4, 8, 16, 24, 28, 32, 40, 48, 48 + 8 * 8
READ, END, APPEND, STAT = 1, 2, 4, 8
def get(at, size=8): return int.from_bytes(ctypes.string_at(PAGE + at, size), 'little')
def put(at, value, size=8): ctypes.memmove(PAGE + at, value.to_bytes(size, 'little'), size)
def move(position): put(WORD, (get(WORD) & ~0xffffffff) + (1 << 32) + position)
def lent(fd): assert get(FD, 4) == fd, (get(FD, 4), fd)
os.chdir('/tmp')
"""


@pytest.fixture
def guest(terrarium):
    def call(code, **more):
        result = terrarium("run", "--", "-c", GUEST + code, report=True, **more)
        assert (result.status, result.report["verdict"]) == (0, "ok"), result
        return result
    return call


def test_a_descriptor_that_reads_does_not_write(guest):
    result = guest("""
open('a', 'w').write('what it holds')
fd = os.open('a', os.O_RDONLY)
lent(fd)
put(FLAGS, END | APPEND, 4); put(LENGTH, 0, 4); put(ROOM, 65536, 4)
print(os.write(fd, b'forged'))
move(6)
print(open('a').read())
os.close(fd)
fd = os.open('/usr/lib/python3.11/os.py', os.O_RDONLY)
lent(fd)
ctypes.memset(WINDOW, 0x41, 65536)
put(FLAGS, END | APPEND, 4); move(65536)
print(os.stat(fd).st_size == os.path.getsize(os.__file__), b'AAAA' in open(os.__file__, 'rb').read(100))
""")
    assert result.out.split("\n")[1:] == ["what it holds", "True False", ""], result


@pytest.mark.parametrize("position", ["65537", "0x7fffffff", "LENGTH_AND_ONE"])
def test_no_position_is_beyond_what_was_lent(guest, position):
    result = guest(f"""
open('a', 'w').write('x' * 1000)
LENGTH_AND_ONE = 1001
for flags in os.O_RDONLY, os.O_RDWR:
    fd = os.open('a', flags)
    lent(fd)
    put(FLAGS, READ | END | APPEND, 4); put(LENGTH, 0x7fffffff, 4); put(ROOM, 0x7fffffff, 4)
    move({position})
    print(os.path.getsize('a'), os.lseek(fd, 0, 1), len(os.pread(fd, 5000, 0)))
    os.close(fd)
fd = os.open('b', os.O_RDWR | os.O_CREAT)
lent(fd)
put(ROOM, 0x7fffffff, 4)
move(65537)
print(os.path.getsize('b'))
move(0x7fffffff)
print(os.path.getsize('b'))
""")
    assert result.out == "1000 0 1000\n1000 0 1000\n0\n0\n", result


def test_what_was_written_beyond_a_quota_is_not_there(guest):
    policy = "terrarium: 1\nmounts:\n  - {at: /small, memory: true, quota: 8KiB}\n"
    result = guest("""
os.chdir('/small')
fd = os.open('a', os.O_RDWR | os.O_CREAT)
put(FLAGS, READ | END | APPEND, 4); put(ROOM, 65536, 4); put(FD, fd, 4)
move(60000)
print(os.path.getsize('a'), os.path.getsize('a') == os.fstat(fd).st_size)
""", policy=policy)
    assert result.out == "0 True\n", result


def test_times_are_between_the_loan_and_now(guest):
    for written in ("1", "2 ** 62", "2 ** 63 + 5"):
        result = guest(f"""
before = time.time_ns()
fd = os.open('a', os.O_RDWR | os.O_CREAT)
lent(fd)
os.write(fd, b'abc')
put(WRITTEN_AT, {written}); put(READ_AT, {written})
print(before <= os.stat('a').st_mtime_ns <= time.time_ns(), before <= os.stat('a').st_atime_ns <= time.time_ns())
""")
        assert result.out == "True True\n", (written, result)


def test_another_number_is_closed_as_by_a_call_or_not_at_all(guest):
    result = guest("""
open('a', 'w').write('abc')
first, second = os.open('a', os.O_RDONLY), os.open('a', os.O_RDONLY)
lent(second)
put(FD, first, 4); os.close(first)
try: print(os.read(first, 3))
except OSError as e: print(e.errno)
try: print(os.read(second, 3))
except OSError as e: print(e.errno)
for fd in first, second:
    try: os.close(fd)
    except OSError as e: print(e.errno)
move(0x80000000); put(FD, NOBODY, 4)
print(os.listdir('/proc/self/fd'))
""")
    assert result.out.endswith("['0', '1', '2', '3']\n") or result.out.endswith("['0', '1', '2']\n"), result


def test_counts_are_the_guests_own_affair(guest):
    result = guest("""
open('a', 'w').write('abc')
fd = os.open('a', os.O_RDONLY)
lent(fd)
for i in range(8): put(ANSWERED + 8 * i, 2 ** 64 - 1)
move(1)
print(os.stat('a').st_size)
""")
    assert result.out == "3\n" and result.report["events"] > 100, result


def test_a_window_is_empty_for_another_process(guest):
    result = guest("""
open('a', 'w').write('secret' * 1000)
os.stat('/etc/passwd')
print(b'/etc/passwd' in ctypes.string_at(PAGE, 4096), open('a').read(6), b'secret' in ctypes.string_at(WINDOW, 65536), flush=True)
if os.fork() == 0:
    print(ctypes.string_at(WINDOW, 65536).count(0) == 65536, ctypes.string_at(PAGE + STAT_AT, 144).count(0) == 144 and b'/' not in ctypes.string_at(PAGE + STAT_AT, 4096 - STAT_AT), flush=True)
    os._exit(0)
os.wait()
fd = os.open('b', os.O_RDWR | os.O_CREAT)
os.write(fd, b'secret' * 1000)
if os.fork() == 0:
    print(ctypes.string_at(WINDOW, 65536).count(0) == 65536, flush=True)
    os._exit(0)
os.wait()
""")
    assert result.out == "True secret True\nTrue True\nTrue\n", result


def test_holes_in_the_window_harm_nobody(guest):
    result = guest("""
libc = ctypes.CDLL(None)
fd = os.open('a', os.O_RDWR | os.O_CREAT)
for i in range(20):
    lent(fd) if i == 0 else None
    os.write(fd, b'abc')
    libc.madvise(ctypes.c_void_p(PAGE), 0x10000, 9)
    libc.madvise(ctypes.c_void_p(WINDOW), 0x10000, 9)
print(os.path.getsize('a') <= 60, open('a').read(3) in ('abc', '\\0\\0\\0', ''))
""")
    assert result.out == "True True\n", result


def test_names_that_were_forged_are_its_own_lie(guest):
    result = guest("""
NAMES_FD, NAMES, NAME, SIZE = 256, 260, 264, 256
os.stat('/etc/passwd')
assert get(NAMES_FD, 4) == 2 ** 32 - 100 and get(NAMES, 4) >= 1
for words in (2 ** 32 - 1, 0, 2 ** 31):  # counts, lengths, flags, marks: none is used to reach anything
    put(NAMES, words, 4)
    for i in range(14):
        put(NAME + i * SIZE, words, 4); put(NAME + i * SIZE + 4, words, 4)
    for path in '/etc/passwd', '/etc', '/nothing', '/tmp', *('/tmp/%d' % i for i in range(40)):
        try: os.stat(path)
        except FileNotFoundError: pass
ctypes.memset(PAGE + NAME, 0x2f, 4096 - NAME)  # every path one without an end
print(os.path.exists('/etc/passwd'))
put(NAMES_FD, 2 ** 32 - 100, 4); put(NAMES, 14, 4)
at = os.stat('/etc/hosts').st_size
for i in range(14):
    if ctypes.string_at(PAGE + NAME + i * SIZE + 8, 11) == b'/etc/hosts\\0': put(NAME + i * SIZE + 112 + 48, at + 1)
print(os.stat('/etc/hosts').st_size - at, os.stat(os.open('/etc/hosts', os.O_RDONLY)).st_size - at, flush=True)
if os.fork() == 0:
    print(os.stat('/etc/hosts').st_size - at, flush=True)
    os._exit(0)
os.wait()
""")
    assert result.out == "True\n1 0\n0\n", result


FORGER = """
SECRET = b'/tmp/secret'
open(SECRET, 'w').write('real contents')
os.chmod(SECRET, 0o600)
libc = ctypes.CDLL(None)
(r, w), (r2, w2) = os.pipe(), os.pipe()
NAMES_FD, NAMES, NAME = 256, 260, 264
def forge_name():
    put(NAME, len(SECRET) + 1, 2); put(NAME + 2, 0, 6)
    ctypes.memmove(PAGE + NAME + 8, SECRET + bytes(1), len(SECRET) + 1)
    put(NAME + 112 + 24, 0o104777, 4); put(NAME + 112 + 48, 424242)
    put(LENGTH, 0); put(NAMES, 1, 4); put(NAMES_FD, 2 ** 32 - 100, 4); put(WORD, get(WORD) + (1 << 32))
def forge_file(flags, length):
    ctypes.memmove(WINDOW, b'FORGED', 6)
    put(FLAGS, flags, 4); put(BASE, 0); put(LENGTH, length, 4); put(ROOM, 65536, 4); put(READ_AT, 0)
    put(WORD, ((get(WORD) >> 32) + 1) << 32); put(FD, 20, 4)
if os.fork() == 0:
    if os.getuid() == 0: os.setresuid(1000, 1000, 1000)
    os.read(r, 1)
    %s
    libc.write(w2, b'x', 1)
    libc.read(r, ctypes.create_string_buffer(1), 1)
    libc.write(2, ctypes.string_at(WINDOW, 15), 15)
    libc._exit(0)
fd = os.open(SECRET, os.O_RDWR); os.dup2(fd, 20); os.close(fd)
os.write(w, b'x')
os.read(r2, 1)
%s
os.write(w, b'y')
os.wait()
"""


@pytest.mark.parametrize("forged, done, out", [
    ("forge_name()", "s = os.stat(SECRET); print(oct(s.st_mode), s.st_size)", "0o100600 13\n"),
    ("forge_file(READ | END | STAT, 6)", "print(os.read(20, 100))", "b'real contents'\n"),
    ("forge_file(END | APPEND, 0)", "os.ftruncate(20, 0); print(os.write(20, b'the key of root')); print(open(SECRET).read())", "15\nthe key of root\n"),
    ("forge_file(END | APPEND, 0)", "os.close(20); print(os.path.exists('/proc/self/fd/20'))", "False\n"),
])
@pytest.mark.parametrize("user", ["", "user: {name: root, uid: 0, gid: 0}\n"])
def test_no_process_believes_what_another_wrote(guest, forged, done, out, user):
    """What is lent to nobody is asked of nobody, whoever ran before."""
    result = guest(FORGER % (forged, done), policy="terrarium: 1\n" + user)
    assert result.out == out and "key" not in result.err, result
