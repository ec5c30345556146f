"""A handful of CPython's own modules recorded, and replayed where there is no Python (tools/replay_suite.py; all of them: make test-replay)."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.plain
def test_a_handful():
    done = subprocess.run(["/usr/bin/python3", ROOT / "tools/replay_suite.py", "--short", "--terrarium", os.environ["TERRARIUM_UNDER_TEST"]],
                          capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and done.stdout.endswith("4 of 4 replayed the same\n"), done.stdout + done.stderr
