"""System calls with odd arguments give inside what they give natively, errno for errno (odd_arguments.py says which)."""
import difflib
import os
import pathlib
import shutil
import subprocess
import tempfile

from conftest import PYTHON, Result

PROGRAM = pathlib.Path(__file__).with_name("odd_arguments.py")


def natively():
    """As an ordinary user on a tmpfs, whose memory files the sandbox's are modelled on."""
    directory = tempfile.mkdtemp(dir="/dev/shm")
    os.chmod(directory, 0o777)
    try:
        os.chmod(shutil.copy(PROGRAM, directory), 0o644)
        who = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
        return Result(subprocess.run([PYTHON, f"{directory}/{PROGRAM.name}", directory], capture_output=True, timeout=120,
                                     cwd=directory, umask=0o22, stdin=subprocess.DEVNULL, **who))
    finally:
        shutil.rmtree(directory)


def test_as_natively(terrarium):
    inside, native = terrarium("run", str(PROGRAM), "/tmp"), natively()
    assert native.status == 0, native
    assert inside.status == 0, inside
    assert len(native.out.splitlines()) > 1000
    assert inside.out == native.out, "\n".join(
        difflib.unified_diff(native.out.splitlines(), inside.out.splitlines(), "natively", "inside", lineterm="", n=0))
