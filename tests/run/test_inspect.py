"""A replay that stands still is looked at: mappings, Python stacks of each version of CPython, a prompt, gdb."""
import glob
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
PYTHONS = ["/usr/bin/python3", *sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")))]
KNOWN = [p for p in PYTHONS if re.search(r"/3\.([89]|1[0-3])\.|^/usr/bin", p)]
SCRIPT = """import os, threading, time

class Thing:
    def run(self, n):
        if n:
            return self.run(n - 1)
        os.unlink("/tmp/x")

def worker(lock):
    with lock:
        pass

def many_lines():
    thing = Thing()
    for k in [1]:
        thing.run(k)

def main():
    open("/tmp/x", "w").close()
    lock = threading.Lock()
    lock.acquire()
    t = threading.Thread(target=worker, args=(lock,))
    t.start()
    time.sleep(.1)
    [many_lines() for i in range(1)]
    lock.release()

main()
print("over")
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """recorded(python) -> a record of SCRIPT run by it, made once."""
    made = {}

    def call(python):
        if python not in made:
            directory = tmp_path_factory.mktemp("run")
            (directory / "deep.py").write_text(SCRIPT)
            done = subprocess.run([TERRARIUM, "run", "--python", python, "--record", "run.trec", "--bundle", "deep.py"], cwd=directory,
                                  capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
            assert done.stdout == b"over\n", done
            made[python] = directory / "run.trec"
        return made[python]

    return call


def replay(*words, stdin=""):
    return subprocess.run([TERRARIUM, "replay", *map(str, words)], capture_output=True, text=True, timeout=60, input=stdin)


@pytest.mark.parametrize("python", KNOWN)
def test_the_stack_of_every_thread(python, recorded):
    done = replay("--until", "unlink#1", "--stack", recorded(python))
    assert done.returncode == 0, done
    version, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"process 2: CPython 3\.\d+", version)
    first, second = "\n".join(lines).split("  thread ")[1:]
    places = [(int(line), name.split(".")[-1]) for line, name in re.findall(r"deep\.py:(\d+)  (.*)", first) if "comp>" not in name]
    assert places == [(7, "run"), (6, "run"), (16, "many_lines"), (25, "main"), (28, "<module>")], done.stdout
    assert first.startswith("2, which ran last\n") and second.startswith("3, in futex\n"), done.stdout
    assert re.findall(r"deep\.py:(\d+)  worker", second) == ["10"] and "threading.py:" in second, done.stdout


def test_a_program_that_is_no_python(tmp_path):
    subprocess.run([TERRARIUM, "exec", "--record", "run.trec", "--bundle", "--", "sh", "-c", "echo x; echo y"], cwd=tmp_path, timeout=60,
                   capture_output=True)
    assert replay("--until", "write#1", "--stack", tmp_path / "run.trec").stdout == "x\nprocess 2: no CPython\n  thread 2, which ran last\n"


def test_memory_that_lies_is_read_to_its_bounds(tmp_path):
    """Strings without an end, and of no kind."""
    code = ("import ctypes, os, sys\n"
            "code = sys._getframe().f_code\n"
            "name = id(code.co_name)\n"
            "ctypes.c_int64.from_address(name + 16).value = 1 << 60\n"     # the length of its name
            "ctypes.c_int64.from_address(id(code.co_filename) + 32).value = 0xff\n"
            "os.getppid()\nos._exit(0)\n")
    done = subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--record", "run.trec", "--bundle", "--", "-c", code],
                          cwd=tmp_path, timeout=60, capture_output=True)
    assert done.returncode == 0, done
    done = replay("--until", "getppid#1", "--stack", tmp_path / "run.trec")
    assert done.returncode == 0 and "?:" in done.stdout and len(done.stdout) < 5000, done


def test_a_stack_that_goes_round_in_a_circle(tmp_path):
    code = ("import ctypes, os, sys\n"
            "frame = ctypes.c_uint64.from_address(id(sys._getframe()) + 24).value\n"
            "ctypes.c_uint64.from_address(frame + 48).value = frame\nos.getppid()\nos._exit(0)\n")
    done = subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--record", "run.trec", "--bundle", "--", "-c", code],
                          cwd=tmp_path, timeout=60, capture_output=True)
    assert done.returncode == 0, done
    done = replay("--until", "getppid#1", "--stack", tmp_path / "run.trec")
    assert done.returncode == 0 and done.stdout.count("<string>:4  <module>") == 1000 and "(not read further)" in done.stdout


def test_maps(recorded):
    done = replay("--until", "unlink#1", "--maps", recorded("/usr/bin/python3"))
    assert re.search(r"^  [0-9a-f]{12}-[0-9a-f]{12} r-xp [0-9a-f]{8}  /usr/bin/python3\.11$", done.stdout, re.M), done
    assert "[stack]" in done.stdout and "[heap]" in done.stdout


def test_the_prompt(recorded):
    commands = "until write#9999999x\nu unlink#1\nstack\nfiles\ncat /tmp/x\nevents 1\nuntil 1\nuntil unlink#1\nnonsense\nuntil\nmaps\ncontinue\nwhere\n"
    done = replay("--shell", recorded("/usr/bin/python3"), stdin=commands)
    assert done.returncode == 0, done
    assert ", at 0.000000000 s, of thread 2" in done.stdout and "expected a number behind '#'" in done.stdout
    assert "deep.py:7  Thing.run" in done.stdout
    assert "unlink(\"/tmp/x\") = 0" in done.stdout
    assert done.stdout.count("that is behind us") == 2 and "nonsense: no such command" in done.stdout
    assert "over\n" in done.stdout and "the run ended behind event" in done.stdout


def record_of(code, directory):
    done = subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--record", "run.trec", "--bundle", "--", "-c", code],
                          cwd=directory, timeout=60, capture_output=True)
    assert done.returncode == 0, done
    return directory / "run.trec"


def test_names_are_no_orders_to_the_terminal(tmp_path):
    code = ("import mmap, os\nname = '/tmp/\\x1b]0;owned\\x07\\n\u00e4\\x9b'\nopen(name, 'w').write('a' * 4096)\n"
            "m = mmap.mmap(os.open(name, os.O_RDWR), 4096)\nos.getppid()\n")
    done = replay("--shell", record_of(code, tmp_path), stdin="until getppid#1\nmaps\nfiles\ncontinue\n")
    assert done.returncode == 0 and done.stdout.count("/tmp/\\033]0;owned\\007\\012\u00e4\\302\\233") == 2, done


def test_a_look_at_a_file_is_no_event_of_the_world(tmp_path):
    """Who watches it hears nothing, whoever waits for a reader waits on."""
    code = ("import ctypes, os\nlibc = ctypes.CDLL(None)\nopen('/tmp/f', 'w').write('what it holds\\n')\nos.mkfifo('/tmp/p')\n"
            "libc.inotify_add_watch(libc.inotify_init1(os.O_NONBLOCK), b'/tmp', 0xfff)\nos.getppid()\n"
            "for what in lambda: os.read(3, 4096), lambda: os.open('/tmp/p', os.O_WRONLY | os.O_NONBLOCK):\n"
            "    try: print('heard', what())\n    except OSError as e: print(e.errno)\n")
    done = replay("--shell", record_of(code, tmp_path), stdin="until getppid#1\ncat /tmp/f\ncat /tmp/p\ncat /dev/ptmx\ncontinue\n")
    assert "what it holds\n" in done.stdout and done.stdout.count("not a regular file") == 2, done
    assert done.returncode == 0 and "11\n6\n" in done.stdout, done


def test_whoever_is_at_the_prompt_may_think(recorded):
    """Neither ticks nor ^C end it; SIGTERM does."""
    shell = subprocess.Popen([TERRARIUM, "replay", "--until", "unlink#1", "--shell", recorded("/usr/bin/python3")], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        assert "behind event" in shell.stdout.readline()
        time.sleep(.05)
        shell.send_signal(signal.SIGINT)
        time.sleep(.05)
        shell.stdin.write("where\n")
        shell.stdin.flush()
    assert "behind event" in shell.stdout.readline()
    shell.send_signal(signal.SIGTERM)
    assert (shell.stdout.read(), shell.wait(60)) == ("", 0)
    shell.stdin.close()


def test_going_on_is_still_the_run(recorded):
    """Standing at many events and going on diverges nowhere."""
    commands = "".join(f"until {n}\nstack\n" for n in range(3, 600, 13)) + "continue\n"
    done = replay("--shell", recorded("/usr/bin/python3"), stdin=commands)
    assert done.returncode == 0 and done.stderr.count("\n") == 0 and "the run ended behind event" in done.stdout, done


@pytest.mark.parametrize("words, message", [
    (["--stack"], "--maps and --stack: of which moment? (--until WHERE)"),
    (["--shell", "--gdb"], "one of --shell and --gdb"),
    (["--shell=yes"], "--shell takes no value"),
])
def test_mistakes(words, message, recorded):
    done = replay(*words, recorded("/usr/bin/python3"))
    assert (done.returncode, done.stderr) == (125, f"terrarium: replay: {message}\n")


def test_gdb(recorded):
    target = f"target remote | {TERRARIUM} replay --gdb --until unlink#1 {recorded('/usr/bin/python3')}"
    asked = ["info threads", "p/x $rip", "x/2i $rip-2", "p/d $orig_rax", "x/s $rdi", "set var $rax = 1", "monitor stack", "monitor until exit_group#1",
             "continue", "monitor where"]
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set remotetimeout 60", "-ex", target,
                           *(w for a in asked for w in ("-ex", a))], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    out = done.stdout + done.stderr
    assert "Thread 2 " in out and "Thread 3 " in out, out
    assert "syscall" in out and "\"/tmp/x\"" in out and "deep.py:7  Thing.run" in out, out
    assert "Could not write" in out or "E01" in out or "Couldn't write" in out, out
    assert "over" in out, out


def test_the_prompt_comes_back_by_an_interrupt(tmp_path):
    """^C at the prompt is nothing; while the replay goes on it brings the prompt back, at the next event."""
    code = "import os\nfor i in range(80000): os.getppid()\nprint('over')"
    subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--record", tmp_path / "r", "--bundle", "--", "-I", "-S", "-c", code], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(TERRARIUM, [TERRARIUM, "replay", "--shell", str(tmp_path / "r")])
    end = time.monotonic() + 90

    def see(wanted, meanwhile=lambda: None):
        shown = b""
        while wanted not in shown:
            assert time.monotonic() < end, shown
            if select.select([fd], [], [], 0.1)[0]:
                shown += os.read(fd, 1000)
            else:
                meanwhile()
        return shown

    see(b"(replay) ")
    os.write(fd, b"\x03")
    see(b"^C")
    os.write(fd, b"until 1h\n")
    # The terminal throws away what was typed and not read yet when it sees ^C; a signal does not, and at the prompt is nothing.
    shown = see(b"behind event ", lambda: os.kill(pid, signal.SIGINT))
    assert b"over" not in shown and b"the run ended" not in shown, shown
    os.write(fd, b"stack\n")
    see(b"process 2: CPython 3")
    os.write(fd, b"quit\n")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(fd)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "r"
    code = "import os\nfor i in range(200000): os.getppid()"
    subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--record", path, "--bundle", "--", "-I", "-S", "-c", code], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    return path


@pytest.mark.parametrize("way", ["byte", "signal", "gone"])
def test_gdb_interrupts(long_run, way):
    """gdb's ^C is a byte on the pipe, or a signal where it shares the terminal: both bring it back, and when it is gone nobody waits."""
    replay = subprocess.Popen([TERRARIUM, "replay", "--gdb", long_run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(packet):
        replay.stdin.write(b"$%s#%02x" % (packet, sum(packet) & 255))
        replay.stdin.flush()

    def answer():
        while replay.stdout.read(1) != b"$":
            pass
        text = b""
        while not text.endswith(b"#"):
            text += replay.stdout.read(1)
        replay.stdout.read(2)
        replay.stdin.write(b"+")
        replay.stdin.flush()
        return text[:-1]

    ask(b"?")
    assert answer() == b"T05thread:2;"
    ask(b"c")
    assert replay.stdout.read(1) == b"+"  # it goes on
    if way == "byte":
        replay.stdin.write(b"\x03")
        replay.stdin.flush()
    elif way == "signal":
        replay.send_signal(signal.SIGINT)
    else:
        replay.stdin.close()
    if way != "gone":
        assert answer() == b"T05thread:2;"
        ask(b"k")
    assert replay.wait(timeout=60) == 0
    replay.stdout.close()
