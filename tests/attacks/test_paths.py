"""Ways round a rule on a path, and out of a host mount: other names, other calls, links, `..`, and a host that changes meanwhile."""
import os
import subprocess
import threading

import pytest

SECRET = """
terrarium: 1
mounts: [{at: /data, memory: true}]
files: {/data/secret/k1: "hidden", /data/open: "open"}
calls:
  - {deny: openat, path: "/data/secret/**", errno: EACCES, note: "tests are hidden"}
"""

TRY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, f):
    try: result = f()
    except OSError as e: result = os.strerror(e.errno)
    print(name, result)
def raw(nr, *args):
    result = libc.syscall(nr, *args)
    if result < 0: raise OSError(ctypes.get_errno(), '')
    return os.read(result, 20)
"""


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_a_name_that_is_ruled_stays(terrarium):
    """Natively each of these is an ordinary rename or link of one's own files."""
    result = terrarium("run", "--", "-c", TRY + """
attempt('file', lambda: os.rename('/data/secret/k1', '/data/k2'))
attempt('directory', lambda: os.rename('/data/secret', '/data/s2'))
attempt('link', lambda: os.link('/data/secret/k1', '/data/k3'))
os.symlink('/data/secret', '/box/s')
attempt('through-symlink', lambda: os.rename('/box/s/k1', '/data/k4'))
attempt('read', lambda: open('/data/secret/k1').read())
os.rename('/data/open', '/data/opened')
print('other', open('/data/opened').read())
os.makedirs('/box/a/secret'); os.rename('/box/a', '/box/b')
print('elsewhere', os.listdir('/box/b'))
""", policy=SECRET, report=True)
    got = lines(result.out)
    assert got == {"file": "Permission denied", "directory": "Permission denied", "link": "Permission denied",
                   "through-symlink": "Permission denied", "read": "Permission denied", "other": "open",
                   "elsewhere": "['secret']"}, result
    assert result.report["denied"][0]["count"] == 5, result.report["denied"]


def test_an_ancestor_of_a_ruled_name_stays(terrarium):
    """/data/secret is below /box/top here: moving any directory above it would free it."""
    result = terrarium("run", "--", "-c", TRY + """
attempt('parent', lambda: os.rename('/box/top/data', '/box/top/date'))
attempt('grandparent', lambda: os.rename('/box/top', '/box/tip'))
os.mkdir('/box/other')
attempt('exchange', lambda: raw(316, -100, b'/box/other', -100, b'/box/top', 2))
attempt('exchanged', lambda: raw(316, -100, b'/box/top', -100, b'/box/other', 2))
attempt('read', lambda: open('/box/top/data/secret/k').read())
os.mkdir('/box/x'); os.rename('/box/x', '/box/y'); print('free', sorted(os.listdir('/box')))
""", report=True, policy="""
terrarium: 1
user: {uid: 0, gid: 0}
files: {/box/top/data/secret/k: hidden}
calls: [{deny: open, path: "/box/top/data/secret/*", errno: EACCES}]
""")
    got = lines(result.out)
    assert got.pop("free") == "['other', 'top', 'y']", result
    assert set(got.values()) == {"Permission denied"} and len(got) == 5, result
    assert result.report["denied"][0]["count"] == 5  # the rule's doing, not the directories' modes


def test_every_door_to_a_file(terrarium):
    """A rule that names openat means opening."""
    result = terrarium("run", "--", "-c", TRY + """
import struct
how = struct.pack('QQQ', 0, 0, 0)
attempt('open', lambda: raw(2, b'/data/secret/k1', 0))
attempt('creat', lambda: raw(85, b'/data/secret/k1', 0o600))
attempt('openat', lambda: raw(257, -100, b'/data/secret/k1', 0))
attempt('openat2', lambda: raw(437, -100, b'/data/secret/k1', how, 24))
attempt('dirfd', lambda: raw(257, os.open('/data', os.O_PATH), b'secret/k1', 0))
attempt('o-path', lambda: os.open('/data/secret', os.O_PATH))
attempt('proc-root', lambda: open('/proc/self/root/data/secret/k1').read())
attempt('proc-cwd', lambda: (os.chdir('/data'), open('/proc/thread-self/cwd/secret/k1').read()))
attempt('dev-fd', lambda: open('/dev/fd/%d/secret/k1' % os.open('/data', 0)).read())
attempt('handle', lambda: raw(304, -100, b'\\0' * 64, 0))
attempt('dots', lambda: open('/data/secret/../secret/./k1').read())
""", policy=SECRET)
    got = lines(result.out)
    assert got.pop("handle") == "Operation not permitted"
    assert set(got.values()) == {"Permission denied"} and len(got) == 10, result


@pytest.fixture
def host(tmp_path):
    """A directory that is mounted, with something beside it that is not."""
    mounted = tmp_path / "mounted"
    (mounted / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text("outside")
    (mounted / "file").write_text("inside")
    (mounted / "up").symlink_to("../outside/key")
    (mounted / "absolute").symlink_to(tmp_path / "outside" / "key")
    (mounted / "directory").symlink_to(tmp_path / "outside")
    (mounted / "self").symlink_to("/proc/self/root")
    (mounted / "sub" / "deep").symlink_to("../../../../../../../../../../" + str(tmp_path / "outside" / "key"))
    for path in (tmp_path, mounted, tmp_path / "outside"):
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("mode", ["ro", "cow"])
def test_links_out_of_a_host_mount(terrarium, host, mode):
    assert (host / "mounted/up").read_text() == "outside"  # natively they lead out
    names = ["up", "absolute", "directory/key", "sub/deep", "../outside/key", "sub/../../outside/key",
             f"self{host}/outside/key", "file/../../outside/key"]
    result = terrarium("run", "--mount", f"{host}/mounted:/m:{mode}", "--", "-c", f"""
for name in {names!r}:
    try: print(name, open('/m/' + name).read())
    except OSError as e: print(name, '-')
print(open('/m/file').read())
""")
    assert result.out.splitlines() == [f"{n} -" for n in names] + ["inside"], result


def test_a_host_directory_that_changes_meanwhile(terrarium, host):
    """Somebody outside swaps a directory for a symlink, over and over, while the guest opens through it."""
    victim, parked, link = host / "mounted/swap", host / "parked", host / "link"
    victim.mkdir()
    (victim / "key").write_text("inside")
    link.symlink_to(host / "outside")
    done = threading.Event()

    def swap():
        while not done.is_set():
            os.rename(victim, parked), os.rename(link, victim)
            os.rename(victim, link), os.rename(parked, victim)

    worker = threading.Thread(target=swap)
    worker.start()
    try:
        result = terrarium("run", "--mount", f"{host}/mounted:/m:ro", "--", "-c", """
seen = set()
for i in range(3000):
    try: seen.add(open('/m/swap/key').read())
    except OSError as e: seen.add('-')
print('outside' in seen)
""")
    finally:
        done.set()
        worker.join()
    assert result.out == "False\n" and result.status == 0, result


def test_the_neighbours_of_a_file_in_its_archive(terrarium, tmp_path):
    """A mapping may reach beyond its file's end, by its length, its offset or mremap(2): natively that is a SIGBUS."""
    (tmp_path / "open").write_text("open")
    (tmp_path / "secret").write_text("hidden")
    subprocess.run(["tar", "-cf", "data.tar", "open", "secret"], cwd=tmp_path, check=True)
    result = terrarium("run", "--", "-c", """
import ctypes, os
libc = ctypes.CDLL(None)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
fd = os.open('/data/open', os.O_RDONLY)
short = libc.mmap(None, 4096, 1, 2, fd, 0)
print(ctypes.string_at(short, 5))
for name, at in ('length', libc.mmap(None, 8192, 1, 2, fd, 0) + 4096), ('offset', libc.mmap(None, 4096, 1, 2, fd, 4096)), \\
        ('shared', libc.mmap(None, 8192, 1, 1, fd, 0) + 4096), ('mremap', libc.mremap(short, 4096, 8192, 1) + 4096):
    pid = os.fork()
    if pid == 0:
        print(ctypes.string_at(at, 6), flush=True)
        os._exit(0)
    print(name, os.waitpid(pid, 0)[1])
""", policy="""
terrarium: 1
mounts: [{at: /data, tar: data.tar}]
calls: [{deny: openat, path: /data/secret, errno: EACCES}]
""")
    assert result.out == "b'open\\x00'\nlength 7\noffset 7\nshared 7\nmremap 7\n", result
