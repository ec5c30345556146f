#!/usr/bin/env python3
"""Measures Terrarium beside native and whichever peers are installed, and writes docs/performance.md: `make bench`.

One round runs every contender once, in turn, so that a machine whose speed drifts drifts for all alike; what is told are medians over the
rounds and, in brackets, the ratio of the best times, which other work on the machine disturbs least. Stops are counted, and exact. Every
row has a budget of seconds: it ends after as many rounds as fit, three at least. A contender that takes too long is run once.
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
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
TERRARIUM = str(ROOT / "terrarium")

# label: (code, ratio to reach or None: reported)
WORK = {
    "`python3 -c pass`": ("pass", 1.4),
    "import json, re, asyncio, unittest": ("import json, re, asyncio, unittest", 1.5),
    "import numpy": ("import numpy", 1.5),
    "pure CPU, two seconds": ("n = 0\nfor i in range(40_000_000): n += i & 3", 1.02),
    "numpy matrix product": ("import numpy\na = numpy.ones((900, 900))\nfor _ in range(12): a @ a", 1.02),
    "64 KiB blocks, written and read": ("""
import os
b = b'x' * 65536
fd = os.open('/tmp/terrarium-bench', os.O_RDWR | os.O_CREAT, 0o600)
for _ in range(600): os.write(fd, b)
os.lseek(fd, 0, 0)
while os.read(fd, 65536): pass
os.unlink('/tmp/terrarium-bench')""", 1.5),
    "10,000 small files": ("""
import os, tempfile
with tempfile.TemporaryDirectory() as d:
    for i in range(10000):
        with open(f'{d}/{i}', 'w') as f: f.write('x')
    for n in os.listdir(d):
        with open(f'{d}/{n}') as f: f.read()""", 6),
    "thread ping-pong, 2,000 turns": ("""
import queue, threading
a, b = queue.Queue(), queue.Queue()
def f():
    for _ in range(2000): b.put(a.get())
t = threading.Thread(target=f); t.start()
for i in range(2000): a.put(i); b.get()
t.join()""", None),
    "100 subprocesses": ("import subprocess\nfor _ in range(100): subprocess.run(['/bin/true'])", None),
}

CALLS = {  # bench/calls.c; (label, to reach: times the bare stop)
    "getppid": ("getppid, as the bare stop's", None),
    "fstat": ("fstat", 1.2),
    "read": ("read of 1 byte", 1.2),
    "clock_gettime": ("clock_gettime, made as a call", 1.2),
    "clock": ("clock_gettime, as libc makes it", 1.2),
}
CALL_COUNT = 20000

# What stands behind each goal that may be missed; told only where it is.
WHY = {
    "`python3 -c pass`": "two processes are started in place of one, and some 250 stops are answered.",
    "import json, re, asyncio, unittest": "the stops: look-ups and reads of modules, each a call that must be answered.",
    "import numpy": "the stops: the mapping of its libraries in pieces, each with an injected call, and look-ups of modules.",
    "64 KiB blocks, written and read": "a stop for four blocks costs as much as the native calls do for one, and the bytes are copied twice (guest to window "
                                       "to memfd), as nothing in Linux moves another process's pages into a file. "
                                       "A memfd is of small pages, where an ext4 file is of large ones: writing and reading one takes twice as long.",
    "fstat": "it is the bare stop and one process_vm_writev(2) for the answer.",
    "read of 1 byte": "it is the bare stop, a pread(2) of the host's file and one process_vm_writev(2).",
    "clock_gettime, made as a call": "it is the bare stop and one process_vm_writev(2) for the answer. Only programs that go round libc make this call.",
    "pure CPU, two seconds": "a start, which is in it, and the interpreter's counted checks (docs/counting.md).",
    "numpy matrix product": "a start with its stops, which is in it, and a tick each 10 ms.",
    "10,000 small files": "three stops a file.",
}

ABOUT = """
## Where the time goes

A run costs what it costs natively, and: the supervisor's start; a stop for each trapped call, which is two switches between processes
on one processor and two ioctl(2)s where it comes as a notice, or four calls of ptrace(2) and waitpid(2); one process_vm_readv(2) or process_vm_writev(2) for each stretch of memory that goes in
or out; and what the answer itself takes. On a virtual machine a page fault is as dear as a stop: 10 to 20 us were measured here for a page of one's own,
1.3 for one that is mapped ahead. What has been done about each:

- **Most calls come as notices** (docs/architecture.md): half of what the bare ptrace stop takes. Calls that are rare stop by ptrace, since each
  number makes the seccomp program longer, which the kernel compiles at each start.
- **The seccomp programs of most runs are compiled when terrarium is** (supervisor/seccomp_program.h): libseccomp took 0.5 ms of a start for the two.
- **The stack begins at one place in its page** (supervisor/exec.c, STACK_IN_PAGE). A store is taken for another's whose address has the same low 12 bits;
  natively each run has another stack, and chance makes some slower. Inside all runs were alike, and a loop at the top level of a script, with few variables
  in its environment, was one of the unlucky: 1.2x native, 1.00x since.
- **The clock is no stop.** CPython asks for the time at each of its locks' timeouts; the world's vDSO answers from a shared page (docs/architecture.md).
- **Calls about a file that is lent are no stops** (docs/architecture.md, "Files and names that are lent"), nor a second question about the same path: half of the calls that would be stops
  in a start, seven of ten in an import of the standard library. Of the nine calls that it takes to read a module, eight are answered
  in the guest's address space, and of 64 KiB blocks four a stop are moved. In one run: a start 1.63 to 1.40, blocks 2.16 to 1.62. A window of
  1 MiB was no faster: on both sides each of its pages is a page fault when it is first touched.
- **Memory calls are no stops**: anonymous mappings, munmap, mprotect, madvise, signal masks are let through by argument.
- **RDTSC is forbidden on both sides, or on none.** With PR_SET_TSC in the guest alone the kernel writes CR4 at every switch, which a hypervisor answers
  in 3.5 to 4.3 us: 8.6 us of a stop, where all the rest took 5. So it is forbidden in the supervisor, too, which asks for no counter
  (supervisor/tsc_own.h); and where a hypervisor lets the instruction run all the same, in neither (supervisor/tsc.c).
- **Who waits for the last end sleeps.** A listener that nobody is left to ask says so at once, again and again.
- **The guest's pages come with its mappings.** Data, heap and the arenas of CPython are written to nearly whole in any start; they are mapped with
  MAP_POPULATE, 8 MiB of a process at most (kernel/process.c, `mm_populate`). A start has 120 faults inside, 820 natively. Of a large .bss little is
  written to: it is not among them.
- **So do the supervisor's**: a quarter of a MiB of heap is filled in one call, and the first process shares memory until it executes (supervisor/launch.c).
- **Loading is paid once**: small libraries are linked into the program; libarchive, OpenSSL, wslay and Zydis are loaded by runs that need them.
- **The interpreters of the machine that builds are learned then** (docs/counting.md).
- **Large files of the world are memfds**: pages of our own would come by a page fault each. What a write adds to a quota is known without a
  question to the host where the file has no holes.
- **A descriptor is handed over once** for all pieces of a library, and an injected call costs one stop.
- **Host files keep their descriptors** and names that were looked up stay in the tree, absent ones too.
- **Ticks are rare where nothing waits for them**: one each 50 ms while counted Python computes and memory has no limit, 0.2 % of the processor. Else one each
  10 ms, 0.6 to 0.9 %.

How the short rows come out is the machine's matter: what a run costs besides what it costs natively is some 6 ms, 2.5 of them before the guest's first instruction. With files lent, not names
yet, a start was 1.16x and blocks 1.50x on a machine where page faults are dear and Python itself starts in 29 ms. Where faults are cheap it starts in 12 to 15: there a start is 1.45 to
1.58 since names are lent, 1.68 in the same hour without, and blocks are 1.7 to 1.8 where bubblewrap, which has its files in memory, too, has 1.4. Other hosts have told other numbers than this one.

Where a start's 7 ms went before files were lent (`perf record -a`, stacks sorted by call): 0.6 ms until terrarium's own main() (ld.so, a third of it CPUID, which a hypervisor
answers), 0.5 for the world, 0.8 until the first process has executed, 0.5 to map the program, and 5 for some 300 notices and 110 ptrace stops: 13 us each where
the bare one takes 5 or 10, for what one switches to is no longer in the processor's caches.

Tried, and no gain: PTRACE_GET_SYSCALL_INFO with two PTRACE_POKEUSER in place of GETREGS and SETREGS (a third slower than them on this kernel); regsets
in their place; SA_NOCLDSTOP; for blocks, fallocate(2) before pwrite(2), and smaller pieces (each costs a process_vm_readv(2) more). Not to be had:
/proc/PID/mem, which takes three quarters of a process_vm_readv(2)'s time, reads and writes also what the guest itself may not.

Huge pages (MADV_HUGEPAGE) were built, measured and taken out again, twice. CPython's arenas in them, two at a time: imports 1.48 to 1.40, numpy's 1.50 to 1.43, a start
1.70 to 1.66; but what a process has in memory (/proc/self/statm, the memory limit) is then the matter of a kernel that has one at hand or not, where the same run must
give the same answer, and one byte written counts as 2 MiB. Large files in huge pages of the supervisor's, with one copy a block in place of two: blocks 2.4 to 1.6; but a
file that is then mapped must first be copied whole into a memfd, pages that a guest punches out of one stay the supervisor's until the kernel is short of memory, and
on a virtual machine that has given its free memory back to its host each 2 MiB take 4 ms.

Two more ways to save a copy of each block were measured and left. Copying straight into or out of a mapping of the memfd: on some machines a page that is newly
mapped costs 6.5 us again when it is first touched, populated ahead or not (the hypervisor keeps tables of its own), so 64 KiB by a mapping take 110 to
145 us, where pwrite(2) takes 15 and pread(2) 9 through the kernel's own mapping, which is always there. The other is open to notices alone: a real descriptor under the guest's own number, and `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, so that the kernel moves the bytes
itself. It is left, too: no call that takes a descriptor reaches the host with the guest's arguments ([security](security.md)), its result would be known to nobody,
and with a stop for each block still, and a memfd's small pages, it would end above 1.6.

Measure page faults (`perf record -e page-faults`) before anything else. Under `--realtime` a tick is not heard while the guest computes, since both sides have the
same priority: numbers of work that only computes are of no ticks at all.
"""


def contenders():
    found = {"native": [PYTHON, "-c"], "terrarium": [TERRARIUM, "run", "--python", PYTHON, "--", "-c"]}
    if shutil.which("bwrap"):
        found["bubblewrap"] = ["bwrap", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--unshare-all", PYTHON, "-c"]
    if shutil.which("proot"):
        found["proot"] = ["proot", PYTHON, "-c"]
    if shutil.which("strace"):
        found["strace"] = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", PYTHON, "-c"]
    if shutil.which("runsc"):
        found["runsc"] = ["runsc", "--platform=ptrace", "--rootless", "--network=none", "do", PYTHON, "-c"]
    return found


class Bench:
    def __init__(self, options):
        self.options = options
        self.missed = []  # (label, reached, to reach)
        self.work_of = {}  # label: (native's median in seconds, stops)
        self.bare = None  # seconds, a stop

    def once(self, command):
        start = time.perf_counter()
        run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watchdog = threading.Timer(90, run.kill)  # wait(timeout=...) would look only every 0.5, 1, 2, 4 ... 50 ms
        watchdog.start()
        status = run.wait()
        took = time.perf_counter() - start
        watchdog.cancel()
        if self.options.realtime:
            time.sleep(took * 0.15)  # the kernel takes 50 ms of a second from whoever leaves none to others: sched(7)
        return took if status == 0 else None

    def interleaved(self, commands, budget):
        """{name: times, sorted}; [] for what failed. The first round warms caches and is not told, but of the slow."""
        end = time.perf_counter() + budget
        first = {name: self.once(command) for name, command in commands.items()}
        slow = {name for name, took in first.items() if took is not None and took > budget / 8}
        times = {name: [first[name]] if name in slow else [] for name in commands}
        going = [name for name in commands if first[name] is not None and (name not in slow or name in ("native", "terrarium"))]
        rounds = 0
        while rounds < 3 or (rounds < self.options.rounds and time.perf_counter() < end):
            for name in going:
                took = self.once(commands[name])
                if took is not None:
                    times[name].append(took)
            rounds += 1
        return {name: sorted(t) for name, t in times.items()}

    def judge(self, label, ratio, goal):
        if goal is not None and ratio is not None and ratio > goal:
            self.missed.append((label, ratio, goal))

    def report(self, code):
        with tempfile.NamedTemporaryFile(suffix=".json") as f:
            subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--report", f.name, "--", "-c", code], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
            return json.load(open(f.name))

    def work(self):
        names = list(contenders())
        lines = ["| work | to reach | " + " | ".join(n if n != "native" else "native, ms" for n in names) +
                 " | calls trapped | lent | clock reads | stops |", "|---" * (len(names) + 6) + "|"]
        for label, (code, goal) in WORK.items():
            times = self.interleaved({n: [*c, code] for n, c in contenders().items()}, self.options.seconds)
            base = times["native"]
            cells = [f"{statistics.median(base) * 1000:.1f}"]
            for n in names[1:]:
                if not times[n]:
                    cells.append("fails")
                    continue
                ratio, best = statistics.median(times[n]) / statistics.median(base), times[n][0] / base[0]
                cells.append(f"**{ratio:.2f}** ({best:.2f})" if n == "terrarium" else f"{ratio:.2f} ({best:.2f})")
                if n == "terrarium":
                    self.judge(label, min(ratio, best) if goal is not None and goal > 1.1 else best, goal)
            told = self.report(code)
            self.work_of[label] = (statistics.median(base), told["stops"])
            lines.append(f"| {label} | {f'{goal}x' if goal else 'reported'} | " + " | ".join(cells) +
                         f" | {told['events']} | {told.get('lent_calls', 0)} | {told.get('clock_reads', 0)} | {told['stops']} |")
            print(lines[-1], flush=True)
        return lines

    def calls(self):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            for name, flags in (("floor", []), ("calls", ["-static"])):
                subprocess.run(["cc", "-O2", *flags, "-o", f"{d}/{name}", str(ROOT / f"bench/{name}.c")], check=True)
            runs = {(n, count): [TERRARIUM, "exec", "--mount", f"{d}:/bench:ro", "--", "/bench/calls", n, str(count)]
                    for n in CALLS for count in (0, CALL_COUNT)}
            floors, took = [], {key: [] for key in runs}
            for _ in range(5):
                floors.append(float(subprocess.run([f"{d}/floor"], capture_output=True, check=True).stdout))
                for key, command in runs.items():
                    took[key].append(self.once(command))
        bare = statistics.median(floors)
        self.bare = bare / 1e9
        lines = ["", "## One call", "",
                 f"The bare stop (bench/floor.c, interleaved with the calls): {bare:.0f} ns. The calls are those of bench/calls.c, in a C program, "
                 f"{CALL_COUNT} of each.", "", "| call | ns | x the bare stop | (of the best) | to reach |", "|---|---|---|---|---|"]
        for n, (label, goal) in CALLS.items():
            pairs = [(b - a) / CALL_COUNT * 1e9 for a, b in zip(took[n, 0], took[n, CALL_COUNT]) if a and b]
            if not pairs:
                lines.append(f"| {label} | fails | | | |")
                continue
            cost = max(statistics.median(pairs), 0)  # of no cost that can be measured, a difference of two noises
            ratio = cost / bare
            best = max(min(pairs), 0) / min(floors)
            self.judge(label, min(ratio, best), goal)
            lines.append(f"| {label} | {cost:.0f} | {ratio:.2f} | {best:.2f} | {f'{goal}x' if goal else ''} |")
            print(lines[-1], flush=True)
        return lines

    def peak(self, code):
        """Peak resident KiB of the supervisor's own process while it runs `code`."""
        run = subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--", "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        peak = 0
        while run.poll() is None:
            try:
                for line in open(f"/proc/{run.pid}/status"):
                    if line.startswith("VmHWM"):
                        peak = max(peak, int(line.split()[1]))
            except OSError:
                pass
            time.sleep(0.002)
        return peak / 1024

    def memory(self):
        lines = ["", "## Memory of the supervisor", "", "| run | peak resident | to reach |", "|---|---|---|"]
        for label, goal, code in (("a small one", 8, "import time\nfor _ in range(30): time.sleep(1); open('/dev/null')"),
                                  ("100,000 files", 100, "import os\nos.mkdir('/tmp/d')\nfor i in range(100000): "
                                                         "os.close(os.open(f'/tmp/d/{i}', os.O_CREAT | os.O_WRONLY))")):
            peak = self.peak(code)
            self.judge(f"memory of {label}", peak, goal)
            lines.append(f"| {label} | {peak:.1f} MiB | {goal} MiB |")
            print(lines[-1], flush=True)
        return lines

    def floor(self, label):
        """What the row would be if answers cost nothing and a stop were the bare one."""
        if label not in self.work_of or self.bare is None:
            return ""
        native, stops = self.work_of[label]
        told = f" Native's own time and {stops} bare stops are {1 + stops * self.bare / native:.2f}."
        return told + self.copies() if label.startswith("64 KiB blocks") else told

    def copies(self):
        """What the blocks' copies cost where nobody stops for them: bench/blocks.c."""
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(["cc", "-O2", "-o", f"{d}/blocks", str(ROOT / "bench/blocks.c")], check=True)
            runs = [subprocess.run([f"{d}/blocks"], capture_output=True, check=True).stdout.split() for _ in range(9)]
        write, read = (statistics.median(float(r[i]) for r in runs) / 1000 for i in (0, 1))
        native, start = (self.work_of[row][0] * 1000 for row in ("64 KiB blocks, written and read", "`python3 -c pass`"))
        return (f" The copies alone (bench/blocks.c) take {write:.1f} us a block written and {read:.1f} a block read, {(write + read) * 0.6:.1f} ms "
                f"in this row, where all that native does beyond its start takes {native - start:.1f}.")

    def shortfalls(self):
        lines = ["", "## Where it falls short", ""]
        for label, ratio, goal in self.missed:
            lines.append(f"- {label}: {ratio:.2f} against {goal}: {WHY.get(label, 'not looked into.')}{self.floor(label)}")
        return lines + (["Nowhere in this run."] if not self.missed else [])


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9, help="at most, for a row")
    arguments.add_argument("--seconds", type=float, default=35, help="for a row; three rounds are made in any case")
    arguments.add_argument("--realtime", action="store_true", help="run everything under SCHED_FIFO (as root): other work of a shared machine waits")
    arguments.add_argument("--output", default=str(ROOT / "docs/performance.md"))
    options = arguments.parse_args()
    bench = Bench(options)
    if options.realtime:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # also of whatever is started here
    load = os.getloadavg()[0]
    head = ["# How fast", "",
            f"Made by `make bench` (bench/bench.py): whole processes, wall time, ratios of medians to native and, in brackets, of the best times; "
            f"up to {options.rounds} interleaved rounds a row. Kernel {platform.release()}, {os.cpu_count()} CPUs, load average {load:.1f} when it began"
            + (", everything under SCHED_FIFO because the machine was shared" if options.realtime else "") +
            ". Read the ratios. Native files are in the host's /tmp, terrarium's and bubblewrap's in memory.", ""]
    body = bench.work() + bench.calls() + bench.memory()
    lines = head + body + bench.shortfalls() + [ABOUT]
    pathlib.Path(options.output).write_text("\n".join(lines).rstrip("\n") + "\n")
    print("\n".join(bench.shortfalls()))


if __name__ == "__main__":
    sys.exit(main())
