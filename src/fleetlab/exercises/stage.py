"""Runs one scenario once, in a fresh world, under one schedule, and says what was wrong."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from fleetlab.show.recorder import recorded
from fleetlab.sim import Deadlock, Runaway, Schedule
from fleetlab.sim.choices import PREEMPTION, Nondeterminism
from fleetlab.world.deployment import DeployError
from fleetlab.world.memory import CannotCopy
from fleetlab.world.pool import Pool
from fleetlab.world.world import World

from . import blame, standstill
from .blame import Wrong
from .history import History
from .interrupt import Interrupt
from .shield import Shield
from .verdict import FAILED, RAISED
from .wording import clean


class Stuck(Exception):
    """A run in which code took no step and was interrupted: it is not worth running again."""

    def __init__(self, wrong: Wrong, schedule: Schedule | None) -> None:
        super().__init__(wrong.sentence)
        self.wrong = wrong
        self.schedule = schedule


EVENTS, HORIZON = 100_000, 60 * 86400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take: turns of the simulation (`events`), and virtual seconds (`horizon`)."""

    events: int = EVENTS
    horizon: float = HORIZON


class Stage:
    """Everything that runs of one check share: stores and clients are reused, worlds and apps are not."""

    def __init__(
        self, scenario: Any, answer: Any, shield: Shield | None = None, interrupt: Interrupt | None = None
    ) -> None:
        self.scenario = scenario
        self.answer = answer
        self.pool = Pool()
        self.shield = shield or Shield()
        self.interrupt = interrupt or Interrupt()

    def run(self, schedule: Schedule | None = None, *, seed: int = 0) -> Wrong | None:
        """Run the scenario once and return what was wrong, or None; raises `Stuck` for code that takes no step."""
        _, wrong = self.play(schedule, seed=seed)
        if wrong is not None and wrong.stuck:
            raise Stuck(wrong, schedule)
        return wrong

    def play(
        self, schedule: Schedule | None = None, *, trace: bool = False, seed: int = 0
    ) -> tuple[History, Wrong | None]:
        """Run the scenario once, without a schedule in the order of a seed; return its history too."""
        world = World(seed, schedule=schedule, trace=trace, pool=self.pool)
        limits = getattr(self.scenario, "limits", Limits())
        world.sim.max_steps, world.sim.horizon = limits.events, limits.horizon
        history = History(world)
        with self.shield.restored():
            try:
                # For whoever scrubs through a run that is shown; runs by seed are long, and made for curves.
                with recorded(world) if trace and schedule is not None else nullcontext():
                    wrong = self._play(world, history, schedule)
                wrong = wrong or self._judge(history)
            finally:
                world.close()
        return history, wrong

    def _play(self, world: World, history: History, schedule: Schedule | None) -> Wrong | None:
        try:
            task = world.sim.spawn(self.scenario.f, world, self.answer, name="scenario")
            history.result = world.sim.run(until=task)
        except Nondeterminism:
            raise
        except (DeployError, CannotCopy) as error:
            return self._not_deployed(error)
        except (Deadlock, Runaway) as error:
            return standstill.ended(history, error)
        except Exception as error:
            return blame.scenario_stopped(history, error)
        except KeyboardInterrupt as error:
            if self.interrupt.pressed or not self.interrupt.watching:
                raise
            return blame.scenario_stopped(history, error)
        finally:
            history.faults = _faults(schedule)
            history.deviated = any(kind for _, kind in getattr(schedule, "made", ()))
        return None

    def _not_deployed(self, error: Exception) -> Wrong:
        if "raised NotImplementedError" in str(error):
            return blame.unfinished()
        return Wrong(RAISED, "NOT-DEPLOYED", clean(str(error), 2000))

    def _judge(self, history: History) -> Wrong | None:
        slip = None if history.deviated else blame.slip(history) or blame.silence(history)
        wrong = slip or standstill.found(history) or self._broken(history)
        if wrong is None and not history.faults:
            return blame.bug(history)
        return wrong

    def _broken(self, history: History) -> Wrong | None:
        """Return the first invariant that does not hold."""
        for invariant in self.scenario.invariants:
            try:
                found = invariant.holds(history)
            except Exception as error:
                return blame.unreadable(history, invariant.sentence, error)
            if found:
                sentence = found if isinstance(found, str) else f"This does not hold: {invariant.sentence}."
                return Wrong(FAILED, invariant.id, clean(sentence))
        return None


def _faults(schedule: Schedule | None) -> dict[str, int]:
    """Return how many faults of each kind a schedule has made, without preemptions and free choices."""
    counts: dict[str, int] = {}
    for _, kind in getattr(schedule, "made", ()):
        if kind and kind != PREEMPTION:
            counts[kind] = counts.get(kind, 0) + 1
    return counts


__all__ = ["EVENTS", "HORIZON", "Limits", "Stage", "Stuck", "Wrong"]
