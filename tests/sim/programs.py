"""Small racy programs for the explorer: tasks that read and write keys of one store."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fleetlab.sim import Process, Simulation, step
from fleetlab.sim.choices import Choices

Op = tuple[str, str]
Program = list[list[Op]]
State = tuple[object, ...]


def random_program(seed: int, tasks: int = 3, keys: str = "ab") -> Program:
    """Return tasks of two to three operations each, drawn from a seed."""
    random = Random(seed)
    return [[(random.choice("rwi"), random.choice(keys)) for _ in range(random.choice((2, 3)))] for _ in range(tasks)]


def run(
    program: Program, schedule: Choices, *, processes: bool = False, seen: Callable[[State], None] = lambda s: None
) -> None:
    """Run a program under a schedule; report its final state: the store, and what each task has read."""
    sim = Simulation(schedule=schedule, trace=False)
    store = dict.fromkeys("abc", 0)
    read: dict[int, list[int]] = {}

    def worker(number: int, ops: list[Op]) -> None:
        mine = read.setdefault(number, [])
        for kind, key in ops:
            if kind == "r":
                step(f"read {key}", ("store", key, "r"), to="store")
                mine.append(store[key])
            elif kind == "w":
                step(f"write {key}", ("store", key, "w"), to="store")
                store[key] = number * 10 + sum(mine)
            else:
                step(f"read {key}", ("store", key, "r"), to="store")
                value = store[key]
                step(f"write {key}", ("store", key, "w"), to="store")
                store[key] = value + 1

    for number, ops in enumerate(program, 1):
        process = Process(sim, f"p{number}") if processes else None
        sim.spawn(worker, number, ops, name=f"t{number}", process=process)
    try:
        sim.run()
        seen((tuple(store.items()), tuple((number, tuple(read.get(number, ()))) for number in range(len(program) + 1))))
    finally:
        sim.close()
