"""Virtual time and turns: a `Simulation` runs ordinary synchronous code as tasks that take turns.

Each task is a greenlet. A task that sleeps, waits or takes a step queues itself and hands over directly to the
task that is next; there is no loop in between. Only this module switches greenlets.
"""

from __future__ import annotations

import contextvars
import gc
import sys
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from . import watchdog
from .schedule import Latency, Schedule, Seeded, Step, Stop
from .trace import Record, Touches, Trace, clock, learner_frame, source_line

if TYPE_CHECKING:
    from .process import Process

EPOCH = 1767603600.0
"""Virtual time 0 as a Unix time: Monday, 2026-01-05 09:00:00 UTC."""

STORE_LATENCY: Latency = (0.0002, 0.0010)
"""How long a call to a store takes in a seeded schedule, in virtual seconds."""

_SWALLOWED_DEATHS = 50


class Killed(BaseException):
    """Raised inside a task whose process has died; never an `Exception`, so that `except Exception` misses it."""


class Stuck(BaseException):
    """Raised by the watchdog inside code that takes no step."""


class Abandoned(BaseException):
    """Raised by `run` when the schedule gave the run up."""


class SimulationError(Exception):
    """The simulation cannot go on; the message says who waits for what, and where."""


class Deadlock(SimulationError):
    """Everyone waits for someone else."""


class Runaway(SimulationError):
    """The step budget, the virtual horizon or the watchdog ended code that would not end."""


class Task(greenlet):
    """One thread of execution in a simulation: a client's script, a request, a job."""

    sim: Simulation
    name: str
    process: Process | None
    slot: list[Any]
    waiting: WaitQueue | None
    daemon: bool

    def __init__(self, sim: Simulation, f: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
        super().__init__(self._main, sim._parent())
        self.sim, self.name = sim, name
        self.process = None
        self.slot = []
        self.waiting = None
        self.woken = False
        self.doomed = False
        self.deaths = 0
        self.daemon = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.finished = False
        self.locals: dict[Any, Any] = {}
        self.children = 0
        self._call = (f, args)
        self._ended: WaitQueue | None = None

    def _main(self) -> None:
        f, args = self._call
        try:
            self.result = f(*args)
        except Killed as error:
            self.error = error
        except Stuck as error:
            self.error = error
            self.sim._interrupt = Runaway(f"{self.lane} is stuck: {self.sim.stuck}")
        except KeyboardInterrupt as error:
            self.error = self.sim._interrupt = error
        except BaseException as error:
            self.error = error
            self.sim._unseen[self] = error
        self.finished = True
        self.sim._end(self)

    @property
    def lane(self) -> str:
        """The lane this task draws on: its process, or its own name."""
        return self.process.name if self.process is not None else self.name

    def wait(self, timeout: float | None = None) -> bool:
        """Block the current task until this one has finished, at most `timeout` virtual seconds; tell whether it has."""
        if self.finished:
            return True
        if self._ended is None:
            self._ended = WaitQueue(f"the end of {self.name}")
        self._ended.wait(timeout)
        return self.finished

    def value(self) -> Any:
        """Return what the task's function returned, or raise what it raised."""
        self.sim._unseen.pop(self, None)
        if self.error is not None:
            raise self.error
        return self.result

    def where(self) -> str:
        """Return the learner's line this task stands on, or an empty string."""
        frame = learner_frame(self.gr_frame)
        return source_line(frame.f_code, frame.f_lineno) if frame is not None else ""


class WaitQueue:
    """Tasks that wait for something, first come first served; `holder` names who is in the way, for reports."""

    __slots__ = ("_tasks", "holder", "label")

    def __init__(self, label: str, holder: Callable[[], Task | str | None] = lambda: None) -> None:
        self.label = label
        self.holder = holder
        self._tasks: list[Task] = []

    def __len__(self) -> int:
        return len(self._tasks)

    def wait(self, timeout: float | None = None) -> bool:
        """Block the current task until it is notified; return False after `timeout` virtual seconds."""
        task = current_task()
        if task is None:
            raise RuntimeError(f"Only a task of a simulation can wait for {self.label}.")
        task.sim._block(task, self, timeout)
        return task.woken

    def notify(self, n: int = 1) -> None:
        """Wake the first `n` waiting tasks."""
        for task in self._tasks[:n]:
            self._tasks.remove(task)
            task.woken, task.waiting = True, None
            task.sim._unqueue(task)
            task.sim._queue(task, task.sim.now)

    def notify_all(self) -> None:
        """Wake every waiting task."""
        self.notify(len(self._tasks))


class _Driver:
    """The code outside, which called `run`: one more entry in the queue."""

    process = None

    def __init__(self) -> None:
        self.greenlet = getcurrent()
        self.slot: list[Any] = []

    def switch(self) -> None:
        self.greenlet.switch(self)


class Simulation:
    """A virtual clock, one order of events, and the tasks that live by both.

    `seed` fixes the order; `schedule` replaces it (exploration, replay). `now` is in virtual seconds from 0.
    `max_steps` bounds the turns of one `run`, `horizon` its virtual seconds; beyond either it raises `Runaway`.
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
        self.now = 0.0
        self.seed = seed
        self.epoch = epoch
        self.schedule: Schedule = schedule or Seeded(seed)
        self.trace = Trace(trace)
        self.max_steps = max_steps
        self.horizon = horizon
        self.tasks: dict[Task, None] = {}
        self.parked: list[Task] = []
        self.stuck = ""
        self.idents = 0
        self.processes: list[Process] = []
        self._unseen: dict[Task, BaseException] = {}
        self.errors: list[tuple[Task, BaseException]] = []
        self._tracing = trace
        self._log = self.trace.records.append
        self._explores = self.schedule.explores
        self._random = self.schedule.tie
        self._ready: list[Any] = []
        self._slots: dict[float, list[Any]] = {}
        self._times: list[float] = []
        self._turns_left = max_steps
        self._deadline = horizon
        self._driver: _Driver | None = None
        self._paused: dict[Process, float] = {}
        self._slow = self._explores
        self._interrupt: BaseException | None = None
        self._awaited: Task | None = None
        self._spawned = 0

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
        parent = current_task()
        siblings = parent if parent is not None else self
        if isinstance(siblings, Task):
            siblings.children += 1
            ordinal = f"{siblings.locals['key']}/{siblings.children}"
        else:
            siblings._spawned += 1
            ordinal = f"task-{siblings._spawned}"
        task = Task(self, f, args, name or ordinal)
        task.process = process if process is not None or parent is None else parent.process
        task.daemon = daemon
        task.locals["key"] = ordinal
        task.gr_context = context if context is not None else contextvars.copy_context()
        if task.process is not None:
            task.process.tasks[task] = None
        self.tasks[task] = None
        self._queue(task, self.now)
        return task

    def run(self, until: float | Task | None = None) -> Any:
        """Let virtual time pass: until nothing is left to do, until a moment, or until a task has finished.

        Returns the task's result; raises what the task raised, `Deadlock` or `Runaway`.
        """
        if self._driver is not None:
            raise RuntimeError(
                "run() is for code outside the simulation; inside a task, time passes with time.sleep()."
            )
        self._driver = driver = _Driver()
        self._turns_left = self.max_steps
        self._deadline = min(self.horizon, max(self.now, until)) if isinstance(until, float | int) else self.horizon
        self._awaited = until if isinstance(until, Task) else None
        collecting = gc.isenabled()
        gc.disable()
        watchdog.watch(self)
        try:
            self._drive(driver, until)
        finally:
            watchdog.unwatch(self)
            self._unqueue(driver)
            self._driver = self._awaited = None
            if collecting:
                gc.enable()
        if isinstance(until, Task):
            return until.value()
        self._raise_unseen()
        return None

    def _raise_unseen(self) -> None:
        """Raise the error of a task whose value nobody has asked for; one at a time."""
        for task, error in list(self._unseen.items()):
            del self._unseen[task]
            raise error

    def sleep(self, seconds: float) -> None:
        """Block the current task for `seconds` of virtual time."""
        task = current_task()
        if task is None:
            raise RuntimeError("Only a task of a simulation can sleep in it; outside, use run(until=...).")
        if self._tracing:
            self._note_sleep(task, seconds)
        self._until(task, self.now + seconds)

    def close(self) -> None:
        """Kill every task that is left; nothing of this simulation runs any more."""
        for task in list(self.tasks):
            self.kill(task)

    @property
    def turns(self) -> int:
        """How many turns the current `run` has left: it falls with every turn."""
        return self._turns_left

    # -- turns

    def _parent(self) -> greenlet:
        return self._driver.greenlet if self._driver is not None else getcurrent()

    def _queue(self, task: Any, when: float) -> None:
        """Make `task` ready at `when`; tasks of one moment share a slot, from which the schedule draws."""
        slot = self._ready if when <= self.now else self._slots.get(when)
        if slot is None:
            slot = self._slots[when] = []
            heappush(self._times, when)
        slot.append(task)
        task.slot = slot

    def _unqueue(self, task: Any) -> None:
        if task in task.slot:
            task.slot.remove(task)

    def _note_sleep(self, task: Task, seconds: float) -> None:
        process = task.process
        record = Record(self.now, process.name if process is not None else task.name, "sleep", "sleep")
        record.until = self.now + seconds
        record.at(sys._getframe(2))
        self._log(record)

    def _until(self, task: Task, when: float) -> None:
        """Queue the running task for `when` and hand over to whoever is next."""
        if task.doomed:
            self._die(task)
        slot = self._slots.get(when)
        if slot is None:
            self._queue(task, when)
        else:
            slot.append(task)
            task.slot = slot
        self._turns_left = left = self._turns_left - 1
        if self._slow or left <= 0:
            self._hand_over(task)
            return
        ready = self._ready
        while not ready:
            now = self._times[0]
            if now > self._deadline:
                self._hand_over(task)
                return
            self.now = now
            self._ready = ready = self._slots.pop(heappop(self._times))
        size = len(ready)
        if size == 1:
            chosen = ready.pop()
        else:
            i = int(self._random() * size)
            chosen, ready[i] = ready[i], ready[-1]
            ready.pop()
        if chosen is not task:
            chosen.switch()

    def _block(self, task: Task, queue: WaitQueue, timeout: float | None) -> None:
        if task.doomed:
            self._die(task)
        queue._tasks.append(task)
        task.woken, task.waiting = False, queue
        if timeout is not None:
            self._queue(task, self.now + max(0.0, timeout))
        self._turns_left -= 1
        try:
            self._hand_over(task)
        finally:
            if not task.woken and task in queue._tasks:
                queue._tasks.remove(task)
            task.waiting = None

    def _hand_over(self, task: Task) -> None:
        chosen = self._pop()
        if chosen is not task:
            chosen.switch()

    def _pop(self) -> Any:
        """Take the next task that can run, advancing the clock; the driver if there is none, or its time has come."""
        if self._turns_left <= 0:
            return self._run_away()
        while not self._runnable():
            moment = self._next_moment()
            if moment > self._deadline:
                return self._at_deadline(moment)
            self.now = moment
            if self._times and self._times[0] == moment:
                heappop(self._times)
            for task in self._slots.pop(moment, ()):
                self._queue(task, moment)
        return self._take(self._choose(self._runnable()))

    def _next_moment(self) -> float:
        """Return the virtual time at which somebody can run again, or infinity."""
        times, slots = self._times, self._slots
        while times and (times[0] not in slots or not slots[times[0]]):
            slots.pop(heappop(times), None)
        thaw = min((self._paused[task.process] for task in self._ready), default=inf)
        return min(thaw, times[0] if times else inf)

    def _runnable(self) -> list[Any]:
        if not self._paused:
            return self._ready
        return [task for task in self._ready if self._paused.get(task.process, -inf) <= self.now]

    def _take(self, task: Any) -> Any:
        if task in self._ready:
            self._ready.remove(task)
        return task

    def _choose(self, options: list[Any]) -> Any:
        if not self._explores:
            return options[int(self._random() * len(options))] if len(options) > 1 else options[0]
        if self._driver in options:
            return self._driver
        chosen = self.schedule.choose(options)
        return self._abandon() if isinstance(chosen, Stop) else chosen

    def _abandon(self) -> Any:
        """Give the run up: its schedule knows how it ends."""
        self._interrupt = Abandoned()
        return self._driver

    def _at_deadline(self, moment: float) -> Any:
        """Hand over to the driver: its moment has come, or nobody is left to run."""
        if self._deadline < self.horizon:
            self.now = self._deadline
        elif moment < inf:
            return self._run_away()
        return self._driver

    def _run_away(self) -> Any:
        reason = f"{self.max_steps:,} turns" if self._turns_left <= 0 else f"{clock(self.horizon)} of virtual time"
        self._interrupt = Runaway(f"Still not finished after {reason}.{self.report()}")
        return self._driver

    def _drive(self, driver: _Driver, until: float | Task | None) -> None:
        while not self._reached(until):
            chosen = self._pop()
            turn = driver if chosen is driver else chosen.switch()
            self._raise_interrupt()
            if turn is driver:
                break
        self._check_stuck(until)

    def _reached(self, until: float | Task | None) -> bool:
        if isinstance(until, Task):
            return until.finished
        return until is None and all(task.daemon for task in self.tasks)

    def _check_stuck(self, until: float | Task | None) -> None:
        if until is None or isinstance(until, Task):
            if not self._reached(until):
                raise Deadlock(f"Nobody can go on: everyone waits.{self.report()}")

    def _raise_interrupt(self) -> None:
        if self._interrupt is not None:
            error, self._interrupt = self._interrupt, None
            raise error

    def _end(self, task: Task) -> None:
        self.tasks.pop(task, None)
        if task.process is not None:
            task.process.tasks.pop(task, None)
        if task._ended is not None:
            task._ended.notify_all()
        if task is self._awaited and self._driver is not None:
            self._queue(self._driver, self.now)

    # -- death

    def kill(self, task: Task) -> None:
        """End a task at once, at the point where it stands: no step of it reaches the world any more."""
        task.doomed = True
        self._unqueue(task)
        if task.waiting is not None:
            task.waiting._tasks.remove(task)
            task.waiting = None
        if task is getcurrent():
            raise Killed
        if not task:  # never started: nothing to unwind
            task.finished, task.error = True, Killed()
            self._end(task)
            return
        task.parent = getcurrent()
        task.throw(Killed)

    def _die(self, task: Task) -> None:
        """Raise `Killed` again in a dead task; one that swallows it for ever is parked."""
        task.deaths += 1
        if task.deaths < _SWALLOWED_DEATHS:
            raise Killed
        self.parked.append(task)
        task.finished, task.error = True, Killed()
        self._end(task)
        task.parent.switch()

    def pause(self, process: Process, seconds: float) -> None:
        """Let no task of `process` run for `seconds` of virtual time; others go on."""
        until = self._paused[process] = self.now + seconds
        self._slow = True
        if until not in self._slots:
            self._slots[until] = []
            heappush(self._times, until)

    def fail(self, task: Task, error: BaseException) -> None:
        """Note that a background task ended with an error, as a process notes it in its log."""
        self.errors.append((task, error))
        self.trace.add(self.now, task.lane, "error", f"{type(error).__name__}: {error}")

    # -- reports

    def report(self) -> str:
        """Return who waits for what, and where: one line a task that has not finished."""
        lines = []
        for task in self.tasks:
            if task.daemon and task.waiting is None:
                continue
            lines.append(f"\n  {task.lane} {describe(task)}")
        return "".join(lines)

    # -- steps

    def step(
        self, task: Task, what: str, touches: Touches, to: str, kind: str, latency: Latency, frame: FrameType | None
    ) -> Record:
        """Let others run, then record that `task` does `what`; the caller makes it so before it gives up its turn."""
        if task.doomed:
            self._die(task)
        fault = ""
        if self._explores:
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
            others = [other for other in self._runnable() if other is not self._driver]
            decision = self.schedule.at_step(task, others, step)
            if decision is None:
                return ""
            if isinstance(decision, Stop):
                self._abandon().switch()
            elif not isinstance(decision, Task):
                return decision(self, task, step)
            self._turns_left -= 1
            self._queue(task, self.now)
            self._take(decision).switch()
            if task.doomed:
                self._die(task)

    def stand_still(self, task: Task, seconds: float) -> None:
        """Pause the whole process of the running task, here and now, for `seconds` of virtual time."""
        if task.process is not None:
            self.trace.add(self.now, task.lane, "pause", "paused", until=self.now + seconds)
            self.pause(task.process, seconds)
        self._until(task, self.now)


def describe(task: Task) -> str:
    """Return what a task waits for, who holds it, and the lines both stand on."""
    where = f" at line {task.where()}" if task.where() else ""
    if task.waiting is None:
        return f"goes on{where}"
    holder = task.waiting.holder()
    if isinstance(holder, Task):
        place = f" at line {holder.where()}" if holder.where() else ""
        return f"waits for {task.waiting.label}{where}; {holder.lane} holds it{place}"
    held = f"; {holder} holds it" if holder else ""
    return f"waits for {task.waiting.label}{where}{held}"


def current_task() -> Task | None:
    """Return the task that is running, or None outside every simulation."""
    here = getcurrent()
    return here if here.__class__ is Task else None  # type: ignore[return-value]


def step(
    what: str, touches: Touches = (), *, to: str = "", kind: str = "call", latency: Latency = STORE_LATENCY
) -> Record | None:
    """Take one step of the current task: the one place where others may run.

    Others run before this returns; the effect comes after, and is atomic until the next step. `touches` is
    `(resource, key, "r" or "w")`; `latency` bounds the virtual seconds of a seeded schedule. Returns the record
    to complete with a reply, or None outside a simulation.
    """
    task = getcurrent()
    if task.__class__ is not Task:
        return None
    return task.sim.step(task, what, touches, to, kind, latency, sys._getframe(1))
