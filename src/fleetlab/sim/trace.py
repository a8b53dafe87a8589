"""A trace: what happened in a simulation, in order, as immutable events."""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, ClassVar, NamedTuple

Touches = tuple[str, str, str] | tuple[()]

_OWN = str(Path(__file__).resolve().parents[1])
_LIBRARY = tuple(
    {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _OWN, "<frozen", "<string>"}
    | {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
)
_learner_file: dict[str, bool] = {}
known_file = _learner_file.get


def is_learner_file(filename: str) -> bool:
    """Tell whether a source file is a learner's: neither Python's, nor a package's, nor ours."""
    known = known_file(filename)
    if known is None:
        known = not filename.startswith(_LIBRARY) and "site-packages" not in filename
        _learner_file[filename] = known
    return known


def learner_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the learner's code at or below `frame`, or None."""
    while frame is not None:
        if is_learner_file(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def source_line(code: CodeType, number: int) -> str:
    """Return `"7  cart = load(key)"` for a line of the learner's code, or the number alone."""
    text = linecache.getline(code.co_filename, number).strip()
    return f"{number}  {text}" if text else f"{number}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, at one virtual moment.

    `time` and `until` are virtual seconds; `who` and `to` are lanes; `line` is the learner's source line;
    `touches` is `(resource, key, "r" or "w")` or empty.
    """

    n: int
    time: float
    who: str
    kind: str
    what: str
    to: str = ""
    reply: str = ""
    line: str = ""
    touches: Touches = ()
    until: float | None = None
    data: tuple[tuple[str, Any], ...] = ()


class Record:
    """One event while it is still happening: the kernel's cheap, mutable form of `Event`."""

    reply = ""
    code: CodeType | None = None
    number = 0
    data: tuple[tuple[str, Any], ...] = ()
    fault = ""
    to = ""
    touches: Touches = ()
    until: float | None = None

    def __init__(self, time: float, who: str, kind: str, what: str) -> None:
        self.time = time
        self.who = who
        self.kind = kind
        self.what = what

    def at(self, frame: FrameType | None) -> None:
        """Note the learner's line that is running in `frame` or in one of its callers."""
        frame = learner_frame(frame)
        if frame is not None:
            self.code, self.number = frame.f_code, frame.f_lineno

    def event(self, n: int) -> Event:
        """Return the immutable form, as event number `n`."""
        line = source_line(self.code, self.number) if self.code else ""
        return Event(
            n, self.time, self.who, self.kind, self.what, self.to, self.reply, line, self.touches, self.until, self.data
        )


_ORDER = ("client", "balancer", "instance", "store", "outside", "world")


class Nap(NamedTuple):
    """One sleep while it still happens: a plain tuple, since programs sleep by the million."""

    time: float
    who: str
    until: float
    code: CodeType
    place: int

    @property
    def to(self) -> str:
        """Nobody: a sleep concerns no other lane."""
        return ""

    def event(self, n: int) -> Event:
        """Return the immutable form, as event number `n`."""
        line = source_line(self.code, _line(self.code, self.place)) if is_learner_file(self.code.co_filename) else ""
        return Event(n, self.time, self.who, "sleep", "sleep", line=line, until=self.until)


@lru_cache(maxsize=4096)
def _line(code: CodeType, place: int) -> int:
    """Return the line of the instruction at offset `place`; asked late, since finding it takes long."""
    lines = (line for start, end, line in code.co_lines() if start <= place < end)
    return next(lines, None) or code.co_firstlineno


class Trace:
    """Every event of one simulation in order: draws itself, prints as a table `time | who | step`."""

    renderer: ClassVar[Callable[[Trace], str] | None] = None

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.title = ""
        self.subtitle = ""
        self.marked: tuple[int, ...] = ()
        self.records: list[Record | Nap] = []
        self._lanes: dict[str, str] = {}

    def lane(self, name: str, kind: str) -> None:
        """Declare a lane; kinds are client, balancer, instance, store, outside and world."""
        if kind not in _ORDER:
            raise ValueError(f"There is no lane kind {kind!r}; there are: {', '.join(_ORDER)}.")
        self._lanes.setdefault(name, kind)

    @property
    def lanes(self) -> list[str]:
        """The lanes with an event: clients, instances, stores, the outside, and last those that nobody declared."""
        seen = dict.fromkeys(name for record in self.records for name in (record.who, record.to) if name)
        lanes = [name for name in self._lanes if name in seen] + [name for name in seen if name not in self._lanes]
        return sorted(lanes, key=lambda name: _ORDER.index(self.lane_kind(name)))

    def lane_kind(self, name: str) -> str:
        """Return what a lane stands for: client, instance, store, outside or world."""
        return self._lanes.get(name, "world")

    def add(
        self,
        time: float,
        who: str,
        kind: str,
        what: str,
        to: str = "",
        touches: Touches = (),
        until: float | None = None,
    ) -> Record:
        """Append one record at `time` (virtual seconds) and return it, to be completed."""
        record = Record(time, who, kind, what)
        record.to, record.touches, record.until = to, touches, until
        if self.enabled:
            self.records.append(record)
        return record

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        return tuple(record.event(n) for n, record in enumerate(self.records))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def since(self, mark: int) -> Trace:
        """Return a view of the events from position `mark` on."""
        return self._view(self.records[mark:])

    def highlight(self, marked: Iterable[int], title: str = "", subtitle: str = "") -> Trace:
        """Return a view in which the events with these numbers are marked, under a title of its own."""
        view = self._view(self.records)
        view.marked, view.title, view.subtitle = tuple(marked), title, subtitle
        for n in view.marked:
            if not 0 <= n < len(view):
                raise IndexError(f"This trace has no event {n}: its events are numbered from 0 to {len(view) - 1}.")
        return view

    def _view(self, records: list[Record | Nap]) -> Trace:
        view = Trace()
        view.records, view._lanes = list(records), dict(self._lanes)
        view.title, view.subtitle = self.title, self.subtitle
        return view

    def __str__(self) -> str:
        rows = [(clock(event.time), event.who, sentence(event)) for event in self.events]
        rows = [("time", "who", "step"), *rows]
        left, middle = (max(len(row[i]) for row in rows) for i in (0, 1))
        lines = [f"{row[0]:>{left}} | {row[1]:<{middle}} | {row[2]}".rstrip() for row in rows]
        lines.insert(1, f"{'-' * left}-|-{'-' * middle}-|{'-' * 30}")
        for n in self.marked:
            lines[n + 2] = "> " + lines[n + 2]
        if self.marked:
            lines = [line if line.startswith("> ") else "  " + line for line in lines]
        return "\n".join([*([self.title] if self.title else []), *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        draw = type(self).renderer
        return draw(self) if draw else None


def clock(seconds: float) -> str:
    """Return virtual seconds as text: `1.4 ms`, `12.000 s`, `0:31:00`."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 600:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def sentence(event: Event) -> str:
    """Return an event as one short line of text."""
    arrow = f" -> {event.to}" if event.to else ""
    until = f" until {clock(event.until)}" if event.until is not None else ""
    reply = f" = {event.reply}" if event.reply else ""
    line = f"   [{event.line}]" if event.line else ""
    kind = "" if event.kind in ("call", "request", "response") else f"{event.kind}: "
    return f"{kind}{event.what}{arrow}{until}{reply}{line}"


def caller(depth: int) -> FrameType:
    """Return the frame `depth` calls above the caller of this function."""
    return sys._getframe(depth + 1)
