"""Threads in whole runs: who has its turn, and that everyone has."""


def test_a_thread_that_writes_and_writes_lets_others_write(terrarium):
    """With slices of one fixed length it was stopped at the same place of its loop for ever, with the buffer's lock held."""
    result = terrarium("run", "--limit", "cpu=10s", "--", "-c", """
import os, sys, threading, time
def run():
    while True:
        sys.stdout.write('.')
        sys.stdout.flush()
threading.Thread(target=run, daemon=True).start()
time.sleep(0.05)
sys.stdout.write('!')
os.write(2, b'written')
os._exit(0)
""")
    assert result.err == "written"
