"""Rules on a notebook's anatomy: its opening, its rhythm, its ending."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..folder import lessons
from ..map import number
from .book import Book, Cell
from .rules import rule

SETUP_CAP = 5
WORDS_BEFORE_RUN = 200


@rule("lesson", "lab", "solution")
def one_title(book: Book) -> Iterator[str]:
    """One H1, in the first cell."""
    titles = [cell.number for cell in book.prose if re.search(r"^# \S", _plain(cell.source), re.MULTILINE)]
    if titles != [1]:
        yield f"one title (# …) stands in cell 1; here they stand in {titles or 'none'}."


@rule("lesson", "lab", "solution")
def minutes_and_needs(book: Book) -> Iterator[str]:
    """The reader is told how long it takes and what comes before."""
    if not re.search(r"\b\d+ min\b[^\n]*\bneeds\b|\b\d+ min\b[^\n]*\bfirst\b", _opening(book)):
        yield "the opening has no line like «25 min · needs 02»."


@rule("lesson")
def you_will(book: Book) -> Iterator[str]:
    """Three bullets say what the learner will do."""
    found = re.search(r"^You will[^\n]*\n+((?:[-*] [^\n]+\n?)+)", _opening(book), re.MULTILINE)
    if not found or len(re.findall(r"^[-*] ", found[1], re.MULTILINE)) != 3:
        yield "the opening has no «You will» with three bullets."


@rule("lesson")
def short_set_up(book: Book) -> Iterator[str]:
    """The first code cell is a set-up of at most five lines, without pip."""
    found = book.code[0].lines if book.code else []
    if len(found) > SETUP_CAP:
        yield f"the set-up cell has {len(found)} lines; {SETUP_CAP} are enough."
    if any("pip install" in line for line in found):
        yield "the set-up cell installs something."


@rule("lesson")
def place_on_the_map(book: Book) -> Iterator[str]:
    """The set-up cell ends with the lesson's place in the course."""
    place = f'course_map("{number(Path(book.path).stem)}")'
    if place not in (book.code[0].lines[-1:] if book.code else []):
        yield f"the set-up cell does not end with {place}."


@rule("lesson")
def something_runs_early(book: Book) -> Iterator[str]:
    """Something real runs within 200 words; the map in the set-up cell is not it."""
    words = 0
    for cell in book.cells:
        words += cell.words if cell.kind == "markdown" else 0
        if cell.kind == "code" and any(cell.outputs) and cell is not book.code[0]:
            if words > WORDS_BEFORE_RUN:
                yield f"{words} words come before the first output; {WORDS_BEFORE_RUN} are the limit."
            return
    yield "no cell prints anything."


@rule("lesson")
def predictions(book: Book) -> Iterator[str]:
    """The learner predicts before at least two breaks, and each prediction is followed by a run."""
    asked = [cell for cell in book.cells if _asks(cell)]
    if len(asked) < 2:
        yield f"{len(asked)} predictions are asked for; at least two are needed."
    for cell in asked:
        if not any(later.kind == "code" and later.outputs for later in book.cells[cell.number - 1 : cell.number + 3]):
            yield f"no run follows the prediction in cell {cell.number}."


@rule("lesson")
def ending(book: Book) -> Iterator[str]:
    """Recap in three bullets, three to five questions with folded answers, links to the lab and the next lesson."""
    text, name = "\n".join(cell.source for cell in book.prose), Path(book.path).name
    recap = re.search(r"^#+ (?:Recap|In short)[^\n]*\n+((?:(?:[-*] |  )[^\n]+\n?)+)", text, re.MULTILINE)
    if not recap or len(re.findall(r"^[-*] ", recap[1], re.MULTILINE)) != 3:
        yield "the recap has not three bullets."
    folded = text.count("<details>")
    if not 3 <= folded <= 5:
        yield f"{folded} questions have folded answers; three to five are wanted."
    if f"](../labs/{name})" not in text and (book.root / "labs" / name).exists():
        yield "there is no link to the lab."
    following = _following(book, name)
    if following and f"]({following})" not in book.prose[-1].source:
        yield f"the last cell has no link to the next lesson, {following}."


@rule("lesson")
def in_production(book: Book) -> Iterator[str]:
    """A section says which real services do the job."""
    if not any(re.search(r"^#+ In production", cell.source, re.MULTILINE) for cell in book.prose):
        yield "there is no section «In production»."


def _following(book: Book, name: str) -> str:
    """Return the lesson that comes next, or nothing: at the end, and where the text names one that is yet to come."""
    names = [f"{one}.ipynb" for one in lessons(book.root)]
    later = names[names.index(name) + 1 :] if name in names else []
    promised = re.findall(r"\b\d\d_(?:\d_)?[a-z]\w+", book.prose[-1].source) if book.prose else []
    waiting = any(f"{one}.ipynb" not in names for one in promised)
    return "" if waiting or not later else later[0]


def _plain(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def _opening(book: Book) -> str:
    first = book.code[0].number if book.code else len(book.cells) + 1
    return "\n\n".join(cell.source for cell in book.cells[: first - 1])


def _asks(cell: Cell) -> bool:
    return bool(re.search(r"\*\*Predict", cell.source)) or "predict(" in cell.source
