"""POSIX message queues (mq_overview(7)), natively and inside."""

HEAD = """
import ctypes, errno, os, select, signal, stat, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
NUMBER = dict(open=240, unlink=241, send=242, receive=243, notify=244, attr=245)

def mq(name, *arguments):
    kept = [a if isinstance(a, int) else ctypes.c_char_p(a) if a is not None else 0 for a in arguments]
    result = libc.syscall(NUMBER[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in kept])
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]

def attributes(most, size, flags=0):
    return struct.pack('8q', flags, most, size, 0, 0, 0, 0, 0)

def receive(q, room=100, timeout=None):
    buffer, priority = ctypes.create_string_buffer(room), ctypes.c_uint(99)
    result = libc.syscall(243, q, buffer, ctypes.c_size_t(room), ctypes.byref(priority), timeout)
    return (buffer.raw[:result], priority.value) if result >= 0 else errno.errorcode[ctypes.get_errno()]

def send(q, text, priority=0, timeout=None):
    return mq('send', q, text, len(text), priority, timeout)

def state(q):
    out = ctypes.create_string_buffer(64)
    libc.syscall(245, q, None, out)
    return struct.unpack('4q', out.raw[:32])

def soon(seconds):
    when = time.time() + seconds
    return struct.pack('qq', int(when), int(when % 1 * 1e9))

NAME = b'terrarium-test-%d' % os.getpid()
"""


def check(same, code):
    return same(HEAD + "try:\n" + "".join(f"    {line}\n" for line in code.strip().splitlines()) + "finally:\n    mq('unlink', NAME)\n")


def test_names_and_attributes(same):
    out = check(same, """
for name in b'', b'a/b', b'.', b'..', b'x' * 255, b'x' * 256, b'x' * 5000:
    print(len(name), mq('open', name, os.O_RDWR, 0, None), mq('unlink', name))
for a in attributes(0, 5), attributes(5, 0), attributes(-1, 5):
    print(mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, a))
print(mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, -1))
q = mq('open', NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640, None)
print(state(q), os.get_inheritable(q), stat.filemode(os.fstat(q).st_mode), os.fstat(q).st_size)
print(mq('open', NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, None), mq('open', NAME, 3, 0, None))
print(mq('attr', q, attributes(1, 1, 1), None), mq('attr', q, attributes(1, 1, os.O_NONBLOCK), None), state(q))
print(mq('attr', 0, None, None), mq('attr', 99, None, None), mq('send', 0, b'x', 1, 0, None))
print(os.read(q, 100), os.read(q, 100), os.lseek(q, 0, 2), mq('unlink', NAME), mq('unlink', NAME), state(q))
""")
    assert "QSIZE:0          NOTIFY:0" in out


def test_order_limits_and_readiness(same):
    check(same, """
q = mq('open', NAME, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, attributes(4, 20))
r = mq('open', NAME, os.O_RDONLY | os.O_NONBLOCK, 0, None)
w = mq('open', NAME, os.O_WRONLY | os.O_NONBLOCK, 0, None)
def ready():
    p = select.poll()
    p.register(q, select.POLLIN | select.POLLOUT)
    return p.poll(0)[0][1]
print(ready(), receive(r), receive(r, 19), receive(w), send(r, b'x'))
print(send(w, b'x' * 21), send(w, b'x', 32768), mq('send', w, -1, 3, 0, None), mq('send', w, b'', 0, 0, struct.pack('qq', 0, 10**9)))
for text, priority in (b'low', 1), (b'high', 32767), (b'low too', 1), (b'', 5):
    print(send(w, text, priority), state(q), ready())
print(send(w, b'more'), os.read(q, 100))
for i in range(5):
    print(receive(r))
""")


def test_waiting_ends_in_time_by_a_message_and_by_a_signal(same):
    check(same, """
q = mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, attributes(1, 20))
print(receive(q, 20, soon(0.1)), receive(q, 20, struct.pack('qq', 5, 0)), receive(q, 20, struct.pack('qq', 5, -1)))
if os.fork() == 0:
    time.sleep(0.2)
    for i in range(3):
        send(q, b'%d' % i)
    os._exit(0)
for i in range(3):
    print(receive(q, 20), flush=True)
os.wait()
send(q, b'full')
print(send(q, b'x', 0, soon(0.1)))
signal.signal(signal.SIGALRM, lambda *a: None)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)  # again and again: the first may come before the call waits
print(send(q, b'x'))
signal.setitimer(signal.ITIMER_REAL, 0)
receive(q, 20)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
print(receive(q, 20))
signal.setitimer(signal.ITIMER_REAL, 0)
""")


def test_who_asked_is_told_once_of_the_first_message(same):
    check(same, """
q = mq('open', NAME, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, attributes(5, 20))
def ask(how, signal=0, value=0, queue=q):
    return mq('notify', queue, struct.pack('qii48x', value, signal, how))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def heard():
    i = signal.sigtimedwait([signal.SIGUSR1], 0)
    return i and (i.si_code, i.si_pid == os.getpid(), i.si_uid == os.getuid())
print(ask(7), ask(0, 65), ask(0, signal.SIGUSR1, 7, 0), mq('notify', q, None))
print(ask(0, signal.SIGUSR1, 7), ask(0, signal.SIGUSR1), b'SIGNO:%d' % signal.SIGUSR1 in os.pread(q, 100, 0))
send(q, b'one'); print(heard(), 'NOTIFY:0' in os.pread(q, 100, 0).decode())
print(ask(0, signal.SIGUSR1)); send(q, b'two'); print(heard())
receive(q); receive(q); send(q, b'three'); print(heard())
receive(q); print(ask(1)); send(q, b'four'); print(heard(), ask(1), mq('notify', q, None), ask(0, signal.SIGUSR1))
receive(q)
os.close(mq('open', NAME, os.O_RDWR, 0, None))
send(q, b'five'); print('closing any descriptor of it ends it:', heard())
receive(q)
if os.fork() == 0:
    os._exit(0 if ask(0, signal.SIGUSR1) == 0 else 1)
print(os.wait()[1], ask(0, signal.SIGUSR1))
""")


def test_a_thread_is_started(same):
    """libc does that, with a netlink socket that the kernel tells."""
    check(same, """
import socket, threading
class Event(ctypes.Structure):
    _fields_ = [('value', ctypes.c_void_p), ('signo', ctypes.c_int), ('notify', ctypes.c_int), ('function', ctypes.c_void_p),
                ('attributes', ctypes.c_void_p), ('rest', ctypes.c_char * 32)]
q = mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, None)
told = threading.Semaphore(0)
threads = []
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def heard(value):
    threads.append((value, threading.current_thread() is threading.main_thread()))
    told.release()
def ask(value):
    e = Event(value, 0, 2, ctypes.cast(heard, ctypes.c_void_p), None)
    return libc.mq_notify(q, ctypes.byref(e))
def shown():
    return os.pread(q, 39, 0)
for turn in range(3):
    print(ask(7 + turn), ask(1), shown())
    send(q, b'hello')
    told.acquire()
    print(threads, receive(q, 8192), shown())
print(ask(5), libc.mq_notify(q, None), send(q, b'nobody hears it'), threads)

print('and what the kernel thinks of other descriptors, and of the cookie')
def raw(fd, cookie):
    e = struct.pack('qii', ctypes.cast(cookie, ctypes.c_void_p).value if cookie else 8, fd, 2) + bytes(48)
    return mq('notify', q, e)
cookie = ctypes.create_string_buffer(b'c' * 31, 32)
left, right = socket.socketpair()
here = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print(raw(99, cookie), raw(q, cookie), raw(left.fileno(), cookie), raw(99, None), raw(os.open('/', os.O_PATH), cookie))
receive(q, 8192)
print(raw(here.fileno(), cookie), mq('notify', q, 0), here.recv(99))
print(raw(here.fileno(), cookie), send(q, b'x'), here.recv(99), receive(q, 8192))
print(raw(here.fileno(), cookie), os.close(q), here.recv(99))
""")


def test_the_limit_of_a_user(same):
    check(same, """
import resource
resource.setrlimit(resource.RLIMIT_MSGQUEUE, (1000, 1000))
print(mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, None))
print(mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, attributes(1, 904)) > 2)
""")


def test_no_more_than_the_system_allows_an_ordinary_user(inside):
    assert inside(HEAD + """
for a in attributes(11, 5), attributes(5, 8193), attributes(10, 8192):
    print(mq('open', NAME, os.O_RDWR | os.O_CREAT, 0o600, a))
print(*(open('/proc/sys/fs/mqueue/' + n).read().strip() for n in ('msg_max', 'msgsize_max', 'queues_max')))
""") == "EINVAL\nEINVAL\n3\n10 8192 256\n"


def test_the_names_are_files_of_a_filesystem_that_makes_nothing_else(inside):
    assert inside(HEAD + """
def refusal(what, *arguments):
    try:
        what(*arguments)
        return 'done'
    except OSError as e:
        return errno.errorcode[e.errno]
q = mq('open', b'q', os.O_RDWR | os.O_CREAT, 0o600, None)
os.close(os.open('/dev/mqueue/made', os.O_CREAT | os.O_RDWR, 0o600))
print(sorted(os.listdir('/dev/mqueue')), mq('open', b'made', os.O_RDWR, 0, None) > q, os.statvfs('/dev/mqueue').f_namemax)
print(refusal(os.mkdir, '/dev/mqueue/d'), refusal(os.link, '/dev/mqueue/q', '/dev/mqueue/l'), refusal(os.rename, '/dev/mqueue/q', '/dev/mqueue/r'),
      refusal(os.symlink, 'q', '/dev/mqueue/s'), refusal(os.mkfifo, '/dev/mqueue/f'))
os.unlink('/dev/mqueue/q')
print(mq('open', b'q', os.O_RDWR, 0, None), send(q, b'it lives on'), receive(q, 8192))
""") == "['made', 'q'] True 255\nEPERM EPERM EPERM EPERM EPERM\nENOENT 0 (b'it lives on', 0)\n"


def test_queues_are_not_exported(terrarium, tmp_path):
    result = terrarium("run", "--export", str(tmp_path / "out"), "--", "-c",
                       "import os\nos.close(os.open('/dev/mqueue/q', os.O_CREAT | os.O_RDWR))\nopen('/box/kept', 'w')")
    assert result.status == 0, result
    assert [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["box/kept"]
