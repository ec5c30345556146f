#!/usr/bin/env python3
"""Runs CPython's own test-suite natively and inside, module by module, and writes docs/fidelity.md.

    tools/cpython_suite.py [MODULE ...]     only these; without: every module of the suite
    --results FILE                          kept between runs: what was measured already is not run again (--fresh does)

Needs Debian's libpython3.11-testsuite. Native runs are as an ordinary user when started by root, as the guest is one.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
TIMEOUT = 180

# Bound to sockets: they come with the faked network.
SOCKETS = set("""test_asynchat test_asyncio test_asyncore test_ftplib test_httplib test_httpservers test_imaplib
test_multiprocessing_forkserver test_multiprocessing_main_handling test_nntplib test_poplib test_robotparser test_selectors
test_smtpd test_smtplib test_smtpnet test_socket test_socketserver test_ssl test_telnetlib test_timeout test_urllib2_localnet
test_urllib2net test_urllibnet test_wsgiref test_xmlrpc test_xmlrpc_net test_docxmlrpc test_epoll test_kqueue test_os
test_logging test_signal test_concurrent_futures test_multiprocessing_fork test_multiprocessing_spawn test_support
test_ftplib test_stat test_uuid_net test_eintr test_poll test_devpoll test_contextlib_async test_coroutines test_asyncgen
test_pdb test_unittest test_sys_settrace""".split()) - {"test_stat", "test_os", "test_signal", "test_epoll", "test_poll"}


def modules():
    code = "import test.libregrtest.runtest as r; print('\\n'.join(r.findtests()))"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def outcome(status, text):
    if status == "timeout":
        return "timeout"
    if status == 0:
        return "skipped" if re.search(r"^\d+ tests? skipped|resource denied|All \d+ tests omitted", text, re.M) and \
            "Result: SUCCESS" not in text and "Tests result: SUCCESS" not in text else "passed"
    if "test skipped" in text or "skipped:" in text and "FAILED" not in text and "Error" not in text:
        return "skipped"
    return "failed"


def run(command, **more):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT + 20, **more)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return "timeout", ""


def native(module):
    with tempfile.TemporaryDirectory() as d:
        more = {"cwd": d, "env": {"PATH": "/usr/bin:/bin", "HOME": d, "LANG": "C.UTF-8"}}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(d, nobody.pw_uid, nobody.pw_gid)
            more.update(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
        return run([PYTHON, "-m", "test", "--timeout", str(TIMEOUT), module], **more)


def inside(module):
    return run([os.environ.get("TERRARIUM", str(ROOT / "terrarium")), "run", "--python", PYTHON, "--limit", f"wall={TIMEOUT}s,memory=2GiB", "--",
                "-m", "test", module])


def reason(text):
    """The line of a failure that says most."""
    lines = [l.strip() for l in text.splitlines()]
    for pattern in (r"^\w*(Error|Exception|Failure)\b.*", r"^test_\w+ .*(failed|crashed|timed out).*", r"^Fatal.*", r"^terrarium:.*"):
        found = [l for l in lines if re.match(pattern, l)]
        if found:
            return found[0][:140].replace("|", "\\|")
    return (lines[-1] if lines else "")[:140].replace("|", "\\|")


def one(module, known):
    if "native" not in known:
        status, text = native(module)
        known["native"] = outcome(status, text)
    start = time.time()
    status, text = inside(module)
    known["inside"] = outcome(status, text)
    if status == 124:
        known["inside"] = "timeout"
    known["seconds"] = round(time.time() - start, 1)
    known["why"] = "" if known["inside"] in ("passed", "skipped") else reason(text)
    return known


def write(results, path):
    def count(rows, side, what):
        return sum(r.get(side) == what for r in rows)

    counted = {m: r for m, r in results.items() if m not in SOCKETS}
    good = [m for m, r in counted.items() if r["native"] == "passed"]
    same = [m for m in good if results[m]["inside"] == "passed"]
    socket_good = [m for m, r in results.items() if m in SOCKETS and r["native"] == "passed"]
    socket_same = [m for m in socket_good if results[m]["inside"] == "passed"]
    lines = ["# Fidelity: CPython's own test-suite inside", "",
             "Made by `make test-cpython` (tools/cpython_suite.py, Debian's libpython3.11-testsuite): each module natively, as an ordinary "
             "user, and inside.", "",
             f"- Without sockets: **{len(same)} of {len(good)}** modules that pass natively pass inside.",
             f"- Bound to sockets, which this version has not: {len(socket_same)} of {len(socket_good)}.",
             f"- Not passing natively on that machine: {len(results) - len(good) - len(socket_good)} of {len(results)} "
             f"(skipped, or failing there too).", "", "## What does not pass inside", "",
             "| module | native | inside | why not |", "|---|---|---|---|"]
    for m, r in sorted(results.items()):
        if r["native"] == "passed" and r["inside"] != "passed":
            lines.append(f"| {m}{' (sockets)' if m in SOCKETS else ''} | {r['native']} | {r['inside']} | {r['why']} |")
    lines += ["", "## All", "", "| module | native | inside |", "|---|---|---|"]
    lines += [f"| {m} | {r['native']} | {r['inside']} |" for m, r in sorted(results.items())]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("modules", nargs="*")
    arguments.add_argument("--results", default=str(ROOT / "build/cpython.json"))
    arguments.add_argument("--fresh", action="store_true", help="run everything inside again; native results are kept")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--output", default=str(ROOT / "docs/fidelity.md"))
    options = arguments.parse_args()
    path = pathlib.Path(options.results)
    results = json.loads(path.read_text()) if path.exists() else {}
    wanted = options.modules or modules()
    todo = [m for m in wanted if options.fresh or options.modules or results.get(m, {}).get("inside") is None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(one, m, dict(results.get(m, {}))): m for m in todo}
        for n, done in enumerate(concurrent.futures.as_completed(futures), 1):
            module = futures[done]
            results[module] = done.result()
            path.write_text(json.dumps(results, indent=1, sort_keys=True))
            r = results[module]
            if r["native"] != r["inside"]:
                print(f"[{n}/{len(todo)}] {module}: native {r['native']}, inside {r['inside']} ({r['seconds']} s) {r['why']}", flush=True)
    write(results, options.output)
    different = [m for m in wanted if results[m]["native"] == "passed" != results[m]["inside"]]
    print(f"{len(wanted) - len(different)} passed, {len(different)} failed")
    return 1 if [m for m in different if m not in SOCKETS] else 0


if __name__ == "__main__":
    sys.exit(main())
