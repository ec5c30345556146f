"""Odd arguments to every call, in every combination: a guest program of tests/run/sweep/ prints what each gives, natively and inside,
and the texts are equal but for what is named here."""
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile

import pytest

from conftest import Result

SOURCES = pathlib.Path(__file__).with_name("sweep")
FEWEST = {"descriptors": 40000, "paths": 40000, "makers": 20000, "memory": 10000, "processes": 12000, "signals": 4000, "queues": 10000, "sockets": 25000}
# Lines that may differ, and why.
DIFFERENT = [
    (r"writev\(PAIR\w*, sum too long|sendto\(LEFT", "how much a socket's buffer takes of one write is each kernel's own affair"),
    (r"fcntl\((EVENT|TIMER|INOTIFY|SIGNALS|EPOLL), F_SETLEASE", "EACCES, as they are root's, or EINVAL, as they are no files: not worth asking"),
    (r"prctl\(PR_MCE_KILL_GET", "errors of memory are the machine's: nobody chooses"),
    (r"futex\(\+[12], FUTEX_UNLOCK_PI", "EPERM or EINVAL: a word that is not aligned is not one's own either"),
    (r"[gs]etsockopt\((CLIENT|TCP|UDP_BOUND), SOCKET[^,]*, 16,", "SO_PASSCRED: since Linux 6.16 only those of AF_UNIX have it"),
    (r"setsockopt\((FILE_FD|OPATH|closed), .*, -1\)", "which of descriptor and length is looked at first was changed in Linux"),
    (r"send(to|msg)\((DATAGRAM|BOUND), (NULL|nowhere|of a bad piece|OUT, (-1|LONG_MAX))", "whether to whom or what comes first was changed in Linux"),
    (r"sendmsg\((TCP|TCP_LISTENER|UDP|UDP_BOUND), with short control", "two errors, of which Linux tells the other one first"),
    (r"bind\((LISTENER|BOUND), ", "natively the new name is made before it is seen that there is one already"),
    (r"munmap\(NULL, ", "the supervisor's pages are there, which nobody takes away"),
    (r"mprotect\(NULL, (-4096|2\^57),", "what is the supervisor's looks empty, and where that begins a range ends before memory that is the guest's"),
    (r"(rename|link).*(\(|, )(/|//|/new)(, |\))", "natively the root is another filesystem than the working directory"),
]
# Lines in which a kernel before that version names another error, as 6.1 and 6.12 were seen to.
KERNEL = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
OLDER = [
    ((6, 18), r"mremap\(|p?write\w*\(SEALED"),
    ((6, 13), r"\w*xattr\("),
    ((6, 12), r"(p?readv2?|p?writev2?|vmsplice)\(|write\(EVENT|read\((ZERO|FULL), edge|sendfile\(EMPTY_WRITE, .*, 0\)|fcntl\(.*F_ADD_SEALS, -1"),
]
# What a container's seccomp profile forbids, whatever the arguments.
if "Seccomp:\t2" in pathlib.Path("/proc/self/status").read_text():
    DIFFERENT.append((r"(clock_settime|settimeofday|unshare|clone|mount|umount2|pivot_root)\(", "forbidden to whoever runs the tests"))


pytestmark = pytest.mark.skipif(os.geteuid() != 0 and (os.getuid(), os.getgid()) != (1000, 1000), reason="inside, the user is 1000")


@pytest.fixture(scope="module")
def programs():
    """Where another user reaches them."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        for name in FEWEST:
            subprocess.run(["gcc", "-O1", "-static", "-o", f"{made}/{name}", SOURCES / f"{name}.c"], check=True)
        yield pathlib.Path(made)


def bounded():
    """The arguments are as bad as they can be: nothing natively may take more than a little of the machine."""
    for kind, most in ((resource.RLIMIT_AS, 1 << 31), (resource.RLIMIT_FSIZE, 1 << 26), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def natively(program):
    """As an ordinary user on a tmpfs, whose memory files the sandbox's are modelled on, and in a session of its own."""
    who = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.chmod(directory, 0o777)
        return Result(subprocess.run([program, directory], capture_output=True, timeout=120, cwd=directory, umask=0o22,
                                     stdin=subprocess.DEVNULL, preexec_fn=bounded, start_new_session=True, **who))


def may_differ(line):
    return any(re.match(pattern, line) for pattern, _ in DIFFERENT) or any(
        KERNEL < version and re.match(pattern, line) for version, pattern in OLDER)


@pytest.mark.parametrize("name", FEWEST)
def test_as_natively(terrarium, programs, name):
    inside = terrarium("exec", "--limit", "output=64MiB", "--mount", f"{programs}:/programs:ro", "--", f"/programs/{name}", "/tmp")
    native = natively(programs / name)
    assert (native.status, inside.status) == (0, 0), f"{native.err}\n{inside.err}"
    pairs = list(zip(native.out.splitlines(), inside.out.splitlines(), strict=True))
    assert len(pairs) > FEWEST[name]
    different = [f"{here} (inside: {there[there.rindex(' = ') + 3:]})" for here, there in pairs if here != there]
    assert not [line for line in different if not may_differ(line)]
