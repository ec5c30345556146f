"""Guest program of test_random_calls.py: sequences of calls drawn by a seed, and what they return.

    random_calls.py DIRECTORY SEED COUNT

Files, pipes, descriptors and signals of one process, which never blocks. One line a call, without anything that may differ
between two Linux systems. A step is drawn before its outcome is known, so that natively and inside the same steps are made.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import random
import select
import signal
import stat
import struct
import sys

draw = random.Random(int(sys.argv[2]))
libc = ctypes.CDLL(None, use_errno=True)
NAMES = ["a", "b", "c", "d", "d/a", "d/b", "e", "e/a", "d/../a", "nowhere/a", ".", "d/", "a/"]
FDS = list(range(10, 20))  # the ones that come and go; below are Python's own
SIGNALS = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN + 3]
SIZES = [0, 1, 7, 100, 4095, 4096, 5000, 70000]
WORK = sys.argv[1] + "/work"
heard = []


def name():
    return draw.choice(NAMES)


def fd():
    return draw.choice(FDS)


def size():
    return draw.choice(SIZES)


def move(made, to):
    """A new descriptor goes to a number of ours, whose old one is closed."""
    os.dup2(made, to, inheritable=True)
    os.close(made)
    return "opened"


def opened(path, flags, mode, to):
    return move(os.open(path, flags | os.O_NONBLOCK, mode), to)


def status(s):
    kind = stat.S_IFMT(s.st_mode)
    return stat.filemode(s.st_mode), s.st_nlink if kind != stat.S_IFDIR else "-", s.st_size if kind == stat.S_IFREG else "-"


def raw(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def brief(data):
    return (len(data), sum(data) & 0xFFFF, bytes(data[:8]))


def plain(f, *kinds):
    """Other kinds answer differently from one version of Linux to the next, or share one inode with the whole machine."""
    if stat.S_IFMT(os.fstat(f).st_mode) not in kinds:
        raise ValueError


def unread(f):
    plain(f, stat.S_IFREG, stat.S_IFIFO)
    return struct.unpack("i", fcntl.ioctl(f, 0x541B, b"\0" * 4))[0]


def change_mode(f, mode):
    plain(f, stat.S_IFREG)
    os.fchmod(f, mode)


def spliced(a, b, n):
    return raw(275, a, None, b, None, n, 2)


def visited(f):
    os.fchdir(f)
    try:
        return os.path.relpath(os.getcwd(), WORK)
    finally:
        os.chdir(WORK)


def flocked(f, how):
    plain(f, stat.S_IFREG, stat.S_IFDIR)
    fcntl.flock(f, how)


def locked(f, kind, start, length, command):
    plain(f, stat.S_IFREG, stat.S_IFDIR)
    lock = struct.pack("hhqqi4x", kind, 0, start, length, 0)
    answer = fcntl.fcntl(f, command, lock)
    return struct.unpack("hhqqi4x", answer)[:4] if command in (5, 36) else 0


def mapped(f, length, write):
    with mmap.mmap(f, length, mmap.MAP_SHARED, mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)) as m:
        if write:
            m[length // 2] = 0x4D
        return brief(m[:])


def polled(f, events):
    p = select.poll()
    for one in f:
        p.register(one, events)
    return sorted(p.poll(0))


def forked(status_word, how):
    pid = os.fork()
    if pid == 0:
        try:
            if how == signal.SIGTERM:
                signal.signal(how, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [how])
            if how:
                os.kill(os.getpid(), how)
        finally:
            os._exit(status_word)
    pid, word = os.waitpid(pid, 0)
    return word & 0xFF7F


def handler(number, frame):
    heard.append(number)


def act(number, how):
    signal.signal(number, [signal.SIG_IGN, handler, handler][how])


def taken():
    got = signal.sigtimedwait(SIGNALS, 0)
    return got and (got.si_signo, got.si_code)


def told(to):
    """An inotify descriptor's events, without what pairs moves."""
    if not os.readlink(f"/proc/self/fd/{to}").endswith("inotify"):
        raise ValueError
    data, out = os.read(to, 4096), []
    while data:
        _, mask, _, length = struct.unpack_from("iIII", data)
        out.append((hex(mask), data[16:16 + length].rstrip(b"\0")))
        data = data[16 + length:]
    return out


O = os
FLAGS = [0, O.O_RDWR, O.O_WRONLY | O.O_CREAT, O.O_RDWR | O.O_CREAT | O.O_EXCL, O.O_RDWR | O.O_CREAT | O.O_TRUNC, O.O_WRONLY | O.O_APPEND,
         O.O_RDWR | O.O_CREAT | O.O_APPEND, O.O_PATH, O.O_DIRECTORY, O.O_NOFOLLOW, O.O_RDWR | O.O_TMPFILE, O.O_CREAT | O.O_NOFOLLOW, O.O_PATH | O.O_NOFOLLOW]
MODES = [0o644, 0o600, 0o400, 0o755, 0o222, 0o4711, 0]


def pipes():
    r, w = os.pipe2(os.O_NONBLOCK | draw.choice([0, os.O_DIRECT]))
    move(r, fd())
    return move(w, fd())


# Weight, what draws the arguments, what is called with them. Arguments are drawn in one place so that they can be shown.
STEPS = {
    "open": (12, lambda: (name(), draw.choice(FLAGS), draw.choice(MODES), fd()), opened),
    "close": (3, lambda: (fd(),), os.close),
    "dup2": (3, lambda: (fd(), fd()), os.dup2),
    "dup3 cloexec": (1, lambda: (fd(), fd(), os.O_CLOEXEC), lambda a, b, c: raw(292, a, b, c)),
    "getfd": (1, lambda: (fd(), fcntl.F_GETFD), fcntl.fcntl),
    "getfl": (2, lambda: (fd(),), lambda f: oct(fcntl.fcntl(f, fcntl.F_GETFL) & ~0o100000)),
    "setfl": (2, lambda: (fd(), fcntl.F_SETFL, os.O_NONBLOCK | draw.choice([0, os.O_APPEND])), fcntl.fcntl),
    "write": (8, lambda: (fd(), size(), draw.randrange(256)), lambda f, n, c: os.write(f, bytes((c + i) & 255 for i in range(n)))),
    "writev": (2, lambda: (fd(), size(), size()), lambda f, n, m: os.writev(f, [b"v" * n, b"w" * m])),
    "read": (8, lambda: (fd(), size()), lambda f, n: brief(os.read(f, n))),
    "readv": (2, lambda: (fd(), size() + 1, size() + 1), lambda f, n, m: os.readv(f, [bytearray(n), bytearray(m)])),
    "pread": (3, lambda: (fd(), size(), size()), lambda f, n, at: brief(os.pread(f, n, at))),
    "pwrite": (3, lambda: (fd(), size(), size()), lambda f, n, at: os.pwrite(f, b"p" * n, at)),
    "lseek": (5, lambda: (fd(), draw.choice([0, 1, 4096, -1, 100000]), draw.choice([0, 1, 2])), os.lseek),
    "seek data": (2, lambda: (fd(), size(), draw.choice([os.SEEK_DATA, os.SEEK_HOLE])), os.lseek),
    "ftruncate": (4, lambda: (fd(), draw.choice([0, 1, 5000, 200000])), os.ftruncate),
    "truncate": (2, lambda: (name(), draw.choice([0, 10, 9000])), os.truncate),
    "fallocate": (2, lambda: (fd(), draw.choice([0, 1, 3]), size(), size()), lambda f, m, at, n: raw(285, f, m, at, n)),
    "fstat": (4, lambda: (fd(),), lambda f: status(os.fstat(f))),
    "stat": (4, lambda: (name(),), lambda n: status(os.stat(n))),
    "lstat": (2, lambda: (name(),), lambda n: status(os.lstat(n))),
    "access": (2, lambda: (name(), draw.choice([0, 1, 2, 4, 6])), os.access),
    "chmod": (3, lambda: (name(), draw.choice(MODES)), lambda n, m: n != "." and os.chmod(n, m | (0o700 if os.path.isdir(n) else 0))),
    "fchmod": (1, lambda: (fd(), draw.choice(MODES)), change_mode),
    "utime": (1, lambda: (name(), draw.randrange(10**9)), lambda n, t: (os.utime(n, (t, t)), int(os.stat(n).st_mtime))[1]),
    "link": (3, lambda: (name(), name()), os.link),
    "link of descriptor": (2, lambda: (fd(), name()), lambda f, n: os.link(f"/proc/self/fd/{f}", n, follow_symlinks=True)),
    "symlink": (3, lambda: (name(), name()), os.symlink),
    "readlink": (2, lambda: (name(),), os.readlink),
    "rename": (4, lambda: (name(), name()), os.rename),
    "renameat2": (3, lambda: (name(), name(), draw.choice([1, 2])), lambda a, b, f: raw(316, -100, a.encode(), -100, b.encode(), f)),
    "unlink": (4, lambda: (name(),), os.unlink),
    "mkdir": (3, lambda: (name(), 0o777), os.mkdir),
    "rmdir": (2, lambda: (name(),), os.rmdir),
    "mkfifo": (1, lambda: (name(), 0o644), os.mkfifo),
    "listdir": (3, lambda: (name(),), lambda n: sorted(os.listdir(n))),
    "umask": (1, lambda: (draw.choice([0, 0o22, 0o77]),), os.umask),
    "pipe": (4, lambda: (), pipes),
    "pipe size": (1, lambda: (fd(), draw.choice([0, 4096, 5000, 65536])), lambda f, n: fcntl.fcntl(f, 1031, n)),
    "unread": (2, lambda: (fd(),), unread),
    "splice": (3, lambda: (fd(), fd(), size()), spliced),
    "tee": (2, lambda: (fd(), fd(), size()), lambda a, b, n: raw(276, a, b, n, 2)),
    "sendfile": (2, lambda: (fd(), fd(), size(), size()), os.sendfile),
    "copy_file_range": (2, lambda: (fd(), fd(), size()), os.copy_file_range),
    "poll": (3, lambda: ([fd(), fd(), fd()], draw.choice([1, 4, 5, 7])), polled),
    "flock": (2, lambda: (fd(), draw.choice([1, 2, 8]) | 4), flocked),
    "lock": (3, lambda: (fd(), draw.choice([0, 1, 2]), size(), size(), draw.choice([6, 37])), locked),
    "who locks": (2, lambda: (fd(), draw.choice([0, 1]), size(), size(), draw.choice([5, 36])), locked),
    "mmap": (3, lambda: (fd(), draw.choice([1, 4096, 5000]), draw.random() < 0.5), mapped),
    "memfd": (1, lambda: (draw.choice([0, 2]), fd()), lambda flags, to: move(os.memfd_create("m", flags), to)),
    "seals": (1, lambda: (fd(), draw.choice([1, 2, 4, 8, 16])), lambda f, s: (fcntl.fcntl(f, 1033, s), fcntl.fcntl(f, 1034))),
    "eventfd": (1, lambda: (draw.randrange(3), draw.choice([0, 1]), fd()), lambda n, f, to: move(raw(290, n, f | os.O_NONBLOCK), to)),
    "inotify": (1, lambda: (fd(),), lambda to: move(raw(294, os.O_NONBLOCK), to)),
    "watch": (3, lambda: (fd(), name(), draw.choice([0xFFF, 0x302, 0x3C0])), lambda f, n, m: raw(254, f, n.encode(), m)),
    "told": (4, lambda: (fd(),), told),
    "epoll": (1, lambda: (fd(),), lambda to: move(raw(291, 0), to)),
    "epoll_ctl": (3, lambda: (fd(), draw.choice([1, 2, 3]), fd(), draw.choice([1, 4, 5, 1 | 1 << 31, 5 | 1 << 30])),
                  lambda e, op, f, events: raw(233, e, op, f, struct.pack("<IQ", events, f))),
    "epoll_wait": (3, lambda: (fd(),), lambda e: waited(e)),
    "fsync": (1, lambda: (fd(),), os.fsync),
    "fchdir": (1, lambda: (fd(),), visited),
    "descriptor's name": (2, lambda: (fd(),), lambda f: os.readlink(f"/proc/self/fd/{f}").replace(WORK, "").split(":[")[0].split("#")[0]),
    "sigaction": (3, lambda: (draw.choice(SIGNALS), draw.randrange(3)), act),
    "sigmask": (3, lambda: (draw.randrange(3), draw.sample(SIGNALS, 2)), lambda how, s: sorted(signal.pthread_sigmask(how, s))),
    "kill": (5, lambda: (draw.choice(SIGNALS),), lambda s: os.kill(os.getpid(), s)),
    "pending": (2, lambda: (), lambda: sorted(signal.sigpending())),
    "sigtimedwait": (2, lambda: (), taken),
    "fork": (2, lambda: (draw.randrange(256), draw.choice([0, 0, signal.SIGTERM, signal.SIGKILL])), forked),
}


def waited(e):
    events = ctypes.create_string_buffer(12 * 8)
    n = raw(232, e, events, 8, 0)
    return sorted(struct.unpack_from("<IQ", events, 12 * i) for i in range(n))


def main():
    os.closerange(FDS[0], FDS[-1] + 1)
    os.mkdir(WORK, 0o755)
    os.chdir(WORK)
    for number in SIGNALS: # their defaults would end the program
        signal.signal(number, handler)
    # What was allocated and not written is a hole to tmpfs' SEEK_DATA, and data to the sandbox's: lseek(2) leaves that open.
    absent = "seek data" if int(sys.argv[2]) % 2 else "fallocate"
    names, weights = zip(*((step, weight) for step, (weight, _, _) in STEPS.items() if step != absent))
    for i in range(int(sys.argv[3])):
        step = draw.choices(names, weights)[0]
        _, arguments, function = STEPS[step]
        given = arguments()
        try:
            result = function(*given)
        except OSError as e:
            result = errno.errorcode.get(e.errno, e.errno)
        except (ValueError, OverflowError) as e:
            result = type(e).__name__
        print(i, step, given, "->", result, heard, flush=True)
        heard.clear()


main()
