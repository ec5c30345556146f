"""How the whole-run tests start the sandbox, and its native twin.

`run(...)` is `terrarium run ...` with a time limit; `native(...)` is the same script under plain python3. A test that
compares the two is differential: Linux itself is its specification.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
TERRARIUM = os.environ.get("TERRARIUM", str(ROOT / "terrarium"))
PYTHON = "/usr/bin/python3"
os.environ["TERRARIUM_UNDER_TEST"] = TERRARIUM  # for tests that start it themselves
SANITIZED = os.path.exists(TERRARIUM) and b"__asan_init" in pathlib.Path(TERRARIUM).read_bytes()


def start_as_from_a_shell():
    """What the caller happens to be must not matter to what is started here: background jobs are given SIGINT ignored, nohup's SIGHUP,
    and a private umask would keep the guest, who is another user, from files that a test makes for it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Of the others subprocess gives two back itself, and the terminal's stops would hold what writes from the background.
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # ignored here as before, and its default after an exec
    os.umask(0o022)
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)  # the guest's is 0 whatever the caller's is
    for name in [name for name in os.environ if name.startswith(("LC_", "PYTHON", "GIT_"))] + ["LANGUAGE", "TZ", "POSIXLY_CORRECT"]:
        os.environ.pop(name, None)
    os.environ["LANG"] = "C.UTF-8"
    os.environ["GIT_CONFIG_GLOBAL"] = os.environ["GIT_CONFIG_SYSTEM"] = "/dev/null"


def pytest_configure(config):
    start_as_from_a_shell()
    config.addinivalue_line("markers", "plain: not for a sanitizer's build, whose own memory, handlers and messages are in the way")


def pytest_collection_modifyitems(items):
    for item in items:
        if SANITIZED and item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.skip(reason="a sanitizer's own memory, handlers and messages are in the way"))


def machine_names():
    """Names that tell of this machine wherever they stand: an ordinary word as a host's name does not."""
    return {name for name in (os.uname().nodename, os.environ.get("HOSTNAME", "")) if len(name) >= 5 and not name.isalpha()}


def natively_on_tmpfs(program, *words):
    """Run program, in a directory of its own, whose name is its first word: as an ordinary user on a tmpfs, whose memory files the sandbox's
    are modelled on."""
    directory = tempfile.mkdtemp(dir="/dev/shm")
    who = {"user": 1000, "group": 1000, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        if who:
            os.chown(directory, 1000, 1000)
        os.chmod(shutil.copy(program, directory), 0o644)
        return Result(subprocess.run([PYTHON, f"{directory}/{program.name}", directory, *words], capture_output=True, timeout=120,
                                     cwd=directory, umask=0o22, stdin=subprocess.DEVNULL, **who))
    finally:
        shutil.rmtree(directory)


def assert_same_lines(a, b, names):
    """Two Results say the same; where they do not, the lines before the first that differs are told."""
    for n, (x, y) in enumerate(zip(a.out.splitlines(), b.out.splitlines())):
        before = "\n".join(b.out.splitlines()[max(0, n - 12):n])
        assert x == y, f"after\n{before}\n{names[0]}: {x}\n{names[1]}: {y}"
    assert (a.status, b.status) == (0, 0), f"{a.err[-2000:]}\n{b.err[-2000:]}"
    assert a.out == b.out


class Result:
    """What a run left: status, stdout, stderr, and the report when one was asked for."""

    def __init__(self, done, report=None):
        self.status = done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")
        self.report = report

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def terrarium(tmp_path):
    """terrarium("run", ..., stdin=b"", policy="yaml text", report=True, timeout=120) -> Result"""

    def call(command, *arguments, stdin=b"", policy=None, report=False, timeout=120, cwd=None, env=None):
        options = []
        if policy is not None:
            path = tmp_path / "policy.yaml"
            path.write_text(policy)
            options += ["--policy", str(path)]
        report_path = tmp_path / "report.json"
        if report:
            options += ["--report", str(report_path)]
        if command in ("run", "exec") and not any(a == "--python" for a in arguments):
            options += ["--python", PYTHON] if command == "run" else []
        done = subprocess.run([TERRARIUM, command, *options, *arguments], input=stdin, capture_output=True,
                              timeout=timeout, cwd=cwd or tmp_path, env=env)
        return Result(done, json.loads(report_path.read_text()) if report else None)

    return call


@pytest.fixture
def inside(terrarium):
    """inside(code) runs `python3 -c code` in the sandbox and asserts that it ended well; returns its stdout."""

    def call(code, **more):
        result = terrarium("run", "--", "-c", code, **more)
        assert result.status == 0, result
        return result.out

    return call


@pytest.fixture
def same(terrarium, tmp_path):
    """same(code): stdout and status natively and inside are equal; returns stdout. Inside it runs once. Natively a busy machine
    may be late with what the code gives it a moment for: what is wrong is wrong three times, each in a directory of its own."""

    def natively(code, stdin, timeout):
        directory = tempfile.mkdtemp(dir=tmp_path)
        return Result(subprocess.run([PYTHON, "-c", code], input=stdin, capture_output=True, timeout=timeout, cwd=directory,
                                     env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}))

    def call(code, stdin=b"", timeout=120, **more):
        result = terrarium("run", "--", "-c", code, stdin=stdin, timeout=timeout, **more)
        for _ in range(3):
            native = natively(code, stdin, timeout)
            if (result.status, result.out) == (native.status, native.out):
                return result.out
        raise AssertionError(f"inside: {result}\nnatively: {native}")

    return call
