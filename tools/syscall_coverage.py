#!/usr/bin/env python3
"""Writes docs/syscalls.md, the page that says what answers each system call, from kernel/sysent.def.

    tools/syscall_coverage.py           writes it
    tools/syscall_coverage.py --check   says whether it is up to date
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "kernel" / "sysent.def"
STUBS = ROOT / "stubs"
PAGE = ROOT / "docs" / "syscalls.md"

LINE = re.compile(r"^SYSCALL\((\d+), (\w+), (\w+), (\w+), (\w+)(?:, (.*))?\)$")
# The stubs that always answer the same (stubs/refused.c), and what each kind of row is called in the totals.
FIXED = {"refused": "refused with EPERM", "absent": "ENOSYS: not part of this kernel",
         "no_handles": "refused with EOPNOTSUPP", "interrupted": "refused with EINTR",
         "NONE": "ENOSYS: not answered yet, counted in the report"}
KERNEL = {"TRAP": "", "NOTICE": "", "BY_ARG": ", or the kernel, by argument", "ALLOW": "the kernel"}


def rows():
    """(number, name, family, stub, kernel) of every line; a line that cannot be read is an error, not a gap."""
    for line in TABLE.read_text().splitlines():
        if line.startswith("SYSCALL"):
            found = LINE.match(line)
            if found is None:
                raise SystemExit(f"{TABLE}: cannot read: {line}")
            yield int(found[1]), *found.group(2, 3, 4, 5)


def places():
    """{stub: file that defines it}."""
    return {name: path.relative_to(ROOT) for path in sorted(STUBS.rglob("*.c"))
            for name in re.findall(r"^int64_t stub_(\w+)\(", path.read_text(), re.M)}


def answer(stub, kernel, where):
    if stub in FIXED:
        return FIXED[stub]
    by = f"{where[stub]}"
    return f"the kernel; {by} under `trap: all`" if kernel == "ALLOW" else by + KERNEL[kernel]


def kind(stub, kernel):
    return FIXED[stub] if stub in FIXED else {"TRAP": "a stub", "NOTICE": "a stub", "BY_ARG": "a stub, or the kernel, by argument",
                                              "ALLOW": "the kernel"}[kernel]


def page():
    where, table = places(), list(rows())
    totals = {}
    for _, _, _, stub, kernel in table:
        totals[kind(stub, kernel)] = totals.get(kind(stub, kernel), 0) + 1
    lines = ["# System calls", "",
             "Made from kernel/sysent.def by `make docs-generated` (tools/syscall_coverage.py). What the kernel answers by argument",
             "touches only the caller's own memory or asks its own state (supervisor/filter.c); `trap: all` in a policy sends",
             "that to its stub too. Numbers beyond the table get ENOSYS and are counted in the report.", "",
             "| answered by | calls |", "|---|---|",
             *(f"| {what} | {n} |" for what, n in sorted(totals.items(), key=lambda t: -t[1])),
             f"| together | {len(table)} |", "",
             "| number | name | family | answered by |", "|---|---|---|---|",
             *(f"| {number} | {name} | {family.lower()} | {answer(stub, kernel, where)} |"
               for number, name, family, stub, kernel in table), ""]
    return "\n".join(lines)


def main():
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != page():
            print("docs/syscalls.md is not up to date: make docs-generated")
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
