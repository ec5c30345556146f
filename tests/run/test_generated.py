"""Pages made from the tree are those of this tree."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_page_of_system_calls_is_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "tools" / "syscall_coverage.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
