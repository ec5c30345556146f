"""examples/replay: the dropper recorded, moved, replayed, and the file that it removed again seen."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_dropper(tmp_path):
    done = subprocess.run([ROOT / "examples/replay/demo.sh", tmp_path], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, "TERRARIUM": os.environ["TERRARIUM_UNDER_TEST"]})
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, dropped = done.stdout.split("== ")[1:]
    assert first.splitlines()[1:] == second.splitlines()[1:] == ["nobody at home", "done"]
    assert "create_connection" in dropped
