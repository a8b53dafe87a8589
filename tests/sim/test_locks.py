"""Locks are waited for in virtual time inside tasks, and really outside."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fleetlab.sim import Deadlock, Process, Simulation, patches


@pytest.fixture
def sim() -> Simulation:
    """Return a fresh simulation."""
    return Simulation(2, trace=False)


def cell(source: str, filename: str) -> dict[str, Any]:
    """Run source as a notebook cell and return its globals."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, filename, "exec"), space)
    return space


def both(sim: Simulation, f: Callable[[], object]) -> list[object]:
    """Run a function as two tasks and return both results, the earlier first."""
    tasks = [sim.spawn(f) for _ in range(2)]
    sim.run()
    return sorted(task.value() for task in tasks)


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock, lambda: threading.Semaphore(1), threading.Condition])
def test_contention_waits_in_virtual_time(sim: Simulation, kind: Callable[[], Any]) -> None:
    """The second task gets the lock when the first one gives it back."""
    lock = kind()

    def hold() -> float:
        with lock:
            time.sleep(10)
            return sim.now

    assert both(sim, hold) == [10.0, 20.0]


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock, lambda: threading.Semaphore(1)])
def test_a_wait_for_a_lock_times_out_in_virtual_time(sim: Simulation, kind: Callable[[], Any]) -> None:
    """acquire(timeout=...) gives up after that much virtual time, acquire(False) at once."""
    lock = kind()

    def holder() -> None:
        with lock:
            time.sleep(10)

    def impatient() -> list[object]:
        time.sleep(1)
        return [lock.acquire(False), sim.now, lock.acquire(timeout=3), sim.now, lock.acquire(timeout=30), sim.now]

    sim.spawn(holder)
    assert sim.run(until=sim.spawn(impatient)) == [False, 1.0, False, 4.0, True, 10.0]


def test_an_rlock_is_reentrant_per_task(sim: Simulation) -> None:
    """A task takes it again at once, another task waits until it is given back as often."""
    lock = threading.RLock()

    def hold() -> float:
        with lock, lock:
            time.sleep(10)
        return sim.now

    def intruder() -> str:
        time.sleep(1)
        try:
            lock.release()
        except RuntimeError as error:
            return str(error)
        return ""

    stranger = sim.spawn(intruder)
    assert both(sim, hold) == [10.0, 20.0]
    assert stranger.value() == "cannot release un-acquired lock"


def test_a_deadlock_names_the_holder_of_a_lock(sim: Simulation) -> None:
    """Two tasks that take two locks crosswise are named, with the lines they stand on."""
    tea, milk = threading.Lock(), threading.Lock()

    def take(first: Any, second: Any) -> None:
        with first:
            time.sleep(1)
            second.acquire()

    sim.spawn(take, tea, milk, name="ada")
    sim.spawn(take, milk, tea, name="eve")
    line = f"{take.__code__.co_firstlineno + 3}  second.acquire()"
    with pytest.raises(Deadlock) as caught:
        sim.run()
    assert str(caught.value).splitlines() == [
        "Nobody can go on: everyone waits.",
        f"  ada waits for a lock at line {line}; eve holds it at line {line}",
        f"  eve waits for a lock at line {line}; ada holds it at line {line}",
    ]


def test_a_condition_waits_and_notifies(sim: Simulation) -> None:
    """wait, wait_for and their timeouts pass in virtual time."""
    condition, stock = threading.Condition(), []

    def buy() -> tuple[object, ...]:
        with condition:
            early = condition.wait(timeout=2), sim.now
            return *early, condition.wait_for(lambda: stock, timeout=60), sim.now

    def deliver() -> None:
        time.sleep(10)
        with condition:
            stock.append("tea")
            condition.notify_all()

    sim.spawn(deliver)
    assert sim.run(until=sim.spawn(buy)) == (False, 2.0, ["tea"], 10.0)


def test_an_event_and_a_barrier(sim: Simulation) -> None:
    """Both let go on who has waited, at the moment when the last condition is met."""
    event, barrier = threading.Event(), threading.Barrier(2)

    def wait(seconds: float) -> tuple[object, ...]:
        early = event.wait(2)
        event.wait()
        time.sleep(seconds)
        barrier.wait()
        return early, sim.now

    tasks = [sim.spawn(wait, 1), sim.spawn(wait, 5)]
    sim.spawn(lambda: (time.sleep(10), event.set()))
    sim.run()
    assert [task.value() for task in tasks] == [(False, 15.0), (False, 15.0)]


def test_a_broken_barrier_times_out(sim: Simulation) -> None:
    """A barrier that nobody else reaches breaks after its timeout."""
    barrier = threading.Barrier(2, timeout=30)
    task = sim.spawn(barrier.wait)
    with pytest.raises(threading.BrokenBarrierError):
        sim.run(until=task)
    assert sim.now == 30.0


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue])
def test_queues_wait_in_virtual_time(sim: Simulation, kind: Callable[[], Any]) -> None:
    """get blocks until something is put, or times out."""
    items = kind()

    def consume() -> list[object]:
        seen: list[object] = []
        try:
            items.get(timeout=3)
        except queue.Empty:
            seen.append(sim.now)
        return [*seen, items.get(), sim.now, items.qsize()]

    sim.spawn(lambda: (time.sleep(10), items.put("tea"), items.put("milk")))
    expected = "milk" if kind is queue.PriorityQueue or kind is queue.LifoQueue else "tea"
    result = sim.run(until=sim.spawn(consume))
    assert (result[0], result[1] in ("tea", expected), result[2]) == (3.0, True, 10.0)


def test_a_full_queue_waits_and_joins(sim: Simulation) -> None:
    """put blocks while the queue is full, and join until everything is done."""
    items: queue.Queue[int] = queue.Queue(maxsize=1)

    def produce() -> list[float]:
        times = []
        for n in range(3):
            items.put(n)
            times.append(sim.now)
        items.join()
        return [*times, sim.now]

    def consume() -> None:
        while True:
            time.sleep(10)
            items.get()
            items.task_done()

    sim.spawn(consume, daemon=True)
    assert sim.run(until=sim.spawn(produce)) == [0.0, 10.0, 20.0, 30.0]


@pytest.mark.parametrize("filename", ["<ipython-input-1-abc>", "/tmp/ipykernel_1/1.py"])
@pytest.mark.parametrize("make", ["Lock()", "RLock()", "Semaphore(1)", "Condition()"])
def test_a_lock_made_in_a_cell_counts(sim: Simulation, filename: str, make: str) -> None:
    """A lock in a cell, made outside of any task, is waited for in virtual time by those who use it."""
    source = f"import threading, time\nlock = threading.{make}\ndef hold():\n  with lock:\n    time.sleep(10)\n"
    hold = cell(source, filename)["hold"]
    assert both(sim, lambda: (hold(), sim.now)[1]) == [10.0, 20.0]


@pytest.mark.parametrize(("real", "name"), [(patches.locks._real_lock, "Lock"), (patches.locks._real_rlock, "RLock")])
def test_a_lock_made_before_the_import_is_adopted(sim: Simulation, real: Callable[[], Any], name: str) -> None:
    """A plain lock among the globals of a learner's function becomes one for tasks."""
    space = cell("import time\ndef hold():\n  with lock:\n    time.sleep(10)\n", "<ipython-input-1>")
    space["lock"] = real()
    patches.adopt(space["hold"])
    assert isinstance(space["lock"], getattr(threading, name))
    assert both(sim, lambda: (space["hold"](), sim.now)[1]) == [10.0, 20.0]


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_real_threads_exclude_each_other(kind: Callable[[], Any]) -> None:
    """Outside the same lock keeps real threads apart, with real timeouts."""
    lock, counts, inside = kind(), [], []

    def work() -> None:
        for _ in range(200):
            with lock:
                inside.append(1)
                counts.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with lock:
        taken: list[bool] = []
        other = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=0.01)))
        other.start()
        other.join()
    for thread in threads:
        thread.join()
    assert (set(counts), len(counts), taken) == ({1}, 800, [False])


def test_a_lock_held_by_a_task_that_stands_still_is_refused_outside(sim: Simulation) -> None:
    """Outside nobody could ever give it back: a sentence instead of a hang."""
    lock = threading.Lock()
    sim.spawn(lambda: (lock.acquire(), time.sleep(10), lock.release()), name="ada")
    sim.run(until=1)
    with pytest.raises(RuntimeError, match=r"^A task \(ada\) holds this lock and stands still while you are outside"):
        lock.acquire()
    assert lock.acquire(blocking=False) is False
    sim.run()
    assert lock.acquire() is True


def test_a_task_that_waits_for_the_outside_is_told_so(sim: Simulation) -> None:
    """A lock that a cell holds while tasks want it ends in a report, not a hang."""
    lock = threading.Lock()
    sim.spawn(lock.acquire, name="ada")
    with lock, pytest.raises(Deadlock, match=r"ada waits for a lock.*; code outside the simulation holds it$"):
        sim.run()


def test_lock_types_work_in_annotations_and_checks() -> None:
    """`threading.Lock | None` is a type, and every lock is an instance of its kind."""
    space = cell("import threading\ndef f(lock: threading.Lock | None = None) -> threading.RLock | None: ...", "<x>")
    assert str(space["f"].__annotations__["lock"]).endswith("Lock | None")
    assert isinstance(threading.Lock(), threading.Lock)
    assert isinstance(patches.locks._real_lock(), threading.Lock)
    assert not isinstance(threading.RLock(), threading.Lock)


def test_a_lock_is_free_again_after_an_error(sim: Simulation) -> None:
    """`with` gives the lock back where its body raises."""
    lock = threading.Lock()

    def fail() -> None:
        with lock:
            time.sleep(1)
            raise ValueError("no tea")

    for _ in range(2):
        with pytest.raises(ValueError, match="no tea"):
            sim.run(until=sim.spawn(fail))
    assert (lock.locked(), sim.now) == (False, 2.0)


def test_locks_of_two_processes_made_in_tasks_are_independent(sim: Simulation) -> None:
    """Each process that makes its lock holds its own."""

    def hold() -> float:
        with threading.Lock():
            time.sleep(10)
        return sim.now

    tasks = [Process(sim, name).spawn(hold) for name in ("shop-1", "shop-2")]
    sim.run()
    assert [task.value() for task in tasks] == [10.0, 10.0]
