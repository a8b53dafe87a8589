"""The geometry of a picture: where each lane stands and at which height each row, moment and event is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .measure import width
from .rows import Row

LEFT, MARGIN = 80.0, 14.0
_SOURCE_SIZE = 11.0


@dataclass(frozen=True, slots=True)
class Density:
    """How tall rows are and how large their text is, in pixels; `stacked` puts a reply below its arrow."""

    call: float
    other: float
    small: float
    size: float
    stacked: bool


_ROOMY = Density(41, 31, 27, 12, True)
_CLOSE = Density(36, 26, 23, 11, True)
_TIGHT = Density(17.5, 17.5, 17.5, 10.5, False)


def density(count: int) -> Density:
    """Return the density for a picture of `count` rows: rows shrink and labels thin out as there are more."""
    return _ROOMY if count <= 36 else _CLOSE if count <= 64 else _TIGHT


@dataclass(frozen=True, slots=True)
class Columns:
    """The horizontal plan, in pixels: a time gutter, lanes `gap` apart, and a gutter for source lines."""

    x0: float
    gap: float
    lanes: tuple[str, ...]
    right: float
    source: float
    end: float
    _x: Mapping[str, float]

    def x(self, lane: str) -> float:
        """Return where a lane stands."""
        return self._x[lane]

    @property
    def close(self) -> bool:
        """Whether lanes stand so close that their names need two levels."""
        return self.gap < max((width(lane, 10.5, bold=True) for lane in self.lanes), default=0.0) + 14

    @property
    def left(self) -> float:
        """Where the lanes' room begins."""
        return self.x0 + LEFT


def columns(
    lanes: Sequence[str], lines: Sequence[str], most: float, x0: float = 0.0, least: float = 0.0, tail: float = 62.0
) -> Columns:
    """Return columns for `lanes` and source `lines`: at most `most` pixels in all, `tail` right of the last lane."""
    count = max(len(lanes), 1)
    longest = max((width(line, _SOURCE_SIZE, mono=True) for line in lines if line), default=0.0)
    source = min(longest + MARGIN, 290.0 if count < 6 else 230.0 if count < 8 else 165.0) if longest else 0.0
    sides = min(62.0, 320.0 / count), min(tail, 600.0 / count)
    free = most - LEFT - source - MARGIN - sum(sides)
    gap = min(free / max(count - 1, 1), 174.0)
    first = x0 + LEFT + sides[0]
    right = first + gap * (count - 1) + sides[1]
    right = max(right, x0 + least - source - MARGIN)
    at = {lane: round(first + gap * i, 1) for i, lane in enumerate(lanes)}
    return Columns(x0, gap, tuple(lanes), right, right + 4 if source else 0.0, right + source + MARGIN, at)


@dataclass(frozen=True, slots=True)
class Placed:
    """A row with its place: `top` and `bottom` of the strip, `y` of its arrow or mark, in pixels."""

    row: Row
    top: float
    y: float
    bottom: float


@dataclass(slots=True)
class Heights:
    """Where rows, events and moments are, from top to bottom."""

    placed: list[Placed]
    top: float
    bottom: float
    _of: dict[int, float] = field(default_factory=dict)
    _times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for place in self.placed:
            for event in place.row.events:
                self._of[event.n] = place.y
        self._times = [place.row.time for place in self.placed]

    def of(self, n: int) -> float:
        """Return the height of event number `n`; events without a row are at the bottom."""
        return self._of.get(n, self.bottom)

    def at(self, time: float) -> float:
        """Return the height of a moment (virtual seconds) between its rows; the bottom if no row comes after."""
        i = bisect_left(self._times, time)
        if i == len(self.placed):
            return self.bottom
        after = self.placed[i]
        if i == 0 or after.row.time - time < 1e-9:
            return after.y
        before = self.placed[i - 1]
        if time < before.row.last:
            return before.y
        passed = after.row.time - before.row.last
        share = (time - before.row.last) / passed if passed > 0 else 1.0
        return before.y + share * (after.y - before.y)


def heights(rows: Sequence[Row], dense: Density, top: float, beside: Sequence[Row] | None = None) -> Heights:
    """Place `rows` one under the other from `top` on; as tall as those `beside` them, where there are any."""
    placed, y = list[Placed](), top
    for row, other in zip(rows, beside or rows, strict=True):
        tall = max(height(row, dense), height(other, dense))
        placed.append(Placed(row, round(y, 1), round(y + _arrow(row, dense, tall), 1), round(y + tall, 1)))
        y += tall
    return Heights(placed, top, round(y + 12, 1))


def height(row: Row, dense: Density) -> float:
    """Return how tall a row is."""
    if row.kind == "fold":
        return 40.0
    if row.kind == "break":
        return max(dense.small, 20.0)
    if row.kind == "end" or not row.events or row.main.kind not in ("call", "request", "response", "fault"):
        return dense.small
    return dense.call if row.main.reply else dense.other


def _arrow(row: Row, dense: Density, tall: float) -> float:
    """Return how far below a row's top its arrow is: a label goes above arrows, beside anything else."""
    if row.kind == "step" and row.main.kind in ("call", "request", "response", "fault"):
        return dense.size + (8 if dense.stacked else 3)
    return tall / 2
