"""The supervisor's two pages in every guest process. There is nothing to show natively: nothing is mapped there."""


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def test_no_call_touches_it(attack):
    result = attack("glass", "calls", report=True)
    got = lines(result.out)
    assert result.status == 0 and result.report["verdict"] == "ok", result
    assert (got.pop("works"), got.pop("forks"), got.pop("brk")) == ("1", "3", "1"), result
    got.pop("mem-open")
    assert len(got) == 32 and "ok" not in got.values(), got


def test_stores_fault(attack):
    result = attack("glass", "stores")
    assert result.out == "fault 11\nscribbled\nworks 1\nforks 3\n" and result.status == 0, result


def test_jumps_make_ordinary_calls(attack):
    result = attack("glass", "jumps")
    got = lines(result.out)
    assert got["works"] == "1" and got["forks"] == "3" and result.status == 0, result
    assert got["exit_group"] == "exit 7"
    assert got["execve"] == "exit 0"  # /bin/true, of the world
    for name in ("openat", "execveat", "recvmsg", "mark", "mmap-over", "in-the-middle"):
        assert got[name].startswith("signal"), (name, got)


def test_single_stepping_through_a_call(attack):
    result = attack("glass", "steps")
    assert result.out == "stepped 1 mapped 1 child 4\nworks 1\nforks 3\n" and result.status == 0, result


def test_stacks_in_it(attack):
    result = attack("glass", "stacks")
    got = lines(result.out)
    assert result.status == 0 and got["works"] == "1" and got["forks"] == "3", result
    assert got["stack"] == "killed"
    assert "clone 9" in result.out.splitlines(), result
