"""What docs and examples promise an analyst, as they would type it."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]


def test_the_dropper_believes_and_nothing_of_it_is_missing(tmp_path):
    report = tmp_path / "report.json"
    done = subprocess.run([TERRARIUM, "run", "--policy", str(ROOT / "examples/forensics/policy.yaml"), "--report", str(report),
                           "--export", str(tmp_path / "found"), str(ROOT / "examples/forensics/dropper.py")],
                          capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    r = json.loads(report.read_text())
    by_port = {a["port"]: a for a in r["network"] if a["kind"] == "tcp"}
    urls = [x["url"] for a in r["network"] for x in a.get("http", [])]
    assert urls == ["https://gate.updates.example/v1/bots", "https://cdn.updates.example/stage2.b64"]
    assert by_port[21]["kept"][0]["kind"] == "upload" and by_port[4444]["sent"]["bytes"] > 100
    said = {p.name: p.read_bytes() for p in (tmp_path / "found/network").rglob("*c2*/*")}
    assert b"output alice\n" in said["sent"] or b"output alice" in said["sent"]
    assert any(b"not a key at all" in p.read_bytes() for p in (tmp_path / "found/network").rglob("upload*"))
    summary = subprocess.run(["/usr/bin/python3", str(ROOT / "examples/forensics/summary.py"), str(report)], capture_output=True,
                             text=True, check=True).stdout
    assert "SNI gate.updates.example" in summary


def test_the_same_sample_is_the_same_story_twice(tmp_path):
    stories = []
    for i in range(2):
        report = tmp_path / f"{i}.json"
        subprocess.run([TERRARIUM, "run", "--policy", str(ROOT / "examples/forensics/policy.yaml"), "--report", str(report),
                        str(ROOT / "examples/forensics/dropper.py")], check=True, timeout=300)
        stories.append(json.loads(report.read_text()))
    assert stories[0]["network"] == stories[1]["network"]
