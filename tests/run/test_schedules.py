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


def test_a_deadlock_is_replayed(terrarium, tmp_path):
    record = tmp_path / "run.trec"
    result = terrarium("run", "--schedule", "seed=1", "--record", str(record), "--bundle", "--", "-c",
                       "import threading; lock = threading.Lock(); lock.acquire(); print('waits', flush=True); lock.acquire()")
    assert result.status == 124 and "a deadlock" in result.err
    again = terrarium("replay", str(record))
    assert (again.status, again.out, again.err) == (result.status, result.out, ""), again


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
