"""Chance is a function of the seed inside a task, and real outside."""

from __future__ import annotations

import os
import random
import secrets
import tempfile
import uuid
from random import random as bound_random

import pytest

from fleetlab.sim import Process, Simulation

DRAWS = [
    random.random,
    bound_random,
    lambda: random.randint(0, 10**9),
    lambda: random.sample(range(1000), 5),
    lambda: random.gauss(0, 1),
    lambda: os.urandom(8),
    lambda: secrets.token_hex(8),
    lambda: secrets.randbelow(10**9),
    lambda: str(uuid.uuid4()),
    lambda: random.Random().random(),
    lambda: random.SystemRandom().random(),
    lambda: next(tempfile._RandomNameSequence()),
]


def drawn(seed: int, draw, others: int = 0) -> object:
    """Return what a task draws beside `others` that draw as well."""
    sim = Simulation(seed)
    task = sim.spawn(draw)
    for _ in range(others):
        sim.spawn(draw)
    sim.run()
    return task.value()


@pytest.mark.parametrize("draw", DRAWS)
def test_inside_a_task_chance_is_a_function_of_the_seed(draw) -> None:
    """The same seed draws the same, another seed something else."""
    assert drawn(1, draw) == drawn(1, draw) != drawn(2, draw)


@pytest.mark.parametrize("draw", DRAWS)
def test_what_others_draw_changes_nothing(draw) -> None:
    """Each task has a stream of its own."""
    assert drawn(1, draw) == drawn(1, draw, others=3)


@pytest.mark.parametrize("draw", DRAWS)
def test_outside_chance_is_real(draw) -> None:
    """Two draws outside differ, also when a run of the same seed came before each."""
    drawn(1, draw)
    first = draw()
    drawn(1, draw)
    assert first != draw()


def test_two_tasks_draw_different_numbers() -> None:
    """Tasks of one simulation, and of two processes, have different streams."""
    sim = Simulation()
    tasks = [sim.spawn(uuid.uuid4, process=process) for process in (None, None, Process(sim, "a"), Process(sim, "b"))]
    sim.run()
    assert len({task.value() for task in tasks}) == 4


def test_seeding_inside_is_the_tasks_own() -> None:
    """`random.seed` in a task makes its draws those of that seed, and changes nobody else's."""

    def seeded() -> list[float]:
        random.seed(5)
        return [random.random(), random.Random(5).random()]

    random.seed(99)
    expected = random.Random(99).random()
    assert drawn(1, seeded) == drawn(2, seeded) == [random.Random(5).random()] * 2
    assert random.random() == expected
    assert drawn(1, random.random) == drawn(1, random.random)


def test_a_draw_is_the_same_on_every_machine() -> None:
    """What the first task of seed 1 draws is fixed for ever."""
    assert drawn(1, lambda: str(uuid.uuid4())) == "814b6e94-fec6-4b24-98cf-2a871d2636f1"
