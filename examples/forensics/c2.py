"""The other end, as an analyst makes it up: runs inside the world, and holds the connection on stdin and stdout."""
import sys

orders = iter(["run id -un; uname -a", "steal ~/.ssh/id_ed25519", "die"])
for line in sys.stdin:  # "hello TOKEN", "output ...", "stolen"
    print(next(orders, "die"), flush=True)
