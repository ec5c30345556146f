"""A harmless stand-in for a script that nobody trusts: it unpacks a second script, hides it, runs it, and covers its tracks."""
import base64
import os
import subprocess
import sys
import time

PAYLOAD = base64.b64encode(b"""
import os, socket
who = f"{os.getuid()}@{socket.gethostname()}"
with open(os.path.expanduser("~/.cache/.session"), "w") as f:
    f.write(who[::-1])
try:
    socket.create_connection(("203.0.113.66", 4444), 2)
except OSError:
    print("nobody at home")
""")

home = os.path.expanduser("~/.cache")
os.makedirs(home, exist_ok=True)
path = os.path.join(home, f".{int(time.time()) % 97:02x}.py")
with open(path, "wb") as f:
    f.write(base64.b64decode(PAYLOAD))
subprocess.run([sys.executable, path])
os.unlink(path)
print("done")
