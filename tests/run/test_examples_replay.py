"""examples/forensics: the dropper recorded, moved, replayed, and what it removed and stole seen (docs/replay.md)."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_dropper(tmp_path):
    done = subprocess.run([ROOT / "examples/forensics/demo.sh", tmp_path], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, "TERRARIUM": os.environ["TERRARIUM_UNDER_TEST"]})
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, calls, stack, dropped, stolen = (part.partition("\n")[2] for part in ("\n" + done.stdout).split("\n== ")[1:])
    assert first.strip() == second.strip()
    assert '"id -un; uname -a"' in calls and 'unlink("/tmp/.cache.py") = 0' in calls
    assert "/tmp/.cache.py:20  <module>\n    /box/dropper.py:21  <module>\n" in stack
    assert dropped.startswith("import ftplib") and "not a key at all" in stolen
