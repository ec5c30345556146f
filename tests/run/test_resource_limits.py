"""Limits that a program sets itself: setrlimit(2), natively and inside."""
import json
import pathlib
import subprocess

import pytest


def test_a_program_that_does_not_fit_dies_as_natively(same):
    same("""
import os, resource
for name in 'AS', 'DATA', 'STACK':
    for size in 0, 4096, 65536, 1 << 20, 16 << 20, 64 << 20:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open('/dev/null', os.O_WRONLY), 2)
            resource.setrlimit(getattr(resource, 'RLIMIT_' + name), (size, size))
            os.execv('/bin/true', ['true'])
        print(name, size, os.waitpid(pid, 0)[1])
""")


def test_memory_limits_hold_after_execve(same):
    same("""
import os, resource, subprocess, sys
code = '''
import mmap, sys
for mib in 1, 60, 300:
    try:
        bytearray(mib << 20)
        print(mib, 'fits')
    except MemoryError:
        print(mib, 'does not')
'''
for name in 'AS', 'DATA':
    def limit():
        resource.setrlimit(getattr(resource, 'RLIMIT_' + name), (200 << 20, 200 << 20))
    print(subprocess.run([sys.executable, '-c', code], preexec_fn=limit, capture_output=True, text=True).stdout)
""")


@pytest.mark.parametrize("limit, depth", [(0, 6000), (0, 9000), (65536, 30000), (65536, 70000), (16384, 12000), (-1, 100000)])
def test_a_stack_grows_as_far_as_its_limit(terrarium, tmp_path, limit, depth):
    program = tmp_path / "program"
    subprocess.run(["gcc", "-O1", "-o", program, pathlib.Path(__file__).with_name("stack_limit.c")], check=True)
    words = [str(limit), str(depth)]
    native = subprocess.run(["bash", "-c", 'ulimit -S -s 8192; exec "$@"', "sh", program, *words], capture_output=True, text=True)
    result = terrarium("exec", "--mount", f"{program}:/t/program", "--", "/t/program", *words)
    assert (result.out, result.status) == (native.stdout, native.returncode if native.returncode >= 0 else 128 - native.returncode)


def test_a_stack_without_a_limit(terrarium, tmp_path):
    """From its start; and what is mapped below it is not taken for it."""
    program = tmp_path / "program"
    subprocess.run(["gcc", "-O1", "-o", program, pathlib.Path(__file__).with_name("stack_limit.c")], check=True)
    assert terrarium("exec", "--mount", f"{program}:/t/program", "--", "/bin/sh", "-c", "ulimit -s unlimited; /t/program 0 100000").out == "0\n"
    taken = """
import ctypes, mmap, resource
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
line = next(l for l in open('/proc/self/maps') if '[stack]' in l)
below = int(line.split('-')[0], 16) - (9 << 20)
libc.mmap(ctypes.c_void_p(below), 4096, 3, 0x32, -1, 0)
ctypes.memset(below, 7, 4096)
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.RLIM_INFINITY))
print(ctypes.string_at(below, 3))
"""
    assert terrarium("run", "--", "-c", taken).out == "b'\\x07\\x07\\x07'\n"


def test_deep_recursion(inside):
    assert inside("""
import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY,) * 2)
sys.setrecursionlimit(10 ** 6)
class Deep:
    def __init__(self, n): self.n = n
    def __repr__(self): return 'x' if self.n == 0 else repr(Deep(self.n - 1))
print(repr(Deep(60000)))
""") == "x\n"


def test_descriptors_are_raised_to_what_the_policy_allows(terrarium, tmp_path):
    code = """
import os, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft, hard)
try:
    while True: os.dup(0)
except OSError as e:
    print(e.strerror, os.dup2(0, soft - 1))
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
print(os.dup2(0, hard - 1), os.dup(0) == soft)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard + 1))
except ValueError as e:
    print(e)
"""
    assert terrarium("run", "--", "-c", code).out == "1024 4096\nToo many open files 1023\n4095 True\nnot allowed to raise maximum limit\n"
    assert terrarium("run", "--limit", "open_files=2000", "--", "-c", code).out.startswith("1024 2000\n")
    result = terrarium("run", "--limit", "open_files=100", "--report", str(tmp_path / "r.json"), "--", "-c", "import os\nwhile True: os.dup(0)")
    assert "Too many open files" in result.err and result.status == 1
    limits = json.loads((tmp_path / "r.json").read_text())["limits"]
    assert limits["open_files"] == {"used": 100, "allowed": 100}
    assert terrarium("run", "--limit", "open_files=100", "--", "-c", "import resource; print(*resource.getrlimit(7))").out == "100 100\n"
