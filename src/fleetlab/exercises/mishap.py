"""What a fault cut short: a kill, a pause, a lost reply, a late effect, an outage."""

from __future__ import annotations

from fleetlab.sim import Event

from .crossing import NOTHING, Line, Told, access, meet, short
from .witness import Interruption


def told(fault: Interruption, line: Line) -> Told:
    """Return a fault with the steps around it, and the numbers of these events."""
    tell = {
        "kill": _kill,
        "pause": _pause,
        "lost reply": _lost_reply,
        "the reply is lost": _lost_reply,
        "late effect": _late_effect,
        "outage": _outage,
    }.get(fault.kind)
    return tell(fault, line) if tell is not None else NOTHING


def _mark(fault: Interruption, line: Line, kind: str) -> Event | None:
    """Return the event that shows a fault: the first of its kind at or after its place."""
    return next((event for event in line.events[fault.at :] if event.kind == kind), None)


def _around(fault: Interruption, line: Line) -> tuple[str, list[int]]:
    """Return ` after X and before Y`, what a task had done and was about to do, and the number of X."""
    done = [event for event in line.calls(fault.task) if event.n < fault.at][-1:]
    parts = [f"after {short(event.what)}" for event in done]
    if fault.step.kind == "response":
        parts.append(f"before it answered {fault.step.to}")
    elif fault.step.what:
        parts.append(f"before {short(fault.step.what)}")
    return (f" {' and '.join(parts)}" if parts else ""), [event.n for event in done]


def _kill(fault: Interruption, line: Line) -> Told:
    mark = _mark(fault, line, "kill")
    if mark is None:
        return NOTHING
    if fault.step.kind == "request" and mark.who != fault.lane:
        asked = [event for event in line.events[fault.at :] if (event.kind, event.what) == ("request", fault.step.what)]
        client = asked[0].who if asked else fault.lane  # a task does not know its client's name yet
        return f"{mark.who} was killed before {client}'s {short(fault.step.what)}.", (mark.n,)
    around, done = _around(fault, line)
    return f"{mark.who} was killed{around}.", (*done, mark.n)


def _pause(fault: Interruption, line: Line) -> Told:
    mark = _mark(fault, line, "pause")
    if mark is None or mark.until is None:
        return NOTHING
    around, done = _around(fault, line)
    own = line.calls(fault.task)
    back = next((event for event in own if event.n > mark.n), None)
    meanwhile = [
        event
        for event in line.events[mark.n : back.n if back is not None else None]
        if event.who != mark.who and any(meet(event, mine) for mine in own)
    ]
    telling = next((event for event in meanwhile if access(event) == "w"), None)
    sentence = f"{mark.who} stood still for {mark.until - mark.time:g} s{around}"
    marked = (*done, mark.n, *([back.n] if back is not None else []))
    if telling is None:
        return f"{sentence}.", marked
    return f"{sentence}; meanwhile {telling.who} did {short(telling.what)}.", tuple(sorted((*marked, telling.n)))


def _lost_reply(fault: Interruption, line: Line) -> Told:
    mark = _mark(fault, line, "fault")
    if mark is None:
        return NOTHING
    calls = [event for event in line.events if event.kind in ("call", "request")]
    lost = next((event for event in reversed(calls) if event.n < mark.n and _answered_by(event, mark)), None)
    if lost is None:
        return NOTHING
    again = next((e for e in calls if e.n > mark.n and (e.kind, e.what) == (lost.kind, lost.what)), None)
    reply, verb = ("answer", "sent") if lost.kind == "request" else ("reply", "did")
    sentence = f"The {reply} to {lost.who}'s {short(lost.what)} was lost"
    if again is None:
        return f"{sentence}.", (lost.n, mark.n)
    return f"{sentence}, and {again.who} {verb} it again.", (lost.n, mark.n, again.n)


def _answered_by(event: Event, mark: Event) -> bool:
    """Tell whether a fault is about an event: its own store call, or the request that its instance served."""
    if event.kind == "request":
        return (event.who, event.to) == (mark.to, mark.who)
    return (event.who, event.to) == (mark.who, mark.to) and mark.what.endswith(event.what)


def _late_effect(fault: Interruption, line: Line) -> Told:
    mark = _mark(fault, line, "fault")
    if mark is None:
        return NOTHING
    what = short(mark.what.removeprefix("late effect: "))
    return f"{mark.who}'s {what} took effect only after {mark.who} had given it up.", (mark.n,)


def _outage(fault: Interruption, line: Line) -> Told:
    mark = _mark(fault, line, "outage")
    if mark is None:
        return NOTHING
    seconds = f" for {mark.until - mark.time:g} s" if mark.until is not None else ""
    return f"{mark.who} could not be reached{seconds}.", (mark.n,)
