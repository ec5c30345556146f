"""A record made with --bundle is the run: it runs again where nothing of the machine it was made on is, and says where it is not the same."""
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import termios
import time

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
PYTHON = "/usr/bin/python3"


def record(tmp_path, *words, stdin=b"", policy=None, name="run.trec", bundle=True):
    options = ["--record", str(tmp_path / name)] + (["--bundle"] if bundle else [])
    if policy is not None:
        (tmp_path / "policy.yaml").write_text(policy)
        options += ["--policy", str(tmp_path / "policy.yaml")]
    return subprocess.run([TERRARIUM, "run", "--python", PYTHON, *options, *words], input=stdin, capture_output=True, timeout=120,
                          cwd=tmp_path)


def replay(*words, cwd=None, typed=b""):
    return subprocess.run([TERRARIUM, "replay", *map(str, words)], capture_output=True, timeout=120, cwd=cwd, input=typed)


def same(first, second):
    assert (second.returncode, second.stdout, second.stderr) == (first.returncode, first.stdout, first.stderr)


PROGRAMS = {
    "values": "import os, time, uuid; print(os.urandom(4), time.time(), uuid.uuid4(), id(object()), os.listdir('/usr/bin')[:9])",
    "status": "import sys; print('err', file=sys.stderr); sys.exit(7)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "threads": "import threading, time\nfor i in range(9): threading.Thread(target=lambda i=i: (time.sleep(.01), print(i))).start()",
    "subprocess": "import subprocess; print(subprocess.run(['/bin/sh', '-c', 'ls / | sort; echo $$'], capture_output=True))",
    "pool": "import multiprocessing as m\nif __name__ == '__main__':\n with m.get_context('fork').Pool(3) as p: print(p.map(abs, range(20)))",
    "sockets": "import socket, threading\ns = socket.create_server(('127.0.0.1', 0))\n"
               "threading.Thread(target=lambda: socket.create_connection(s.getsockname()).sendall(b'x')).start()\nprint(s.accept()[0].recv(9))",
    "files": "import os\nopen('/tmp/a', 'w').write('x' * 99999)\nos.rename('/tmp/a', '/tmp/b')\nprint(os.stat('/tmp/b'), open('/etc/passwd').read())",
    "absent": "import os\nfor p in ('/no', '/usr/no', '/usr/lib/no/no'):\n try: os.stat(p)\n except OSError as e: print(e)",
    "links": "import os; print(os.path.realpath('/bin/sh'), os.readlink('/usr/bin/python3'))",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_again(program, tmp_path):
    same(record(tmp_path, "--", "-c", PROGRAMS[program]), replay(tmp_path / "run.trec"))


@pytest.mark.parametrize("code", [
    "import sys; print(len(sys.stdin.read()))", "print(input()); print(input())",
    "import select, os; print(select.select([0], [], [], 5)); print(os.read(0, 100))"], ids=["read", "input", "select"])
def test_input_is_in_the_record(code, tmp_path):
    same(record(tmp_path, "--", "-c", code, stdin=b"one\ntwo\n" * 3000), replay(tmp_path / "run.trec"))


def test_a_conversation_is_had_again(tmp_path):
    words = [TERRARIUM, "run", "--record", tmp_path / "run.trec", "--bundle", "--", "-c", "print(input(), flush=True); print(input())"]
    talk = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    talk.stdin.write(b"one\n")
    talk.stdin.flush()
    assert talk.stdout.readline() == b"one\n"
    assert talk.communicate(b"two\n", timeout=60)[0] == b"two\n"
    again = replay(tmp_path / "run.trec")
    assert (again.returncode, again.stdout) == (0, b"one\ntwo\n"), again


def test_the_policy_is_in_the_record(tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given/f").write_text("given\n")
    policy = ("terrarium: 1\nhostname: elsewhere\nclock: {start: 2031-01-01T00:00:00Z}\nrandom: {seed: 7}\n"
              "mounts:\n  - {at: /data, host: ./given, mode: cow}\nfiles:\n  /etc/motd: \"hello # world\\n\"\n"
              "calls:\n  - {deny: openat, path: \"/data/secret\", errno: EACCES}\n")
    code = ("import os, time\nprint(os.uname().nodename, time.time(), open('/etc/motd').read(), os.urandom(3))\n"
            "try: print(open('/data/f', 'a').write('more'))\nexcept OSError as e: print(e)\nprint(open('/data/f').read())\n"
            "try: open('/data/secret')\nexcept OSError as e: print(e)")
    first = record(tmp_path, "--", "-c", code, policy=policy)
    assert b"Permission denied" in first.stdout and b"given\n" in first.stdout, first
    shutil.rmtree(tmp_path / "given")
    (tmp_path / "policy.yaml").unlink()
    same(first, replay(tmp_path / "run.trec"))


def test_nothing_of_the_host_is_in_it(tmp_path):
    (tmp_path / "telling-name").mkdir()
    (tmp_path / "telling-name/s.py").write_text("print(1)\n")
    assert record(tmp_path, "--mount", f"{tmp_path}/telling-name:/data", f"{tmp_path}/telling-name/s.py").returncode == 0
    tool = pathlib.Path(__file__).resolve().parents[2] / "tools" / "read_record.py"
    shown = subprocess.run([PYTHON, tool, tmp_path / "run.trec"], capture_output=True, timeout=60)
    assert shown.returncode == 0 and b"telling-name" not in shown.stdout
    same(subprocess.CompletedProcess([], 0, b"1\n", b""), replay(tmp_path / "run.trec"))


def test_an_archive_is_in_it(tmp_path):
    (tmp_path / "f").write_text("from an archive\n" * 1000)
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "a.tar.gz", "f"], check=True)
    first = record(tmp_path, "--image", f"{tmp_path}/a.tar.gz:/data", "--", "-c", "print(len(open('/data/f').read()))")
    (tmp_path / "a.tar.gz").unlink()
    assert first.stdout == b"16000\n"
    same(first, replay(tmp_path / "run.trec"))


def test_a_limit_ends_it_again(tmp_path):
    first = record(tmp_path, "--limit", "cpu=300ms", "--", "-c", "print('x', flush=True)\nwhile True: pass")
    again = replay(tmp_path / "run.trec")
    assert (first.returncode, again.returncode, again.stdout) == (124, 124, b"x\n"), again


def test_until(tmp_path):
    code = "for i in range(5):\n open(f'/tmp/{i}', 'w').write('x'); print(i, flush=True)"
    assert record(tmp_path, "--", "-c", code).returncode == 0
    part = replay("--until", "write#4", "--files", tmp_path / "then", tmp_path / "run.trec")
    assert (part.returncode, part.stdout) == (0, b"0\n1\n") and b"stopped behind " in part.stderr, part
    assert sorted(os.listdir(tmp_path / "then/tmp")) == ["0", "1"]
    events = int(re.search(rb"behind (\d+) events", part.stderr)[1])
    part = replay("--until", events - 1, tmp_path / "run.trec")
    assert (part.returncode, part.stdout) == (0, b"0\n1\n"), part
    assert replay("--until", "1ns", tmp_path / "run.trec").stdout == b""
    assert b"ended before that" in replay("--until", "14d", tmp_path / "run.trec").stderr


@pytest.mark.parametrize("words, message", [
    (["none.trec"], "replay: none.trec: No such file or directory"),
    (["junk"], "replay: junk: "),
    (["cut.trec"], "replay: cut.trec: it stops before the first of what the run saw of its machine"),
    (["--mount", "here", "run.trec"], "replay: --mount here: expected HOST:GUEST, GUEST as it is in the world (/data)"),
    (["--mount", "here:there", "run.trec"], "replay: --mount here:there: expected HOST:GUEST, GUEST as it is in the world (/data)"),
    (["--until", "later", "run.trec"], "replay: --until: 'later': expected the number of an event, a time such as 1.5s, or CALL#N"),
    (["--until", "opnat#1", "run.trec"], "replay: --until: no system call is named 'opnat'"),
    ([], "replay: no record named (see 'terrarium replay --help')"),
])
def test_mistakes(words, message, tmp_path):
    record(tmp_path, "--", "-c", "0")
    (tmp_path / "cut.trec").write_bytes((tmp_path / "run.trec").read_bytes()[:1500])
    (tmp_path / "junk").write_bytes(b"no record at all" * 9)
    done = replay(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode().startswith(f"terrarium: {message}") and done.stderr.count(b"\n") == 1, done


def killed(tmp_path, code, *options):
    """A run whose terrarium is killed when its record holds what it said last."""
    path = tmp_path / "run.trec"
    run = subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--record", path, *options, "--limit", "wall=2m", "--", "-c", code],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"last\n"
    while b"last".hex().encode() not in subprocess.run([TERRARIUM, "trace", path, "--filter", "kind=stream", "--jsonl"], timeout=60,
                                                       capture_output=True).stdout:
        assert run.poll() is None
        time.sleep(0.02)
    run.kill()
    run.communicate()
    return path


@pytest.mark.parametrize("options", [(), ("--bundle",)])
@pytest.mark.parametrize("waits", ["input()", "while True: pass"])
def test_a_killed_run_goes_as_far_again(tmp_path, waits, options):
    line = f"<string>:{3 if waits == 'input()' else 2}  <module>".encode()
    path = killed(tmp_path, f"open('x', 'w').write('here')\nprint('last', flush=True)\n{waits}", *options)
    done = replay(path)
    assert (done.returncode, done.stdout) == (125, b"last\n")
    assert b": the record stops before the run's end, behind event " in done.stderr and done.stderr.count(b"\n") == 1
    done = replay("--until", "write#2", "--files", tmp_path / "files", path)
    assert (done.returncode, done.stdout, (tmp_path / "files/box/x").read_text()) == (0, b"last\n", "here")
    done = replay("--until", "1000h", "--stack", path)
    assert done.returncode == 125 and line in done.stdout
    done = replay("--shell", path, typed=b"until 1000h\nuntil 1001h\nstack\n")
    assert done.returncode == 125 and b"the record stops here" in done.stdout and line in done.stdout


def test_a_full_disk_leaves_what_can_be_run_again(tmp_path):
    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300000, resource.RLIM_INFINITY))

    path = tmp_path / "run.trec"
    code = "import os\nprint('begun', flush=True)\nwhile True: os.getrandom(256)"
    assert subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--record", path, "--", "-c", code], preexec_fn=small, timeout=60,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 125
    done = replay(path)
    assert (done.returncode, done.stdout) == (125, b"begun\n") and b"the record stops before the run's end, behind event " in done.stderr


def test_every_prefix_goes_as_far_as_it_goes(tmp_path):
    """Wherever a copy was cut: what is there is run again, and no more is said than that it ends."""
    code = "for i in range(400): print(i, open('/etc/hostname').read(), flush=True)"
    said = record(tmp_path, "--", "-I", "-S", "-c", code).stdout
    whole = (tmp_path / "run.trec").read_bytes()
    for i in range(1, 17):
        (tmp_path / "cut.trec").write_bytes(whole[:len(whole) - 900 * i])
        done = replay(tmp_path / "cut.trec")
        assert done.returncode == 125 and done.stderr.count(b"\n") == 1 and b"diverges" not in done.stderr, done
        assert b"the record stops before " in done.stderr or b"it stops before " in done.stderr, done
        assert said.startswith(done.stdout) and (i > 1 or done.stdout != said)
        said = said if i > 1 else done.stdout
    assert said.count(b"\n") > 100


def test_every_cut_and_flip_is_an_answer(tmp_path):
    record(tmp_path, "--", "-I", "-S", "-c", "0")
    whole = (tmp_path / "run.trec").read_bytes()
    for i in range(1, 12):
        bad = bytearray(whole[:len(whole) * i // 12])
        (tmp_path / "bad.trec").write_bytes(bad)
        assert replay(tmp_path / "bad.trec").returncode == 125
    for i in range(12):
        bad = bytearray(whole)
        bad[len(bad) * i // 12 + 7] ^= 0x55
        (tmp_path / "bad.trec").write_bytes(bad)
        done = replay(tmp_path / "bad.trec")
        assert done.returncode in (0, 125) and done.stderr.count(b"\n") <= 1, done


def test_damaged_bytes_of_a_file_are_called_so(tmp_path):
    """Of whichever file: the guest would see an error where there was none, and that is no divergence."""
    record(tmp_path, "--", "-I", "-S", "-c", "0")
    whole = (tmp_path / "run.trec").read_bytes()
    at, seen = 16, 0
    while at < len(whole):
        length = int.from_bytes(whole[at + 4:at + 8], "little")
        if whole[at:at + 4] == b"CONT":
            (tmp_path / "bad.trec").write_bytes(whole[:at + 8 + length - 3] + bytes([whole[at + 8 + length - 3] ^ 1]) + whole[at + 8 + length - 2:])
            done = replay(tmp_path / "bad.trec")
            assert done.returncode == 125 and b"the record is damaged: behind event " in done.stderr and b"of /" in done.stderr, done
            seen += 1
        at += 8 + length
    assert seen > 5


def test_a_session_on_a_terminal(tmp_path):
    """What it asks of its terminal, reads and writes there is in the record; a replay has none."""
    code = ("import os, termios, tty\nprint(os.isatty(0), tuple(os.get_terminal_size(0)))\nmode = termios.tcgetattr(0)\n"
            "name = input('name? ')\ntty.setraw(0)\nos.write(1, b'key? ')\nkey = os.read(0, 1)\ntermios.tcsetattr(0, termios.TCSADRAIN, mode)\n"
            "print('hello', name, key, termios.tcgetattr(0)[3] == mode[3])\n"
            "print(termios.tcgetwinsize(1))\nprint('over')\n")
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (33, 99))
    run = subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--record", tmp_path / "run.trec", "--bundle", "--", "-c", code],
                           stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""
    for wanted, typed in ((b"name? ", b"joe\n"), (b"key? ", b"k"), (b"over", b"")):
        while wanted not in shown:
            shown += os.read(master, 1000)
        os.write(master, typed)
    assert run.wait(timeout=60) == 0, shown
    os.close(master)
    again = replay(tmp_path / "run.trec")
    assert again.returncode == 0, again
    for line in (b"True (99, 33)", b"hello joe b'k' True", b"(33, 99)"):
        assert line in shown and line in again.stdout + again.stderr, (shown, again)


def test_a_report_changes_nothing(tmp_path):
    """What looks at a run must not be seen by it: one head, with a report, an export, a capture, or none."""
    heads = set()
    for more in ([], ["--report", "r.json"], ["--export", "e.tar"], ["--report", "r.json", "--capture", "c.pcapng", "--har", "h.har"]):
        record(tmp_path, *more, "--", "-c", PROGRAMS["subprocess"])
        heads.add((tmp_path / "run.trec").read_bytes()[-56:-16])  # TAIL: number of events, head
        same(subprocess.CompletedProcess([], 0, replay(tmp_path / "run.trec").stdout, b""), replay("--report", tmp_path / "again.json", tmp_path / "run.trec"))
    assert len(heads) == 1, heads


def test_what_the_answer_depends_on(tmp_path):
    """One digest: the same for the same run, another one for each input that is another."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("one")
    (tmp_path / "policy.yaml").write_text("terrarium: 1\nmounts: [{at: /d, host: d}]\n")

    def inputs(*words, code="print(open('/d/f').read())", python=PYTHON):
        subprocess.run([TERRARIUM, "run", "--python", python, "--policy", "policy.yaml", "--report", "r.json", *words, "--", "-I", "-S", "-c", code],
                       cwd=tmp_path, capture_output=True, timeout=60, check=True)
        return json.loads((tmp_path / "r.json").read_text())["inputs"]

    recorded = ("--record", "x.trec")
    first, plain = inputs(*recorded), inputs()
    assert first == inputs(*recorded) and plain == inputs() and first["tree_is_of"] == "contents" != plain["tree_is_of"]
    assert first["interpreter"] == hashlib.blake2b(pathlib.Path(PYTHON).read_bytes(), digest_size=32).hexdigest()
    assert first["digest"] != inputs(*recorded, "--seed", "7")["digest"]
    other = inputs(*recorded, code="print(open('/d/f').read()) ")
    assert other["arguments"] != first["arguments"] and other["tree"] == first["tree"] and other["digest"] != first["digest"]
    times = os.stat(tmp_path / "d/f")
    (tmp_path / "d/f").write_text("two")
    os.utime(tmp_path / "d/f", ns=(times.st_atime_ns, times.st_mtime_ns))
    other = inputs(*recorded)
    assert other["tree"] != first["tree"] and other["digest"] != first["digest"] and other["policy"] == first["policy"]


NETWORK = """terrarium: 1
network:
  - {connect: "files.example:80", respond: ./site, note: "of a directory"}
  - connect: "api.example:443"
    http:
      - {path: /x, file: ./answer.bin}
      - {path: /j, json: {file: "not a path"}}
  - {resolve: "*.example", to: 203.0.113.7}
"""
ASK = """import urllib.request
for url in ("http://files.example/a/page.html", "http://files.example/none", "https://api.example/x", "https://api.example/j", "http://other.test/"):
    try:
        print(url, urllib.request.urlopen(url).read())
    except OSError as e:
        print(url, e)
"""


def test_those_beyond_the_world_are_in_the_record(tmp_path):
    (tmp_path / "site/a").mkdir(parents=True)
    (tmp_path / "site/a/page.html").write_text("<p>a page</p>")
    (tmp_path / "answer.bin").write_bytes(bytes(range(256)) * 9)
    first = record(tmp_path, "--capture", str(tmp_path / "one.pcapng"), "--", "-c", ASK, policy=NETWORK)
    assert b"a page" in first.stdout and b"404" in first.stdout and b"\\xfe\\xff" in first.stdout and b"not a path" in first.stdout, first
    shutil.rmtree(tmp_path / "site")
    (tmp_path / "answer.bin").unlink()
    (tmp_path / "policy.yaml").unlink()
    same(first, replay("--capture", tmp_path / "again.pcapng", "--report", tmp_path / "report.json", tmp_path / "run.trec"))
    assert (tmp_path / "one.pcapng").read_bytes() == (tmp_path / "again.pcapng").read_bytes()
    tool = pathlib.Path(__file__).resolve().parents[2] / "tools" / "read_record.py"
    shown = subprocess.run([PYTHON, tool, tmp_path / "run.trec"], capture_output=True, timeout=60).stdout
    assert b"files.example" in shown and str(tmp_path).encode() not in shown


def test_a_library_of_many_megabytes(tmp_path):
    code = "import numpy, ssl; print(hex(id(numpy.array)), [l for l in open('/proc/self/maps') if 'libcrypto' in l or 'blas' in l][:3])"
    same(record(tmp_path, "--", "-c", code), replay(tmp_path / "run.trec"))


REAL = {
    "clocks": "import time, os, resource\nfor i in range(5): print(time.time(), time.monotonic(), time.process_time(), time.thread_time(), os.times(), resource.getrusage(0)[:2], open('/proc/uptime').read())\nopen('/tmp/x', 'w'); print(os.stat('/tmp/x').st_mtime_ns, os.stat('/etc/passwd').st_mtime_ns)",
    "sleeps": "import time\nfor i in range(3): a = time.monotonic(); time.sleep(.02); print(time.monotonic() - a)",
    "timeouts": "import select, os, threading, time\nr, w = os.pipe(); a = time.monotonic(); print(select.select([r], [], [], .03), time.monotonic() - a)\n"
                "e = threading.Event(); threading.Timer(.05, e.set).start(); print(e.wait(.01), e.wait(5), time.monotonic() - a)",
    "threads": "import threading, time\nfor i in range(9): threading.Thread(target=lambda i=i: (time.sleep(.01 * (i % 3)), print(i, time.time()))).start()",
    "alarm": "import signal, time\nsignal.signal(signal.SIGALRM, lambda *a: print('alarm', time.time()))\nsignal.setitimer(signal.ITIMER_REAL, .02, .02)\nfor i in range(4): signal.pause()",
    "asyncio": "import asyncio, time\nasync def f(i):\n await asyncio.sleep(i / 100); print(i, time.time())\nasync def m(): await asyncio.gather(*(f(i) for i in range(6)))\nasyncio.run(m())",
    "subprocess": "import subprocess, time; print(subprocess.run(['/bin/sh', '-c', 'sleep 0.03; date +%N'], capture_output=True), time.time())",
    "input": "import select, sys, time\nfor i in range(4): print(select.select([0], [], [], .1)[0], time.time())\nprint(len(sys.stdin.read()), time.time())",
}


@pytest.mark.parametrize("program", REAL)
def test_the_machines_clock_is_in_it(program, tmp_path):
    first = record(tmp_path, "--", "-c", REAL[program], policy="terrarium: 1\nclock: real\n", stdin=b"x" * 999)
    assert first.returncode == 0, first
    same(first, replay(tmp_path / "run.trec"))
    same(first, replay(tmp_path / "run.trec"))


def test_input_that_comes_late_in_real_time(tmp_path):
    (tmp_path / "policy.yaml").write_text("terrarium: 1\nclock: real\n")
    code = "import select, sys, threading, time\nthreading.Thread(target=lambda: [time.sleep(.01) or print(i, time.time(), flush=True) for i in range(20)]).start()\n" \
           "for line in sys.stdin: print(line, time.time(), flush=True)"
    talk = subprocess.Popen([TERRARIUM, "run", "--policy", "policy.yaml", "--record", "run.trec", "--bundle", "--", "-c", code], cwd=tmp_path,
                            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said = b""
    for i in range(8):
        said += talk.stdout.readline()
        talk.stdin.write(b"line %d\n" % i)
    said += talk.communicate(timeout=60)[0]
    assert talk.returncode == 0 and said.count(b"line") == 8
    again = replay(tmp_path / "run.trec")
    assert (again.returncode, again.stdout) == (0, said), again.stderr


# What the kernel tells of a process's memory is told by the record: where there is no /proc, or another kernel, too.
MEMORY = """
import mmap, os, subprocess
os.mkdir('/tmp/a\\nb')
file = open('/tmp/a\\nb/c\\\\d', 'w+b')
file.truncate(8192)
shared = mmap.mmap(file.fileno(), 8192)
for name in 'maps', 'smaps', 'smaps_rollup', 'status', 'statm', 'stat':
    print(open(f'/proc/self/{name}').read())
child = subprocess.Popen(['sleep', '1'])
print(open(f'/proc/{child.pid}/maps').read(), child.wait())
import ctypes
libc = ctypes.CDLL(None)
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
text = int(open('/proc/self/maps').readline().split('-')[0], 16)
vector = ctypes.create_string_buffer(4)
print(libc.mincore(text, 4 * 4096, vector), vector.raw)
print(libc.mlockall(1), [line for line in open('/proc/self/status') if line.startswith('VmLck')])
shared.close()
file.close()
os.unlink('/tmp/a\\nb/c\\\\d')
print(os.statvfs('/tmp'))
"""


@pytest.mark.plain
@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root")
@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("program", [PROGRAMS["subprocess"], MEMORY], ids=["subprocess", "memory"])
def test_on_a_machine_with_nothing(program, clock, tmp_path):
    first = record(tmp_path, "--", "-c", program, policy="terrarium: 1\n" + ("clock: real\n" if clock == "real" else ""))
    assert first.returncode == 0 and first.stdout, first.stderr
    root = tmp_path / "root"
    root.mkdir()
    libraries = re.findall(r"(/\S+)", subprocess.run(["ldd", TERRARIUM], capture_output=True, text=True).stdout)
    for path in [os.path.realpath(TERRARIUM), *libraries]:
        to = root / ("terrarium" if path == os.path.realpath(TERRARIUM) else path.lstrip("/"))
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    shutil.move(tmp_path / "run.trec", root / "run.trec")
    again = subprocess.run(["chroot", root, "/terrarium", "replay", "/run.trec"], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    same(first, again)
