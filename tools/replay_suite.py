#!/usr/bin/python3
"""Records modules of CPython's own suite with --bundle, and replays each where neither Python nor the inputs are: in a directory with terrarium
and its libraries alone (chroot(2); without root, in place). Writes its table into docs/determinism.md with --write."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MARK = "<!-- table of replays: tools/replay_suite.py -->"
END = "<!-- end of the table of replays -->"
MODULES = """test_thread test_threading test_threading_local test_threadsignals test_queue test_subprocess test_asyncio.test_tasks
test_asyncio.test_locks test_asyncio.test_queues test_asyncio.test_streams test_asyncio.test_subprocess test_multiprocessing_fork
test_concurrent_futures test_socket test_socketserver test_selectors test_select test_poll test_epoll test_pipes test_fork1 test_wait3
test_wait4 test_popen test_os test_posix test_io test_fileio test_tempfile test_shutil test_glob test_pathlib test_zipfile test_tarfile
test_gzip test_mmap test_signal test_time test_datetime test_random test_uuid test_hash test_set test_dict test_list test_bool test_int
test_float test_json test_re test_gc test_weakref test_import test_runpy test_sqlite3 test_ssl test_hashlib test_zlib test_fcntl
test_resource test_pwd test_grp test_errno test_stat test_generators test_coroutines test_contextlib test_sched test_heapq""".split()
SHORT = ["test_bool", "test_queue", "test_fork1", "test_socketserver"]


def empty_root(directory, terrarium):
    """A tree with terrarium, the libraries it is linked with, and nothing else, not even a /proc."""
    real = os.path.realpath(terrarium)
    listed = subprocess.run(["ldd", real], capture_output=True, text=True).stdout
    for path, to in [(real, "terrarium"), *((p, p.lstrip("/")) for p in re.findall(r"(/\S+)", listed))]:
        (directory / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, directory / to)


def one(module, work, root, terrarium, seconds):
    record = work / "run.trec"
    run = [terrarium, "run", "--python", "/usr/bin/python3", "--record", str(record), "--bundle", "--report", str(work / "report"), "--",
           "-m", "test", "-q", module]
    try:
        first = subprocess.run(run, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
        size = record.stat().st_size
        shutil.move(record, root / "run.trec")
        place = (["chroot", str(root), "/terrarium", "replay", "/run.trec"]
                 if os.geteuid() == 0 else [terrarium, "replay", str(root / "run.trec")])
        again = subprocess.run(place, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        return None, f"{'the replay' if 'replay' in late.cmd else 'the run'} took more than {seconds} s", 0, ""
    same = (first.returncode, first.stdout, first.stderr) == (again.returncode, again.stdout, again.stderr)
    why = "" if same else again.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    whole = "yes" if b'"reproducible": true' in (work / "report").read_bytes() else "no"
    return same, why, size, whole


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("modules", nargs="*")
    options.add_argument("--short", action="store_true")
    options.add_argument("--seconds", type=int, default=300)
    options.add_argument("--terrarium", default=str(ROOT / "terrarium"))
    options.add_argument("--write", action="store_true", help="into docs/determinism.md")
    o = options.parse_args()
    rows, good, tried = [], 0, 0
    with tempfile.TemporaryDirectory() as directory:
        work, root = pathlib.Path(directory), pathlib.Path(directory) / "root"
        empty_root(root, o.terrarium)
        for module in o.modules or (SHORT if o.short else MODULES):
            same, why, size, whole = one(module, work, root, o.terrarium, o.seconds)
            tried += 1
            good += same is True
            says = {True: "the same", False: "**diverges**", None: "not tried"}[same]
            print(f"{module}: {says} {why}", flush=True)
            rows.append(f"| {module} | {says} | {whole} | {size // 1024} KiB | {why.replace('|', '/')[:200]} |")
    print(f"{good} of {tried} replayed the same")
    if o.write:
        page = ROOT / "docs" / "determinism.md"
        text = page.read_text()
        head, rest = text.split(MARK, 1)
        table = "\n".join([f"\n{good} of {tried} modules replayed the same.\n", "| module | replay | reproducible | record | |", "|---|---|---|---|---|", *rows, ""])
        page.write_text(head + MARK + "\n" + table + "\n" + END + rest.split(END, 1)[1])
    return good < tried


if __name__ == "__main__":
    sys.exit(main())
