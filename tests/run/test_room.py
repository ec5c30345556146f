"""How much room a filesystem has, as statvfs(3) tells it: of files that only mappings hold, natively and inside, and at every moment the same."""
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import read_record  # noqa: E402

GUEST = """
import mmap, os, time
def mapped(size):
    fd = os.open('/dev/shm/room', os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.unlink('/dev/shm/room')
    os.ftruncate(fd, size)
    m = mmap.mmap(fd, size)
    os.close(fd)
    for at in range(0, size, 4096): m[at] = 1
    return m
def room():
    return os.statvfs('/dev/shm').f_bfree
first = room()
child = os.fork()
if child == 0:
    held = mapped(1 << 20)
    time.sleep(100)
m = mapped(16 << 20)
print(first - room() >= 4096)
m.close()
print(first - room() < 4096)
for _ in range(BUSY): pass
os.kill(child, 9); os.wait()
print(first - room())
"""


@pytest.mark.parametrize("limit", ["memory=none", "memory=24MiB"])
def test_what_was_unmapped_is_room_again(terrarium, limit, tmp_path):
    """With little to compute, and with so much that limits are looked at several times, which is at moments of real time."""
    for busy in 1000, 4_000_000:
        heads = set()
        for name in "ab":
            result = terrarium("run", "--limit", limit, "--record", str(tmp_path / name), "--", "-c", GUEST.replace("BUSY", str(busy)))
            assert result.out == "True\nTrue\n0\n", result
            with open(tmp_path / name, "rb") as f:
                record = read_record.Record(f)
                list(record)
            heads.add(record.head)
        assert len(heads) == 1


def test_as_natively(same):
    assert same(GUEST.replace("BUSY", "1000").replace("print(first - room())", "print(abs(first - room()) < 4096)")) == "True\nTrue\nTrue\n"
