"""A whole tree from an archive (`--image`): Debian's interpreter and its libraries, and trees with nothing of glibc in them."""
import os
import pathlib
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MUSL_PYTHON = ROOT / "build/musl/python.tar"  # `make test-musl` builds it

HELLO = """
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static void *in_thread(void *said) { puts(said); return NULL; }
int main(int argc, char **argv)
{
    pthread_t t;
    setvbuf(stdout, NULL, _IONBF, 0);
    pthread_create(&t, NULL, in_thread, "thread");
    pthread_join(t, NULL);
    if (argc > 1) return 7;
    if (fork() == 0) execl(argv[0], argv[0], "again", NULL);
    int status;
    wait(&status);
    printf("%d %d\\n", WEXITSTATUS(status), dlsym(RTLD_DEFAULT, "gnu_get_libc_version") != NULL);
}
"""


def libraries(program):
    """What the program loads, by the names it loads them under."""
    for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
        words = [word for word in line.split() if word.startswith("/")]
        yield from words[-1:]


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """The few parts of a Debian tree that its python3 needs."""
    to = tmp_path_factory.mktemp("image") / "debian.tar"
    wanted = {os.path.realpath(name): name for name in libraries("/usr/bin/python3")}
    with tarfile.open(to, "w") as tar:
        for real, name in wanted.items():
            tar.add(real, name)
        tar.add(os.path.realpath("/usr/bin/python3"), "usr/bin/python3.11")
        tar.add("/usr/bin/python3", "usr/bin/python3")
        tar.add("/usr/lib/python3.11", "usr/lib/python3.11",
                filter=lambda member: None if "/test" in member.name or "__pycache__" in member.name else member)
    return to


def test_debian_s_python(terrarium, debian):
    code = "import json, os, sys; print(sys.executable, json.__file__, os.path.exists('/usr/bin/env'), sorted(os.listdir('/usr')))"
    result = terrarium("run", "--image", str(debian), "--python", "/usr/bin/python3", "--", "-c", code)
    assert result.out == "/usr/bin/python3 /usr/lib/python3.11/json/__init__.py False ['bin', 'lib']\n", result


def test_a_musl_program(terrarium, tmp_path):
    source, program, image = tmp_path / "hello.c", tmp_path / "hello", tmp_path / "musl.tar"
    source.write_text(HELLO)
    subprocess.run(["musl-gcc", "-w", "-D_GNU_SOURCE", "-o", program, source], check=True)
    with tarfile.open(image, "w", dereference=True) as tar:
        tar.add("/lib/ld-musl-x86_64.so.1", "lib/ld-musl-x86_64.so.1")
        tar.add(program, "bin/hello")
    result = terrarium("exec", "--image", str(image), "--", "/bin/hello")
    assert result.out == "thread\nthread\n7 0\n", result


needs_musl_python = pytest.mark.skipif(not MUSL_PYTHON.exists(), reason="make test-musl builds one")


@pytest.fixture
def musl(terrarium):
    def call(code):
        result = terrarium("run", "--image", str(MUSL_PYTHON), "--python", "/usr/local/bin/python3", "--", "-c", code, timeout=120)
        assert result.status == 0, result
        return result.out

    return call


@needs_musl_python
def test_a_musl_python(musl):
    assert musl("""
import asyncio, os, threading, time
names = {line.split()[-1] for line in open('/proc/self/maps') if '/' in line}
print({'/lib/ld-musl-x86_64.so.1', '/usr/local/bin/python3.11'} <= names, os.path.exists('/lib/x86_64-linux-gnu'))
print(threading.Thread(target=print, args=['thread']).start())
async def slow(n): await asyncio.sleep(n); return n
async def main(): print(await asyncio.gather(slow(3000), slow(1000)))
start = time.monotonic(); asyncio.run(main()); print(round(time.monotonic() - start, 1))
""").split("\n") == ["True False", "thread", "None", "[3000, 1000]", "3000.0", ""]


@needs_musl_python
def test_processes_of_a_musl_python(musl):
    assert musl("""
import multiprocessing, subprocess, sys
print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout.strip())
for how in 'fork', 'spawn', 'forkserver':
    context = multiprocessing.get_context(how)
    with context.Pool(3) as pool: print(how, pool.map(abs, [-1, -2, -3]))
""") == "42\nfork [1, 2, 3]\nspawn [1, 2, 3]\nforkserver [1, 2, 3]\n"


@needs_musl_python
def test_a_musl_python_is_the_same_twice(musl):
    code = "import os, random, time; print(os.urandom(4).hex(), random.random(), time.time(), id(object()), os.getpid(), hash('a'))"
    assert musl(code) == musl(code)
