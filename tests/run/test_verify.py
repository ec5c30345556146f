"""`terrarium verify` and what it holds runs to: what must not matter does not, and what matters is said."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
PYTHON = "/usr/bin/python3"


def verify(*words, stdin=b"", cwd=None, runs=3):
    done = subprocess.run([TERRARIUM, "verify", "-n", str(runs), *words], input=stdin, capture_output=True, timeout=120, cwd=cwd)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_same(tmp_path):
    (tmp_path / "s.py").write_text("import sys, os\nprint(sys.argv, id(object()), os.getpid())\nopen('/tmp/made', 'w').write('x')\n")
    status, out, err = verify("--python", PYTHON, "s.py", "a", cwd=tmp_path)
    assert (status, err) == (0, "") and out.startswith("3 runs, all the same: exit status 0, "), out
    assert not list(tmp_path.glob("terrarium-verify*"))


def test_beside_busy_loops():
    status, out, _ = verify("--load", "--", "-c", "import threading; [threading.Thread(target=print, args=(i,)).start() for i in range(9)]")
    assert status == 0, out


# The host's clock is let in: what then differs is found, wherever it shows.
LET_IN = "terrarium: 1\nclock: real\n"


@pytest.mark.parametrize("code, says", [
    ("import time; print('a'); print(time.time_ns())", "stdout, line 2"),
    ("import time; print(time.gmtime().tm_yday)", "stdout, line 1"),  # each run has another day
    ("import sys, time; print(time.time_ns(), file=sys.stderr)", "stderr, line 1"),
    ("import time; open('/tmp/made', 'w').write(f'{time.time_ns():030}')", "exported files: tmp/made: its"),
    ("import time; open(f'/tmp/{time.time_ns()}', 'w')", "exported files: "),
    ("import sys, time; sys.exit(time.time_ns() // 1000 % 199 + 1)", "exit status "),
    ("import os, time\nfor i in range(time.time_ns() // 1000 % 997): os.getppid()", "in their reports, "),
])
def test_what_differs_is_said(code, says, tmp_path):
    (tmp_path / "p.yaml").write_text(LET_IN)
    status, out, err = verify("--policy", "p.yaml", "--", "-c", code, cwd=tmp_path)
    assert status == 1 and says in out and err == "", out + err
    assert "not reproducible: clock: real, by the policy" in out


def test_the_first_call_and_its_process_are_named(tmp_path):
    """A file that is another one for each run, read by a process of the script's."""
    (tmp_path / "d").mkdir(mode=0o755)
    (tmp_path / "d/f").write_bytes(os.urandom(40))
    code = "import subprocess; subprocess.run(['/bin/cat', '/d/f'])"
    talk = subprocess.Popen([TERRARIUM, "verify", "-n", "30", "--mount", f"{tmp_path}/d:/d", "--", "-c", code], stdout=subprocess.PIPE,
                            stdin=subprocess.DEVNULL)
    while talk.poll() is None:
        (tmp_path / "g").write_bytes(os.urandom(40))
        (tmp_path / "g").rename(tmp_path / "d/f")
        time.sleep(.05)
    out = talk.stdout.read().decode(errors="replace")
    assert talk.returncode == 1 and re.search(
        r"their records part at event \d+, of process 3 \(/usr/bin/cat\), thread 3:\n  run 1: .*\n  run \d+: .*\n", out), out


def test_that_a_file_was_read_before_is_not_seen(tmp_path):
    """Its time of access is the host's, and the first run changes it."""
    (tmp_path / "d").mkdir(mode=0o755)
    (tmp_path / "d/f").write_text("x")
    os.utime(tmp_path / "d/f", ns=(10**18, 10**18))
    status, out, _ = verify("--mount", f"{tmp_path}/d:/d", "--", "-c", "import os; assert open('/d/f').read() == 'x'; print(os.stat('/d/f'))",
                             runs=2)
    assert status == 0 and "exit status 0" in out, out


def test_what_cannot_be_tried(tmp_path):
    (tmp_path / "p.yaml").write_text("terrarium: 1\nlimits: {cpuu: 1s}\n")
    status, out, err = verify("--policy", "p.yaml", "--", "-c", "0", cwd=tmp_path)
    assert status == 125 and out == "" and "unknown key 'cpuu'" in err and err.count("\n") == 1


@pytest.mark.parametrize("code", [
    "import sys; print(len(sys.stdin.read()))",
    "import os; print([len(os.read(0, 70000)) for _ in range(30)])",
    "import select, os; print(select.select([0], [], [], 5)); print(len(os.read(0, 100000)))",
    "import asyncio, sys\nasync def main():\n r = asyncio.StreamReader()\n"
    " await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(r), sys.stdin)\n"
    " print(len(await r.read()))\nasyncio.run(main())",
], ids=["read", "raw", "select", "asyncio"])
def test_how_input_arrives_does_not_matter(code):
    status, out, _ = verify("--load", "--", "-c", code, stdin=b"".join(b"line %d\n" % i for i in range(20000)))
    assert status == 0 and "not reproducible" not in out, out


def test_a_conversation_is_not_reproducible():
    words = [TERRARIUM, "run", "--require-reproducible", "--", "-c", "print(input(), flush=True); print(input())"]
    talk = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    talk.stdin.write(b"one\n")
    talk.stdin.flush()
    assert talk.stdout.readline() == b"one\n"
    out, err = talk.communicate(b"two\n", timeout=60)
    assert (talk.returncode, out) == (125, b"two\n")
    assert err == b"terrarium: the run is not reproducible; stdin: it came in pieces, and when they came was seen\n"


def test_reproducible_is_no_error(terrarium):
    assert terrarium("run", "--require-reproducible", "--", "-c", "print(1)").status == 0
    refused = terrarium("run", "--require-reproducible", "--", "-c", "print(1)", policy=LET_IN)
    assert (refused.status, refused.out) == (125, "1\n")
    assert refused.err == "terrarium: the run is not reproducible; clock: real, by the policy\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [[], ["--schedules", "5"]])
def test_an_end_from_outside_leaves_nothing(tmp_path, number, more):
    """Whatever the guest makes of the signal."""
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('there', flush=True)\nwhile True: pass"
    run = subprocess.Popen([TERRARIUM, "verify", *more, "--", "-c", code], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        while not any(out.read_bytes() for out in tmp_path.glob("terrarium-verify-*/out-0")):
            assert run.poll() is None
            time.sleep(.05)
        run.send_signal(number)
        assert run.wait(timeout=60) == -number
    finally:
        run.kill()
    assert not list(tmp_path.iterdir()) and run.stderr.read() == b""


@pytest.mark.parametrize("name, code, found", [
    ("rdrand", ".byte 0x48, 0x0f, 0xc7, 0xf0", {"RDRAND"}),
    ("rdseed", "rdseed %ecx; rdpid %rdx", {"RDSEED", "RDPID"}),
    ("cmpxchg16b", "lock cmpxchg16b (%rdi)", set()),
    ("a number", "movl $0xf0c70f90, %eax; movl $0xf8c70ff3, %ecx", set()),
])
def test_what_cannot_be_trapped_is_looked_for(name, code, found, terrarium, tmp_path):
    """In what is mapped to be executed: instructions, not bytes that look like them."""
    (tmp_path / "s.s").write_text(".globl f\n.section .note.GNU-stack\n.text\nf:" + "nop; movl %eax, %ecx; addq $8, %rdx\n" * 20 + code + "\nret\n")
    subprocess.run(["gcc", "-shared", "-nostdlib", "-o", tmp_path / "s.so", tmp_path / "s.s"], check=True)
    result = terrarium("run", "--mount", f"{tmp_path}:/data", "--", "-c", "import ctypes; ctypes.CDLL('/data/s.so')", report=True)
    assert {what for what, files in result.report["untrapped_in"].items() if "/data/s.so" in files} == found, result.report["untrapped_in"]
    assert set(result.report["untrapped_in"]) <= set(result.report["untrapped"])


GREEDY = "import mmap; m = mmap.mmap(-1, 900 << 20); open('/tmp/f', 'wb').write(bytes(3 << 20)); print('end')"


@pytest.mark.parametrize("limit", [pytest.param("v 600000", marks=pytest.mark.plain), pytest.param("d 100000", marks=pytest.mark.plain), "f 1024", "t 100"])
def test_the_callers_own_limits_are_no_input(limit, terrarium, tmp_path):
    """Soft ones are lifted, but for that on files, which the record has to keep to; of the others, which the guest would meet, it is said."""
    words = [os.environ["TERRARIUM_UNDER_TEST"], "run", "--python", "/usr/bin/python3", "--report", str(tmp_path / "r"), "--", "-c", GREEDY]
    if limit[0] != "f":
        done = subprocess.run(["bash", "-c", f'ulimit -S -{limit}; exec "$@"', "bash", *words], capture_output=True, text=True, timeout=60)
        report = json.loads((tmp_path / "r").read_text())
        assert (done.returncode, done.stdout, report["reproducible"]) == (0, "end\n", True), done
    subprocess.run(["bash", "-c", f'ulimit -{limit}; exec "$@"', "bash", *words], capture_output=True, timeout=60)
    (why,) = json.loads((tmp_path / "r").read_text())["not_reproducible_because"]
    assert why.startswith("limits: the caller's on ") and f"(ulimit -{limit[0]})" in why
