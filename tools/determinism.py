#!/usr/bin/python3
"""Runs every program of tests/determinism/table.py many times, natively and inside, and writes docs/determinism.md: how many differ.

A quarter of the runs each: as root and as an ordinary user (nobody), on a quiet machine and beside 8 busy loops. Not as root: as whoever
asks. What counts is stdout, stderr and the exit status; all runs of one program must be one and the same."""
import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "determinism"))
from table import SOURCES  # noqa: E402

PYTHON = "/usr/bin/python3"
MARK = "<!-- table of sources: tools/determinism.py -->"
END = "<!-- end of the table of sources -->"


def outcome(command, user, directory):
    as_user = dict(user=65534, group=65534, extra_groups=[]) if user and os.geteuid() == 0 else {}
    done = subprocess.run(command, capture_output=True, timeout=120, stdin=subprocess.DEVNULL, cwd=directory, **as_user)
    return hashlib.sha256(repr((done.returncode, done.stdout, done.stderr)).encode()).hexdigest(), done


def outcomes(command, runs, jobs, directory):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        each = [pool.submit(outcome, command, i % 2 == 1, directory) for i in range(runs)]
        return collections.Counter(e.result()[0] for e in each)


def busy(n):
    return [subprocess.Popen([PYTHON, "-c", "while True: pass"]) for _ in range(n)]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-n", type=int, default=100, help="runs of each program inside, and natively")
    options.add_argument("--native", type=int, help="runs natively, if not as many")
    options.add_argument("--jobs", type=int, default=2, help="runs at a time; four more beside the busy loops")
    options.add_argument("--only", help="names that contain this")
    options.add_argument("--terrarium", default=str(ROOT / "terrarium"))
    options.add_argument("--write", action="store_true", help="into docs/determinism.md")
    o = options.parse_args()
    os.umask(0)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        program = pathlib.Path(directory) / "terrarium"
        program.write_bytes(pathlib.Path(o.terrarium).read_bytes())  # nobody may not be able to reach the tree
        program.chmod(0o755)
        rows, native_differ, inside_differ = [], 0, 0
        for group, name, code in SOURCES:
            if o.only and o.only not in name:
                continue
            native, inside = collections.Counter(), collections.Counter()
            for load in (0, 8):
                loops = busy(load)
                try:
                    jobs = o.jobs + load // 2
                    native += outcomes([PYTHON, "-c", code], (o.native or o.n) // 2, jobs, directory)
                    inside += outcomes([str(program), "run", "--python", PYTHON, "--", "-c", code], o.n // 2, jobs, directory)
                finally:
                    for loop in loops:
                        loop.kill()
                        loop.wait()
            native_differ += len(native) > 1
            inside_differ += len(inside) > 1
            rows.append(f"| {group} | {name} | {len(native)} | {len(inside)} |")
            print(f"{group}: {name}: natively {len(native)} outcomes, inside {len(inside)}", flush=True)
    print(f"{len(rows)} sources, {o.n} runs each: {native_differ} differ natively, {inside_differ} inside")
    if o.write:
        page = ROOT / "docs" / "determinism.md"
        text = page.read_text()
        head, rest = text.split(MARK, 1)
        table = "\n".join([f"\n{len(rows)} sources, {o.n} runs of each inside, {o.native or o.n} natively: **{native_differ} differ natively, {inside_differ} inside.**\n",
                           "| | source | outcomes natively | inside |", "|---|---|---|---|", *rows, ""])
        page.write_text(head + MARK + "\n" + table + "\n" + END + rest.split(END, 1)[1])
    return inside_differ > 0


if __name__ == "__main__":
    sys.exit(main())
