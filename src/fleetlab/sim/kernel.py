"""Virtual time and turns: a `Simulation` runs ordinary synchronous code as tasks that take turns.

Each task is a greenlet; `turns` says whose turn it is. Here tasks begin and end, and the code outside drives them.
"""

from __future__ import annotations

import _thread
import contextvars
import gc
import sys
from collections.abc import Callable
from heapq import heapify, heappush
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from . import watchdog
from .errors import Abandoned, Deadlock, Killed, Runaway, SimulationError
from .schedule import Latency, Schedule, Seeded, Step, Stop
from .task import Task, WaitQueue, current_task
from .trace import Record, Touches, clock
from .turns import Driver, Turns

if TYPE_CHECKING:
    from .process import Process

EPOCH = 1767603600.0
"""Virtual time 0 as a Unix time: Monday, 2026-01-05 09:00:00 UTC."""

STORE_LATENCY: Latency = (0.0002, 0.0010)
"""How long a call to a store takes in a seeded schedule, in virtual seconds."""

_SWALLOWED_DEATHS = 50
_FIRST, _LAST = -1.0, inf


class Simulation(Turns):
    """A virtual clock, one order of events, and the tasks that live by both.

    `seed` fixes the order; `schedule` replaces it (exploration, replay). `now` is in virtual seconds from 0.
    `max_steps` bounds the turns of one `run`, `horizon` the virtual seconds of all; beyond either it raises `Runaway`.
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        schedule: Schedule | None = None,
        trace: bool = True,
        epoch: float = EPOCH,
        max_steps: int = 2_000_000,
        horizon: float = 10 * 366 * 86400.0,
    ) -> None:
        super().__init__(schedule or Seeded(seed), trace, max_steps, horizon)
        self.seed = seed
        self.epoch = epoch
        self.parked: list[Task] = []
        self.processes: list[Process] = []
        self.errors: list[tuple[Task, BaseException]] = []
        self.stuck = ""
        self.idents = 0
        self.numbers: dict[Any, int] = {}
        self._goal: float | Task | None = None
        self._unseen: dict[Task, BaseException] = {}
        self._spawned = 0
        self._unfinished = 0
        self._thread = _thread.get_ident()

    # -- what the outside calls

    def spawn(
        self,
        f: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        process: Process | None = None,
        daemon: bool = False,
        context: contextvars.Context | None = None,
    ) -> Task:
        """Make a task that will run `f(*args)`, ready at once; a daemon does not keep `run()` going."""
        if not callable(f):
            raise TypeError(f"spawn() takes the function itself and its arguments, not {f!r:.60}.")
        self._check_thread()
        parent = current_task()
        if parent is not None and parent.sim is not self:
            parent = None
        key = self._key(parent)
        task = Task(self, f, args, name or key)
        task.process = process if process is not None or parent is None else parent.process
        if task.process is not None and not task.process.alive:
            raise SimulationError(f"{task.process.name} is dead: nothing can be started in it any more.")
        task.daemon = daemon
        task.locals["key"] = key
        task.gr_context = context if context is not None else contextvars.copy_context()
        if task.process is not None:
            task.lane = task.process.name
            task.process.tasks[task] = None
        self.tasks[task] = None
        self._unfinished += not daemon
        self._begin(task)
        self._queue(task, self.now)
        return task

    def _key(self, parent: Task | None) -> str:
        """Return what tells a new task from all others: how it came to be."""
        if parent is None:
            self._spawned += 1
            return f"task-{self._spawned}"
        if parent.doomed:
            self.die(parent)
        parent.children += 1
        return f"{parent.locals['key']}/{parent.children}"

    def run(self, until: float | Task | None = None) -> Any:
        """Let virtual time pass: until nothing is left to do, until a moment, or until a task has finished.

        Returns the task's result; raises what the task raised, `Deadlock` or `Runaway`.
        """
        self._check(until)
        self._driver = driver = Driver()
        self._goal = until
        moment = None if until is None or isinstance(until, Task) else max(self.now, until)
        heappush(self._heap, (self.horizon if moment is None else min(moment, self.horizon), _LAST, driver))
        self._turns_left, self.stuck = self.max_steps, ""
        collecting = gc.isenabled()
        gc.disable()
        watchdog.watch(self)
        try:
            self._drive(driver)
        except watchdog.Stuck:  # it struck where the stuck code had just ended
            who = next((task.lane for task in self.tasks if task.dead), "Somebody")
            error = self._interrupt or self._stuck(who)
            self._mend()
            self._interrupt = None
            raise error from None
        except Abandoned:
            raise
        except BaseException:
            self._mend()
            raise
        finally:
            watchdog.unwatch()
            self._driver, self._goal, self._turns_left = None, None, 0
            self._unqueue(driver)
            if collecting:
                gc.collect(0)  # here and nowhere else, since finalisers reach the stores
                gc.enable()
        if isinstance(until, Task):
            return until.value()
        self._raise_unseen()
        return None

    def is_mine(self) -> bool:
        """Tell whether the current thread is the one that drives this simulation."""
        return _thread.get_ident() == self._thread

    def _check_thread(self) -> None:
        if not self.is_mine():
            raise RuntimeError("This simulation was made in another thread: make it in the thread that runs it.")

    def _check(self, until: float | Task | None) -> None:
        self._check_thread()
        if self._driver is not None:
            raise RuntimeError(
                "run() is for code outside the simulation; inside a task, time passes with time.sleep()."
            )
        if isinstance(until, Task):
            if until.sim is not self:
                raise ValueError(f"{until.name} is a task of another simulation.")
        elif not (until is None or isinstance(until, float | int)):
            raise TypeError(f"run(until=...) takes virtual seconds or a task, not {until!r:.60}.")

    def close(self) -> None:
        """Kill every task that is left; nothing of this simulation runs any more."""
        for task in list(self.tasks):
            self.kill(task)

    # -- beginnings

    def _begin(self, task: Task) -> None:
        """Let a new task stand ready.

        A greenlet inherits the depth of whoever starts it, so tasks are started from outside, never by one another:
        a chain of starts would end in a RecursionError.
        """
        outside = self.outside()
        if outside is getcurrent():
            task.switch()
        else:
            outside.switch(task)

    def outside(self) -> greenlet:
        """Return the greenlet that drives the tasks, or is going to."""
        return self._driver.greenlet if self._driver is not None else getcurrent()

    # -- the driver

    def _drive(self, driver: Driver) -> None:
        turn: Any = None
        while turn is not driver and not self._reached():
            turn = self._next()
            if turn is not driver:
                turn = turn.switch()
            while isinstance(turn, Task):  # one that was just made
                turn = turn.switch()
            if self._interrupt is not None:
                self._raise_interrupt()
        if not self._reached() and (self._goal is None or isinstance(self._goal, Task)):
            self._raise_end()

    def _reached(self) -> bool:
        if isinstance(self._goal, Task):
            return self._goal.finished
        return self._goal is None and not self._unfinished

    def _raise_interrupt(self) -> None:
        error, self._interrupt = self._interrupt, None
        assert error is not None
        raise error

    def _mend(self) -> None:
        """After an interrupt, which can strike anywhere: queue who was lost, and forget who has ended."""
        for task in [task for task in self.tasks if task.dead]:
            self.end(task)
        self._heap[:] = [entry for entry in self._heap if entry[2] in self.tasks]
        heapify(self._heap)
        queued = {entry[2] for entry in self._heap}
        for task in self.tasks:
            if task.waiting is None and task not in queued:
                self._queue(task, self.now)

    def _raise_end(self) -> None:
        """Say why nobody goes on: an error that nobody has seen is the cause, if there is one."""
        self._raise_unseen()
        if self._heap:
            self._run_away(f"{clock(self.horizon)} of virtual time")
            self._raise_interrupt()
        raise Deadlock(f"Nobody can go on: everyone waits.{self.report()}")

    def _raise_unseen(self) -> None:
        """Raise the error of a task whose value nobody has asked for; one at a time."""
        for task, error in list(self._unseen.items()):
            del self._unseen[task]
            raise error

    def seen(self, task: Task) -> None:
        """Note that somebody asked for a task's value, so that its error need not be raised again."""
        self._unseen.pop(task, None)

    # -- ends

    def end(self, task: Task) -> None:
        """Note that a task has ended, and let go on who has waited for it."""
        task.finished = True
        error = task.error
        if task.doomed:
            task.error = Killed()
        elif isinstance(error, KeyboardInterrupt):
            self._interrupt = self._stuck(task.lane) if self.stuck else error
        elif error is not None and not isinstance(error, Killed):
            self._unseen[task] = error
        self.tasks.pop(task, None)
        self._unfinished -= not task.daemon
        if task.process is not None:
            task.process.tasks.pop(task, None)
        if task._ended is not None:
            task._ended.notify_all()
        if self._driver is not None:
            if not task.doomed:
                task.parent = self._driver.greenlet
            if self._reached():
                heappush(self._heap, (self.now, _FIRST, self._driver))

    def kill(self, task: Task) -> None:
        """End a task at once, at the point where it stands: no step of it reaches the world any more."""
        task.doomed = True
        self._unqueue(task)
        if task.waiting is not None:
            task.waiting.leave(task)
        if task is getcurrent():
            if self._driver is not None:
                task.parent = self._driver.greenlet
            raise Killed
        if task.finished:
            return
        task.parent = getcurrent()
        if self._driver is not None:
            task.throw(Killed)
            return
        watchdog.watch(self)
        try:
            task.throw(Killed)
        finally:
            watchdog.unwatch()

    def die(self, task: Task) -> None:
        """Raise `Killed` again in a dead task; one that swallows it for ever is parked."""
        task.deaths += 1
        if task.deaths < _SWALLOWED_DEATHS:
            raise Killed
        self.park(task)

    def park(self, task: Task) -> None:
        """Leave the running task for ever, wherever it stands."""
        self.parked.append(task)
        task.error = Killed()
        self.end(task)
        task.parent.switch()

    def strike(self, task: Task) -> None:
        """Let the running task die because it takes no step; unless it was dead already, the run ends with it."""
        if not task.doomed:
            self._interrupt = self._stuck(task.lane)
            task.doomed, task.parent = True, self.outside()
        self.stuck = ""

    def _stuck(self, who: str) -> Runaway:
        return Runaway(f"{who} is stuck: {self.stuck}")

    def fail(self, task: Task, error: BaseException) -> None:
        """Note that a background task ended with an error, as a process notes it in its log."""
        self.errors.append((task, error))
        self.trace.add(self.now, task.lane, "error", f"{type(error).__name__}: {error}")

    # -- steps

    def step(
        self, task: Task, what: str, touches: Touches, to: str, kind: str, latency: Latency, frame: FrameType | None
    ) -> Record:
        """Let others run, then record that `task` does `what`; the caller makes it so before it gives up its turn."""
        fault = ""
        if self._explores:
            if task.doomed:
                self.die(task)
            fault = self._explored_step(task, Step(kind, what, to, touches))
        else:
            self._until(task, self.now + self.schedule.latency(latency))
        process = task.process
        record = Record(self.now, process.name if process is not None else task.name, kind, what)
        record.to, record.touches, record.fault = to, touches, fault
        if self._tracing:
            record.at(frame)
            self._log(record)
        return record

    def _explored_step(self, task: Task, step: Step) -> str:
        """Ask the schedule before each step: somebody else first, or this one, with a fault or without."""
        while True:
            decision = self.schedule.at_step(task, self._others(), step)
            if decision is None:
                return ""
            if isinstance(decision, Stop):
                self._abandon().switch()
                raise Abandoned
            if not isinstance(decision, Task):
                return decision(self, task, step)
            self._turns_left -= 1
            self._queue(task, self.now)
            self._unqueue(decision)
            decision.switch()
            if task.doomed:
                self.die(task)


def step(
    what: str, touches: Touches = (), *, to: str = "", kind: str = "call", latency: Latency = STORE_LATENCY
) -> Record | None:
    """Take one step of the current task: the one place where others may run.

    Others run before this returns; the effect comes after, and is atomic until the next step. `touches` is
    `(resource, key, "r" or "w")`; `latency` bounds the virtual seconds of a seeded schedule. Returns the record
    to complete with a reply, or None outside a simulation.
    """
    task = getcurrent()
    if type(task) is not Task:
        return None
    return task.sim.step(task, what, touches, to, kind, latency, sys._getframe(1))


__all__ = [
    "EPOCH",
    "STORE_LATENCY",
    "Abandoned",
    "Deadlock",
    "Killed",
    "Runaway",
    "Simulation",
    "SimulationError",
    "Task",
    "WaitQueue",
    "current_task",
    "step",
]
