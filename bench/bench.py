#!/usr/bin/env python3
"""Measures Terrarium beside native and whichever peers are installed: medians of interleaved runs, and ratios.

`make bench` runs it and writes docs/performance.md. One round runs every contender once, in turn, so that a machine whose speed
drifts drifts for all alike. Numbers that come from inside (calls per second) are measured by the same script everywhere.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"

WORK = {
    "`python3 -c pass`": ("pass", "1.4x"),
    "import json, re, asyncio, unittest": ("import json, re, asyncio, unittest", "1.5x"),
    "import numpy": ("import numpy", "1.5x"),
    "pure CPU": ("n = 0\nfor i in range(6_000_000): n += i & 3", "1.02x"),
    "numpy matrix product": ("import numpy\na = numpy.ones((900, 900))\nfor _ in range(6): a @ a", "1.02x"),
    "64 KiB blocks, written and read": ("""
import os
b = b'x' * 65536
fd = os.open('/tmp/terrarium-bench', os.O_RDWR | os.O_CREAT, 0o600)
for _ in range(600): os.write(fd, b)
os.lseek(fd, 0, 0)
while os.read(fd, 65536): pass
os.unlink('/tmp/terrarium-bench')""", "1.5x"),
    "10,000 small files": ("""
import os, tempfile
with tempfile.TemporaryDirectory() as d:
    for i in range(10000):
        with open(f'{d}/{i}', 'w') as f: f.write('x')
    for n in os.listdir(d):
        with open(f'{d}/{n}') as f: f.read()""", "6x"),
    "thread ping-pong, 2,000 turns": ("""
import queue, threading
a, b = queue.Queue(), queue.Queue()
def f():
    for _ in range(2000): b.put(a.get())
t = threading.Thread(target=f); t.start()
for i in range(2000): a.put(i); b.get()
t.join()""", "report"),
    "100 subprocesses": ("import subprocess\nfor _ in range(100): subprocess.run(['/bin/true'])", "report"),
}

# Inside the sandbox the clock is virtual, so calls are timed from outside: the time of a run with them less that of one without.
PER_CALL = {
    "getppid (as the floor's)": "os.getppid()",
    "fstat": "os.fstat(fd)",
    "read 1 byte": "os.pread(fd, 1, 0)",
    "clock_gettime": "time.clock_gettime(0)",
}
PER_CALL_COUNT = 20000


def contenders():
    found = {"native": [PYTHON, "-c"], "terrarium": [str(ROOT / "terrarium"), "run", "--python", PYTHON, "--", "-c"]}
    if shutil.which("bwrap"):
        found["bubblewrap"] = ["bwrap", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--unshare-all", PYTHON, "-c"]
    if shutil.which("proot"):
        found["proot"] = ["proot", PYTHON, "-c"]
    if shutil.which("strace"):
        found["strace"] = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", PYTHON, "-c"]
    if shutil.which("runsc"):
        found["runsc"] = ["runsc", "--platform=ptrace", "--rootless", "--network=none", "do", PYTHON, "-c"]
    return found


def once(command):
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
    took = time.perf_counter() - start
    return took if done.returncode == 0 else None


def interleaved(commands, rounds):
    times = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            if times[name] is not None:
                took = once(command)
                times[name] = None if took is None else times[name] + [took]
    return {name: statistics.median(t[1:]) if t else None for name, t in times.items()}


def stops(code):
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        subprocess.run([str(ROOT / "terrarium"), "run", "--python", PYTHON, "--report", f.name, "--", "-c", code],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        report = json.load(open(f.name))
    return report["events"], report["stops"]


def floor():
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["cc", "-O2", "-o", f"{d}/floor", str(ROOT / "bench/floor.c")], check=True)
        return statistics.median(float(subprocess.run([f"{d}/floor"], capture_output=True, check=True).stdout) for _ in range(5))


def supervisor_memory(code):
    """Peak resident KiB of the supervisor's own process while it runs `code`."""
    run = subprocess.Popen([str(ROOT / "terrarium"), "run", "--python", PYTHON, "--", "-c", code], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
    peak = 0
    while run.poll() is None:
        try:
            for line in open(f"/proc/{run.pid}/status"):
                if line.startswith("VmHWM"):
                    peak = max(peak, int(line.split()[1]))
        except OSError:
            pass
        time.sleep(0.005)
    return peak


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--output", default=str(ROOT / "docs/performance.md"))
    options = arguments.parse_args()
    names = list(contenders())
    lines = ["# How fast", "",
             "Made by `make bench`: medians of %d interleaved runs, whole processes, wall time; ratios to native. Kernel %s, %d CPUs. "
             "The machine was shared: read the ratios." % (options.rounds, platform.release(), os.cpu_count()), "",
             "| work | to reach | " + " | ".join(n if n != "native" else "native, ms" for n in names) + " | calls trapped | stops |",
             "|---" * (len(names) + 4) + "|"]
    for label, (code, goal) in WORK.items():
        medians = interleaved({n: [*c, code] for n, c in contenders().items()}, options.rounds)
        base = medians["native"]
        cells = [f"{base * 1000:.1f}"]
        cells += [f"**{medians[n] / base:.2f}**" if n == "terrarium" and medians[n] else f"{medians[n] / base:.2f}" if medians[n] else "fails"
                  for n in names[1:]]
        events, stopped = stops(code)
        lines.append(f"| {label} | {goal} | " + " | ".join(cells) + f" | {events} | {stopped} |")
        print(lines[-1], flush=True)
    bare = floor()
    lines += ["", "## One call", "",
              f"The bare stop (bench/floor.c, measured in the same run): {bare:.0f} ns. To reach: 1.2x.", "",
              "| call | ns, with Python's own part | of it Python's, natively | x the bare stop |", "|---|---|---|---|"]
    setup = "import os, time\nfd = os.open('/usr/bin/python3', os.O_RDONLY)\n"
    for label, call in PER_CALL.items():
        loop = setup + f"for _ in range({PER_CALL_COUNT}): {call}"
        pair = {"none": [*contenders()["terrarium"], setup + f"for _ in range({PER_CALL_COUNT}): fd"],
                "calls": [*contenders()["terrarium"], loop],
                "native none": [PYTHON, "-c", setup + f"for _ in range({PER_CALL_COUNT}): fd"], "native": [PYTHON, "-c", loop]}
        m = interleaved(pair, options.rounds)
        inside = (m["calls"] - m["none"]) / PER_CALL_COUNT * 1e9
        outside = (m["native"] - m["native none"]) / PER_CALL_COUNT * 1e9
        lines.append(f"| {label} | {inside:.0f} | {outside:.0f} | {(inside - outside) / bare:.2f} |")
        print(lines[-1], flush=True)
    small = supervisor_memory("import time\nfor _ in range(3000): time.time()")
    many = supervisor_memory("import os\nos.mkdir('/tmp/d')\nfor i in range(100000): open(f'/tmp/d/{i}', 'w').close()")
    lines += ["", "## Memory of the supervisor", "", "| run | peak resident | to reach |", "|---|---|---|",
              f"| small | {small / 1024:.1f} MiB | 8 MiB |", f"| 100,000 files | {many / 1024:.1f} MiB | 100 MiB |", ""]
    pathlib.Path(options.output).write_text("\n".join(lines))
    print("\n".join(lines[-5:]))


if __name__ == "__main__":
    sys.exit(main())
