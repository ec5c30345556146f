#!/usr/bin/env python3
"""The network's own measurements: what a request, a round trip, a block, a connection cost inside, beside native loopback.

`make bench-network` prints the table and writes it into docs/network.md, in three minutes. Inside the clock is virtual, so everything is measured from outside, as processor time of all
processes (a world has one CPU, and other work of the machine does not count): a run that does a thing N times, less one that does it a
few times. Contenders take turns, and the medians are compared. Native is pinned to one CPU, as the world is. Of runsc it is wall time: its work is
done by processes that are not its children.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"

POLICY = 'terrarium: 1\nnetwork:\n  - {connect: ["www.example.com:80", "www.example.com:443"], respond: site}\n'

GET = "import requests\ns = requests.Session()\nfor _ in range(N):\n    assert len(s.get('%s://www.example.com/page.bin').content) == 10240\n"
FRESH = "import requests\nfor _ in range(N):\n    assert len(requests.get('%s://www.example.com/page.bin').content) == 10240\n"
PAIR = """
import os, socket
l = socket.create_server(("127.0.0.1", 0)); l.listen(128)
if os.fork() == 0:
    c = l.accept()[0]
    %s
    os._exit(0)
c = socket.create_connection(l.getsockname()); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
%s
c.close(); os.wait()
"""
# name: (code, few, many, what is native's)
WORK = {
    "requests.get, 10 KiB, http, kept connection": (GET % "http", 5, 205, False),
    "requests.get, 10 KiB, https, kept connection": (GET % "https", 5, 205, False),
    "requests.get, 10 KiB, http, new connection": (FRESH % "http", 5, 105, False),
    "requests.get, 10 KiB, https, new connection": (FRESH % "https", 5, 105, False),
    "TCP echo, 1 byte, there and back": (PAIR % ("while b := c.recv(1): c.send(b)", "for _ in range(N): c.send(b'x'); c.recv(1)"), 50, 4050, True),
    "TCP stream, 64 KiB block": (PAIR % ("while c.recv(65536): pass", "b = bytes(65536)\nfor _ in range(N): c.sendall(b)"), 50, 4050, True),
    "a connection made, accepted, closed": ("""
import os, socket
l = socket.create_server(("127.0.0.1", 0)); l.listen(128)
if os.fork() == 0:
    for _ in range(N): l.accept()[0].close()
    os._exit(0)
for _ in range(N):
    c = socket.create_connection(l.getsockname()); c.recv(1); c.close()
os.wait()
""", 20, 1020, True),
    "1,000 idle connections in one epoll loop, a round trip on one": ("""
import os, select, socket
l = socket.create_server(("127.0.0.1", 0)); l.listen(1024)
if os.fork() == 0:
    idle = [socket.create_connection(l.getsockname()) for _ in range(1000)]
    for _ in range(N):
        idle[-1].send(b"x"); idle[-1].recv(1)
    os._exit(0)
e = select.epoll(); ends = {}
for _ in range(1000):
    s = l.accept()[0]
    e.register(s, select.EPOLLIN); ends[s.fileno()] = s
for _ in range(N):
    for fd, _ in e.poll():
        ends[fd].send(ends[fd].recv(1))
os.wait()
""", 50, 2050, True),
}


def once(command, code, n, cwd):
    p = subprocess.Popen([*command, f"N = {n}\n{code}"], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, start_new_session=True)
    start = time.perf_counter()
    words = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    wall = time.perf_counter() - start
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        if command[0] == "runsc":
            return None
        sys.exit(f"{command}: {words.decode()[-400:]}")
    return wall if command[0] == "runsc" else usage.ru_utime + usage.ru_stime # whose work is done by processes that are not its children


PAGE = ROOT / "docs/network.md"
BEGIN, END = "<!-- made by make bench-network -->\n", "<!-- end -->\n"


def write(lines):
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    taskset = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    inside = [str(ROOT / "terrarium"), "run", "--policy", "policy.yaml", "--python", PYTHON, "--", "-c"]
    with tempfile.TemporaryDirectory() as d:
        pathlib.Path(d, "site").mkdir()
        pathlib.Path(d, "site/page.bin").write_bytes(bytes(range(256)) * 40)
        pathlib.Path(d, "policy.yaml").write_text(POLICY)
        peers = {"native": [*taskset, PYTHON, "-c"]}
        if shutil.which("runsc"):
            peers["runsc"] = ["runsc", "--platform=ptrace", "--rootless", "--network=none", "do", PYTHON, "-c"]
        lines = [f"Kernel {os.uname().release}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} when it began; medians of {rounds} rounds.",
                 "", "| work | terrarium | " + " | ".join(peers) + " |", "|---|---" + "|---" * len(peers) + "|"]
        print("\n".join(lines))
        for name, (code, few, many, native) in WORK.items():
            contenders = {"inside": inside, **(peers if native else {})}
            took = {k: [] for k in contenders}
            for _ in range(rounds):
                for k, command in contenders.items():
                    more, less = once(command, code, many, d), once(command, code, few, d)
                    if more is not None and less is not None:
                        took[k].append((more - less) / (many - few) * 1e6)
            mine = statistics.median(took["inside"])
            theirs = [f"{statistics.median(took[k]):.0f} us ({mine / statistics.median(took[k]):.2f}x)" if took.get(k) else "" for k in peers]
            lines.append(f"| {name} | {mine:.0f} us | {' | '.join(theirs)} |")
            print(lines[-1], flush=True)
        write(lines)


if __name__ == "__main__":
    main()
