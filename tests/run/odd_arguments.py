"""Guest program of test_odd_arguments.py: system calls with arguments that no library makes, and what they return.

It prints one line a call, without anything that may differ between two Linux systems of the same version (numbers of
descriptors, addresses). It runs natively and inside, and the outputs are compared.
"""
import ctypes
import errno
import os
import struct
import sys
import tempfile

NUMBER = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "poll": 7, "lseek": 8, "ioctl": 16, "pread":
    17, "pwrite": 18, "readv": 19, "writev": 20, "access": 21, "pipe": 22, "select": 23, "dup": 32, "dup2": 33,
    "sendfile": 40, "fcntl": 72, "flock": 73, "fsync": 74, "truncate": 76, "ftruncate": 77, "getdents": 78, "getcwd":
    79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "readlink": 89, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "umask": 95, "utime": 132,
    "mknod": 133, "statfs": 137, "fstatfs": 138, "chroot": 161, "sync": 162, "readahead": 187, "setxattr": 188,
    "getxattr": 191, "listxattr": 194, "removexattr": 197, "getdents64": 217, "fadvise": 221, "epoll_create": 213,
    "epoll_wait": 232, "epoll_ctl": 233, "utimes": 235, "inotify_init": 253, "inotify_add": 254, "inotify_rm": 255,
    "openat": 257, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261, "newfstatat": 262, "unlinkat":
    263, "renameat": 264, "linkat": 265, "symlinkat": 266, "readlinkat": 267, "fchmodat": 268, "faccessat": 269,
    "splice": 275, "tee": 276, "sync_file_range": 277, "vmsplice": 278, "utimensat": 280, "eventfd": 284, "fallocate":
    285, "eventfd2": 290, "epoll_create1": 291, "dup3": 292, "pipe2": 293, "inotify_init1": 294, "preadv": 295,
    "pwritev": 296, "syncfs": 306, "renameat2": 316, "memfd_create": 319, "copy_file_range": 326, "preadv2": 327,
    "pwritev2": 328, "statx": 332, "close_range": 436, "openat2": 437, "faccessat2": 439, "epoll_pwait2": 441,
    "name_to_handle": 303, "mount": 165, "umount2": 166, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68,
    "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "ustat": 136, "personality": 135,
}
AT_FDCWD = -100
BAD = 8  # no memory there
MASK = 2**64 - 1

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(65536)
here = ctypes.addressof(buffer)
kept = []


def text(value):
    """The address of a string, or of bytes, that stays."""
    made = ctypes.create_string_buffer(value.encode() if isinstance(value, str) else value)
    kept.append(made)
    return ctypes.addressof(made)


def words(*values):
    return text(struct.pack(f"{len(values)}Q", *(v & MASK for v in values)))


def call(name, *arguments):
    """The result, or the name of the errno."""
    ctypes.set_errno(0)
    signed = (a if a < 2**63 else a - 2**64 for a in arguments)
    result = libc.syscall(ctypes.c_long(NUMBER[name]), *(ctypes.c_long(a) for a in signed))
    error = ctypes.get_errno()
    return errno.errorcode.get(error, error) if result == -1 and error else result


def show(label, result, hide=False):
    print(label, "ok" if hide and isinstance(result, int) else result)


# Each on a descriptor of every kind: name, arguments after the descriptor, whether a success's value is hidden.
ON_DESCRIPTOR = [
    ("pread", (here, 4, 0)), ("pread", (here, 4, -1)), ("write", (here, 0)), ("pwrite", (here, 0, 0)),
    ("lseek", (0, 0)), ("lseek", (-1, 0)), ("lseek", (0, 9)), ("lseek", (0, 3)), ("lseek", (0, 4)), ("lseek", (1 << 40, 3)),
    ("ftruncate", (11,)), ("ftruncate", (-1,)), ("fsync", ()), ("fstat", (here,)), ("fstat", (BAD,)), ("fstatfs", (here,)),
    ("getdents64", (here, 10)), ("getdents64", (here, 1000), True), ("getdents", (here, 1000), True),
    ("fallocate", (0, 0, 0)), ("fallocate", (0, -1, 5)), ("fallocate", (3, 0, 4)), ("fallocate", (1, 0, 20)),
    ("readahead", (0, 10)), ("fadvise", (0, 0, 0)), ("fadvise", (0, 0, 9)), ("sync_file_range", (0, 0, 0)),
    ("sync_file_range", (0, 0, 99)), ("syncfs", ()), ("flock", (2 | 4,)), ("flock", (8,)), ("flock", (0,)),
    ("fcntl", (1, 0)), ("fcntl", (2, 1)), ("fcntl", (2, 0)), ("fcntl", (3, 0)), ("fcntl", (4, 0)), ("fcntl", (5, here)),
    ("fcntl", (9, 0)), ("fcntl", (8, -2**31)), ("fcntl", (8, 999999)), ("fcntl", (10, 0)), ("fcntl", (11, 99)),
    ("fcntl", (1024, 0)), ("fcntl", (1025, 0)), ("fcntl", (1026, 0)), ("fcntl", (1031, 1)), ("fcntl", (1032, 0)),
    ("fcntl", (0, 99999999)), ("fcntl", (77, 0)),
    ("ioctl", (0x5451, 0)), ("ioctl", (0x5450, 0)), ("ioctl", (0x5421, BAD)), ("ioctl", (0x541B, here)),
    ("ioctl", (0x5401, here)), ("ioctl", (12345, 0)), ("dup2", (-1,)), ("dup2", (1 << 20,)), ("dup3", (50, 1)),
    ("fchmod", (0o755,)), ("fchown", (-1, -1)), ("utimensat", (0, 0, 0)),
    ("newfstatat", (text(""), here, 0x1000)), ("newfstatat", (text(""), here, 0)), ("newfstatat", (text("x"), here, 0)),
    ("faccessat2", (text(""), 4, 0x1000)), ("statx", (text(""), 0x1000, 0x7FF, here)), ("readlinkat", (text(""), here, 100)),
    ("fchownat", (text(""), -1, -1, 0x1000)), ("vmsplice", (here, 0, 0)), ("preadv2", (here, 0, 0, 0, 0x1000)),
    ("readv", (here, 1025)), ("epoll_wait", (here, 1, 0)), ("inotify_add", (text("f"), 2)), ("inotify_rm", (1,)),
]


def on_descriptors(directory):
    f = os.open("f", os.O_RDWR | os.O_CREAT, 0o644)
    os.write(f, b"hello world")
    read_end, write_end = os.pipe()
    kinds = {
        "rdwr": f, "rdonly": os.open("f", os.O_RDONLY), "wronly": os.open("f", os.O_WRONLY),
        "directory": os.open("d", os.O_RDONLY), "read end": read_end, "write end": write_end,
        "path": os.open("f", os.O_PATH), "closed": 99, "negative": -1,
    }
    for kind, fd in kinds.items():
        if kind != "read end":
            show(f"{kind} read nothing", call("read", fd, here, 0))
            show(f"{kind} read to nowhere", call("read", fd, BAD, 1))
        for name, arguments, *hide in ON_DESCRIPTOR:
            label = f"{kind} {name} {[a if abs(a) < 10**6 else '*' for a in arguments]}"
            show(label, call(name, fd, *arguments), bool(hide))
        show(f"{kind} fchdir", call("fchdir", fd))
        os.chdir(directory)
        for name, made in (("sendfile", (fd, f, 0, 0)), ("copy_file_range", (f, 0, fd, 0, 0, 0)),
                           ("splice", (fd, 0, write_end, 0, 0, 0)), ("tee", (fd, write_end, 0, 0)), ("dup3", (fd, fd, 0))):
            show(f"{kind} {name}", call(name, *made))
    return f


def vectors(f):
    pieces = {
        "two": (here, 3, here + 10, 4), "second bad": (here, 3, BAD, 4), "first bad": (BAD, 3, here, 0),
        "negative": (here, -1, here, 0), "empty": (here, 0, here, 0), "huge": (here, 2**63 - 1, here, 2**63 - 1),
    }
    for name, piece in pieces.items():
        vector = words(*piece)
        os.lseek(f, 0, 0)
        show(f"readv {name}", call("readv", f, vector, 2))
        for label, made in (("preadv", (1, 0, 0)), ("preadv", (1, -1, 0)), ("preadv2", (1, -1, 0, 0)),
                            ("preadv2", (1, 0, 0, 2)), ("preadv2", (1, 0, 0, 0x1000))):
            show(f"{label} {name} {made}", call(label, f, vector, *made))


PATHS = ["f", "d", "l", "dang", "loop", "fifo", "nowhere", "f/", "d/", "l/", "dang/", "f/x", "d/../f", "", "nowhere/x",
         "x" * 255, "x" * 256, "./" * 2040 + "f", "./" * 2047 + "f", "./" * 2048 + "f"]


def on_paths(directory, f):
    invalid, omit = words(0, 10**9, 0, 0), words(0, 2**30 - 2, 0, 2**30 - 2)
    for path in PATHS:
        p, creates = text(path), path not in ("nowhere", "x" * 255, "dang")
        calls = [("stat", (p, here)), ("access", (p, 0)), ("access", (p, 1)), ("access", (p, 9)),
                 ("readlink", (p, here, 100)), ("readlink", (p, here, 0)), ("readlink", (p, here, -1)),
                 ("statfs", (p, here)), ("chdir", (p,)), ("mkdir", (p, 0o755)),
                 ("newfstatat", (AT_FDCWD, p, here, 0x100)), ("newfstatat", (AT_FDCWD, p, here, 0x1000)),
                 ("newfstatat", (AT_FDCWD, p, here, 0x200)), ("statx", (AT_FDCWD, p, 0, 0x80000000, here)),
                 ("statx", (AT_FDCWD, p, 0x6000, 0xFFF, here)), ("statx", (AT_FDCWD, p, 0x100, 0xFFF, here)),
                 ("truncate", (p, -1)), ("unlinkat", (AT_FDCWD, p, 1)), ("mknod", (p, 0o040644, 0)),
                 ("mknod", (p, 0o020644, 259)), ("mknod", (p, 0o170644, 0)), ("link", (p, text("d/ln"))),
                 ("renameat2", (AT_FDCWD, p, AT_FDCWD, text("f"), 1)), ("renameat2", (AT_FDCWD, p, AT_FDCWD, text("f"), 3)),
                 ("renameat2", (AT_FDCWD, p, AT_FDCWD, text("f"), 8)), ("symlinkat", (p, AT_FDCWD, text("f"))),
                 ("linkat", (AT_FDCWD, p, AT_FDCWD, text("f"), 0)), ("linkat", (AT_FDCWD, p, AT_FDCWD, text("zz"), 1)),
                 ("fchmodat", (AT_FDCWD, p, 0o755)), ("utimensat", (AT_FDCWD, p, omit, 0)),
                 ("utimensat", (AT_FDCWD, p, invalid, 0)), ("utimensat", (AT_FDCWD, p, 0, 7)),
                 ("getxattr", (p, text("nons"), here, 100)), ("setxattr", (p, text("user.x"), here, 0, 9)),
                 ("chroot", (p,)), ("inotify_add", (f, p, 2)), ("chown", (p, -1, -1))]
        calls += [("openat", (AT_FDCWD, p, flags | 0x800, 0o600)) for flags in (
            0, 0x10000, 0x20000, 0x200000, 0x200000 | 0x20000, 1, 0x410000 | 2, 0x410000, 0x400000 | 2)]
        if creates:
            calls += [("openat", (AT_FDCWD, p, flags | 0x800, 0o600)) for flags in (0o101, 0o301, 0o100 | 0x10000)]
        for name, arguments in calls:
            result = call(name, *arguments)
            if name == "openat" and isinstance(result, int):
                os.close(result)
                result = "opened"
            if name == "chdir":
                os.chdir(directory)
            if name == "link" and result == 0:
                os.unlink("d/ln")
            shown = [a if abs(a) < 10**6 or a == 0x80000000 else "*" for a in arguments]
            show(f"{path[:12]!r}{len(path)} {name} {shown if name == 'openat' else ''}", result)


def on_openat2():
    for flags, mode, resolve, size in ((0, 0, 0, 24), (0, 0, 0, 8), (1 << 40, 0, 0, 24), (0, 0o600, 0, 24),
                                       (0o100 | 0x800, 0o10600, 0, 24), (0, 0, 64, 24), (0, 0, 0x18, 24), (0, 0, 8, 24),
                                       (0, 0, 4, 24), (0x200001, 0, 0, 24), (0, 0, 1, 24), (0, 0, 2, 24), (0, 0, 16, 24)):
        for path in ("f", "l", "../f", "/etc", "d/../f"):
            result = call("openat2", AT_FDCWD, text(path), words(flags, mode, resolve), size)
            if isinstance(result, int):
                os.close(result)
            show(f"openat2 {flags} {mode} {resolve} {size} {path}", result, True)
    show("openat2 longer", call("openat2", AT_FDCWD, text("f"), words(0, 0, 0, 1), 32))
    show("openat2 longer, zero", call("openat2", AT_FDCWD, text("f"), words(0, 0, 0, 0), 32), True)
    show("openat2 bad pointer", call("openat2", AT_FDCWD, text("f"), BAD, 24))


def others():
    second = struct.pack("qq", 0, 0)
    for name, arguments in (
            ("openat", (99, text("f"), 0, 0)), ("openat", (AT_FDCWD, BAD, 0, 0)), ("openat", (AT_FDCWD, 0, 0, 0)),
            ("getcwd", (here, 1)), ("getcwd", (BAD, 100)), ("getcwd", (here, 0)), ("pipe2", (here, 1)), ("pipe2", (BAD, 0)),
            ("epoll_create", (0,)), ("epoll_create1", (1,)), ("inotify_init1", (1,)), ("memfd_create", (text("x" * 250), 0)),
            ("memfd_create", (text(""), 0x100)), ("memfd_create", (BAD, 0)), ("poll", (0, 0, 0)), ("poll", (here, 1 << 30, 0)),
            ("poll", (BAD, 1, 0)), ("select", (-1, 0, 0, 0, 0)), ("select", (0, 0, 0, 0, words(-1, 0))),
            ("select", (0, 0, 0, 0, text(second))), ("select", (1, BAD, 0, 0, text(second))), ("close", (-1,)),
            ("close_range", (5, 4, 0)), ("close_range", (500, 600, 9)), ("close_range", (500, 600, 0)), ("umask", (0o22,)),
            ("umask", (0o7777,)), ("umask", (0o22,)), ("ustat", (0, here))):
        show(name, call(name, *arguments))


def semaphores():
    def operations(*given):
        return text(b"".join(struct.pack("Hhh", *o) for o in given))

    show("semget none", call("semget", 0, 0, 0o600))
    show("semget absent", call("semget", 0x77777, 1, 0))
    show("semget many", call("semget", 0, 99999, 0o600))
    s = call("semget", 0, 2, 0o600)
    for given in ([(0, 1, 0)], [(0, -1, 0)], [(0, -1, 2048)], [(0, 0, 0)], [(5, 1, 0)], [(0, 1, 0), (1, -1, 2048)],
                  [(0, 32767, 0)], [(0, 1, 0)], [(0, -32767, 0)]):
        show(f"semop {given}", call("semop", s, operations(*given), len(given)))
    show("semop none", call("semop", s, here, 0))
    show("semop many", call("semop", s, here, 501))
    show("semop nowhere", call("semop", s, BAD, 1))
    show("semop no set", call("semop", -1, operations((0, 1, 0)), 1))
    show("getpid", call("semctl", s, 0, 11, 0) == os.getpid())
    for command, argument in ((12, 0), (14, 0), (15, 0), (16, 5), (16, 40000), (99, 0), (13, here), (2, here), (2, BAD)):
        show(f"semctl {command}", call("semctl", s, 0, command, argument))
    show("semctl beyond", call("semctl", s, 9, 12, 0))
    show("semctl remove", call("semctl", s, 0, 0, 0))
    show("semctl removed", call("semctl", s, 0, 12, 0))


def messages():
    m = call("msgget", 0, 0o600)
    first, second = text(struct.pack("q", 1) + b"hello"), text(struct.pack("q", 7) + b"seven")
    for name, arguments in (("msgsnd", (first, 5, 0)), ("msgsnd", (second, 5, 0)), ("msgsnd", (words(0), 0, 0)),
                            ("msgsnd", (first, 9000, 0)), ("msgrcv", (here, 3, 0, 2048)),
                            ("msgrcv", (here, 3, 0, 0o10000 | 2048)), ("msgrcv", (here, 100, -9, 2048)),
                            ("msgrcv", (here, 100, 0, 2048)), ("msgrcv", (here, 100, -5, 0o4000)), ("msgctl", (2, here)),
                            ("msgctl", (0, 0)), ("msgsnd", (first, 5, 0))):
        show(f"{name} {arguments[1:] if name != 'msgctl' else ''}", call(name, m, *arguments))


def main():
    directory = tempfile.mkdtemp(dir=sys.argv[1])
    os.chdir(directory)
    os.mkdir("d")
    for target, name in (("f", "l"), ("nowhere", "dang"), ("loop", "loop")):
        os.symlink(target, name)
    os.mkfifo("fifo")
    f = on_descriptors(directory)
    vectors(f)
    on_paths(directory, f)
    on_openat2()
    others()
    semaphores()
    messages()


main()
