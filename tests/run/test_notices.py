"""Calls that arrive as notices (supervisor/notice.h): where there are none, where many are open, and beside signals."""
import json
import os
import select
import signal
import subprocess
import textwrap

import pytest

from tests.conftest import TERRARIUM

PYTHON = "/usr/bin/python3"

# A container's supervisor that listens for calls: then nobody below it can.
LISTENED_TO = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
allow = (Filter * 1)(Filter(6, 0, 0, 0x7fff0000))
libc.prctl(38, 1, 0, 0, 0)
fd = libc.syscall(317, 1, 8, ctypes.byref(Program(1, allow)))
assert fd >= 0, ctypes.get_errno()
os.set_inheritable(fd, True)
os.execv(sys.argv[1], sys.argv[1:])
"""
WORK = "import json, subprocess, threading; print(subprocess.run(['/bin/echo', 'x'], capture_output=True).stdout)"


def run(tmp_path, code, before=(), **more):
    done = subprocess.run([*before, TERRARIUM, "run", "--python", PYTHON, "--report", tmp_path / "r.json", "--", "-c", textwrap.dedent(code)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **more)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode(), json.loads((tmp_path / "r.json").read_text())


def there():
    shown = subprocess.run([TERRARIUM, "doctor"], capture_output=True, timeout=60, text=True).stdout
    return any(line.split()[:2] == ["ok", "notices"] for line in shown.splitlines())


def test_with_and_without(tmp_path):
    said, told = run(tmp_path, WORK)
    stopped, told_stopped = run(tmp_path, WORK, before=[PYTHON, "-c", LISTENED_TO])
    assert said == stopped == "b'x\\n'\n"
    assert told_stopped["notices"] == 0
    assert told["events"] == told_stopped["events"]
    if there():
        assert told["notices"] > told["stops"] / 2


def test_the_same_record_with_and_without(tmp_path):
    heads = []
    for before in ([], [PYTHON, "-c", LISTENED_TO]):
        subprocess.run([*before, TERRARIUM, "run", "--python", PYTHON, "--record", tmp_path / "x.trec", "--report", tmp_path / "r.json",
                        "--", "-c", WORK], stdin=subprocess.DEVNULL, check=True, timeout=120, stdout=subprocess.DEVNULL)
        heads.append(json.loads((tmp_path / "r.json").read_text())["record"]["head"])
    assert heads[0] == heads[1]


def test_more_open_than_the_kernel_likes(tmp_path):
    said, _ = run(tmp_path, """
        import os, signal, threading
        seen, ready, gates = [], threading.Semaphore(0), [os.pipe() for _ in range(200)]
        signal.signal(signal.SIGUSR1, lambda *a: seen.append(1))
        def wait(i):
            ready.release()
            seen.append(os.read(gates[i][0], 1))
        threads = [threading.Thread(target=wait, args=(i,)) for i in range(200)]
        for t in threads: t.start()
        for t in threads: ready.acquire()
        for t in threads[::7]: signal.pthread_kill(t.ident, signal.SIGUSR1)
        for _, w in reversed(gates): os.write(w, b"x")
        for t in threads: t.join()
        print(seen.count(b"x"), 1 in seen)
    """)
    assert said == "200 True\n"


def test_a_signal_before_the_notice_was_received_interrupts_nothing(tmp_path):
    code = """
        import ctypes, os, signal, sys
        libc, n = ctypes.CDLL(None, use_errno=True), 0
        def handler(*a):
            global n
            n += 1
        signal.signal(signal.SIGUSR1, handler)
        signal.siginterrupt(signal.SIGUSR1, True)
        zero, room = os.open("/dev/zero", os.O_RDONLY), ctypes.create_string_buffer(1)
        print("ready", flush=True)
        while n < 100:
            assert libc.read(zero, room, 1) == 1, ctypes.get_errno()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        print("over", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--", "-c", textwrap.dedent(code)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, bufsize=0) as p:
        assert p.stdout.readline() == b"ready\n"
        while not select.select([p.stdout], [], [], .002)[0]: # at its end terrarium leaves the signal to its default
            p.send_signal(signal.SIGUSR1)
        p.stdin.close()
        assert (p.stdout.read(), p.wait(60)) == (b"over\n", 0)


@pytest.mark.parametrize("how", ["blocked", "ignored"])
def test_whatever_the_caller_did_with_sigchld(tmp_path, how):
    def before():
        if how == "blocked":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGALRM])
        else:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    said, _ = run(tmp_path, WORK, preexec_fn=before)
    assert said == "b'x\\n'\n"
    done = subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--limit", "wall=1s", "--", "-c", "while 1: pass"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, preexec_fn=before)
    assert done.returncode == 124, done


def test_killed_in_a_notice(tmp_path):
    code = "import os, time; print(os.getpid(), flush=True); os.read(os.pipe()[0], 1)"
    with subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0) as p:
        assert p.stdout.readline() != b""
        children = open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii").read().split()
        assert children
        os.kill(int(children[0]), signal.SIGKILL)
        assert p.wait(60) == 128 + signal.SIGKILL
