"""`forward:`, the one way out: real connections, to loopback of this machine alone."""
import contextlib
import json
import socket
import struct
import subprocess
import threading
import time

import pytest

from tests.conftest import TERRARIUM


@contextlib.contextmanager
def server(serve, backlog=64):
    """serve(connection) for each connection, in a thread of its own. The port."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as s:
        def accept():
            while True:
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(c,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        yield s.getsockname()[1]
        s.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def nobody():
    """A port of this machine that refuses: bound, so that nobody else gets it, and not listened on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def policy(port, more=""):
    return f"""
terrarium: 1
network:
  - {{connect: "real.example:80", forward: "127.0.0.1:{port}"}}
{more}"""


def echo(c):
    with c:
        while data := c.recv(65536):
            c.sendall(data)


ECHO = """
import socket
s = socket.create_connection(("real.example", 80))
s.sendall(b"hello")
print(s.recv(100), s.getpeername()[1])
s.shutdown(socket.SHUT_WR)
print(s.recv(100))
"""


def test_what_is_sent_comes_to_somebody_real_and_the_report_says_so(terrarium):
    heard = []

    def serve(c):
        with c:
            while data := c.recv(65536):
                heard.append(data)
                c.sendall(data[::-1])
    with server(serve) as port:
        done = terrarium("run", "--", "-c", ECHO, policy=policy(port), report=True)
    assert (done.status, done.out) == (0, "b'olleh' 80\nb''\n"), done
    assert b"".join(heard) == b"hello"
    assert f"forward: connections to real.example:80 leave the world, for 127.0.0.1 port {port}" in done.err
    assert done.report["not_reproducible_because"] == ["forward: a real connection was made, as the policy says"]
    (attempt,) = [a for a in done.report["network"] if a["kind"] == "tcp"]
    assert (attempt["outcome"], attempt["sent"]["bytes"], attempt["received"]["bytes"]) == ("forwarded", 5, 5), attempt


def test_a_rule_that_was_not_used_changes_nothing(terrarium):
    with server(echo) as port:
        done = terrarium("run", "--", "-c", "print(1)", policy=policy(port), report=True)
    assert done.status == 0 and done.report["reproducible"] is True, done


def test_nobody_there_is_what_the_guest_is_told(terrarium):
    with nobody() as port:
        done = terrarium("run", "--", "-c", """
import socket
for host in "real.example", "other.example":
    try:
        socket.create_connection((host, 80))
    except OSError as e:
        print(type(e).__name__)
s = socket.socket()
s.setblocking(False)
print(s.connect_ex((socket.gethostbyname("real.example"), 80)))
import select
print([len(x) for x in select.select([], [s], [], 5)], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
""", policy=policy(port))
    assert (done.status, done.out) == (0, "ConnectionRefusedError\ngaierror\n115\n[0, 1, 0] 111\n"), done


def test_much_goes_both_ways_and_a_slow_peer_is_waited_for(terrarium):
    def slow(c):
        with c:
            time.sleep(0.3)
            echo(c)
    with server(slow) as port:
        done = terrarium("run", "--", "-c", """
import hashlib, socket, threading
s = socket.create_connection(("real.example", 80))
data = bytes(range(256)) * 16384
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
h = hashlib.sha256()
n = 0
while got := s.recv(100000):
    h.update(got)
    n += len(got)
print(n, h.digest() == hashlib.sha256(data).digest())
""", policy=policy(port))
    assert (done.status, done.out) == (0, "4194304 True\n"), done


def test_a_peer_that_says_nothing_stops_nobody_else(terrarium):
    """The guest goes on beside it; its own timeouts pass."""
    quiet = threading.Event()
    with server(lambda c: quiet.wait(120)) as port:
        done = terrarium("run", "--", "-c", """
import socket, threading, time
s = socket.create_connection(("real.example", 80), timeout=0.2)
def work():
    total = 0
    for i in range(200000): total += i
    print("worked", total)
    a, b = socket.socketpair()
    a.send(b"x"); print(b.recv(1))
t = threading.Thread(target=work); t.start(); t.join()
try:
    s.recv(1)
except TimeoutError:
    print("timeout")
full = 0
s.setblocking(False)
try:
    while True: full += s.send(bytes(65536))
except BlockingIOError:
    print("full", full < 2**24)
""", policy=policy(port))
        quiet.set()
    assert (done.status, done.out) == (0, "worked 19999900000\nb'x'\ntimeout\nfull True\n"), done


def test_resets_and_ends_come_through(terrarium):
    def serve(c):
        c.recv(1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    with server(serve) as port:
        done = terrarium("run", "--", "-c", """
import socket
s = socket.create_connection(("real.example", 80))
s.send(b"x")
try:
    print(s.recv(1))
except ConnectionResetError:
    print("reset")
""", policy=policy(port))
    assert (done.status, done.out) == (0, "reset\n"), done


def test_a_guest_that_closes_at_once_still_sent_it(terrarium):
    heard, over = [], threading.Event()

    def serve(c):
        with c:
            while data := c.recv(65536):
                heard.append(data)
        over.set()
    with server(serve) as port:
        done = terrarium("run", "--", "-c", """
import socket
s = socket.create_connection(("real.example", 80))
s.sendall(b"last words")
s.close()
""", policy=policy(port))
        assert over.wait(60)
    assert done.status == 0 and b"".join(heard) == b"last words", done


def test_many_connections_have_their_bound(terrarium):
    with server(echo) as port:
        done = terrarium("run", "--", "-c", """
import socket
kept = []
try:
    for i in range(100):
        kept.append(socket.create_connection(("real.example", 80)))
except ConnectionRefusedError:
    print("refused", len(kept))
kept[3].send(b"three"); print(kept[3].recv(10))
kept.pop().close()
s = socket.create_connection(("real.example", 80)); s.send(b"again"); print(s.recv(10))
""", policy=policy(port))
    assert (done.status, done.out) == (0, "refused 64\nb'three'\nb'again'\n"), done


def test_asyncio_speaks_to_real_and_made_up_ones(terrarium):
    with server(echo) as port:
        done = terrarium("run", "--", "-c", """
import asyncio
async def ask(host):
    r, w = await asyncio.open_connection(host, 80)
    w.write(b"ask " + host.encode() + b"\\n")
    line = await r.readline()
    w.close()
    return line
async def main():
    for answer in await asyncio.gather(*[ask(h) for h in ("real.example", "made.example", "real.example")]):
        print(answer)
asyncio.run(main())
""", policy=policy(port, '  - {connect: "made.example:80", service: echo}'))
    assert (done.status, done.out) == (0, "b'ask real.example\\n'\nb'ask made.example\\n'\nb'ask real.example\\n'\n"), done


def test_the_bytes_are_in_the_record(terrarium, tmp_path):
    record = tmp_path / "run.rec"
    with server(echo) as port:
        done = terrarium("run", "--record", str(record), "--", "-c", ECHO, policy=policy(port))
    assert done.status == 0, done
    trace = terrarium("trace", str(record), "--jsonl")
    events = [json.loads(line) for line in trace.out.splitlines()]
    forwards = [e for e in events if e["kind"] == "forward"]
    assert {e["connection"] for e in forwards} == {1}
    assert [e["what"] for e in forwards][0] == 0 and [e["what"] for e in forwards][-1] == 4
    assert b"".join(bytes.fromhex(e["bytes"]) for e in forwards if e["what"] == 2) == b"hello"


@pytest.mark.parametrize("rule, why", [
    ('{connect: "a.example:1", forward: "no.such.name.invalid:1"}', "forward: no.such.name.invalid"),
    ('{connect: "a.example:1", forward: "127.0.0.1:1", delay: 1s}', "a real one takes its own time"),
])
def test_what_cannot_be_forwarded_to_is_said_before_the_run(terrarium, rule, why):
    done = terrarium("run", "--", "-c", "print(1)", policy=f"terrarium: 1\nnetwork:\n  - {rule}\n")
    assert done.status == 125 and why in done.err and done.out == "", done


def test_a_replay_needs_no_network(terrarium, tmp_path):
    record = tmp_path / "run.trec"
    code = ECHO + """
import threading
s = socket.create_connection(("real.example", 80))
data = bytes(range(256)) * 4096
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
total = 0
for i in range(300000): total += i
n = 0
while got := s.recv(100000): n += len(got)
print(n, total)
try:
    socket.create_connection(("nobody.example", 80))
except OSError as e:
    print(e.errno)
"""
    with server(echo) as port, nobody() as refusing:
        more = f'  - {{connect: "nobody.example:80", forward: "127.0.0.1:{refusing}"}}\n'
        done = terrarium("run", "--record", str(record), "--bundle", "--", "-c", code, policy=policy(port, more))
    assert done.status == 0 and done.out.endswith("1048576 44999850000\n111\n"), done
    again = subprocess.run([TERRARIUM, "replay", str(record)], capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stdout) == (0, done.out), again
    assert "leave the world" not in again.stderr
