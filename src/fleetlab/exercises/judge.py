"""Judges one answer to one exercise: scenario after scenario, up to the first failure."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from fleetlab.sim.choices import Nondeterminism

from .answer import unwritten
from .interrupt import Interrupt
from .progress import Progress
from .repeat import likely
from .search import Finding, ticket
from .shield import Shield
from .stage import Stage
from .verdict import NOT_ATTEMPTED, PASSED, RAISED, Verdict
from .wording import told

if TYPE_CHECKING:
    from .exercise import Exercise, Scenario


class Judge:
    """One check: an exercise, an answer, and what is known about both at the end."""

    def __init__(self, exercise: Exercise, answer: Any, progress: Progress | None = None) -> None:
        self.exercise = exercise
        self.answer = answer
        self.progress = progress
        self._interrupt = Interrupt()

    def verdict(self) -> Verdict:
        """Return the verdict; raises KeyboardInterrupt where somebody pressed Ctrl-C, and nothing else."""
        key, prefix = self.exercise.key, self.exercise.prefix
        if unwritten(self.answer):
            return Verdict(key, NOT_ATTEMPTED, "", "There is no answer yet: fill in the cell above.")
        complaint = self.exercise.complaint(self.answer)
        if complaint:
            return Verdict(key, RAISED, f"{prefix}-NOT-DEPLOYED", complaint)
        with self._interrupt, Shield() as shield:
            return self._all(shield)

    def _all(self, shield: Shield) -> Verdict:
        found: list[tuple[Scenario, Finding]] = []
        for number, scenario in enumerate(self.exercise.scenarios):
            stage = Stage(scenario, self.answer, shield, self._interrupt)
            try:
                finding = scenario.strategy.search(stage, self._tick)
            except Nondeterminism as error:
                return self._unrepeatable(scenario, error)
            except Exception as error:  # an answer that changes libraries can break the check itself
                return self._broken(scenario, error)
            finally:
                stage.pool.close()
                gc.collect(1)  # its worlds are cycles, and a run collects what is younger alone
            if finding.wrong is not None:
                return self._failed(number, scenario, finding)
            found.append((scenario, finding))
        return self._passed(found)

    def _tick(self, runs: int) -> None:
        self._interrupt.raise_if_pressed()
        if self.progress is not None:
            self.progress.step()

    def _unrepeatable(self, scenario: Scenario, error: Nondeterminism) -> Verdict:
        sentence = "The same schedule, run twice, did not come out the same."
        lines = [f"In «{scenario.name}»: {error}", likely(self.answer)]
        return Verdict(self.exercise.key, RAISED, f"{self.exercise.prefix}-NONDETERMINISM", sentence, lines)

    def _broken(self, scenario: Scenario, error: Exception) -> Verdict:
        sentence = f"The check itself broke while your code ran: {told(error)}. Does it change a library, or Python?"
        verdict = Verdict(self.exercise.key, RAISED, f"{self.exercise.prefix}-BROKEN", sentence)
        verdict.lines, verdict.error = [f"In «{scenario.name}»."], error
        return verdict

    def _failed(self, number: int, scenario: Scenario, finding: Finding) -> Verdict:
        wrong = finding.wrong
        assert wrong is not None
        verdict = Verdict(self.exercise.key, wrong.outcome, "", wrong.sentence)
        if wrong.outcome == NOT_ATTEMPTED:
            return verdict
        verdict.id, verdict.schedules = f"{self.exercise.prefix}-{wrong.id}", finding.runs
        verdict.bound, verdict.token = scenario.strategy.bound, ticket(self.exercise.key, number, finding.deviations)
        verdict.lines = [f"{finding.how}, in «{scenario.name}».", *([finding.cause] if finding.cause else [])]
        verdict.lines.append(f'{self._name()}.replay("{verdict.token}", {self._answer()}) shows this run again.')
        self._draw(verdict, finding)
        return verdict

    def _draw(self, verdict: Verdict, finding: Finding) -> None:
        if finding.trace is None or not len(finding.trace):
            return
        subtitle = finding.cause or f"{finding.how} \u00b7 {verdict.token}"
        verdict.trace = finding.trace.highlight(finding.trace.marked, verdict.sentence, subtitle)
        if finding.neighbour is not None:
            verdict.neighbour = finding.neighbour.highlight((), finding.less)

    def _passed(self, found: list[tuple[Scenario, Finding]]) -> Verdict:
        lines = []
        for scenario, finding in found:
            lines.append(f"«{scenario.name}»: {finding.covered}.")
            held = scenario.strategy.held(finding.runs)
            lines += [f"{invariant.sentence}: {held}." for invariant in scenario.invariants]
        runs = sum(finding.runs for _, finding in found)
        bounds = dict.fromkeys(scenario.strategy.bound for scenario, _ in found)
        return Verdict(self.exercise.key, PASSED, "", "", lines, schedules=runs, bound="; ".join(bounds))

    # -- names that a learner can copy

    def _name(self) -> str:
        """Return the exercise as a lab calls it, `sessions.shared_cart`."""
        module = self.exercise.scenarios[0].f.__module__.split(".")
        name = self.exercise.key.split(".")[-1]
        return f"{module[2]}.{name}" if module[:2] == ["fleetlab", "exercises"] and len(module) > 2 else name

    def _answer(self) -> str:
        name = getattr(self.answer, "__name__", "")
        return name if isinstance(name, str) and name.isidentifier() else "your_answer"
