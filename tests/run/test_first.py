"""The least a sandbox must do: run Python, connect its streams, pass its exit status, show a world of its own."""
import os
import pathlib
import subprocess
import tempfile

import pytest


def test_prints(inside):
    assert inside("print('hello')") == "hello\n"


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_exit_status(terrarium, status):
    assert terrarium("run", "--", "-c", f"raise SystemExit({status})").status == status


def test_killed_by_a_signal(terrarium):
    assert terrarium("run", "--", "-c", "import os; os.kill(os.getpid(), 15)").status == 128 + 15


def test_stdin(terrarium):
    result = terrarium("run", "--", "-c", "print(input()[::-1])", stdin=b"abc\n")
    assert result.out == "cba\n"


def test_script_on_stdin(terrarium):
    assert terrarium("run", "--", "-", stdin=b"print(6 * 7)\n").out == "42\n"


def test_script_stands_alone_in_box(terrarium, tmp_path):
    (tmp_path / "script.py").write_text("import os, sys\nprint(os.getcwd(), os.listdir('.'), sys.argv)\n")
    (tmp_path / "secret.txt").write_text("x")
    result = terrarium("run", "script.py", "a", "b")
    assert result.out == "/box ['script.py'] ['script.py', 'a', 'b']\n"


def test_traceback_goes_to_stderr(terrarium):
    result = terrarium("run", "--", "-c", "1/0")
    assert result.status == 1
    assert "ZeroDivisionError" in result.err and result.out == ""


def test_host_is_not_there(inside):
    out = inside("""
import os, socket
print(socket.gethostname(), os.path.exists('/root/.bashrc'), os.getuid(), os.access('/etc/shadow', os.R_OK))
print(open('/etc/hostname').read().strip(), sorted(os.listdir('/home')))
""")
    assert out == "terrarium False 1000 False\nterrarium ['guest']\n"


def test_report(terrarium):
    result = terrarium("run", "--", "-c", "open('made.txt','w').write('x')", report=True)
    assert result.report["verdict"] == "ok" and result.report["exit"] == 0
    assert "/box/made.txt" in result.report["files"]["created"]
    assert result.report["calls"]["openat"]["calls"] > 0
    assert result.report["unknown"] == {}


def test_nothing_is_left_running():
    """Whoever a run left behind would become a child of this one, which asks for its grandchildren's orphans: prctl(2)."""
    import os
    watch = """if 1:
        import ctypes, os, subprocess, sys
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        status = subprocess.run(sys.argv[1:]).returncode
        try: print(status, "left", os.waitpid(-1, os.WNOHANG))
        except ChildProcessError: print(status, "nobody")
    """
    guest = "import os, time\nif os.fork() == 0: time.sleep(1e6)"
    words = [os.environ["TERRARIUM_UNDER_TEST"], "run", "--python", "/usr/bin/python3", "--", "-c", guest]
    done = subprocess.run(["/usr/bin/python3", "-c", watch, *words], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 nobody\n", done


def test_what_the_caller_may_change_the_guest_may(terrarium, tmp_path):
    """Also where the caller is root, as in many a container: `mode: cow` says so, and the host is not written."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    for path in tree / "a", tree / "sub" / "b":
        path.write_text("given")
        path.chmod(0o600)
    (tree / "sub").chmod(0o700)
    tree.chmod(0o700)
    result = terrarium("run", "--mount", f"{tree}:/t:cow", "--export", tmp_path / "out", "--", "-c", """
import os
open('/t/sub/b', 'a').write('+'); open('/t/sub/new', 'w').write('n'); os.remove('/t/a'); os.mkdir('/t/made')
print(open('/t/sub/b').read(), {os.stat(p).st_uid for p in ('/t', '/t/sub', '/t/sub/b', '/t/sub/new')} == {os.getuid()})
""")
    assert (result.status, result.out) == (0, "given+ True\n"), result
    assert (tree / "a").read_text() == (tree / "sub" / "b").read_text() == "given" and not (tree / "made").exists()
    assert (tmp_path / "out" / "t" / "sub" / "b").read_text() == "given+"


def test_the_script_is_the_guests_whoever_owns_it():
    """So the same script is the same run for root, for its owner and for somebody else."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        script = pathlib.Path(place, "s.py")
        script.write_text("import os; s = os.stat('/box/s.py'); print(s.st_uid == s.st_gid == os.getuid(), oct(s.st_mode))")
        said = set()
        for owner, mode in (0, 0o600), (0, 0o644), (1234, 0o640):
            os.chown(script, owner, owner)
            script.chmod(mode)
            for user in (0, 1234, 65534):
                words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", os.environ["TERRARIUM_UNDER_TEST"], "run", "--python",
                         "/usr/bin/python3", script]
                done = subprocess.run(words, capture_output=True, text=True, cwd=place, timeout=60)
                readable = user in (0, owner) or mode & 4
                assert (done.returncode == 0) == bool(readable), done
                if readable:
                    said.add(done.stdout)
        assert {s.split()[0] for s in said} == {"True"} and len(said) == 1, said


def test_what_is_shown_can_be_seen(terrarium, tmp_path):
    """A directory, a file and a script that are named are the guest's to read, whoever calls; what lies deeper in root's own is as root has it."""
    tree = tmp_path / "tree"
    (tree / "deeper").mkdir(parents=True)
    (tree / "a").write_text("given")
    (tree / "deeper").chmod(0o700)
    tree.chmod(0o700)
    for name, text in ("key", "named"), ("s.py", "print(open('/t/a').read(), open('/k').read()); import os; os.listdir('/t/deeper')"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    result = terrarium("run", "--mount", f"{tree}:/t", "--mount", f"{tmp_path / 'key'}:/k", tmp_path / "s.py")
    assert result.out == "given named\n", result
    assert ("Permission denied: '/t/deeper'" in result.err) == (os.geteuid() == 0), result


def test_killed_by_a_rule(terrarium):
    result = terrarium("run", "--", "-c", "import os; os.getppid(); print('goes on')", policy="terrarium: 1\ncalls: [{kill: getppid}]\n", report=True)
    assert (result.status, result.out, result.report["verdict"]) == (128 + 9, "", "killed"), result


def test_a_rule_about_flags_is_asked_of_every_way_to_open(terrarium):
    policy = """terrarium: 1
calls:
  - {allow: openat, path: "/tmp/free/**"}
  - {deny: openat, path: "/tmp/**", args: {flags: {mask: O_ACCMODE, not: O_RDONLY}}, errno: EROFS}
"""
    code = """
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*a)
    return errno.errorcode[ctypes.get_errno()] if r < 0 else 'opened'
os.mkdir('/tmp/free')
for place in b'/tmp/', b'/tmp/free/':
    print(call(85, place + b'f', 0o644), call(2, place + b'f', 0o101, 0o644), call(257, -100, place + b'f', 0o101, 0o644),
          call(437, -100, place + b'f', struct.pack('QQQ', 0o101, 0o644, 0), 24), call(437, -100, place, struct.pack('QQQ', 0, 0, 0), 24))
"""
    assert terrarium("run", "--", "-c", code, policy=policy).out == "EROFS EROFS EROFS EROFS opened\nopened opened opened opened opened\n"
