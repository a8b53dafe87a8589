"""Code that takes no step is ended by the watchdog, which names its line."""
# ruff: noqa: SIM105  (what a learner may write)

from __future__ import annotations

import gc
import re
import signal
import time
from collections.abc import Callable

import pytest

from fleetlab.sim import Runaway, Simulation, current_task, watchdog


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)


def spins() -> None:
    """Loop for ever."""
    while True:
        pass


def swallows() -> None:
    """Loop for ever and swallow whatever ends it."""
    while True:
        try:
            sum(n for n in range(1000))
        except:  # noqa: E722
            pass


def swallows_in_two_loops() -> None:
    """Swallow around a loop that seldom lets go."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
        finally:
            time.time()


def swallows_and_remembers() -> None:
    """Remember the last of what is raised, for ever."""
    last = None
    while True:
        try:
            while last is last:
                pass
        except BaseException as error:
            last = error


def counts_in_a_library() -> None:
    """Let a library loop for ever."""
    import statistics

    statistics.fmean(iter(int, 1))


def waits_for_the_machine() -> None:
    """Wait in the operating system for something real."""
    real = watchdog._thread.allocate_lock()
    real.acquire()
    real.acquire()


@pytest.mark.parametrize(
    ("code", "line", "what"),
    [
        (spins, 2, "the loop at line {}  while True: takes no step and never ends"),
        (swallows, 2, "the loop at line {}  while True: takes no step and never ends"),
        (swallows_in_two_loops, 4, "the loop at line {}  while True: takes no step and never ends"),
        (swallows_and_remembers, 5, "the loop at line {}  while last is last: takes no step and never ends"),
        (counts_in_a_library, 4, "the code at line {}  statistics.fmean(iter(int, 1)) takes no step and never ends"),
        pytest.param(
            waits_for_the_machine,
            4,
            "the code at line {}  real.acquire() takes no step and never ends",
            marks=pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="only POSIX can wake a thread"),
        ),
    ],
)
def test_stuck_code_is_ended_with_its_line(code: Callable[[], None], line: int, what: str) -> None:
    """A loop without a step ends the run with a report, however it swallows exceptions, and all is as before."""
    sim, seen = Simulation(), []
    sim.spawn(lambda: (time.sleep(1), code()), name="ada")
    sim.spawn(lambda: (time.sleep(2), seen.append(sim.now)))
    expected = f"ada is stuck: {what.format(code.__code__.co_firstlineno + line)}: nothing else can run meanwhile."
    with pytest.raises(Runaway, match=rf"^{re.escape(expected)}$"):
        sim.run()
    assert (current_task(), gc.isenabled(), watchdog._watched, seen) == (None, True, {}, [])
    sim.run()
    assert seen == [2.0]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="only POSIX can wake a thread")
def test_a_background_job_is_woken_though_it_ignores_ctrl_c() -> None:
    """A shell starts such a job with SIGINT ignored; a wait for the machine ends all the same."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sim = Simulation()
        sim.spawn(waits_for_the_machine, name="ada")
        with pytest.raises(Runaway, match=r"^ada is stuck"):
            sim.run()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_slow_code_that_takes_steps_is_left_alone() -> None:
    """What has a turn now and then may take as long as it needs."""
    sim = Simulation(trace=False)

    def work() -> str:
        for _ in range(8):
            busy(0.03)
            time.sleep(1)
        return "done"

    assert sim.run(until=sim.spawn(work)) == "done"


def busy(seconds: float) -> None:
    """Compute for real seconds."""
    watchdog._sleep(seconds)


def test_a_simulation_inside_a_task_is_watched_in_its_place() -> None:
    """While a task runs a simulation of its own, that one's turns count."""
    outer, inner = Simulation(), Simulation(trace=False)

    def ticks() -> None:
        for _ in range(8):
            busy(0.03)
            time.sleep(1)

    def nested() -> float:
        inner.spawn(ticks)
        inner.run()
        return inner.now

    assert outer.run(until=outer.spawn(nested)) == 8.0


@pytest.mark.parametrize(
    ("source", "number", "line"),
    [
        ("while a:\n  b\n", 2, 1),
        ("for x in y:\n  while a:\n    b\n", 3, 2),
        ("while a:\n  for x in y:\n    b\n", 3, 1),
        ("for x in y:\n  b\n", 2, 1),
        ("a\nb\n", 2, 0),
        ("%time a\n", 1, 0),
    ],
)
def test_the_loop_around_a_line(source: str, number: int, line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The innermost `while` counts, else the innermost `for`; source that cannot be parsed has none."""
    monkeypatch.setattr(watchdog.linecache, "getlines", lambda name: source.splitlines(keepends=True))
    assert watchdog.loop_line("cell", 1, number) == line


def test_the_stack_is_still_guarded_afterwards() -> None:
    """After stuck code was ended, endless recursion is an error, not the end of Python."""
    sim = Simulation()
    sim.spawn(swallows)
    with pytest.raises(Runaway):
        sim.run()

    def endless() -> None:
        endless()

    with pytest.raises(RecursionError):
        endless()
