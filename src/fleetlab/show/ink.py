"""The ink of one row: what every mark needs to know, and texts above arrows, beside lanes and across all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetlab.sim.trace import Event

from .brush import Brush, num
from .measure import plain, width
from .scene import Scene
from .spans import Span
from .stage import Columns, Density, Heights, Placed

Held = Mapping[str, Sequence[tuple[Span, tuple[float, float], int]]]


@dataclass(slots=True)
class Ink:
    """Everything a mark needs to draw itself in one row."""

    brush: Brush
    columns: Columns
    heights: Heights
    dense: Density
    about: Scene
    held: Held
    place: Placed
    washed: bool = False

    def style(self, *names: str) -> str:
        """Return the class of a text in this row: a washed row has another halo."""
        return " ".join(name for name in (*names, "w" if self.washed else "") if name)

    def beside(self, lane: str) -> float:
        """Return how far from a lane a text begins, past the leases and TTLs that stand there."""
        y, bars = self.place.y, self.held.get(lane, ())
        return max((18.0 + 9 * column for _, (top, bottom), column in bars if top - 4 <= y <= bottom + 4), default=13.0)


def label(ink: Ink, text: str, x1: float, x2: float, y: float, tone: str, most: float = 9999.0) -> None:
    """Write above an arrow, centred; a text longer than the arrow may spread over the row, which nothing else needs."""
    size, weight = ink.dense.size, "b" if tone else ""
    room = min(ink.columns.right - ink.columns.left - 8, most)
    wide = min(width(text, size, bool(weight)), room)
    middle = (x1 + x2) / 2
    middle = max(ink.columns.left + 4 + wide / 2, min(ink.columns.right - 4 - wide / 2, middle))
    ink.brush.text(middle, y, text, room, size, ink.style(tone, weight), "middle")


def beside(ink: Ink, lane: str, text: str, *styles: str, size: float = 0.0, spare: float = 0.0) -> float:
    """Write beside a lane, on the side with room, `spare` pixels of it left free; return where the text ends."""
    x, away, size = ink.columns.x(lane), ink.beside(lane), size or ink.dense.size
    right_room, left_room = ink.columns.right - x - away - 2, x - ink.columns.left - 18
    if len({event.who for event in ink.place.row.events}) > 1:
        right_room, left_room = min(right_room, ink.columns.gap - away - 10 - spare), 0.0
    y = ink.place.y + size * 0.36
    if width(text, size, "b" in styles) > right_room and left_room > right_room:
        return x - 13 - ink.brush.text(x - 13, y, text, left_room, size, ink.style(*styles), "end")
    return x + away + ink.brush.text(x + away, y, text, right_room, size, ink.style(*styles))


def dot(ink: Ink, event: Event) -> None:
    """Draw a dot on a lane with what happened beside it."""
    tone = ("bad", "b") if ink.place.row.marked else ()
    style = "badh" if tone else "inkh"
    ink.brush.add(f'<circle class="{style}" cx="{num(ink.columns.x(event.who))}" cy="{num(ink.place.y)}" r="3.2"/>')
    text = plain(event.what) + (f"  →  {plain(event.reply)}" if event.reply else "")
    beside(ink, event.who, text, *tone, *(("i",) if event.kind == "note" else ()))


def across(ink: Ink, event: Event) -> None:
    """Write what happened to no lane in particular across all of them."""
    left, right, y = ink.columns.left, ink.columns.right, ink.place.y
    ink.brush.line(left, y, right, y, "thin hair")
    style = ink.style("bad", "b") if ink.place.row.marked else ink.style("soft")
    who = "" if event.who == "world" else f"{plain(event.who)}: "
    text = who + plain(event.what) + (f" ({plain(event.to)})" if event.to else "")
    size = ink.dense.size
    ink.brush.text((left + right) / 2, y + size * 0.36, text, right - left, size, style, "middle")
