"""Processes die at once and reach nothing any more; paused ones stand still."""

from __future__ import annotations

import threading
import time

import pytest

from fleetlab.sim import Deadlock, Killed, Process, Runaway, Simulation, SimulationError, WaitQueue, step, watchdog


@pytest.fixture
def sim() -> Simulation:
    """Return a fresh simulation."""
    return Simulation(4)


@pytest.fixture
def shop(sim: Simulation) -> Process:
    """Return a process of it."""
    return Process(sim, "shop-1")


def effects(sim: Simulation) -> list[str]:
    """Return what reached a store."""
    return [event.what for event in sim.trace if event.kind == "call"]


def test_nothing_of_a_killed_task_reaches_the_world(sim: Simulation, shop: Process) -> None:
    """Neither `finally` nor the exit of a `with` block gets past its first step."""
    reached = []

    class Transaction:
        def __enter__(self) -> None:
            step("BEGIN")

        def __exit__(self, *exception: object) -> None:
            step("COMMIT")
            reached.append("commit")

    def request() -> None:
        try:
            with Transaction():
                time.sleep(10)
        finally:
            step("DEL lock")
            reached.append("lock")

    shop.spawn(request)
    sim.run(until=1)
    shop.kill()
    sim.run(until=20)
    assert (effects(sim), reached, shop.alive, sim.now) == (["BEGIN"], [], False, 20.0)


def test_except_exception_does_not_stop_a_death(sim: Simulation, shop: Process) -> None:
    """A handler of everything ordinary does not see SIGKILL."""
    seen = []

    def careful() -> None:
        try:
            time.sleep(10)
        except Exception as error:
            seen.append(error)

    task = shop.spawn(careful)
    sim.run(until=1)
    shop.kill()
    assert (seen, task.finished, type(task.error)) == ([], True, Killed)


@pytest.mark.parametrize(
    "state", ["never started", "sleeping", "waiting", "waiting with a timeout", "paused", "holding"]
)
def test_a_task_is_killed_wherever_it_stands(sim: Simulation, shop: Process, state: str) -> None:
    """A death ends the task at once, and nothing of it runs later."""
    queue, lock, went_on = WaitQueue("a turn"), threading.RLock(), []
    work = {
        "never started": lambda: None,
        "waiting": queue.wait,
        "waiting with a timeout": lambda: queue.wait(5),
        "holding": lambda: (lock.acquire(), time.sleep(5)),
    }.get(state, lambda: time.sleep(5))
    if state != "never started":
        sim.run(until=1)
    task = shop.spawn(lambda: (work(), went_on.append(1)))
    if state != "never started":
        sim.run(until=2)
    if state == "paused":
        shop.pause(10)
    shop.kill()
    assert (task.finished, len(queue), shop.tasks, sim.tasks) == (True, 0, {}, {})
    sim.run(until=50)
    assert went_on == []


def test_a_task_may_kill_its_own_process(sim: Simulation, shop: Process) -> None:
    """Suicide ends the task at that line, and all others of the process."""
    seen = []
    other = shop.spawn(lambda: (time.sleep(5), seen.append("other")))
    shop.spawn(lambda: (time.sleep(1), shop.kill(), seen.append("after")))
    sim.run()
    assert (seen, other.finished, sim.now) == ([], True, 1.0)


def test_a_task_kills_another_process_and_goes_on(sim: Simulation, shop: Process) -> None:
    """Who kills goes on at once; the dead have unwound by then."""
    seen = []

    def victim() -> None:
        try:
            time.sleep(10)
        finally:
            seen.append("unwound")

    shop.spawn(victim)
    sim.spawn(lambda: (time.sleep(1), shop.kill(), seen.append("killer"), time.sleep(1), seen.append(sim.now)))
    sim.run()
    assert seen == ["unwound", "killer", 2.0]


def test_a_task_that_swallows_its_death_is_parked(sim: Simulation, shop: Process) -> None:
    """Code that retries for ever under a bare except never runs again, and the rest goes on."""
    tries, seen = [], []

    def stubborn() -> None:
        while True:
            try:
                time.sleep(1)
            except:  # noqa: E722
                tries.append(1)

    task = shop.spawn(stubborn)
    sim.spawn(lambda: (time.sleep(2.5), shop.kill(), time.sleep(1), seen.append(sim.now)))
    sim.run()
    assert (len(tries), seen, task.finished, sim.parked) == (50, [3.5], True, [task])
    sim.run(until=100)
    assert len(tries) == 50


def test_a_task_that_swallows_its_death_and_takes_no_step_is_ended(
    sim: Simulation, shop: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog ends a dead task that spins, also where the kill came from outside a run."""
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)

    def spin() -> None:
        try:
            time.sleep(10)
        except:  # noqa: E722
            while True:
                pass

    task = shop.spawn(spin)
    sim.run(until=1)
    shop.kill()
    sim.run(until=2)
    assert (task.finished, sim.tasks, sim.now) == (True, {}, 2.0)


def test_an_error_on_the_way_out_of_a_dead_task_is_nobodys(sim: Simulation, shop: Process) -> None:
    """What a `finally` of a killed task raises has no one to reach."""

    def request() -> None:
        try:
            time.sleep(10)
        finally:
            raise ConnectionError("connection is closed")

    task = shop.spawn(request)
    sim.run(until=1)
    shop.kill()
    assert sim.run(until=2) is None
    assert type(task.error) is Killed


def test_cleaning_up_runs_once_and_before_the_tasks_unwind(sim: Simulation, shop: Process) -> None:
    """The other side of the wire sees the death before any code of the process can."""
    seen = []

    def request() -> None:
        try:
            time.sleep(10)
        finally:
            seen.append("unwinds")

    shop.spawn(request)
    shop.on_death(lambda: seen.append("connections close"))
    shop.on_death(lambda: seen.append("locks fall"))
    sim.run(until=1)
    shop.kill()
    shop.kill()
    assert seen == ["connections close", "locks fall", "unwinds"]


def test_the_dead_start_nothing(sim: Simulation, shop: Process) -> None:
    """Neither from outside nor from its own `finally` can anything be started in a dead process."""
    started = []

    def request() -> None:
        try:
            time.sleep(10)
        finally:
            threading.Thread(target=started.append, args=(1,)).start()

    shop.spawn(request)
    sim.run(until=1)
    shop.kill()
    with pytest.raises(SimulationError, match=r"^shop-1 is dead: nothing can be started in it any more\.$"):
        shop.spawn(print)
    sim.run()
    assert started == []


def test_the_value_of_a_killed_task_is_a_sentence(sim: Simulation, shop: Process) -> None:
    """Who asks for what a killed task returned is told, and lives."""
    task = shop.spawn(time.sleep, 10, name="job")
    killer = sim.spawn(lambda: (time.sleep(1), shop.kill()))
    with pytest.raises(SimulationError, match=r"^job was killed before it had finished\.$"):
        sim.run(until=task)
    sim.run()
    assert killer.finished


def test_locks_of_other_processes_are_not_affected(sim: Simulation, shop: Process) -> None:
    """A death frees what its process holds, and leaves what others hold."""
    other, theirs, seen = Process(sim, "shop-2"), [], []

    def hold() -> None:
        lock = threading.Lock()
        theirs.append(lock)
        with lock:
            time.sleep(10)
            seen.append("held")

    other.spawn(hold)
    sim.run(until=0.5)
    shop.spawn(hold)
    sim.run(until=1)
    shop.kill()
    assert ([lock.locked() for lock in theirs], seen) == ([True, False], [])
    sim.run()
    assert ([lock.locked() for lock in theirs], seen) == ([False, False], ["held"])


def test_a_paused_process_stands_still(sim: Simulation, shop: Process) -> None:
    """Its sleeps end late, at the end of the pause; others go on in time."""
    seen = []
    for process, name in ((shop, "paused"), (Process(sim, "shop-2"), "other")):
        process.spawn(lambda name=name: [(time.sleep(1), seen.append((name, sim.now))) for _ in range(3)])
    sim.run(until=1.5)
    shop.pause(10)
    sim.run()
    assert [at for name, at in seen if name == "other"] == [1.0, 2.0, 3.0]
    assert [at for name, at in seen if name == "paused"] == [1.0, 11.5, 12.5]


def test_a_process_can_pause_itself(sim: Simulation, shop: Process) -> None:
    """The line after the pause runs at once, its next sleep ends late; a longer sleep is not prolonged."""
    seen = []

    def collect() -> None:
        shop.pause(10)
        seen.append(sim.now)
        time.sleep(1)
        seen.append(sim.now)

    shop.spawn(collect)
    shop.spawn(lambda: (time.sleep(15), seen.append(sim.now)))
    sim.run()
    assert seen == [0.0, 10.0, 15.0]


def test_what_wakes_a_paused_task_wakes_it_late(sim: Simulation, shop: Process) -> None:
    """A notification reaches a paused task once the pause is over."""
    queue = WaitQueue("a turn")
    task = shop.spawn(lambda: (queue.wait(), sim.now)[1])
    sim.run(until=1)
    shop.pause(10)
    sim.spawn(queue.notify)
    assert sim.run(until=task) == 11.0


def test_pauses_overlap_and_end(sim: Simulation, shop: Process) -> None:
    """The longest of two pauses counts, and afterwards time passes as before."""
    task = shop.spawn(lambda: [(time.sleep(1), sim.now)[1] for _ in range(2)])
    shop.pause(10)
    shop.pause(5)
    assert sim.run(until=task) == [11.0, 12.0]


def test_a_paused_process_can_be_killed(sim: Simulation, shop: Process) -> None:
    """A pause does not protect from SIGKILL."""
    task = shop.spawn(time.sleep, 1)
    shop.pause(10)
    sim.spawn(lambda: (time.sleep(2), shop.kill()))
    sim.run()
    assert (sim.now, task.finished) == (2.0, True)


def test_close_ends_everything(sim: Simulation, shop: Process) -> None:
    """After close nobody is left, however they waited."""
    sim.spawn(WaitQueue("nothing").wait)
    shop.spawn(time.sleep, 100)
    with pytest.raises(Deadlock):
        sim.run()
    sim.close()
    assert (sim.tasks, sim.run(), sim.now) == ({}, None, 100.0)


def test_each_process_has_its_own_state(sim: Simulation, shop: Process) -> None:
    """Library state is made at first use, kept, and gone with the process."""
    other = Process(sim, "shop-2")
    assert shop.state("key", list) is shop.state("key", list) is not other.state("key", list)
    shop.state("key", list).append("tea")
    shop.kill()
    assert (shop.state("key", list), other.state("key", list)) == ([], [])


def test_a_runaway_leaves_processes_alone(sim: Simulation, shop: Process) -> None:
    """After the end of a run that would not end, a process can still be killed."""
    sim.max_steps = 100

    def spin() -> None:
        while True:
            time.sleep(0)

    shop.spawn(spin)
    with pytest.raises(Runaway):
        sim.run()
    shop.kill()
    assert (sim.tasks, sim.run()) == ({}, None)
