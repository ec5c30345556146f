#!/usr/bin/env python3
"""CPython's own test suite, module by module, natively and inside; writes docs/fidelity.md.

    make test-cpython                      whatever has no result yet for this build, then the page
    tools/cpython_suite.py io fileio       these modules, again
    tools/cpython_suite.py --failed        what did not pass the last time
    tools/cpython_suite.py --page          the page alone, from the results that are there
    tools/cpython_suite.py --show io       why a module is not the same inside

The suite is Debian's libpython3.11-testsuite under Debian's interpreter: `/usr/bin/python3 -m test -v MODULE`. Natively it
runs as an ordinary user (uid 65534 by setpriv(1) when the caller is root: inside, the guest is one too). Each module has
a time limit; a module is one process tree. Results are kept in build/cpython/results.json, native ones for good, inside ones with
the build they are of; the logs beside it.
"""
import argparse
import concurrent.futures
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TERRARIUM = pathlib.Path(os.environ.get("TERRARIUM", ROOT / "terrarium"))
PYTHON = "/usr/bin/python3"
WORK = ROOT / "build" / "cpython"
RESULTS = WORK / "results.json"
PAGE = ROOT / "docs" / "fidelity.md"
NATIVE_USER = 65534
# What the machine has too: today's date, for the world's default one is older than the files of the interpreter.
POLICY = "terrarium: 1\nclock: {{start: {today}T12:00:00Z}}\n"
LIMITS = "cpu=10m,wall=30m,memory=4GiB,output=256MiB,processes=512,files=2GiB"

# Resources that a module asks for and a loopback interface is enough for: without them it skips itself.
RESOURCES = {"socketserver": "network"}

# regrtest's exit statuses (libregrtest/main.py) and what they are called here.
STATUS = {0: "pass", 2: "fail", 3: "pass", 4: "skip", 5: "fail"}


# ---- running ----------------------------------------------------------------------------------------------------------

def build_id():
    """Which terrarium: the first half of its digest."""
    return hashlib.sha256(TERRARIUM.read_bytes()).hexdigest()[:16]


def modules():
    listed = subprocess.run([PYTHON, "-m", "test", "--list-tests"], capture_output=True, text=True, check=True)
    return sorted(line.removeprefix("test_") for line in listed.stdout.split())


def run(command, log, seconds, **more):
    """The command's exit status, None when its time was over, and its real duration. Output goes to `log`."""
    started = time.monotonic()
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                 start_new_session=True, **more)
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        # The group: what a native module leaves behind must not run beside the next one.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
    return status, round(time.monotonic() - started, 1)


def suite(module):
    return [PYTHON, "-m", "test", "-v", *(["-u", RESOURCES[module]] if module in RESOURCES else []), f"test_{module}"]


def run_native(module, seconds):
    home = tempfile.mkdtemp(prefix="cpython-")
    prefix = []
    if os.getuid() == 0:
        os.chown(home, NATIVE_USER, NATIVE_USER)
        prefix = ["setpriv", f"--reuid={NATIVE_USER}", f"--regid={NATIVE_USER}", "--clear-groups"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8",
                   "USER": "nobody", "LOGNAME": "nobody", "SHELL": "/bin/sh"}
    try:
        return run([*prefix, *suite(module)], WORK / f"{module}.native.log", seconds,
                   cwd=home, env=environment)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_inside(module, seconds):
    return run([str(TERRARIUM), "run", "--policy", str(WORK / "policy.yaml"), "--python", PYTHON, "--limit", LIMITS, "--quiet", "--",
                *suite(module)[1:]], WORK / f"{module}.inside.log", seconds, cwd=WORK)


# ---- reading what regrtest printed --------------------------------------------------------------------------------------

CASE = re.compile(r"^(\w+) \(([\w.]+)\)(?: \[.*\])?(?:\n.*?)?? \.\.\. .*?(ok|FAIL|ERROR|skipped .*|expected failure)$", re.M)
BROKEN = re.compile(r"^(FAIL|ERROR): (\w+) (?:\(([\w.]*)\))?.*$", re.M)
MESSAGE = re.compile(r"[\w.]+(Error|Exception|Exit|Failed|Interrupt|Warning)\b|Failed example|Got:|[a-z_]+\.[A-Z]\w+:")
SKIPPED = re.compile(r"^test_\w+ skipped -- (.*)$", re.M)


def cases(text):
    """{case: ok | FAIL | ERROR | skipped 'why' | expected failure}, as far as output between them lets it be read."""
    return {name if where.endswith("." + name) else f"{where}.{name}": state for name, where, state in CASE.findall(text)}


def causes(text):
    """[(case, last line of its traceback)]: unittest's blocks between two double rules."""
    found = []
    for block in text.split("=" * 70 + "\n")[1:]:
        head = BROKEN.match(block)
        if head is None:
            continue
        body = block.split("-" * 70 + "\n")
        traceback = body[1] if len(body) > 1 else ""
        lines = [line for line in traceback.splitlines() if MESSAGE.match(line)]
        found.append((head[2], lines[-1][:200] if lines else "no traceback"))
    return found


def judge(status, duration, log):
    text = log.read_text(errors="replace")
    result = {"seconds": duration, "exit": status}
    result["status"] = "time" if status is None else STATUS.get(status, "crash")
    result["cases"] = len(cases(text))
    if result["status"] in ("fail", "crash", "time"):
        result["causes"] = causes(text)
        if not result["causes"]:
            lines = [line for line in text.splitlines() if line.strip()]
            result["last"] = lines[-1][:200] if lines else "no output"
    skipped = SKIPPED.search(text)
    if skipped:
        result["status"], result["why"] = "skip", skipped[1]
    return result


def differences(module):
    """Cases that are ok natively and not inside: [(case, state inside)]; only those both logs show."""
    logs = [WORK / f"{module}.{where}.log" for where in ("native", "inside")]
    if not all(log.exists() for log in logs):
        return []
    native, inside = (cases(log.read_text(errors="replace")) for log in logs)
    return [(name, inside[name]) for name, state in native.items() if state == "ok" and inside.get(name, "ok") != "ok"]


# ---- results ------------------------------------------------------------------------------------------------------------

def load():
    if RESULTS.exists():
        return json.loads(RESULTS.read_text())
    return {"native": {}, "inside": {}}


def save(results):
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1, sort_keys=True))
    fresh.replace(RESULTS)


def same(results, module):
    """Whether a module that passes natively does so inside; None when there is nothing to compare."""
    native, inside = results["native"].get(module), results["inside"].get(module)
    if native is None or inside is None or native["status"] != "pass":
        return None
    return inside["status"] == "pass"


def judge_again(results):
    """What stands in the logs, read anew: for when the reading changed and not the runs."""
    for where in ("native", "inside"):
        for module, old in results[where].items():
            log = WORK / f"{module}.{where}.log"
            if log.exists():
                old.update(judge(old["exit"], old["seconds"], log))


def take(native, module, build, seconds):
    """(native result, inside result or None): natively only when there is no result yet."""
    if native is None:
        status, duration = run_native(module, seconds)
        native = judge(status, duration, WORK / f"{module}.native.log")
    if native["status"] not in ("pass", "fail"):
        return native, None
    status, duration = run_inside(module, seconds)
    inside = judge(status, duration, WORK / f"{module}.inside.log")
    inside["build"] = build
    inside["skipped"] = [[name, state] for name, state in differences(module) if state.startswith("skipped")]
    return native, inside


# ---- the page -----------------------------------------------------------------------------------------------------------

def new_causes(native, inside):
    known = {cause[0] for cause in native.get("causes", [])}
    return [cause for cause in inside.get("causes", []) if cause[0] not in known]


def why_not(native, inside):
    """The column `why not` of a module: one line."""
    if inside["status"] == "skip":
        return "skipped inside: " + inside.get("why", "")
    if inside["status"] == "time":
        return f"not done after {inside['seconds']:.0f} s"
    if inside.get("causes"):
        new = new_causes(native, inside) or inside["causes"]
        name, cause = new[0]
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        return f"{name}{more}: {cause}"
    return inside.get("last", f"exit status {inside['exit']}")


def escape(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def page(results):
    names = sorted(results["native"])
    native, inside = results["native"], results["inside"]
    passing = [m for m in names if native[m]["status"] == "pass"]
    good = [m for m in passing if same(results, m)]
    untried = [m for m in passing if m not in inside]
    bad = [m for m in passing if m in inside and m not in good]
    skipped = [m for m in names if native[m]["status"] == "skip"]
    broken = [m for m in names if native[m]["status"] not in ("pass", "skip")]
    builds = {inside[m]["build"] for m in passing if m in inside}
    version = subprocess.run([PYTHON, "--version"], capture_output=True, text=True).stdout.strip()

    def table(rows):
        yield "| module | native | inside | why not |"
        yield "|---|---|---|---|"
        for m in rows:
            n, i = native[m], inside.get(m)
            shown = f"{n['status']}, {n['seconds']:.1f} s"
            if i is None:
                yield f"| {m} | {shown} | - | {escape(n.get('why', '') or (why_not(n, n) if n['status'] != 'pass' else 'not run yet'))} |"
                continue
            note = why_not(n, i) if i["status"] != "pass" else ""
            if i["status"] == "pass" and i.get("skipped"):
                name, state = i["skipped"][0]
                note = f"{len(i['skipped'])} cases skipped inside, as {name}: {state.removeprefix('skipped ')}"
            yield f"| {m} | {shown} | {i['status']}, {i['seconds']:.1f} s | {escape(note)} |"

    lines = [
        "# CPython's own suite, inside",
        "",
        f"Made by `make test-cpython` (tools/cpython_suite.py), with Debian's {version} and its libpython3.11-testsuite;",
        "natively as an ordinary user on the same machine, inside with the default policy and today's date. `tools/cpython_suite.py MODULE...`",
        "runs some again, `--show MODULE` tells why one differs.",
        "",
        f"**{len(good)} of {len(passing)}** modules that pass natively pass inside"
        + (f"; {len(untried)} not run yet" if untried else "") + ".",
        "",
        "| | modules |",
        "|---|---|",
        f"| pass natively and inside | {len(good)} |",
        f"| pass natively, not inside | {len(bad)} |",
        f"| not run inside yet | {len(untried)} |",
        f"| skip themselves natively (another system, a missing library) | {len(skipped)} |",
        f"| do not pass natively on this machine | {len(broken)} |",
        "",
        "Times are of one run each" + (", inside of more than one build" if len(builds) > 1 else "") + ".",
        "",
        "## Not yet the same", "", *table(bad + untried), "",
        "## The same", "", *table(good), "",
        "## Nothing to compare", "", "These skip themselves or fail without the sandbox too.", "", *table(skipped + broken), "",
    ]
    PAGE.write_text("\n".join(lines))
    return len(good), len(passing), bad


# ---- the command --------------------------------------------------------------------------------------------------------

def show(module):
    for name, state in differences(module):
        print(f"{state:8.40} {name}")
    for name, cause in causes((WORK / f"{module}.inside.log").read_text(errors="replace")):
        print(f"  {name}: {cause}")


def chosen(options, results, build):
    listed = [m.removeprefix("test_") for m in options.module]
    if listed:
        return listed
    every = modules()
    if options.failed:
        return [m for m in every if same(results, m) is False]
    return [m for m in every if options.all or results["inside"].get(m, {}).get("build") != build
            and results["native"].get(m, {}).get("status") not in ("skip", "time", "crash")]


def tell(results, module, which):
    native, inside = results["native"][module], results["inside"].get(module, {"status": "-", "seconds": 0})
    note = why_not(native, inside) if same(results, module) is False else ""
    print(f"{which} {module}: native {native['status']} {native['seconds']} s, inside {inside['status']} {inside['seconds']} s {note}",
          flush=True)


def main():
    parse = argparse.ArgumentParser(description="CPython's own suite, natively and inside.")
    parse.add_argument("module", nargs="*", help="without test_; default: all that have no result for this build")
    parse.add_argument("--failed", action="store_true", help="those that pass natively and did not inside")
    parse.add_argument("--all", action="store_true", help="every module again")
    parse.add_argument("--new", action="store_true", help="only modules never run inside")
    parse.add_argument("--native-again", action="store_true", help="forget the native results of these modules")
    parse.add_argument("--timeout", type=float, default=600, help="seconds a module may take (600)")
    parse.add_argument("--jobs", type=int, default=1, help="modules that run at a time (1)")
    parse.add_argument("--page", action="store_true", help="write docs/fidelity.md and nothing else")
    parse.add_argument("--show", metavar="MODULE", help="how a module differs inside, from its logs")
    options = parse.parse_args()
    if options.show:
        return show(options.show.removeprefix("test_"))
    WORK.mkdir(parents=True, exist_ok=True)
    for ignored_in_background in signal.SIGINT, signal.SIGQUIT: # a shell's job without job control; cases send them
        signal.signal(ignored_in_background, signal.SIG_DFL)
    results = load()
    if not options.page:
        build = build_id()
        (WORK / "policy.yaml").write_text(POLICY.format(today=datetime.date.today()))
        todo = [m for m in chosen(options, results, build) if not (options.new and m in results["inside"])]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            running = {pool.submit(take, None if options.native_again else results["native"].get(m), m, build, options.timeout): m
                       for m in todo}
            for i, done in enumerate(concurrent.futures.as_completed(running)):
                module, (native, inside) = running[done], done.result()
                results["native"][module] = native
                if inside is not None:
                    results["inside"][module] = inside
                save(results)
                tell(results, module, f"[{i + 1}/{len(todo)}]")
    judge_again(results)
    good, passing, bad = page(results)
    print(f"{good} of {passing} modules that pass natively pass inside; docs/fidelity.md says which do not")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
