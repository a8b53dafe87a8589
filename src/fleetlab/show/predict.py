"""Predictions: a learner says what will happen before it does, and sees both afterwards."""

from __future__ import annotations

from typing import Any, ClassVar

from .charts import number
from .front import Panel
from .measure import escape, plain

NOTHING = "—"
"""What stands for an answer that nobody gave."""


class Prediction(Panel):
    """A question asked before a run; `said` is the learner's answer, fixed once it is revealed what happened."""

    latest: ClassVar[Prediction | None] = None

    def __init__(self, question: str, answer: object = None) -> None:
        self.question = plain(question)
        self.said = NOTHING if answer is None else _words(answer)
        self.committed = False
        Prediction.latest = self

    def commit(self, answer: object = None) -> None:
        """Fix the answer, by default the one that stands in the field; a second call changes nothing."""
        if self.committed:
            return
        if answer is not None:
            self.said = _words(answer)
        elif self._widget is not None:
            self.said = _words(self._field.value)
        self.committed = True
        if self._widget is not None:
            self._lock()

    def reveal(self, actual: object) -> Revealed:
        """Return what was said beside what is, and fix the former."""
        self.commit()
        return Revealed(self.question, self.said, _words(actual))

    def text(self) -> str:
        """Return the question, and the answer if there is one."""
        return f"Predict: {self.question}" + ("" if self.said == NOTHING else f" You say {self.said}.")

    def html(self) -> str:
        """Return the question, and the answer if there is one, as a paragraph."""
        said = "" if self.said == NOTHING else f" You say <b>{escape(self.said)}</b>."
        return f"<p><b>Predict:</b> {escape(self.question)}{said}</p>"

    # -- for whoever can type

    def build(self) -> Any:
        """Make a field and a button that fixes what stands in it."""
        from ipywidgets import HTML, Button, HBox, Layout, Text, VBox

        empty = "" if self.said == NOTHING else self.said
        self._field = Text(empty, description="I say", placeholder="your answer", layout=Layout(width="16em"))
        self._button = Button(description="Commit", tooltip="Fix my answer: it cannot be changed afterwards")
        self._told = HTML()
        self._button.on_click(self._press)
        row = HBox([self._field, self._button, self._told])
        widget = VBox([HTML(f"<b>Predict:</b> {escape(self.question)}"), row])
        if self.committed:
            self._lock()
        return widget

    def _press(self, _: object) -> None:
        if self._field.value.strip():
            self.commit()

    def _lock(self) -> None:
        self._field.disabled = self._button.disabled = True
        said = escape(self.said)
        self._told.value = f'<span role="status">You said <b>{said}</b>. Now run on.</span>' if said != NOTHING else ""


class Revealed(Panel):
    """A prediction and what happened, side by side."""

    def __init__(self, question: str, said: str, actual: str) -> None:
        self.question, self.said, self.actual = question, said, actual

    @property
    def right(self) -> bool:
        """Whether the learner said what happened: numbers as numbers, anything else without regard to case."""
        return _value(self.said) == _value(self.actual)

    def text(self) -> str:
        """Return both answers on one line."""
        return f"{self.question} You said {self.said}, it is {self.actual}."

    def html(self) -> str:
        """Return both answers as a small table."""
        sign = "" if self.said == NOTHING else f"<td>{'✓ as you said' if self.right else '≠ look why'}</td>"
        head = "<tr><th>you said</th><th>it is</th></tr>"
        cells = f"<td>{escape(self.said)}</td><td><b>{escape(self.actual)}</b></td>{sign}"
        return f"<p><b>Predict:</b> {escape(self.question)}</p><table>{head}<tr>{cells}</tr></table>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text(), "text/html": self.html()}


def predict(question: str, answer: object = None) -> Prediction:
    """Ask for a prediction; `answer` is for whoever types it into the cell instead of into the field."""
    return Prediction(question, answer)


def reveal(actual: object) -> Revealed:
    """Show what happened beside the latest prediction. Raises ValueError where none was asked for."""
    if Prediction.latest is None:
        raise ValueError('There is no prediction yet: ask with predict("How many …?") before the run.')
    return Prediction.latest.reveal(actual)


def _words(value: object) -> str:
    """Return an answer as it is shown; `number` alone would tell 1 from True only by type."""
    return plain(number(value)).strip() or NOTHING


def _value(text: str) -> float | str:
    try:
        return float(text.replace(",", "").removesuffix("%"))
    except ValueError:
        return text.casefold().rstrip(".")
