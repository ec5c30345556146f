"""Attacks run inside the sandbox only. A helper's outcome is compared with what Linux does natively where that is harmless;
where it is not (it would kill, fill or open something of the machine's) the test says so.

After every test: no guest process is left, wherever it came from. The test process is a child subreaper (prctl(2)), so what a
dead supervisor leaves behind becomes its child and is found by parentage.
"""
import ctypes
import os
import pathlib
import signal
import subprocess
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PR_SET_CHILD_SUBREAPER = 36


def living_children():
    """pids whose parent is this process, zombies reaped."""
    mine = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) != os.getpid():
            continue
        if fields[0] == "Z":
            try:
                os.waitpid(int(entry), os.WNOHANG | 0x40000000)  # __WALL
            except ChildProcessError:
                pass
        else:
            mine.append(int(entry))
    return mine


def assert_nothing_left(seconds=60.0):
    end = time.monotonic() + seconds
    while (left := living_children()) and time.monotonic() < end:
        time.sleep(0.01)
    for pid in left:  # they are this test's own: a run's orphans
        os.kill(pid, signal.SIGKILL)
    assert not left, f"processes left: {left}"


@pytest.fixture(autouse=True)
def nothing_left():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    assert_nothing_left()


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """build("glass") compiles tests/attacks/glass.c and gives the program's path."""
    made = {}

    def call(name, *flags):
        if (name, flags) not in made:
            to = tmp_path_factory.mktemp("attack") / name
            subprocess.run(["gcc", "-O1", "-w", "-pthread", *flags, "-o", str(to), str(HERE / f"{name}.c")], check=True)
            to.parent.chmod(0o755)  # the guest is another user
            made[name, flags] = to
        return made[name, flags]

    return call


@pytest.fixture
def attack(terrarium, build):
    """attack("glass", "remap") runs the built program inside with that argument, as /attack/glass."""

    def call(name, *arguments, options=(), **more):
        program = build(name)
        return terrarium("exec", "--mount", f"{program.parent}:/attack:ro", *options, "--", f"/attack/{name}", *arguments,
                         **more)

    return call


@pytest.fixture
def native(build):
    """The same program outside: only for attacks that touch nothing but themselves."""

    def call(name, *arguments, timeout=120):
        done = subprocess.run([build(name), *arguments], capture_output=True, timeout=timeout)
        return done.returncode, done.stdout.decode(errors="replace")

    return call
