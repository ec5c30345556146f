"""A record may be anybody's: what its program takes when it runs again has an end, also where it says that it had none."""
import hashlib
import os
import pathlib
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
PYTHON = "/usr/bin/python3"
sys.path.insert(0, str(ROOT / "tools"))
import msgpack  # noqa: E402
import read_record  # noqa: E402
import zstandard  # noqa: E402

HARMLESS = "print('begun', flush=True)\nprint('done')\n"


def run(*words, cwd):
    return subprocess.run([TERRARIUM, *map(str, words)], cwd=cwd, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)


def chunk(kind, payload):
    return kind + struct.pack("<I", len(payload)) + payload


def forged(path, old, new):
    """The record as if it had been of a script of other bytes (as many): every hash fits, and only what happens does not."""
    assert len(old) == len(new)
    deflate = zstandard.ZstdCompressor().compress
    was, now = read_record.digest(old), read_record.digest(new)
    head, out = read_record.digest(b"terrarium record 1"), [path.read_bytes()[:16]]
    with open(path, "rb") as file:
        file.seek(16)
        for kind, payload, _ in read_record.chunks(file):
            if kind == b"CONT" and payload[:32] == was:
                payload = now + payload[32:40] + deflate(new)
            elif kind == b"MANI":
                entries = read_record.inflate(payload[8:], struct.unpack("<Q", payload[:8])[0])
                payload = payload[:8] + deflate(entries.replace(was, now))
            elif kind == b"EVTS":
                events = read_record.inflate(payload[80:], struct.unpack("<I", payload[12:16])[0]).replace(was, now)
                unpacker, at, before = msgpack.Unpacker(raw=True, strict_map_key=False), 0, head
                unpacker.feed(events)
                for _ in range(struct.unpack("<I", payload[8:12])[0]):
                    unpacker.skip()
                    head = hashlib.blake2b(head + events[at:unpacker.tell()], digest_size=32).digest()
                    at = unpacker.tell()
                payload = payload[:16] + before + head + deflate(events)
            elif kind not in (b"CONT", b"MACH"):
                break  # index and tail: without them it is a record that stops early
            out.append(chunk(kind, payload))
    path.write_bytes(b"".join(out))


def hostile(tmp_path, code, limits=()):
    code = code.rstrip("\n") + "\n"
    code, harmless = (text + "#" * (200 - len(text)) for text in (code, HARMLESS))
    (tmp_path / "s.py").write_text(harmless)
    assert run("run", "--python", PYTHON, *limits, "--record", "r", "--bundle", "s.py", cwd=tmp_path).stdout == b"begun\ndone\n"
    forged(tmp_path / "r", harmless.encode(), code.encode())


TAKES = {
    "memory": ("x = bytearray(3 << 30)", ["memory=128MiB"], " of memory"),
    "CPU": ("sum(range(10 ** 18))", [], "it may take 1s of CPU time"),
    "time": ("sum(range(10 ** 18))", [], "it may take 1s of time"),
    "counted": ("while True: pass", ["cpu=1s"], None),
}


@pytest.mark.parametrize("what", TAKES)
def test_what_a_replay_takes_has_an_end(tmp_path, what):
    code, recorded, said = TAKES[what]
    hostile(tmp_path, "print('begun', flush=True)\n" + code, [word for limit in recorded for word in ("--limit", limit)])
    limits = {"CPU": ["--limit", "cpu=1s"], "time": ["--limit", "wall=1s,cpu=none"]}.get(what, [])
    done = run("replay", *limits, "r", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (125, b"begun\n") and done.stderr.count(b"\n") == 1, done
    expected = f"{said} here (--limit " if said else "the replay diverges at event "
    assert expected in done.stderr.decode(), done


def test_an_honest_record_has_room(tmp_path):
    """What a run took at the edge of its limits, its replay may take."""
    code = "import mmap\nm = mmap.mmap(-1, 40 << 20)\nm.write(b'x' * (40 << 20))\nprint(len(m))"
    assert run("run", "--python", PYTHON, "--limit", "memory=100MiB,cpu=5s,wall=1m,processes=2", "--record", "r", "--bundle", "--", "-c", code,
               cwd=tmp_path).stdout == b"41943040\n"
    assert run("replay", "r", cwd=tmp_path).stdout == b"41943040\n"
    done = run("replay", "--limit", "memory=20MiB", "--limit", "cpu=1m", "r", cwd=tmp_path)
    assert done.returncode == 125 and b"it may take 20MiB of memory here (--limit memory=... says otherwise)\n" in done.stderr, done
    assert run("replay", "--limit", "memory=none,cpu=none", "r", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("limit, message", [
    ("memry=1GiB", "--limit: unknown key 'memry' (did you mean 'memory'?)"),
    ("output=1MiB", "replay: --limit: output, open_files and file_count are the record's own"),
])
def test_mistakes(tmp_path, limit, message):
    done = run("replay", "--limit", limit, "r", cwd=tmp_path)
    assert (done.returncode, done.stderr.decode()) == (125, f"terrarium: {message}\n")
