"""Unix sockets between guest processes: the same natively and inside."""
import textwrap

import pytest

SAME = {
    "pair": """
        import socket
        a, b = socket.socketpair()
        a.sendall(b'x' * 10)
        print(b.recv(100))
        a.shutdown(socket.SHUT_WR)
        print(b.recv(1))
        a.close()
        try: b.send(b'y')
        except BrokenPipeError as e: print(e)
    """,
    "descriptors": """
        import os, socket
        a, b = socket.socketpair()
        r, w = os.pipe()
        socket.send_fds(a, [b'one'], [w])
        data, fds, flags, _ = socket.recv_fds(b, 10, 4)
        os.write(fds[0], b'through')
        print(data, len(fds), os.read(r, 20))
    """,
    "listener": """
        import os, socket, tempfile
        path = os.path.join(tempfile.mkdtemp(), 's')
        s = socket.socket(socket.AF_UNIX)
        s.bind(path); s.listen()
        pid = os.fork()
        if pid == 0:
            c = socket.socket(socket.AF_UNIX)
            c.connect(path)
            c.sendall(b'z' * 300000)
            os._exit(0)
        d, _ = s.accept()
        n = 0
        while got := d.recv(65536): n += len(got)
        print(n, os.waitpid(pid, 0)[1])
    """,
    "datagrams": """
        import socket
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.send(b'one'); a.send(b'two')
        print(b.recv(2), b.recv(10))
        b.settimeout(0.05)
        try: b.recv(1)
        except TimeoutError as e: print(e)
    """,
    "asyncio": """
        import asyncio
        async def main():
            await asyncio.gather(*[asyncio.sleep(i / 50) for i in range(5)])
            p = await asyncio.create_subprocess_exec('/bin/echo', 'hi', stdout=asyncio.subprocess.PIPE)
            print(await p.communicate())
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("name", SAME)
def test_same(same, name):
    assert same(textwrap.dedent(SAME[name])) != ""


def test_manager(inside):
    code = "import multiprocessing as m\nwith m.Manager() as g:\n    d = g.dict(); d['a'] = 1; print(dict(d))"
    assert inside(code) == "{'a': 1}\n"
