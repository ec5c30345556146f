"""Of what stands in the caller's pipe the bytes count, and not when they came."""
import os
import signal
import subprocess
import threading
import time

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


def dribbled(*options, code):
    """A run whose input comes a byte at a time for as long as it lives: what it reads is never all there."""
    run = subprocess.Popen([TERRARIUM, "run", *options, "--", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed():
        while run.poll() is None:
            try:
                os.write(run.stdin.fileno(), b"x")
            except BrokenPipeError:
                return
            time.sleep(0.02)
    feeder = threading.Thread(target=feed)
    feeder.start()
    return run, feeder


READS = "import sys; print('reads', flush=True); sys.stdin.buffer.read(10 ** 6)"


def ended(run, feeder):
    try:
        return run.wait(timeout=60), run.stderr.read()
    finally:
        run.kill()
        feeder.join()


def test_a_limit_does_not_wait_for_input():
    status, said = ended(*dribbled("--limit", "wall=2s", code=READS))
    assert status == 124 and b"wall=2s" in said


def test_a_signal_does_not_wait_for_input():
    run, feeder = dribbled(code=READS)
    assert run.stdout.readline() == b"reads\n"
    time.sleep(0.3)  # into the read, as a rule; before it, it is the same
    run.send_signal(signal.SIGINT)
    status, said = ended(run, feeder)
    assert status == 130 and b"KeyboardInterrupt" in said
