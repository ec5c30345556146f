"""That nothing leaves: by the counters of a network namespace with the run in it, and by the supervisor's own calls."""
import os
import re
import shutil
import subprocess

import pytest

from tests.conftest import PYTHON, ROOT, TERRARIUM

POLICY = """
terrarium: 1
network:
  - {connect: "*:80", http: [{body: hello}]}
  - {connect: "*:443", http: [{body: hello}]}
  - {connect: "*:9", protocol: udp, service: echo}
  - {connect: "*:123", protocol: udp, service: ntp}
  - {default: unreachable}
"""

BUSY = """
import socket, ssl, urllib.request
print(urllib.request.urlopen("http://www.example.com/").read(), urllib.request.urlopen("https://example.org/").read())
for family, to in (socket.AF_INET, "8.8.8.8"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "2001:db8::1"), \\
        (socket.AF_INET6, "::1"), (socket.AF_INET, "255.255.255.255"), (socket.AF_INET, "224.0.0.1"):
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        for port in 9, 22, 53, 80:
            with socket.socket(family, kind) as s:
                s.settimeout(1)
                try:
                    s.connect((to, port))
                    s.send(b"x" * 30)
                except OSError:
                    pass
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.sendall(b"y" * 100000)
client.close()
print(sum(iter(lambda: len(peer.recv(65536)), 0)))
"""
SAID = "b'hello' b'hello'\n100000\n"
COUNTED = """
counters() { cat /proc/net/dev /proc/net/snmp /proc/net/snmp6 /proc/net/netstat; }
counters > before
"$@"
status=$?
counters > after
exit $status
"""


def in_a_namespace(command, cwd, timeout=120):
    return subprocess.run(["unshare", "-rn", "sh", "-c", COUNTED, "sh", *command], cwd=cwd, capture_output=True, text=True,
                          timeout=timeout)


@pytest.fixture
def namespace(tmp_path):
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) is not installed")
    tried = in_a_namespace(["true"], tmp_path)
    if tried.returncode != 0:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    return tmp_path


def changed(where):
    """Lines of the kernel's counters that are others than before. Those of memory and of time are no packets."""
    before, after = (where / "before").read_text().splitlines(), (where / "after").read_text().splitlines()
    return [(a, b) for a, b in zip(before, after, strict=True) if a != b]


@pytest.mark.parametrize("policy", [POLICY, "terrarium: 1\n"], ids=["a network", "none"])
def test_no_packet_is_counted_where_the_run_is(namespace, policy):
    (namespace / "p.yaml").write_text(policy)
    code = BUSY if policy is POLICY else BUSY.replace("print(urllib", "0 and print(urllib")
    done = in_a_namespace([TERRARIUM, "run", "--python", "/usr/bin/python3", "--policy", "p.yaml", "--", "-c", code],
                          namespace)
    assert (done.returncode, done.stdout) == (0, SAID if policy is POLICY else SAID.split("\n", 1)[1]), done
    assert changed(namespace) == []


# All tests of the network that have no native twin, which would use the namespace's own loopback.
SEALED = ["network", "network_clients", "network_examples", "resolvers", "ssh_and_trust", "servers"]


@pytest.mark.plain
def test_no_packet_is_counted_where_all_clients_and_servers_are(namespace):
    tests = [str(ROOT / f"tests/run/test_{name}.py") for name in SEALED]
    done = in_a_namespace(["env", "-C", str(ROOT), PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests], namespace, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    assert changed(namespace) == []


def test_the_counters_would_tell(namespace):
    """The same addresses, natively, in a namespace that has nothing but an interface that is down."""
    code = BUSY.replace("print(urllib", "0 and print(urllib").split("server =")[0]
    done = in_a_namespace(["/usr/bin/python3", "-c", code], namespace)
    assert done.returncode == 0, done
    assert changed(namespace) != []


NETWORK_CALL = re.compile(r"^(\w+)\((.*)", re.M)


@pytest.fixture
def audited(tmp_path):
    """audited(policy, code): every network call that the supervisor itself makes, and the run's stdout."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    def call(policy, code):
        (tmp_path / "p.yaml").write_text(policy)
        # Not -f: a guest can have one tracer, and it is the supervisor.
        done = subprocess.run(["strace", "-o", "calls", "-e", "trace=%network", "-e", "signal=none", TERRARIUM, "run", "--python", "/usr/bin/python3",
                               "--policy", "p.yaml", "--", "-c", code], cwd=tmp_path, capture_output=True, text=True,
                              timeout=120, env={**os.environ, "LANG": "C"})
        if done.returncode == 1 and "PTRACE" in done.stderr:
            pytest.skip(f"no strace here: {done.stderr}")
        assert done.returncode == 0, done
        return NETWORK_CALL.findall((tmp_path / "calls").read_text()), done.stdout
    return call


def test_the_supervisor_owns_no_socket_but_the_one_it_hands_descriptors_through(audited):
    calls, said = audited(POLICY, BUSY)
    assert said == SAID
    assert calls != []
    for name, arguments in calls:
        assert name in ("socketpair", "sendmsg", "recvmsg"), (name, arguments)
        assert name != "socketpair" or arguments.startswith("AF_UNIX"), arguments
        assert name == "socketpair" or "msg_name=NULL" in arguments, arguments
    # the listener of notices, at the start
    assert [name for name, _ in calls].count("recvmsg") <= 1, calls


def test_with_forward_it_is_given_a_connected_one_and_makes_none(audited):
    import socket
    import threading
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            c, _ = server.accept()
            with c:
                c.sendall(c.recv(10)[::-1])
        threading.Thread(target=answer, daemon=True).start()
        policy = f"""
terrarium: 1
network:
  - {{connect: "real.example:80", forward: "127.0.0.1:{server.getsockname()[1]}"}}
"""
        calls, said = audited(policy, """
import socket
s = socket.create_connection(("real.example", 80))
s.send(b"abc")
print(s.recv(10))
""")
    assert said == "b'cba'\n"
    names = {name for name, _ in calls}
    assert "recvmsg" in names and not names & {"connect", "bind", "listen", "sendto"}, calls
    # Looking up where to forward may ask the host's resolver before the guest begins; a number needs none.
    assert not [c for c in calls if c[0] == "socket" and "SOCK_STREAM" in c[1]], calls
