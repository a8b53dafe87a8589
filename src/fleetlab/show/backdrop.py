"""What lies behind the steps: the wash, the lanes with their deaths, bars over time, and walls between lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from fleetlab.sim.trace import Event

from .brush import Brush, header, num
from .scene import Scene
from .spans import Span, slots
from .stage import Columns, Heights

DEFS = (
    '<defs><pattern id="fl-pause" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="boxf" width="6" height="6"/><path class="pauseb" d="M0 0V6"/></pattern>'
    '<pattern id="fl-out" width="7" height="7" patternUnits="userSpaceOnUse">'
    '<rect class="boxf" width="7" height="7"/><path class="outb" d="M0 0L7 7M7 0L0 7"/></pattern></defs>'
)


def wash(brush: Brush, columns: Columns, heights: Heights) -> None:
    """Lay a wash under the stretch from the first marked row to the last."""
    marked = [place for place in heights.placed if place.row.marked]
    if marked:
        top, tall = marked[0].top, marked[-1].bottom - marked[0].top
        brush.rect(columns.x0 + 6, top, columns.end - columns.x0 - 12, tall, "wash", 6)


def lanes(brush: Brush, columns: Columns, heights: Heights, about: Scene) -> None:
    """Draw each lane: whole while it lives, dotted before its start and after its end."""
    for lane, kind in about.kinds.items():
        for top, bottom, alive in _lives([event for event in about.events if event.who == lane], heights):
            _lane(brush, kind, columns.x(lane), top, bottom, alive)


def _lives(own: Sequence[Event], heights: Heights) -> list[tuple[float, float, bool]]:
    """Return stretches (top, bottom, alive) of a lane: from its start to a kill or, after a stop, to its last event."""
    lives = [event for event in own if event.kind in ("start", "stop", "kill", "gone")]
    alive, top = not (lives and lives[0].kind == "start"), heights.top
    stretches = []
    for life, then in zip_longest(lives, lives[1:]):
        if life.kind == "stop":
            if then is not None and then.kind in ("kill", "gone"):
                continue
            before = [event for event in own if then is None or event.n < then.n]
            life = before[-1]
        y = heights.of(life.n)
        stretches.append((top, y, alive))
        top, alive = y, life.kind == "start"
    return [*stretches, (top, heights.bottom, alive)]


def _lane(brush: Brush, kind: str, x: float, top: float, bottom: float, alive: bool) -> None:
    if bottom - top < 1:
        return
    if not alive:
        brush.line(x, top, x, bottom, "gone")
    elif kind == "store":
        brush.line(x - 1.8, top, x - 1.8, bottom, "lane store")
        brush.line(x + 1.8, top, x + 1.8, bottom, "lane store")
    else:
        brush.line(x, top, x, bottom, f"lane {kind}")


def headers(brush: Brush, columns: Columns, kinds: Mapping[str, str], y: float, bottom: float | None = None) -> None:
    """Draw the row of lane names down to `bottom`; where lanes stand close, on two levels."""
    close = columns.close
    for i, (lane, kind) in enumerate(kinds.items()):
        low = y + (26 if close and i % 2 else 0)
        if bottom is not None and bottom - low > 40:
            brush.line(columns.x(lane), low + 24, columns.x(lane), bottom, "gone")
        header(brush, kind, lane, columns.x(lane), low, columns.gap * (2 if close else 1) - 5)


def header_room(columns: Columns) -> float:
    """Return how much height the lane names take, in pixels."""
    return 58.0 if columns.close else 32.0


def served(brush: Brush, columns: Columns, heights: Heights, spans: Sequence[Span]) -> None:
    """Draw a request being served as a slim box on its server's lane, several at once side by side."""
    for lane in columns.lanes:
        ours = [span for span in spans if span.lane == lane and span.last is not None]
        ranges = [(heights.of(span.first), heights.of(span.last or 0)) for span in ours]
        for (top, bottom), column in zip(ranges, slots(ranges), strict=True):
            if bottom > top and column < 4:
                brush.rect(columns.x(lane) - 4 + 5 * column, top, 8, bottom - top, "busy", 2)


def bars(brush: Brush, columns: Columns, heights: Heights, spans: Sequence[Span]) -> None:
    """Draw pauses, outages, leases, TTLs, sleeps and waits; leases and TTLs stand right of their lane, others on it."""
    for lane in columns.lanes:
        for span, (top, bottom), column in held(lane, heights, spans):
            if column < 4:
                _held(brush, span, columns.x(lane) + 9 + 9 * column, top, bottom, bottom >= heights.bottom)
        for span in spans:
            if span.lane == lane and span.kind not in ("lease", "ttl"):
                _upon(brush, span, columns.x(lane), *_range(span, heights))


def held(lane: str, heights: Heights, spans: Sequence[Span]) -> list[tuple[Span, tuple[float, float], int]]:
    """Return the leases and TTLs of a lane, each with its top and bottom and the column in which it stands."""
    ours = [span for span in spans if span.lane == lane and span.kind in ("lease", "ttl")]
    ranges = [_range(span, heights) for span in ours]
    return list(zip(ours, ranges, slots(ranges), strict=True))


def _range(span: Span, heights: Heights) -> tuple[float, float]:
    top = heights.of(span.first)
    if span.last is not None:
        return top, max(heights.of(span.last), top + 5)
    return top, max(heights.bottom if span.until is None else heights.at(span.until), top + 5)


def _held(brush: Brush, span: Span, x: float, top: float, bottom: float, open_: bool) -> None:
    """Draw a lease (solid) or a TTL (outlined, dashed); a foot says that it ends, no foot that it goes on."""
    style = "leaseb" if span.kind == "lease" else "ttlb"
    brush.rect(x, top, 5, bottom - top, style, 1)
    if not open_:
        brush.line(x - 4, bottom, x + 9, bottom, "leasel" if span.kind == "lease" else "ttll")


def _upon(brush: Brush, span: Span, x: float, top: float, bottom: float) -> None:
    if span.kind == "pause":
        brush.rect(x - 7, top, 14, bottom - top, "pauseb", 2, ' fill="url(#fl-pause)"')
    elif span.kind == "outage":
        brush.rect(x - 7, top, 14, bottom - top, "outb", 2, ' fill="url(#fl-out)"')
    else:
        brush.line(x, top, x, bottom, "thin")


def walls(brush: Brush, columns: Columns, heights: Heights, events: Sequence[Event]) -> None:
    """Draw a partition as a double bar beside the first of its two lanes, until it heals."""
    for event in events:
        pair = {event.who, event.to}
        if event.kind != "partition" or not pair <= set(columns.lanes):
            continue
        heal = next((e for e in events if e.n > event.n and e.kind == "heal" and {e.who, e.to} == pair), None)
        x = wall(columns, event.who, event.to)
        top, bottom = num(heights.of(event.n)), num(heights.of(heal.n) if heal else heights.bottom)
        brush.path(f"M{num(x - 3)} {top}V{bottom}M{num(x + 3)} {top}V{bottom}", "split deadl")


def wall(columns: Columns, one: str, other: str) -> float:
    """Return where the wall between two lanes stands: beside the left one, whoever was named first."""
    left = min(one, other, key=columns.x)
    return columns.x(left) + min(columns.gap * 0.36, 40)
