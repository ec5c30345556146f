"""Of what stands in the caller's pipe the bytes count, and not when they came."""
import os
import subprocess
import threading

import pytest

TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
ASK = """import array, fcntl, os, termios
n = array.array("i", [0])
for i in range(4):
    fcntl.ioctl(0, termios.FIONREAD, n)
    print(n[0], len(os.read(0, 10000)))
"""


def fed(pieces):
    run = subprocess.Popen([TERRARIUM, "run", "--require-reproducible", "--", "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def feed():
        for piece in pieces:
            run.stdin.write(piece)
            run.stdin.flush()
        run.stdin.close()
    feeder = threading.Thread(target=feed)
    feeder.start()
    out = run.stdout.read()
    feeder.join()
    assert run.wait(timeout=60) == 0
    return out


@pytest.mark.parametrize("size, said", [(25000, b"25000 10000\n15000 10000\n5000 5000\n0 0\n"), (70000, b"32768 10000\n" * 4)])
def test_how_many_bytes_wait(size, said):
    for piece in (size, 999, 7001):
        assert fed([bytes(piece)] * (size // piece) + [bytes(size % piece)]) == said
