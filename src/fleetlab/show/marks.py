"""What happens on one lane: starts and ends, versions and schemas, the names of bars, notes and errors."""

from __future__ import annotations

from collections.abc import Callable

from fleetlab.sim.trace import Event

from .arrows import arrow, fault, split
from .brush import num
from .ink import Ink, across, beside, dot
from .measure import plain, width
from .times import duration


def draw(ink: Ink) -> None:
    """Draw all events of a row."""
    for event in ink.place.row.events:
        mark = _DRAW.get(event.kind, dot) if event.who in ink.columns.lanes else across
        mark(ink, event)


def _start(ink: Ink, event: Event) -> None:
    x, y = ink.columns.x(event.who), ink.place.y
    ink.brush.path(f"M{num(x - 6)} {num(y - 5)}h12l-6 10z", "mark")
    _chained(ink, event)


def _ready(ink: Ink, event: Event) -> None:
    x, y = ink.columns.x(event.who), ink.place.y
    if all(other.who != event.who or other.n >= event.n for other in ink.place.row.events):
        ink.brush.add(f'<circle class="mark" cx="{num(x)}" cy="{num(y)}" r="6"/>')
        ink.brush.path(f"M{num(x - 3)} {num(y)}l2.2 2.6l3.8-5", "inkl")
    _chained(ink, event)


def _chained(ink: Ink, event: Event) -> None:
    """Write the texts of all marks that a lane has in this row as one, with the version as a chip behind them."""
    ours = [other for other in ink.place.row.events if other.who == event.who]
    if ours[0] is not event:
        return
    size = ink.dense.size - 1
    texts = [other.kind for other in ours if other.kind != "version"]
    # A start names the version that it runs, unless it says no more than that it is one.
    named = (plain(other.what) for other in ours if other.kind != "ready" and other.what not in ("", other.kind))
    chips = list(dict.fromkeys(named))
    spare = sum(width(chip, size, True) + 18 for chip in chips)
    end = beside(ink, event.who, ", ".join(texts), size=size, spare=spare)
    for chip in chips:
        if end > ink.columns.x(event.who):
            end = _chip(ink, chip, end + 6)


def _stop(ink: Ink, event: Event) -> None:
    x, y = ink.columns.x(event.who), ink.place.y
    ink.brush.rect(x - 5, y - 5, 10, 10, "mark")
    beside(ink, event.who, plain(event.what) or "SIGTERM", *(("bad", "b") if ink.place.row.marked else ()))


def _gone(ink: Ink, event: Event) -> None:
    """Draw a process that ended by itself as a bar across the foot of its lane."""
    x, y = ink.columns.x(event.who), ink.place.y
    ink.brush.rect(x - 8, y - 2, 16, 4, "inkh", 1)
    beside(ink, event.who, plain(event.what) or "gone")


def _kill(ink: Ink, event: Event) -> None:
    ink.brush.cross(ink.columns.x(event.who), ink.place.y, 6.5)
    beside(ink, event.who, plain(event.what) or "SIGKILL", "dead", "b")


def _error(ink: Ink, event: Event) -> None:
    """Draw an error that nobody caught as a warning triangle with its text."""
    x, y = ink.columns.x(event.who), ink.place.y
    ink.brush.path(f"M{num(x)} {num(y - 7)}l7.5 13h-15z", "mark deadl")
    ink.brush.path(f"M{num(x)} {num(y - 2)}v3.5M{num(x)} {num(y + 3)}v1", "inkl")
    beside(ink, event.who, plain(event.what), "dead", "b")


def _version(ink: Ink, event: Event) -> None:
    if any(other.who == event.who and other.n < event.n for other in ink.place.row.events):
        return
    what = plain(event.what)
    wide = min(width(what, ink.dense.size - 1, True), ink.columns.gap - 22)
    _chip(ink, what, ink.columns.x(event.who) - wide / 2 - 6)


def _schema(ink: Ink, event: Event) -> None:
    """Draw a schema change as a diamond on the lane of its database."""
    x, y = ink.columns.x(event.who), ink.place.y
    ink.brush.path(f"M{num(x)} {num(y - 7)}l7 7l-7 7l-7 -7z", "mark")
    tone = ("bad", "b") if ink.place.row.marked else ("b",)
    beside(ink, event.who, f"schema {plain(event.what)}", *tone)


def _chip(ink: Ink, text: str, x: float) -> float:
    """Draw a version as a chip that begins at `x`; return where it ends."""
    size = ink.dense.size - 1
    room = min(ink.columns.right - x - 12, ink.columns.gap - 20)
    if room < 2 * size:
        return x
    wide = min(width(text, size, True), room) + 12
    ink.brush.rect(x, ink.place.y - size * 0.75, wide, size * 1.5, "chip", size * 0.75)
    ink.brush.text(x + wide / 2, ink.place.y + size * 0.36, text, room, size, "b h", "middle")
    return x + wide


def _bar(ink: Ink, event: Event) -> None:
    """Write what a bar is and how long it will be; a bar that a call began is named on the lane's free side."""
    length = f" {duration(event.until - event.time)}" if event.until is not None and event.until > event.time else ""
    text, styles, main = _bar_text(event), _bar_style(ink, event), ink.place.row.main
    if main is event:
        beside(ink, event.who, text + length, *styles)
    else:
        _begun(ink, event, main, [text + length, text], *styles)


def _begun(ink: Ink, event: Event, call: Event, texts: list[str], *styles: str) -> None:
    """Name a bar that a call began: below the call's tail, or beyond its head."""
    size, y = ink.dense.size - 1, ink.place.y
    x, other = ink.columns.x(event.who), ink.columns.x(call.to if event.who == call.who else call.who)
    if event.who == call.who and other > x and ink.dense.stacked:
        start, y, room = x + 20, y + 9 + size, other - x - 32 - width(plain(call.reply), size)
    elif other < x:
        start, y, room = x + ink.beside(event.who) + 4, y + 4, ink.columns.right - x - ink.beside(event.who) - 6
    else:
        start, y, room = x - 10, y + 4, x - ink.columns.left - 12
    text = next((text for text in texts if width(text, size) <= room), texts[-1])
    ink.brush.text(start, y, text, room, size, ink.style(*styles), "end" if start < x else "start")


def _bar_text(event: Event) -> str:
    """Return a bar's name with what it is in front, unless the event says that itself."""
    what = plain(event.what)
    name = {"ttl": "TTL", "wait": "waits for"}.get(event.kind, event.kind)
    return what if name.split()[0].rstrip("s").lower() in what.lower() else f"{name} {what}".rstrip()


def _bar_style(ink: Ink, event: Event) -> tuple[str, ...]:
    if ink.place.row.marked and event is ink.place.row.main:
        return ("bad", "b")
    styles = {"lease": ("lease",), "ttl": ("ttl",), "outage": ("dead", "b"), "pause": ("b",)}
    return styles.get(event.kind, ("soft",))


_DRAW: dict[str, Callable[[Ink, Event], None]] = {
    "call": arrow,
    "request": arrow,
    "response": arrow,
    "start": _start,
    "ready": _ready,
    "stop": _stop,
    "kill": _kill,
    "gone": _gone,
    "error": _error,
    "version": _version,
    "schema": _schema,
    "partition": split,
    "heal": split,
    "fault": fault,
    **dict.fromkeys(("pause", "outage", "ttl", "lease", "sleep", "wait"), _bar),
}
