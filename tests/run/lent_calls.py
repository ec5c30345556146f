"""Guest program of test_lending.py: streaks of calls about one open file, drawn by a seed, and what they return.

    lent_calls.py DIRECTORY SEED COUNT [times]

One line a call, with the world's time and the file's own when asked for. A step is drawn before its outcome is known, so that natively
and inside the same steps are made.
"""
import errno
import mmap
import os
import random
import sys
import time

draw = random.Random(int(sys.argv[2]))
DIRECTORY, COUNT, TIMES = sys.argv[1] + "/work", int(sys.argv[3]), sys.argv[4:] == ["times"]
NAMES = [f"{DIRECTORY}/{n}" for n in "abc"]
SIZES = [0, 1, 3, 100, 4096, 8192, 65536, 70000, 200000]
FLAGS = [os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDWR | os.O_CREAT | os.O_TRUNC,
         os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_CREAT | os.O_EXCL]


def brief(data):
    return len(data), sum(data[::97]) & 0xFFFF, bytes(data[:4])


def status(s):
    return (s.st_size, s.st_nlink, s.st_mode) + ((s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) if TIMES else ())


def in_a_child(act):
    """What it returned there, by its status."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(act() & 0x7F)
        except OSError as e:
            os._exit(0x80 | e.errno & 0x7F)
    return os.waitpid(pid, 0)[1]


def store(fd, n):
    with mmap.mmap(fd, 0) as m:
        m[n % len(m)] = 0x5A
        return brief(m[:])


def seek(fd, whence, offset):
    return os.lseek(fd, offset, whence)


def duplicate(fd):
    other = os.dup(fd)
    try:
        return os.read(other, 10), os.lseek(other, 0, 1)
    finally:
        os.close(other)


def streak(fd, name):
    """Calls about one descriptor: mostly what a program does to a file, one call after the other."""
    how = draw.choice(["reads", "writes", "all", "all"])
    n = draw.choice(SIZES)
    for _ in range(draw.choice([1, 3, 8, 30])):
        if how == "reads" and draw.random() < 0.9:
            yield "read", lambda n=n: brief(os.read(fd, n))
            continue
        if how == "writes" and draw.random() < 0.9:
            yield "write", lambda n=n, c=draw.randrange(256): os.write(fd, bytes([c]) * n)
            continue
        n, offset, other = draw.choice(SIZES), draw.choice([-5, 0, 0, 1, 4096, 100000]), draw.choice(NAMES)
        yield draw.choice([
            ("read", lambda n=n: brief(os.read(fd, n))),
            ("write", lambda n=n: os.write(fd, b"w" * n)),
            ("lseek", lambda w=draw.randrange(5), o=offset: seek(fd, w, o)),
            ("fstat", lambda: status(os.fstat(fd))),
            ("fstat", lambda: status(os.fstat(fd))),
            ("isatty", lambda: os.isatty(fd)),
            ("ftruncate", lambda n=n: os.ftruncate(fd, n)),
            ("pread", lambda n=n: brief(os.pread(fd, n, 7))),
            ("pwrite", lambda n=n: os.pwrite(fd, b"p" * n, 11)),
            ("stat", lambda: status(os.stat(name))),
            ("getcwd", lambda: os.getcwd() != ""),
            ("dup", lambda: duplicate(fd)),
            ("child reads", lambda: in_a_child(lambda: len(os.read(fd, 20)))),
            ("child seeks", lambda: in_a_child(lambda: os.lseek(fd, 3, 0))),
            ("child closes", lambda: in_a_child(lambda: os.close(fd) or 0)),
            ("child looks", lambda: in_a_child(lambda: os.stat(name).st_size)),
            ("store", lambda n=n: store(fd, n)),
            ("unlink", lambda: os.unlink(name)),
            ("rename", lambda o=other: os.rename(name, o)),
            ("truncate", lambda n=n: os.truncate(name, n)),
        ])


def show(what, act):
    try:
        result = act()
    except (OSError, ValueError) as e:
        result = errno.errorcode.get(getattr(e, "errno", None), type(e).__name__)
    print(what, result, *([time.time_ns()] if TIMES else []))


os.mkdir(DIRECTORY)
print(sys.version_info[:2])
made = 0
while made < COUNT:
    name, flags = draw.choice(NAMES), draw.choice(FLAGS)
    try:
        fd = os.open(name, flags, 0o644)
    except OSError as e:
        fd = None
        print("open", errno.errorcode[e.errno])
    closed = draw.random() < 0.8
    for what, act in streak(fd if fd is not None else 99, name):
        show(what, act)
        made += 1
    if fd is not None:
        show("close" if closed else "close twice", lambda: os.close(fd))
        if not closed:
            show("close", lambda: os.close(fd))
if TIMES:  # what is lent is in nobody's memory
    with open("/proc/self/statm") as f:
        print(f.read())
