"""What a check comes to: five outcomes told apart, and how each reads."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from fleetlab.sim import Trace

from . import progress

MIME = "application/vnd.fleetlab.check+json"

NOT_ATTEMPTED = "not attempted"
PASSED = "passed"
FAILED = "failed"
RAISED = "your code raised"
NEVER_FINISHED = "never finished"

_SIDE_BY_SIDE = 4
"""Up to so many lanes two pictures are legible beside each other, without their source lines."""


@dataclass(slots=True)
class Verdict:
    """The outcome of one check.

    `id` is the stable name of the harm; `sentence` says what was lost for whom; `lines` give counts, bounds, cause
    and replay token, one fact each; `trace` is the failing run, `neighbour` a passing one close to it, and `error`
    what broke the check itself.
    """

    exercise: str
    outcome: str
    id: str = ""
    sentence: str = ""
    lines: list[str] = field(default_factory=list)
    token: str = ""
    schedules: int = 0
    bound: str = ""
    trace: Trace | None = None
    neighbour: Trace | None = None
    error: Exception | None = None

    @property
    def headline(self) -> str:
        """Exercise, outcome and id on one line."""
        return f"{self.exercise}: {self.outcome}" + (f" [{self.id}]" if self.id else "")

    def __str__(self) -> str:
        lines = [f"  {line}" for line in self.lines]
        return "\n".join([self.headline, *([self.sentence] if self.sentence else []), *lines])

    __repr__ = __str__

    def data(self) -> dict[str, Any]:
        """Return the verdict for programs; no seconds, so that it is the same on every machine."""
        names = ("exercise", "outcome", "id", "sentence", "schedules", "bound", "token")
        return {name: getattr(self, name) for name in names}

    def bundle(self) -> dict[str, Any]:
        """Return the verdict in each form that a notebook can show: text, HTML with pictures, data."""
        return {"text/plain": str(self), "text/html": self.to_html(), MIME: self.data()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.bundle()

    def to_html(self) -> str:
        """Return the verdict as HTML: text in the page's own colours, and pictures on paper of their own."""
        mark = "\u2713" if self.outcome == PASSED else "\u2717"
        code = f" <code>{html.escape(self.id)}</code>" if self.id else ""
        parts = [f"<p><b>{mark} {html.escape(f'{self.exercise}: {self.outcome}')}</b>{code}</p>"]
        if self.sentence:
            parts.append(f"<p>{html.escape(self.sentence)}</p>")
        if self.lines:
            parts.append("<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in self.lines) + "</ul>")
        return "".join([*parts, *self._pictures()])

    def _pictures(self) -> list[str]:
        """Return the failing run, beside the passing one where both fit."""
        if self.trace is None:
            return []
        try:
            if self.neighbour is not None and len(self.trace.lanes) <= _SIDE_BY_SIDE:
                from fleetlab.show import compare

                return [compare(self.trace, self.neighbour)._repr_html_()]
            traces = [self.trace, *([self.neighbour] if self.neighbour is not None else [])]
            return [trace._repr_html_() or "" for trace in traces]
        except Exception as error:  # an answer can put anything into a trace; the verdict must be told all the same
            return [f"<p>(There is no picture: {html.escape(type(error).__name__)}.)</p>"]


class CheckFailed(Exception):
    """A check came to anything but "passed"; its text is the verdict's."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict

    @property
    def id(self) -> str:
        """The stable name of the harm, such as S09-LOST-ITEM."""
        return self.verdict.id

    def _render_traceback_(self) -> list[str]:
        # In a notebook the verdict stands above already; a terminal has nothing else.
        return [f"CheckFailed: {self.verdict.headline if progress.in_notebook() else self}"]


class CheckStopped(KeyboardInterrupt):
    """Ctrl-C ended a check: there is no verdict, and nothing is left behind."""

    def _render_traceback_(self) -> list[str]:
        return [f"CheckStopped: {self}"]


def plainly(error: Exception) -> Exception:
    """Return an error that a notebook shows without its stack: type and sentence."""
    error._render_traceback_ = lambda: [f"{type(error).__name__}: {error}"]  # type: ignore[attr-defined]
    return error


def publish(verdict: Verdict, handle: Any = None) -> None:
    """Show a verdict where the check was called: with pictures in a notebook, as text elsewhere.

    `handle` is the place of a progress line, which the verdict takes. A failure's text is its exception's: it is not
    printed twice.
    """
    if progress.in_notebook():
        progress.show(verdict.bundle(), handle)
    elif verdict.outcome == PASSED:
        print(verdict)
