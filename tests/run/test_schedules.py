"""Schedules with a seed of their own: what they find, and that each finds it always. The programs are those of examples/schedules/."""
import glob
import os
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
    assert main["at"] == "/box/deadlock.py:21  <module>" and main["held_by"] == one["thread"] and "threading.py" in main["stack"][0]
    assert one["at"] == other["at"] == "/box/deadlock.py:12  move" and (one["held_by"], other["held_by"]) == (other["thread"], one["thread"])
    assert f"thread {one['thread']} waits in futex at /box/deadlock.py:12 for what thread {other['thread']} holds" in stuck.err


LOCKS = """
import threading
one, two = %s
both = threading.Barrier(2)
def take(first, second):
    %s
for pair in ((one, two), (two, one)):
    threading.Thread(target=take, args=pair).start()
"""
WITH = "with first:\n        both.wait()\n        with second: pass"
ACQUIRE = "first.acquire()\n    both.wait()\n    second.acquire()"
VERSIONS = ["/usr/bin/python3", *sorted(p for v in range(8, 14) for p in glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{v}.*/bin/python3")))]
WAITS = ("run", "--limit", "wall=60s")


@pytest.mark.parametrize("python", VERSIONS)
@pytest.mark.parametrize("take", [WITH, ACQUIRE], ids=["with", "acquire"])
@pytest.mark.parametrize("kinds", ["Lock Lock", "RLock Lock", "RLock RLock"])
def test_whoever_holds_a_lock_is_named(kinds, take, python, terrarium):
    """In a plain run: what ends it is the limit, and who waits for whom is said."""
    locks = ", ".join(f"threading.{k}()" for k in kinds.split())
    result = terrarium(*WAITS, "--python", python, "--", "-c", LOCKS % (locks, take), report=True)
    assert result.status == 124 and "ended by the limit wall=1m: a deadlock; " in result.err, result
    waits = {w["thread"]: w for w in result.report["deadlock"]}
    one, other = sorted(waits)[1:]
    assert (waits[one]["held_by"], waits[other]["held_by"]) == (other, one), waits
    assert waits[one]["at"] == waits[other]["at"] == "<string>:8  take"


@pytest.mark.parametrize("take, named", [(WITH, True), (ACQUIRE, False)], ids=["with", "acquire"])
def test_where_nobody_leaves_his_name_stacks_may_tell(take, named, terrarium):
    """The real clock is counted by nobody, and nothing is patched."""
    result = terrarium("run", "--limit", "wall=2s", "--", "-c", LOCKS % ("threading.Lock(), threading.Lock()", take), report=True,
                       policy="terrarium: 1\nclock: real\n")
    waits = {w["thread"]: w for w in result.report["deadlock"]}
    one, other = sorted(waits)[1:]
    assert (waits[one]["held_by"], waits[other]["held_by"]) == ((other, one) if named else (None, None)), waits


def test_who_writes_the_page_of_names_names_nobody(terrarium):
    """It holds the count too, and is not believed any more (docs/counting.md)."""
    code = "import ctypes, threading, time\na = threading.Lock()\nctypes.cast(0x12000, ctypes.POINTER(ctypes.c_int64))[0] = -7\ntime.sleep(1)\na.acquire(); a.acquire()"
    result = terrarium("run", "--limit", "wall=60s", "--", "-c", code, report=True)
    assert [w["held_by"] for w in result.report["deadlock"]] == [None], result.report["deadlock"]


def held_by(terrarium, code, python="/usr/bin/python3"):
    """Of each that waits, in order."""
    result = terrarium(*WAITS, "--python", python, "--", "-c", code, report=True)
    assert result.status == 124, result
    return [w["held_by"] for w in sorted(result.report["deadlock"], key=lambda w: w["thread"])], result


def test_whoever_waits_for_himself(terrarium):
    held, result = held_by(terrarium, "import threading\na, b = threading.Lock(), threading.Lock()\nwith a: pass\nwith b:\n  with b: pass")
    assert held == [2] and result.report["deadlock"][0]["at"] == "<string>:5  <module>"
    held, result = held_by(terrarium, "import threading\na = threading.Lock()\nwith a: pass\na.acquire(); a.acquire()")
    assert held == [2] and result.report["deadlock"][0]["at"] == "<string>:4  <module>"


def test_whoever_got_a_lock_after_waiting_for_it_holds_it(terrarium):
    """Once by being woken, once after another thread gave what it had not taken."""
    held, _ = held_by(terrarium, """
import threading, time
a, never = threading.Lock(), threading.Event()
a.acquire()
def take():
    a.acquire()
    never.wait()
threading.Thread(target=take).start()
time.sleep(1)
a.release()
time.sleep(1)
a.acquire()""")
    assert held == [3, None]
    held, _ = held_by(terrarium, """
import threading
a, never = threading.Lock(), threading.Event()
a.acquire()
giver = threading.Thread(target=a.release)
giver.start(), giver.join()
def take():
    a.acquire()
    never.wait()
threading.Thread(target=take).start()
a.acquire(timeout=3)
a.acquire()""")
    assert held == [4, None]


@pytest.mark.parametrize("python", VERSIONS)
@pytest.mark.parametrize("wait", ["c = threading.Condition()\nwith c: c.wait()", "threading.Event().wait()", "queue.Queue().get()",
                                  "queue.SimpleQueue().get()", "threading.Semaphore(0).acquire()"])
def test_nobody_holds_what_is_waited_for_to_be_told(wait, python, terrarium):
    """Each of them is made with a lock that the waiting thread took itself: to say so would be true, and mislead."""
    assert held_by(terrarium, "import threading, queue\n" + wait, python)[0] == [None]


@pytest.mark.parametrize("python", [VERSIONS[0], VERSIONS[-1]])
@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_whoever_holds_a_lock_between_processes_is_named(kind, python, terrarium):
    held, result = held_by(terrarium, f"""
import multiprocessing as m, time
m.set_start_method('fork')
one, two = m.{kind}(), m.{kind}()
def take(first, second):
    with first:
        time.sleep(1)
        second.acquire()
for pair in ((one, two), (two, one)):
    m.Process(target=take, args=pair).start()""", python)
    one, other = (w["thread"] for w in result.report["deadlock"] if w["call"] == "futex")
    assert held == [None, other, one] and not any("holder_gone" in w for w in result.report["deadlock"]), result.report["deadlock"]


def test_semaphores_between_processes_are_no_locks(terrarium):
    """The last that took one is not who is waited for."""
    for code in ("s = m.Semaphore(3)\nfor _ in range(4): s.acquire()", "c = m.Condition()\nwith c: c.wait()", "m.Event().wait()", "q = m.Queue(1)\nq.put(1); q.put(2)"):
        held, result = held_by(terrarium, "import multiprocessing as m\n" + code)
        assert set(held) == {None}, (code, result.report["deadlock"])


def test_a_holder_that_is_gone_is_named_as_gone(terrarium):
    held, result = held_by(terrarium, "import threading\na = threading.Lock()\nt = threading.Thread(target=a.acquire)\nt.start(); t.join()\na.acquire()")
    assert held == [3] and result.report["deadlock"][0]["holder_gone"]
    assert "for what thread 3 took, which is not in its process any more" in result.err
    held, result = held_by(terrarium, "import threading, os\na = threading.Lock()\na.acquire()\nif os.fork() == 0: a.acquire()\nos.wait()")
    assert held == [None, 2] and result.report["deadlock"][1]["holder_gone"]


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
