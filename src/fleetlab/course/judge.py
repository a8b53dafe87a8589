"""Runs a lab in a clean kernel and gathers what its checks come to."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from .cells import first_line, needed
from .kernel import Kernel, Ran
from .labs import Cell, Lab, Notebook, answer_of, check_of, is_code, source

MIME = "application/vnd.fleetlab.check+json"
PASSED, NEVER_FINISHED, NOT_REACHED = "passed", "never finished", "not reached"
SECONDS_A_CELL = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """One exercise: the verdict of its check, and the real seconds that the check cell took.

    `outcome` is one of the check's five, or "not reached" where the notebook never came to it.
    """

    exercise: str
    outcome: str
    id: str = ""
    sentence: str = ""
    schedules: int = 0
    bound: str = ""
    token: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Say whether the check passed."""
        return self.outcome == PASSED

    def data(self) -> dict[str, Any]:
        """Return the result for programs."""
        return asdict(self)


def result(verdict: dict[str, Any], seconds: float) -> Result:
    """Return the result that a published verdict stands for."""
    texts = {name: str(verdict.get(name, "")) for name in ("exercise", "outcome", "id", "sentence", "bound", "token")}
    schedules = verdict.get("schedules", 0)
    return Result(**texts, schedules=schedules if isinstance(schedules, int) else 0, seconds=round(seconds, 2))


def verdicts(ran: Ran) -> list[dict[str, Any]]:
    """Return the verdicts among a cell's outputs."""
    found = [output.get("data", {}).get(MIME) for output in ran.outputs]
    return [verdict for verdict in found if isinstance(verdict, dict)]


class Judge:
    """One run through a lab; `only` limits it to some exercises, and to the cells that those need."""

    def __init__(
        self, lab: Lab, notebook: Notebook, only: Collection[str] | None = None, seconds: float = SECONDS_A_CELL
    ) -> None:
        self.lab = lab
        self.cells: list[Cell] = [cell for cell in notebook["cells"] if is_code(cell) and source(cell).strip()]
        self.wanted = [name for name in lab.exercises(notebook) if only is None or name in only]
        self.everything = only is None
        self.seconds = seconds
        self._ran: dict[int, Ran] = {}
        self._elsewhere: dict[str, Result] = {}

    def results(self, kernel: Kernel) -> Iterator[Result]:
        """Run the cells and yield each exercise's result as soon as it is known."""
        told = set()
        for number in self.plan():
            if kernel.lost:
                break
            ran = self._ran[number] = kernel.run(source(self.cells[number]), self.seconds)
            found = self.heard(number, ran)
            name = check_of(self.cells[number])
            if name and name not in told:
                told.add(name)
                yield found.get(self.lab.key(name)) or self._missed(name, number)
            elif not name:
                self._elsewhere.update(found)
        for name in self.wanted:
            if name not in told:
                yield self._elsewhere.get(self.lab.key(name)) or self._missed(name, None)

    def heard(self, number: int, ran: Ran) -> dict[str, Result]:
        """Return the results that a cell published, by their exercises' keys."""
        return {str(verdict.get("exercise")): result(verdict, ran.seconds) for verdict in verdicts(ran)}

    def plan(self) -> list[int]:
        """Return which cells to run, in order: other exercises' checks are left out, and answers that nobody needs."""
        checks = [check_of(cell) for cell in self.cells]
        numbers = [n for n, name in enumerate(checks) if not name or name in self.wanted]
        if self.everything:
            return numbers
        required = {n for name in self.wanted for n in self.depends(name)}
        return [n for n in numbers if n in required]

    def depends(self, name: str) -> list[int]:
        """Return the cells that an exercise's check depends on, its own included; none if it has no check cell."""
        last = next((n for n, cell in enumerate(self.cells) if check_of(cell) == name), None)
        if last is None:
            return []
        sources = [source(cell) if not check_of(cell) or n == last else "" for n, cell in enumerate(self.cells)]
        others = [n for n, cell in enumerate(self.cells) if check_of(cell) or answer_of(cell) not in ("", name)]
        return [n for n in needed(sources, last, others) if sources[n]]

    def fingerprint(self, name: str) -> tuple[str, ...]:
        """Return the code that an exercise's verdict depends on: equal code, equal verdict."""
        return tuple(source(self.cells[n]) for n in self.depends(name))

    def _missed(self, name: str, number: int | None) -> Result:
        """Return why an exercise has no verdict."""
        key = self.lab.key(name)
        if number is not None and self._ran[number].timed_out:
            return Result(key, NEVER_FINISHED, sentence=f"The check did not end within {self.seconds:g} s.")
        if not any(check_of(cell) == name for cell in self.cells):
            again = f"`fleetlab reset {self.lab.name}.{name}` brings it back"
            return Result(key, NOT_REACHED, sentence=f"The lab has no check cell for it any more; {again}.")
        missed = Result(key, NOT_REACHED, seconds=round(self._ran[number].seconds, 2) if number is not None else 0.0)
        return replace(missed, sentence=self._why(name, number))

    def _why(self, name: str, number: int | None) -> str:
        stopped = [n for n, ran in self._ran.items() if ran.timed_out]
        broken = [n for n in self.depends(name) if n != number and n in self._ran and self._ran[n].failed]
        if number is None and self._ran:  # the kernel is gone
            last = max(self._ran)
            return self._ending(stopped[-1] if stopped else last, "The check was not reached")
        if broken:
            return self._ending(broken[0], "The check was not reached")
        if number is not None and self._ran[number].failed:
            return self._ending(number, "There is no verdict")
        return "The check cell ran, and checked something else."

    def _ending(self, number: int, head: str) -> str:
        line, ran = first_line(source(self.cells[number])), self._ran[number]
        if ran.timed_out:
            return f"{head}: the cell «{line}» did not end within {self.seconds:g} s."
        return f"{head}: the cell «{line}» ended in {ran.error.rstrip('.')}."
