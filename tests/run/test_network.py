"""What is beyond the world, by the policy's rules: names, connections, the report, the capture."""
import hashlib
import json
import subprocess
import textwrap

import pytest

from tests.conftest import TERRARIUM

POLICY = """
terrarium: 1
network:
  - {resolve: _sip._tcp.example.com, srv: "0 5 5060 sip.example.com"}
  - {resolve: "*.example.com", to: [203.0.113.7, "2001:db8::7"], mx: "10 mail.example.com", txt: "v=spf1 -all", ttl: 1h}
  - {resolve: www.example.net, cname: a.example.com}
  - {resolve: gone.example, to: nxdomain}
  - {resolve: broken.example, to: servfail}
  - {resolve: mute.example, to: timeout}
  - {connect: "10.0.0.0/8:*", timeout: true, note: "the office is not reachable from here"}
  - {connect: "*.example.com:8000-8999", refuse: true, delay: 40ms}
  - {connect: "closing.example:9", close-after: 10}
  - {connect: "reset.example:9", reset: true}
  - {connect: "echo.example:7", service: echo}
  - {connect: "echo.example:7", protocol: udp, service: echo}
  - {connect: "8.8.8.8:53", protocol: udp, service: dns}
  - {default: unreachable}
"""

HELP = """
import socket, sys, time
def attempt(f, *a):
    t = time.monotonic()
    try: r = f(*a)
    except OSError as e: r = (type(e).__name__, e.errno)
    return r, round(time.monotonic() - t, 2)
def connect(host, port):
    s = socket.create_connection((host, port))
    return s
"""


def guest(terrarium, code, policy=POLICY, **more):
    done = terrarium("run", "--", "-c", HELP + textwrap.dedent(code), policy=policy, **more)
    assert done.status == 0, done
    return done


SEEN = [
    ("print(socket.gethostbyname('a.example.com'))", "203.0.113.7"),
    ("print(sorted({a[4][0] for a in socket.getaddrinfo('x.y.example.com', 1)}))", "['2001:db8::7', '203.0.113.7']"),
    ("print(socket.gethostbyname('www.example.net'))", "203.0.113.7"),
    ("print(socket.gethostbyname('localhost'), socket.gethostbyname(socket.gethostname()))", "127.0.0.1 127.0.1.1"),
    ("print(socket.gethostbyname('a.example.com'), socket.gethostbyaddr('203.0.113.7')[0])", "203.0.113.7 a.example.com"),
    ("print(attempt(socket.gethostbyname, 'gone.example')[0])", "('gaierror', -2)"),
    ("print(attempt(socket.gethostbyname, 'no.rule.speaks.of.it')[0])", "('gaierror', -2)"),
    ("print(attempt(socket.gethostbyname, 'broken.example')[0])", "('gaierror', -3)"),
    ("print(attempt(socket.gethostbyname, 'mute.example')[0])", "('gaierror', -3)"),
    ("print(attempt(connect, '10.9.8.7', 22))", "(('TimeoutError', 110), 127.0)"),
    ("print(attempt(connect, 'a.example.com', 8080)[0])", "('ConnectionRefusedError', 111)"),
    ("print(attempt(connect, '1.2.3.4', 80))", "(('OSError', 101), 0.0)"),
    ("s = connect('echo.example', 7); print(s.getsockname()[0], s.getpeername()[1])", "10.0.2.15 7"),
    ("s = connect('reset.example', 9); print(attempt(s.recv, 1)[0])", "('ConnectionResetError', 104)"),
    ("s = connect('closing.example', 9); s.sendall(b'x' * 10); print(s.recv(1))", "b''"),
    ("s = socket.socket(); s.setblocking(False); e = s.connect_ex(('10.1.1.1', 1)); print(e, s.connect_ex(('10.1.1.1', 1)), "
     "attempt(s.getpeername)[0], s.getsockopt(6, 11, 4)[0])", "115 114 ('OSError', 107) 2"),
    ("s = socket.socket(); s.settimeout(3); print(attempt(s.connect, ('10.1.1.1', 1)))", "(('TimeoutError', None), 3.0)"),
    ("u = socket.socket(type=2); u.sendto(b'hi', (socket.gethostbyname('echo.example'), 7)); print(u.recv(9))", "b'hi'"),
    ("u = socket.socket(type=2); u.connect(('203.0.113.200', 7)); print(attempt(u.send, b'x')[0])", "('OSError', 101)"),
    ("print(attempt(socket.socket, 2, 3, 1)[0], attempt(socket.socket, 17, 3, 0)[0])",
     "('PermissionError', 1) ('PermissionError', 1)"),
]


def test_what_the_guest_sees(terrarium):
    """One run: each line is a program of its own within it."""
    done = guest(terrarium, "\n".join(code for code, _ in SEEN))
    assert done.out.splitlines() == [said for _, said in SEEN]


def test_much_goes_and_comes_back_through_small_buffers(terrarium):
    done = guest(terrarium, """
        s = connect('echo.example', 7)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        import selectors
        sel = selectors.DefaultSelector()
        sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
        data, out, back = bytes(range(256)) * 8000, 0, bytearray()
        while len(back) < len(data):
            for _, events in sel.select():
                if events & selectors.EVENT_WRITE and out < len(data):
                    out += s.send(data[out:out + 100000])
                    if out == len(data):
                        s.shutdown(socket.SHUT_WR); sel.modify(s, selectors.EVENT_READ)
                if events & selectors.EVENT_READ: back += s.recv(3000)
        print(bytes(back) == data, s.recv(1))
    """)
    assert done.out == "True b''\n"


def test_servers_are_reached_by_the_worlds_own_address(terrarium):
    done = guest(terrarium, """
        l = socket.create_server(('', 8000))
        c = socket.create_connection(('10.0.2.15', 8000)); d, peer = l.accept()
        print(peer[0], c.getsockname()[0], d.getsockname())
        six = socket.create_server(('::', 8001), family=socket.AF_INET6)
        c = socket.create_connection(('fd00:7e77:a210::f', 8001)); print(six.accept()[1][0])
    """)
    assert done.out == "10.0.2.15 10.0.2.15 ('10.0.2.15', 8000)\nfd00:7e77:a210::f\n"


def test_broadcast_and_multicast_reach_members(terrarium):
    done = guest(terrarium, """
        a, b, u = [socket.socket(type=2) for _ in range(3)]
        for s in a, b:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', 5000)); s.settimeout(1)
        print(attempt(u.sendto, b'x', ('255.255.255.255', 5000))[0])
        u.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        u.sendto(b'all', ('255.255.255.255', 5000)); print(a.recv(9), b.recv(9))
    """)
    assert done.out == "('PermissionError', 13)\nb'all' b'all'\n"


def test_without_a_network_nothing_is_beyond(terrarium):
    done = terrarium("run", "--", "-c", HELP + "print(attempt(connect, '1.2.3.4', 80)[0], attempt(connect, '10.0.2.15', 80)[0])")
    assert done.out == "('OSError', 101) ('OSError', 101)\n"


def test_made_up_addresses_are_the_same_twice_and_lead_to_the_rule(terrarium):
    code = "print([socket.gethostbyname(n) for n in ('echo.example', 'reset.example', 'closing.example')])"
    first = guest(terrarium, code).out
    assert first == guest(terrarium, "socket.gethostbyname('closing.example');" + code).out
    addresses = json.loads(first.replace("'", '"'))
    assert len(set(addresses)) == 3
    assert all(a.startswith(("192.0.2.", "198.51.100.", "203.0.113.")) for a in addresses)
    done = guest(terrarium, f"s = connect('{addresses[0]}', 7); s.send(b'a'); print(s.recv(1))")
    assert done.out == "b'a'\n", "a name that the policy spells out need not be asked for"


QUESTION = """
import struct
def ask(name, kind, tcp=False, server='127.0.0.53'):
    q = struct.pack('!6H', 77, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + bytes(1)
    q += struct.pack('!2H', kind, 1)
    if tcp:
        s = socket.create_connection((server, 53)); s.sendall(struct.pack('!H', len(q)) + q)
        n, = struct.unpack('!H', s.recv(2)); a = s.recv(n)
    else:
        s = socket.socket(type=2); s.sendto(q, (server, 53)); a = s.recv(9999)
    head = struct.unpack('!6H', a[:12])
    return head[0], head[1] & 15, head[1] >> 9 & 1, head[3], a[len(q):]
"""


@pytest.mark.parametrize("tcp", [False, True])
def test_a_hand_made_resolver(terrarium, tcp):
    done = guest(terrarium, QUESTION + f"""
for name, kind in ('a.example.com', 1), ('a.example.com', 28), ('a.example.com', 15), ('a.example.com', 16), \\
        ('_sip._tcp.example.com', 33), ('www.example.net', 1), ('gone.example', 1), ('7.113.0.203.in-addr.arpa', 12):
    i, code, cut, n, rest = ask(name, kind, {tcp})
    print(i, code, cut, n, rest[-4:])
print(ask('a.example.com', 1, server='8.8.8.8')[3] if not {tcp} else 1)
""")
    assert done.out.splitlines() == [
        "77 0 0 1 b'\\xcb\\x00q\\x07'", "77 0 0 1 b'\\x00\\x00\\x00\\x07'", "77 0 0 1 b'il\\xc0\\x0e'",
        "77 0 0 1 b'-all'", "77 0 0 1 b'com\\x00'", "77 0 0 2 b'\\xcb\\x00q\\x07'", "77 3 0 0 b''", "77 0 0 1 b'net\\x00'", "1"]


def test_junk_to_the_name_server_is_answered_or_not_and_nothing_breaks(terrarium):
    done = guest(terrarium, QUESTION + """
import random
random.seed(1)
s = socket.socket(type=2); s.connect(('127.0.0.53', 53)); s.settimeout(1)
for i in range(2000):
    n = random.randrange(0, 80)
    try: s.send(bytes(random.randrange(256) for _ in range(n)))
    except OSError as e: print(e)
t = socket.create_connection(('127.0.0.53', 53)); t.sendall(b'\\0\\0\\0\\1x\\xff\\xff' + b'y' * 70000)
print(ask('a.example.com', 1)[1])
""")
    assert done.out == "0\n"


def test_a_socket_that_was_refused_here_reaches_beyond(terrarium):
    done = guest(terrarium, """
        s = socket.socket()
        print(attempt(s.connect, ('127.0.0.1', 1))[0], s.getsockname()[0])
        s.connect((socket.gethostbyname('echo.example'), 7)); print(s.getsockname()[0]); s.sendall(b'x'); print(s.recv(1))
        print(len(socket.getaddrinfo(None, 80, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)))
    """)
    assert (done.status, done.out) == (0, "('ConnectionRefusedError', 111) 0.0.0.0\n10.0.2.15\nb'x'\n2\n"), done


def test_the_report_has_each_attempt(terrarium):
    done = guest(terrarium, """
        s = connect('echo.example', 7); s.sendall(b'hello'); print(s.recv(9)); s.close()
        attempt(connect, '10.1.1.1', 22)
        attempt(socket.gethostbyname, 'gone.example')
    """, report=True)
    found = done.report["network"]
    echo = next(a for a in found if a["kind"] == "tcp" and a["name"] == "echo.example")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert echo["port"] == 7 and echo["outcome"] == "connected" and echo["call"] == "connect" and echo["pid"] == 2
    assert echo["process"] == "python3" and echo["rule"]["line"] == 14
    assert echo["sent"] == echo["received"] == {"bytes": 5, "sha256": digest}
    office = next(a for a in found if a.get("address") == "10.1.1.1")
    assert office["outcome"] == "no answer" and office["rule"]["note"].startswith("the office")
    gone = next(a for a in found if a["kind"] == "resolve" and a["name"] == "gone.example")
    assert gone["outcome"] == "nxdomain" and gone["type"] == "A" and gone["rule"]["line"] == 7


def test_what_was_said_is_exported(terrarium, tmp_path):
    code = HELP + "s = connect('echo.example', 7); s.sendall(b'secret'); s.recv(9)"
    done = terrarium("run", "--export", str(tmp_path / "x"), "--", "-c", code, policy=POLICY)
    assert done.status == 0, done
    (sent,) = (tmp_path / "x/network").glob("*-echo.example-7/sent")
    assert sent.read_bytes() == b"secret" and (sent.parent / "received").read_bytes() == b"secret"


def test_the_same_capture_twice(terrarium, tmp_path):
    code = HELP + "s = connect('echo.example', 7); s.sendall(b'x' * 5000); s.recv(9); attempt(connect, 'a.example.com', 8080)"
    for name in "a", "b":
        done = terrarium("run", "--capture", str(tmp_path / name), "--", "-c", code, policy=POLICY)
        assert done.status == 0, done
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


CLIENTS = """
for word in b'first', b'second':
    s = connect('c2.example', 4444); print(s.recv(99)); s.sendall(word + b'\\n'); print(s.recv(99)); print(s.recv(99)); s.close()
import http.client
h = http.client.HTTPConnection('api.example', 80)
for path in '/a', '/b', '/none':
    h.request('GET', path); r = h.getresponse(); print(r.status, r.read())
"""


def test_a_capture_is_given_again(terrarium, tmp_path):
    path = tmp_path / "c.pcapng"
    world = """
terrarium: 1
network:
  - {connect: "c2.example:4444", talk: [{send: "who? "}, {expect: {regex: "(\\\\w+)\\n"}, reply: "so you are $1 "}, {close: true}]}
  - {connect: "api.example:80", http: [{path: /a, json: {sky: clear}}, {path: /b, body: bbb}]}
"""
    first = terrarium("run", "--capture", str(path), "--", "-c", HELP + CLIENTS, policy=world)
    assert first.status == 0 and first.out.count("so you are") == 2 and "clear" in first.out, first
    again = terrarium("run", "--capture", str(tmp_path / "again"), "--", "-c", HELP + CLIENTS + "print(attempt(connect, 'api.example', 81)[0])",
                      policy=f'terrarium: 1\nnetwork:\n  - {{connect: ["c2.example:4444", "api.example:80-81"], exchange: {path}}}\n')
    assert again.out == first.out + "('ConnectionRefusedError', 111)\n", again


EVERYTHING = """
import smtplib, ssl, struct, urllib.request
for url in "http://api.example/a", "https://api.example/b", "https://other.example/c?d":
    print(urllib.request.urlopen(url).read())
print(urllib.request.urlopen(urllib.request.Request("https://api.example/b", data=b"x=1")).read())
u = socket.socket(type=socket.SOCK_DGRAM)
for text in b"one", b"two": u.sendto(text, (socket.gethostbyname("echo.example"), 7)); print(u.recv(99))
u = socket.socket(type=socket.SOCK_DGRAM); u.connect(("192.0.2.77", 123))
u.send(b"\\x1b" + bytes(47)); print(struct.unpack("!12I", u.recv(99))[10] > 0)
s = smtplib.SMTP("mail.example", 25); s.starttls(context=ssl.create_default_context()); s.login("me", "secret")
print(s.sendmail("a@b", ["c@d"], "Subject: x\\n\\nbody"), s.quit()[0])
c = connect("203.0.113.99", 4444); c.sendall(b"hello"); print(c.recv(99))
"""

WORLD = """
terrarium: 1
network:
  - {resolve: api.example, to: 203.0.113.50}
  - {connect: ["api.example:80", "*.example:443"], http: [{path: /a, body: plain}, {method: POST, body: posted}, {body: within}]}
  - {connect: "echo.example:7", protocol: udp, service: echo}
  - {connect: "192.0.2.77:123", protocol: udp, service: ntp}
  - {connect: "mail.example:25", service: smtp}
  - {connect: "203.0.113.99:4444", talk: [{expect: hello, send: "well met"}]}
"""


def test_a_capture_of_everything_is_given_again_by_one_rule(terrarium, tmp_path):
    """HTTP, HTTPS, STARTTLS, datagrams; to names, whose addresses are others now, and to addresses."""
    path = tmp_path / "c.pcapng"
    first = terrarium("run", "--capture", str(path), "--", "-c", HELP + EVERYTHING, policy=WORLD)
    assert first.status == 0 and first.out.count("within") == 2 and "well met" in first.out and "{} 221" in first.out, first
    again = f"""
terrarium: 1
network:
  - {{resolve: other.example, to: 198.51.100.1}}
  - {{connect: "*:*", exchange: {path}}}
  - {{connect: "*:*", protocol: udp, exchange: {path}}}
"""
    second = terrarium("run", "--capture", str(tmp_path / "d.pcapng"), "--", "-c", HELP + EVERYTHING, policy=again)
    assert (second.status, second.out) == (0, first.out), second
    assert b"within" in path.read_bytes() and b"Subject: x" in path.read_bytes()
    plain = tshark(tmp_path / "d.pcapng", "-Y", "http", "-T", "fields", "-e", "http.file_data")
    assert b"within".hex() in plain or "within" in plain   # decrypted by the keys in the file


def test_a_capture_that_cannot_be_given_again_is_refused(terrarium, tmp_path):
    path = tmp_path / "c.pcapng"
    code = "import urllib.request; print(urllib.request.urlopen('https://api.example/').read())"
    done = terrarium("run", "--capture", str(path), "--", "-c", code,
                     policy='terrarium: 1\nnetwork:\n  - {connect: "api.example:443", http: [{body: hi}]}\n')
    assert done.out == "b'hi'\n", done
    policy = f'terrarium: 1\nnetwork:\n  - {{connect: "api.example:443", exchange: {path}}}\n'
    subprocess.run(["editcap", str(path), str(tmp_path / "e.pcapng")], check=True, timeout=60)  # it leaves the plain text out
    done = terrarium("run", "--", "-c", code, policy=policy.replace("c.pcapng", "e.pcapng"))
    assert done.status == 125 and "policy.yaml:3:" in done.err and f"{tmp_path}/e.pcapng: byte " in done.err and "plain text" in done.err, done
    path.write_bytes(path.read_bytes()[:-6])
    done = terrarium("run", "--", "-c", code, policy=policy)
    assert f"{path}: byte " in done.err and "a block that is not whole" in done.err and done.out == "", done


def tshark(path, *options):
    done = subprocess.run(["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                           "-o", "udp.check_checksum:TRUE", *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_capture_opens_without_a_complaint(terrarium, tmp_path):
    path = tmp_path / "c.pcapng"
    code = HELP + textwrap.dedent("""
        import threading
        s = connect('echo.example', 7); s.sendall(b'x' * 300000)
        n = 0
        while n < 300000: n += len(s.recv(65536))
        s.close()
        u = socket.socket(type=2); u.sendto(b'hi', (socket.gethostbyname('echo.example'), 7)); u.recv(9)
        l = socket.create_server(('127.0.0.1', 9000))
        c = socket.create_connection(('127.0.0.1', 9000)); d, _ = l.accept()
        c.sendall(b'between guests'); print(d.recv(99)); c.close(); d.close()
        six = socket.create_server(('::1', 9001), family=socket.AF_INET6)
        c = socket.create_connection(('::1', 9001)); d, _ = six.accept(); c.sendall(b'six'); d.recv(9); c.close(); d.close()
        attempt(connect, 'a.example.com', 8080)
    """)
    done = terrarium("run", "--capture", str(path), "--", "-c", code, policy=POLICY)
    assert done.status == 0, done
    complaints = tshark(path, "-Y", "_ws.expert.severity >= 0x00600000 && !tcp.flags.reset", "-T", "fields", "-e", "frame.number",
                        "-e", "_ws.expert.message")
    assert complaints == ""
    assert tshark(path, "-Y", "frame.comment contains \"python3[2]\"").count("\n") > 100
    names = tshark(path, "-Y", "dns.flags.response == 1", "-T", "fields", "-e", "dns.qry.name")
    assert "echo.example" in names
    assert "between guests" in tshark(path, "-q", "-z", "follow,tcp,ascii,1") + tshark(path, "-q", "-z", "follow,tcp,ascii,2")


def test_explain(terrarium, tmp_path):
    (tmp_path / "p.yaml").write_text(POLICY)
    def explain(*words):
        return subprocess.run([TERRARIUM, "policy", "explain", "--policy",
                               str(tmp_path / "p.yaml"), *words], capture_output=True, text=True, timeout=20).stdout
    assert "p.yaml:10:5" in explain("connect", "10.1.2.3:80") and "ETIMEDOUT" in explain("connect", "10.1.2.3:80")
    assert "203.0.113.7" in explain("connect", "a.example.com:443") and "ENETUNREACH" in explain("connect", "a.example.com:443")
    assert "NXDOMAIN" in explain("resolve", "gone.example") and "p.yaml:7:5" in explain("resolve", "gone.example")
    assert "made-up" in explain("resolve", "echo.example")


def test_interfaces(terrarium):
    """Every way of asking says the same: ioctl, netlink, iproute2, /proc/net."""
    done = guest(terrarium, """
        import fcntl, struct, subprocess
        print(socket.if_nameindex(), socket.if_indextoname(2), socket.if_nametoindex('lo'))
        s = socket.socket(type=2)
        print([socket.inet_ntoa(fcntl.ioctl(s, c, struct.pack('256s', b'eth0'))[20:24]) for c in (0x8915, 0x891b, 0x8919)])
        print(attempt(fcntl.ioctl, s, 0x8915, struct.pack('256s', b'eth9'))[0])
        print(attempt(fcntl.ioctl, s, 0x8914, struct.pack('256s', b'eth0'))[0])
        for words in (['route', 'get', '8.8.8.8'], ['route', 'get', '127.0.0.1'], ['route', 'get', '10.0.2.7'], ['-6', 'route', 'get', '2001:db8::1']):
            r = subprocess.run(['ip', *words], capture_output=True, text=True); print(r.returncode, *r.stdout.split(), r.stderr.strip())
        for words in (['-br', 'addr'], ['route'], ['route', 'add', '1.2.3.0/24', 'dev', 'eth0']):
            r = subprocess.run(['ip', *words], capture_output=True, text=True); print(r.returncode, r.stdout.split(), r.stderr.strip())
        l = socket.create_server(('0.0.0.0', 8080)); c = socket.create_connection(('10.0.2.15', 8080)); d, _ = l.accept()
        print(sorted(line.split()[1:4] for line in list(open('/proc/net/tcp'))[1:]))
        print([line.split(':')[0].strip() for line in list(open('/proc/net/dev'))[2:]])
        import os
        print([(i, *(open(f'/sys/class/net/{i}/{f}').read().strip() for f in ('ifindex', 'mtu', 'address', 'operstate')))
               for i in sorted(os.listdir('/sys/class/net'))], os.path.exists('/sys/class/net/eth9'))
    """)
    eth = "fd00:7e77:a210::f/64"
    way = [line for line in done.out.splitlines() if " src " in line and not "default" in line]
    assert [line.partition(" uid")[0].partition(" metric")[0].strip().removesuffix(" cache") for line in way] == [
        "0 8.8.8.8 via 10.0.2.2 dev eth0 src 10.0.2.15", "0 local 127.0.0.1 dev lo src 127.0.0.1 cache <local>",
        "0 10.0.2.7 dev eth0 src 10.0.2.15", "0 2001:db8::1 via fd00:7e77:a210::2 dev eth0 src fd00:7e77:a210::f"], way
    done.out = "".join(line + "\n" for line in done.out.splitlines() if line not in way)
    assert done.out.splitlines() == [
        "[(1, 'lo'), (2, 'eth0')] eth0 1",
        "['10.0.2.15', '255.255.255.0', '10.0.2.255']",
        "('OSError', 19)",
        "('PermissionError', 1)",
        f"0 ['lo', 'UNKNOWN', '127.0.0.1/8', '::1/128', 'eth0', 'UP', '10.0.2.15/24', '{eth}'] ",
        "0 ['default', 'via', '10.0.2.2', 'dev', 'eth0', '10.0.2.0/24', 'dev', 'eth0', 'proto', 'kernel', 'scope', 'link', 'src', "
        "'10.0.2.15'] ",
        "2 [] RTNETLINK answers: Operation not permitted",
        "[['00000000:1F90', '00000000:0000', '0A'], ['0F02000A:1F90', '0F02000A:8000', '01'], "
        "['0F02000A:8000', '0F02000A:1F90', '01']]",
        "['lo', 'eth0']",
        "[('eth0', '2', '1500', '02:00:0a:00:02:0f', 'up'), ('lo', '1', '65536', '00:00:00:00:00:00', 'unknown')] False",
    ]


def test_interfaces_without_a_network(terrarium):
    done = terrarium("run", "--", "-c", "import os, socket; print(socket.if_nameindex(), os.listdir('/sys/class/net'))")
    assert done.out == "[(1, 'lo')] ['lo']\n"


def test_dnspython(terrarium):
    done = guest(terrarium, """
        import dns.resolver, dns.reversename
        def ask(*a, **k): return sorted(r.to_text() for r in dns.resolver.resolve(*a, **k))
        print(ask('a.example.com', 'A'), ask('a.example.com', 'AAAA', tcp=True), ask('a.example.com', 'MX'), ask('a.example.com', 'TXT'))
        print(ask('_sip._tcp.example.com', 'SRV'), ask('www.example.net', 'A'), ask(dns.reversename.from_address('203.0.113.7'), 'PTR'))
        for name, kind in ('gone.example', 'A'), ('a.example.com', 'NS'), ('broken.example', 'A'):
            try: ask(name, kind)
            except Exception as e: print(type(e).__name__)
    """)
    assert done.out.splitlines() == [
        "['203.0.113.7'] ['2001:db8::7'] ['10 mail.example.com.'] ['\"v=spf1 -all\"']",
        "['0 5 5060 sip.example.com.'] ['203.0.113.7'] ['www.example.net.']",
        "NXDOMAIN", "NoAnswer", "NoNameservers"]


def test_asyncio(terrarium):
    done = guest(terrarium, """
        import asyncio
        async def main():
            r, w = await asyncio.open_connection('echo.example', 7)
            w.write(b'line\\n'); print(await r.readline())
            try: await asyncio.wait_for(asyncio.open_connection('10.1.1.1', 22), 5)
            except asyncio.TimeoutError: print('late')
            print(await asyncio.get_running_loop().getaddrinfo('a.example.com', 80, type=socket.SOCK_STREAM, family=socket.AF_INET))
        asyncio.run(main())
    """)
    assert done.out.splitlines()[:2] == ["b'line\\n'", "late"] and "203.0.113.7" in done.out


def test_urgent_data_is_drawn_so_and_a_far_end_reads_it_in_line(terrarium, tmp_path):
    done = terrarium("run", "--capture", str(tmp_path / "c.pcapng"), "--", "-c", """
import socket
s = socket.create_connection(("echo.example", 7))
s.send(b"ab!", socket.MSG_OOB); s.send(b"cd")
print(s.recv(5, socket.MSG_WAITALL))
l = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(l.getsockname()); b, _ = l.accept()
a.send(b"xyz" * 20000 + b"!", socket.MSG_OOB); print(b.recv(1, socket.MSG_OOB))
""", policy='terrarium: 1\nnetwork: [{connect: "echo.example:7", service: echo}]\n')
    assert (done.status, done.out) == (0, "b'ab!cd'\nb'!'\n"), done
    urgent = tshark(tmp_path / "c.pcapng", "-Y", "tcp.flags.urg == 1", "-T", "fields", "-e", "tcp.len", "-e", "tcp.urgent_pointer")
    assert urgent.split() == ["3", "3", str(60001 - 32768), str(60001 - 32768)]


def test_a_control_connection_that_closes_while_its_data_is_under_way(terrarium):
    """With a command behind it that was not read yet: what is said then is said to nobody, and by nobody who is gone."""
    done = terrarium("run", "--", "-c", """
import re, socket
for job in b'STOR', b'RETR':
    for i in range(5):
        s = socket.create_connection(('ftp.example', 21)); f = s.makefile('rw', newline='\\n'); f.readline()
        def passive():
            f.write('PASV\\r\\n'); f.flush()
            n = re.findall(r'\\d+', f.readline())
            return socket.create_connection(('.'.join(n[1:5]), int(n[5]) * 256 + int(n[6])))
        d = passive()
        if job == b'RETR':
            s.sendall(b'STOR a\\r\\n'); d.sendall(b'x' * 3000000); d.close(); f.readline(), f.readline(); d = passive()
        s.sendall(job + b' a\\r\\nNOOP\\r\\n')
        f.readline(); f.close(); s.close()
        if job == b'STOR':
            d.sendall(b'x' * 100); d.shutdown(socket.SHUT_WR)
        print(job.decode(), sum(iter(lambda: len(d.recv(65536)), 0)))
""", policy='terrarium: 1\nnetwork:\n  - {connect: "ftp.example:21", service: ftp}\n')
    assert (done.status, done.out) == (0, "STOR 0\n" * 5 + "RETR 3000000\n" * 5), done


def test_a_name_that_has_only_a_connect_rule_has_no_ipv6_address_but_exists(terrarium):
    done = terrarium("run", "--", "-c", """
import dns.resolver, socket
for family in socket.AF_INET6, socket.AF_INET, socket.AF_UNSPEC:
    try: print(len({a[4][0] for a in socket.getaddrinfo("api.example", 80, family)}))
    except socket.gaierror as e: print(e.errno == socket.EAI_NODATA)
for name in "api.example", "no.such.name":
    try: dns.resolver.resolve(name, "AAAA")
    except Exception as e: print(type(e).__name__)
""", policy='terrarium: 1\nnetwork: [{connect: "api.example:80", http: [{body: hi}]}]\n')
    assert (done.status, done.out) == (0, "True\n1\n1\nNoAnswer\nNXDOMAIN\n"), done


def test_a_program_that_is_not_there_is_told_of_once(terrarium):
    done = guest(terrarium, """
        for _ in range(3): print(attempt(connect, 'c2.example', 4444)[0])
    """, policy='terrarium: 1\nnetwork: [{connect: "c2.example:4444", program: [/opt/no-such, x]}]\n')
    assert done.out == "('ConnectionRefusedError', 111)\n" * 3
    assert done.err == "terrarium: network: /opt/no-such, which should answer, was not started: No such file or directory\n"


def test_explain_knows_the_worlds_own_addresses(terrarium, tmp_path):
    """What it says is what the guest meets: rules by pattern and the default are not for these."""
    (tmp_path / "p.yaml").write_text("""terrarium: 1
network:
  - {connect: "127.0.0.1:6379", reset: true}
  - {connect: "*:80", http: [{body: hi}]}
  - {default: blackhole}
""")
    def explain(*words):
        return subprocess.run([TERRARIUM, "policy", "explain", "--policy", str(tmp_path / "p.yaml"), *words], capture_output=True, text=True,
                              timeout=20)
    for word in "127.0.0.1:80", "localhost:80", "[::1]:81", "10.0.2.15:80", "0.0.0.0:81", "[fd00:7e77:a210::f]:1":
        said = explain("connect", word).stdout
        assert "whoever listens there in the world" in said and "ECONNREFUSED" in said and "127 s" not in said, said
    assert "name server" in explain("connect", "127.0.0.53:53", "udp").stdout
    for word in "127.0.0.1:6379", "localhost:6379":
        assert "ECONNRESET" in explain("connect", word).stdout and "p.yaml:3:5" in explain("connect", word).stdout
    assert "127 s" in explain("connect", "10.0.2.2:81").stdout and "http" in explain("connect", "10.0.2.2:80").stdout
    assert "expected HOST:PORT, not 'api.example.com'" in explain("connect", "api.example.com").stderr
    done = guest(terrarium, """
        for at in ('127.0.0.1', 80), ('localhost', 80), ('::1', 81), ('10.0.2.15', 80), ('0.0.0.0', 81): print(attempt(connect, *at)[0])
    """, policy=(tmp_path / "p.yaml").read_text())
    assert done.out == "('ConnectionRefusedError', 111)\n" * 5, done


def test_a_har_has_bodies_without_their_codings_and_is_given_again(terrarium, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/page.txt").write_text("hello world\n" * 3000)
    code = """
import requests
for coding in "gzip", "zstd", "deflate", "identity":
    r = requests.get("https://www.example.com/page.txt?" + coding, headers={"Accept-Encoding": coding, "Cookie": "a=b; c="}, stream=True)
    print(len(r.raw.data) < 36000, len(r.content or b""))
print(len(requests.get("https://www.example.com/page.txt?gzip").text), requests.get("http://api.example.com/").text)
"""
    world = """terrarium: 1
network:
  - {connect: "www.example.com:443", respond: ./site}
  - {connect: "api.example.com:80", http: [{headers: {Set-Cookie: "sid=1; Path=/; HttpOnly"}, body: c}]}
"""
    first = terrarium("run", "--har", str(tmp_path / "h.har"), "--", "-c", code, policy=world)
    assert (first.status, first.out.splitlines()[-1]) == (0, "36000 c"), first
    entries = json.loads((tmp_path / "h.har").read_text())["log"]["entries"]
    for e in entries[:4]:
        content, size = e["response"]["content"], e["response"]["bodySize"]
        assert content["text"] == "hello world\n" * 3000 and content["size"] == 36000 == size + content.get("compression", 0)
        assert e["request"]["cookies"] == [{"name": "a", "value": "b"}, {"name": "c", "value": ""}]
    assert entries[-1]["response"]["cookies"] == [{"name": "sid", "value": "1", "path": "/", "httpOnly": True}]
    assert all(isinstance(e["connection"], str) for e in entries)
    again = terrarium("run", "--", "-c", code.replace(", stream=True", ""), policy=f'terrarium: 1\nnetwork: [{{connect: "*:*", exchange: {tmp_path}/h.har}}]\n')
    assert (again.status, again.out.splitlines()[-1]) == (0, "36000 c"), again
