"""What epoll_wait(2) could not write is there again: edges and one-shots, too."""
FAULTS = """
import ctypes, os, select, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
page = libc.mmap(None, 8192, 3, 0x22, -1, 0)
libc.munmap(ctypes.c_void_p(page + 4096), 4096)
def wait(epoll, address, most):
    ctypes.set_errno(0)
    n = libc.epoll_wait(epoll.fileno(), ctypes.c_void_p(address), most, 0)
    seen = [struct.unpack("<Iq", ctypes.string_at(address + 12 * i, 12)) for i in range(max(n, 0))]
    return n, ctypes.get_errno(), [(events, (data & 0xffffffff) - first) for events, data in seen]
for flags in (0, select.EPOLLET, select.EPOLLONESHOT, select.EPOLLET | select.EPOLLONESHOT):
    epoll, pipes = select.epoll(), [os.pipe() for _ in range(5)]
    first = pipes[0][0]
    for read, write in pipes:
        epoll.register(read, select.EPOLLIN | flags)
        os.write(write, b"x")
    print(flags, wait(epoll, 8, 5), wait(epoll, page + 4096 - 30, 5))
    print(wait(epoll, page + 4096 - 30, 5), wait(epoll, page, 2), wait(epoll, 8, 5), wait(epoll, page, 5), wait(epoll, page, 5))
    epoll.close()
    for pair in pipes:
        for fd in pair: os.close(fd)
"""


def test_as_natively(same):
    assert same(FAULTS).count("\n") == 8
