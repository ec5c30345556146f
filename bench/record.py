#!/usr/bin/python3
"""What recording costs: each work runs with and without --record by turns; the least time of each counts, because everything else that a
shared machine does can only add to it. Prints the table that docs/records.md shows. Run by `make bench-record`."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TERRARIUM = str(ROOT / "terrarium")
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 9
WORKS = [
    ("`python3 -c pass`", 1.3, "pass"),
    ("import json, re, asyncio, unittest", 1.3, "import json, re, asyncio, unittest"),
    ("20,000 small reads and writes of files", 1.3, """
import os
fd = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
for i in range(10000):
    os.pwrite(fd, b"a line of some sixty bytes, as programs write them to their log\\n", i * 64)
    os.pread(fd, 64, i * 32)
"""),
    ("10,000 stats", 1.3, "import os\nfor _ in range(10000): os.stat('/etc/hostname')"),
    ("pure CPU", 1.15, "sum(i * i for i in range(3000000))"),
]


def run(code, record):
    command = [TERRARIUM, "run", "--python", "/usr/bin/python3", *(["--record", record] if record else []), "--", "-c", code]
    before, start = os.times(), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, cpu


def main():
    print("| work | to reach | plain, ms | recorded, ms | | CPU time | record | events |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for name, most, code in WORKS:
            path = f"{directory}/r"
            plain, recorded = [], []
            for _ in range(RUNS):
                plain.append(run(code, None))
                recorded.append(run(code, path))
            wall = [min(t[0] for t in times) for times in (plain, recorded)]
            cpu = [min(t[1] for t in times) for times in (plain, recorded)]
            head = subprocess.run(["/usr/bin/python3", str(ROOT / "tools/read_record.py"), "--head", path], check=True,
                                  capture_output=True, text=True).stdout.split()
            print(f"| {name} | {most}x | {wall[0] * 1000:.0f} | {wall[1] * 1000:.0f} | **{wall[1] / wall[0]:.2f}x** | "
                  f"{cpu[1] / cpu[0]:.2f}x | {os.path.getsize(path) / 1024:.0f} KiB | {head[1]} |", flush=True)


if __name__ == "__main__":
    main()
