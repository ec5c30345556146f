"""Files that are lent (docs/architecture.md, "Files that are lent"): calls are answered without a stop, and nothing but the number of stops
tells it from calls that were trapped. lent_calls.py is the guest; LENT_CALLS names other seeds."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import PYTHON, TERRARIUM, Result

PROGRAM = pathlib.Path(__file__).with_name("lent_calls.py")
COUNT = 1500
SEEDS = os.environ.get("LENT_CALLS", "1 2 3 4").split()
TRAPPED = "terrarium: 1\ncalls:\n  - {allow: [lseek]}\n"  # a rule on one of the calls: none is answered by the guest


def natively(*words):
    directory = tempfile.mkdtemp(dir="/dev/shm")
    who = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        if who:
            os.chown(directory, 1000, 1000)
        os.chmod(shutil.copy(PROGRAM, directory), 0o644)
        return Result(subprocess.run([PYTHON, f"{directory}/{PROGRAM.name}", directory, *words], capture_output=True, timeout=120,
                                     cwd=directory, umask=0o22, stdin=subprocess.DEVNULL, **who))
    finally:
        shutil.rmtree(directory)


def compare(a, b, names):
    for n, (x, y) in enumerate(zip(a.out.splitlines(), b.out.splitlines())):
        before = "\n".join(b.out.splitlines()[max(0, n - 12):n])
        assert x == y, f"after\n{before}\n{names[0]}: {x}\n{names[1]}: {y}"
    assert (a.status, a.out) == (b.status, b.out) and a.status == 0, (a, b)


@pytest.mark.parametrize("seed", SEEDS)
def test_as_natively(terrarium, seed):
    lent = terrarium("run", str(PROGRAM), "/tmp", seed, str(COUNT), report=True)
    assert lent.report["lent_calls"] > COUNT / 8 and lent.report["reproducible"], lent.report
    compare(lent, natively(seed, str(COUNT)), ("inside", "natively"))


@pytest.mark.parametrize("seed", SEEDS)
def test_as_trapped(terrarium, tmp_path, seed):
    """At the same times, too, and counted as trapped ones are."""
    words = ("run", str(PROGRAM), "/tmp", seed, str(COUNT), "times")
    lent, trapped = terrarium(*words, report=True), terrarium(*words, report=True, policy=TRAPPED)
    compare(lent, trapped, ("lent", "trapped"))
    assert trapped.report["lent_calls"] == 0 < lent.report["lent_calls"]
    assert lent.report["events"] + lent.report["lent_calls"] == trapped.report["events"]
    assert lent.report["clock_reads"] == trapped.report["clock_reads"]
    assert {n: c["calls"] for n, c in lent.report["calls"].items()} == {n: c["calls"] for n, c in trapped.report["calls"].items()}
    recorded = subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--record", str(tmp_path / "r.trec"), *words[1:]], capture_output=True,
                              timeout=120, cwd=tmp_path)
    assert recorded.stdout.decode() == lent.out
