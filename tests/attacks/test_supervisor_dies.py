"""The supervisor dies, in any state and of any signal: no guest process outlives it (PTRACE_O_EXITKILL, from the seizing on). The
fixture of this directory looks for what is left: a run's orphans become children of the test."""
import os
import random
import signal
import subprocess
import time

import pytest

from tests.attacks.conftest import assert_nothing_left
from tests.conftest import SANITIZED, TERRARIUM

BUSY = """
import os, subprocess, sys, threading, time
def spin():
    while True: pass
def calls():
    while True: os.getppid()
def maps():
    import mmap
    while True:
        m = mmap.mmap(os.open('/etc/passwd', os.O_RDONLY), 0, prot=mmap.PROT_READ); m.close()
        os.closerange(3, 50)
def execs():
    while True: subprocess.run(['/bin/true'])
def forks():
    while True:
        if os.fork() == 0: os._exit(0)
        os.wait()
def sleeps():
    time.sleep(10 ** 9)
print('up', flush=True)
for f in (spin, calls, maps, execs, forks, sleeps):
    if os.fork() == 0:
        threading.Thread(target=sleeps, daemon=True).start()
        f()
for f in (calls, sleeps): threading.Thread(target=f, daemon=True).start()
execs()
"""


def start():
    return subprocess.Popen([TERRARIUM, "run", "--python", "/usr/bin/python3", "--limit", "wall=60s", "--", "-c", BUSY],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(seed):
    """From before its first fork to the middle of a storm of execs."""
    chance = random.Random(seed)
    for i in range(8):
        run = start()
        time.sleep(chance.random() ** 2 * 0.4)
        run.kill()
        run.wait()
        run.stdout.close()
        assert_nothing_left()


@pytest.mark.parametrize("seed", range(2))
def test_ended_at_any_moment(seed):
    """SIGTERM: it kills what there is and waits for all, also for whom nobody knew yet: a child whose parent was killed in the
    middle of its clone(2) is a stopped tracee that no table holds, and was waited for for ever."""
    chance = random.Random(seed)
    for i in range(5):
        run = start()
        assert run.stdout.read(3) == b"up\n"
        time.sleep(chance.random() * 0.1)
        run.terminate()
        assert run.wait(timeout=60) in (124, 128 + signal.SIGTERM)
        run.stdout.close()
        assert_nothing_left()


@pytest.mark.parametrize("fatal", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGSYS, signal.SIGXCPU,
                                   signal.SIGTERM, signal.SIGHUP])
def test_killed_by(fatal):
    run = start()
    assert run.stdout.read(3) == b"up\n"
    time.sleep(0.05)
    run.send_signal(fatal)
    status = run.wait(timeout=60)
    run.stdout.close()
    reported = SANITIZED and fatal in (signal.SIGSEGV, signal.SIGBUS) and status == 1  # the sanitizer has a handler for these
    assert status == -fatal or reported or (fatal in (signal.SIGTERM, signal.SIGHUP) and status in (124, 128 + fatal)), status


def test_stopped_and_then_killed():
    run = start()
    assert run.stdout.read(3) == b"up\n"
    run.send_signal(signal.SIGSTOP)
    time.sleep(0.05)
    run.kill()
    run.wait()
    run.stdout.close()


def test_interrupt_is_the_guests():
    """^C goes to whom the terminal would have given it; the supervisor lives on, and ends with it."""
    run = start()
    assert run.stdout.read(3) == b"up\n"
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) in (130, 1)
    run.stdout.close()
