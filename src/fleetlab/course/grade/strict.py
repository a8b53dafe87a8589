"""Judges a lab as somebody does who was not there when it was written: a verdict counts only if nobody else made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from ..judge import MIME, Judge, Result, result
from ..kernel import Kernel, Ran
from ..labs import check_of

REFUSED = "refused"
LOUDEST = 10_000_000
"""Bytes that one cell may print: a verdict with its pictures has less than 0.3 MB."""


class Flood(Exception):
    """A cell that prints without end."""


@dataclass(slots=True)
class Heard(Ran):
    """What a cell came to, with every verdict that it published, also those that were replaced afterwards."""

    verdicts: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take in one message of the kernel. Raises Flood if there are too many."""
        self.size += len(str(content))
        if self.size > LOUDEST:
            raise Flood
        found = content.get("data", {}).get(MIME)
        if isinstance(found, dict):
            self.verdicts.append(found)
        Ran.add(self, kind, content)  # by name: a dataclass with slots is another class than the one that super() knows


class LimitedKernel(Kernel):
    """A kernel whose cells share so many real seconds, each at most a quarter of them, and that may not flood."""

    ran = Heard

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__(folder)
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Let the cells to come share so many real seconds."""
        self._deadline = monotonic() + seconds

    def run(self, source: str, seconds: float) -> Ran:
        """Run one cell; one that comes too late does not end in time either."""
        left = self._deadline - monotonic()
        if left <= 0:
            return Heard(timed_out=True)
        try:
            return super().run(source, min(seconds, left))
        except Flood:
            self.lost = True
            return Heard(error=f"more than {LOUDEST // 1_000_000} MB of output")


class StrictJudge(Judge):
    """Hears verdicts from check cells alone, and has each pass confirmed by a control."""

    def heard(self, number: int, ran: Ran) -> dict[str, Result]:
        """Return the check cell's own verdict, or why what was published is not one."""
        name = check_of(self.cells[number])
        found = ran.verdicts if isinstance(ran, Heard) else []
        if not name or not found:
            return {}
        key, verdict = self.lab.key(name), result(found[0], ran.seconds)
        if len(found) > 1:
            return {key: _refused(key, ran, f"The check cell published {len(found)} verdicts; a check has one.")}
        if verdict.exercise != key:
            return {}
        if verdict.passed == ran.failed:
            end = ran.error or ("no end" if ran.timed_out else "no error")
            return {key: _refused(key, ran, f"The verdict «{verdict.outcome}» and the cell's end ({end}) disagree.")}
        return {key: verdict}

    def confirmed(self, kernel: LimitedKernel, controls: Mapping[str, Sequence[str]]) -> list[Result]:
        """Return the results of all exercises; a pass that the stub gets as well is refused."""
        results = list(self.results(kernel))
        kernel.allow(4 * self.seconds)
        return [self._controlled(kernel, found, controls) if found.passed else found for found in results]

    def _controlled(self, kernel: Kernel, found: Result, controls: Mapping[str, Sequence[str]]) -> Result:
        ran = list(self._run(kernel, controls[found.exercise.removeprefix(f"{self.lab.prefix}.")]))
        heard = ran[-1].verdicts if ran and isinstance(ran[-1], Heard) else []
        if len(heard) == 1 and heard[0].get("exercise") == found.exercise and heard[0].get("outcome") != "passed":
            return found
        why = "passes here as well" if heard else "gets no verdict here"
        sentence = f"The stub, which cannot pass, {why}: something in the notebook changes the check."
        return replace(found, outcome=REFUSED, sentence=sentence)

    def _run(self, kernel: Kernel, sources: Sequence[str]) -> Iterator[Ran]:
        for text in sources:
            if kernel.lost:
                return
            yield kernel.run(text, self.seconds)


def _refused(key: str, ran: Ran, sentence: str) -> Result:
    return Result(key, REFUSED, sentence=sentence, seconds=round(ran.seconds, 2))
