"""Other doors into the kernel. Only the architecture that seccomp sees tells which table a number is of."""
import pytest

GONE = "ENOSYS"


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@pytest.fixture
def door(native):
    """What int 0x80 is on this machine: a call of the other table, or (no gate in the kernel) a fault, inside as outside."""
    status, out = native("abi", "int80")
    if status == 33:
        assert lines(out)["getpid"] == "ok" and lines(out)["open"] == "ok" and "lives" not in out
        return GONE
    assert set(lines(out).values()) == {"fault"}, out
    return "fault"


def test_int80(attack, door):
    result = attack("abi", "int80", report=True)
    got = lines(result.out)
    assert {got[k] for k in ("getpid", "open", "nr11", "nr59", "nr257")} == {door}, result
    assert result.out.endswith("exit\nlives\n") and result.status == 0
    assert result.report["verdict"] == "ok"


def test_int80_counts_as_foreign(attack, door):
    unknown = attack("abi", "int80", report=True).report["unknown"]
    assert unknown.get("(foreign ABI: int 0x80 or x32)", 0) == (7 if door == GONE else 0)


def test_int80_with_sigsys_blocked_or_ignored(attack, door):
    result = attack("abi", "int80-blocked")
    if door == GONE:
        assert result.out == "getpid ENOSYS\ngetpid ENOSYS\n" and result.status == 0, result
    else:  # a fault whose signal is blocked kills
        assert result.status == 128 + 11, result


def test_x32_and_numbers_nobody_has(attack):
    result = attack("abi", "x32", report=True)
    assert set(lines(result.out).values()) == {GONE} and len(result.out.splitlines()) == 7, result
    assert result.status == 0


def test_junk_in_the_upper_halves(attack, native):
    """int arguments are their lower halves, on both sides: nothing is judged by one half and done by the other."""
    status, out = native("abi", "junk")
    result = attack("abi", "junk")
    assert (result.status, lines(result.out)) == (status, lines(out)), (result, out)
    assert status == 7


def test_junk_does_not_dodge_a_rule(attack):
    result = attack("abi", "junk", policy="""
terrarium: 1
calls:
  - {deny: kill, errno: EPERM}
  - {deny: openat, path: /etc/passwd, errno: EACCES}
""")
    got = lines(result.out)
    assert got["kill"] == "EPERM" and got["openat"] == "0", result


def test_compat_mode_code(attack, native, door):
    """32-bit code in a 64-bit process makes calls of the other table; the run ends sanely whatever becomes of it."""
    outside = native("abi", "compat")
    result = attack("abi", "compat", report=True)
    if door == "fault":
        assert (result.status, result.out) == outside, result
        return
    assert outside[0] == 5 and result.status == 5, result
    assert result.report["unknown"]["(foreign ABI: int 0x80 or x32)"] >= 1


def test_a_32_bit_program(terrarium, build, tmp_path):
    """A 32-bit ELF file: made by hand, exit(0) by int 0x80; natively it runs where the kernel has the emulation."""
    import struct
    code = b"\xb8\x01\x00\x00\x00\x31\xdb\xcd\x80"
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    program = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
    path = tmp_path / "elf32"
    path.write_bytes(header + program + code)
    path.chmod(0o755)
    tmp_path.chmod(0o755)
    result = terrarium("exec", "--mount", f"{tmp_path}:/attack:ro", "--", "/attack/elf32")
    assert result.status == 125 and "/attack/elf32" in result.err and "x86-64" in result.err, result
    inside = terrarium("run", "--mount", f"{tmp_path}:/attack:ro", "--", "-c", """
import os
try: os.execv('/attack/elf32', ['x'])
except OSError as e: print(e.errno)
""")
    assert inside.out == "8\n", inside
