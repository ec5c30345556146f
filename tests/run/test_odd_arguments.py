"""System calls with odd arguments give inside what they give natively, errno for errno (odd_arguments.py says which)."""
import difflib
import pathlib

from conftest import natively_on_tmpfs

PROGRAM = pathlib.Path(__file__).with_name("odd_arguments.py")


def test_as_natively(terrarium):
    inside, native = terrarium("run", str(PROGRAM), "/tmp"), natively_on_tmpfs(PROGRAM)
    assert native.status == 0, native
    assert inside.status == 0, inside
    assert len(native.out.splitlines()) > 1000
    assert inside.out == native.out, "\n".join(
        difflib.unified_diff(native.out.splitlines(), inside.out.splitlines(), "natively", "inside", lineterm="", n=0))
