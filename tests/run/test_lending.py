"""Files that are lent (docs/architecture.md, "Files and names that are lent"): calls are answered without a stop, and nothing but the number of stops
tells it from calls that were trapped. lent_calls.py and lent_names.py are the guests; LENT_CALLS names other seeds."""
import os
import pathlib
import subprocess

import pytest

from conftest import PYTHON, TERRARIUM, assert_same_lines, natively_on_tmpfs

PROGRAMS = [pathlib.Path(__file__).with_name(name) for name in ("lent_calls.py", "lent_names.py")]
COUNT = 1500
SEEDS = os.environ.get("LENT_CALLS", "1 2 3 4").split()
TRAPPED = "terrarium: 1\ncalls:\n  - {allow: [lseek]}\n"  # a rule on one of the calls: none is answered by the guest


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
@pytest.mark.parametrize("seed", SEEDS)
def test_as_natively(terrarium, program, seed):
    lent = terrarium("run", str(program), "/tmp", seed, str(COUNT), report=True)
    assert lent.report["lent_calls"] > COUNT / 8 and lent.report["reproducible"], lent.report
    assert_same_lines(lent, natively_on_tmpfs(program, seed, str(COUNT)), ("inside", "natively"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
@pytest.mark.parametrize("seed", SEEDS)
def test_as_trapped(terrarium, tmp_path, program, seed):
    """At the same times, too, and counted as trapped ones are."""
    words = ("run", str(program), "/tmp", seed, str(COUNT), "times")
    lent, trapped = terrarium(*words, report=True), terrarium(*words, report=True, policy=TRAPPED)
    assert_same_lines(lent, trapped, ("lent", "trapped"))
    assert trapped.report["lent_calls"] == 0 < lent.report["lent_calls"]
    assert lent.report["events"] + lent.report["lent_calls"] == trapped.report["events"]
    assert lent.report["clock_reads"] == trapped.report["clock_reads"]
    assert lent.report["calls"] == trapped.report["calls"]
    recorded = subprocess.run([TERRARIUM, "run", "--python", PYTHON, "--record", str(tmp_path / "r.trec"), *words[1:]], capture_output=True,
                              timeout=120, cwd=tmp_path)
    assert recorded.stdout.decode() == lent.out

# What a review found: each differed from the trapped calls.
FOUND = {
    "blocks of a file that is mapped while its name is lent": """
import mmap, os
def size(): return os.stat('/tmp/sparse').st_blocks
with open('/tmp/sparse', 'wb') as f:
    f.write(b'x' * 100); f.truncate(1 << 20); f.seek(1 << 20); f.write(b'y')
open('/tmp/sparse', 'rb').read()
print(size(), size())
m = mmap.mmap(os.open('/tmp/sparse', os.O_RDONLY), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
print(size(), len(m[:]), size(), size())
""",
    "no descriptor at all": """
import os,errno
def t(n,f):
    try: print(n,f())
    except OSError as e: print(n,errno.errorcode[e.errno])
open('/tmp/a','w').write('secret data here')
def all():
    t('read',lambda:os.read(-1,6)); t('close',lambda:os.close(-1)); t('lseek',lambda:os.lseek(-1,0,1)); t('fstat',lambda:os.fstat(-1).st_size); t('write',lambda:os.write(-1,b'zz')); 
    import ctypes; l=ctypes.CDLL(None,use_errno=True); print('isatty',l.isatty(-1),ctypes.get_errno())
all()
f=os.open('/tmp/a',os.O_RDONLY); os.fsync(f)   # loan taken back, flags stay
all()
""",
    "a lock that a close gives up": """
# A holds flock through fd, lent; closes it; then busy-waits without calls on shared memory that B sets once it has the lock
import os,fcntl,mmap,sys,time
open('/tmp/tf','w').write('x'*100)
m=mmap.mmap(-1,4096)
r,w=os.pipe()
pid=os.fork()
if pid==0:
    f=os.open('/tmp/tf',os.O_RDWR)
    os.read(r,1)
    fcntl.flock(f,fcntl.LOCK_EX)
    m[0]=1
    t=time.time_ns()
    os._exit(0)
f=os.open('/tmp/tf',os.O_RDWR)
fcntl.flock(f,fcntl.LOCK_EX)
os.write(w,b'x')
time.sleep(0.1)     # B blocks in flock
os.read(f,10)       # lent now
n=0
os.close(f)         # answered in the guest
while m[0]==0:
    n+=1
    if n>30_000_000: print('STUCK'); break
print('done', n<30_000_000)
os.waitpid(pid,0)
""",
    "a lock that the close of another descriptor gives up": """
# same for a POSIX lock: B waits for a lock which closing ANY descriptor of the file releases
import os,fcntl,mmap,time
open('/tmp/tf4','w').write('x'*100)
m=mmap.mmap(-1,4096)
B=os.fork()
if B==0:
    time.sleep(0.05)
    f=os.open('/tmp/tf4',os.O_RDWR); fcntl.lockf(f,fcntl.LOCK_EX); m[0]=1; os._exit(0)
k=os.open('/tmp/tf4',os.O_RDWR); fcntl.lockf(k,fcntl.LOCK_EX)
time.sleep(0.2)
t=open('/tmp/tf4').read()     # with-less read: open, read, close: releases the lock
n=0
while m[0]==0 and n<20_000_000: n+=1
print('B got it' if m[0] else 'STUCK')
os.waitpid(B,0)
""",
    "who wakes in a blocked call": """
# As sendf.py, but B sends the whole file each time a byte of the pipe is free: it is picked up in the middle of A's loan
import os,mmap,time,fcntl
open('/tmp/tf3','w').write('a'*70000)
r,w=os.pipe()
fcntl.fcntl(w,1031,4096)
m=mmap.mmap(-1,4096)
B=os.fork()
if B==0:
    os.close(r)
    f=os.open('/tmp/tf3',os.O_RDONLY)
    os.write(w,b'p'*4096)
    os.lseek(f,70000,0)
    m[1]=1
    n=os.sendfile(w,f,70000,4096)   # blocks: the pipe is full; when room is made, it is at the end of the file
    m[8:16]=n.to_bytes(8,'little'); m[0]=1
    os._exit(0)
os.close(w)
time.sleep(0.1)
f=os.open('/tmp/tf3',os.O_RDWR); os.lseek(f,0,2)
os.read(r,4096)       # room: B is ready; but A has its turn
os.write(f,b'b')      # trapped, then lent
for i in range(5): os.write(f,b'c'*100)
while m[0]==0: pass   # until B had turns
print('B sent',int.from_bytes(m[8:16],'little'), 'size', os.fstat(f).st_size)
""",
    "counts beyond the address space": """
import os,ctypes
l=ctypes.CDLL(None,use_errno=True); l.read.restype=ctypes.c_ssize_t; l.write.restype=ctypes.c_ssize_t
l.read.argtypes=[ctypes.c_int,ctypes.c_void_p,ctypes.c_size_t]; l.write.argtypes=l.read.argtypes
open('/tmp/neg','w').write('x'*100)
b=ctypes.create_string_buffer(4096); a=ctypes.addressof(b)
for n in (2**64-1,2**63,2**63-1,2**47,2**32,2**31,2**47-a,2**47-a-4096):
    f=os.open('/tmp/neg',os.O_RDONLY); ctypes.set_errno(0); r=l.read(f,a,n); print(hex(n) if n not in (2**47-a,2**47-a-4096) else 'edge',r,ctypes.get_errno()); os.close(f)
""",
    "a sleep of more than a day": """
# loan survives a futex sleep of more than a day: fstat after a read still says the old atime
import os,threading,time
open('/tmp/tf5','w').write('x'*1000)
f=os.open('/tmp/tf5',os.O_RDONLY)
os.read(f,10); os.fsync(f)
os.read(f,10)
os.read(f,10)
a=os.fstat(f).st_atime_ns
L=threading.Lock(); L.acquire()
t0=time.time(); L.acquire(timeout=100000)
os.read(f,10)
b=os.fstat(f).st_atime_ns
os.fsync(f)
c=os.fstat(f).st_atime_ns
print((b-a)//10**9,(c-a)//10**9, int(time.time()-t0))
""",
    "the largest offset": """
import os,errno
def t(n,g):
    try: print(n,g())
    except OSError as e: print(n,errno.errorcode[e.errno])
f=os.open('/tmp/big',os.O_RDWR|os.O_CREAT)
base=2**63-1-3000
t('tr',lambda:os.ftruncate(f,base))
t('seek',lambda:os.lseek(f,0,2)-base)
for n in (1,1,1000,1000,1000,1000,1):
    t('write',lambda:os.write(f,b'x'*n))
    t('size',lambda:os.fstat(f).st_size-base)
os.close(f)
""",
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_as_trapped(terrarium, what):
    words = ("run", "--limit", "wall=60s", "--", "-c", FOUND[what])
    lent, trapped = terrarium(*words), terrarium(*words, policy=TRAPPED)
    assert "STUCK" not in lent.out and lent.out
    assert_same_lines(lent, trapped, ("lent", "trapped"))


def test_nothing_is_mapped_where_the_window_is(inside):
    assert inside("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_long
for at in 0x13000, 0x14000, 0x20000, 0x53000, 0x54000:
    print(hex(libc.mmap(ctypes.c_void_p(at), 4096, 3, 0x32, -1, 0) & 0xffffffffffffffff))
""").split() == ["0xffffffffffffffff"] * 4 + ["0x54000"]
