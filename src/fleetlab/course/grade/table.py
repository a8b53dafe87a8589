"""The one table that grading comes to: a row an exercise, as CSV and as an HTML page."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from ..judge import PASSED, Result

HEAD = ("learner", "lab", "exercise", "outcome", "failure id", "schedules", "seconds", "note")
_FORMULA = ("=", "+", "-", "@")
_MARKS = {PASSED: "✓", "not attempted": "·", "not handed in": "–", "not reached": "?", "refused": "!"}

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; }
caption { text-align: left; padding-bottom: 0.8rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem; border-bottom: 1px solid #8886; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.outcome, code { white-space: nowrap; }
td.note { max-width: 60ch; overflow-wrap: anywhere; }
tr.passed td.outcome { font-weight: 600; }
""".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One exercise of one learner; `seconds` are real ones that its check took."""

    learner: str
    lab: str
    exercise: str = ""
    outcome: str = ""
    id: str = ""
    schedules: int = 0
    seconds: float = 0.0
    note: str = ""

    def data(self) -> dict[str, Any]:
        """Return the row for programs."""
        return asdict(self)


def row(learner: str, lab: str, found: Result, remarks: Sequence[str] = ()) -> Row:
    """Return the row of a result; what a person should know comes behind what the check says."""
    note = " ".join(filter(None, [found.sentence, *remarks]))
    exercise = found.exercise.partition(".")[2]
    return Row(learner, lab, exercise, found.outcome, found.id, found.schedules, found.seconds, note)


def printable(text: str) -> str:
    """Return a text in one line that steers no terminal and fits into any file: all else as Python would write it."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def as_csv(rows: Sequence[Row]) -> str:
    """Return the table as CSV; no cell of it is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows([_harmless(value) for value in astuple(one)] for one in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_html(rows: Sequence[Row]) -> str:
    """Return the table as one page that needs nothing else."""
    head = "".join(f'<th scope="col">{title}</th>' for title in HEAD)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Grades</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body>\n<table><caption>{summary(rows)}</caption>\n",
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n",
        *(f"{_line(one)}\n" for one in rows),
        "</tbody></table>\n</body></html>\n",
    ]
    return "".join(parts)


def _line(one: Row) -> str:
    mark = _MARKS.get(one.outcome, "✗")
    cells = [
        f'<th scope="row">{_escaped(one.learner)}</th>',
        f"<td>{_escaped(one.lab)}</td><td>{_escaped(one.exercise)}</td>",
        f'<td class="outcome">{mark} {_escaped(one.outcome)}</td><td><code>{_escaped(one.id)}</code></td>',
        f'<td class="number">{one.schedules}</td><td class="number">{one.seconds:.1f}</td>',
        f'<td class="note">{_escaped(one.note)}</td>',
    ]
    return f'<tr class="{"passed" if one.outcome == PASSED else "other"}">{"".join(cells)}</tr>'


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def summary(rows: Sequence[Row]) -> str:
    """Return how many learners there are, and how many exercises are passed."""
    learners, passed = len({one.learner for one in rows}), sum(one.outcome == PASSED for one in rows)
    exercises = sum(bool(one.exercise) for one in rows)
    people = "1 learner" if learners == 1 else f"{learners} learners"
    return f"{people}; {passed} of {exercises} exercises passed."
