"""Guest program of test_lending.py: a small tree that is asked about again and again while it changes, drawn by a seed.

    lent_names.py DIRECTORY SEED COUNT [times]

One line a call, as lent_calls.py does. What is asked about is mostly what was asked about just before.
"""
import errno
import os
import random
import sys
import time

draw = random.Random(int(sys.argv[2]))
DIRECTORY, COUNT, TIMES = sys.argv[1] + "/work", int(sys.argv[3]), sys.argv[4:] == ["times"]
PLACES = ["", "d/", "d/e/", "l/"]  # l: a link to d, or to another
NAMES = [place + n for place in PLACES for n in ("a", "b", "l")] + ["d", "d/e", "d/", "d/e/..", ".", "nothing"]
LONG = "d/" + "./" * 60 + "a"
held = []  # a descriptor that stays


def status(s):
    return (s.st_size if s.st_mode & 0o100000 else 0, s.st_nlink, s.st_mode) + ((s.st_ino, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) if TIMES else ())


def in_a_child(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except OSError as e:
            os._exit(e.errno)
    return os.waitpid(pid, 0)[1]


def put(path, data, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(path, flags, 0o644)
    try:
        return os.write(fd, data), status(os.stat(path)), os.write(fd, data), status(os.stat(path))
    finally:
        os.close(fd)


def get(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return status(os.stat(path)), os.read(fd, 5), status(os.stat(path)), os.lseek(fd, 0, 0), os.read(fd, 100)[:3], status(os.fstat(fd))
    finally:
        os.close(fd)


def listing(path):
    with os.scandir(path) as entries:
        return sorted((e.name, e.is_dir(), status(e.stat(follow_symlinks=False))) for e in entries)


def list_raw(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        held.append(fd)
        return sorted(os.listdir(fd)), os.lseek(fd, 0, 1) > 0, os.lseek(fd, 0, 0), os.isatty(fd), status(os.fstat(fd)), sorted(os.listdir(fd))
    finally:
        held.remove(fd)
        os.close(fd)


def relink(path, to):
    os.unlink("l")
    os.symlink(to, "l")


def through_a_descriptor(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        there = f"/proc/self/fd/{fd}"
        return status(os.stat(there)), status(os.stat(there))
    finally:
        os.close(fd)


def again_when_closed(path):
    fd = os.open(path, os.O_RDONLY)
    first = os.stat(f"/proc/self/fd/{fd}").st_mode
    os.close(fd)
    try:
        return first, os.stat(f"/proc/self/fd/{fd}").st_mode
    except FileNotFoundError:
        return first, "gone"


def question(path):
    absolute = path if draw.random() < 0.3 else f"{DIRECTORY}/{path}"
    return draw.choice([
        ("stat", lambda: status(os.stat(absolute))),
        ("stat", lambda: status(os.stat(absolute))),
        ("stat", lambda: status(os.stat(absolute))),
        ("lstat", lambda: status(os.lstat(absolute))),
        ("exists", lambda: os.path.exists(absolute)),
        ("at", lambda: status(os.stat(path, dir_fd=root))),
        ("long", lambda: status(os.stat(LONG))),
        ("access", lambda: os.access(absolute, os.R_OK)),
        ("list", lambda: listing(absolute)),
        ("list raw", lambda: list_raw(absolute)),
        ("get", lambda: get(absolute)),
        ("by descriptor", lambda: through_a_descriptor(absolute)),
        ("closed", lambda: again_when_closed(absolute)),
    ])


def change(path):
    other, data = draw.choice(NAMES), b"x" * draw.choice([0, 1, 100, 5000])
    mode, moment = draw.choice([0o700, 0o755, 0o644]), draw.randrange(10 ** 9)
    flags = draw.choice([os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_EXCL])
    return draw.choice([
        ("put", lambda: put(path, data, flags)),
        ("put", lambda: put(path, data, flags)),
        ("child puts", lambda: in_a_child(lambda: put(path, data, flags))),
        ("child moves", lambda: in_a_child(lambda: os.rename(path, other))),
        ("mkdir", lambda: os.mkdir(path)),
        ("rmdir", lambda: os.rmdir(path)),
        ("unlink", lambda: os.unlink(path)),
        ("rename", lambda: os.rename(path, other)),
        ("link", lambda: os.link(path, other)),
        ("symlink", lambda: os.symlink(other, path)),
        ("relink", lambda: relink(path, draw.choice(["d", "d/e", ".", "a", "nothing"]))),
        ("chmod", lambda: os.chmod(path, mode)),
        ("utime", lambda: os.utime(path, ns=(moment, moment))),
        ("truncate", lambda: os.truncate(path, len(data))),
        ("chdir", lambda: os.chdir(draw.choice([DIRECTORY, DIRECTORY + "/d"]))),
        ("exchange", lambda: (os.rename("d", "swap"), os.rename("d2", "d"), os.rename("swap", "d2"))),
    ])


def show(what, act):
    try:
        result = act()
    except (OSError, ValueError) as e:
        result = errno.errorcode.get(getattr(e, "errno", None), type(e).__name__)
    print(what, result, *([time.time_ns()] if TIMES else []))


def grow():
    """What is missing of the tree."""
    os.chmod(DIRECTORY, 0o755)
    os.chdir(DIRECTORY)
    for make in [lambda: os.makedirs("d/e"), lambda: os.makedirs("d2/e"), lambda: os.symlink("d", "l"),
                 *(lambda n=n: put(n, n.encode()) for n in ("a", "d/a", "d/b", "d/e/b", "d2/a") if not os.path.exists(n))]:
        try:
            make()
        except OSError:
            pass


os.umask(0o022)
os.mkdir(DIRECTORY)
root = os.open(DIRECTORY, os.O_RDONLY)
for step in range(COUNT // 8):
    if step % 16 == 0:
        grow()
    asked = [draw.choice(NAMES) for _ in range(3)]
    for _ in range(7):
        show(*question(draw.choice(asked)))
    show(*change(draw.choice(asked)))
