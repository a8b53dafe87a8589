"""The explorer finds what there is to find, shortest first, and prunes nothing that matters."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from programs import Program, random_program, run

from fleetlab.sim import Process, Simulation, step
from fleetlab.sim.choices import PREEMPTION, Choices, Nondeterminism
from fleetlab.sim.explore import Bounds, Explorer, parse, token
from fleetlab.sim.faults import Kill, Late, Lost, Pause

LOST_UPDATE: Program = [[("i", "a")], [("i", "a")]]


def lost_update(schedule: Choices) -> str | None:
    finals: list[object] = []
    run(LOST_UPDATE, schedule, seen=lambda state: finals.append(state[0][0][1]))
    return None if finals == [2] else f"counted {finals}"


def reachable(program: Program, prune: bool, preemptions: int, kills: int = 0) -> tuple[set[object], int]:
    finals: set[object] = set()

    def one(schedule: Choices) -> None:
        run(program, schedule, processes=bool(kills), seen=finals.add)

    bounds = Bounds({PREEMPTION: preemptions, "kill": kills}, total=max(preemptions, kills), budget=100_000)
    result = Explorer(one, [Kill()] if kills else [], bounds, prune=prune).explore()
    assert result.complete
    return finals, result.runs


def test_a_lost_update_is_found_with_one_preemption() -> None:
    """The first failure is a shortest: no run without a preemption loses an update, one with one does."""
    result = Explorer(lost_update, bounds=Bounds({PREEMPTION: 2})).explore()
    assert result.failure is not None
    assert result.failure.spent == {PREEMPTION: 1}
    assert result.failure.what == "counted [1]"


def test_without_preemptions_nothing_is_lost_and_the_result_says_how_far_it_looked() -> None:
    """A bound is part of the answer."""
    result = Explorer(lost_update, bounds=Bounds({PREEMPTION: 0})).explore()
    assert (result.failure, result.complete, result.bounds.most) == (None, True, 0)


@pytest.mark.parametrize("seed", range(12))
def test_pruned_and_unpruned_exploration_reach_the_same_states(seed: int) -> None:
    """Pruning cuts only runs that differ by the order of independent steps, also under a bound of preemptions."""
    program = random_program(seed)
    for preemptions in (0, 1, 2):
        pruned, fewer = reachable(program, True, preemptions)
        unpruned, more = reachable(program, False, preemptions)
        assert pruned == unpruned
        assert fewer <= more


@pytest.mark.parametrize("seed", range(6))
def test_pruning_is_sound_with_kills_and_processes(seed: int) -> None:
    """The same, where each task is a process and one of them may die at any step."""
    program = random_program(100 + seed, tasks=2)
    for preemptions in (0, 1):
        assert reachable(program, True, preemptions, 1)[0] == reachable(program, False, preemptions, 1)[0]


def test_pruning_tries_a_state_once_however_it_was_reached() -> None:
    """Tasks that touch different keys: 321 runs where 402 were possible, counted the same on every machine."""
    program = [[("w", key)] * 4 for key in "abc"]
    assert (reachable(program, True, 2)[1], reachable(program, False, 2)[1]) == (321, 402)


def test_the_default_run_is_never_cut_short() -> None:
    """Tasks that end without a step leave the state as it was; the run goes on to its end all the same."""
    ended: list[str] = []

    def one(schedule: Choices) -> str:
        sim = Simulation(schedule=schedule, trace=False)
        for name in ("a", "b", "c"):
            sim.spawn(lambda: None, name=name)
        sim.run()
        ended.append("to the end")
        return "wrong"

    result = Explorer(one).explore()
    assert (result.failure is not None, result.same, ended[:1]) == (True, 0, ["to the end"])


def test_the_sum_of_deviations_is_bounded_and_each_kind_has_its_cap() -> None:
    """Two preemptions and one kill within a sum of two: never three deviations, never two kills."""
    spent: list[dict[str, int]] = []

    def one(schedule: Choices) -> None:
        run([[("w", "a")] * 2] * 2, schedule, processes=True)
        spent.append(schedule.spent)

    Explorer(one, [Kill()], Bounds({PREEMPTION: 2, "kill": 1}, total=2), prune=False).explore()
    assert max(sum(kinds.values()) for kinds in spent) == 2
    assert max(kinds.get("kill", 0) for kinds in spent) == 1


def test_the_memory_of_one_process_is_interleaved_before_its_first_step() -> None:
    """Count in memory, then write: a task preempted at its first step overwrites what its sibling wrote."""

    def one(schedule: Choices) -> str | None:
        sim = Simulation(schedule=schedule, trace=False)
        process, memory, store = Process(sim, "shop-1"), [0], [0]

        def count() -> None:
            memory[0] += 1
            mine = memory[0]
            step("write", ("store", "n", "w"), to="store")
            store[0] = mine

        for _ in range(2):
            process.spawn(count)
        sim.run()
        return None if store == [2] else f"stored {store[0]}"

    failure = Explorer(one).explore().failure
    assert failure is not None
    assert (failure.what, failure.spent) == ("stored 1", {PREEMPTION: 1})


def test_a_token_is_short_and_reads_back() -> None:
    """A replay token names the scenario and each deviation in at most twenty characters."""
    text = token(1, ((4, 1), (13, 2), (44, 12)))
    assert len(text) <= 20
    assert parse(text) == (1, ((4, 1), (13, 2), (44, 12)))


@pytest.mark.parametrize("text", ["", "L", "0.", "0.!!", "hello world", "0.4ü"])
def test_what_is_no_token_is_refused_in_a_sentence(text: str) -> None:
    """A mistyped token is told what one looks like."""
    with pytest.raises(ValueError, match="is no replay token"):
        parse(text)


def test_the_same_runs_are_counted_under_every_hash_seed() -> None:
    """Counts printed in a notebook are the same in every process."""
    code = (
        "import sys; sys.path.insert(0, 'tests/sim'); import test_explore as t; "
        "print(t.reachable(t.random_program(3), True, 2)[1])"
    )
    counts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(counts) == 1


def test_an_answer_that_does_not_repeat_itself_is_named_with_its_first_differing_step() -> None:
    """Nondeterminism is an outcome of its own, never a failure of the answer."""
    runs: list[int] = []

    def one(schedule: Choices) -> str:
        runs.append(1)
        sim = Simulation(schedule=schedule, trace=False)
        sim.spawn(lambda: step(f"write {len(runs)}", ("store", "a", "w")), name="t")
        sim.run()
        return "wrong"

    with pytest.raises(Nondeterminism, match="Step 1 was"):
        Explorer(one).explore()


def test_code_that_swallows_what_does_not_repeat_itself_is_found_out() -> None:
    """A choice that is gone is raised in the middle of the explored code; the explorer hears of it all the same."""
    runs: list[int] = []

    def task() -> None:
        with contextlib.suppress(Exception):
            step("write", ("store", "a", "w"))

    def one(schedule: Choices) -> None:
        runs.append(1)
        sim = Simulation(schedule=schedule, trace=False)
        for name in ("t", "u", "v")[: 3 if len(runs) == 1 else 2]:
            sim.spawn(task, name=name)
        sim.run()

    with pytest.raises(Nondeterminism, match="had no alternative"):
        Explorer(one, prune=False).explore()


def test_beyond_the_budget_runs_are_sampled_and_the_result_says_so() -> None:
    """A passed exploration that was not complete tells what it left out."""
    program = [[("r", "a"), ("w", "a"), ("i", "b")]] * 3
    result = Explorer(
        lambda s: run(program, s), bounds=Bounds({PREEMPTION: 2}, budget=20, samples=15), prune=False
    ).explore()
    assert (result.complete, result.sampled, result.runs) == (False, 15, 35)
    assert result.left > 0


def test_sampling_finds_what_enumeration_had_no_budget_for() -> None:
    """Random priorities find the lost update, and the failure still replays by its deviations."""
    result = Explorer(lost_update, bounds=Bounds({PREEMPTION: 2}, budget=1, samples=100)).explore()
    assert result.failure is not None
    assert Explorer(lost_update).attempt(result.failure.deviations, fresh=True)[1] == "counted [1]"


def two_steps(sim: Simulation, log: list[str]) -> None:
    for name in ("first", "second"):
        record = step(name, ("store", "a", "w"), to="store")
        assert record is not None
        log.append(f"{name} {record.fault}".strip() + f" at {sim.now:.0f}")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Kill(), ["first at 0"]),
        (Pause(120), ["first at 0", "second at 120"]),
        (Lost(), ["first at 0", "second lost reply at 0"]),
        (Late("store"), ["first at 0", "second late effect at 0"]),
    ],
)
def test_each_fault_strikes_at_the_step_it_is_put_at(fault: object, expected: list[str]) -> None:
    """A kill and a pause come before the step, a lost reply and a late effect go with it."""
    log: list[str] = []
    sim = Simulation(schedule=Choices(((1, 1),), [fault]), trace=False)
    Process(sim, "shop-1").spawn(two_steps, sim, log)
    sim.run()
    assert log == expected
