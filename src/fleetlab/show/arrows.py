"""What passes between two lanes: calls and replies, requests and responses, faults, and walls going up and down."""

from __future__ import annotations

from fleetlab.sim.trace import Event

from .backdrop import wall
from .ink import Ink, across, dot, label
from .measure import plain, shorten, width

_EDGE, _LEAST_ROOM = 5.0, 200.0
_SERVING = {"client": 0, "balancer": 1, "instance": 2, "store": 3, "outside": 4}


def arrow(ink: Ink, event: Event) -> None:
    """Draw a call, a request or a response, its label above, its reply below or behind the label."""
    if event.to == event.who or event.to not in ink.columns.lanes:
        dot(ink, event)
        return
    body, head, tone = _tone(ink, event)
    x1, x2 = _ends(ink, event.who, event.to)
    y = ink.place.y
    if event.n in ink.about.blocked:
        stop = wall(ink.columns, event.who, event.to) + (-8 if x2 > x1 else 8)
        ink.brush.line(x1, y, stop, y, f"{body} dash")
        ink.brush.line(stop, y, x2, y, "thin hair")
        ink.brush.cross(stop, y, 4.5)
    else:
        ink.brush.arrow([(x1, y), (x2, y)], body, head)
    _words(ink, event, x1, x2, tone)


def _tone(ink: Ink, event: Event) -> tuple[str, str, str]:
    """Return the classes of an arrow's body, head and text: marked, failed on the server's side, or plain."""
    if ink.place.row.marked:
        return "badl", "badh", "bad"
    if event.kind == "response" and plain(event.what)[:1] == "5":
        return "deadl", "deadh", "dead"
    return "call", "callh", ""


def _words(ink: Ink, event: Event, x1: float, x2: float, tone: str) -> None:
    """Write what is asked above the arrow and what is answered below it or, in dense pictures, behind it."""
    what, reply = plain(event.what), "" if event.n in ink.about.muted else plain(event.reply)
    if ink.dense.stacked:
        label(ink, what, x1, x2, ink.place.y - 5, tone)
        if reply:
            _reply(ink, reply, x1, x2, ink.place.y + 8, event.n in ink.about.blocked)
        return
    room = max(abs(x2 - x1), _LEAST_ROOM)
    if reply:
        reply = "  →  " + shorten(reply, room * 0.4, ink.dense.size)
        what = shorten(what, room - width(reply, ink.dense.size), ink.dense.size, bool(tone))
    label(ink, what + reply, x1, x2, ink.place.y - 3, tone, room)


def _ends(ink: Ink, here: str, there: str) -> tuple[float, float]:
    x1, x2 = ink.columns.x(here), ink.columns.x(there)
    side = _EDGE if x2 > x1 else -_EDGE
    return x1 + side, x2 - side


def _reply(ink: Ink, text: str, x1: float, x2: float, y: float, blocked: bool) -> None:
    """Draw the dashed way back, its text beginning at the side that answers; nobody answers across a partition."""
    if blocked:
        middle = (x1 + x2) / 2
        ink.brush.text(middle, y + 6, text, abs(x2 - x1), ink.dense.size - 1, ink.style("dead"), "middle")
        return
    ink.brush.arrow([(x2, y), (x1, y)], "reply", "softh")
    size, style = ink.dense.size - 1, ink.style("soft")
    if x2 > x1:
        ink.brush.text(x2 - 6, y + size + 1, text, x2 - ink.columns.left - 12, size, style, "end")
    else:
        ink.brush.text(x2 + 6, y + size + 1, text, ink.columns.right - x2 - 12, size, style)


def split(ink: Ink, event: Event) -> None:
    """Draw a partition's beginning or end: a dotted line between the two lanes that cannot, or can again, meet."""
    if event.who not in ink.columns.lanes or event.to not in ink.columns.lanes:
        across(ink, event)
        return
    x1, x2 = ink.columns.x(event.who), ink.columns.x(event.to)
    y = ink.place.y
    ink.brush.line(x1, y, x2, y, "thin hair")
    text = plain(event.what) or event.kind
    label(ink, text, x1, x2, y + ink.dense.size * 0.36, "dead" if event.kind == "partition" else "")


def fault(ink: Ink, event: Event) -> None:
    """Draw a lost reply or request as an arrow that ends half way in ✕, a late effect as one that bends down."""
    text = plain(event.what) or "fault"
    if event.to == event.who or event.to not in ink.columns.lanes:
        dot(ink, event)
        return
    x1, x2 = _ends(ink, event.who, event.to)
    y = ink.place.y
    if "late" in text.lower():
        low = ink.heights.at(event.until) if event.until is not None else ink.place.bottom - 2
        ink.brush.arrow([(x1, y), (x1 + (x2 - x1) * 0.55, y), (x2, max(low, y + 8))], "deadl dash", "deadh")
    else:
        start, half = (x2 if _answers(ink, event) else x1), (x1 + x2) / 2
        ink.brush.line(start, y, half, y, "deadl dash")
        ink.brush.cross(half, y)
    label(ink, text, x1, x2, y - 8, "dead")


def _answers(ink: Ink, event: Event) -> bool:
    """Tell whether what got lost came from the lane named second: a reply comes from the one that serves."""
    here, there = (_SERVING.get(ink.about.kinds[lane], 2) for lane in (event.who, event.to))
    text = event.what.lower()
    return here <= there and any(word in text for word in ("reply", "response", "answer", "commit"))
