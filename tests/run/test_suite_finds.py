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
