"""Which steps meet: a number that two runs share if and only if they differ in the order of independent steps alone.

Two steps are dependent if they are of one task or one process, or touch the same key of the same resource and one
of them writes. Runs with the same dependent pairs in the same order (the same Mazurkiewicz trace) reach the same
state, so what follows need be tried only once (happens-before caching: Musuvathi & Qadeer, MSR-TR-2007-12).
The number is a sum of hashes of integers: it does not depend on PYTHONHASHSEED.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .schedule import Step

if TYPE_CHECKING:
    from .kernel import Task

_MASK = (1 << 64) - 1
_numbers: dict[str, int] = {}
ANY = "*"


def number(text: str) -> int:
    """Return a text's number, in the order in which texts are first seen."""
    return _numbers.setdefault(text, len(_numbers) + 1)


class _Key:
    """The last write of a key, and the reads since."""

    __slots__ = ("reads", "written")

    def __init__(self) -> None:
        self.written = 0
        self.reads = 0


class Causality:
    """The dependent steps of one run so far, summed up as `state`."""

    def __init__(self) -> None:
        self.state = 0
        self._last: dict[int, int] = {}
        self._keys: dict[str, dict[str, _Key]] = {}
        self._touched: dict[int, tuple[str, ...]] = {}

    def note(self, task: Task, step: Step) -> None:
        """Add a step that is being taken."""
        me = number(task.locals["key"])
        self._touched[me] = step.touches if step.kind == "call" else ()
        event = hash((me, self._last.get(me, 0), number(step.what), self._past(step.touches), self._home(task)))
        self._add(me, event, task, step.touches)

    def resume(self, task: Task) -> None:
        """Add that a task goes on: with its process's memory, and with the effect that it waited for."""
        me = number(task.locals["key"])
        touches = self._touched.get(me, ())
        if task.process is None and not touches:
            return  # clients share nothing but the network: which of them ends first is nobody's business
        event = hash((me, self._last.get(me, 0), self._past(touches), self._home(task), task.sim.now))
        self._add(me, event, task, touches)

    def upset(self, name: str, index: int) -> None:
        """Add a fault: it may concern everything."""
        self.state = hash((self.state, number(name), index)) & _MASK

    def waiting(self, tasks: Sequence[Task]) -> int:
        """Return a number for the tasks that can run, in whatever order they became ready."""
        return sum(hash((number(task.locals["key"]), 1)) for task in tasks) & _MASK

    def pending(self, task: Task, step: Step, preemptible: bool, others: Sequence[Task]) -> int:
        """Return a number for the step that a task is about to take while others can run."""
        return hash((number(task.locals["key"]), number(step.what), preemptible, self.waiting(others)))

    def _add(self, me: int, event: int, task: Task, touches: tuple[str, ...]) -> None:
        self._last[me] = event
        self.state = (self.state + event) & _MASK
        if task.process is not None:
            self._touch("process", task.process.name, "w", event)
        if touches:
            resource, key, access = touches
            self._touch(resource, key, access, event)

    def _home(self, task: Task) -> int:
        return self._past(("process", task.process.name, "w")) if task.process is not None else 0

    def _past(self, touches: tuple[str, ...]) -> int:
        """Return the sum of the earlier events that an access depends on."""
        if not touches:
            return 0
        resource, key, access = touches
        keys = self._keys.get(resource, {})
        met = keys.values() if key == ANY else [found for name in (key, ANY) if (found := keys.get(name))]
        return sum(found.written + (found.reads if access == "w" else 0) for found in met) & _MASK

    def _touch(self, resource: str, key: str, access: str, event: int) -> None:
        keys = self._keys.setdefault(resource, {})
        if key == ANY and access == "w":
            keys.clear()
        here = keys.setdefault(key, _Key())
        if access == "w":
            here.written, here.reads = event, 0
        else:
            here.reads = (here.reads + event) & _MASK
