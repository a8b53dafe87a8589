"""What a check comes to: five outcomes told apart, and how each reads."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from typing import Any

from fleetlab.sim import Trace

MIME = "application/vnd.fleetlab.check+json"

NOT_ATTEMPTED = "not attempted"
PASSED = "passed"
FAILED = "failed"
RAISED = "your code raised"
NEVER_FINISHED = "never finished"


@dataclass(slots=True)
class Verdict:
    """The outcome of one check.

    `id` is the stable name of the harm; `sentence` says what was lost for whom; `lines` give counts, bounds, cause
    and replay token, one fact each; `trace` is the failing run and `neighbour` a passing one close to it.
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

    def __str__(self) -> str:
        head = f"{self.exercise}: {self.outcome}" + (f" [{self.id}]" if self.id else "")
        return "\n".join([head, *([self.sentence] if self.sentence else []), *[f"  {line}" for line in self.lines]])

    def data(self) -> dict[str, Any]:
        """Return the verdict for programs; no seconds, so that it is the same on every machine."""
        names = ("exercise", "outcome", "id", "sentence", "schedules", "bound", "token")
        return {name: getattr(self, name) for name in names}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.to_html(), MIME: self.data()}

    def to_html(self) -> str:
        """Return the verdict as HTML: text in the page's own colours, and pictures on paper of their own."""
        mark = "\u2713" if self.outcome == PASSED else "\u2717"
        head = html.escape(f"{mark} {self.exercise}: {self.outcome}")
        code = f" <code>{html.escape(self.id)}</code>" if self.id else ""
        parts = [f"<p><b>{head}</b>{code}</p>"]
        if self.sentence:
            parts.append(f"<p>{html.escape(self.sentence)}</p>")
        if self.lines:
            parts.append("<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in self.lines) + "</ul>")
        return "".join([*parts, *self._pictures()])

    def _pictures(self) -> list[str]:
        pictures = [trace._repr_html_() or "" for trace in (self.trace, self.neighbour) if trace is not None]
        return [picture for picture in pictures if picture]


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
        return [f"CheckFailed: {self}"]


def publish(verdict: Verdict) -> None:
    """Show a verdict where the check was called: as a picture in a notebook, as text elsewhere."""
    try:
        from IPython import get_ipython  # type: ignore[attr-defined]
        from IPython.display import display
    except ImportError:
        get_ipython = lambda: None  # noqa: E731
    if get_ipython() is not None and hasattr(get_ipython(), "kernel"):  # type: ignore[no-untyped-call]
        display(verdict)  # type: ignore[no-untyped-call]
    elif verdict.outcome == PASSED:
        print(verdict)


def to_json(verdict: Verdict) -> str:
    """Return a verdict as one line of JSON."""
    return json.dumps(verdict.data(), ensure_ascii=False)
