"""Run inside by test_fast_clock.py: time as programs meet it. What it prints must not depend on how time was asked for."""
import ctypes
import os
import select
import signal
import sys
import threading
import time

libc = ctypes.CDLL(None)


class Timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


def show(*what):
    print(*what, flush=True)


# Every clock and every function; those of one run grow.
for clock in (0, 1, 4, 5, 6, 7, 11):
    show(clock, time.clock_gettime_ns(clock), time.clock_getres(clock))
pair = (ctypes.c_long * 2)()
zone = (ctypes.c_int * 2)(7, 7)
show(libc.gettimeofday(pair, zone), list(pair), list(zone), libc.gettimeofday(None, None))
show(libc.time(None), libc.sched_getcpu())
bad = Timespec(3, 4)
show(libc.clock_gettime(99, ctypes.byref(bad)), bad.s, bad.ns)
show(time.process_time_ns(), time.thread_time_ns())
assert all(a < b for a, b in zip(*[[time.monotonic_ns() for _ in range(1000)][i:] for i in (0, 1)]))

# A loop until a time ends there, and a sleep is as long as it says.
end = time.monotonic_ns() + 5_000_003
turns = 0
while time.monotonic_ns() < end:
    turns += 1
show("looped", turns, time.monotonic_ns() - end)
for _ in range(3):
    before = time.monotonic_ns()
    time.sleep(0.25)
    show("slept", time.monotonic_ns() - before)

# Timers go off while a program only reads the clock: at the same reading, always.
rung = []
signal.signal(signal.SIGALRM, lambda *_: rung.append(time.time_ns()))
signal.signal(signal.SIGPROF, lambda *_: rung.append(-time.process_time_ns()))
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.002)
signal.setitimer(signal.ITIMER_PROF, 0.0041)
while len(rung) < 5:
    time.time()
signal.setitimer(signal.ITIMER_REAL, 0)
show("rung", rung)

# Threads that only read the clock have their turns, and one that sleeps wakes in time.
lines = []
stop = time.monotonic_ns() + 20_000_000


def reader(name):
    n = 0
    while time.monotonic_ns() < stop:
        n += 1
        if n % 97 == 0:
            lines.append((name, n))
    lines.append((name, "ends", n))


def sleeper():
    time.sleep(0.01)
    lines.append(("sleeper", time.monotonic_ns() - stop))


threads = [threading.Thread(target=reader, args=(i,)) for i in range(3)] + [threading.Thread(target=sleeper)]
for t in threads:
    t.start()
for t in threads:
    t.join()
show("threads", lines)

# Processes have one time: after fork, in a pipe's reader, in another program.
r, w = os.pipe()
before = time.monotonic_ns()
if os.fork() == 0:
    os.write(w, b"%d" % time.monotonic_ns())
    os._exit(0)
child = int(os.read(r, 99))
os.wait()
show("forked", child - before, time.monotonic_ns() - before, before < child < time.monotonic_ns())
go, said = os.pipe(), os.pipe()
before = time.monotonic_ns()
if os.fork() == 0:
    os.read(go[0], 1)  # until its parent has nothing to do but to wait: a start computes for long, and nobody is to be preempted
    os.dup2(said[1], 1)
    os.execv(sys.executable, ["python3", "-c", "import time; print(time.monotonic_ns())"])
os.close(said[1])
os.write(go[1], b"x")
child = int(os.read(said[0], 99))
os.wait()
show("executed", child - before, before < child < time.monotonic_ns())
show("selected", select.select([r], [], [], 0.001), time.monotonic_ns() - before)
show(time.process_time_ns(), time.thread_time_ns(), os.times()[:2])
