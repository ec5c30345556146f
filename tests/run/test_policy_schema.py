"""docs/policy.schema.json says what the parser says: what ships and stands in the examples is valid by both, and what the one refuses
the other does too, as far as a schema can."""
import json
import os
import pathlib
import re
import subprocess

import pytest

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERRARIUM = os.environ["TERRARIUM_UNDER_TEST"]
SCHEMA = json.loads((ROOT / "docs/policy.schema.json").read_text())
POLICIES = sorted([*ROOT.glob("policy/profiles/*.yaml"), *ROOT.glob("examples/**/*.yaml"),
                   *ROOT.glob("tests/fuzz/seeds/policy/*.yaml")])


class Loader(yaml.SafeLoader):
    """YAML as the parser reads it: no dates."""


Loader.yaml_implicit_resolvers = {first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
                                  for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def as_json(value):
    """Keys are texts in JSON: `args: {0: 5}`."""
    if isinstance(value, dict):
        return {str(k): as_json(v) for k, v in value.items()}
    return [as_json(v) for v in value] if isinstance(value, list) else value


def by_schema(text):
    validator = jsonschema.Draft7Validator(SCHEMA)
    return not list(validator.iter_errors(as_json(yaml.load(text, Loader))))


def by_parser(text, tmp_path):
    (tmp_path / "p.yaml").write_text(text)
    done = subprocess.run([TERRARIUM, "policy", "show", str(tmp_path / "p.yaml")], capture_output=True, timeout=20)
    return done.returncode == 0


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: str(p.relative_to(ROOT)))
def test_policies_are_valid(path):
    text = path.read_text()
    if re.search(r"^terrarium:", text, re.M):
        jsonschema.validate(as_json(yaml.load(text, Loader)), SCHEMA)
        done = subprocess.run([TERRARIUM, "policy", "show", str(path)], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr


def test_examples_of_the_prose_are_valid(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/policy.md").read_text(), re.S)
    assert len(blocks) >= 4
    for block in blocks:
        text = block if block.startswith("terrarium") else "terrarium: 1\n" + block
        assert by_schema(text), block
        assert by_parser(text, tmp_path), block


def test_conditions_of_the_prose_are_valid(tmp_path):
    rows = re.findall(r"^\| (`\{.*?) \|", (ROOT / "docs/policy.md").read_text(), re.M)
    assert len(rows) >= 8
    for condition in re.findall(r"`(\{.*?\})`", "\n".join(rows)):
        condition = condition.replace("\\|", "|")
        call = "openat" if "flags" in condition else "mmap" if "size" in condition else "socket" if "AF_" in condition else "kill"
        text = f"terrarium: 1\ncalls: [{{deny: {call}, args: {condition}}}]\n"
        assert by_schema(text) and by_parser(text, tmp_path), condition


WRONG = [
    "mout: 1", "hostname: a_b", "hostname: [a]", "user: {uid: -1}", "user: {uid: x}", "user: {name: Root}", "cwd: box",
    "trap: most", "random: {seed: x}", "limits: {cpu: 10}", "limits: {cpu: 10sec}", "limits: {memory: 256M}",
    "limits: {processes: 0}", "limits: {cpuu: 1s}", "clock: fast", "clock: {start: yesterday}", "clock: {rate: 0}",
    "mounts: {at: /a}", "mounts: [{host: x}]", "mounts: [{at: /a}]", "mounts: [{at: /a, host: x, tar: y}]",
    "mounts: [{at: /a, memory: 1}]", "mounts: [{at: /a, memory: true, mode: ro}]", "mounts: [{at: /a, host: x, mode: rw}]",
    "files: [a]", "files: {a: b}", "files: {/a: {mode: 0644}}", "files: {/a: {absent: false}}",
    "files: {/a: {absent: true, mode: 0644}}", "files: {/a: {link: /b, mode: 0644}}", "environment: [A=b]",
    "environment: {A=B: c}", "network: {}", "network: [a]", "network: [{connect: \"a:1\"}]",
    "network: [{connect: \"a:1\", refuse: true, reset: true}]", "network: [{connect: a, refuse: true}]", "network: [{default: allow}]",
    "network: [{resolve: a.b}]", "network: [{resolve: a.b, to: x y}]", "network: [{resolve: a.b, to: 1.2.3.4, delay: 1s}]",
    *(f"network: [{{connect: \"a.example:1\", {answer}}}]" for answer in (
        "respond: [a]", "http: {}", "http: [{paht: /}]", "http: [{status: 99}]", "http: [{body: a, json: b}]", "http: [{method: 'G T'}]",
        "http: [{headers: {Content-Length: 5}}]", "http: [{match: {jsno: 1}}]", "talk: {}", "talk: [{sned: a}]", "talk: [{close: false}]",
        "talk: [{send: {hex: 0g}}]", "talk: [{send: {regex: a}}]", "talk: [{any: [{send: a}]}]", "service: smpt", "program: []",
        "program: ls", "serve: ['']", "tls: 1, service: echo")),
    "include: {a: b}", "calls: {deny: a}", "calls: [{path: /a}]",
    "calls: [{deny: open, allow: read}]", "calls: [{dney: open}]", "calls: [{deny: []}]", "calls: [{deny: open, path: a}]",
    "calls: [{allow: open, errno: EPERM}]", "calls: [{deny: open, value: 1}]", "calls: [{answer: open, value: -1}]",
    "calls: [{deny: kill, args: {}}]", "calls: [{deny: kill, args: {1: {hass: 1}}}]", "calls: [{deny: kill, args: {9: 1}}]",
]


@pytest.mark.parametrize("text", WRONG)
def test_both_refuse(text, tmp_path):
    whole = f"terrarium: 1\n{text}\n"
    assert not by_schema(whole)
    assert not by_parser(whole, tmp_path)


def test_version_is_required(tmp_path):
    assert not by_schema("cwd: /a\n") and not by_parser("cwd: /a\n", tmp_path)
    assert not by_schema("terrarium: 2\n") and not by_parser("terrarium: 2\n", tmp_path)
