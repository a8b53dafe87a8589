"""An operating-system process of the simulation: its environment, its state, its tasks, its death."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from .kernel import Killed, current_task

if TYPE_CHECKING:
    from .kernel import Simulation, Task

T = TypeVar("T")


class Process:
    """What one process owns: environment variables, signal handlers, exit callbacks, library state, tasks.

    `offset` (virtual seconds) and `rate` skew its clocks. Nothing of it outlives `kill()`.
    """

    def __init__(self, sim: Simulation, name: str, environ: Mapping[str, str] | None = None, pid: int = 1) -> None:
        self.sim = sim
        self.name = name
        self.pid = pid
        self.environ = dict(environ or {})
        self.alive = True
        self.mortal = True
        self.tasks: dict[Task, None] = {}
        self.offset = 0.0
        self.rate = 1.0
        self.thaw = 0.0
        self.signals: dict[int, Any] = {}
        self.exits: list[Callable[[], Any]] = []
        self.context = contextvars.copy_context()
        self._state: dict[Any, Any] = {}
        self._deaths: list[Callable[[], None]] = []
        sim.processes.append(self)

    def spawn(
        self,
        f: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        daemon: bool = False,
        context: contextvars.Context | None = None,
    ) -> Task:
        """Start a task of this process, in a context of its own, or in one that another task has left."""
        context = self.context.copy() if context is None else context
        return self.sim.spawn(f, *args, name=name, process=self, daemon=daemon, context=context)

    def state(self, key: Any, make: Callable[[], T]) -> T:
        """Return this process's own copy of some process-wide library state, made at first use."""
        if key not in self._state:
            self._state[key] = make()
        return self._state[key]  # type: ignore[no-any-return]

    def on_death(self, clean_up: Callable[[], None]) -> None:
        """Run `clean_up` on the other side of the wire when this process dies: connections close, locks fall."""
        self._deaths.append(clean_up)

    def pause(self, seconds: float) -> None:
        """Freeze every task of this process for `seconds` of virtual time, as a long collection or a SIGSTOP does."""
        self.sim.pause(self, seconds)

    def clock(self, now: float) -> float:
        """Return what this process believes virtual time `now` (seconds) to be."""
        return now * self.rate + self.offset

    def kill(self) -> None:
        """Die at once (SIGKILL): no `finally` and no `with` exit of it reaches the world."""
        if not self.alive:
            return
        self.alive = False
        self._state.clear()
        for task in self.tasks:
            task.doomed = True
        for clean_up in self._deaths:
            clean_up()
        suicide = False
        for task in list(self.tasks):
            try:
                self.sim.kill(task)
            except Killed:
                suicide = True
        if suicide:
            raise Killed


def current_process() -> Process | None:
    """Return the process of the running task, or None."""
    task = current_task()
    return task.process if task is not None else None


def stream(task: Task) -> Random:
    """Return the task's own stream of random numbers: a function of the seed and of how the task came to be."""
    random: Random | None = task.locals.get("random")
    if random is None:
        owner = task.process.name if task.process is not None else ""
        random = task.locals["random"] = Random(f"{task.sim.seed} {owner} {task.locals['key']}")
    return random
