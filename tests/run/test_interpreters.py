"""Which interpreter runs: Debian's, a venv, whatever of pyenv's the machine has; programs that are not Python."""
import glob
import os
import pathlib
import subprocess

import pytest

PYENV = sorted(glob.glob("/root/.pyenv/versions/3.*/bin/python3") + glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")))


def test_debian(terrarium):
    assert terrarium("run", "--python", "/usr/bin/python3", "--", "-c", "import sys; print(sys.prefix)").out == "/usr\n"


def test_venv(terrarium, tmp_path):
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    result = terrarium("run", "--python", str(tmp_path / "env/bin/python"), "--", "-c", "import sys; print(sys.prefix, sys.base_prefix)")
    assert result.out == f"{tmp_path}/env /usr\n"


@pytest.mark.skipif(not PYENV, reason="no pyenv on this machine")
def test_pyenv_prefix_below_a_private_home(terrarium):
    result = terrarium("run", "--python", PYENV[-1], "--", "-c", "import sys, json, ssl; print(sys.prefix)")
    assert result.out.strip() == str(pathlib.Path(PYENV[-1]).parents[1]), result


def test_numpy(inside):
    assert inside("import numpy; print(int(numpy.arange(1000).sum()))") == "499500\n"


@pytest.mark.parametrize("words, out", [
    (["/bin/echo", "hi"], "hi\n"),
    (["sh", "-c", "echo a | tr a b; exit 3"], "b\n"),
    (["sqlite3", ":memory:", "select 6*7"], "42\n"),
])
def test_programs(terrarium, words, out):
    result = terrarium("exec", "--", *words)
    assert result.out == out, result


def test_git(terrarium):
    script = "cd /tmp && git init -q r && cd r && git -c user.email=a@b -c user.name=n commit -q --allow-empty -m first && git log --format=%s"
    assert terrarium("exec", "--", "sh", "-c", script).out == "first\n"


def test_compiler(terrarium):
    script = "cd /tmp && echo 'int main(){return 7;}' > a.c && gcc a.c -o a && ./a"
    assert terrarium("exec", "--", "sh", "-c", script).status == 7


def test_no_such_program(terrarium):
    result = terrarium("exec", "--", "no-such-program")
    assert result.status == 125
    assert result.err.startswith("terrarium: no-such-program: no such program in the world") and result.err.count("\n") == 1
