"""A caller may close a standard stream. Nothing of the supervisor's own may come to lie there: not its clock, and not the record."""
import os
import subprocess

import pytest

CODE = """
import os
kept = os.open('/box/kept', os.O_WRONLY | os.O_CREAT)
for fd in range(3):
    try:
        what = os.readlink(f'/proc/self/fd/{fd}') if fd != kept else 'kept'
        os.write(fd, b'mine')
    except OSError as e:
        what = e.strerror
    os.write(kept, f'{fd} {what}\\n'.encode())
"""


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]])
def test_a_closed_stream_is_closed_inside(tmp_path, closed):
    def close():
        for fd in closed:
            os.close(fd)
    script = tmp_path / "script.py"
    script.write_text(CODE)
    made = {name: tmp_path / name for name in ("run.trec", "report.json", "world")}
    out = tmp_path / "out"
    with open(out, "w") as stream:
        done = subprocess.run([os.environ["TERRARIUM_UNDER_TEST"], "run", "--record", made["run.trec"], "--report", made["report.json"],
                               "--export", made["world"], script], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                              preexec_fn=close, timeout=60)
    assert done.returncode == 0
    told = dict(line.split(" ", 1) for line in (made["world"] / "box" / "kept").read_text().replace("mine", "").splitlines())
    assert told.pop(str(min(closed))) == "kept"  # the script's own file takes the lowest free number, as natively
    assert all(told[str(fd)] == "No such file or directory" for fd in closed if fd != min(closed))
    trace = subprocess.run([os.environ["TERRARIUM_UNDER_TEST"], "trace", made["run.trec"]], capture_output=True, timeout=60)
    assert trace.returncode == 0 and b"exited with 0" in trace.stdout
