"""Multicast groups, and ICMP sockets."""
import pytest

HEAD = """
import errno, socket, struct
def attempt(f, *a):
    try: return f(*a)
    except OSError as e: return errno.errorcode[e.errno]
def group(g, where="127.0.0.1"): return struct.pack("4s4s", socket.inet_aton(g), socket.inet_aton(where))
def udp(port=0, where=""):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((where, port)); s.setblocking(False); return s
IP = socket.IPPROTO_IP
"""

MEMBERS = {
    "joining and leaving": """
s = udp()
print(attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, group("239.1.2.3")))
print(attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, group("239.1.2.3")))
print(attempt(s.setsockopt, IP, socket.IP_DROP_MEMBERSHIP, group("239.1.2.3")))
print(attempt(s.setsockopt, IP, socket.IP_DROP_MEMBERSHIP, group("239.1.2.3")))
print(attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, group("10.1.2.3")), attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, b"1234"))
print(attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, group("239.1.2.3", "9.9.9.9")))
print([attempt(s.setsockopt, IP, socket.IP_ADD_MEMBERSHIP, group(f"239.2.2.{i}")) for i in range(22)])
print(attempt(s.setsockopt, IP, socket.IP_MULTICAST_IF, socket.inet_aton("9.9.9.9")))
print(s.getsockopt(IP, socket.IP_MULTICAST_IF, 4), attempt(s.setsockopt, IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1")))
print(s.getsockopt(IP, socket.IP_MULTICAST_IF, 4), s.getsockopt(IP, 49), s.getsockopt(IP, socket.IP_MULTICAST_LOOP))
""",
    "who gets it": """
members = [udp()]; port = members[0].getsockname()[1]
members += [udp(port), udp(port, "239.1.1.1"), udp(port, "127.0.0.1")]
def who(s, g):
    got = attempt(s.sendto, b"x", (g, port)), [attempt(m.recv, 9) for m in members]
    return got
s = udp(); s.setsockopt(IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
print(who(s, "239.1.1.1"))
members[0].setsockopt(IP, socket.IP_ADD_MEMBERSHIP, group("239.1.1.1"))
print(who(s, "239.1.1.1"), who(s, "239.1.1.2"))
members[1].setsockopt(IP, 49, 0)
print(who(s, "239.1.1.1"))
members[1].setsockopt(IP, socket.IP_ADD_MEMBERSHIP, group("239.1.1.1"))
print(who(s, "239.1.1.1"))
s.setsockopt(IP, socket.IP_MULTICAST_LOOP, 0)
print(who(s, "239.1.1.1"))
""",
    "IPv6": """
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("", 0)); s.setblocking(False); port = s.getsockname()[1]
lo = socket.if_nametoindex("lo")
mreq = socket.inet_pton(socket.AF_INET6, "ff02::1234") + struct.pack("i", lo)
print(attempt(s.setsockopt, 41, socket.IPV6_JOIN_GROUP, mreq), attempt(s.setsockopt, 41, socket.IPV6_JOIN_GROUP, mreq))
t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
print(attempt(t.setsockopt, 41, socket.IPV6_MULTICAST_IF, 99), attempt(t.setsockopt, 41, socket.IPV6_MULTICAST_IF, lo))
print(t.getsockopt(41, socket.IPV6_MULTICAST_IF) == lo)
print(attempt(t.sendto, b"x", ("ff02::1234", port)), attempt(s.recv, 9))
print(attempt(s.setsockopt, 41, socket.IPV6_LEAVE_GROUP, mreq), attempt(s.setsockopt, 41, socket.IPV6_LEAVE_GROUP, mreq))
""",
}


@pytest.mark.parametrize("case", MEMBERS)
def test_members_of_groups(same, case):
    same(HEAD + MEMBERS[case])


def test_groups_beside_a_network(terrarium):
    done = terrarium("run", "--", "-c", HEAD + """
a = udp(5353); a.setsockopt(IP, socket.IP_ADD_MEMBERSHIP, group("224.0.0.251", "0.0.0.0"))
s = udp()
print(attempt(s.sendto, b"who?", ("224.0.0.251", 5353)), a.recvfrom(9)[1][0])
print(attempt(s.sendto, b"who?", ("255.255.255.255", 5353)))
""", policy="terrarium: 1\nnetwork:\n  - {default: refuse}\n")
    assert (done.status, done.out) == (0, "4 10.0.2.15\nEACCES\n"), done


PING = HEAD + """
def ask(to, family=socket.AF_INET, kind=8, data=b"payload", n=100):
    s = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6)
    s.settimeout(1)
    sent = attempt(s.sendto, struct.pack("!BBHHH", kind, 0, 0, 77, 5) + data, (to, 0))
    if isinstance(sent, str): return sent
    try: got, where = s.recvfrom(n)
    except TimeoutError: return "nothing"
    kind, code, sum, identifier, sequence = struct.unpack("!BBHHH", got[:8])
    whole = got + b"\\0" * (len(got) % 2)
    total = sum * 0 + __import__("builtins").sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return kind, code, identifier == s.getsockname()[1], sequence, got[8:], where[0], family == socket.AF_INET and total == 0xffff
"""


def test_this_host_answers(terrarium):
    done = terrarium("run", "--", "-c", PING + """
print(ask("127.0.0.1")); print(ask("::1", socket.AF_INET6, 128)); print(ask("127.0.0.1", kind=13), ask("127.0.0.1", data=b""))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
print(attempt(s.send, b"x" * 8), attempt(s.sendto, b"short", ("127.0.0.1", 0)), attempt(s.connect, ("127.0.0.1", 0)), attempt(s.send, b"\\x08" + b"\\0" * 7))
print(ask("192.0.2.1"), open("/proc/sys/net/ipv4/ping_group_range").read().split(), attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1))
""")
    assert (done.status, done.out.splitlines()) == (0, [
        "(0, 0, True, 5, b'payload', '127.0.0.1', True)", "(129, 0, True, 5, b'payload', '::1', False)",
        "EINVAL (0, 0, True, 5, b'', '127.0.0.1', True)", "EDESTADDRREQ EINVAL None 8",
        "ENETUNREACH ['0', '2147483647'] EPERM"]), done


def test_hosts_of_the_world_answer(terrarium):
    done = terrarium("run", "--", "-c", PING + """
for to in socket.gethostbyname("www.example.com"), "203.0.113.5", "10.0.2.2", "198.51.100.9", "203.0.113.6":
    print(ask(to)[:2])
""", policy="""
terrarium: 1
network:
  - {connect: "www.example.com:80", http: [{body: x}]}
  - {connect: "203.0.113.5:22", refuse: true}
  - {connect: "203.0.113.6:22", timeout: true}
  - {connect: "*:443", http: [{body: x}]}
""")
    assert (done.status, done.out) == (0, "(0, 0)\n(0, 0)\n(0, 0)\nno\nno\n"), done
