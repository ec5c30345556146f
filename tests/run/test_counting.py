"""Counted execution: what happens in code that makes no calls happens at a place, not at a moment."""
import glob
import pathlib
import subprocess

import pytest

from tests.conftest import TERRARIUM

# Debian's own, and whatever others this machine has of the versions that are promised.
INTERPRETERS = ["/usr/bin/python3"] + [min(found) for version in ("3.11", "3.12", "3.13")
                                       if (found := glob.glob(f"/root/.pyenv/versions/{version}.*/bin/python3"))]


def twice(terrarium, *arguments, **more):
    """One run's result, when another one was the same."""
    first, second = (terrarium(*arguments, report=True, **more) for _ in range(2))
    assert (first.status, first.out) == (second.status, second.out)
    assert first.report["reproducible"], first.report["not_reproducible_because"]
    assert first.report["counter"] == second.report["counter"]
    return first


@pytest.mark.parametrize("python", INTERPRETERS)
def test_a_timer_interrupts_a_loop_at_a_place(terrarium, python):
    result = twice(terrarium, "run", "--python", python, "--", "-c", """
import signal
at = []
signal.signal(signal.SIGALRM, lambda *_: at.append(i))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.002)
i = 0
while i < 150000:
    i += 1
print(at)
""")
    places = eval(result.out)
    assert len(places) == 4 and all(39900 < b - a < 40100 for a, b in zip(places, places[1:])), places
    assert result.report["counter"]["patched"] >= 10


@pytest.mark.parametrize("python", INTERPRETERS)
@pytest.mark.parametrize("loop", [
    "while True: pass",
    "for _ in iter(int, 1): pass",
    "[0 for _ in iter(int, 1)]",
    "f = lambda n: n and f(n - 1)\nwhile f(500) == 0: pass",
    "def g():\n    while True: yield\nfor _ in g(): pass",
    "class A:\n    def __lt__(self, o): return True\nwhile True: sorted([A() for _ in range(99)])",
    "import itertools\nall(map(lambda x: True, itertools.count()))",
])
def test_whatever_loops_is_ended_at_a_place(terrarium, python, loop):
    """Loops, calls, comprehensions, generators, and C code that calls back."""
    result = twice(terrarium, "run", "--python", python, "--", "-c", f"""
import signal
signal.setitimer(signal.ITIMER_REAL, 0.01)
{loop}
""")
    assert result.status == 128 + 14
    assert result.report["counter"]["checks"] > 10000


@pytest.mark.parametrize("python", INTERPRETERS)
def test_threads_that_compute_take_turns_at_places(terrarium, python):
    result = twice(terrarium, "run", "--python", python, "--", "-c", """
import threading
log = []
def compute(name):
    for i in range(300000):
        if i % 30000 == 0:
            log.append(name)
threads = [threading.Thread(target=compute, args=(n,)) for n in 'abc']
[t.start() for t in threads]
[t.join() for t in threads]
print(''.join(log))
""")
    assert sorted(result.out.strip()) == sorted("abc" * 10)
    assert "ba" in result.out or "ca" in result.out, result.out  # nobody ran to his end alone


def test_processes_that_compute_take_turns_at_places(terrarium):
    twice(terrarium, "run", "--", "-c", """
import os
r, w = os.pipe()
for name in b'abc':
    if os.fork() == 0:
        for i in range(100000):
            if i % 10000 == 0:
                os.write(w, bytes([name]))
        os._exit(0)
os.close(w)
while os.waitpid(-1, os.WNOHANG) == (0, 0):
    for _ in range(1000):
        pass
print(os.read(r, 1000))
""")


def test_computing_takes_time_of_every_clock(terrarium):
    result = twice(terrarium, "run", "--", "-c", """
import time
clocks = [time.time, time.monotonic, time.perf_counter, time.process_time, time.thread_time]
before = [c() for c in clocks]
i = 0
while i < 1000000:
    i += 1
print(all(0.05 <= c() - b < 0.0503 for c, b in zip(clocks, before)))
end = time.time() + 0.01
while time.time() < end:
    pass
end = time.process_time() + 0.01
while time.process_time() < end:
    pass
""")
    assert result.out == "True\n"


def test_a_limit_of_cpu_time_cuts_at_a_line(terrarium):
    result = twice(terrarium, "run", "--limit", "cpu=100ms", "--", "-c", """
i = 0
while True:
    i += 1
    if i % 1000 == 0:
        print(i, flush=True)
""")
    assert result.status == 124 and result.report["verdict"] == "cpu"
    assert result.report["limits"]["cpu"]["counted"] == pytest.approx(0.1, abs=1e-5)  # the call that passes it is one


def test_real_time_stands_behind_the_limit(terrarium):
    """Code of C that never looks is not counted, and does not get away."""
    result = terrarium("run", "--limit", "cpu=100ms", "--", "-c", "import re; re.match('(a+)+$', 'a' * 40 + 'b')", report=True)
    assert result.status == 124 and result.report["verdict"] == "cpu"
    assert not result.report["reproducible"]


def test_an_alarm_reaches_c_code_that_never_looks(terrarium):
    result = terrarium("run", "--", "-c", """
import re, signal
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
signal.alarm(1)
try:
    re.match('(a+)+$', 'a' * 40 + 'b')
except TimeoutError:
    print('late')
""", report=True)
    assert result.out == "late\n"
    assert result.report["not_reproducible_because"] == [
        "clock: a deadline passed while a task computed without a call, by real time"]


SPIN = r"""
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
static volatile int rung;
static void ring(int signal) { rung = signal; }
static void spin(const char *name)
{
    rung = 0;
    while (!rung) {}
    puts(name);
}
int main(void)
{
    const struct itimerval soon = {.it_value.tv_usec = 20000};
    const struct itimerspec also = {.it_value.tv_nsec = 20000000};
    struct sigevent event = {.sigev_signo = SIGUSR1};
    timer_t timer;
    signal(SIGVTALRM, ring);
    signal(SIGPROF, ring);
    signal(SIGUSR1, ring);
    setitimer(ITIMER_VIRTUAL, &soon, NULL);
    spin("virtual");
    setitimer(ITIMER_PROF, &soon, NULL);
    spin("prof");
    for (int i = 0; i < 2; i++) {
        timer_create(i ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
        timer_settime(timer, 0, &also, NULL);
        spin(i ? "thread" : "process");
    }
    return clock() < CLOCKS_PER_SEC / 1000 * 80;
}
"""


def test_cpu_timers_reach_a_program_that_never_calls(terrarium, tmp_path):
    (tmp_path / "spin.c").write_text(SPIN)
    subprocess.run(["gcc", "-O1", "-o", tmp_path / "spin", tmp_path / "spin.c"], check=True)
    record = tmp_path / "run.rec"
    result = terrarium("exec", "--mount", f"{tmp_path}:/t", "--record", record, "--bundle", "--", "/t/spin", report=True)
    assert (result.status, result.out) == (0, "virtual\nprof\nprocess\nthread\n"), result
    assert not result.report["reproducible"]
    again = subprocess.run([TERRARIUM, "replay", record], capture_output=True, text=True, timeout=60)
    assert again.stdout.startswith(result.out) and again.returncode == 0, again


def test_the_file_is_what_it_was_and_nothing_shows(terrarium):
    """The guest finds the file's own bytes, and no mapping that is not its own."""
    result = twice(terrarium, "run", "--", "-c", """
import hashlib, os
print(hashlib.sha256(open('/proc/self/exe', 'rb').read()).hexdigest())
for line in open('/proc/self/maps'):
    fields = line.split()
    if 'x' in fields[1]:
        assert len(fields) == 6, line
        assert os.path.exists(fields[5]) or fields[5] == '[vdso]', line
""")
    import hashlib
    assert result.out.strip() == hashlib.sha256(pathlib.Path("/usr/bin/python3").read_bytes()).hexdigest()


@pytest.mark.parametrize("what", ["2**62", "-1", "7", "-2**63"])
def test_whoever_writes_the_count_harms_himself_alone(terrarium, what):
    result = terrarium("run", "--limit", "cpu=1s", "--", "-c", f"""
import ctypes
page = ctypes.cast(0x12000, ctypes.POINTER(ctypes.c_int64))
for i in range(100):
    page[0] = {what}
print('goes on')
""", report=True)
    assert (result.status, result.out) == (0, "goes on\n")
    assert "clock: the guest wrote into the page of its vDSO" in result.report["not_reproducible_because"]


def test_whoever_gives_his_count_away_has_less_time(terrarium):
    """It is at the limit at once, as if he had computed until then."""
    result = twice(terrarium, "run", "--limit", "cpu=1s", "--", "-c", """
import ctypes
page = ctypes.cast(0x12000, ctypes.POINTER(ctypes.c_int64))
while True:
    page[0] = 0
""")
    assert result.status == 124


def test_a_count_that_was_tampered_with_does_not_hold_the_processor(terrarium):
    """Threads still take turns, by real time, and the limit still ends the run."""
    result = terrarium("run", "--limit", "cpu=1s", "--", "-c", """
import ctypes, threading
ctypes.cast(0x12000, ctypes.POINTER(ctypes.c_int64))[0] = 2**62
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
print('started', flush=True)
spin()
""", report=True)
    assert result.out == "started\n" and result.status == 124
    assert not result.report["reproducible"]


def test_a_real_clock_is_not_counted(terrarium):
    result = terrarium("run", "--", "-c", "for i in range(100000): pass", policy="terrarium: 1\nclock: real\n", report=True)
    assert result.status == 0 and result.report["counter"]["name"] is None


def test_an_interpreter_that_was_not_known_is_learned(terrarium, tmp_path):
    """A byte that nothing reads makes it another file than the one that was there at build time; by then the supervisor is confined."""
    other = bytearray(pathlib.Path("/usr/bin/python3").read_bytes())
    other[9] ^= 1  # e_ident's padding
    folder = tmp_path / "other"
    folder.mkdir(mode=0o755)
    path = folder / "python3"
    path.write_bytes(other)
    path.chmod(0o755)
    body = "i = 0\nwhile i < 100000: i += 1\nimport time; print(time.process_time() > 0.004)"
    known = terrarium("run", "--python", "/usr/bin/python3", "--", "-c", body, report=True)
    result = terrarium("exec", "--mount", f"{folder}:/other", "--env", "PYTHONHOME=/usr", "--", "/bin/sh", "-c",
                       'true; /other/python3 -c "$0"; true', body, report=True)
    assert result.out == known.out == "True\n"
    assert result.report["counter"]["patched"] == known.report["counter"]["patched"] >= 10
