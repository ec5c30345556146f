"""Signals of whoever called terrarium: passed on, told in the record and the report, and there again in a replay."""
import fcntl
import json
import os
import signal
import subprocess
import termios

import pytest

from tests.conftest import TERRARIUM

PYTHON = "/usr/bin/python3"
WORKS = {
    "computes": "n += 1",
    "sleeps": "time.sleep(.5); n += 1",
    "reads the clock": "n = time.monotonic_ns()",
    "calls": "n += os.getpid()",
    "in C": "n += sum(range(300000))",
    "threads": "n += 1; time.sleep(0) if n % 1000 == 0 else None",
    "awaits a child": "subprocess.run(['/bin/true']); n += 1",
}
HANDLED = """
import os, signal, subprocess, sys, threading, time
n, seen, over = 0, [], False
def count():
    k = 0
    while not over:
        k += 1
def handler(number, frame):
    seen.append((number, n, time.time(), frame.f_lineno, frame.f_lasti))
    print(seen[-1], flush=True)
signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGINT, handler)
for _ in range({threads}):
    threading.Thread(target=count).start()
print("ready", flush=True)
while len(seen) < 3:
    {work}
over = True
print(n)
"""


def start(tmp_path, code, **more):
    # unbuffered: communicate() asks the descriptor, and would not see a line that readline() had read ahead
    return subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--record", tmp_path / "run.trec", "--bundle", "--report", tmp_path / "r.json",
                             "--", "-c", code], bufsize=0, **({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | more))


def replay(tmp_path):
    return subprocess.run([TERRARIUM, "replay", tmp_path / "run.trec"], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)


def trace(tmp_path):
    shown = subprocess.run([TERRARIUM, "trace", "--jsonl", tmp_path / "run.trec"], capture_output=True, timeout=60).stdout
    return [json.loads(line) for line in shown.splitlines()]


@pytest.mark.parametrize("work", WORKS)
def test_they_are_had_again_at_the_same_place(work, tmp_path):
    run = start(tmp_path, HANDLED.format(work=WORKS[work], threads=2 if work == "threads" else 0))
    out = run.stdout.readline()
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGUSR1):
        run.send_signal(number)
        out += run.stdout.readline()
    out += run.communicate(timeout=60)[0]
    assert run.returncode == 0 and out.count(b"\n") == 5, out
    report = json.loads((tmp_path / "r.json").read_text())
    assert "signal: one came from outside, and was passed on to the program" in report["not_reproducible_because"], report
    told = [e for e in trace(tmp_path) if e["kind"] == "outside"]
    assert [e["number"] for e in told] == [signal.SIGUSR1, signal.SIGINT, signal.SIGUSR1]
    again = replay(tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, out, b"")


@pytest.mark.parametrize("code", ["print('ready', flush=True)\nwhile True: pass",
                                  "import signal\nprint('ready', flush=True)\nwhile True: signal.pause()"], ids=["computes", "pauses"])
def test_the_program_dies_of_it_again(code, tmp_path):
    run = start(tmp_path, code, stderr=subprocess.PIPE)
    assert run.stdout.readline() == b"ready\n"
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    again = replay(tmp_path)
    assert b"KeyboardInterrupt" in err and (again.returncode, again.stdout) == (run.returncode, b"ready\n"), again
    assert again.stderr.endswith(err[-30:])


def test_an_end_from_outside_is_told(tmp_path):
    run = start(tmp_path, "print('ready', flush=True)\nwhile True: pass")
    run.stdout.readline()
    run.terminate()
    run.communicate(timeout=60)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["not_reproducible_because"] == ["signal: one came from outside, and ended the run"]
    assert replay(tmp_path).returncode == run.returncode


def test_at_a_prompt_it_is_input(tmp_path):
    """^C at a terminal, while the world waits for what is typed there."""
    code = ("import time\ntry: input('name? ')\nexcept KeyboardInterrupt: print('interrupted at', time.time())\nprint('hello', input('again? '))\n"
            "print('over')")
    master, slave = os.openpty()
    run = start(tmp_path, code, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    shown = b""
    for wanted, typed in ((b"name? ", b"\x03"), (b"again? ", b"joe\n"), (b"over\r\n", b"")):
        while wanted not in shown:
            shown += os.read(master, 1000)
        while typed and (trace(tmp_path) or [{}])[-1].get("call") != "read":  # what is told is written when the world waits
            assert run.poll() is None
        os.write(master, typed)
    assert run.wait(timeout=60) == 0, shown
    os.close(master)
    told = [e for e in trace(tmp_path) if e["kind"] == "outside"]
    assert [e["number"] for e in told] == [signal.SIGINT]
    assert json.loads((tmp_path / "r.json").read_text())["reproducible"] is True
    again = replay(tmp_path)
    assert again.returncode == 0 and b"interrupted at" in again.stdout and b"hello joe" in again.stdout, again
    assert again.stdout.replace(b"\n", b"\r\n").split(b"interrupted at")[1][:20] in shown, (shown, again)
