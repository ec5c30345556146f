"""SSH by two libraries, client and server inside; and trust where the environment says it is kept."""
import pytest

SERVER = """
import asyncio, asyncssh, sys
class Server(asyncssh.SSHServer):
    def begin_auth(self, user): return True
    def password_auth_supported(self): return True
    def validate_password(self, user, password): return (user, password) == ("guest", "secret")
def handle(process):
    process.stdout.write(process.command.upper() + "\\n" if process.command else "a shell\\n")
    process.stderr.write("beside\\n")
    process.exit(7)
async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncssh.create_server(Server, "127.0.0.1", 8022, server_host_keys=[key], process_factory=handle,
                                 sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=b"/box/files"))
    print("ready", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""

CLIENTS = """
import asyncio, os, subprocess, sys
os.mkdir("files"); open("files/a.txt", "w").write("x" * 100000)
server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
assert server.stdout.readline() == "ready\\n"
import asyncssh
async def ask():
    async with asyncssh.connect("127.0.0.1", 8022, username="guest", password="secret", known_hosts=None) as c:
        done = await c.run("who is it")
        print(done.stdout, done.stderr, done.exit_status)
        async with c.start_sftp_client() as sftp:
            await sftp.put("files/a.txt", "b.txt")
            print(await sftp.listdir("."), (await sftp.stat("b.txt")).size)
    try:
        await asyncssh.connect("127.0.0.1", 8022, username="guest", password="wrong", known_hosts=None)
    except asyncssh.PermissionDenied:
        print("denied")
asyncio.run(ask())
import paramiko
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect("127.0.0.1", 8022, "guest", "secret", allow_agent=False, look_for_keys=False)
i, o, e = c.exec_command("again")
print(o.read(), e.read(), o.channel.recv_exit_status())
f = c.open_sftp()
print(len(f.open("a.txt").read()))
c.close()
server.terminate()
print(server.wait())
"""


def test_ssh_both_ends_inside(terrarium):
    done = terrarium("run", "--limit", "memory=1GiB", "--", "-c", f"SERVER = {SERVER!r}\n{CLIENTS}", timeout=120)
    assert done.status == 0, done
    lines = done.out.splitlines()
    assert lines[:3] == ["WHO IS IT", " beside", " 7"], done
    assert sorted(eval(lines[3].rsplit(" ", 1)[0])) == [".", "..", "a.txt", "b.txt"] and lines[3].endswith(" 100000"), done
    assert lines[4:] == ["denied", "b'AGAIN\\n' b'beside\\n' 7", "100000", "-15"], done


@pytest.mark.parametrize("variable, value", [("SSL_CERT_FILE", "/my/ca.pem"), ("SSL_CERT_DIR", "/nowhere:/my/certs")])
def test_the_environment_says_where_trust_is(terrarium, variable, value):
    """Only what it names is looked at by OpenSSL then: the authority is in there too."""
    done = terrarium("run", "--env", f"{variable}={value}", "--", "-c", """
import ssl, urllib.request
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
c.set_default_verify_paths()
print(urllib.request.urlopen("https://a.example/", context=c).read())
""", policy="""
terrarium: 1
network:
  - {connect: "a.example:443", http: [{body: trusted}]}
files:
  /my/ca.pem: ""
  /my/certs/README: "certificates\\n"
""")
    assert done.status == 0 and done.out.endswith("b'trusted'\n"), done


PLACES = [f"{below}/certifi/cacert.pem" for below in
          ("/opt/conda/lib/python3.12/site-packages", "/src/.venv/lib/python3.11/site-packages/pip/_vendor", "/src/service/venv/lib/python3.11/site-packages",
           "/home/guest/.local/lib/python3.11/site-packages", "/app/vendor")]


def test_certifis_files_hold_the_authority_wherever_projects_keep_them(terrarium, tmp_path):
    for path in PLACES:
        (tmp_path / path[1:]).parent.mkdir(parents=True)
        (tmp_path / path[1:]).write_text("")
    mounts = [word for top in ("opt", "src", "home", "app") for word in ("--mount", f"{tmp_path}/{top}:/{top}")]
    done = terrarium("run", *mounts, "--", "-c", f"""
import ssl, urllib.request
for path in {PLACES}:
    print(urllib.request.urlopen("https://a.example/", context=ssl.create_default_context(cafile=path)).read())
""", policy="""
terrarium: 1
network:
  - {connect: "a.example:443", http: [{body: trusted}]}
""")
    assert (done.status, done.out) == (0, "b'trusted'\n" * len(PLACES)), done
    assert (tmp_path / PLACES[0][1:]).read_text() == ""   # the host's stay as they are


def test_many_projects_are_no_burden(terrarium, tmp_path):
    """There is an end to looking, and what was looked at does not stand in the way of the guest's start."""
    for i in range(150):
        path = tmp_path / f"src/p{i:03}/lib/python3.11/site-packages/certifi/cacert.pem"
        path.parent.mkdir(parents=True)
        path.write_text("")
    done = terrarium("run", "--mount", f"{tmp_path}/src:/src", "--", "-c", """
import pathlib
print(len(list(pathlib.Path("/src").iterdir())), sum(b"CERTIFICATE" in p.read_bytes() for p in pathlib.Path("/src").rglob("cacert.pem")) > 50)
""", policy='terrarium: 1\nnetwork: [{connect: "a.example:443", http: [{body: trusted}]}]\n')
    assert (done.status, done.out) == (0, "150 True\n"), done
