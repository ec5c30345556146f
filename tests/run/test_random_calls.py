"""Random sequences of calls give inside what they give natively (random_calls.py says which); RANDOM_CALLS names other seeds. What a
sequence found stands below as a case of its own."""
import os
import pathlib

import pytest

from conftest import assert_same_lines, natively_on_tmpfs

PROGRAM = pathlib.Path(__file__).with_name("random_calls.py")
COUNT = 1300
SEEDS = os.environ.get("RANDOM_CALLS", "14 17 21").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_as_natively(terrarium, seed):
    inside = terrarium("run", str(PROGRAM), "/tmp", seed, str(COUNT), timeout=120)
    assert_same_lines(inside, natively_on_tmpfs(PROGRAM, seed, str(COUNT)), ("inside", "natively"))
    assert len(inside.out.splitlines()) == COUNT


def test_what_they_found(same):
    assert same("""
import ctypes, errno, fcntl, os
def tried(function, *arguments):
    try: return function(*arguments)
    except OSError as e: return errno.errorcode[e.errno]
libc = ctypes.CDLL(None, use_errno=True)
def splice(a, b):
    return libc.splice(a, None, b, None, 7, 2), errno.errorcode.get(ctypes.get_errno(), 0)
def file(name, flags=0):
    return os.open(name, os.O_RDWR | os.O_CREAT | flags, 0o4755)
(r, w), (r2, w2), event, here = os.pipe(), os.pipe(), os.eventfd(3), os.open('.', 0)
print('from an empty pipe', splice(r, w2), 'to what has no splice', splice(r, event), 'from it', splice(event, w), splice(here, w))
os.close(w), os.close(r2)
print('from a pipe that ended to one that nobody reads', splice(r, w2))
os.mkfifo('fifo')
print('sendfile from a directory', tried(os.sendfile, w2, here, 0, 5), tried(os.sendfile, file('a'), event, None, 5))
print('to a FIFO open for appending', tried(os.sendfile, file('fifo', os.O_APPEND), file('a'), 0, 5))
print('between filesystems', tried(os.copy_file_range, file('a'), os.memfd_create('m'), 5))
nameless = os.open('.', os.O_RDWR | os.O_TMPFILE)
print(oct(fcntl.fcntl(nameless, fcntl.F_GETFL)), tried(fcntl.fcntl, os.memfd_create('m'), 1033, 1))
""").count("EINVAL") >= 4


def test_what_they_found_of_tmpfs(inside):
    assert inside("""
import os
os.close(os.open('a', os.O_CREAT, 0o4755))
os.posix_fallocate(os.open('a', os.O_RDWR), 0, 10)
print(oct(os.stat('a').st_mode))
os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')
os.write(os.open('.', os.O_RDWR | os.O_TMPFILE), b'x')
""") == "0o100755\n"
