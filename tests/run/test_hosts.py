"""Places that forbid or lack something: a container's seccomp profile, an ordinary user, a chroot without /proc. A run works
there all the same, or says in one line what is missing (what is forbidden outright: test_cli.py)."""
import ctypes
import json
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from tests.conftest import TERRARIUM

EPERM, ENOSYS = 0x00050001, 0x00050026
ALLOW = 0x7fff0000

# What Docker's default profile keeps from a container without added capabilities (docs.docker.com/engine/security/seccomp),
# by number on x86-64. ptrace and process_vm_* are allowed from kernel 4.8 on; clone3 is told to be missing.
KEPT_FROM = {
    "create_module": 174, "delete_module": 176, "get_kernel_syms": 177, "query_module": 178, "nfsservctl": 180, "acct": 163,
    "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "clock_adjtime": 305, "clock_settime": 227,
    "finit_module": 313, "init_module": 175, "get_mempolicy": 239, "set_mempolicy": 238, "mbind": 237, "ioperm": 173,
    "iopl": 172, "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "lookup_dcookie": 212, "mount": 165,
    "move_pages": 279, "name_to_handle_at": 303, "open_by_handle_at": 304, "perf_event_open": 298, "pivot_root": 155,
    "quotactl": 179, "reboot": 169, "setns": 308, "settimeofday": 164, "swapon": 167, "swapoff": 168, "sysfs": 139,
    "_sysctl": 156, "umount2": 166, "unshare": 272, "uselib": 134, "userfaultfd": 323, "ustat": 136, "fanotify_init": 300,
    "syslog": 103, "vhangup": 153, "sethostname": 170, "setdomainname": 171, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "fsopen": 430, "fsmount": 432, "open_tree": 428, "move_mount": 429,
}
PERSONALITY, PERSONALITIES = 135, (0x0, 0x8, 0x20000, 0x20008, 0xffffffff)
CLONE, NEW_NAMESPACES, CLONE3 = 56, 0x7e020000, 435


def docker_profile():
    """A classic BPF program: (code, jump if true, jump if false, constant)."""
    code = [(0x20, 0, 0, 0)]
    for nr in KEPT_FROM.values():
        code += [(0x15, 0, 1, nr), (0x06, 0, 0, EPERM)]
    code += [(0x15, 0, 1, CLONE3), (0x06, 0, 0, ENOSYS)]
    code += [(0x15, 0, 3, CLONE), (0x20, 0, 0, 16), (0x45, 0, 1, NEW_NAMESPACES), (0x06, 0, 0, EPERM), (0x20, 0, 0, 0)]
    values = [(0x15, len(PERSONALITIES) - i, 0, v) for i, v in enumerate(PERSONALITIES)]
    code += [(0x15, 0, len(values) + 3, PERSONALITY), (0x20, 0, 0, 16), *values, (0x06, 0, 0, EPERM), (0x06, 0, 0, ALLOW)]
    code += [(0x06, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *c) for c in code)


def under_docker():
    program = ctypes.create_string_buffer(docker_profile())
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(program)))
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, head) != 0:
        os._exit(99)


def start(*words, **more):
    return subprocess.run([TERRARIUM, *words], capture_output=True, text=True, timeout=60, **more)


def test_the_profile_forbids_what_it_says():
    """The imitation itself: what we ask of personality(2) is refused, what it allows is not."""
    probe = "import ctypes; p = ctypes.CDLL(None, use_errno=True).personality; print(p(0x40000), ctypes.get_errno(), p(0xffffffff) >= 0, p(8))"
    done = subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, text=True, preexec_fn=under_docker)
    assert done.stdout.split()[:3] == ["-1", "1", "True"] and not done.stdout.split()[3].startswith("-"), done


ADDRESSES = "import sys; print(id(object()), id(sys), hash('x')); import mmap, ctypes; m = mmap.mmap(-1, 1 << 24); " \
            "print(ctypes.addressof(ctypes.c_char.from_buffer(m)))"


def test_under_dockers_default_profile(tmp_path):
    """The same addresses as where they need not be asked for, and reproducible."""
    outs = set()
    for preexec in (under_docker, under_docker, None):
        report = tmp_path / "report.json"
        done = start("run", "--python", "/usr/bin/python3", "--report", report, "--", "-c", ADDRESSES, preexec_fn=preexec)
        assert done.returncode == 0 and done.stderr == "", done
        assert json.loads(report.read_text())["reproducible"] is True
        outs.add(done.stdout)
    assert len(outs) == 1, outs


def test_processes_under_dockers_default_profile():
    done = start("run", "--python", "/usr/bin/python3", "--", "-c", """
import subprocess, threading, multiprocessing
print(subprocess.run(['/bin/echo', 'hi'], capture_output=True).stdout)
t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()
with multiprocessing.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, -2]))
""", preexec_fn=under_docker)
    assert (done.returncode, done.stdout) == (0, "b'hi\\n'\nthread\n[1, 2]\n"), done


def test_an_address_the_kernel_alone_chooses_is_told(tmp_path):
    """MAP_32BIT: from the lowest 2 GiB, at random where that was not switched off."""
    report = tmp_path / "report.json"
    code = "import mmap; mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40)"
    for preexec, reproducible in ((under_docker, False), (None, True)):
        done = start("run", "--python", "/usr/bin/python3", "--report", report, "--", "-c", code, preexec_fn=preexec)
        assert done.returncode == 0, done
        got = json.loads(report.read_text())
        assert got["reproducible"] is reproducible, got
        assert reproducible or "MAP_32BIT" in got["not_reproducible_because"][0]


def test_address_space_limits_are_the_guests(same):
    """What is reserved before the guest is none of its RLIMIT_AS."""
    same("""
import mmap, resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
print(len(mmap.mmap(-1, 1 << 28)))
try: mmap.mmap(-1, 1 << 30); print('got it')
except OSError as e: print(e.errno)
print(max(int(l.split()[0].split('-')[1], 16) - int(l.split()[0].split('-')[0], 16) for l in open('/proc/self/maps')) < 1 << 31)
""")


@pytest.mark.plain
def test_a_callers_own_address_space_limit():
    done = start("run", "--python", "/usr/bin/python3", "--", "-c", "print(1)",
                 preexec_fn=lambda: __import__("resource").setrlimit(9, (4 << 30, 4 << 30)))
    assert (done.returncode, done.stdout) == (0, "1\n"), done


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, or change its root")


@needs_root
def test_as_nobody(tmp_path):
    binary = tmp_path / "terrarium"
    shutil.copy(TERRARIUM, binary)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.getuid() and directory != pathlib.Path("/"):
            directory.chmod(directory.stat().st_mode | 0o111)
    done = subprocess.run([binary, "run", "--python", "/usr/bin/python3", "--", "-c", "import os; print(os.getuid(), os.listdir('/box'))"],
                          capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[], cwd="/")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1000 []\n", ""), done


PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    size_t n = (size_t)atol(argv[1]) << 20;
    int children = argc > 2 ? atoi(argv[2]) : 0;
    for (int i = 0; i < children; i++)
        if (fork() == 0)
            children = 0;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < n; i += 4096)
        p[i] = 1;
    if (argc > 3)
        sleep(100);
    while (wait(NULL) > 0)
        ;
    printf("touched %zu\n", n >> 20);
    return 0;
}
"""


@pytest.fixture
def chrooted(tmp_path):
    """chrooted("exec", ...) in a root directory that holds the sandbox, its libraries and one static program; no /proc, no
    /dev, no /tmp."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    source = tmp_path / "touch.c"
    source.write_text(PROGRAM)
    subprocess.run(["gcc", "-static", "-O1", "-o", root / "bin/touch", source], check=True)
    shutil.copy(TERRARIUM, root / "bin/terrarium")
    listed = subprocess.run(["ldd", TERRARIUM], capture_output=True, text=True, check=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            to = root / word[1:]
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, to)

    def call(*words):
        done = subprocess.run(["/bin/terrarium", *words], capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: (os.chroot(root), os.chdir("/")))
        report = root / "report.json"
        return done, json.loads(report.read_text()) if report.exists() else None

    return call


@pytest.mark.plain
@needs_root
def test_without_proc(chrooted):
    done, report = chrooted("exec", "--mount", "/bin:/bin:ro", "--report", "/report.json", "--", "/bin/touch", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "touched 3\n", ""), done
    assert report["reproducible"] is True


@needs_root
@pytest.mark.parametrize("words, verdict", [
    (("40",), "ok"), (("4000",), "memory"), (("15", "20", "sleep"), "memory"), (("15", "2"), "ok")])
def test_memory_without_proc(chrooted, words, verdict):
    """Counted by what waitpid(2) tells: in one process and in many."""
    done, report = chrooted("exec", "--mount", "/bin:/bin:ro", "--report", "/report.json", "--limit", "memory=64MiB,processes=64",
                            "--", "/bin/touch", *words)
    assert report["verdict"] == verdict and done.returncode == (124 if verdict == "memory" else 0), (done, report)
    assert report["limits"]["memory"]["used"] < 512 << 20
