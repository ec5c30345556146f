"""Schedules with a seed of their own: what they find, and that each finds it always. The programs are those of examples/schedules/."""
import pathlib

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/schedules"


@pytest.fixture
def scheduled(terrarium):
    """scheduled(program, seed): the run's result; it is reproducible."""

    def call(program, seed, **more):
        result = terrarium("run", "--schedule", f"seed={seed}", str(EXAMPLES / program), report=True, **more)
        assert result.report["reproducible"] and result.report["schedule"] == seed
        return result

    return call


def test_a_lost_update_has_many_outcomes_and_each_seed_its_own(scheduled):
    outcome = {seed: scheduled("lost_update.py", seed).out for seed in range(1, 21)}
    assert len(set(outcome.values())) >= 5, outcome
    assert all(int(o) <= 400 for o in outcome.values())
    unusual = [seed for seed, o in outcome.items() if o != "400\n"][:3]
    for seed in unusual:
        assert scheduled("lost_update.py", seed).out == outcome[seed]


def test_the_ordinary_schedule_is_one_of_them(terrarium, scheduled):
    plain = terrarium("run", str(EXAMPLES / "lost_update.py"), report=True)
    assert plain.report["schedule"] == 0
    assert scheduled("lost_update.py", 0).out == plain.out == "400\n"


def test_a_deadlock_is_found_and_named(scheduled):
    ends = {}
    for seed in range(1, 21):
        result = scheduled("deadlock.py", seed)
        ends.setdefault(result.report["verdict"], result)
        if len(ends) == 2:
            break
    assert set(ends) == {"ok", "deadlock"}, ends
    assert ends["ok"].out == "40 moves\n"
    stuck = ends["deadlock"]
    assert stuck.status == 124 and "a deadlock" in stuck.err
    waiting = stuck.report["deadlock"]
    assert len(waiting) == 3 and {w["call"] for w in waiting} == {"futex"}
    assert len({w["futex"] for w in waiting}) == 3 and len({w["thread"] for w in waiting}) == 3
    main, one, other = sorted(waiting, key=lambda w: w["thread"])
    assert main["at"] == "/box/deadlock.py:21  <module>" and main["held_by"] is None and "threading.py" in main["stack"][0]
    assert one["at"] == other["at"] == "/box/deadlock.py:12  move" and (one["held_by"], other["held_by"]) == (other["thread"], one["thread"])
    assert f"thread {one['thread']} waits in futex at /box/deadlock.py:12 for what thread {other['thread']} holds" in stuck.err


LOCKS = """
import threading
one, two = %s
both = threading.Barrier(2)
def take(first, second):
    with first:
        both.wait()
        if 1:
            with second: pass
for pair in ((one, two), (two, one)):
    threading.Thread(target=take, args=pair).start()
"""


@pytest.mark.parametrize("kind", ["threading.Lock(), threading.Lock()", "threading.RLock(), threading.Lock()", "threading.RLock(), threading.RLock()"])
def test_whoever_holds_a_lock_is_named(kind, terrarium):
    """In a plain run: what ends it is the limit, and who waits for whom is said."""
    result = terrarium("run", "--limit", "wall=60s", "--", "-c", LOCKS % kind, report=True)
    assert result.status == 124 and "ended by the limit wall=1m: a deadlock; " in result.err, result
    waits = {w["thread"]: w for w in result.report["deadlock"]}
    one, other = sorted(waits)[1:]
    assert (waits[one]["held_by"], waits[other]["held_by"]) == (other, one), waits
    assert waits[one]["at"] == waits[other]["at"] == "<string>:9  take"


def test_whoever_waits_for_himself(terrarium):
    """A lock that was held once and given back is held by nobody; one that is taken by acquire() is on no stack."""
    code = "import threading\na, b = threading.Lock(), threading.Lock()\nwith a: pass\nwith b:\n  with b: pass"
    (wait,) = terrarium("run", "--limit", "wall=60s", "--", "-c", code, report=True).report["deadlock"]
    assert wait["held_by"] == wait["thread"] and wait["at"] == "<string>:5  <module>"
    code = "import threading\na = threading.Lock()\nwith a: pass\na.acquire(); a.acquire()"
    (wait,) = terrarium("run", "--limit", "wall=60s", "--", "-c", code, report=True).report["deadlock"]
    assert wait["held_by"] is None and wait["at"] == "<string>:4  <module>"


def test_a_deadlock_is_replayed(terrarium, tmp_path):
    record = tmp_path / "run.trec"
    result = terrarium("run", "--schedule", "seed=1", "--record", str(record), "--bundle", "--", "-c",
                       "import threading; lock = threading.Lock(); lock.acquire(); print('waits', flush=True); lock.acquire()")
    assert result.status == 124 and "a deadlock" in result.err
    again = terrarium("replay", str(record))
    assert (again.status, again.out, again.err) == (result.status, result.out, ""), again


def test_a_name_that_is_no_text_is_told_all_the_same(terrarium):
    result = terrarium("run", "--schedule", "seed=1", "--", "-c", "import ctypes, threading; ctypes.CDLL(None).prctl(15, b'a\\xffb'); "
                       "lock = threading.Lock(); lock.acquire(); lock.acquire()", report=True)
    assert [w["name"] for w in result.report["deadlock"]] == ["a\\xffb"]


def test_whoever_holds_a_mutex_is_named(scheduled, terrarium):
    """A pthread mutex says who took it; the C library's own lock of a stream is one."""
    result = terrarium("run", "--schedule", "seed=1", "--", "-c", """
import ctypes, threading
libc = ctypes.CDLL(None)
one, two = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
barrier = threading.Barrier(2)
ids = {}
def lock(name, first, second):
    ids[name] = threading.get_native_id()
    libc.pthread_mutex_lock(first)
    barrier.wait()
    print(name, ids[name], flush=True)
    libc.pthread_mutex_lock(second)
threading.Thread(target=lock, args=('a', one, two)).start()
threading.Thread(target=lock, args=('b', two, one)).start()
""", report=True)
    ids = dict(line.split() for line in result.out.splitlines())
    held = {w["thread"]: w["held_by"] for w in result.report["deadlock"]}
    a, b = int(ids["a"]), int(ids["b"])
    assert (held[a], held[b]) == (b, a), result.report["deadlock"]


def test_between_a_look_and_an_act_others_act(scheduled):
    outcomes = {scheduled("check_then_act.py", seed).out for seed in range(1, 21)}
    assert len(outcomes) >= 4 and any(o.split()[3] != "and" for o in outcomes), outcomes  # and some are made twice


def test_processes_are_scheduled_too(terrarium):
    code = """
import os
r, w = os.pipe()
for name in b'abcd':
    if os.fork() == 0:
        for _ in range(3):
            os.write(w, bytes([name]))
        os._exit(0)
for _ in range(4): os.wait()
print(os.read(r, 100).decode())
"""
    outcome = [terrarium("run", "--schedule", f"seed={seed}", "--", "-c", code).out for seed in range(1, 9)]
    assert len(set(outcome)) >= 4 and all(sorted(o.strip()) == sorted("abcd" * 3) for o in outcome)
    assert terrarium("run", "--schedule", "seed=3", "--", "-c", code).out == outcome[2]


def test_verify_tells_the_outcomes_with_a_seed_for_each(terrarium):
    code = "import os\nr, w = os.pipe()\nfor name in b'ab':\n    if os.fork() == 0: os.write(w, bytes([name])); os._exit(0)\n" \
           "os.wait(); os.wait(); print(os.read(r, 9).decode())"
    result = terrarium("verify", "--schedules", "6", "--python", "/usr/bin/python3", "--", "-c", code)
    assert result.status == 1 and result.out.startswith("6 schedules, 2 outcomes\n"), result
    told = {line.split()[-1]: line.split("seed=")[1].split()[0] for line in result.out.splitlines()[1:]}
    assert set(told) == {"ab", "ba"}
    for outcome, seed in told.items():
        assert terrarium("run", "--schedule", f"seed={seed}", "--", "-c", code).out == outcome + "\n"


@pytest.mark.parametrize("word", ["7", "seed=", "seed=x", "seed=-1", "sed=1"])
def test_a_schedule_that_is_none(terrarium, word):
    result = terrarium("run", "--schedule", word, "--", "-c", "0")
    assert result.status == 125 and "--schedule" in result.err


def test_a_policy_may_fix_the_schedule(terrarium):
    result = terrarium("run", str(EXAMPLES / "lost_update.py"), policy="terrarium: 1\nschedule: {seed: 9}\n", report=True)
    assert result.report["schedule"] == 9
