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
