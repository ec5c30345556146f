"""Whoever asks for a name gets the same: glibc, musl, Python's module, dnspython, a resolver made by hand."""
import subprocess

SOURCE = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
int main(int count, char **names)
{
    for (int i = 1; i < count; i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *a;
        int error = getaddrinfo(names[i], "https", &hints, &found);
        printf("%s:", names[i]);
        for (a = error ? NULL : found; a; a = a->ai_next) {
            char text[64];
            getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
            printf(" %s", text);
        }
        puts(error == EAI_NONAME ? " none" : error == EAI_AGAIN ? " again" : error ? " other" : "");
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char text[256];
    inet_pton(AF_INET, "203.0.113.9", &v4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr);
    printf("%s", getnameinfo((void *)&v4, sizeof v4, text, sizeof text, NULL, 0, NI_NAMEREQD) ? "none" : text);
    printf(" %s\n", getnameinfo((void *)&v6, sizeof v6, text, sizeof text, NULL, 0, NI_NAMEREQD) ? "none" : text);
    return 0;
}
"""

POLICY = """
terrarium: 1
network:
  - {resolve: a.example.com, to: 203.0.113.9}
  - {resolve: six.example.com, to: "2001:db8::7"}
  - {resolve: "*.wild.example.com", to: 203.0.113.10}
  - {resolve: alias.example.com, cname: a.example.com}
  - {resolve: gone.example.com, to: nxdomain}
  - {resolve: broken.example.com, to: servfail}
  - {connect: "api.example.com:443", http: [{body: hi}]}
"""
NAMES = ["a.example.com", "six.example.com", "x.wild.example.com", "alias.example.com", "api.example.com", "gone.example.com",
         "broken.example.com", "localhost"]

PYTHON = f"""
import dns.message, dns.query, dns.rcode, dns.reversename, dns.resolver, socket
from subprocess import run, PIPE
said = run(["/opt/glibc", *{NAMES}], stdout=PIPE, text=True).stdout
print(said == run(["/opt/musl", *{NAMES}], stdout=PIPE, text=True).stdout)
print(said, end="")
def by_python(name):
    try: return [a[4][0] for a in socket.getaddrinfo(name, "https", type=socket.SOCK_STREAM)]
    except socket.gaierror as e: return [{{socket.EAI_NONAME: "none", socket.EAI_AGAIN: "again"}}[e.errno]]
def by_hand(name):
    found = []
    for kind in "AAAA", "A":
        for over in dns.query.udp, dns.query.tcp:
            answer = over(dns.message.make_query(name, kind), "127.0.0.53", timeout=5)
            if answer.rcode() != dns.rcode.NOERROR: return [{{dns.rcode.NXDOMAIN: "none", dns.rcode.SERVFAIL: "again"}}[answer.rcode()]]
        found += [str(r) for rrset in answer.answer for r in rrset if r.rdtype in (1, 28)]
    return found
for line in said.splitlines()[:-1]:
    name, *told = line.replace(":", "", 1).split() if "::" not in line else line.replace(":", " ", 1).split()
    assert by_python(name) == told == by_hand(name), (line, by_python(name), by_hand(name))
"""


def test_every_resolver_gets_the_same(terrarium, tmp_path):
    (tmp_path / "resolve.c").write_text(SOURCE)
    for name, command in ("glibc", ["gcc"]), ("musl", ["musl-gcc", "-static"]):
        subprocess.run([*command, "-w", "-o", tmp_path / name, tmp_path / "resolve.c"], check=True)
    files = "".join(f"  /opt/{name}: {{file: {tmp_path / name}, mode: 0755}}\n" for name in ("glibc", "musl"))
    done = terrarium("run", "--", "-c", PYTHON, policy=POLICY + "files:\n" + files)
    assert done.status == 0, done
    lines = done.out.splitlines()
    made_up = lines[5].split()[1]
    assert lines == ["True", "a.example.com: 203.0.113.9", "six.example.com: 2001:db8::7", "x.wild.example.com: 203.0.113.10",
                     "alias.example.com: 203.0.113.9", f"api.example.com: {made_up}", "gone.example.com: none", "broken.example.com: again",
                     "localhost: ::1 127.0.0.1", lines[-1]], done
    assert lines[-1].split()[0] in ("a.example.com", "alias.example.com") and lines[-1].split()[1] == "six.example.com"
