"""Sockets between the guest's own processes, beside Linux's. Names in /tmp are the world's; natively they are made in a
directory that the script makes for itself."""
import textwrap

import pytest

PRELUDE = """
import array, os, signal, socket, struct, sys, tempfile, threading
from socket import *
import socket
def attempt(f, *a, **k):
    try: return f(*a, **k)
    except OSError as e: return type(e).__name__, e.errno
os.chdir(tempfile.mkdtemp())
"""

SAME = {
    "pairs": """
        for kind in (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET):
            a, b = socketpair(AF_UNIX, kind)
            a.send(b'one'); a.send(b'two')
            print(b.recv(2), b.recv(100), attempt(b.recv, 100, MSG_DONTWAIT))
            print(a.getsockname() == '', attempt(a.getpeername), a.type == kind, a.get_inheritable())
            a.close(); print(attempt(b.recv, 10, MSG_DONTWAIT), attempt(b.send, b'x', MSG_NOSIGNAL))
        print(attempt(socketpair, AF_UNIX, 77), attempt(socketpair, AF_UNIX, SOCK_STREAM, 3), attempt(socketpair, 9999))
    """,
    "errors": """
        s = socket.socket(AF_UNIX)
        print(attempt(s.listen), attempt(s.accept), attempt(s.getpeername), attempt(s.send, b'x', MSG_NOSIGNAL), attempt(s.recv, 1))
        print(attempt(s.connect, 'nobody'), attempt(s.connect, '\\0nobody'), attempt(s.bind, 'no/where'))
        open('file', 'w').close()
        print(attempt(s.connect, 'file'), attempt(s.bind, 'file'), attempt(s.shutdown, 2), attempt(s.shutdown, 5))
        print(attempt(socket.socket, AF_UNIX, SOCK_STREAM, 0, os.open('file', os.O_RDONLY)))
        s.bind('here'); print(s.getsockname(), attempt(s.bind, 'there'), attempt(socket.socket(AF_UNIX).bind, 'here'))
        s.listen(0); print(attempt(s.connect, 'here'), attempt(socket.socket(AF_UNIX, SOCK_DGRAM).connect, 'here'))
        s.close(); print(attempt(socket.socket(AF_UNIX).connect, 'here'), os.path.exists('here'), oct(os.stat('here').st_mode))
    """,
    "listen_and_accept": """
        for name in ('name', '\\0abstract' + str(os.getpid())):
            l = socket.socket(AF_UNIX); l.bind(name); l.listen(2)
            pid = os.fork()
            if pid == 0:
                c = socket.socket(AF_UNIX); c.connect(name); c.sendall(b'x' * 500000); c.shutdown(SHUT_WR)
                print(c.recv(10), flush=True); os._exit(0)
            s, address = l.accept()
            n = 0
            while data := s.recv(65536): n += len(data)
            s.send(b'done')
            pid2, uid, gid = struct.unpack('iII', s.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
            os.waitpid(pid, 0)
            print(n, address, pid2 == pid, uid == os.getuid(), s.getsockname()[:4] in (name[:4], name[:4].encode()))
    """,
    "backlog": """
        l = socket.socket(AF_UNIX); l.bind('b'); l.listen(0)
        cs = []
        for i in range(3):
            c = socket.socket(AF_UNIX); c.setblocking(False); cs.append(c)
            print(attempt(c.connect, 'b'))
        blocked = socket.socket(AF_UNIX)
        t = threading.Thread(target=lambda: print('connected', attempt(blocked.connect, 'b'))); t.start()
        l.accept()[0].close(); l.accept()
        t.join()
        l.setblocking(False); print(attempt(l.accept))
    """,
    "descriptors_travel": """
        a, b = socketpair()
        r, w = os.pipe()
        send_fds(a, [b'fds'], [r, w])
        data, fds, flags, address = recv_fds(b, 10, 5)
        print(data, len(fds), flags, [os.get_inheritable(fd) for fd in fds])
        os.write(fds[1], b'through'); print(os.read(r, 10))
        send_fds(a, [b'x'], [r, w, r]); data, anc, flags, _ = b.recvmsg(10, CMSG_LEN(8))
        print(data, [(l, t, len(d)) for l, t, d in anc], bool(flags & MSG_CTRUNC))
        send_fds(a, [b'x'], [r]); print(b.recvmsg(10)[2] & MSG_CTRUNC == MSG_CTRUNC)
        print(attempt(send_fds, a, [b'x'], [99]), attempt(send_fds, a, [b'x'], [0] * 254))
        send_fds(a, [b'x'], [r]); send_fds(a, [b'y'], [w])
        print(b.recvmsg(10, 100)[0], b.recvmsg(10, 100)[0])
        pid = os.fork()
        if pid == 0:
            _, (fd,), _, _ = recv_fds(b, 1, 1); os.write(fd, b'from the child'); os._exit(0)
        send_fds(a, [b'z'], [w]); os.waitpid(pid, 0); print(os.read(r, 100))
        send_fds(a, [b'loop'], [a.fileno(), b.fileno()]); a.close(); b.close()
    """,
    "credentials": """
        a, b = socketpair(AF_UNIX, SOCK_DGRAM)
        b.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
        a.send(b'x')
        data, anc, flags, _ = b.recvmsg(10, 100)
        print([(l, t, struct.unpack('iII', d) == (os.getpid(), os.getuid(), os.getgid())) for l, t, d in anc])
        me = struct.pack('iII', os.getpid(), os.getuid(), os.getgid())
        a.sendmsg([b'y'], [(SOL_SOCKET, SCM_CREDENTIALS, me)]); print(b.recvmsg(10, 100)[1][0][2] == me)
        print(attempt(a.sendmsg, [b'y'], [(SOL_SOCKET, SCM_CREDENTIALS, b'x')]), attempt(a.sendmsg, [b'y'], [(SOL_SOCKET, 77, b'x')]))
        print(b.recvmsg(0, 5)[2] & MSG_CTRUNC if attempt(a.send, b'q') else 0)
    """,
    "datagrams": """
        a, b = socket.socket(AF_UNIX, SOCK_DGRAM), socket.socket(AF_UNIX, SOCK_DGRAM)
        a.bind('a'); b.bind('b')
        a.sendto(b'hello', 'b'); print(b.recvfrom(100))
        a.sendto(b'truncated', 'b'); print(b.recvmsg(4)[0::2], attempt(b.recv, 9, MSG_DONTWAIT))
        a.sendto(b'peeked', 'b'); print(b.recv(3, MSG_PEEK), b.recv(100, MSG_PEEK | MSG_TRUNC), b.recv(100))
        a.sendto(b'', 'b'); print(b.recv(10))
        print(attempt(a.sendto, b'x', 'c'), attempt(a.send, b'x'), attempt(a.sendto, b'x' * 300000, 'b'))
        a.connect('b'); a.send(b'1'); print(b.recv(1)); print(attempt(socket.socket(AF_UNIX, SOCK_DGRAM).sendto, b'x', 'a'))
        a.setblocking(False); n = 0
        while attempt(a.send, b'x') == 1: n += 1
        print(n)
    """,
    "vectors_and_flags": """
        a, b = socketpair()
        a.sendmsg([b'ab', b'', b'cdef']); x, y = bytearray(3), bytearray(10)
        print(b.recvmsg_into([x, y])[0], x, y)
        a.send(b'12345'); print(b.recv(2, MSG_PEEK), b.recv(2), b.recv(10))
        t = threading.Thread(target=lambda: (a.send(b'par'), a.send(b'ts')))
        t.start(); print(b.recv(5, MSG_WAITALL)); t.join()
        print(attempt(a.send, b'x', MSG_OOB) in (('OSError', 95), 1))
        print(attempt(a.sendmsg, [b'x'] * 1024), attempt(a.sendmsg, [b'x'] * 1025), b.recv(2000, MSG_DONTWAIT)[:3])
    """,
    "timeouts": """
        a, b = socketpair()
        b.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack('qq', 0, 20000))
        print(b.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16) == struct.pack('qq', 0, 20000))
        print(attempt(b.recv, 1), attempt(os.read, b.fileno(), 1))
        a.setsockopt(SOL_SOCKET, SO_SNDTIMEO, struct.pack('qq', 0, 20000))
        sent = attempt(a.send, b'x' * 10000000); print(type(sent) is int and 0 < sent < 10000000, attempt(a.send, b'x'))
        a.settimeout(.01); print(attempt(a.recv, 1))
        l = socket.socket(AF_UNIX); l.bind('l'); l.listen(); l.settimeout(.01); print(attempt(l.accept))
    """,
    "signals": """
        a, b = socketpair()
        signal.signal(signal.SIGALRM, lambda *x: a.send(b'rung'))
        signal.setitimer(signal.ITIMER_REAL, .01); print(b.recv(10))
        b.close()
        signal.signal(signal.SIGPIPE, lambda *x: print('SIGPIPE'))
        print(attempt(a.send, b'x'), attempt(a.send, b'x', MSG_NOSIGNAL), attempt(os.write, a.fileno(), b'x'))
    """,
    "options": """
        a, b = socketpair()
        print(a.getsockopt(SOL_SOCKET, SO_TYPE), a.getsockopt(SOL_SOCKET, SO_ERROR), a.getsockopt(SOL_SOCKET, SO_DOMAIN))
        a.setsockopt(SOL_SOCKET, SO_SNDBUF, 5000); print(a.getsockopt(SOL_SOCKET, SO_SNDBUF))
        a.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1); print(a.getsockopt(SOL_SOCKET, SO_KEEPALIVE))
        print(attempt(a.getsockopt, SOL_SOCKET, 9999), attempt(a.setsockopt, SOL_SOCKET, 9999, 1), attempt(a.setsockopt, SOL_SOCKET, SO_TYPE, 1))
        print(attempt(a.getsockopt, IPPROTO_TCP, TCP_NODELAY), a.getsockopt(SOL_SOCKET, SO_LINGER, 8), a.getsockopt(SOL_SOCKET, SO_TYPE, 2))
        a.send(b'abc'); import fcntl, termios; n = array.array('i', [0]); fcntl.ioctl(b, termios.FIONREAD, n); print(n[0])
    """,
    "polling": """
        import select, selectors
        a, b = socketpair()
        p = select.poll(); p.register(b, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
        def events(): return [e for _, e in p.poll(0)]
        print(events()); a.send(b'x'); print(events()); a.shutdown(SHUT_WR); print(events()); a.close(); print(events())
        l = socket.socket(AF_UNIX); l.bind('p'); l.listen()
        e = select.epoll(); e.register(l, select.EPOLLIN | select.EPOLLET)
        c = socket.socket(AF_UNIX); c.connect('p'); print(len(e.poll(1)), len(e.poll(0))); l.accept()
    """,
    "standard_streams": """
        import subprocess
        a, b = socketpair()
        p = subprocess.Popen(['cat'], stdin=b, stdout=b); b.close()
        a.sendall(b'y' * 100000); a.shutdown(SHUT_WR)
        n = 0
        while d := a.recv(65536): n += len(d)
        print(n, p.wait(), os.fstat(a.fileno()).st_mode >> 12, os.readlink(f'/proc/self/fd/{a.fileno()}')[:8])
    """,
    "asyncio": """
        import asyncio
        async def main():
            p = await asyncio.create_subprocess_exec('tr', 'a-z', 'A-Z', stdin=-1, stdout=-1)
            print(await p.communicate(b'word'), p.returncode)
            async def serve(r, w):
                w.write((await r.readline()).upper()); await w.drain(); w.close()
            server = await asyncio.start_unix_server(serve, 's')
            async def one(i):
                r, w = await asyncio.open_unix_connection('s')
                w.write(b'line %d\\n' % i); out = await r.read(); w.close(); return out
            print(await asyncio.gather(*map(one, range(5))))
            print(await asyncio.to_thread(lambda: 5), await asyncio.wait_for(asyncio.sleep(.001, 7), 5))
            loop = asyncio.get_running_loop(); got = loop.create_future()
            loop.add_signal_handler(signal.SIGUSR1, got.set_result, 'signal'); os.kill(os.getpid(), signal.SIGUSR1); print(await got)
            try: await asyncio.wait_for(asyncio.sleep(1000), .01)
            except asyncio.TimeoutError: print('timeout')
        asyncio.run(main())
    """,
    "managers": """
        import multiprocessing as mp
        with mp.Manager() as m:
            d, l, lock, q = m.dict(), m.list([1]), m.Lock(), m.Queue()
            def work(d, l, q):
                d['x'] = 1; l.append(2)
                with lock: q.put('here')
            p = mp.Process(target=work, args=(d, l, q)); p.start(); p.join()
            print(dict(d), list(l), q.get(), p.exitcode)
        from multiprocessing.connection import Listener, Client
        with Listener('x', authkey=b'k') as listener:
            t = threading.Thread(target=lambda: Client('x', authkey=b'k').send([1, 2])); t.start()
            print(listener.accept().recv()); t.join()
    """,
}


@pytest.mark.parametrize("name", SAME)
def test_same(same, name):
    assert same(PRELUDE + textwrap.dedent(SAME[name])) != ""


def test_forkserver(terrarium, tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent("""
        import multiprocessing as mp
        def square(x): return x * x
        if __name__ == '__main__':
            mp.set_start_method('forkserver')
            with mp.Pool(2) as pool: print(pool.map(square, range(5)))
            p = mp.Process(target=exit, args=(3,)); p.start(); p.join(); print(p.exitcode)
    """))
    result = terrarium("run", "script.py")
    assert (result.status, result.out) == (0, "[0, 1, 4, 9, 16]\n3\n"), result


def test_descriptors_run_out(same):
    """A connection that nobody has a descriptor for waits in the queue."""
    assert same(PRELUDE + textwrap.dedent("""
        import resource
        l = socket.socket(AF_UNIX); l.bind('l'); l.listen()
        c = socket.socket(AF_UNIX); c.connect('l'); c.send(b'still here')
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (c.fileno() + 1, hard))
        print(attempt(l.accept))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        print(l.accept()[0].recv(100))
    """)) != ""


def test_what_a_fault_meets_is_lost_or_stays(same):
    """A datagram is gone, and a stream's bytes wait for who has room for them."""
    assert same("""
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
for kind in socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM:
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    a.setblocking(False)
    b.send(b'hello')
    print(libc.recv(a.fileno(), ctypes.c_void_p(8), 5, 0), errno.errorcode[ctypes.get_errno()])
    try: print(a.recv(9))
    except OSError as e: print(errno.errorcode[e.errno])
""") == "-1 EFAULT\nEAGAIN\n-1 EFAULT\nEAGAIN\n-1 EFAULT\nb'hello'\n"
