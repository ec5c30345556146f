"""The table of tools/determinism.py in short: each source of chance, three runs, each with what must not matter disturbed."""
import os
import pathlib
import subprocess
import sys

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "determinism"))
from table import SOURCES  # noqa: E402


def test_there_are_enough():
    assert len(SOURCES) >= 60 and len({(group, name) for group, name, _ in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize("code", [code for _, _, code in SOURCES], ids=[f"{group}: {name}" for group, name, _ in SOURCES])
def test_a_source_gives_one_outcome(code):
    done = subprocess.run([TERRARIUM, "verify", "-n", "3", "--python", "/usr/bin/python3", "--", "-c", code], capture_output=True,
                          text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def test_room_is_what_is_left_now(inside):
    """Pages that a mapping filled are taken when they are asked for, not when somebody happened to look."""
    out = inside("""
import mmap, os
fd = os.open('/dev/shm/f', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8 << 20)
m = mmap.mmap(fd, 8 << 20)
before = os.statvfs('/dev/shm').f_bfree
for i in range(0, 8 << 20, 4096): m[i] = 1
print(before - os.statvfs('/dev/shm').f_bfree)
""")
    assert out == "2048\n"
