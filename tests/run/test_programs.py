"""Programs that were not written for this: natively and inside they say the same."""
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from conftest import PYTHON, TERRARIUM

# Each runs in an empty directory. Nothing in their output may depend on the time, on who runs them or on the host.
SHELL = {
    "gcc": r"""
        printf '#include <stdio.h>\n#include <math.h>\nint main(int c, char **v) { printf("%%d %%.6f\\n", c, cos(c)); return 3; }\n' > a.c
        gcc -O2 -Wall -pthread -o a a.c -lm && ./a x y; echo $?
        gcc -static -o b a.c -lm && ./b; echo $?
        gcc -c nothing.c; echo $?
        printf 'int f(void) { return 7; }\n' > f.c; gcc -shared -fPIC -o libf.so f.c
        printf 'int f(void); int main(void) { return f(); }\n' > g.c; gcc -o g g.c -L. -lf -Wl,-rpath,'$ORIGIN' && ./g; echo $?
        """,
    "make": r"""
        printf 'all: a b c\n.PHONY: all\na b c:\n\t@sleep 0.01; echo made > $@\n%%.o: %%.c\n\tfalse\n' > Makefile
        make -j3 -s; cat a b c; make -q; echo $?; make x.o; echo $?
        """,
    "git": r"""
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b HOME=$PWD
        export GIT_AUTHOR_DATE='2024-01-02T03:04:05Z' GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'
        git init -q -b main one; cd one
        seq 300 > f; git add f; git commit -qm first; sed -i 's/^7$/seven/' f; mkdir d; echo x > d/g; git add -A; git commit -qm second
        git log --format='%H %s'; git diff --stat HEAD~1; git status --short; git gc -q; git fsck 2>&1; cd ..
        git clone -q one two; cd two; git checkout -qb side HEAD~1; echo y >> f; git commit -qam third; git merge -q --no-edit main; git log --oneline | wc -l
        git rebase -q main 2>&1; git bisect start -q HEAD HEAD~2 2>&1 | head -1; git stash list; git blame -s f | sort | cut -c1-8 | uniq -c | sort -n
        """,
    "sqlite3": r"""
        sqlite3 t.db 'pragma journal_mode=wal; create table t(a, b); begin; insert into t values(1, "x"), (2, "y"); commit; select sum(a) from t;'
        sqlite3 t.db 'create index i on t(b); explain query plan select * from t where b = "x"; vacuum; pragma integrity_check;'
        sqlite3 t.db 'begin immediate; select "held";' '.shell touch held; sleep 0.3' 'commit;' > first &
        until [ -e held ]; do sleep 0.01; done
        sqlite3 t.db '.timeout 30000' 'insert into t values(3, "z"); select count(*) from t;'; wait; cat first
        """,
    "tar": r"""
        mkdir -p a/b; seq 2000 > a/x; ln a/x a/y; ln -s x a/z; mkfifo a/p; chmod 751 a/b; touch -h -d '2020-02-03 04:05:06.789' a/x a/z a/p a/b
        for z in '' z J; do tar c${z}f a.tar a && mkdir out && tar x${z}f a.tar -C out && diff -r out/a/x a/x && stat -c '%n %a %F %Y %h' out/a/*; rm -r out; done
        truncate -s 5M sparse; tar cSf s.tar sparse; [ $(stat -c %s s.tar) -lt 100000 ] && echo small; (cd a; find . -newer b | sort | head -1)
        rm a/y; gzip -k a/x; zcat a/x.gz | md5sum; xz -9 a/x; xz -l a/x.xz | wc -l
        """,
    "perl": r"""
        perl -e 'open(F, "|sort -r") or die; print F "a\nb\nc\n"; close F; print `echo hi`; my %h = map { $_ => $_ ** 2 } 1 .. 5;
                 print join(",", map { "$_=$h{$_}" } sort keys %h), "\n"; $SIG{ALRM} = sub { die "late\n" }; alarm 1; eval { select(undef, undef, undef, 5) };
                 print $@; if (my $p = fork) { waitpid $p, 0; print $? >> 8, "\n" } else { exit 5 } exec "echo", "done"'
        """,
    "pipelines": r"""
        seq 100000 | sort -rn | uniq | awk '{ s += $1 } END { printf "%d\n", s }'
        yes | head -c 3000000 | md5sum; (echo a; sleep 0.05; echo b) | while read l; do echo "<$l>"; done
        seq 5 | tee >(wc -l > count) > /dev/null; until [ -s count ]; do sleep 0.01; done; cat count; seq 1000 | xargs -P 3 -n 100 sh -c 'echo $#' | sort | uniq -c
        head -c 100000 /dev/zero | split -b 30000 - part.; ls part.* | wc -l; cat part.* | wc -c
        false | true; echo $?; (exit 3); echo $?; sh -c 'kill -9 $$'; echo $?; trap 'echo bye' EXIT; echo end
        """,
    "find": r"""
        find /usr/share/perl /usr/lib/python3.11/json -type f | LC_ALL=C sort | md5sum
        find /usr/bin -name 'p*' -perm -u+x \( -type f -o -type l \) -printf '%f %y %s\n' | LC_ALL=C sort | md5sum
        mkdir -p d/e/f; touch d/1 d/e/2 d/e/f/3; find d -depth -delete; ls; du -s --apparent-size /usr/lib/python3.11/json | cut -f1 | wc -l
        """,
}


def natively(script, directory):
    done = subprocess.run(["/bin/bash", "-c", script], cwd=directory, capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "TZ": "UTC"})
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.mark.parametrize("name", SHELL)
def test_as_natively(terrarium, tmp_path, name):
    here = tmp_path / "here"
    here.mkdir()
    native = natively(SHELL[name], here)
    result = terrarium("exec", "--env", "TZ=UTC", "--", "/bin/bash", "-c", SHELL[name], timeout=120)
    assert (result.status, result.out) == native[:2], f"{result}\nnatively: {native}"
    assert len(native[1].splitlines()) > 2, native


def test_python_makes_environments_and_runs_its_tests(inside):
    assert inside("""
import subprocess, sys
def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout.strip() or done.stderr.strip()
print(run('python3', '-m', 'pip', '--version')[1].split()[0])
print(run('python3', '-m', 'venv', '--without-pip', '/tmp/v'))
print(run('/tmp/v/bin/python', '-c', 'import sys; print(sys.prefix, sys.prefix != sys.base_prefix)'))
open('/tmp/v/lib/python3.11/site-packages/mine.py', 'w').write('x = 7')
print(run('/tmp/v/bin/python', '-c', 'import mine; print(mine.x)'))
open('test_a.py', 'w').write('import unittest\\nclass T(unittest.TestCase):\\n def test_a(self): pass\\n def test_b(self): self.fail()\\n')
code, text = run('python3', '-m', 'unittest', '-v')
print(code, text.splitlines()[-1])
""", timeout=120) == ("pip\n(0, '')\n(0, '/tmp/v True')\n(0, '7')\n1 FAILED (failures=1)\n")


def test_libraries_with_c_extensions(same):
    assert "PNG" in same("""
import hashlib, io
import pandas as pd
d = pd.DataFrame({'a': range(10), 'b': list('xy') * 5})
print(d.groupby('b').a.agg(['sum', 'mean']).to_string())
d.to_csv('table.csv')
print(pd.read_csv('table.csv', index_col=0).equals(d), pd.date_range('2024-02-27', periods=3).strftime('%a %d').tolist())
from PIL import Image, ImageDraw, ImageFilter
i = Image.new('RGB', (64, 48), 'white')
ImageDraw.Draw(i).ellipse((5, 5, 40, 40), fill='red')
i = i.filter(ImageFilter.GaussianBlur(2)).rotate(30)
for kind in 'PNG', 'JPEG', 'GIF', 'TIFF':
    b = io.BytesIO()
    i.save(b, kind)
    b.seek(0)
    print(kind, hashlib.md5(b.getvalue()).hexdigest(), Image.open(b).size)
from lxml import etree
r = etree.fromstring('<a><b x="1">t</b><b x="2"/></a>')
print(r.xpath('//b[@x="2"]')[0].get('x'), etree.tostring(r))
try:
    etree.fromstring('<a>')
except etree.XMLSyntaxError as e:
    print(e)
""")


# ---- on a terminal -------------------------------------------------------------------------------------------------------

class Terminal:
    """A program on a terminal of its own, and what it wrote there."""

    def __init__(self, command, directory):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in a shell's job without job control
            os.chdir(directory)
            os.execvpe(command[0], command, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "TERM": "dumb", "PS1": "$ "})
        self.seen = ""

    def until(self, pattern, seconds=60):
        """Reads until the pattern stands in what came since the last one; gives that text."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                text, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return text.replace("\r", "")
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:  # the other end closed
                self.seen += "\n<closed>"

    def type(self, text):
        os.write(self.fd, text.encode())

    def type_until(self, text, pattern):
        """Types it until it was heard: whoever reads or is in the foreground may not be there yet when it comes first."""
        for _ in range(12):
            self.type(text)
            try:
                return self.until(pattern, 5)
            except AssertionError:
                pass
        return self.until(pattern, 0)

    def end(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


@pytest.fixture(params=["natively", "inside"])
def terminal(request, tmp_path):
    started = []

    def start(*command):
        whole = list(command) if request.param == "natively" else [TERRARIUM, "exec", "--quiet", "--env", "PS1=$ ", "--env", "TERM=dumb", "--", *command]
        started.append(Terminal(whole, tmp_path))
        return started[-1]

    yield start
    for t in started:
        try:
            os.kill(t.pid, signal.SIGKILL)
            os.waitpid(t.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_python_on_a_terminal(terminal):
    t = terminal(PYTHON, "-q")
    t.until(">>> ")
    t.type("1 + 1\n")
    assert "\n2\n" in t.until(r"2\r?\n>>> ")
    t.type("def spin():\n  print('run' + 'ning')\n  while True: pass\n\nspin()\n")
    t.until("running\r?\n")
    t.type("\x03")
    t.until("KeyboardInterrupt\r?\n>>> ")
    t.type("half a li")
    t.until("half a li")
    t.type_until("\x03", "KeyboardInterrupt\r?\n>>> ")  # CPython looks for signals, then waits: one that comes between is slept over
    t.type("rint(70 + 7)\x01p\n")  # ^A goes to the line's beginning: line editing
    t.until("\n77\r?\n>>> ")
    t.type("input()\n")
    t.until(r"\n")
    t.type("typed\n")
    t.until("'typed'\r?\n>>> ")
    t.type("\x04")
    t.until("<closed>")
    assert t.end() == 0


def test_a_terminal_is_written_to_and_read_by_any_of_its_streams(terminal):
    t = terminal(PYTHON, "-c", """
import os, select
for name in 0, '/dev/tty', '/dev/stdin':
    fd = name if name == 0 else os.open(name, os.O_RDWR)
    left = 200000
    while left: left -= os.write(fd, b'.' * min(left, 50000))
    print('\\nwritten', name, select.select([], [fd], [])[1] == [fd], flush=True)
print('read', os.read(1, 100), select.select([2], [], [])[0], os.read(2, 100))
print(open('/dev/tty').readline(), flush=True)
import getpass
print(getpass.getpass('password: '))
""")
    for name in "0", "/dev/tty", "/dev/stdin":
        assert t.until(f"written {name} True").count(".") == 200000
    t.type("one\n")
    t.until("one")
    t.type("two\n")
    t.until(r"read b'one\\n' \[2\] b'two\\n'")
    t.type("three\n")
    assert t.until("password: ").count("three\n") == 2
    t.type("four\n")
    t.until(r"\nfour\r?\n")
    t.until("<closed>")
    assert t.end() == 0


def test_job_control_of_a_shell(terminal):
    t = terminal("/bin/bash", "--norc", "--noediting", "-i")
    t.until(r"\$ $")
    t.type("mkfifo p\n")
    t.until(r"\$ $")
    t.type("echo go; cat p\n")  # it waits for the other end, not for time to pass
    t.until("\ngo\r?\n")  # before that ^Z would take back what was typed
    t.type_until("\x1a", r"\[1\]\+  Stopped +cat p\r?\n.*\$ $")
    t.type("jobs; bg; jobs\n")
    t.until(r"Stopped[^$]*cat p &[^$]*Running[^$]*\$ $")
    t.type("fg\n")
    t.until(r"fg\r?\ncat p\r?\n")
    t.type_until("\x03", r"\$ $")
    t.type("echo status $?; cat | tr a-z A-Z\n")
    t.until(r"status 130\r?\n")
    t.type("hello\n")
    t.until(r"hello\r?\n")
    t.type("\x04")
    t.until(r"HELLO\r?\n.*\$ $")
    t.type("cat & \n")
    t.until(r"\$ $")
    t.type("while [[ $(jobs) != *Stopped* ]]; do sleep 0.05; done; jobs\n")
    t.until(r"Stopped +cat\r?\n.*\$ $")
    t.type("kill %1; while [[ $(jobs) == *Stopped* ]]; do sleep 0.05; done; stty -a | grep -c isig; exit 7\n")
    t.until(r"\n1\r?\n")
    t.until("<closed>")
    assert t.end() == 7


def test_a_world_is_a_job_of_the_callers_shell(tmp_path):
    t = Terminal(["/bin/bash", "--norc", "--noediting", "-i"], tmp_path)
    t.until(r"\$ $")
    t.type(f"{TERRARIUM} exec --quiet -- /bin/sh -c 'echo ready; cat; echo over'\n")
    t.until(r"\nready\r?\n")
    t.type("one\n")
    t.until(r"one\r?\none\r?\n")
    t.type("\x1a")
    t.until(r"Stopped .*\r?\n.*\$ $")
    t.type("echo $((6 * 7)); fg\n")
    t.until(r"\n42\r?\n.*over'\r?\n")
    t.type("two\n")
    t.until(r"two\r?\ntwo\r?\n")
    t.type("\x04")
    t.until(r"over\r?\n.*\$ $")
    t.type("exit\n")
    t.until("<closed>")
    assert t.end() == 0


def test_the_terminal_of_a_session_has_a_name_of_its_own(same):
    out = same("""
import fcntl, os, pty, sys, termios
def open_it():
    try:
        fd = os.open('/dev/tty', os.O_RDWR)
        return os.ttyname(fd), os.get_blocking(fd), termios.tcgetattr(fd)[2] > 0, os.tcgetpgrp(fd) == os.getpgrp()
    except OSError as e:
        return e.strerror
master, slave = os.openpty()
if os.fork() == 0:
    os.setsid()
    print(open_it())
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    print(open_it(), flush=True)
    os._exit(0)
os.wait()
pid, fd = pty.fork()
if pid == 0:
    print(open_it(), flush=True)
    os.write(os.open('/dev/tty', os.O_WRONLY), b'straight there')
    os._exit(0)
got = b''
while not got.endswith(b'there'): got += os.read(fd, 100)
print(got)
""")
    assert out.startswith("No such device or address\n('/dev/tty', True, True, True)\n"), out
