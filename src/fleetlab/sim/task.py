"""A task, which is one thread of execution in a simulation, and the queues in which tasks wait."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from .errors import Killed, SimulationError
from .trace import learner_frame, source_line

if TYPE_CHECKING:
    from .kernel import Simulation
    from .process import Process


class Task(greenlet):  # type: ignore[misc]
    """One thread of execution in a simulation: a client's script, a request, a job."""

    # Slots are twice as fast to read as the attributes of a greenlet, and every turn reads some.
    __slots__ = (
        "_call", "_ended", "children", "daemon", "deaths", "doomed", "error", "finished", "lane", "locals", "name",
        "process", "result", "sim", "timed", "waiting", "woken",
    )  # fmt: skip

    def __init__(self, sim: Simulation, f: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
        super().__init__(self._main, sim.outside())
        self.sim = sim
        self.name = self.lane = name
        self.process: Process | None = None
        self.daemon = False
        self.waiting: WaitQueue | None = None
        self.timed = self.woken = False
        self.doomed = self.finished = False
        self.deaths = self.children = 0
        self.result: Any = None
        self.error: BaseException | None = None
        self.locals: dict[Any, Any] = {}
        self._call = (f, args, getcurrent())
        self._ended: WaitQueue | None = None

    def _main(self) -> None:
        f, args, maker = self._call
        del self._call
        try:
            maker.switch()  # stands ready; its first turn comes later
            del maker
            self.result = f(*args)
        except (Killed, GreenletExit):
            self.error = Killed()
        except BaseException as error:
            self.error = error
        self.sim.end(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Block the current task until this one has finished; return False if `timeout` virtual seconds pass first."""
        if self.finished:
            return True
        if self._ended is None:
            self._ended = WaitQueue(f"the end of {self.name}")
        self._ended.wait(timeout)
        return self.finished

    def value(self) -> Any:
        """Return what the task's function returned, or raise what it raised."""
        if not self.finished:
            raise SimulationError(
                f"{self.name} has not finished yet: let time pass with run(), or wait for it in a task."
            )
        if isinstance(self.error, Killed):
            raise SimulationError(f"{self.name} was killed before it had finished.")
        self.sim.seen(self)
        if self.error is not None:
            raise self.error
        return self.result

    def where(self) -> str:
        """Return the learner's line this task stands on, or an empty string."""
        frame = learner_frame(sys._getframe() if self is getcurrent() else self.gr_frame)
        return source_line(frame.f_code, frame.f_lineno) if frame is not None else ""

    def describe(self) -> str:
        """Return what this task waits for, who holds it, and the lines both stand on."""
        if self.waiting is None:
            return f"goes on{_at(self)}"
        holder = self.waiting.holder()
        held = f"; {holder} holds it" if holder else ""
        if isinstance(holder, Task):
            held = f"; {holder.lane} holds it{_at(holder)}"
        return f"waits for {self.waiting.label}{_at(self)}{held}"


def _at(task: Task) -> str:
    line = task.where()
    return f" at line {line}" if line else ""


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
        self._tasks.append(task)
        task.waiting, task.woken = self, False
        task.sim.block(task, timeout)
        return task.woken

    def leave(self, task: Task) -> None:
        """Take a task out of the queue that nobody has notified."""
        self._tasks.remove(task)
        task.waiting = None

    def notify(self, n: int = 1) -> None:
        """Wake the first `n` waiting tasks."""
        for task in self._tasks[:n]:
            self.leave(task)
            task.woken = True
            task.sim.wake(task)

    def notify_all(self) -> None:
        """Wake every waiting task."""
        self.notify(len(self._tasks))


def current_task() -> Task | None:
    """Return the task that is running, or None outside every simulation."""
    try:
        here = getcurrent()
    except RuntimeError:  # Python is shutting down, where finalisers still ask
        return None
    return here if type(here) is Task else None
