"""Memory as mmap(2) and its kin give it, natively and inside."""
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def same_program(terrarium, tmp_path):
    """same_program("name.c"): what it prints natively and inside is equal; returns it."""

    def call(source, *options):
        program, here = tmp_path / "program", tmp_path / "here"
        subprocess.run(["gcc", "-O1", "-Wall", "-D_GNU_SOURCE", "-o", program, HERE / source], check=True)
        here.mkdir()
        native = subprocess.run([program], cwd=here, capture_output=True, text=True, timeout=60)
        result = terrarium("exec", "--mount", f"{program}:/t/program", *options, "--", "/t/program")
        assert (result.status, result.out) == (native.returncode, native.stdout), result
        return result.out

    return call


@pytest.mark.parametrize("options", [(), ("--trap", "all")])
def test_mappings(same_program, options):
    assert same_program("mappings.c", *options).count("\n") > 30


def test_a_shared_mapping_for_reading_is_shared(inside):
    assert inside("""
import ctypes, mmap, os
fd = os.open('/etc/hostname', os.O_RDONLY)
m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
print([line.split()[1] for line in open('/proc/self/maps') if '/etc/hostname' in line])
""") == "['r--s']\n"


def test_a_futex_in_a_mapping_for_reading(same):
    """Who may only read there can still wait there."""
    same("""
import ctypes, mmap, os, time
libc = ctypes.CDLL(None, use_errno=True)
open('word', 'wb').write(bytes(4096))
m = mmap.mmap(os.open('word', os.O_RDWR), 4096)
mine = ctypes.addressof(ctypes.c_char.from_buffer(m))
if os.fork() == 0:
    libc.mmap.restype = ctypes.c_void_p
    theirs = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, os.open('word', os.O_RDONLY), ctypes.c_long(0))
    os._exit(libc.syscall(202, ctypes.c_void_p(theirs), 0, 0, None, None, 0) != 0)
while libc.syscall(202, ctypes.c_void_p(mine), 1, 1, None, None, 0) == 0: time.sleep(0.01)
print(os.wait()[1])
""", timeout=30)


# Regions of the size that CPython asks for its small objects in.
ARENAS = """
import ctypes, resource, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
MIB = 1 << 20
def arena():
    got = libc.mmap(None, MIB, 3, 0x22, -1, 0)
    assert got not in (None, 2 ** 64 - 1) and got % 4096 == 0, got
    return got
def value(at): return ctypes.c_ubyte.from_address(at)
"""


def test_arenas_do_not_overlap(same):
    same(ARENAS + """
at = [arena() for _ in range(24)]
for i, a in enumerate(at):
    for k in range(0, MIB, 4096):
        assert value(a + k).value == 0
    ctypes.memset(a, i + 1, MIB)
for i in range(0, 24, 3): assert libc.munmap(at[i], MIB) == 0
more = [arena() for _ in range(9)]
for i, a in enumerate(more):
    assert not any(a < b + MIB and b < a + MIB for k, b in enumerate(at) if k % 3), hex(a)
    assert value(a).value == value(a + MIB - 1).value == 0
    ctypes.memset(a, 100 + i, MIB)
assert all(value(a + k).value == i + 1 for i, a in enumerate(at) if i % 3 for k in (0, MIB // 2, MIB - 1))
assert all(value(a + k).value == 100 + i for i, a in enumerate(more) for k in (0, MIB // 2, MIB - 1))
""")


def test_an_arena_is_nowhere_where_something_else_is(same):
    same(ARENAS + """
for _ in range(6):
    p = arena()
    ctypes.memset(libc.mmap(p - MIB, MIB, 3, 0x32, -1, 0), 7, MIB)
    assert value(arena()).value == 0 and value(p - 1).value == 7
""")


def test_arenas_in_a_child(same):
    same(ARENAS + """
import os
first = arena()
ctypes.memset(first, 7, MIB)
read, write = os.pipe()
if os.fork() == 0:
    mine = arena()
    ctypes.memset(mine, 9, MIB)
    ctypes.memset(first, 8, MIB)
    os.write(write, bytes([value(first).value, value(mine).value]))
    os._exit(0)
mine = arena()
assert value(mine).value == 0
assert os.read(read, 2) == b'\\x08\\x09' and value(first).value == 7 and value(mine + MIB - 1).value == 0
os.wait()
""")


def test_arenas_count_as_natively(same):
    """RLIMIT_AS and RLIMIT_DATA know of nothing that was not asked for."""
    same(ARENAS + """
size = int(open('/proc/self/statm').read().split()[0]) * 4096
def fit(limit, room):
    resource.setrlimit(limit, (size + room, resource.RLIM_INFINITY))
    at = []
    while len(at) < 99:
        got = libc.mmap(None, MIB, 3, 0x22, -1, 0)
        if got == 2 ** 64 - 1: break
        at.append(got)
    resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for a in at: libc.munmap(a, MIB)
    return len(at)
print([fit(limit, 14 * MIB + 4096) - fit(limit, 7 * MIB + 4096) for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA)])
""")


def test_random_bytes_as_far_as_memory_goes(same):
    same(ARENAS + """
p = libc.mmap(None, 8 * 4096, 3, 0x22, -1, 0)
libc.munmap(p + 4 * 4096, 4 * 4096)
for before in (1, 96, 256, 300, 4096, 9000):
    for wanted in (0, before - 1, before, before + 1, before + 100, before + 9000):
        print(before, wanted, libc.syscall(318, ctypes.c_void_p(p + 4 * 4096 - before), ctypes.c_size_t(wanted), 0), ctypes.get_errno())
print(libc.syscall(318, ctypes.c_void_p(p + 4 * 4096), 1, 0), ctypes.get_errno())
""")
