"""A record made without --bundle names the bytes that the run read: it runs again where they are, and says what is missing or changed."""
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from test_replay import NETWORK, ASK, TERRARIUM, record, replay, same

CODE = "import json, os\nprint(open('/data/f').read(), json.loads('[1]'), os.stat('/data/f').st_mtime, os.listdir('/data'))\n"


@pytest.fixture
def made(tmp_path):
    """A script and what it reads, recorded; then moved to where nobody looks for it by itself."""
    (tmp_path / "telling-name").mkdir()
    (tmp_path / "telling-name/f").write_text("given")
    (tmp_path / "telling-name/big").write_bytes(bytes(3 << 20))
    (tmp_path / "script.py").write_text(CODE)
    first = record(tmp_path, "--mount", "telling-name:/data", "script.py", bundle=False)
    assert b"given" in first.stdout, first
    (tmp_path / "telling-name").rename(tmp_path / "elsewhere")
    return tmp_path, first


def refused(done, *lines):
    assert (done.returncode, done.stdout) == (125, b""), done
    said = done.stderr.decode().splitlines()
    assert sorted(said[:-1]) == sorted(f"terrarium: replay: {line}" for line in lines), done
    assert said[-1].endswith("and the record was made without --bundle (--mount HOST:GUEST says where a file or directory is)")


def test_where_the_files_are(made):
    at, first = made
    assert (at / "run.trec").stat().st_size < 150 << 10
    same(first, replay("--mount", f"{at}/elsewhere:/data", "run.trec", cwd=at))
    os.utime(at / "elsewhere/f")  # what its times are now is nobody's business
    (at / "elsewhere/more").write_text("not there then")
    same(first, replay("--mount", "elsewhere:/data", "--mount=script.py:/box/script.py", at / "run.trec", cwd=at))


def test_no_place_of_the_host_is_in_it(made):
    at, _ = made
    tool = pathlib.Path(__file__).resolve().parents[2] / "tools" / "read_record.py"
    shown = subprocess.run(["/usr/bin/python3", tool, "--manifest", at / "run.trec"], capture_output=True, timeout=60)
    assert shown.returncode == 0 and b"telling-name" not in shown.stdout and b'"/data"' in shown.stdout, shown


def test_what_is_missing_or_changed_is_named(made):
    at, _ = made
    refused(replay("run.trec", cwd=at), "run.trec: /data/f: missing")
    (at / "script.py").write_text("print(open('/etc/shadow').read())")
    (at / "elsewhere/f").write_text("GIVEN")
    refused(replay("--mount", "elsewhere:/data", "run.trec", cwd=at), "run.trec: /data/f: changed", "run.trec: /box/script.py: changed")
    refused(replay("--mount", "none:/data", at / "run.trec", cwd="/"), f"{at}/run.trec: /data/f: missing", f"{at}/run.trec: /box/script.py: missing")
    done = replay("--mount", "elsewhere:/usr", "--mount", "elsewhere:/data", "run.trec", cwd=at)
    assert done.returncode == 125 and b": /usr/bin/python3.11: missing\n" in done.stderr, done


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "proc", "device", "link"])
def test_what_lies_there_is_no_file(made, kind):
    """A FIFO would be waited for, reading a device or /proc may do something. A link is as good as what it leads to."""
    at, first = made
    f = at / "elsewhere/f"
    f.rename(at / "kept")
    if kind == "fifo":
        os.mkfifo(f)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(f))
    elif kind == "directory":
        f.mkdir()
    else:
        f.symlink_to({"proc": "/proc/version", "device": "/dev/zero", "link": at / "kept"}[kind])
    done = replay("--mount", "elsewhere:/data", "run.trec", cwd=at)
    if kind == "link":
        same(first, done)
    else:
        refused(done, "run.trec: /data/f: missing")


def test_another_place_of_the_interpreter(tmp_path):
    """Nothing of the host is executed but what was hashed: a copy elsewhere is as good, and it alone is used."""
    venv = tmp_path / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", "--copies", venv], check=True)
    first = subprocess.run([TERRARIUM, "run", "--python", venv / "bin/python3", "--record", tmp_path / "run.trec", "--", "-c",
                            "import sys, calendar; print(sys.prefix)"], capture_output=True, timeout=60)
    venv.rename(tmp_path / "moved")
    assert f"{venv}/bin/python3: missing".encode() in replay(tmp_path / "run.trec").stderr
    same(first, replay("--mount", f"{tmp_path}/moved:{venv}", tmp_path / "run.trec"))


def test_archives_and_those_beyond_the_world(tmp_path):
    (tmp_path / "site/a").mkdir(parents=True)
    (tmp_path / "site/a/page.html").write_text("<p>a page</p>")
    (tmp_path / "answer.bin").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "f").write_text("from an archive\n" * 1000)
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "a.tar.gz", "f"], check=True)
    first = record(tmp_path, "--image", f"{tmp_path}/a.tar.gz:/arc", "--", "-c", ASK + "print(len(open('/arc/f').read()))", policy=NETWORK, bundle=False)
    assert b"a page" in first.stdout and b"16000" in first.stdout, first
    refused(replay("run.trec", cwd=tmp_path), "run.trec: /arc: missing", "run.trec: network:/0/a/page.html: missing",
            "run.trec: network:0: missing")
    same(first, replay("--mount", "a.tar.gz:/arc", "--mount", "site:network:/0", "--mount", "answer.bin:network:0", "run.trec", cwd=tmp_path))


def test_a_secret_is_looked_for_where_it_is_said_to_be(tmp_path):
    (tmp_path / "key").write_text("a secret of sixteen")
    policy = "terrarium: 1\nfiles:\n  /data/secret: {file: ./key, secret: true}\n"
    code = "print(hash(open('/data/secret').read()) % 2)"
    for bundle in (True, False):
        first = record(tmp_path, "--", "-c", code, policy=policy, bundle=bundle)
        assert b"sixteen" not in (tmp_path / "run.trec").read_bytes()
        same(first, replay("--mount", "key:/data/secret", "run.trec", cwd=tmp_path))
        assert b"/data/secret is secret: its bytes are not in the record" in replay("run.trec", cwd=tmp_path).stderr


def test_a_record_changes_nothing(tmp_path):
    """Secrets are looked for in every run: what is numbered after them is the same with a record and without."""
    (tmp_path / "key").write_text("a secret")
    policy = "terrarium: 1\nfiles:\n  /data/secret: {file: ./key, secret: true}\n"
    (tmp_path / "policy.yaml").write_text(policy)
    code = "import os; r, w = os.pipe(); print(os.fstat(r).st_ino, os.readlink(f'/proc/self/fd/{r}'), os.stat('/data/secret').st_ino)"
    outputs = {subprocess.run([TERRARIUM, "run", "--policy", "policy.yaml", *more, "--", "-c", code], cwd=tmp_path, capture_output=True, timeout=60).stdout
               for more in ([], ["--record", "r"], ["--record", "r", "--bundle"], ["--report", "r.json"])}
    assert len(outputs) == 1 and b"pipe:" in outputs.pop()


def test_a_file_that_changes_meanwhile(made):
    """What was found good is copied and hashed again when it is used."""
    at, _ = made
    session = subprocess.Popen([TERRARIUM, "replay", "--shell", "--mount", "elsewhere:/data", "run.trec"], cwd=at, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    session.stdin.write(b"until 20\n")
    session.stdin.flush()
    assert session.stdout.readline().startswith(b"behind event ")
    (at / "elsewhere/f").write_text("GIVEN")
    out, err = session.communicate(b"until 1h\n", timeout=60)
    assert session.returncode == 125 and b"/data/f: changed while it was replayed" in err, (out, err)
