#!/usr/bin/python3
"""What recording costs: each work runs without a record, with one, with one that stands alone, and is replayed, by turns; the least time
of each counts, because everything else that a shared machine does can only add to it. Prints the table that docs/records.md shows. Run by
`make bench-record`; record.py N: N rounds."""
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


def run(*words):
    before, start = os.times(), time.monotonic()
    subprocess.run([TERRARIUM, *words], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, cpu


def kib(path):
    return f"{os.path.getsize(path) / 1024:.0f} KiB"


def main():
    print("| work | to reach | plain, ms | recorded | its CPU time | with `--bundle` | replayed | record | bundle | events |\n"
          "|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for name, most, code in WORKS:
            record, bundle = f"{directory}/r", f"{directory}/b"
            guest = ["--python", "/usr/bin/python3", "--", "-c", code]
            ways = {"plain": ["run", *guest], "record": ["run", "--record", record, *guest],
                    "bundle": ["run", "--record", bundle, "--bundle", *guest], "replay": ["replay", bundle]}
            took = {way: [] for way in ways}
            for _ in range(RUNS):
                for way, words in ways.items():
                    took[way].append(run(*words))
            wall, cpu = ({way: min(t[k] for t in times) for way, times in took.items()} for k in (0, 1))
            head = subprocess.run(["/usr/bin/python3", str(ROOT / "tools/read_record.py"), "--head", record], check=True,
                                  capture_output=True, text=True).stdout.split()
            print(f"| {name} | {most}x | {wall['plain'] * 1000:.0f} | **{wall['record'] / wall['plain']:.2f}x** | {cpu['record'] / cpu['plain']:.2f}x | "
                  f"{wall['bundle'] / wall['plain']:.2f}x | {wall['replay'] / wall['plain']:.2f}x | {kib(record)} | {kib(bundle)} | {head[1]} |", flush=True)


if __name__ == "__main__":
    main()
