"""Leases (fcntl(2), F_SETLEASE), natively and inside, and files that run and are not written to."""

HEAD = """
import errno, fcntl, os, signal, struct, tempfile, time
directory = tempfile.mkdtemp(dir='/dev/shm')
path = directory + '/f'
R, W, U = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
def told(what, *arguments):
    try:
        return what(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
def lease(fd, kind):
    return told(fcntl.fcntl, fd, fcntl.F_SETLEASE, kind)
def held(fd):
    return told(fcntl.fcntl, fd, fcntl.F_GETLEASE)
def closed(*fds):
    for fd in fds:
        os.close(fd)
def end():
    if os.path.exists(path):
        os.unlink(path)
    os.rmdir(directory)
open(path, 'w').write('text')
"""


def test_who_may_have_a_lease(same):
    out = same(HEAD + """
modes = {'r': os.O_RDONLY, 'w': os.O_WRONLY, 'rw': os.O_RDWR, 'neither': 3}
for mode, flags in modes.items():
    for kind in R, W, U, 3, -1, 1 << 32:
        fd = os.open(path, flags)
        print(mode, kind, lease(fd, kind), held(fd), lease(fd, W), held(fd), lease(fd, R), held(fd), lease(fd, U), held(fd), lease(fd, U))
        closed(fd)
for other, flags in modes.items():
    for mine in modes:
        a, b = os.open(path, modes[mine]), os.open(path, flags)
        print(mine, 'beside', other, lease(a, R), held(a), lease(a, W), held(a), lease(b, R), lease(b, W), held(b))
        closed(a, b)
a = os.open(path, os.O_RDONLY)
again = os.dup(a)
print('the same description', lease(a, R), held(again), lease(again, W), held(a), lease(again, U), held(a))
if os.fork() == 0:
    print('a child', lease(a, R), held(again), flush=True)
    os._exit(0)
os.wait()
print(held(a), told(fcntl.fcntl, a, fcntl.F_GETOWN) > 0)
closed(a)
print(held(again))
closed(again)
for fd in os.open(directory, os.O_RDONLY), os.pipe()[0], os.eventfd(0), os.open(path, os.O_PATH):
    print(held(fd), lease(fd, R), lease(fd, U), lease(fd, 7))
memory = os.memfd_create('m')
print(lease(memory, R), lease(memory, W), held(memory), lease(memory, U))
end()
""")
    assert "r 0 0 0 0 1 0 0 0 2 EAGAIN" in out


def test_who_opens_breaks_it(same):
    same(HEAD + """
signals = []
signal.signal(signal.SIGIO, lambda *_: signals.append('io'))
kinds = {'read': R, 'write': W}
for name, kind in kinds.items():
    for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC, os.O_PATH, 3:
        fd = os.open(path, os.O_RDONLY)
        print(name, flags, lease(fd, kind), end=' ')
        opened = told(os.open, path, flags | os.O_NONBLOCK)
        print('opened' if isinstance(opened, int) else opened, signals, held(fd), os.fstat(fd).st_size, end=' ')
        again = told(os.open, path, os.O_RDONLY | os.O_NONBLOCK)
        print('opened' if isinstance(again, int) else again, signals, held(fd), end=' ')
        print(lease(fd, R), held(fd), lease(fd, U), held(fd))
        closed(*[f for f in (fd, opened, again) if isinstance(f, int)])
        signals.clear()
        open(path, 'w').write('text')
for what in (os.stat, os.unlink):
    fd = os.open(path, os.O_RDONLY)
    lease(fd, W)
    what(path)
    print(signals, held(fd))
    closed(fd)
open(path, 'w').write('text')
fd = os.open(path, os.O_RDONLY)
os.chmod(path, 0o600), os.rename(path, path + '2'), os.rename(path + '2', path), os.utime(path)
print(lease(fd, R), signals, held(fd))
end()
""")


def test_who_opens_waits(same):
    """The opener sleeps until the lease is given up; until then it cuts nothing, and counts as a writer."""
    same(HEAD + """
signal.signal(signal.SIGIO, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO, signal.SIGUSR1})
def told_of(what, kind, release, counts=True):
    fd = os.open(path, os.O_RDONLY)
    fcntl.fcntl(fd, 10, int(signal.SIGUSR1))
    lease(fd, kind)
    child = os.fork()
    if child == 0:
        os.close(fd)
        what()
        os._exit(0)
    info = signal.sigwaitinfo({signal.SIGUSR1})
    print(info.si_signo == signal.SIGUSR1, info.si_code, info.si_band, os.fstat(fd).st_size, held(fd))
    if counts:
        print(lease(fd, W), lease(fd, R), held(fd))
    release(fd)
    print(os.waitpid(child, 0)[1], os.stat(path).st_size, held(fd) if release is not os.close else '', fcntl.fcntl(fd, 11) if release is not os.close else '')
    if release is not os.close:
        os.close(fd)
give_up = lambda fd: lease(fd, U)
told_of(lambda: os.write(os.open(path, os.O_WRONLY), b'longer'), R, give_up)
told_of(lambda: os.open(path, os.O_WRONLY | os.O_TRUNC), W, give_up)
told_of(lambda: os.write(os.open(path, os.O_RDWR), b'once more'), W, os.close)
told_of(lambda: os.open(path, os.O_RDONLY), W, lambda fd: lease(fd, R))
told_of(lambda: os.truncate(path, 3), R, give_up, False)
# Whoever waits can be woken by a signal.
fd = os.open(path, os.O_RDONLY)
lease(fd, R)
child = os.fork()
if child == 0:
    os.close(fd)
    class Woken(Exception): pass
    def woken(*_): raise Woken
    signal.signal(signal.SIGALRM, woken)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        os.open(path, os.O_WRONLY)
    except Woken:
        os._exit(7)
    os._exit(8)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), held(fd))
end()
""")


def test_who_executes_waits_and_who_cuts_counts(same):
    out = same(HEAD + """
import shutil
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO, signal.SIGUSR1})
script, interpreter = directory + '/script', directory + '/sh'
shutil.copy('/bin/sh', interpreter)
open(script, 'w').write('#!' + interpreter + '\\nexit 5\\n')
for name in script, interpreter:
    os.chmod(name, 0o755)
    for release in lambda fd: lease(fd, U), os.close, lambda fd: lease(fd, R):
        fd = os.open(name, os.O_RDONLY)
        fcntl.fcntl(fd, 10, int(signal.SIGUSR1))
        print(lease(fd, W), end=' ')
        child = os.fork()
        if child == 0:
            os.close(fd)
            os.execv(script, ['script'])
        print(signal.sigwaitinfo({signal.SIGUSR1}).si_code, held(fd), lease(fd, W), os.waitpid(child, os.WNOHANG), end=' ')
        release(fd)
        print(os.waitpid(child, 0)[1] >> 8, told(os.close, fd))
    fd = os.open(name, os.O_RDONLY)  # a lease for reading is in nobody's way
    print(lease(fd, R), os.spawnv(os.P_WAIT, script, ['script']), lease(fd, U))
    os.close(fd)
# Whoever waits to cut it is one who writes.
fd = os.open(script, os.O_RDONLY)
fcntl.fcntl(fd, 10, int(signal.SIGUSR1))
print(lease(fd, R))
child = os.fork()
if child == 0:
    os.close(fd)
    os.truncate(script, 3)
    os._exit(6)
signal.sigwaitinfo({signal.SIGUSR1})
print(held(fd), lease(fd, R), told(os.execv, script, ['script']), os.stat(script).st_size > 3)
print(lease(fd, U), os.waitpid(child, 0)[1] >> 8, os.stat(script).st_size, lease(fd, R), lease(fd, U))
os.unlink(script), os.unlink(interpreter)
end()
""", timeout=60)
    assert "ETXTBSY" in out


def test_a_lease_ends_by_itself(inside):
    """45 seconds of the world's time; natively the test would take them."""
    assert inside(HEAD + """
signal.signal(signal.SIGIO, lambda *_: None)
fd = os.open(path, os.O_RDONLY)
for kind, flags, left in (R, os.O_WRONLY, U), (W, os.O_WRONLY, U), (W, os.O_RDONLY, R):
    lease(fd, kind)
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(fd)
        os.close(os.open(path, flags))
        os._exit(0)
    os.waitpid(child, 0)
    print(45 <= time.monotonic() - begin < 46, held(fd) == left)
    lease(fd, U)
print(open('/proc/sys/fs/lease-break-time').read(), end='')
""") == "True True\n" * 3 + "45\n"


def test_a_program_that_runs_is_not_written_to(same):
    same("""
import errno, os, shutil, subprocess
def told(what, *arguments):
    try:
        return what(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
shutil.copy('/bin/cat', 'program')
running = subprocess.Popen(['./program'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
running.stdin.write(b'x'); running.stdin.flush(); print(running.stdout.read1())
for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_EXCL:
    print(told(os.open, 'program', flags))
print(told(os.truncate, 'program', 5), os.stat('program').st_size == os.stat('/bin/cat').st_size, isinstance(told(os.open, 'program', os.O_RDONLY), int))
os.rename('program', 'other'); print(told(os.open, 'other', os.O_WRONLY))
running.stdin.close()
os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
fd = told(os.open, 'other', os.O_WRONLY)
print('a zombie runs nothing', isinstance(fd, int))
print(told(os.execv, './other', ['other']))
open('script', 'w').write('#!/bin/sh\\necho ran\\n'); os.chmod('script', 0o755)
held = open('script', 'a')
print(told(os.execv, './script', ['script']))
held.close()
print(subprocess.run(['./script'], capture_output=True).stdout, running.wait())
""")


def test_who_is_told_and_is_gone(same):
    """F_GETOWN_EX names nobody who was waited for, and no owner is taken who is not there."""
    same("""
import errno, fcntl, os, signal, struct
fd = os.open('/tmp', os.O_RDONLY)
def told(*arguments):
    try:
        return fcntl.fcntl(fd, *arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
def owner():
    return struct.unpack('ii', told(16, bytes(8)))
for group in False, True:
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        if group:
            os.setpgid(0, 0)
        os.write(w, b'1')
        signal.pause()
    os.read(r, 1)
    print(told(fcntl.F_SETOWN, -child if group else child), owner()[1] == child)
    os.kill(child, 9)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    print(owner()[1] == child, os.waitpid(child, 0)[1])
    print(owner(), told(fcntl.F_SETOWN, -child), told(fcntl.F_SETOWN, child), told(fcntl.F_SETOWN, -999999))
""")
