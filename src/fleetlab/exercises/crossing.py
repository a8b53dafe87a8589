"""What came between two steps of one task that belong together: the lost update and its kin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleetlab.sim import Event

from .witness import Notes

Told = tuple[str, tuple[int, ...]]
NOTHING: Told = ("", ())
_LONGEST = 48


@dataclass(frozen=True, slots=True)
class Line:
    """The events of a run with the task behind each of them."""

    events: Sequence[Event]
    notes: Notes

    def owner(self, event: Event) -> str:
        """Return the task that took an event; its lane where that is not known."""
        return self.notes.owner(event.n, event.who)

    def calls(self, task: str) -> list[Event]:
        """Return the calls to stores of one task, in order."""
        return [event for event in self.events if access(event) and self.owner(event) == task]

    def gaps(self) -> Iterator[tuple[str, int]]:
        """Yield each task and the event number at which others went on before its next call."""
        last: dict[str, int] = {}
        for number, event in enumerate(event for event in self.events if access(event)):
            task = self.owner(event)
            if last.get(task, number - 1) != number - 1:
                yield task, self.calls(task)[self.calls(task).index(event) - 1].n + 1
            last[task] = number


def access(event: Event) -> str:
    """Return "r" or "w" for a call to a store, and nothing for all other events.

    A SET NX that found the key, and an EXEC whose watched key had changed, have only looked.
    """
    if event.kind != "call" or not event.touches:
        return ""
    in_vain = event.reply == "(nil)" and (event.what.startswith(("EXEC", "MULTI")) or " NX" in event.what)
    return "r" if in_vain and " GET" not in event.what else event.touches[2]


def meet(a: Event, b: Event) -> bool:
    """Tell whether two calls touch the same thing and one of them changes it."""
    if not (a.touches and b.touches) or a.touches[0] != b.touches[0] or "w" not in (access(a), access(b)):
        return False
    return a.touches[1] == b.touches[1] or _reaches(a, b) or _reaches(b, a)


def _reaches(all_: Event, one: Event) -> bool:
    """Tell whether a call that touches everything touches what another does: a transaction names its keys."""
    if not (all_.touches and one.touches) or all_.touches[1] != "*":
        return False
    return not all_.what.startswith("MULTI") or one.touches[1] == "*" or one.touches[1] in all_.what


def short(what: str) -> str:
    """Return what was done in at most 48 characters."""
    return what if len(what) <= _LONGEST else what[: _LONGEST - 1].rstrip() + "\u2026"


def crossing(line: Line, task: str, at: int, sure: bool = False) -> Told:
    """Return who came between a task's steps before and after event number `at`, and the events that show it.

    `sure` asks for a read whose key another task wrote meanwhile, and for nothing less telling.
    """
    own = line.calls(task)
    before, after = [event for event in own if event.n < at], [event for event in own if event.n >= at]
    if not before or not after:
        return NOTHING
    between = [event for event in line.events[at : after[0].n] if access(event) and line.owner(event) != task]
    return (
        _lost_update(line, before, between, after)
        or _stale(line, before, between, after)
        or (None if sure else _half_done(line, before, between, after))
        or NOTHING
    )


def _lost_update(line: Line, before: list[Event], between: list[Event], after: list[Event]) -> Told | None:
    """Read, written by another, written: the other's write is gone."""
    for read in reversed([event for event in before if access(event) == "r"]):
        for other in (event for event in between if access(event) == "w" and meet(read, event)):
            write = next((e for e in after if access(e) == "w" and meet(read, e)), None)
            if write is not None:
                return _told_lost(line, read, other, write)
    return None


def _told_lost(line: Line, read: Event, other: Event, write: Event) -> Told:
    reads = [event for event in line.calls(line.owner(other)) if access(event) == "r" and meet(event, write)]
    theirs = [event for event in reads if read.n < event.n < other.n]
    verb, marked = ("read", (theirs[-1].n,)) if theirs else ("wrote", ())
    thing = read.touches[1] if read.touches and read.touches[1] != "*" else short(read.what)
    if other.who == read.who:
        sentence = f"One task of {other.who} {verb} {thing} between another's read and write."
    else:
        sentence = f"{other.who} {verb} {thing} between {read.who}'s read and {read.who}'s write."
    return sentence, (read.n, *marked, other.n, write.n)


def _stale(line: Line, before: list[Event], between: list[Event], after: list[Event]) -> Told | None:
    """Read, written by another, and acted upon elsewhere: a check that had become untrue."""
    act = next((event for event in after if access(event) == "w"), None)
    for read in reversed([event for event in before if access(event) == "r"]):
        for other in (event for event in between if access(event) == "w" and meet(read, event)):
            if act is not None:
                return _told(read, other, act)
    return None


def _half_done(line: Line, before: list[Event], between: list[Event], after: list[Event]) -> Told | None:
    """Changed in two steps, and met by another half-way."""
    last, act = before[-1], after[0]
    for other in between:
        if "w" in (access(last), access(act)) and (meet(last, other) or meet(other, act)):
            return _told(last, other, act)
    return None


def _told(first: Event, other: Event, act: Event) -> Told:
    one, two, between = short(first.what), short(act.what), short(other.what)
    marked = (first.n, other.n, act.n)
    if other.who == first.who:
        return f"One task of {first.who} did {between} between another's {one} and its {two}.", marked
    return f"{other.who} did {between} between {first.who}'s {one} and {first.who}'s {two}.", marked
