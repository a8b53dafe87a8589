"""Tasks take turns in virtual time, in an order that the seed alone decides."""

from __future__ import annotations

import contextvars
import gc
import threading
import time

import pytest

from fleetlab.sim import Deadlock, Process, Runaway, Simulation, SimulationError, Task, WaitQueue, current_task, step


def order(seed: int, count: int = 6) -> str:
    """Return the order in which tasks of one moment have their turns."""
    sim, turns = Simulation(seed), []
    for name in "abcdefgh"[:count]:
        sim.spawn(lambda name=name: (time.sleep(1), turns.append(name)))
    sim.run()
    return "".join(turns)


def test_time_passes_only_where_somebody_sleeps() -> None:
    """A run lasts as long as its longest task sleeps, in virtual seconds."""
    sim = Simulation()
    sim.spawn(time.sleep, 3600)
    sim.spawn(time.sleep, 2.5)
    assert sim.run() is None
    assert sim.now == 3600.0


def test_the_order_is_a_function_of_the_seed() -> None:
    """One seed gives one order of what happens at the same moment."""
    assert [order(7) for _ in range(3)] == [order(7)] * 3
    assert sorted(order(7)) == list("abcdef")


def test_another_seed_gives_another_order() -> None:
    """Ten seeds give more than one order."""
    assert len({order(seed) for seed in range(10)}) > 5


def test_latencies_do_not_depend_on_ties() -> None:
    """A step takes as long in a crowd as it takes alone."""

    def latency(crowd: int) -> float:
        sim = Simulation(3)
        task = sim.spawn(lambda: (step("GET a"), sim.now)[1])
        for _ in range(crowd):
            sim.spawn(time.sleep, 1)
        return sim.run(until=task)

    assert latency(0) == latency(5) > 0


def test_run_until_a_moment_includes_it() -> None:
    """What is due exactly then still happens; what is later is left for the next run."""
    sim, seen = Simulation(), []
    for seconds in (1, 5, 5.5):
        sim.spawn(lambda s=seconds: (time.sleep(s), seen.append(s)))
    sim.run(until=5)
    assert (seen, sim.now) == ([1, 5], 5.0)
    sim.run(until=5)
    assert (seen, sim.now) == ([1, 5], 5.0)
    sim.run()
    assert (seen, sim.now) == ([1, 5, 5.5], 5.5)


def test_run_until_a_moment_with_nothing_to_do() -> None:
    """Time passes also when nobody is there, and never backwards."""
    sim = Simulation()
    sim.run(until=10)
    sim.run(until=4)
    assert sim.now == 10.0


def test_run_until_a_task_returns_its_result() -> None:
    """The run ends with the task, at its moment, and others go on in the next run."""
    sim, seen = Simulation(), []
    other = sim.spawn(lambda: (time.sleep(9), seen.append("other")))
    assert sim.run(until=sim.spawn(lambda: (time.sleep(2), "result")[1])) == "result"
    assert (sim.now, seen, other.finished) == (2.0, [], False)
    sim.run()
    assert seen == ["other"]


def test_run_until_a_task_raises_its_error() -> None:
    """What the awaited task raises, run raises, and only once."""
    sim = Simulation()
    task = sim.spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sim.run(until=task)
    assert sim.run() is None


def test_an_error_that_nobody_has_seen_surfaces_once() -> None:
    """Each error of a task comes out of one run."""
    sim = Simulation()
    sim.spawn(lambda: 1 / 0)
    sim.spawn(lambda: (time.sleep(1), [][0]))
    with pytest.raises(ZeroDivisionError):
        sim.run()
    with pytest.raises(IndexError):
        sim.run()
    assert sim.run() is None


def test_a_deadlock_caused_by_an_error_shows_the_error() -> None:
    """Where the one that others wait for has failed, its error is told, not that everyone waits."""
    sim, ready = Simulation(), WaitQueue("the data")
    sim.spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sim.run(until=sim.spawn(ready.wait))


def test_daemons_do_not_keep_a_run_going() -> None:
    """A run ends with the last task that is no daemon."""
    sim, ticks = Simulation(), []

    def tick() -> None:
        while True:
            ticks.append(sim.now)
            time.sleep(1)

    sim.spawn(tick, daemon=True)
    sim.spawn(time.sleep, 2.5)
    sim.run()
    assert ticks == [0.0, 1.0, 2.0]


def test_the_death_of_the_last_task_ends_a_run() -> None:
    """Where a daemon kills the only other task, the run is over at that moment."""
    sim = Simulation()
    victim = sim.spawn(time.sleep, 100)
    sim.spawn(lambda: (time.sleep(3), sim.kill(victim), time.sleep(50)), daemon=True)
    sim.run()
    assert (sim.now, victim.finished) == (3.0, True)


def test_a_nested_run_is_refused_in_a_sentence() -> None:
    """Inside a task time passes by sleeping."""
    sim = Simulation()
    sim.spawn(sim.run)
    with pytest.raises(RuntimeError, match=r"^run\(\) is for code outside the simulation; inside a task, time passes"):
        sim.run()


def test_a_task_may_run_a_simulation_of_its_own() -> None:
    """Another simulation inside a task has its own clock and its own tasks."""
    outer, inner = Simulation(), Simulation()

    def nested() -> tuple[float, float]:
        time.sleep(5)
        inner.spawn(time.sleep, 70)
        inner.run()
        return outer.now, inner.now

    assert outer.run(until=outer.spawn(nested)) == (5.0, 70.0)


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda sim: sim.run(until="5"), r"run\(until=\.\.\.\) takes virtual seconds or a task, not '5'\."),
        (lambda sim: sim.run(until=Simulation().spawn(print)), r"task-1 is a task of another simulation\."),
        (lambda sim: sim.spawn(None), r"spawn\(\) takes the function itself and its arguments, not None\."),
        (lambda sim: sim.sleep(1), r"Only a task of a simulation can sleep in it; outside, use run\(until=\.\.\.\)\."),
        (lambda sim: WaitQueue("a turn").wait(), r"Only a task of a simulation can wait for a turn\."),
        (lambda sim: sim.spawn(print).value(), r"task-1 has not finished yet: let time pass with run\(\)"),
    ],
)
def test_misuse_gets_a_sentence(misuse, sentence: str) -> None:
    """What is handed over by mistake is named, together with what to do."""
    with pytest.raises((TypeError, ValueError, RuntimeError, SimulationError), match=sentence):
        misuse(Simulation())


def test_a_simulation_stays_in_its_thread() -> None:
    """Run from another thread, a simulation refuses in a sentence."""
    sim, errors = Simulation(), []

    def run() -> None:
        for use in (sim.run, lambda: sim.spawn(print)):
            try:
                use()
            except RuntimeError as error:
                errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert errors == ["This simulation was made in another thread: make it in the thread that runs it."] * 2


def test_negative_sleep_is_refused_as_python_refuses_it() -> None:
    """Time never runs backwards."""
    sim = Simulation()
    for sleep in (time.sleep, sim.sleep):
        task = sim.spawn(sleep, -1)
        with pytest.raises(ValueError, match=r"^sleep length must be non-negative$"):
            sim.run(until=task)
    assert sim.now == 0.0


def test_tasks_spawn_tasks() -> None:
    """A task made in a task runs in the same simulation and is named after its maker."""
    sim, names = Simulation(), []

    def parent() -> None:
        children = [sim.spawn(lambda: names.append(current_task().name)) for _ in range(2)]
        for child in children:
            child.wait()

    sim.spawn(parent, name="ada")
    sim.run()
    assert sorted(names) == ["task-1/1", "task-1/2"]


def test_depth_does_not_grow_from_task_to_task() -> None:
    """Neither many deep tasks nor a long chain of tasks that start one another runs out of stack."""
    sim = Simulation(trace=False)

    def deep(levels: int) -> None:
        time.sleep(1) if levels == 0 else deep(levels - 1)

    def chain(left: int) -> None:
        if left:
            sim.spawn(chain, left - 1)

    for _ in range(100):
        sim.spawn(deep, 100)
    sim.spawn(chain, 1000)
    sim.run()
    assert sim.now == 1.0


def test_context_variables_are_copied() -> None:
    """A task sees its maker's context and changes only its own."""
    variable = contextvars.ContextVar("variable", default="default")
    sim, seen = Simulation(), []
    variable.set("cell")

    def task() -> None:
        seen.append(variable.get())
        variable.set("task")
        time.sleep(1)
        seen.append(variable.get())

    sim.spawn(task)
    sim.run()
    assert (seen, variable.get()) == (["cell", "task"], "cell")


def test_wait_and_value_of_a_task() -> None:
    """A task waits for another one, at most as long as it likes, and gets what it returned."""
    sim = Simulation()

    def wait(task: Task) -> tuple[object, ...]:
        early = task.wait(timeout=2)
        return early, sim.now, task.wait(), sim.now, task.value(), task.wait()

    slow = sim.spawn(lambda: (time.sleep(5), "tea")[1])
    assert sim.run(until=sim.spawn(wait, slow)) == (False, 2.0, True, 5.0, "tea", True)


def test_a_wait_queue_is_first_come_first_served() -> None:
    """Those who wait are woken in the order in which they came."""
    sim, turns = Simulation(5), []
    queue = WaitQueue("a turn")

    def wait(name: str, after: float) -> None:
        time.sleep(after)
        turns.append((name, queue.wait(), sim.now))

    def wake() -> None:
        time.sleep(10)
        queue.notify()
        time.sleep(1)
        queue.notify(2)

    for name, after in (("c", 3), ("a", 1), ("b", 2)):
        sim.spawn(wait, name, after)
    sim.spawn(wake)
    sim.run()
    assert (turns[0], sorted(turns[1:])) == (("a", True, 10.0), [("b", True, 11.0), ("c", True, 11.0)])
    assert len(queue) == 0


def test_a_wait_times_out_in_virtual_time() -> None:
    """A timeout ends a wait with False, leaves the queue, and does not fire after a notification."""
    sim, queue = Simulation(), WaitQueue("a turn")

    def wait() -> list[object]:
        return [queue.wait(30), sim.now, len(queue), queue.wait(30), sim.now, (time.sleep(100), sim.now)[1]]

    task = sim.spawn(wait)
    sim.spawn(lambda: (time.sleep(40), queue.notify_all()))
    assert sim.run(until=task) == [False, 30.0, 0, True, 40.0, 140.0]


def cart(queue: WaitQueue) -> None:
    """Wait for something that never comes."""
    queue.wait()


def test_a_deadlock_says_who_waits_for_what_and_where() -> None:
    """The report names each task that waits, what for, who holds it, and both lines."""
    sim = Simulation()
    ada = sim.spawn(lambda: cart(WaitQueue("the cart", lambda: eve)), name="ada")
    eve = sim.spawn(cart, WaitQueue("the till", lambda: "a ghost"), name="eve")
    with pytest.raises(Deadlock) as caught:
        sim.run()
    line = f"{cart.__code__.co_firstlineno + 2}  queue.wait()"
    assert str(caught.value).splitlines() == [
        "Nobody can go on: everyone waits.",
        f"  ada waits for the cart at line {line}; eve holds it at line {line}",
        f"  eve waits for the till at line {line}; a ghost holds it",
    ]
    assert ada.finished is False


def test_time_stands_still_in_a_deadlock() -> None:
    """The moment of a deadlock is the last one at which something happened."""
    sim = Simulation()
    sim.spawn(lambda: (time.sleep(3), WaitQueue("nothing").wait()))
    with pytest.raises(Deadlock):
        sim.run()
    assert sim.now == 3.0


def test_too_many_turns_end_a_run() -> None:
    """Code that takes steps for ever, without time passing, ends with a report."""
    sim = Simulation(max_steps=1000)

    def spin() -> None:
        while True:
            time.sleep(0)

    sim.spawn(spin, name="ada")
    with pytest.raises(
        Runaway, match=r"^Still not finished after 1,000 turns\.\n  ada goes on at line \d+  time\.sleep\(0\)$"
    ):
        sim.run()


def test_too_much_virtual_time_ends_a_run() -> None:
    """Code that sleeps for ever ends with a report at the horizon."""
    sim = Simulation(horizon=86400.0)

    def poll() -> None:
        while True:
            time.sleep(60)

    sim.spawn(poll, name="ada")
    with pytest.raises(
        Runaway, match=r"^Still not finished after 24:00:00 of virtual time\.\n  ada goes on at line \d+"
    ):
        sim.run()


@pytest.mark.parametrize("collecting", [True, False])
def test_everything_is_restored_after_an_error(collecting: bool) -> None:
    """After any end of a run the clock is real, garbage is collected as before, and the simulation can go on."""
    sim = Simulation()
    sim.spawn(lambda: (time.sleep(1), 1 / 0))
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError):
            sim.run()
        assert (gc.isenabled(), current_task()) == (collecting, None)
    finally:
        gc.enable()
    assert time.time() > sim.epoch + 86400
    sim.spawn(time.sleep, 1)
    sim.run()
    assert sim.now == 2.0


def test_an_interrupt_restores_everything() -> None:
    """Ctrl-C ends the task it strikes and the run; the others go on in the next run."""
    sim, seen = Simulation(), []

    def interrupted() -> None:
        time.sleep(1)
        raise KeyboardInterrupt

    sim.spawn(interrupted)
    sim.spawn(lambda: (time.sleep(2), seen.append(sim.now)))
    with pytest.raises(KeyboardInterrupt):
        sim.run()
    assert (current_task(), gc.isenabled(), seen) == (None, True, [])
    sim.run()
    assert seen == [2.0]


def test_nobody_is_lost_where_an_interrupt_strikes_between_two_turns() -> None:
    """Also a task that was about to have its turn when Ctrl-C struck goes on in the next run."""
    sim, seen = Simulation(), []

    def strike(real=sim._order) -> float:
        if len(seen) == 3:
            seen.append("struck")
            sim._heap.pop(0)  # whoever was just taken from the queue
            raise KeyboardInterrupt
        return real()

    for name in "abc":
        sim.spawn(lambda name=name: (time.sleep(1), seen.append(name), time.sleep(1), seen.append(name)))
    sim._order = strike
    with pytest.raises(KeyboardInterrupt):
        sim.run()
    sim.run()
    assert len(seen) == 6


def test_a_finaliser_between_turns_disturbs_nothing() -> None:
    """Garbage whose finaliser takes a step is left alone while a simulation runs: the order stays the same."""

    class Leaked:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            step("CLOSE")

    def text(garbage: int) -> str:
        sim = Simulation(11)

        def work(name: str) -> None:
            for _ in range(20):
                step(f"GET {name}")
                [Leaked() for _ in range(garbage)]

        for name in "ab":
            sim.spawn(work, name, name=name)
        sim.run()
        return str(sim.trace)

    assert text(0) == text(100)


def test_what_is_left_of_a_finished_simulation_takes_no_steps() -> None:
    """The `finally` of a task that is thrown away with its simulation reaches nothing."""
    reached = []

    def work() -> None:
        try:
            time.sleep(10)
        finally:
            step("DEL lock")
            reached.append("lock")

    sim = Simulation()
    task = sim.spawn(work)
    sim.run(until=1)
    task.throw(SystemExit)
    assert (reached, sim.now, len(sim.trace)) == ([], 1.0, 1)


def test_a_process_gives_its_tasks_its_own_context() -> None:
    """A task of a process sees the context of the process, not that of the request that caused it."""
    variable = contextvars.ContextVar("variable", default="default")
    sim, seen = Simulation(), []
    process = Process(sim, "shop-1")

    def request() -> None:
        variable.set("request")
        process.spawn(lambda: seen.append(variable.get()))

    sim.spawn(request)
    sim.run()
    assert seen == ["default"]
