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
