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
    ("grow", "mremap ok\nstore fault\n", False),
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
