"""The rules, one function each: a book in, sentences out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..map import number
from .book import Book, Cell

CAP = 20
FACTORY_CAP = 25
SETUP_CAP = 5
WORDS_BEFORE_RUN = 200
LARGEST = 300_000
LARGEST_OUTPUT = 120_000
TAG_KINDS = "practice exercise solution answer app lab predict setup nbval-skip raises-exception".split()

Rule = Callable[[Book], Iterable[str]]
RULES: dict[str, tuple[tuple[str, ...], Rule]] = {}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with which notebook, by which rule."""

    path: str
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence} [{self.rule}]"


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register a rule for these kinds of notebook, under its function's name."""

    def add(check: Rule) -> Rule:
        RULES[check.__name__.replace("_", "-")] = (kinds, check)
        return check

    return add


def complaints(book: Book) -> Iterator[Complaint]:
    """Yield what is wrong with one notebook, rule by rule."""
    for name, (kinds, check) in RULES.items():
        if book.kind in kinds:
            for sentence in check(book):
                yield Complaint(book.path, name, sentence)


# -- anatomy


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
    lines = _lines(book.code[0]) if book.code else []
    if len(lines) > SETUP_CAP:
        yield f"the set-up cell has {len(lines)} lines; {SETUP_CAP} are enough."
    if any("pip install" in line for line in lines):
        yield "the set-up cell installs something."


@rule("lesson")
def place_on_the_map(book: Book) -> Iterator[str]:
    """The set-up cell ends with the lesson's place in the course."""
    place = f'course_map("{number(Path(book.path).stem)}")'
    if place not in (_lines(book.code[0])[-1:] if book.code else []):
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
    text = "\n".join(cell.source for cell in book.prose)
    recap = re.search(r"^#+ (?:Recap|In short)[^\n]*\n+((?:(?:[-*] |  )[^\n]+\n?)+)", text, re.MULTILINE)
    if not recap or len(re.findall(r"^[-*] ", recap[1], re.MULTILINE)) != 3:
        yield "the recap has not three bullets."
    folded = text.count("<details>")
    if not 3 <= folded <= 5:
        yield f"{folded} questions have folded answers; three to five are wanted."
    if "../labs/" not in text and (book.root / "labs" / book.path.split("/")[-1]).exists():
        yield "there is no link to the lab."


@rule("lesson")
def in_production(book: Book) -> Iterator[str]:
    """A section says which real services do the job."""
    if not any(re.search(r"^#+ In production", cell.source, re.MULTILINE) for cell in book.prose):
        yield "there is no section «In production»."


# -- cells


@rule("lesson", "lab", "solution")
def short_cells(book: Book) -> Iterator[str]:
    """A code cell has at most 20 lines, an app factory 25; answers of solutions may be longer."""
    for cell in book.code:
        lines, cap = _lines(cell), FACTORY_CAP if "(env" in cell.source else CAP
        if len(lines) > cap and not any(tag.startswith(("solution:", "answer:")) for tag in cell.tags):
            yield f"cell {cell.number} has {len(lines)} lines; {cap} are the limit."


@rule("lesson", "lab", "solution")
def known_tags(book: Book) -> Iterator[str]:
    """Every tag is of a known kind."""
    for cell in book.cells:
        for tag in cell.tags:
            if tag.split(":")[0] not in TAG_KINDS:
                yield f"cell {cell.number} has the unknown tag {tag!r}."


@rule("lesson", "solution")
def no_unexecuted_cell(book: Book) -> Iterator[str]:
    """nbval passes a cell silently that was never run."""
    for cell in book.code:
        if not cell.executed:
            yield f"cell {cell.number} was never run."


@rule("lab")
def no_outputs(book: Book) -> Iterator[str]:
    """A lab is handed out without outputs."""
    for cell in book.code:
        if cell.outputs:
            yield f"cell {cell.number} holds an output."


@rule("lesson", "lab", "solution")
def no_stray_marker(book: Book) -> Iterator[str]:
    """Markers of the authored source do not reach a notebook."""
    for cell in book.cells:
        if re.search(r"# </?(solution|stub)>", cell.source):
            yield f"cell {cell.number} shows a marker of the source."


@rule("lesson", "lab", "solution")
def small(book: Book) -> Iterator[str]:
    """A notebook stays under 300 kB, one output under 120 kB."""
    if book.size > LARGEST:
        yield f"it has {book.size // 1000} kB; {LARGEST // 1000} are the limit."
    for cell in book.code:
        if cell.size > LARGEST_OUTPUT:
            yield f"the output of cell {cell.number} has {cell.size // 1000} kB."


@rule("lesson", "solution")
def no_error_output(book: Book) -> Iterator[str]:
    """No cell shows a stack."""
    for cell in book.code:
        stack = any("Traceback (most recent call last)" in text for text in cell.outputs)
        if stack and "raises-exception" not in cell.tags:
            yield f"cell {cell.number} shows a traceback."


# -- prose


@rule("lesson")
def numbers_are_printed(book: Book) -> Iterator[str]:
    """Every number that prose quotes from a run is printed by a cell (or stands in one)."""
    known = _numbers(book.printed) | _numbers("\n".join(cell.source for cell in book.code))
    for cell in book.prose[1:]:
        for quoted in sorted(_quoted(cell.source) - known):
            yield f"cell {cell.number} says {quoted}, which no cell prints."


@rule("lesson", "lab", "solution")
def links_are_alive(book: Book) -> Iterator[str]:
    """A link inside the course leads to a file that is there."""
    folder = (book.root / book.path).parent
    for cell in book.prose:
        for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
            if "://" not in target and not (folder / target).exists():
                yield f"cell {cell.number} links to {target}, which is not there."


@rule("lesson")
def lead_ins(book: Book) -> Iterator[str]:
    """Prose does not run over three Markdown cells or 220 words without a cell to run."""
    for one, two in pairwise(book.cells):
        if one.kind == two.kind == "markdown" and one.words + two.words > 420:
            yield f"cells {one.number} and {two.number} are {one.words + two.words} words of prose in a row."


def _plain(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def _opening(book: Book) -> str:
    first = book.code[0].number if book.code else len(book.cells) + 1
    return "\n\n".join(cell.source for cell in book.cells[: first - 1])


def _lines(cell: Cell) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def _asks(cell: Cell) -> bool:
    return bool(re.search(r"\*\*Predict", cell.source)) or "predict(" in cell.source


_WORDS = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve".split(),
        (str(n) for n in range(1, 13)),
        strict=True,
    )
)


def _numbers(text: str) -> set[str]:
    found = set(re.findall(r"\d+(?:[.,]\d+)*", text))
    return {_normal(number) for number in found}


def _quoted(text: str) -> set[str]:
    """Return the numbers of two digits or more, and decimals, that stand in prose outside code, titles and years."""
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"(?<!\*)\*[^*\n]+\*(?!\*)", " ", text)  # titles of sources
    text = re.sub(r"^#.*$|\(?\b(?:19|20)\d\d\b\)?", " ", text, flags=re.MULTILINE)
    text = re.sub(r"\b(?:RFC|HTTP|SHA|HS|lesson|lessons|section|DDIA|E[CS])[ -]?\d[\d_.]*(?: and \d+)?", " ", text)
    found = re.findall(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])", text)
    return {_normal(number) for number in found if len(number) > 1}


def _normal(number: str) -> str:
    return number.replace(",", "").rstrip(".")
