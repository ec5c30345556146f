"""The page that the guest's vDSO reads the time from is the guest's to write. Natively there is no such page to write."""
import pytest

REASON = "clock: the guest wrote into the page of its vDSO"
FINE = "time goes on\nslept well\n"


@pytest.mark.parametrize("what", ["back", "far", "odd", "end", "end-and-far", "step", "epoch", "reads", "unread", "all", "threads"])
def test_a_page_that_was_written_is_not_believed(attack, what):
    result = attack("clock", what, report=True)
    assert result.status == 0 and result.out == FINE, result
    assert result.report["verdict"] == "ok"
    assert result.report["not_reproducible_because"] == [REASON]


@pytest.mark.parametrize("what, said, noticed", [
    ("hole", "madvise ok\n", True),
    ("unmap", "munmap ok\nread fault\n", False),
    ("protect", "mprotect ok\nread fault\n", False),
    ("over", "mmap ok\n", False),
    ("grow", "mremap ok\nstore ok\n", False),
    ("code", "mprotect ok\nstore ok\nread ok\n", False),
])
def test_a_mapping_that_was_changed_is_the_process_s_own(attack, what, said, noticed):
    result = attack("clock", what, report=True)
    assert result.status == 0 and result.out == said + FINE, result
    assert result.report["not_reproducible_because"] == [REASON] * noticed


def test_the_vsyscall_page_tells_the_world_s_time_or_nothing(terrarium, tmp_path):
    """It is at the same address in every process and no vDSO of ours: where the kernel has it at all, its calls are trapped."""
    code = "import ctypes; print(ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xffffffffff600400)(None))"
    result = terrarium("run", "--", "-c", code)
    assert result.status == 139 or (result.status == 0 and result.out.startswith("17040672")), result


def test_checks_that_cost_nothing_are_calls(terrarium):
    """The call behind a check, made over and over without the check: it takes time all the same, and meets a limit at an exact place."""
    code = """
import ctypes, re
libc = ctypes.CDLL(None)
loop = ctypes.cast(ctypes.pythonapi._PyEval_EvalFrameDefault, ctypes.c_void_p).value
text = ctypes.string_at(loop, 40000)
jumps = (loop + m.end() + int.from_bytes(m[1], "little", signed=True) for m in re.finditer(rb"\\xe9(....)", text, re.S))
out = (at for at in jumps if not loop <= at < loop + len(text) and libc.madvise(ctypes.c_void_p(at & ~4095), 4096, 0) == 0)
at = next(at for at in out if ctypes.string_at(at, 4) == b"\\x48\\x83\\x2c\\x25") # sub $50, left
call = at + 78
assert ctypes.string_at(call - 5, 1) + ctypes.string_at(call, 2) == b"\\xb8\\x0f\\x05" # mov $nr, %eax; syscall
libc.mprotect(ctypes.c_void_p(at & ~4095), 4096, 7)
ctypes.memmove(call + 2, b"\\xeb\\xf7", 2) # jmp to the mov
print("found", flush=True)
ctypes.CFUNCTYPE(None)(call - 5)()
"""
    result = terrarium("run", "--limit", "cpu=100ms", "--", "-c", code, report=True)
    assert (result.status, result.out, result.report["verdict"]) == (124, "found\n", "cpu"), result
    assert result.report["reproducible"] and result.report["limits"]["cpu"]["counted"] >= .1
