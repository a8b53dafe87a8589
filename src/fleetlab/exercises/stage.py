"""Runs one scenario once, in a fresh world, under one schedule."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fleetlab.sim import Deadlock, Runaway
from fleetlab.sim.choices import PREEMPTION, Choices
from fleetlab.sim.kernel import Abandoned
from fleetlab.sim.trace import clock, learner_frame, source_line
from fleetlab.world.deployment import DeployError
from fleetlab.world.memory import CannotCopy
from fleetlab.world import routing
from fleetlab.world.pool import Pool
from fleetlab.world.world import World

from .history import History
from .verdict import FAILED, NEVER_FINISHED, NOT_ATTEMPTED, RAISED


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was wrong with one run: an outcome, an id, a sentence."""

    outcome: str
    id: str
    sentence: str


class Stage:
    """Everything that runs of one check share: stores and clients are reused, worlds and apps are not."""

    def __init__(self, scenario: Any, answer: Any) -> None:
        self.scenario = scenario
        self.answer = answer
        self.pool = Pool()
        routing.remember()

    def run(self, schedule: Choices, *, trace: bool = False) -> Wrong | None:
        """Run the scenario once and return what was wrong, or None."""
        return self.play(schedule, trace=trace)[1]

    def play(self, schedule: Choices, *, trace: bool = False) -> tuple[History, Wrong | None]:
        """Run the scenario once; return its history too."""
        world = World(0, schedule=schedule, trace=trace, pool=self.pool)
        history = History(world)
        try:
            with _quiet():
                wrong = self._play(world, history)
                if wrong is None:
                    history.deviated = bool(schedule.forced)
                    history.faults = {kind: 1 for _, kind in schedule.made if kind and kind != PREEMPTION}
                    wrong = self._judge(history)
            return history, wrong
        finally:
            world.close()

    def _play(self, world: World, history: History) -> Wrong | None:
        try:
            history.result = world.sim.run(until=world.sim.spawn(self.scenario.f, world, self.answer, name="scenario"))
        except Abandoned:
            raise
        except (DeployError, CannotCopy) as error:
            return Wrong(RAISED, "NOT-DEPLOYED", str(error))
        except (Deadlock, Runaway) as error:
            return Wrong(NEVER_FINISHED, "NEVER-FINISHED", str(error))
        except Exception as error:
            return raised(world, error)
        return None

    def _judge(self, history: History) -> Wrong | None:
        if not history.deviated:
            for instance in history.world.instances:
                for _, error in instance.errors:
                    if is_mistake(error):
                        return raised(history.world, error)
        for invariant in self.scenario.invariants:
            found = invariant.holds(history)
            if found:
                return Wrong(FAILED, invariant.id, found if isinstance(found, str) else invariant.sentence)
        return None


def raised(world: World, error: BaseException) -> Wrong:
    """Return what an error of the answer comes to: which one, at which line, where and when."""
    for instance in world.instances:
        for time, cause in instance.errors:
            if isinstance(cause, NotImplementedError):
                return Wrong(NOT_ATTEMPTED, "NOT-ATTEMPTED", "The answer still says that it is not implemented.")
            return Wrong(RAISED, "RAISED", located(cause, f" in {instance.name} at {clock(time)}"))
    return Wrong(RAISED, "RAISED", located(error, ""))


def is_mistake(error: BaseException) -> bool:
    """Tell whether an error is a slip in the code, and not something that the world did to it."""
    library = type(error).__module__.split(".")[0]
    return not isinstance(error, OSError) and library not in ("redis", "sqlalchemy", "httpx", "jwt", "werkzeug")


def located(error: BaseException, place: str) -> str:
    """Return an error with the learner's line that raised it."""
    line = ""
    trace = error.__traceback__
    while trace is not None:
        if learner_frame(trace.tb_frame) is trace.tb_frame:
            line = f", line {source_line(trace.tb_frame.f_code, trace.tb_lineno)}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}{line}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow what the answer prints: a thousand runs would print it a thousand times."""
    with contextlib.redirect_stdout(_Sink()), contextlib.redirect_stderr(_Sink()):
        yield


class _Sink(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


Play = Callable[[Choices], Wrong | None]
