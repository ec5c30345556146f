#!/usr/bin/python3
"""How late a limit ends a run, and whether it leaves a process: `bench/limits.py [--rounds N] [--load N]`, as docs/limits.md.

Each guest says on its standard error what time it is right before it does what the limit forbids (or, for cpu, the report says what was
used); the difference to the moment when `terrarium` has ended, report written and all, is how late it was. Whatever it left would become
a child of this program (PR_SET_CHILD_SUBREAPER), and there must be none."""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TERRARIUM = os.environ.get("TERRARIUM", str(ROOT / "terrarium"))
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")
NOW = "import os, sys, time\ndef now(): os.write(2, b'%d\\n' % time.clock_gettime_ns(time.CLOCK_MONOTONIC))\n"
FORKS = "for _ in range({}):\n    if os.fork() == 0: break\n"

# What is done: (the limits, the guest's code). `now()` says: from here on the limit is passed. Of wall it is not asked: its time begins
# with the run.
CASES = {
    "wall: sleeps at its input": ("wall=1s", "sys.stdin.read()"),
    "wall: computes in Python": ("wall=1s", "while True: pass"),
    "wall: computes in C": ("wall=1s", "sum(range(10**12))"),
    "wall: 60 processes compute": ("wall=1s,processes=100", FORKS.format(59) + "while True: pass"),
    "wall: 60 processes, 64 MiB each": ("wall=3s,processes=100", FORKS.format(59) + "b = bytearray(b'x') * (64 << 20)\nsys.stdin.read()"),
    "wall: 200 threads": ("wall=1s", "import threading\nfor _ in range(200): threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()"),
    "wall: reads 1 GiB at once": ("wall=1s", "b = bytearray(1 << 30)\nf = open('/dev/zero', 'rb', 0)\nwhile True: f.readinto(b)"),
    "wall: writes 1 GiB at once": ("wall=1s", "b = bytearray(1 << 30)\nf = open('/tmp/f', 'wb', 0)\nwhile True: f.seek(0); f.write(b)"),
    "wall: starts programs": ("wall=1s", "import subprocess\nwhile True: subprocess.run(['/bin/true'])"),
    "cpu: computes in Python": ("cpu=1s", "while True: pass"),
    "cpu: computes in C": ("cpu=1s", "sum(range(10**12))"),
    "cpu: 20 processes compute": ("cpu=1s,processes=100", FORKS.format(19) + "while True: pass"),
    "memory: grows by 1 MiB": ("memory=64MiB", "l = []\nwhile True: now(); l.append(b'x' * (1 << 20))"),
    "memory: fills 4 GiB at once": ("memory=64MiB", "import ctypes, mmap\nb = mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                                                     "at = ctypes.addressof(ctypes.c_char.from_buffer(b))\nctypes.memset(at, 1, 56 << 20)\nnow()\nctypes.memset(at, 1, 4 << 30)"),
    "memory: reads 2 GiB at once": ("memory=64MiB", "import mmap\nb = mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                                                    "f = open('/tmp/f', 'w+b', 0)\nf.truncate(2 << 30)\nnow()\nf.readinto(b)"),
    "memory: writes 2 GiB at once": ("memory=64MiB,files=4GiB", "import mmap\nb = mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                                                                "f = open('/tmp/f', 'wb', 0)\nnow()\nf.write(b)"),
    "memory: 40 processes": ("memory=64MiB,processes=100", FORKS.format(39) + "now()\nb = bytearray(b'x') * (8 << 20)\nsys.stdin.read()"),
    "output: by lines": ("output=1MiB", "while True: now(); os.write(1, b'x' * 65536)"),
    "output: 100 MiB at once": ("output=1MiB", "b = b'x' * (100 << 20)\nnow()\nos.write(1, b)"),
    "files: 1 GiB at once": ("files=1MiB", "b = bytes(1 << 30)\nf = open('/tmp/f', 'wb', 0)\nnow()\nf.write(b)\nf.write(b)"),
    "files: a mapping": ("files=16MiB", "import mmap\nf = open('/tmp/f', 'w+b')\nf.truncate(1 << 30)\nb = mmap.mmap(f.fileno(), 1 << 30)\n"
                                        "for at in range(0, 16 << 20, 4096): b[at] = 1\nnow()\nfor at in range(16 << 20, 1 << 30, 4096): b[at] = 1"),
    "processes: a fork bomb": ("processes=50", "while True:\n    now()\n    os.fork()"),
}


def children():
    """How many processes became ours, though nobody started them here: what a run left."""
    left = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        left += 1
        if pid == 0:
            return left


def once(limits, code):
    """(ms late, processes left, MiB that were reached)"""
    with tempfile.TemporaryDirectory() as d:
        policy, report = f"{d}/p.yaml", f"{d}/r.json"
        pathlib.Path(policy).write_text("terrarium: 1\nclock: real\n")
        stdin, writer = os.pipe()
        begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        run = subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--policy", policy, "--limit", limits, "--report", report, "--", "-c", NOW + code],
                               stdin=stdin, stdout=subprocess.DEVNULL, stderr=open(f"{d}/err", "wb"))
        run.wait()
        end = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        os.close(stdin), os.close(writer)
        said = [int(line) for line in open(f"{d}/err", "rb").read().split() if line.isdigit()]
        told = json.load(open(report))
        kind = limits.partition("=")[0]
        if told["verdict"] != kind:
            raise SystemExit(f"{limits}: ended as {told['verdict']}, not {kind}")
        limit = told["limits"][kind]
        if kind == "wall":
            late = (end - begin) / 1e6 - limit["allowed"] * 1000
        elif kind == "cpu":
            late = (limit["used"] - limit["allowed"]) * 1000
        else:
            late = (end - (min(said) if "40 processes" in code else max(said))) / 1e6
        peak = told["limits"]["memory"]["used"] / (1 << 20) if kind == "memory" else 0
        return late, children(), peak


ABOUT = """# How late a limit ends a run

Made by `make bench-limits` (bench/limits.py): {rounds} rounds a case, clock real; on the left as the machine was (load average {load:.1f} when it began, {cpus}
CPUs), on the right with {busy} more processes that compute. Milliseconds from the moment the limit was passed to the end of `terrarium`, its report written
and every guest process dead; of `wall` also its start, of `cpu` the time on the CPU beyond what is allowed. After each run it was asked what it left.

{table}

What bounds it, limit by limit:

- **wall**: the tick (supervisor/tick.c) that would come after it comes when it passes; an idle world sleeps no longer than until then (supervisor/idle.c).
- **cpu**: of a virtual clock it is counted and ends the run at its place. Real time on the CPU is looked at each 10 ms of it, or 50 while counted Python
  computes with no limit of memory, where it only stands behind the count.
- **memory**: looked at each 10 ms, also in the middle of a call that moves more than 1 MiB (`limits_over`): what the guest can touch in between is what goes
  beyond, some 10 to 40 MiB. Where processes share so much that the sum of what each has is more than the
  limit, what is shared is looked at as soon as new memory could be too much, and else so often that it takes no more than a fifth of the time.
- **output, processes, files, file_count**: counted in the call that goes beyond, which is the run's last.
- A call that runs in the supervisor moves at most 2 GiB between guest and file, which a limit interrupts, or 16 MiB between files. What the host's kernel does
  for it in one piece (making or giving back the pages of a file) takes some 100 ms a GiB.
- **The end**: all processes are killed at once and give their memory back on every processor. That is the kernel's work, 1 to 2 ms a process and 100 ms a
  GiB, and what is late in the rows of 60 processes.
"""


def table(options, load):
    """{name: (median, most, left, MiB)}}"""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    found = {}
    try:
        for name, (limits, code) in CASES.items():
            if options.only not in name:
                continue
            late, left, peak = [], 0, 0
            for _ in range(options.rounds):
                ms, more, reached = once(limits, code)
                late.append(ms)
                left += more - (1 if busy else 0)
                peak = max(peak, reached)
            found[name] = statistics.median(late), max(late), left, peak
            print(name, *(round(x) for x in found[name]), flush=True)
    finally:
        for b in busy:
            b.kill()
            b.wait()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", type=int, default=4, help="processes that compute beside it, the second time")
    parser.add_argument("--only", default="", help="cases whose name holds this; nothing is written then")
    parser.add_argument("--output", default=str(ROOT / "docs/limits.md"))
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    load = os.getloadavg()[0]
    alone, beside = table(options, 0), table(options, options.load)
    lines = ["| case | ms late, median | most | under load, median | most | processes left | MiB at most |", "|---|---|---|---|---|---|---|"]
    for name in alone:
        (a, b, left, peak), (c, d, more, _) = alone[name], beside[name]
        lines.append(f"| {name} | {a:.0f} | {b:.0f} | {c:.0f} | {d:.0f} | {left + more} | {f'{peak:.0f}' if peak else ''} |")
    if not options.only:
        pathlib.Path(options.output).write_text(ABOUT.format(rounds=options.rounds, load=load, cpus=os.cpu_count(), busy=options.load,
                                                             table="\n".join(lines)))


if __name__ == "__main__":
    main()
