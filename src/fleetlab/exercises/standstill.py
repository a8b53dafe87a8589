"""Requests that never come to an end: locks held in a circle, sleeps and loops without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetlab.sim import Runaway, SimulationError, Task
from fleetlab.sim.trace import clock

from .blame import Wrong
from .history import History
from .verdict import NEVER_FINISHED
from .wording import clean, sentences

PATIENCE = 3600.0
"""How many virtual seconds a request is given after the scenario's end before it counts as endless."""


def found(history: History) -> Wrong | None:
    """Return who stands still for ever, if a client waited in vain: who waits for what, who holds it, on which line."""
    if not any("Timeout" in sent.error for sent in history.sent):
        return None
    circle = next(filter(None, map(_circle, _serving(history))), None)
    if circle is not None:
        waits = [f"{task.lane} {task.describe()}" for task in circle]
        return Wrong(NEVER_FINISHED, "DEADLOCK", clean(f"Everyone waits for someone else: {'; '.join(waits)}.", 1200))
    return None if history.deviated else _endless(history)


def _serving(history: History) -> Iterator[Task]:
    """Yield the unfinished tasks of instances that are alive."""
    for instance in history.world.instances:
        if instance.process.alive:
            yield from instance.process.tasks


def _circle(task: Task) -> list[Task]:
    """Return the tasks that wait for each other, from this one on; none if somebody in the chain can go on."""
    chain: list[Task] = []
    here: Any = task
    while isinstance(here, Task) and here.waiting is not None:
        if here in chain:
            return chain[chain.index(here) :]
        chain.append(here)
        here = here.waiting.holder()
    return []


def _endless(history: History) -> Wrong | None:
    """Give the requests in hand another hour of virtual time; return those that are still there."""
    world = history.world
    before = [instance for instance in world.instances if instance.process.alive and instance.busy]
    if not before:
        return None
    try:
        with world.calm():
            world.sim.run(until=world.sim.now + PATIENCE)
    except SimulationError as error:
        return ended(history, error)
    late = [instance for instance in before if instance.process.alive and instance.busy]
    if not late:
        return None
    standing = [f"{late[0].name} {_posture(task)}." for task in late[0].process.tasks if "request" in task.name]
    sentence = sentences([f"A request to {late[0].name} is still not answered {clock(PATIENCE)} later.", *standing[:2]])
    return Wrong(NEVER_FINISHED, "NEVER-FINISHED", clean(sentence, 1200))


def ended(history: History, error: SimulationError) -> Wrong:
    """Return what it comes to that the simulation ended a run: who waits or goes on, one after the other."""
    first, *rest = str(error).split("\n  ")
    if isinstance(error, Runaway):
        going = [task for task in _serving(history) if task.waiting is None and task.where()]
        rest = [f"{task.lane} {task.describe()}" for task in going[:3]] or rest
    text = f"{first.rstrip('.')}: {'; '.join(rest)}." if rest and "stuck: " not in first else first
    return Wrong(NEVER_FINISHED, "NEVER-FINISHED", clean(text, 1200), stuck=isinstance(error, Runaway))


def _posture(task: Task) -> str:
    if task.waiting is not None:
        return task.describe()
    return f"stands at line {task.where()}" if task.where() else "goes on and on"
