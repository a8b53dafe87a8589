"""A trace as a film: its last steps as one frame, whose lanes stand where they stood in the frame before."""

from __future__ import annotations

from dataclasses import replace

from fleetlab.sim.trace import Nap, Record, Trace

from . import backdrop
from .brush import Brush
from .inline import inline
from .lanes import WIDTH, document, panel
from .measure import plain
from .rows import rows
from .scene import Scene, scene
from .stage import Density, columns, heights
from .words import alt

STEPS = 14
"""How many steps a frame shows, if they find room."""
HEIGHT = 500.0
"""How high a frame may be, in pixels."""

_ORDER = ("client", "balancer", "instance", "store", "outside")
_TAIL = 150.0
_FRAME = Density(40, 28, 24, 11, True)


class Film:
    """Reads each event of a growing trace once, and draws the last of them as often as it is asked."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._read = 0
        self._lanes: dict[str, str] = {}
        self._ended: set[str] = set()
        self._lasting: dict[object, int] = {}

    def view(self, steps: int = STEPS) -> Trace:
        """Return the last steps, after whatever began before them and still goes on."""
        self._catch_up()
        records = self.trace.records
        cut = max(0, len(records) - steps)
        now = records[-1].time if records else 0.0
        before = [n for n in sorted(self._lasting.values()) if n < cut and _goes_on(records[n], now)]
        view = self.trace.since(cut)
        view.records[:0] = [records[n] for n in before]
        return view

    def frame(self, title: str = "", steps: int = STEPS) -> str:
        """Return the last steps as a drawing for the page: so many, or as many as `HEIGHT` has room for."""
        for count in range(steps, 0, -1):
            drawing, height = self._drawn(title, count)
            if height <= HEIGHT:
                break
        return inline(drawing)

    def _drawn(self, title: str, steps: int) -> tuple[str, float]:
        view = self.view(steps)
        view.title = title
        about = scene(view)
        about = replace(about, kinds=self._kinds(about))
        across = columns(about.lanes, (), WIDTH, least=WIDTH, tail=_TAIL)
        brush, shown = Brush(), rows(about.events, about.bars, about.marked, 3 * steps)
        down = heights(shown, _FRAME, 12 + backdrop.header_room(across))
        panel(brush, about, across, down, _FRAME, 12)
        height = down.bottom + 8
        return document(brush, WIDTH, height, plain(title), alt(about)), height

    def _kinds(self, about: Scene) -> dict[str, str]:
        """Return every lane but those that ended before the frame begins, in one lasting order."""
        shown = [name for name in self._lanes if name not in self._ended or name in about.kinds]
        shown.sort(key=lambda name: _ORDER.index(self._lanes[name]))
        return {name: self._lanes[name] for name in shown} | dict(about.kinds)

    def _catch_up(self) -> None:
        records = self.trace.records
        for n in range(self._read, len(records)):
            record = records[n]
            for name in (record.who, record.to):
                if name and name not in self._lanes and self.trace.lane_kind(name) in _ORDER:
                    self._lanes[name] = self.trace.lane_kind(name)
            if isinstance(record, Record):
                self._note(n, record)
        self._read = len(records)

    def _note(self, n: int, record: Record) -> None:
        pair = frozenset((record.who, record.to))
        if record.kind in ("kill", "gone"):
            self._ended.add(record.who)
        elif record.kind == "start":
            self._ended.discard(record.who)
        elif record.kind in ("pause", "outage"):
            self._lasting[record.who, record.kind] = n
        elif record.kind == "partition":
            self._lasting[pair] = n
        elif record.kind == "heal":
            self._lasting.pop(pair, None)


def _goes_on(record: Record | Nap, now: float) -> bool:
    return record.until is None or record.until > now
