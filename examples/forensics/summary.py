"""What an analyst reads first, out of the report."""
import json
import sys

report = json.load(open(sys.argv[1]))
print("verdict:", report["verdict"], "- exit", report["exit"])
for a in report["network"]:
    if a["kind"] == "resolve":
        continue
    print(f"{a['kind']} {a.get('name') or a['address']}:{a.get('port')} {a['outcome']}, sent {a['sent']['bytes']}, "
          f"received {a['received']['bytes']} bytes")
    for exchange in a.get("http", []):
        print("   ", exchange["method"], exchange["url"], exchange["status"])
    if "tls" in a:
        print("    TLS", a["tls"].get("version"), "SNI", a["tls"].get("sni"), "JA4", a["tls"].get("ja4"))
    for kept in a.get("kept", []):
        print("    kept", kept)
