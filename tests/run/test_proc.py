"""/proc and /sys inside: shaped as Linux's, filled by the world, with nothing of the host in them."""
import json
import os
import pathlib
import platform
import re

from tests.conftest import machine_names

LOOK = """
import json, os
found = {}
for directory, names, files in os.walk('/proc'):
    if directory.count('/') > 4:
        names.clear()
    for name in files:
        path = directory + '/' + name
        try:
            with open(path, 'rb') as f:
                found[path] = f.read().decode('latin-1')
        except OSError as e:
            found[path] = e.errno
print(json.dumps(found))
"""


def read_all(inside):
    return json.loads(inside(LOOK))


def test_every_file_reads(inside):
    found = read_all(inside)
    assert len(found) > 100
    links = ("/fd/", "/fdinfo/", "/ns/", "/mem")  # of descriptors that are gone, or to what is no file
    assert {p: e for p, e in found.items() if isinstance(e, int) and not any(x in p for x in links[:3])
            and not (p.startswith("/proc/1/") and e == 13) and not p.endswith(links[3])} == {}
    assert all(found[p] == 13 for p in found if p.endswith("/mem"))


def test_nothing_of_the_host(inside):
    """What names this machine: its release, its host name, its boot id, the processor, the test's own directory."""
    text = "\n".join(v for v in read_all(inside).values() if isinstance(v, str))
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    secrets = [platform.release(), *machine_names(), pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
               str(pathlib.Path(__file__).parent)] + ([model[1]] if model else [])
    for secret in secrets:
        assert secret not in text, secret


def test_twice_the_same(inside):
    assert read_all(inside) == read_all(inside)


def test_what_the_host_has_in_its_page_cache_is_not_told(terrarium, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1 << 20))
    look = """
import ctypes, mmap, re
f = open('/data/file', 'rb')
m = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
m.madvise(mmap.MADV_RANDOM)
m[900000]
start, rss = re.search('([0-9a-f]+)-[^\\n]*/data/file.*?(Rss.*?)kB', open('/proc/self/smaps').read(), re.S).groups()
pages = ctypes.create_string_buffer(256)
print(ctypes.CDLL(None).mincore(ctypes.c_void_p(int(start, 16)), len(m), pages), pages.raw.count(1), rss)
"""
    told = []
    for cached in (True, False):
        with open(file, "rb") as f:
            os.fsync(f.fileno())
            f.read() if cached else os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        told.append(terrarium("run", "--mount", f"{tmp_path}:/data", "--", "-c", look))
    assert told[0].out == told[1].out and told[0].out.startswith("0 256 "), told


def test_own_process(inside):
    out = inside("""
import os, re
def read(name): return open('/proc/' + name).read()
assert os.readlink('/proc/self') == str(os.getpid())
assert os.readlink('/proc/thread-self') == f'{os.getpid()}/task/{os.getpid()}'
assert read('self/comm') == 'python3\\n'
assert read('self/cmdline').split('\\0')[1] == '-c'
stat = read('self/stat')
fields = stat[stat.rindex(')') + 2:].split()
assert len(fields) == 50 and fields[0] == 'R' and int(fields[1]) == os.getppid(), stat
status = dict(line.split(':', 1) for line in read('self/status').splitlines())
assert status['Uid'].split() == [str(os.getuid())] * 4
assert int(status['VmSize'].split()[0]) * 1024 == int(fields[20]) > 0
assert int(read('self/statm').split()[0]) * 4096 == int(fields[20])
for line in read('self/maps').splitlines():
    assert re.fullmatch(r'[0-9a-f]{8,}-[0-9a-f]{8,} [r-][w-][x-][ps] [0-9a-f]{8} [0-9a-f]{2}:[0-9a-f]{2} \\d+ *(\\S.*)?', line), line
maps = read('self/maps')
assert '[stack]' in maps and os.path.realpath('/proc/self/exe') in maps
assert b'HOME=' in open('/proc/self/environ', 'rb').read()
assert os.readlink('/proc/self/cwd') == os.getcwd() and os.readlink('/proc/self/root') == '/'
f = open('/proc/self/exe', 'rb'); assert f.read(4) == b'\\x7fELF'
assert os.readlink(f'/proc/self/fd/{f.fileno()}') == os.path.realpath('/proc/self/exe')
assert f'pos:\\t{f.tell()}' in read(f'self/fdinfo/{f.fileno()}') or 'pos:' in read(f'self/fdinfo/{f.fileno()}')
r, w = os.pipe()
assert re.fullmatch(r'pipe:\\[\\d+\\]', os.readlink(f'/proc/self/fd/{r}'))
assert oct(os.lstat(f'/proc/self/fd/{r}').st_mode)[-3:] == '500' and oct(os.lstat(f'/proc/self/fd/{w}').st_mode)[-3:] == '300'
again = os.open(f'/proc/self/fd/{w}', os.O_WRONLY); os.write(again, b'x'); assert os.read(r, 9) == b'x'
assert str(r) in os.listdir('/proc/self/fd') and str(r) in os.listdir('/proc/self/fdinfo')
with open('/proc/self/comm', 'w') as c: c.write('renamed')
assert read('self/comm') == 'renamed\\n'
for bad in ('/proc/999', '/proc/01', '/proc/self/fd/999', '/proc/-1', '/proc/self/task/999'):
    assert not os.path.exists(bad), bad
for refused, error in (('/proc/version', 13), ('/proc/self/status', 13), ('/proc/new', 2)):
    try: os.open(refused, os.O_WRONLY | os.O_CREAT); assert False, refused
    except OSError as e: assert e.errno in (error, 1, 13), (refused, e)
print('fine')
""".replace("\\\\", "\\"))
    assert out == "fine\n"


def test_unlinked_file_is_reached_by_its_descriptor(same):
    assert same("""
import os
f = open('gone', 'w+'); f.write('still here'); f.flush(); os.unlink('gone')
print(os.readlink(f'/proc/self/fd/{f.fileno()}').endswith('gone (deleted)'), open(f'/proc/self/fd/{f.fileno()}').read())
""") == "True still here\n"


def test_system(inside):
    assert inside("""
import os
def read(name): return open(name).read()
u = os.uname()
assert u.release in read('/proc/version') and read('/proc/sys/kernel/osrelease').strip() == u.release
assert read('/proc/sys/kernel/hostname').strip() == u.nodename
assert read('/proc/cpuinfo').count('processor') == os.cpu_count() == 1
assert read('/sys/devices/system/cpu/online') == '0\\n'
memory = int(read('/proc/meminfo').split()[1]) * 1024
assert memory == os.sysconf('SC_PHYS_PAGES') * 4096
assert float(read('/proc/uptime').split()[0]) > 0
assert any(line.split()[1] == '/proc' for line in read('/proc/self/mounts').splitlines())
assert read('/proc/mounts') == read('/proc/self/mounts')
assert read('/proc/sys/kernel/random/boot_id') == read('/proc/sys/kernel/random/boot_id')
assert read('/proc/sys/kernel/random/uuid') != read('/proc/sys/kernel/random/uuid')
print('fine')
""".replace("\\\\", "\\")) == "fine\n"


def test_the_reaper_is_there_and_closed(inside):
    assert inside("""
import os
def read(name): return open('/proc/1/' + name).read()
print('1' in os.listdir('/proc'), read('comm').strip(), read('cmdline'), read('stat').split()[:4], os.stat('/proc/1').st_uid)
for name in 'exe', 'cwd', 'root':
    try:
        os.readlink('/proc/1/' + name)
    except OSError as e:
        print(name, e.strerror)
print(os.getpriority(os.PRIO_PROCESS, 1), os.getsid(1))
""") == ("True init /sbin/init\0 ['1', '(init)', 'S', '0'] 0\n" + "".join(f"{n} Permission denied\n" for n in ("exe", "cwd", "root"))
         + "0 1\n")


def test_psutil_reads_it(inside):
    """A third reader of /proc beside ps(1) and CPython's own tests."""
    assert inside("""
import os, psutil, subprocess, time
p = psutil.Process()
print(p.name(), p.username(), p.parent().pid, p.num_threads(), p.status(), p.memory_percent() > 0)
memory = psutil.virtual_memory()
print(memory.total > memory.available > 0, psutil.pids(), psutil.disk_usage('/').total > 0, psutil.cpu_count())
child = subprocess.Popen(['sleep', '100'])
c = psutil.Process(child.pid)
print(c.cmdline(), c.status(), c.ppid() == os.getpid(), [x.pid for x in p.children()] == [child.pid])
c.suspend(); print(c.status())
c.resume(); print(c.status())
c.terminate()
print(c.wait(timeout=3), c.is_running())
""") == ("python3 guest 1 1 running True\nTrue [1, 2] True 1\n['sleep', '100'] sleeping True True\nstopped\nsleeping\n-15 False\n")
