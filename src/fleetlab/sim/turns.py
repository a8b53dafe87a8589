"""Whose turn it is: a virtual clock, the tasks that are ready, and how one hands over to the next.

A task that sleeps, waits or takes a step queues itself and hands over directly to the task that is next; there is no
loop in between. Only this module, `kernel` and `task` switch greenlets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heappushpop
from itertools import count
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from .errors import Abandoned, Killed, Runaway
from .schedule import Schedule, Stop
from .task import Task, current_task
from .trace import Nap, Trace, known_file, learner_frame

if TYPE_CHECKING:
    from .process import Process


class Driver:
    """The code outside, which called `run`: one more entry in the queue."""

    process = None

    def __init__(self) -> None:
        self.greenlet = getcurrent()

    def switch(self) -> None:
        """Hand over to the code outside."""
        self.greenlet.switch(self)


class Turns:
    """A virtual clock and one order of turns.

    `now` is in virtual seconds from 0. `max_steps` bounds the turns of one run, `horizon` the virtual seconds of all.
    """

    def __init__(self, schedule: Schedule, trace: bool, max_steps: int, horizon: float) -> None:
        self.now = 0.0
        self.schedule = schedule
        self.trace = Trace(trace)
        self.max_steps = max_steps
        self.horizon = horizon
        self.tasks: dict[Task, None] = {}
        self._tracing = trace
        self._log = self.trace.records.append
        self._explores = schedule.explores
        # What is ready, and when: entries of one moment come in a drawn order, or first come first served.
        self._heap: list[tuple[float, float, Any]] = []
        self._order: Callable[[], float] = count().__next__ if self._explores else schedule.tie
        self._slow = self._explores
        self._thaw = 0.0
        self._turns_left = 0
        self._driver: Driver | None = None
        self._interrupt: BaseException | None = None

    @property
    def turns(self) -> int:
        """How many turns the current run has left: it falls with every turn."""
        return self._turns_left

    def die(self, task: Task) -> None:
        """Raise `Killed` in a dead task that wants to go on."""
        raise Killed

    def sleep(self, seconds: float) -> None:
        """Block the current task for `seconds` of virtual time."""
        task = current_task()
        if task is None or task.sim is not self:
            raise RuntimeError("Only a task of a simulation can sleep in it; outside, use run(until=...).")
        if not seconds >= 0:
            raise ValueError("sleep length must be non-negative")
        if self._tracing:
            self._note_sleep(task, seconds)
        self._until(task, self.now + seconds)

    def pass_time(self, task: Task, seconds: float) -> None:
        """Let `seconds` of virtual time pass for the running task, without an event in the trace."""
        self._until(task, self.now + seconds)

    def block(self, task: Task, timeout: float | None) -> None:
        """Let the running task, which stands in a `WaitQueue`, wait for its turn or for `timeout` virtual seconds."""
        try:
            if task.doomed:
                self.die(task)
            task.timed = timeout is not None
            if timeout is not None:
                self._queue(task, self.now + max(0.0, timeout))
            self._turns_left -= 1
            self._hand_over(task)
        except BaseException:
            self._unqueue(task)
            raise
        finally:
            if task.waiting is not None:
                task.waiting.leave(task)

    def wake(self, task: Task) -> None:
        """Make a task ready that has waited."""
        if task.timed:
            self._unqueue(task)
        self._queue(task, self.now)

    def pause(self, process: Process, seconds: float) -> None:
        """Let no task of `process` run for `seconds` of virtual time; others go on."""
        process.thaw = thaw = max(process.thaw, self.now + seconds)
        self._slow, self._thaw = True, max(self._thaw, thaw)
        self._heap[:] = [
            (max(when, thaw), order, task) if task.process is process else (when, order, task)
            for when, order, task in self._heap
        ]
        heapify(self._heap)

    def stand_still(self, task: Task, seconds: float) -> None:
        """Pause the whole process of the running task, here and now, for `seconds` of virtual time."""
        if task.process is not None:
            self.trace.add(self.now, task.lane, "pause", "paused", until=self.now + seconds)
            self.pause(task.process, seconds)
        self._until(task, self.now)

    def report(self) -> str:
        """Return who waits for what, and where: one line a task that has not finished."""
        waiting = [task for task in self.tasks if not task.daemon or task.waiting is not None]
        return "".join(f"\n  {task.lane} {task.describe()}" for task in waiting)

    # -- the queue

    def _queue(self, task: Task, when: float) -> None:
        """Make `task` ready at `when`, or once its process no longer stands still."""
        if task.process is not None:
            when = max(when, task.process.thaw)
        heappush(self._heap, (when, self._order(), task))

    def _unqueue(self, task: Any) -> None:
        left = [entry for entry in self._heap if entry[2] is not task]
        if len(left) < len(self._heap):
            self._heap[:] = left
            heapify(self._heap)

    def _others(self) -> list[Task]:
        """Return the tasks that could go on at this moment, the one that has been ready longest first."""
        ready = sorted(entry for entry in self._heap if entry[0] <= self.now)
        return [task for _, _, task in ready if task is not self._driver]

    # -- handing over

    def _note_sleep(self, task: Task, seconds: float) -> None:
        frame = sys._getframe(2)
        if not known_file(frame.f_code.co_filename):
            frame = learner_frame(frame) or frame
        self._log(tuple.__new__(Nap, (self.now, task.lane, self.now + seconds, frame.f_code, frame.f_lasti)))

    def _until(self, task: Task, when: float) -> None:
        """Queue the running task for `when` and hand over to whoever is next."""
        if task.doomed:
            self.die(task)
        self._turns_left = left = self._turns_left - 1
        if self._slow or left <= 0:
            self._slowly(task, when)
            return
        self.now, _, chosen = heappushpop(self._heap, (when, self._order(), task))
        if chosen is not task:
            chosen.switch()

    def _slowly(self, task: Task, when: float) -> None:
        if self._driver is None:
            raise Killed  # a finaliser runs what is left of a task, after the simulation
        self._queue(task, when)
        self._hand_over(task)

    def _hand_over(self, task: Task) -> None:
        chosen = self._next()
        if chosen is not task:
            chosen.switch()

    def _next(self) -> Any:
        """Take whoever is next from the queue, and set the clock; the driver where nobody may go on."""
        if self._driver is None:
            raise Killed
        if self._turns_left <= 0:
            return self._run_away(f"{self.max_steps:,} turns")
        entry = heappop(self._heap)
        when, _, chosen = entry
        if chosen is self._driver:
            if self._heap or when < self.horizon:  # otherwise everyone waits, and time stands still
                self.now = max(self.now, when)
            return chosen
        self.now = when
        if self._explores:
            return self._choose(entry)
        self._slow = self._thaw > when
        return chosen

    def _choose(self, first: tuple[float, float, Any]) -> Any:
        """Ask the schedule who of those that are ready goes on."""
        ready = [first]
        while self._heap[0][0] <= self.now and self._heap[0][2] is not self._driver:
            ready.append(heappop(self._heap))
        chosen = self.schedule.choose([entry[2] for entry in ready])
        for entry in ready:
            if entry[2] is not chosen:
                heappush(self._heap, entry)
        return self._abandon() if isinstance(chosen, Stop) else chosen

    def _abandon(self) -> Any:
        """Give the run up: its schedule knows how it ends."""
        self._interrupt = Abandoned()
        return self._driver

    def _run_away(self, what: str) -> Any:
        self._interrupt = Runaway(f"Still not finished after {what}.{self.report()}")
        return self._driver
