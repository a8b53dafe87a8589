"""A picture in words: the alternative text for whoever cannot see it."""

from __future__ import annotations

from fleetlab.sim.trace import Event

from .measure import plain
from .scene import Scene
from .times import duration, moment, standing

_MOST = 12
_FAULTS = ("kill", "stop", "pause", "outage", "partition", "fault", "error")
_KINDS = {"balancer": "load balancer", "outside": "outside world"}


def alt(about: Scene) -> str:
    """Return what a picture shows: title, lanes, number of steps, faults, and each marked step."""
    events = about.events
    lanes = ", ".join(f"{plain(name)} ({_KINDS.get(kind, kind)})" for name, kind in about.kinds.items())
    marked = [event for event in events if event.n in about.marked]
    faults = [event for event in events if event.kind in _FAULTS and event.n not in about.marked]
    parts = [plain(about.title).rstrip("."), "Space-time diagram, time downward", f"Lanes: {lanes or 'none'}"]
    parts += [_count(events), _list("Faults", faults, events), _list("Marked", marked, events)]
    return ". ".join(part for part in parts if part) + "."


def told(event: Event) -> str:
    """Return one event as words: `shop-2 calls redis: GET cart:ada, answered []`."""
    what, to = plain(event.what), plain(event.to)
    verb = {
        "call": f"calls {to}: {what}" if to else what,
        "request": f"asks {to}: {what}",
        "response": f"answers {to}: {what}",
        "start": f"starts {what}".rstrip(),
        "ready": "is ready",
        "gone": f"has ended ({what})",
        "error": f"raised {what}",
        "stop": f"is stopped ({what or 'SIGTERM'})",
        "kill": f"is killed ({what or 'SIGKILL'})",
        "pause": f"is paused {what}".rstrip(),
        "outage": f"is out of reach {what}".rstrip(),
        "partition": f"is cut off from {to}",
        "heal": f"reaches {to} again",
        "ttl": f"will forget {what}",
        "lease": f"holds the lease {what}",
        "version": f"runs version {what}",
        "schema": f"has schema {what}",
        "sleep": "sleeps",
        "wait": f"waits for {what}",
    }.get(event.kind, f"{what}{f' ({to})' if to else ''}")
    length = f" for {duration(event.until - event.time)}" if event.until and event.until > event.time else ""
    answer = f", answered {plain(event.reply)}" if event.reply else ""
    return f"{plain(event.who)} {verb}{length}{answer}"


def _count(events: tuple[Event, ...]) -> str:
    count = f"{len(events)} event" + ("" if len(events) == 1 else "s")
    times = [event.time for event in events]
    return count if standing(times) else f"{count} in {duration(max(times) - min(times))}"


def _list(name: str, chosen: list[Event], events: tuple[Event, ...]) -> str:
    if not chosen:
        return ""
    times = [event.time for event in events]
    still, longest = standing(times), max(times)
    told_ = [f"{f'step {e.n + 1}' if still else moment(e.time, longest)} {told(e)}" for e in chosen[:_MOST]]
    more = f"; and {len(chosen) - _MOST} more" if len(chosen) > _MOST else ""
    return f"{name}: " + "; ".join(told_) + more
