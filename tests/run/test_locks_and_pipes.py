"""Locks on what no path leads to, and the ways back to a pipe, natively and inside."""

HEAD = """
import errno, fcntl, os, select, socket, struct
def told(what, *arguments):
    try:
        return what(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
def asked(fd, kind=fcntl.F_WRLCK, command=fcntl.F_GETLK):
    return struct.unpack('hhqqi4x', fcntl.fcntl(fd, command, struct.pack('hhqqi4x', kind, 0, 0, 0, 0)))[:4]
def other(*what):
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, repr([f(*a) for f, *a in what]).encode())
        os._exit(0)
    os.wait()
    os.close(w)
    return os.read(r, 1000).decode()
"""


def test_locks_of_what_has_no_path(same):
    same(HEAD + """
r, w = os.pipe()
left, right = socket.socketpair()
epoll, event, memory = select.epoll(), os.eventfd(0), os.memfd_create('m')
for fd in r, w, left.fileno(), right.fileno(), epoll.fileno(), event, memory:
    print(told(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB), told(fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB))
    print(told(fcntl.lockf, fd, fcntl.LOCK_SH, 10, 50), told(fcntl.lockf, fd, fcntl.LOCK_EX, 10, 5), told(fcntl.lockf, fd, fcntl.LOCK_EX, 10, 90))
    print(other((asked, fd), (asked, fd, fcntl.F_RDLCK), (told, fcntl.lockf, fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)), asked(fd, command=36))
print('the other end:', other((asked, r), (asked, w)))
os.close(os.dup(w))
print('a close of any descriptor:', other((asked, r), (asked, w)))
fcntl.flock(r, fcntl.LOCK_UN)
print(told(fcntl.flock, w, fcntl.LOCK_EX | fcntl.LOCK_NB), told(fcntl.flock, r, fcntl.LOCK_SH | fcntl.LOCK_NB))
os.close(w)
print(told(fcntl.flock, r, fcntl.LOCK_SH | fcntl.LOCK_NB))
""")


def test_who_waits_for_a_lock_of_a_pipe(same):
    same(HEAD + """
r, w = os.pipe()
fcntl.flock(r, fcntl.LOCK_EX)
started, done = os.pipe(), os.pipe()
if os.fork() == 0:
    os.write(started[1], b'1')
    fcntl.flock(w, fcntl.LOCK_EX)
    os.write(done[1], b'taken')
    os._exit(0)
os.read(started[0], 1)
fcntl.flock(r, fcntl.LOCK_UN)
print(os.read(done[0], 9), os.wait()[1])
""")


def test_a_pipe_is_opened_again(same):
    same(HEAD + """
r, w = os.pipe()
way = '/proc/self/fd/%d'
again = [os.open(way % fd, flags) for fd in (r, w) for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY, os.O_RDWR | os.O_NONBLOCK)]
print([fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK) for fd in (r, w, *again)])
os.write(again[1], b'into the end that reads')
print(os.read(again[3], 7), os.read(again[2], 99), told(os.read, again[3], 9))
os.close(w)
print(told(os.read, again[0], 9))
for fd in again[1], again[2], again[4], again[5]:
    os.close(fd)
print(os.read(again[0], 9), len({os.fstat(fd).st_ino for fd in (r, again[0], again[3])}), os.fstat(r).st_uid == os.getuid())
print([told(os.open, way % fd, os.O_RDONLY) for fd in (os.eventfd(0), select.epoll().fileno(), socket.socket().fileno())])
""")


def test_a_path_to_what_has_none(same):
    """O_PATH of it is a descriptor that says what it is, and does nothing: not another name of the open file."""
    same(HEAD + """
r, w = os.pipe()
left, right = socket.socketpair()
for fd in r, w, left.fileno(), os.eventfd(0), select.epoll().fileno():
    p = os.open('/proc/self/fd/%d' % fd, os.O_PATH)
    print(oct(os.fstat(p).st_mode), os.fstat(p).st_ino == os.fstat(fd).st_ino, fcntl.fcntl(p, fcntl.F_GETFL) & os.O_PATH)
    print(os.readlink('/proc/self/fd/%d' % p) == os.readlink('/proc/self/fd/%d' % fd))
    print(told(os.write, p, b'x'), told(os.read, p, 1), told(fcntl.fcntl, p, fcntl.F_SETFL, 0), told(os.set_blocking, p, False))
    print(told(os.open, '/proc/self/fd/%d' % p, os.O_RDONLY | os.O_DIRECTORY))
again = os.open('/proc/self/fd/%d' % os.open('/proc/self/fd/%d' % r, os.O_PATH), os.O_RDONLY | os.O_NONBLOCK)
os.write(w, b'through')
print(os.read(again, 9))
""")


def test_offsets_beyond_all_files(same):
    same(HEAD + """
most = 2 ** 63 - 1
file = os.memfd_create('of a tmpfs')
os.write(file, b'hello')
for fd in file, os.open('/tmp', os.O_RDONLY), os.open('/proc/self/status', os.O_RDONLY):
    os.lseek(fd, 5, os.SEEK_SET)
    print(told(os.lseek, fd, most, os.SEEK_CUR), told(os.lseek, fd, most, os.SEEK_SET), told(os.lseek, fd, -6, os.SEEK_CUR))
print(told(os.lseek, file, most, os.SEEK_END))
""")
