"""What CPython's own suite found (tools/cpython_suite.py): the smallest program of each, beside native."""


def test_what_is_missing_is_missing_in_a_read_only_tree_too(same):
    assert same("""
import errno, os
for remove in os.unlink, os.rmdir:
    try:
        remove('/usr/lib/python3.11/no-such-file.pyc')
    except OSError as e:
        print(errno.errorcode[e.errno])
""") == "ENOENT\nENOENT\n"


def test_dnotify_without_an_event_takes_the_watch_away(same):
    assert same("""
import fcntl, os
fd = os.open('/tmp', os.O_RDONLY)
print(fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_MULTISHOT))
""") == "0\n"


def test_an_open_directory_of_proc_is_a_pidfd(same):
    assert same("""
import os, signal
signal.signal(signal.SIGUSR1, lambda *a: print('heard'))
fd = os.open(f'/proc/{os.getpid()}', os.O_DIRECTORY)
signal.pidfd_send_signal(fd, signal.SIGUSR1)
for path in '/proc', '/proc/self/fd', '/tmp':
    try:
        signal.pidfd_send_signal(os.open(path, os.O_RDONLY), 0)
    except OSError as e:
        print(e.errno)
""") == "heard\n9\n9\n9\n"


def test_a_terminal_read_ends_after_its_time(inside):
    """VMIN and VTIME of termios(3): how many bytes each read gets, and how much of the world's time it took."""
    assert inside("""
import os, pty, termios, time
master, slave = pty.openpty()
def read_with(least, tenths, later=()):
    mode = termios.tcgetattr(slave)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = least, tenths
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    child = os.fork()
    if child == 0:
        for wait in later:
            time.sleep(wait)
            os.write(master, b'x')
        os._exit(0)
    began = time.monotonic()
    got = os.read(slave, 10)
    took = time.monotonic() - began
    os.waitpid(child, 0)
    print(got, round(took, 1))
read_with(0, 10)
read_with(0, 20, [1])
read_with(3, 10, [1, 0.5])
read_with(3, 10, [1.5, 0.5, 0.5])
read_with(3, 10, [1, 0.7, 0.7])
read_with(1, 10, [2])
""").splitlines() == ["b'' 1.0", "b'x' 1.0", "b'xx' 2.5", "b'xxx' 2.5", "b'xxx' 2.4", "b'x' 2.0"]


def test_localhost_has_both_addresses(inside):
    assert inside("""
import socket
print([a[4][0] for a in socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)])
""") == "['::1', '127.0.0.1']\n"


def test_passwords_are_nobodys_to_see(same):
    assert same("""
import os, stat
s = os.stat('/etc/shadow')
print(stat.filemode(s.st_mode), s.st_uid, s.st_gid)
""") == "-rw-r----- 0 42\n"


def test_epoll_tells_of_all_that_are_ready(inside):
    """test_selectors, test_above_fd_setsize."""
    assert inside("""
import os, resource, select
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
epoll = select.epoll()
ends = [os.pipe() for _ in range(1000)]
for r, w in ends:
    epoll.register(w, select.EPOLLOUT)
print(len(epoll.poll(0, 4000)), len(epoll.poll(0, 10)))
""") == "1000 10\n"
