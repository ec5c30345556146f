"""Sources of non-determinism: (group, name, program), each a Python program whose output is what is compared. Most differ from run to
run natively; inside none may. Read by tools/determinism.py and tests/run/test_determinism.py."""

SOURCES = []


def source(group, name, program):
    SOURCES.append((group, name, program))


# ---- values ------------------------------------------------------------------------------------------------------------------
source("values", "id of an object", "print(id(object()), id([]), id(print))")
source("values", "repr with an address", "print(object(), lambda: 0, type('T', (), {})())")
source("values", "hash of a str", "print(hash('a'), hash(b'a'), hash((1, 'x')))")
source("values", "hash of an object", "print(hash(object()), hash(object))")
source("values", "order of a set", "print({str(i) for i in range(30)}, frozenset('determinism'))")
source("values", "os.urandom", "import os; print(os.urandom(16).hex())")
source("values", "/dev/urandom, /dev/random", "print(open('/dev/urandom', 'rb').read(8), open('/dev/random', 'rb').read(8))")
source("values", "random", "import random; print(random.random(), random.SystemRandom().random())")
source("values", "secrets", "import secrets; print(secrets.token_hex(), secrets.randbelow(10**9))")
source("values", "uuid1 and uuid4", "import uuid; print(uuid.uuid1(), uuid.uuid4(), uuid.getnode())")
source("values", "gc order", """
import gc, weakref
class N: pass
out = []
for i in range(50):
    a, b = N(), N(); a.o, b.o = b, a; weakref.finalize(a, out.append, i)
    del a, b
gc.collect(); print(out, len(gc.get_objects()), gc.get_count())""")
source("values", "stack addresses in C", "import ctypes; b = ctypes.create_string_buffer(8); print(ctypes.addressof(b), ctypes.CDLL(None).malloc)")
source("values", "auxv", "print(open('/proc/self/auxv', 'rb').read().hex())")
source("values", "stack canary, pointer guard", """
import ctypes
get = ctypes.CDLL(None).getauxval; get.restype = ctypes.c_ulong
print(ctypes.string_at(get(25), 16).hex())""")

# ---- time ----------------------------------------------------------------------------------------------------------------------
source("time", "time.time", "import time; print(time.time(), time.time_ns())")
source("time", "monotonic, perf_counter", "import time; print(time.monotonic(), time.perf_counter_ns())")
source("time", "process_time, thread_time", "import time; sum(range(10**5)); print(time.process_time_ns(), time.thread_time_ns())")
source("time", "datetime", "import datetime; print(datetime.datetime.now(), datetime.datetime.now().astimezone().tzinfo)")
source("time", "localtime, timezone", "import time; print(time.localtime(), time.tzname, time.ctime())")
source("time", "how long a sleep took", "import time; a = time.monotonic(); time.sleep(.01); print(time.monotonic() - a)")
source("time", "os.times, clock", "import os; sum(range(10**5)); print(os.times())")
source("time", "getrusage", "import resource as r; b = bytearray(10**6); print(r.getrusage(r.RUSAGE_SELF), r.getrusage(r.RUSAGE_CHILDREN))")
source("time", "timeit", "import timeit; print(timeit.timeit('a = 1', number=1000))")
source("time", "a signal's moment", """
import signal, time
seen = []
signal.signal(signal.SIGALRM, lambda *a: seen.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, .001, .001)
while len(seen) < 5: time.sleep(.0007)
print(seen)""")
source("time", "/proc/uptime, /proc/stat", "print(open('/proc/uptime').read(), open('/proc/stat').read())")
source("time", "timerfd and select", """
import select, time
t = [time.monotonic()]
for i in range(5): select.select([], [], [], .001 * i); t.append(time.monotonic())
print(t)""")

# ---- identity ------------------------------------------------------------------------------------------------------------------
source("identity", "pids", "import os; print(os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))")
source("identity", "thread ids", "import threading as t; print(t.get_native_id(), t.get_ident(), t.current_thread())")
source("identity", "uids, groups, names", "import os, getpass, pwd; print(os.getresuid(), os.getgroups(), getpass.getuser(), pwd.getpwuid(os.getuid()))")
source("identity", "uname, host name", "import platform, socket, os; print(platform.uname(), socket.gethostname(), os.uname())")
source("identity", "cpu count, affinity", "import os; print(os.cpu_count(), sorted(os.sched_getaffinity(0)), os.sysconf('SC_NPROCESSORS_CONF'))")
source("identity", "which cpu it runs on", "import ctypes; print([ctypes.CDLL(None).sched_getcpu() for i in range(20)])")
source("identity", "the environment", "import os; print(dict(os.environ), os.environb)")
source("identity", "working directory, argv, executable", "import os, sys; print(os.getcwd(), sys.argv, sys.executable, sys.orig_argv)")
source("identity", "locale, encodings", "import locale, sys; print(locale.setlocale(locale.LC_ALL, ''), sys.getfilesystemencoding(), sys.stdout.encoding)")
source("identity", "limits", "import resource as r; print([r.getrlimit(i) for i in range(16)])")
source("identity", "umask, nice, scheduler", "import os; m = os.umask(0); print(m, os.nice(0), os.sched_getscheduler(0), os.getpriority(0, 0))")
source("identity", "signal dispositions, masks", "import signal as s; print([s.getsignal(i) for i in range(1, 32)], s.pthread_sigmask(s.SIG_BLOCK, []))")
source("identity", "open descriptors", "import os; print(os.listdir('/proc/self/fd'), os.open('/', 0))")
source("identity", "load average, memory", "import os; print(os.getloadavg(), open('/proc/meminfo').read(), os.sysconf('SC_AVPHYS_PAGES'))")
source("identity", "/proc/self/stat, status, statm", "print(*[open('/proc/self/' + n).read() for n in ('stat', 'status', 'statm', 'io', 'sched') if __import__('os').path.exists('/proc/self/' + n)])")
source("identity", "/proc/self/maps, smaps", "print(open('/proc/self/maps').read(), open('/proc/self/smaps').read())")
source("identity", "/proc/cpuinfo, version, cmdline", "print(*[open('/proc/' + n).read() for n in ('cpuinfo', 'version', 'cmdline', 'loadavg') if __import__('os').path.exists('/proc/' + n)])")
source("identity", "every process of /proc", "import os; print([(p, open(f'/proc/{p}/comm').read()) for p in os.listdir('/proc') if p.isdigit()])")

# ---- files -----------------------------------------------------------------------------------------------------------------------
source("files", "temporary names", "import tempfile; print(tempfile.mkdtemp(), tempfile.NamedTemporaryFile().name, tempfile.mktemp())")
source("files", "times of a file just made", "import os, tempfile; d = tempfile.mkdtemp(); open(d + '/f', 'w').close(); print(os.stat(d + '/f'), os.stat(d))")
source("files", "inode and device numbers", "import os; print([os.stat(p)[1:3] for p in ('/', '/usr', '/usr/bin', '/tmp', '/dev/null')])")
source("files", "order of a directory just filled", """
import os, tempfile
d = tempfile.mkdtemp()
for i in range(50): open(f'{d}/{i * 7919 % 101}', 'w').close()
print(os.listdir(d), [e.inode() for e in os.scandir(d)])""")
source("files", "order of a host's directory", "import os; print(os.listdir('/usr/lib/python3'), os.listdir('/usr/bin')[:50])")
source("files", "times of host files", "import os; os.listdir('/usr'); print([os.stat(p).st_atime_ns for p in ('/usr', '/usr/bin', '/usr/lib')])")
source("files", "statvfs", "import os; print(os.statvfs('/tmp'), os.statvfs('/'), os.statvfs('/usr'))")
source("files", "mounts", "print(open('/proc/mounts').read(), open('/proc/self/mountinfo').read())")
source("files", "inotify and dnotify order", """
import os, tempfile, ctypes
libc = ctypes.CDLL(None); d = tempfile.mkdtemp(); fd = libc.inotify_init()
libc.inotify_add_watch(fd, d.encode(), 0xfff)
for i in range(5): open(f'{d}/{i}', 'w').close()
os.rename(d + '/1', d + '/x'); print(os.read(fd, 4096).hex())""")
source("files", "holes and blocks", "import os; f = open('/tmp/holes' + str(os.getpid()), 'wb'); f.seek(10**6); f.write(b'x'); f.flush(); print(os.fstat(f.fileno())); os.unlink(f.name)")

# ---- threads ---------------------------------------------------------------------------------------------------------------------
source("threads", "order of starts", """
import threading
out = []
def f(i): out.append(i); out.append(-i)
ts = [threading.Thread(target=f, args=(i,)) for i in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]; print(out)""")
source("threads", "order through a queue", """
import threading, queue
q, out = queue.Queue(), []
def f(i):
    while (n := q.get()) is not None: out.append((i, n))
ts = [threading.Thread(target=f, args=(i,)) for i in range(4)]
[t.start() for t in ts]; [q.put(n) for n in range(100)]; [q.put(None) for t in ts]; [t.join() for t in ts]; print(out)""")
source("threads", "as_completed", """
import concurrent.futures as c, time
with c.ThreadPoolExecutor(8) as p: print([f.result() for f in c.as_completed([p.submit(lambda i=i: (time.sleep(.001 * (i % 3)), i)[1]) for i in range(40)])])""")
source("threads", "who gets a lock", """
import threading
lock, out = threading.Lock(), []
def f(i):
    for k in range(30):
        with lock: out.append(i)
ts = [threading.Thread(target=f, args=(i,)) for i in range(6)]
[t.start() for t in ts]; [t.join() for t in ts]; print(out)""")
source("threads", "sleeps of the same length", """
import threading, time
out = []
def f(i): time.sleep(.002); out.append(i)
ts = [threading.Thread(target=f, args=(i,)) for i in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]; print(out)""")
source("threads", "timed waits", """
import threading, time
c = threading.Condition(); out = []
def f(i):
    with c: out.append((i, c.wait(.001 * (i % 4))))
ts = [threading.Thread(target=f, args=(i,)) for i in range(12)]
[t.start() for t in ts]
with c: c.notify(3)
[t.join() for t in ts]; print(out)""")
source("threads", "threads that print", """
import threading, sys
def f(i):
    for k in range(5): sys.stdout.write(f'{i}.{k} '); sys.stdout.flush()
ts = [threading.Thread(target=f, args=(i,)) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]""")
source("threads", "threads that print computed", """
import threading, sys
def f(i):
    for k in range(3): n = sum(range(3000)); print(i, k, n)
ts = [threading.Thread(target=f, args=(i,)) for i in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]""")
source("threads", "a daemon at the end", """
import threading, time
def f():
    n = 0
    while True: n += 1; print(n, flush=True); time.sleep(.0003)
threading.Thread(target=f, daemon=True).start(); time.sleep(.005)""")

# ---- processes -------------------------------------------------------------------------------------------------------------------
source("processes", "output of children", """
import subprocess, sys
ps = [subprocess.Popen(['/bin/sh', '-c', f'for i in 1 2 3; do echo {n}.$i; done']) for n in range(6)]
[p.wait() for p in ps]""")
source("processes", "who ends first", """
import os
for n in range(10):
    if os.fork() == 0: os._exit(n)
print([os.wait() for n in range(10)])""")
source("processes", "a pool", """
import multiprocessing as m, os
def f(i): return i, os.getpid()
if __name__ == '__main__':
    with m.get_context('fork').Pool(4) as p: print(list(p.imap_unordered(f, range(40))))""")
source("processes", "a queue of several writers", """
import multiprocessing as m
c = m.get_context('fork'); q = c.Queue()
def f(i):
    for k in range(5): q.put((i, k))
ps = [c.Process(target=f, args=(i,)) for i in range(4)]
[p.start() for p in ps]; print([q.get() for n in range(20)]); [p.join() for p in ps]""")
source("processes", "pids of children", "import subprocess; print([subprocess.Popen(['/bin/true']).pid for n in range(5)])")
source("processes", "a pipe of many writers", """
import os
r, w = os.pipe()
for n in range(8):
    if os.fork() == 0: [os.write(w, b'%d' % n) for k in range(20)]; os._exit(0)
os.close(w); out = b''
while b := os.read(r, 100): out += b
print(out)""")
source("processes", "shell, $$, $RANDOM", "import subprocess; print(subprocess.run(['/bin/bash', '-c', 'echo $$ $RANDOM $PPID $SECONDS $BASHPID; ps 2>/dev/null'], capture_output=True).stdout)")
source("processes", "killed at some moment", """
import subprocess, time
p = subprocess.Popen(['/bin/sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; done'], stdout=subprocess.PIPE)
time.sleep(.005); p.kill(); print(len(p.stdout.read()) % 1000)""")
source("processes", "signals between processes", """
import os, signal, time
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append(time.monotonic_ns()))
pid = os.getpid()
for n in range(4):
    if os.fork() == 0: time.sleep(.001 * n); os.kill(pid, signal.SIGUSR1); os._exit(0)
for n in range(4): os.wait()
print(seen)""")

# ---- asyncio, network -------------------------------------------------------------------------------------------------------------
source("asyncio", "tasks and timeouts", """
import asyncio
async def f(i): await asyncio.sleep(.001 * (i % 5)); return i
async def main():
    print([await t for t in asyncio.as_completed([f(i) for i in range(30)])])
    try: await asyncio.wait_for(asyncio.sleep(10), .01)
    except asyncio.TimeoutError: print(asyncio.get_running_loop().time())
asyncio.run(main())""")
source("asyncio", "subprocesses", """
import asyncio
async def f(n):
    p = await asyncio.create_subprocess_exec('/bin/echo', str(n), stdout=-1); return (await p.communicate())[0], p.pid
async def main(): print([await t for t in asyncio.as_completed([f(n) for n in range(5)])])
asyncio.run(main())""")
source("asyncio", "threads beside a loop", """
import asyncio, time
async def main(): print([await t for t in asyncio.as_completed([asyncio.to_thread(lambda i=i: (time.sleep(.001), i)[1]) for i in range(20)])])
asyncio.run(main())""")
source("network", "ports", "import socket; ss = [socket.socket() for i in range(5)]; [s.bind(('127.0.0.1', 0)) for s in ss]; print([s.getsockname() for s in ss])")
source("network", "a server of many clients", """
import socket, threading
s = socket.create_server(('127.0.0.1', 0)); out = []
def f(i): c = socket.create_connection(s.getsockname()); c.sendall(b'%d' % i); c.close()
ts = [threading.Thread(target=f, args=(i,)) for i in range(10)]
[t.start() for t in ts]
for i in range(10): c, a = s.accept(); out.append((a, c.recv(9)))
print(out)""")
source("network", "datagrams", """
import socket, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))
def f(i): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'%d' % i, s.getsockname())
ts = [threading.Thread(target=f, args=(i,)) for i in range(10)]
[t.start() for t in ts]; print([s.recvfrom(9) for i in range(10)])""")
source("network", "unix sockets, credentials", """
import socket, struct
a, b = socket.socketpair(); print(struct.unpack('3i', a.getsockopt(1, socket.SO_PEERCRED, 12)), a, a.getsockopt(1, 7))""")
source("network", "a selector over many", """
import selectors, socket
s = selectors.DefaultSelector(); pairs = [socket.socketpair() for i in range(10)]
for i, (a, b) in enumerate(pairs): s.register(b, 1, i)
for a, b in reversed(pairs): a.send(b'x')
print([k.data for k, e in s.select()])""")
source("network", "interfaces, names", "import socket; print(socket.if_nameindex(), socket.getfqdn(), socket.getaddrinfo('localhost', 80))")

# ---- numpy ------------------------------------------------------------------------------------------------------------------------
source("numpy", "default_rng", "import numpy as n; print(n.random.default_rng().random(3), n.random.rand(2))")
source("numpy", "bits of a product", "import numpy as n; a = n.arange(40000.).reshape(200, 200) / 7; print((a @ a).tobytes().__hash__(), float((a @ a).sum()).hex())")
source("numpy", "uninitialised memory", "import numpy as n; print([n.empty(1000).tobytes().__hash__() for i in range(5)], n.empty(3))")
source("numpy", "address and alignment", "import numpy as n; a = n.zeros(10**6); print(a.ctypes.data, a.flags, a.ctypes.data % 64)")
source("numpy", "sums and functions", "import numpy as n; x = n.linspace(0, 9, 99991); print(float(n.sin(x).sum()).hex(), float(n.exp(-x).mean()).hex(), float(n.dot(x, x)).hex())")
