"""Records: the same run twice has one head, a cut one says where it ends, a second reader agrees with the first, and what strace's readers
know is what trace prints."""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import machine_names

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
PYTHON = "/usr/bin/python3"
sys.path.insert(0, str(ROOT / "tools"))
import read_record  # noqa: E402

THREADS = """
import threading, time
def work(n):
    for _ in range(5):
        time.sleep(0.01)
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print("joined")
"""
PROCESSES = """
import os, signal, subprocess
print(subprocess.run(["/bin/sh", "-c", "echo hi; exit 3"], stdout=subprocess.PIPE))
signal.signal(signal.SIGUSR1, lambda *a: print("caught"))
os.kill(os.getpid(), signal.SIGUSR1)
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGKILL)
print(os.wait())
"""
ASYNCIO = """
import asyncio
async def echo(reader, writer):
    writer.write(await reader.read(100)); await writer.drain(); writer.close()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 8080)
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
    writer.write(b"ping"); print(await reader.read(100)); writer.close(); server.close()
    await asyncio.sleep(86400)
asyncio.run(main())
"""
PROGRAMS = {"threads": THREADS, "processes": PROCESSES, "asyncio": ASYNCIO}


def call(*words, **more):
    done = subprocess.run([TERRARIUM, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=60, **more)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def record(path, code, *options, **more):
    result = call("run", "--python", PYTHON, "--record", path, *options, "--", "-c", code, **more)
    assert result[0] == 0, result
    return result


def read(path):
    with open(path, "rb") as file:
        reader = read_record.Record(file)
        return reader, list(reader)


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """One record for the tests that only read."""
    path = tmp_path_factory.mktemp("record") / "some.rec"
    record(path, PROCESSES)
    return path


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_run_has_one_head(tmp_path, name):
    os.mkdir(tmp_path / "elsewhere")
    record(tmp_path / "a", PROGRAMS[name])
    record(tmp_path / "b", PROGRAMS[name], cwd=tmp_path / "elsewhere", env={**os.environ, "HOME": "/nowhere", "LANG": "xx"})
    assert call("diff", tmp_path / "a", tmp_path / "b") == (0, "", "")
    a, events = read(tmp_path / "a")
    b, _ = read(tmp_path / "b")
    assert a.whole and a.head == b.head and a.events == len(events) > 500
    assert events[0]["kind"] == "run" and events[-1]["kind"] == "end"


def test_looks_at_limits_are_not_in_a_record(tmp_path):
    """They are made at moments of real time, and where much was shared and is gone they ask the machine for mappings."""
    guest = """
import mmap, os
with open('/tmp/f', 'w+b') as file:
    file.truncate(120 << 20)
    shared = mmap.mmap(file.fileno(), 0)
os.unlink('/tmp/f')
for i in range(120): shared[i << 20:(i + 1) << 20] = bytes(1 << 20)
shared.close()
own = bytearray(b'x') * (120 << 20)
for _ in range(3_000_000): pass
print(len(open('/proc/self/maps').read()) > 0)
"""
    heads = set()
    for name in "ab":
        record(tmp_path / name, guest, "--limit", "memory=200MiB,files=200MiB")
        reader, events = read(tmp_path / name)
        heads.add(reader.head)
        assert sum(e["kind"] == "mappings" for e in events) == 1  # the program's own look
    assert len(heads) == 1


def test_what_was_in_the_output_file_is_no_input(tmp_path):
    """Of a file that is only written to, size and offset count from where the run began; and it reads as natively."""
    guest = """
import os
os.write(1, b'hi')
said = [os.fstat(1).st_size, os.lseek(1, 0, 1)]
os.write(1, b'abcdef'); said += [os.lseek(1, -3, 1)]
os.write(1, b'XY'); said += [os.fstat(1).st_size, os.lseek(1, 0, 2)]
os.pwrite(1, b'P', 0); said += [os.lseek(1, 0, 1), os.lseek(1, 4, 0)]
os.write(1, b'Z'); os.lseek(1, 0, 2)
os.write(1, f'{said}\\n'.encode())
"""
    (tmp_path / "s.py").write_text(guest)
    terrarium = f"{os.environ['TERRARIUM_UNDER_TEST']} run --python /usr/bin/python3 --record"
    subprocess.run("/usr/bin/python3 s.py >n", shell=True, cwd=tmp_path, check=True)
    for i, line in enumerate(("{} 0 s.py >o 2>>e", "(printf before; {} 1 s.py; printf after) >o1 2>>e", "{} 2 --trace s.py >o 2>>e", "{} 3 s.py >o 2>>e")):
        subprocess.run(line.format(terrarium), shell=True, cwd=tmp_path, check=True, timeout=60)
        if i == 1:
            assert (tmp_path / "o1").read_bytes() == b"before" + (tmp_path / "n").read_bytes() + b"after"
        else:
            assert (tmp_path / "o").read_bytes() == (tmp_path / "n").read_bytes()
        assert (tmp_path / str(i)).read_bytes() == (tmp_path / "0").read_bytes(), line
    for i in (4, 5):
        subprocess.run(f"{terrarium} {i} s.py >>o1", shell=True, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "4").read_bytes() == (tmp_path / "5").read_bytes()
    subprocess.run([os.environ["TERRARIUM_UNDER_TEST"], "replay", "5"], cwd=tmp_path, check=True, timeout=60)


def test_nothing_of_the_host_is_in_it(tmp_path):
    (tmp_path / "x.py").write_text("print(1)")
    path = tmp_path / "x.rec"
    assert call("run", "--python", PYTHON, "--record", path, tmp_path / "x.py")[0] == 0
    _, events = read(path)
    for bytes_ in (str(tmp_path), *machine_names()):
        assert bytes_ not in json.dumps(read_record.plain(events)) and bytes_.encode().hex() not in json.dumps(read_record.plain(events))


def test_a_difference_is_named(tmp_path):
    record(tmp_path / "a", "open('/etc/hostname').read(); print(1)")
    record(tmp_path / "b", "open('/etc/hostname').read(); print(2)")
    status, out, err = call("diff", tmp_path / "a", tmp_path / "b")
    assert (status, err) == (1, "")
    assert f"A is {tmp_path}/a\nB is {tmp_path}/b\nthey part at event 0:\n" in out  # argv


def test_a_second_reader_agrees(some):
    """tools/read_record.py, written from the page alone, and the C reader: the same events with the same values."""
    _, events = read(some)
    status, out, err = call("trace", some, "--jsonl")
    assert (status, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == len(events)
    for ours, theirs in zip(lines, events):
        assert (ours["index"], ours["kind"], ours["time"], ours.get("tid", 0)) == (
            theirs["index"], theirs["kind"], theirs["time"], theirs["tid"])
        if ours["kind"] != "call":
            continue
        assert ours["nr"] == theirs["nr"] and [int(a, 16) for a in ours["arguments"]] == theirs["arguments"]
        assert ours["result"] == theirs["result"]
        assert [s.get("bytes") for s in ours.get("memory", [])] == [
            s[2].hex() if len(s) == 3 else None for s in theirs.get("segments", [])]
    assert json.loads(call("trace", some, "--json")[1]) == lines


def test_every_call_when_the_policy_says_so(tmp_path):
    """Those too that the kernel answers otherwise, by the guest's own kernel but seen; of many threads and programs."""
    code = "import subprocess, threading, time\nts = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(3)]\n" \
           "[t.start() for t in ts]\n[t.join() for t in ts]\nprint(subprocess.run(['sh', '-c', 'echo hi'], capture_output=True).stdout)"
    (tmp_path / "p.yaml").write_text("terrarium: 1\ntrap: all\n")
    said = call("run", "--python", PYTHON, "--policy", tmp_path / "p.yaml", "--record", tmp_path / "r", "--bundle", "--", "-c", code)
    assert said == (0, "b'hi\\n'\n", "")
    assert call("replay", tmp_path / "r") == said
    _, out, _ = call("trace", tmp_path / "r", "--filter", "call=brk,arch_prctl,rt_sigprocmask,mprotect,munmap")
    assert all(f" {name}(" in out for name in ("brk", "arch_prctl", "rt_sigprocmask", "mprotect", "munmap"))


def test_streams_are_kept(tmp_path):
    done = subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--record", tmp_path / "r", "--", "-c",
                           "import sys; print(sys.stdin.read().upper()); print('oops', file=sys.stderr)"],
                          input=b"hello\n", capture_output=True, timeout=60)
    assert done.returncode == 0
    _, events = read(tmp_path / "r")
    streams = {n: b"".join(e["bytes"] for e in events if e["kind"] == "stream" and e["number"] == n) for n in (0, 1, 2)}
    assert streams == {0: b"hello\n", 1: b"HELLO\n\n", 2: b"oops\n"} and (streams[1], streams[2]) == (done.stdout, done.stderr)


def test_text_is_as_straces(some):
    status, out, err = call("trace", some)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert '2     openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>' in lines
    assert any(line.startswith('3     execve("/bin/sh", ["/bin/sh", "-c", "echo hi; exit 3"], 0x') and line.endswith("vars */) = 0")
               for line in lines)
    assert "3     +++ exited with 3 +++" in lines
    assert "4     +++ killed by SIGKILL +++" in lines
    assert any(line.startswith("2     --- SIGUSR1 {si_signo=SIGUSR1, si_code=0, si_pid=2, si_uid=1000}") for line in lines)
    assert any(line == "2     wait4(-1, <unfinished ...>" for line in lines)
    assert any("<... wait4 resumed>[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 4" in line for line in lines)


def test_filter(some):
    status, out, _ = call("trace", some, "--filter", "pid=3 and call=write")
    assert status == 0 and out == '3     write(1<pipe:[%s]>, "hi\\n", 3) = 3\n' % out.split("pipe:[")[1].split("]")[0]
    status, out, err = call("trace", some, "--filter", "pid=3 and cal=write")
    assert (status, out) == (125, "") and err.startswith("terrarium: trace: filter, column 11: no test 'cal' (there are ")


def test_live_trace_is_the_records(tmp_path):
    _, _, err = record(tmp_path / "r", "open('/etc/hostname')", "--trace")
    assert err == call("trace", tmp_path / "r")[1]
    status, _, err = call("run", "--python", PYTHON, "--trace", "--", "-c", "0")
    assert status == 0 and "+++ exited with 0 +++" in err


def test_page_stands_alone(tmp_path, some):
    assert call("trace", some, "--html", tmp_path / "p.html") == (0, "", "")
    page = (tmp_path / "p.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script src" not in page and "<link" not in page
    data = page.split("const DATA = ", 1)[1].split(";\nconst FAMILY", 1)[0]
    assert '[2,"execve"' not in data and '"/bin/sh"' in data.replace('\\"', '"') and "</" not in data


def test_rules_and_secrets(tmp_path):
    (tmp_path / "p.yaml").write_text("""
terrarium: 1
files:
  /etc/key: {text: "the combination is 1234", mode: 0666, secret: true}
calls:
  - {deny: [openat], path: /etc/shadow, errno: EACCES, note: "hidden"}
""")
    code = """
import os
print(len(open('/etc/key').read()))
os.rename('/etc/key', '/tmp/key') if os.access('/etc', os.W_OK) else None
try: open('/etc/shadow')
except OSError as e: print(e.errno)
f = open('/etc/key', 'r+'); f.write('T'); f.flush(); f.seek(0); print(len(f.read()))
"""
    status, out, err = record(tmp_path / "r", code, "--policy", tmp_path / "p.yaml")
    assert out == "23\n13\n23\n", (out, err)
    raw, (_, events) = call("trace", tmp_path / "r", "--jsonl")[1], read(tmp_path / "r")
    assert "combination".encode().hex() not in raw and "combination" not in raw
    assert [e["secret"] for e in events if e["kind"] == "file" and e["path"] == "/etc/key"] == [True]
    assert any(len(s) == 4 for e in events if e["kind"] == "call" for s in e.get("segments", []))  # after it was changed
    _, out, _ = call("trace", tmp_path / "r", "--filter", "rule=deny")
    assert out == '2     openat(AT_FDCWD, "/etc/shadow", O_RDONLY|O_CLOEXEC) = -1 EACCES (Permission denied)  <deny, line 6: "hidden">\n'


def test_signed(tmp_path):
    key, other = tmp_path / "key", tmp_path / "other"
    assert call("keygen", key) == (0, "", "") and call("keygen", other)[0] == 0
    assert os.stat(key).st_mode & 0o777 == 0o600
    status, _, err = call("keygen", key)
    assert status == 125 and "File exists" in err
    record(tmp_path / "r", "print(1)", "--sign", key)
    reader, _ = read(tmp_path / "r")
    status, out, err = call("trace", tmp_path / "r", "--verify-signature", f"{key}.pub")
    assert (status, err) == (0, "") and reader.head.hex() in out
    assert call("trace", tmp_path / "r", "--verify-signature", f"{other}.pub")[::2] == (
        125, f"terrarium: {tmp_path}/r: signed by another key\n")
    changed = bytearray((tmp_path / "r").read_bytes())
    changed[changed.index(b"MANI") + 60] ^= 1  # what the run saw of its machine is signed too
    (tmp_path / "c").write_bytes(changed)
    assert call("trace", tmp_path / "c", "--verify-signature", f"{key}.pub")[::2] == (
        125, f"terrarium: {tmp_path}/c: the signature is not of this record\n")
    record(tmp_path / "b", "print(1)", "--sign", key, "--bundle")
    assert call("trace", tmp_path / "b", "--verify-signature", f"{key}.pub")[0] == 0
    changed = bytearray((tmp_path / "b").read_bytes())
    changed[changed.index(b"CONT") + 200] ^= 1  # … and the bytes that the record carries
    (tmp_path / "c").write_bytes(changed)
    status, _, err = call("trace", tmp_path / "c", "--verify-signature", f"{key}.pub")
    assert status == 125 and "is not what its hash says" in err, err
    record(tmp_path / "u", "print(1)")
    assert call("trace", tmp_path / "u", "--verify-signature", f"{key}.pub")[::2] == (125, f"terrarium: {tmp_path}/u: not signed\n")
    (tmp_path / "short").write_bytes((tmp_path / "r").read_bytes()[:-1])
    assert call("trace", tmp_path / "short", "--verify-signature", f"{key}.pub")[0] == 125
    assert call("run", "--sign", key, "--", "-c", "0")[::2] == (125, "terrarium: --sign: only a record can be signed (--record FILE)\n")


def test_hashing_elsewhere_changes_nothing(tmp_path):
    """On one processor everything is done at once, on two by a thread: the same file, byte for byte."""
    code = "import json, os, mmap; f = open('/usr/bin/python3', 'rb'); print(len(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)))"
    one = {min(os.sched_getaffinity(0))}
    for name, where in (("one", one), ("all", os.sched_getaffinity(0))):
        for bundle in ((), ("--bundle",)):
            assert call("run", *bundle, "--record", tmp_path / f"{name}{len(bundle)}", "--python", PYTHON, "--", "-c", code,
                        preexec_fn=lambda: os.sched_setaffinity(0, where))[0] == 0
    for n in (0, 1):
        assert (tmp_path / f"one{n}").read_bytes() == (tmp_path / f"all{n}").read_bytes()


def test_every_thread_of_the_supervisor_is_confined(tmp_path):
    run = subprocess.Popen([TERRARIUM, "run", "--record", tmp_path / "r", "--python", PYTHON, "--", "-c", "print(1, flush=True); input()"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"1\n"
    threads = list(pathlib.Path(f"/proc/{run.pid}/task").iterdir())
    assert len(threads) == (2 if len(os.sched_getaffinity(0)) > 1 else 1)
    for thread in threads:
        facts = dict(line.split(":\t") for line in (thread / "status").read_text().splitlines() if ":\t" in line)
        assert (facts["Seccomp"], facts["NoNewPrivs"]) == ("2", "1")
        assert int(facts["CapEff"], 16) in ((0, 1 << 2) if thread.name == str(run.pid) else (0,))  # the guest's holder may read as root
    run.communicate(b"\n", timeout=60)
    assert run.returncode == 0


def test_report_names_the_head(tmp_path):
    record(tmp_path / "r", "print(1)", "--report", tmp_path / "report.json")
    said = json.loads((tmp_path / "report.json").read_text())["record"]
    reader, events = read(tmp_path / "r")
    assert said == {"head": reader.head.hex(), "events": len(events), "bytes": os.path.getsize(tmp_path / "r"), "signed": False,
                    "complete": True}


# ---- ends before the end -----------------------------------------------------------------------------------------------


def test_a_killed_supervisor_leaves_a_readable_part(tmp_path):
    path = tmp_path / "r"
    p = subprocess.Popen([TERRARIUM, "run", "--python", PYTHON, "--record", path, "--", "-c",
                          "import sys, os\nfor i in range(3000): os.stat('/etc/hostname')\nprint('ready', flush=True)\nsys.stdin.read()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    while os.path.getsize(path) < 1000 or read(path)[0].events < 3000:  # it waits for stdin: what was so far is written
        time.sleep(0.02)
    p.send_signal(signal.SIGKILL)
    p.wait()
    p.stdin.close()
    status, out, err = call("trace", path)
    assert status == 1 and out.count("/etc/hostname") >= 3000
    assert err.startswith(f"terrarium: {path}: ends in block ") and err.endswith("the file stops without the record's end\n")
    reader, events = read(path)
    assert not reader.whole and len(events) > 3000


def test_a_cut_copy_is_readable_and_a_forged_one_is_not(tmp_path, some):
    whole = some.read_bytes()
    full = call("trace", some)[1]
    for cut in (16, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:cut])
        status, out, err = call("trace", tmp_path / "cut")
        assert status == 1 and full.startswith(out) and "the file stops" in err
    (tmp_path / "forged").write_bytes(whole.replace(b"EVTS", b"EVTX", 1))
    assert call("trace", tmp_path / "forged")[::2] == (
        125, f"terrarium: {tmp_path}/forged: block 0 (before event 0): a chunk of no known type\n")
    bad = bytearray(whole)
    bad[whole.index(b"EVTS") + 200] ^= 1
    (tmp_path / "forged").write_bytes(bad)
    status, out, err = call("trace", tmp_path / "forged")
    assert status == 125 and "block 0, event 0: " in err
    assert call("trace", __file__)[::2] == (125, f"terrarium: trace: {__file__}: not a record\n")
    assert call("diff", some, __file__)[::2] == (125, f"terrarium: diff: {__file__}: not a record\n")


def test_a_full_disk_ends_the_run(tmp_path):
    path = tmp_path / "r"

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900000, resource.RLIM_INFINITY))

    status, _, err = call("run", "--python", PYTHON, "--record", path, "--", "-c",
                          "import os\nwhile True: os.getrandom(256)", preexec_fn=small)
    assert status == 125 and f"record {path}: File too large; it holds the first " in err
    count = int(err.split("the first ")[1].split()[0])
    reader, events = read(path)
    assert len(events) == count > 100 and not reader.whole
    assert call("trace", path)[0] == 1


def test_a_record_that_cannot_be_made(tmp_path):
    status, out, err = call("run", "--record", tmp_path / "no/where", "--", "-c", "print(1)")
    assert (status, out) == (125, "") and err == f"terrarium: record {tmp_path}/no/where: No such file or directory\n"
    status, out, err = call("run", "--record", "/dev/full", "--", "-c", "print(1)")
    assert (status, out) == (125, "") and err == "terrarium: record /dev/full: No space left on device; it holds the first 0 events of the run\n"


@pytest.mark.parametrize("wall", ["200ms", "350ms", "500ms", "1s"])  # in the middle of the hashing, or of the mapping itself
def test_a_file_without_end_is_no_end_of_limits(terrarium, tmp_path, wall):
    """What is mapped is hashed, all of it; the run still ends when it is told to, and is replayed to there."""
    data, record = tmp_path / "data", tmp_path / "run.trec"
    data.mkdir()
    with open(data / "big", "wb") as f:
        f.truncate(1 << 38)
    code = "import mmap, os; mmap.mmap(os.open('/data/big', os.O_RDONLY), 0, prot=mmap.PROT_READ)"
    result = terrarium("run", "--record", str(record), "--bundle", "--mount", f"{data}:/data:ro", "--limit", f"wall={wall}", "--", "-c", code,
                       report=True)
    assert (result.status, result.report["verdict"]) == (124, "wall"), result
    again = terrarium("replay", str(record))
    assert again.status == 124, again
