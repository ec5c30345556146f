"""/proc/net and /proc/sys/net: which sockets there are, natively and inside, line by line."""

SOCKETS = """
import os, re, socket, tempfile, time
from socket import *
import socket
def on(family, kind, *at):
    s = socket.socket(family, kind); s.bind(*at); return s
def port(s): return "%04X" % s.getsockname()[1]
l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname()); c.send(b"12345"); s, _ = l.accept()
w = socket.create_connection(l.getsockname())
six = socket.create_server(("::1", 0), family=AF_INET6); u = on(AF_INET, SOCK_DGRAM, ("127.0.0.1", 0)); u6 = on(AF_INET6, SOCK_DGRAM, ("::1", 0))
o = socket.socket(AF_INET, SOCK_DGRAM); o.connect(u.getsockname()); o.send(b"x")
time.sleep(.1)
names = {port(x): n for n, x in dict(l=l, c=c, s=c, w=w, six=six, u=u, u6=u6, o=o).items() if n != "s"}
inodes = {os.fstat(x.fileno()).st_ino: n for n, x in dict(l=l, c=c, s=s, w=w, six=six, u=u, u6=u6, o=o).items()}
for file in "tcp", "tcp6", "udp", "udp6":
    lines = open("/proc/net/" + file).read().splitlines()
    print(file, repr(lines[0]))
    for line in sorted(lines[1:], key=lambda l: inodes.get(int(l.split()[9]), "")):
        f = line.split()
        local, remote = (names.get(a.rsplit(":")[1]) for a in f[1:3])
        if local:
            queue = re.sub(":[0-9A-F]+", ":", f[4]) if file[:3] == "udp" else f[4] # what a datagram weighs is the kernel's own affair
            print(inodes.get(int(f[9])), local, remote, f[1][:-4], f[2][:-4], f[3], queue, int(f[7]) in (os.getuid(), 0), len(f) > 12, len(line) if file in ("tcp", "udp") else "")
os.chdir(tempfile.mkdtemp())
p = on(AF_UNIX, SOCK_STREAM, "path"); p.listen(); d = on(AF_UNIX, SOCK_DGRAM, "gram"); a = on(AF_UNIX, SOCK_SEQPACKET, b"\\0ab\\0stract%d" % os.getpid())
c = socket.socket(AF_UNIX); c.connect("path"); q = p.accept()[0]; n = socket.socket(AF_UNIX); x, y = socketpair(AF_UNIX, SOCK_DGRAM)
inodes = {os.fstat(s.fileno()).st_ino: k for k, s in dict(p=p, d=d, a=a, c=c, q=q, n=n, x=x, y=y).items()}
lines = open("/proc/net/unix").read().splitlines()
print(repr(lines[0]))
for line in sorted(lines[1:], key=lambda l: inodes.get(int(l.split()[6]), "")):
    f = line.split()
    if int(f[6]) in inodes: print(inodes[int(f[6])], len(f[0]), f[1:6], [name.replace(str(os.getpid()), "") for name in f[7:]])
"""

SETTINGS = """
for name in "core/somaxconn", "core/wmem_default", "ipv4/ip_default_ttl", "ipv4/ip_local_port_range", "ipv4/tcp_keepalive_time", "ipv4/tcp_keepalive_intvl", \\
        "ipv4/tcp_keepalive_probes", "ipv4/tcp_fin_timeout", "ipv4/ip_unprivileged_port_start", "unix/max_dgram_qlen", "ipv6/bindv6only":
    print(name, open("/proc/sys/net/" + name).read().strip() != "")
print([line.split()[0] for line in open("/proc/net/sockstat")][:3], [line.split()[0] for line in open("/proc/net/sockstat6")][:2])
print(open("/proc/net/packet").readline(), open("/proc/net/raw").read(), open("/sys/class/net/lo/addr_len").read())
"""


def test_sockets_are_listed(same):
    assert same(SOCKETS).count("path") == 2


def test_settings_and_counts(same):
    same(SETTINGS)


def test_what_is_counted_is_there(inside):
    assert inside("""
import socket
def used(): return int(open("/proc/net/sockstat").readline().split()[2])
before = used(); keep = socket.socketpair(), socket.create_server(("127.0.0.1", 0)); print(used() - before)
""") == "3\n"
