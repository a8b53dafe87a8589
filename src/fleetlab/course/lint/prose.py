"""Rules on prose: its numbers, its links, its spelling, its length."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

from .book import Book
from .rules import rule

MOST_WORDS = 420


@rule("lesson")
def numbers_are_printed(book: Book) -> Iterator[str]:
    """Every number that prose quotes from a run is printed by a cell, or is one that a cell's code sets."""
    code = "\n".join(cell.source for cell in book.code)
    known = _numbers(book.printed) | _numbers(code) | _scaled(code)
    for cell in book.prose[1:]:
        for quoted in sorted(_quoted(cell.source) - known):
            yield f"cell {cell.number} says {quoted}, which no cell prints."


@rule("lesson", "lab", "solution")
def links_are_alive(book: Book) -> Iterator[str]:
    """A link inside the course leads to a file that is there, and in a notebook to a heading that is there."""
    folder = (book.root / book.path).parent
    for cell in book.prose:
        for target in _LINK.findall(cell.source):
            link = "".join(target)
            file, _, heading = link.partition("#")
            if "://" in link or link.startswith("mailto:"):
                continue
            if file and not (folder / file).exists():
                yield f"cell {cell.number} links to {link}, which is not there."
            elif heading and not file and heading not in _headings(book):
                yield f"cell {cell.number} links to {link}, and no heading of this notebook is called that."


@rule("lesson")
def lead_ins(book: Book) -> Iterator[str]:
    """Two Markdown cells in a row hold at most 420 words: then there is something to run."""
    for one, two in pairwise(book.cells):
        words = one.words + two.words
        if one.kind == two.kind == "markdown" and words > MOST_WORDS:
            yield f"cells {one.number} and {two.number} are {words} words in a row; {MOST_WORDS} are the limit."


@rule("lesson", "lab", "solution")
def spelling(book: Book) -> Iterator[str]:
    """Codespell finds no misspelling in the prose."""
    command = [sys.executable, "-m", "codespell_lib", "-"]
    text = "\n\n".join(cell.source for cell in book.prose)
    found = subprocess.run(command, cwd=book.root, input=text, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    for line in re.findall(r"^\d+: (.*)$|^\s+(\S+ ==> .*)$", found.stdout, re.MULTILINE):
        yield "".join(line)


@rule("lesson", "lab", "solution")
def nothing_left_to_do(book: Book) -> Iterator[str]:
    """No author's TODO stands in the prose; a learner's stands in code."""
    for cell in book.prose:
        if "TODO" in _NOT_PROSE.sub(" ", cell.source):
            yield f"cell {cell.number} has a TODO."


_LINK = re.compile(r"\]\(<?([^)\s>]+)|\b(?:href|src)=[\"']([^\"']+)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_NOT_PROSE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def _headings(book: Book) -> set[str]:
    """Return the headings of a notebook as Jupyter links to them."""
    text = "\n".join(cell.source for cell in book.prose)
    return {heading.strip().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def _numbers(text: str) -> set[str]:
    return {_normal(number) for number in re.findall(r"\d+(?:[.,]\d+)*", text)}


def _scaled(code: str) -> set[str]:
    """Return fractions in code as prose says them: 0.08 s are 80 ms, and 0.4 are 40 %."""
    fractions = [float(number) for number in re.findall(r"\b0\.\d+\b", code)]
    return {f"{fraction * factor:g}" for fraction in fractions for factor in (100, 1000)}


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
