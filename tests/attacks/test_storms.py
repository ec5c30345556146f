"""Many things at once, made to be told apart wrongly: threads that execute, exit and die while others fork, stops that meet ends,
signals in the middle of the supervisor's own calls, descriptors that hold each other. The supervisor ends as its guest does, whatever
happened; natively the same programs are harmless, but nothing there is to be learned."""
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import time

import pytest

from tests.conftest import TERRARIUM

STORMS = [("ends", 1), ("ends", 2), ("signals", 1), ("signals", 2), ("stops", 1), ("vforks", 1), ("interrupts", 1), ("lengths", 1),
          ("epoll", 1), ("descriptors", 1), ("chain", 1)]


@pytest.mark.parametrize("which, seed", STORMS)
def test_storm(attack, which, seed):
    result = attack("storms", which, str(seed), options=["--limit", "cpu=60s,memory=1GiB,processes=64"], timeout=120, report=True)
    assert (result.status, result.out, result.report["verdict"]) == (0, "done\n", "ok"), result


BUSY = """
import os, subprocess, threading, time
def forks():
    while True:
        if os.fork() == 0: os._exit(0)
        os.wait()
def execs():
    while True: subprocess.run(['/bin/true'])
def threads():
    while True:
        t = threading.Thread(target=os.getppid); t.start(); t.join()
def spin():
    while True: pass
def child(f):
    if os.fork() == 0:
        for more in threads, lambda: time.sleep(10 ** 9): threading.Thread(target=more, daemon=True).start()
        f()
for f in forks, execs, threads, spin: child(f)
print('up', flush=True)
while True:
    os.wait(); child(spin)
"""


def real_processes(supervisor):
    try:
        with open(f"/proc/{supervisor}/task/{supervisor}/children") as children:
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []


def killed_at_random(seed, report):
    chance = random.Random(seed)
    run = subprocess.Popen([TERRARIUM, "run", "--python", "/usr/bin/python3", "--limit", "wall=60s", "--report", report, "--", "-c", BUSY],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not (first := real_processes(run.pid)):
        assert run.poll() is None
    assert run.stdout.readline() == b"up\n"
    for _ in range(60):
        others = [pid for pid in real_processes(run.pid) if pid != first[0]]
        if others:
            try:
                os.kill(chance.choice(others), chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM]))
            except ProcessLookupError:
                pass
        time.sleep(chance.random() * 0.01)
    os.kill(first[0], signal.SIGKILL)
    status = run.wait(50)
    run.stdout.close()
    return status


def test_guests_killed_from_outside(tmp_path):
    """By whoever may: the kernel for memory, an impatient user. Its world hears of it as of any death, and goes on. Eight at once: a busy
    machine kills between a clone and what is heard of it."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        reports = [tmp_path / f"{seed}.json" for seed in range(32)]
        statuses = list(pool.map(killed_at_random, range(32), reports))
    assert statuses == [128 + signal.SIGKILL] * 32
    assert {json.loads(report.read_text())["verdict"] for report in reports} == {"signal"}
