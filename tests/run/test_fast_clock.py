"""The clock that is read without a stop (docs/architecture.md, "Time"): nothing but the number of stops tells it from calls."""
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ASKS_BY_CALLS = "terrarium: 1\ncalls:\n  - {log: clock_settime}\n  - {allow: [clock_getres, clock_gettime, gettimeofday, time, getcpu]}\n"


def test_reads_and_calls_give_the_same_time(terrarium):
    fast = terrarium("run", str(HERE / "time_in_many_ways.py"), report=True)
    calls = terrarium("run", str(HERE / "time_in_many_ways.py"), report=True, policy=ASKS_BY_CALLS)
    assert fast.status == 0 and calls.status == 0, (fast, calls)
    assert fast.out == calls.out
    assert calls.report["clock_reads"] == 0 and fast.report["clock_reads"] > 3000
    assert fast.report["reproducible"] and calls.report["reproducible"], (fast.report, calls.report)
    # Every call that was not made is a read.
    asked = {"clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu"}
    made = [sum(n["calls"] for name, n in r.report["calls"].items() if name in asked) for r in (fast, calls)]
    assert made[0] + fast.report["clock_reads"] == made[1]
    all_calls = [r.report["events"] + r.report["lent_calls"] for r in (fast, calls)]
    assert all_calls[0] + fast.report["clock_reads"] == all_calls[1]


def test_a_thousand_reads_are_no_stops(terrarium):
    few, many = (terrarium("run", "--", "-c", f"import time\nfor _ in range({n}): time.time()", report=True).report for n in (1, 1001))
    assert many["events"] == few["events"]
    # Stops are of real time, too: the tick that looks at limits interrupts whoever is running.
    assert abs(many["stops"] - few["stops"]) < 50
    assert many["clock_reads"] == few["clock_reads"] + 1000


@pytest.mark.parametrize("compiler", [["gcc"], ["gcc", "-static"], ["musl-gcc"], ["musl-gcc", "-static"]], ids=" ".join)
def test_every_c_library_finds_it(terrarium, tmp_path, compiler):
    subprocess.run([*compiler, "-O1", "-o", tmp_path / "values", HERE / "clock_values.c"], check=True)
    tmp_path.chmod(0o755)
    fast, calls = (terrarium("exec", "--mount", f"{tmp_path}:/v:ro", "--", "/v/values", report=True, policy=p)
                   for p in ("terrarium: 1\n", ASKS_BY_CALLS))
    assert (fast.status, fast.out[0]) == (0, "1") and (calls.status, calls.out[0]) == (0, "0"), (fast, calls)
    assert fast.out[1:] == calls.out[1:]
    assert fast.report["clock_reads"] == 1002


@pytest.mark.parametrize("policy", ["clock: real", "trap: all", "clock: {per_event: 0s}", "calls: [{log: time}]"])
def test_where_it_has_no_place_there_is_none(terrarium, policy):
    code = "import time\nfor _ in range(100): time.time()\nprint('[vdso]' in open('/proc/self/maps').read())"
    result = terrarium("run", "--", "-c", code, policy=f"terrarium: 1\n{policy}\n", report=True)
    assert result.out == "False\n", result
    assert result.report["clock_reads"] == 0
    assert sum(result.report["calls"][name]["calls"] for name in ("clock_gettime", "time") if name in result.report["calls"]) >= 100


def test_it_is_mapped_as_linux_maps_its_own(inside):
    out = inside("""
for line in open('/proc/self/maps'):
    if '[v' in line:
        print(*line.split()[1:])
""")
    assert out == "rw-s 00000000 00:00 0 [vvar]\nr-xp 00000000 00:00 0 [vdso]\n"


def test_a_rule_on_the_clock_still_decides(terrarium):
    result = terrarium("run", "--", "-c", "import time\ntry: time.clock_gettime(1)\nexcept OSError as e: print(e.errno)",
                       policy="terrarium: 1\ncalls: [{deny: clock_gettime, errno: EPERM}]\n")
    assert result.out == "1\n", result


def test_it_may_be_stopped_in_the_middle_of_a_read(terrarium, tmp_path):
    """The tick of real time comes some fifty times while it reads."""
    subprocess.run(["gcc", "-O2", "-o", tmp_path / "spin", HERE / "clock_spin.c"], check=True)
    tmp_path.chmod(0o755)
    runs = [terrarium("exec", "--mount", f"{tmp_path}:/v:ro", "--", "/v/spin", "400", report=True) for _ in range(2)]
    for run in runs:
        assert run.status == 0 and run.report["reproducible"], run
        assert run.out.endswith(" reads, 0 of them backwards\n")
    assert runs[0].out == runs[1].out and runs[0].report["events"] == runs[1].report["events"]
