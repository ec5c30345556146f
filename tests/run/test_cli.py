"""The contract of the command line: one line on stderr and 125 for what is terrarium's own failure, help everywhere, and the same
options in --help, the manual page and the completion."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]


def call(*words, cwd=None, **more):
    done = subprocess.run([TERRARIUM, *words], capture_output=True, text=True, timeout=60, cwd=cwd, stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout, done.stderr


MISTAKES = [
    ([], "no command (see 'terrarium --help')"),
    (["rnu"], "unknown command 'rnu' (see 'terrarium --help')"),
    (["trace"], "trace: no record named (see 'terrarium trace --help')"),
    (["diff", "a"], "diff: two records, please (see 'terrarium diff --help')"),
    (["verify"], "verify: nothing to run (see 'terrarium verify --help')"),
    (["verify", "-n", "1", "--", "-c", "0"], "verify: -n '1': expected a number from 2 to 10000"),
    (["verify", "--report", "x", "--", "-c", "0"], "verify: --report is verify's own business here"),
    (["verify", "--capture=c.pcapng", "--", "-c", "0"], "verify: --capture is verify's own business here"),
    (["verify", "--har", "h", "--", "-c", "0"], "verify: --har is verify's own business here"),
    (["verify", "--polcy", "x"], "verify: unknown option '--polcy' (did you mean '--policy'?) (see 'terrarium verify --help')"),
    (["verify", "none.py"], "none.py: No such file or directory"),
    (["keygen"], "keygen: a file to make, please (see 'terrarium keygen --help')"),
    (["run", "--polcy", "x"], "run: unknown option '--polcy' (did you mean '--policy'?) (see 'terrarium run --help')"),
    (["run", "-c", "0"], "run: unknown option '-c'; what is for python3 goes behind '--' (see 'terrarium run --help')"),
    (["run", "--seed"], "run: --seed needs a value: N (see 'terrarium run --help')"),
    (["run", "--seed", "x", "--", "-c", "0"], "--seed: random.seed: 'x': expected a whole number such as 42"),
    (["run", "--seed=1", "--seed=2", "--", "-c", "0"], "run: --seed is given twice (see 'terrarium run --help')"),
    (["run", "--quiet=1", "--", "-c", "0"], "run: --quiet takes no value (see 'terrarium run --help')"),
    (["run", "--cwd", "here", "--", "-c", "0"],
     "--cwd: cwd: 'here': expected an absolute path of the guest, such as /data"),
    (["run", "--trap", "most", "--", "-c", "0"], "--trap: trap: 'most': expected default or all"),
    (["run", "--limit", "cpuu=1s", "--", "-c", "0"], "--limit: unknown key 'cpuu' (did you mean 'cpu'?)"),
    (["run", "--limit", "cpu=1", "--", "-c", "0"],
     "--limit: limits.cpu: '1': expected a duration with its unit, such as 10s, 500ms, 2m or 1h"),
    (["run", "--mount", "/a", "--", "-c", "0"], "--mount: '/a': expected HOST:GUEST[:ro|cow]"),
    (["run", "--mount", "/no/such:/a", "--", "-c", "0"], "(command line): cannot read /no/such: No such file or directory"),
    (["run", "--image", "/no/such.tar", "--", "-c", "0"],
     "(command line): cannot read /no/such.tar: No such file or directory"),
    (["run", "--env", "A", "--", "-c", "0"], "--env: 'A': expected NAME=VALUE"),
    (["run", "--policy", "none.yaml", "--", "-c", "0"], "none.yaml: No such file or directory"),
    (["run", "--policy", "gradin", "--", "-c", "0"],
     "gradin: no profile is named 'gradin' (did you mean 'grading'?) (a file's name has a '.' or a '/' in it: ./gradin)"),
    (["run", "none.py"], "none.py: No such file or directory"),
    (["exec"], "exec: no program named (see 'terrarium exec --help')"),
    (["policy"], "policy: check, explain or show? (see 'terrarium policy --help')"),
    (["policy", "chekc"], "policy: unknown command 'chekc' (check, explain or show)"),
    (["policy", "check"], "policy check: no file named (see 'terrarium policy --help')"),
    (["policy", "show", "--polcy"], "policy show: unknown option '--polcy' (see 'terrarium policy --help')"),
    (["policy", "explain", "--policy"], "policy explain: --policy needs a value: FILE"),
    (["policy", "explain", "opnat"], "policy explain: no system call is named 'opnat' (did you mean 'openat'?)"),
    (["doctor", "--jsno"], "doctor: unknown option '--jsno' (see 'terrarium doctor --help')"),
]


@pytest.mark.parametrize("words, message", MISTAKES, ids=lambda x: " ".join(x)[:40] if isinstance(x, list) else "")
def test_one_line_and_125(words, message, tmp_path):
    assert call(*words, cwd=tmp_path) == (125, "", f"terrarium: {message}\n")


def test_check_finds_what_is_missing(tmp_path):
    (tmp_path / "p.yaml").write_text("terrarium: 1\nmounts:\n  - {at: /d, tar: none.tar}\n")
    assert call("policy", "check", "p.yaml", cwd=tmp_path) == (
        125, "", "terrarium: p.yaml:3:5: cannot read none.tar: No such file or directory\n")


@pytest.mark.parametrize("command", ["run", "exec", "policy", "doctor", "replay", "trace", "diff", "verify", "keygen"])
def test_help(command):
    status, out, err = call(command, "--help")
    assert status == 0 and err == "" and command in out


def test_help_and_version():
    assert call("--version")[1].startswith("terrarium 0.")
    status, out, _ = call("--help")
    assert status == 0
    for command in ("run", "exec", "policy", "doctor", "replay"):
        assert f"  {command} " in out


def test_options_stand_everywhere():
    options = set(re.findall(r"^  (--[a-z-]+)", call("run", "--help")[1], re.M))
    assert {"--policy", "--limit", "--export", "--quiet"} <= options
    manual = (ROOT / "docs/terrarium.1").read_text()
    assert options == {f"--{name}" for name in re.findall(r"^\.It Fl -([a-z-]+)", manual, re.M)}
    completion = (ROOT / "cli/terrarium.bash").read_text()
    listed = re.search(r'options="([^"]*)"', completion).group(1).split()
    assert options == set(listed)


@pytest.mark.parametrize("command", ["exec", "doctor", "replay", "trace", "diff", "verify", "keygen"])
def test_options_of_the_other_commands_too(command):
    manual = (ROOT / "docs/terrarium.1").read_text()
    completion = (ROOT / "cli/terrarium.bash").read_text()
    for option in re.findall(r"^  --([a-z-]+)", call(command, "--help")[1], re.M):
        assert re.search(rf"Fl -{option}( |$)", manual, re.M), option
        assert re.search(rf"--{option}[\s\"]", completion), option


@pytest.mark.parametrize("words, completed", [
    ("run --po", "--policy"), ("run --trap ''", "all"), ("doctor --j", "--json"), ("policy ex", "explain"),
    ("run --seed ''", ""), ("run -- --po", ""), ("exec -- --policy gr", "")])
def test_completion_completes(words, completed, tmp_path):
    count = len(words.split())
    script = f"source {ROOT}/cli/terrarium.bash; COMP_WORDS=(terrarium {words}); COMP_CWORD={count}; _terrarium; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"{completed}\n", "")


def test_doctor():
    status, out, err = call("doctor")
    assert status == 0 and err == "", out
    assert all(line.split()[0] in ("ok", "missing") for line in out.splitlines())
    found = json.loads(call("doctor", "--json")[1])
    assert found["runs_are_possible"] is True
    assert len(found["tried"]) == len(out.splitlines())
    assert {"ptrace", "seccomp", "Landlock"} <= {one["name"] for one in found["tried"]}
    assert all("consequence" in one for one in found["tried"] if not one["there"])


def test_doctor_names_the_interpreter_that_runs_take(tmp_path):
    """A pyenv's shim is a script, which no world has the shell's files for."""
    (tmp_path / "python3").write_text("#!/bin/sh\n")
    (tmp_path / "python3").chmod(0o755)
    done = subprocess.run([TERRARIUM, "doctor"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert "ok       python3            /usr/bin/python3\n" in done.stdout


WITHOUT = """
import ctypes, os, struct, sys
# A classic BPF program, as a container's profile is one: a call gets an answer of its own, all else is allowed.
call, answer = int(sys.argv[1]), int(sys.argv[2])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, answer), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
head = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.create_string_buffer(head)) == 0
os.execv(sys.argv[3], sys.argv[3:])
"""
CALLS = {"getcwd": 79, "ptrace": 101, "personality": 135, "process_vm_readv": 310, "process_vm_writev": 311, "seccomp": 317,
         "memfd_create": 319, "execveat": 322, "openat2": 437, "sched_setaffinity": 203, "unshare": 272,
         "landlock_create_ruleset": 444}
ANSWERS = {"EPERM": 0x00050001, "ENOSYS": 0x00050026, "kill": 0x80000000}


def call_without(call, answer, *words):
    return subprocess.run(["/usr/bin/python3", "-c", WITHOUT, str(CALLS[call]), str(ANSWERS[answer]), TERRARIUM, *words],
                          capture_output=True, text=True, timeout=60)


FORBIDDEN = [
    ("ptrace", "ptrace"), ("process_vm_readv", "guest memory"),
    ("process_vm_writev", "guest memory"), ("seccomp", "seccomp"), ("memfd_create", "memfd"), ("execveat", "memfd"),
    ("openat2", "host files"),
]


@pytest.mark.parametrize("call, missing, answer", [
    (*row, answer) for row in FORBIDDEN for answer in ANSWERS if (row[0], answer) != ("openat2", "ENOSYS")])
def test_doctor_where_a_call_is_forbidden(call, missing, answer):
    done = call_without(call, answer, "doctor")
    assert (done.returncode, done.stderr) == (125, f"terrarium: runs are not possible here: {missing}\n"), done.stdout
    assert f"FAILED   {missing} " in done.stdout
    assert ("ok       memfd " in done.stdout) == (missing != "memfd")
    ran = call_without(call, answer, "exec", "--", "/bin/true")  # doctor is right: a run fails as well
    assert ran.returncode != 0, ran
    if missing == "guest memory" and answer != "kill":
        assert ran.returncode == 125 and "cannot reach the guest's memory (process_vm_readv(2) and" in ran.stderr, ran


@pytest.mark.parametrize("call, answer, line", [
    ("sched_setaffinity", "EPERM", "missing  one CPU "), ("unshare", "EPERM", "missing  user namespaces "),
    ("landlock_create_ruleset", "ENOSYS", "missing  Landlock "),
    ("personality", "EPERM", "ok       fixed addresses    randomisation cannot be switched off "),
    ("openat2", "ENOSYS", "ok       host files         no openat2: ")])
def test_doctor_where_a_call_is_missed_only(call, answer, line):
    if line in call_without("getcwd", answer, "doctor").stdout:
        pytest.skip("this machine misses it from the start (in a chroot nobody makes user namespaces)")
    done = call_without(call, answer, "doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert line in done.stdout
    ran = call_without(call, answer, "exec", "--", "/bin/true")  # and a run goes well
    assert (ran.returncode, ran.stderr) == (0, ""), ran


@pytest.mark.parametrize("words, argv", [
    (["script.py", "-c", "x"], ["script.py", "-c", "x"]),
    (["sub/script.py"], ["script.py"]),
    (["--", "-I", "script.py", "--policy"], ["script.py", "--policy"]),
    (["--", "-W", "ignore", "script.py"], ["script.py"]),
    (["--", "-bWignore::UserWarning:mc", "script.py"], ["script.py"]),
    (["--", "-BX", "utf8", "script.py"], ["script.py"]),
    (["--", "--check-hash-based-pycs", "always", "script.py"], ["script.py"]),
    (["--quiet", "script.py"], ["script.py"]),
    (["--", "-Ic", "import sys; print(sys.argv)", "a"], ["-c", "a"]),
    (["--", "-", "script.py"], ["-", "script.py"]),
])
def test_words_are_pythons_own(words, argv, tmp_path):
    (tmp_path / "sub").mkdir()
    for where in (tmp_path, tmp_path / "sub"):
        (where / "script.py").write_text("import sys\nprint(sys.argv)\n")
    done = subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", *words], input="import sys\nprint(sys.argv)\n",
                          capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{argv}\n"), done.stderr


def test_install(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/t"], cwd=ROOT, check=True, timeout=300)
    base = tmp_path / "opt/t"
    assert sorted(str(p.relative_to(base)) for p in base.rglob("*") if p.is_file()) == [
        "bin/terrarium",
        "share/bash-completion/completions/terrarium",
        "share/man/man1/terrarium.1",
        "share/terrarium/policy.schema.json",
        "share/terrarium/profiles/forensic.yaml",
        "share/terrarium/profiles/grading.yaml",
        "share/terrarium/profiles/offline.yaml",
    ]
    done = subprocess.run([base / "bin/terrarium", "policy", "show", "grading"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and f"# {base}/bin/../share/terrarium/profiles/grading.yaml:" in done.stdout


@pytest.mark.parametrize("words, said", [([], "terrarium: ended by the limit output=100\n"), (["--quiet"], "")])
def test_which_limit_ended_the_run_is_said(terrarium, words, said):
    result = terrarium("run", *words, "--limit", "output=100", "--", "-c", "import os; os.write(1, b'x' * 90); os.write(1, b'y' * 900)",
                       report=True)
    assert (result.status, result.err) == (124, said)
    assert result.out == "x" * 90 + "y" * 10 # what it still allowed
    assert result.report["limits"]["output"] == {"used": 100, "allowed": 100}


@pytest.mark.parametrize("soft, hard", [(64, 8192), (64, 1024), (64, 64)], ids=str)
def test_a_small_stack_of_the_callers(soft, hard):
    """It is made larger where that is allowed; the guest's is the world's."""
    command = f"ulimit -Ss {soft}; ulimit -Hs {hard}; exec \"$@\""
    run = ["-c", "import resource; print(resource.getrlimit(resource.RLIMIT_STACK))"]
    done = subprocess.run(["/bin/bash", "-c", command, "bash", TERRARIUM, "run", "--python", "/usr/bin/python3", "--", *run], text=True,
                          capture_output=True)
    if hard < 1024 and done.returncode != 0:  # who has CAP_SYS_RESOURCE may raise it
        assert (done.returncode, done.stderr) == (125, "terrarium: the limit of the stack (ulimit -s) is too small: 1 MiB is needed\n")
    else:
        assert (done.returncode, done.stdout) == (0, "(8388608, -1)\n"), done


def test_an_upgraded_interpreter_is_learned_at_build_time(tmp_path):
    """A package's files have its times, older than what was built: make would take the table of the interpreter before for current."""
    interpreter, table = tmp_path / "python", tmp_path / "build/supervisor/count/known_table.c"

    def made():
        subprocess.run(["make", "-s", f"BUILD={tmp_path}/build", f"KNOWN={interpreter}", "CFLAGS=-O0", str(table)], cwd=ROOT, check=True,
                       timeout=300)
        return table.read_text(), table.stat().st_mtime_ns
    shutil.copy2("/bin/sh", interpreter)
    none, first = made()
    assert "sites_0" not in none and made() == (none, first)
    interpreter.unlink()
    shutil.copy2("/usr/bin/python3", interpreter)
    os.utime(interpreter, (0, 0))
    assert "sites_0" in made()[0]
