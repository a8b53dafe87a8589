"""Two traces side by side, their rows aligned and the first difference marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest

from fleetlab.sim.trace import Event, Trace, sentence

from . import backdrop
from .brush import Brush, num
from .lanes import WIDTH, document, image, panel, title
from .measure import plain
from .rows import Row
from .scene import Scene, scene
from .stage import Heights, columns, density, heights
from .words import alt, told

Pair = tuple[Event | None, Event | None]
_AROUND, _MOST, _COLUMN = 3, 100, 60


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two traces and their aligned steps: draws itself, prints as two columns."""

    a: Trace
    b: Trace
    pairs: tuple[Pair, ...]
    first: int | None

    def svg(self, at: int | None = None, around: int = 0) -> str:
        """Return both pictures as one drawing; with pair `at` pointed out, and only those `around` it unfolded.

        A trace that is compared with itself is drawn once.
        """
        traces = (self.a,) if self.a is self.b else (self.a, self.b)
        return _svg(self, [scene(trace) for trace in traces], at, around)

    def _repr_html_(self) -> str:
        return image(self.svg(), _words(self, scene(self.a), scene(self.b)))

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__


def compare(a: Trace, b: Trace) -> Comparison:
    """Align two traces by what happened, whenever it did, and find the first step in which they differ."""
    pairs = tuple(_pairs(a.events, b.events))
    first = next((i for i, pair in enumerate(pairs) if not _same(pair)), None)
    return Comparison(a, b, pairs, first)


def _pairs(left: tuple[Event, ...], right: tuple[Event, ...]) -> list[Pair]:
    matcher = SequenceMatcher(None, [_key(e) for e in left], [_key(e) for e in right], autojunk=False)
    pairs: list[Pair] = []
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        pairs += zip_longest(left[i1:i2], right[j1:j2])
    return pairs


def _key(event: Event) -> tuple[str, ...]:
    return event.who, event.kind, event.what, event.to, event.reply


def _same(pair: Pair) -> bool:
    return pair[0] is not None and pair[1] is not None and _key(pair[0]) == _key(pair[1])


def _shown(comparison: Comparison, marked: frozenset[int]) -> list[list[int]]:
    """Return the pairs to show, each by itself, and in between runs of pairs to fold."""
    pairs = comparison.pairs
    keen = [i for i, pair in enumerate(pairs) if not _same(pair) or (pair[0] and pair[0].n in marked)]
    near = {i + d for i in keen for d in range(-_AROUND, _AROUND + 1)} | set(range(_AROUND))
    kept = set(sorted(near & set(range(len(pairs))))[:_MOST]) if len(pairs) > 40 else set(range(len(pairs)))
    groups: list[list[int]] = []
    for folded, run in groupby(range(len(pairs)), lambda i: i not in kept):
        members = list(run)
        groups += [members] if folded and len(members) >= _AROUND else [[i] for i in members]
    return groups


def _rows(comparison: Comparison, groups: list[list[int]], side: int, marked: frozenset[int]) -> list[Row]:
    """Return one row a group for one side; where that side did nothing, the row is blank."""
    found, clock = list[Row](), 0.0
    for group in groups:
        events = tuple(event for i in group if (event := comparison.pairs[i][side]) is not None)
        clock = max([clock, *(event.time for event in events)])
        if len(group) > 1:
            found.append(Row("fold", events[0].time if events else clock, events, f"{len(events)} steps", last=clock))
        elif events:
            found.append(Row("step", clock, events, number=events[0].n + 1, last=clock, marked=events[0].n in marked))
        else:
            found.append(Row("blank", clock, last=clock))
    return found


def _near(comparison: Comparison, at: int, around: int) -> list[list[int]]:
    """Return the pairs around one, as many near an end as in the middle, and the runs before and after to fold."""
    count, wide = len(comparison.pairs), 2 * around + 1
    low = max(0, min(at - around, count - wide))
    high = min(count, low + wide)
    groups = [list(range(low)), *([i] for i in range(low, high)), list(range(high, count))]
    return [group for group in groups if group]


def _svg(comparison: Comparison, scenes: Sequence[Scene], at: int | None = None, around: int = 0) -> str:
    wide, brush, alone = WIDTH / len(scenes), Brush(), len(scenes) == 1
    sides = [(about, side * wide) for side, about in enumerate(scenes)]
    groups = _shown(comparison, scenes[0].marked) if at is None else _near(comparison, at, around)
    rows = [_rows(comparison, groups, side, about.marked) for side, about in enumerate(scenes)]
    tops = [title(brush, about.title, about.subtitle, bool(about.marked), x0, x0 + wide) for about, x0 in sides]
    top, dense = max(tops), density(len(groups))
    lines = [row.main.line for row in rows[0] if row.kind == "step"] if alone else ()
    acrosses = [columns(about.lanes, lines, wide, x0, wide, about.tail) for about, x0 in sides]
    below = top + max(backdrop.header_room(across) for across in acrosses)
    downs = [heights(shown, dense, below, rows[-1 - side]) for side, shown in enumerate(rows)]
    for across, down in zip(acrosses, downs, strict=True):
        backdrop.wash(brush, across, down)
    if not alone:
        brush.line(wide, 12, wide, downs[0].bottom, "lane")
    if at is not None:
        _point(brush, next(i for i, group in enumerate(groups) if at in group), downs[0])
    for about, across, down in zip(scenes, acrosses, downs, strict=True):
        panel(brush, about, across, down, dense, top)
    _mark(brush, comparison, groups, downs[0])
    name = " | ".join(plain(about.title) for about in scenes)
    words = alt(scenes[0]) if alone else _words(comparison, *scenes)
    return document(brush, WIDTH, downs[0].bottom + 8, name, words)


def _point(brush: Brush, row: int, down: Heights) -> None:
    """Point at one row: a band behind it, and a triangle at either edge."""
    place = down.placed[row]
    brush.rect(4, place.top, WIDTH - 8, place.bottom - place.top, "busy", 6)
    for x, turn in ((6, 7), (WIDTH - 6, -7)):
        brush.path(f"M{num(x)} {num(place.y - 6)}l{turn} 6l{-turn} 6z", "inkh")


def _mark(brush: Brush, comparison: Comparison, groups: list[list[int]], down: Heights) -> None:
    """Frame the first difference across both pictures, and say so in the middle."""
    row = next((i for i, group in enumerate(groups) if comparison.first in group), None)
    if row is None:
        return
    place = down.placed[row]
    top, tall, middle = place.top - 1, place.bottom - place.top + 2, WIDTH / 2
    chip = middle + 67  # right of the middle, where the right half has its times, and neither half a label
    brush.rect(4, top, WIDTH - 8, tall, "inkl dash", 7)
    brush.rect(chip - 64, top + tall - 9, 128, 18, "chip", 9)
    brush.text(chip, top + tall + 4, "≠ first difference", 128, 11, "b h", "middle")


def _words(comparison: Comparison, left: Scene, right: Scene) -> str:
    first = "They do not differ."
    if comparison.first is not None:
        one, other = (told(event) if event else "nothing" for event in comparison.pairs[comparison.first])
        first = f"First difference, at step {comparison.first + 1}: left, {one}; right, {other}."
    return f"Two diagrams side by side, steps aligned. {first} Left: {alt(left)} Right: {alt(right)}"


def _text(comparison: Comparison) -> str:
    """Return two columns of steps; → marks the first difference, ≠ every one."""
    head = (comparison.a.title or "left", comparison.b.title or "right")
    rows = [(_cell(one), _cell(other), _same((one, other))) for one, other in comparison.pairs]
    cells = [_cut(head[0]), *(row[0] for row in rows)]
    wide = max(len(cell) for cell in cells)
    lines = [f"  {_cut(head[0]):<{wide}} | {_cut(head[1])}", f"  {'-' * wide}-|-{'-' * 30}"]
    for i, (one, other, same) in enumerate(rows):
        lines.append(f"{'→' if i == comparison.first else ' '} {one:<{wide}} {'|' if same else '≠'} {other}".rstrip())
    if comparison.first is None:
        lines.append("  no difference")
    return "\n".join(lines)


def _cell(event: Event | None) -> str:
    return "" if event is None else _cut(f"{event.who}: {sentence(event).split('   [')[0]}")


def _cut(text: str) -> str:
    flat = plain(text)
    return flat if len(flat) <= _COLUMN else flat[: _COLUMN - 1].rstrip() + "…"
