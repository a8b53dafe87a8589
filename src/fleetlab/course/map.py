"""The course as a map: each lesson below what it needs, with what is done, begun, next, open, or still to be earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleetlab.show.backdrop import DEFS
from fleetlab.show.brush import Brush, num
from fleetlab.show.front import unattended
from fleetlab.show.lanes import document, image
from fleetlab.show.measure import plain, wrap

DONE, NEXT, BEGUN, OPEN, WAITS = "done", "next", "begun", "open", "waits"

SIGNS = {DONE: "✓", NEXT: "▶", BEGUN: "◐", OPEN: "○", WAITS: "·"}
"""A sign for each state, so that none is told by colour alone."""

_WIDE, _TALL, _DOWN, _ACROSS, _EDGE, _TOP, _MOST = 182.0, 80.0, 44.0, 16.0, 16.0, 26.0, 5


@dataclass(frozen=True, slots=True)
class Stop:
    """One lesson on the map: `needs` are names of others, `status` is one of the words above."""

    name: str
    title: str
    needs: tuple[str, ...] = ()
    minutes: int | None = None
    status: str = OPEN
    passed: int = 0
    total: int = 0

    @property
    def facts(self) -> str:
        """Minutes and exercises on one line."""
        count = f"{self.passed}/{self.total} passed" if self.total else ""
        return " · ".join(part for part in (f"{self.minutes} min" if self.minutes else "", count) if part)


@dataclass(frozen=True, eq=False)
class CourseMap:
    """A map of stops; `here` is the lesson from which it is looked at."""

    stops: tuple[Stop, ...]
    here: str = ""

    def svg(self) -> str:
        """Return the map as a drawing."""
        return _draw(self)

    def _repr_html_(self) -> str:
        return image(self.svg(), f"Course map. {'; '.join(str(self).splitlines())}")

    def __str__(self) -> str:
        return "\n".join(self._line(stop) for stop in self.stops) or "There is no lesson here yet."

    __repr__ = __str__

    def _line(self, stop: Stop) -> str:
        known = {other.name for other in self.stops}
        needs = ", ".join(number(need) for need in stop.needs if need in known)
        parts = [f"{SIGNS[stop.status]} {number(stop.name)} {stop.title}", stop.facts, stop.status]
        parts += [f"needs {needs}" if needs else "", "you are here" if stop.name == self.here else ""]
        return " · ".join(part for part in parts if part)


def course_map(here: str = "") -> CourseMap:
    """Return the map of the course that lies here, and this learner's progress; a page made for others shows none.

    With the name or number of a lesson it shows that lesson's place alone: what leads to it, and what it opens.
    """
    from .folder import course_folder
    from .outline import next_up, outline
    from .progress import Progress, ProgressFile

    progress = Progress() if unattended() else ProgressFile().read()
    plan = outline(course_folder(), progress)
    following = next_up(plan, progress.last)
    unmet = {lesson.name for lesson in plan if lesson.exercises and not lesson.done}
    stops = [
        Stop(
            lesson.name,
            plain(lesson.title),
            lesson.needs,
            lesson.minutes,
            _status(lesson.done, lesson == following, lesson.begun, bool(unmet & set(lesson.needs))),
            lesson.passed,
            len(lesson.exercises),
        )
        for lesson in plan
    ]
    place = next((stop.name for stop in stops if here in (stop.name, number(stop.name))), "")
    return CourseMap(tuple(_around(stops, place) if place else stops), place)


def _around(stops: Sequence[Stop], here: str) -> list[Stop]:
    """Return a lesson with all that leads to it and those that follow right after it."""
    near, steps = {here}, {stop.name: stop.needs for stop in stops}
    while more := {need for name in near for need in steps.get(name, ())} - near:
        near |= more
    return [stop for stop in stops if stop.name in near or here in _direct(stops)[stop.name]]


def _status(done: bool, following: bool, begun: bool, unmet: bool) -> str:
    return DONE if done else NEXT if following else BEGUN if begun else WAITS if unmet else OPEN


def number(name: str) -> str:
    """Return a lesson's number: 09, 10_1."""
    digits = [part for part in name.split("_") if part.isdigit()]
    return "_".join(digits) or name


# -- the drawing

Place = tuple[float, float]


def _draw(course: CourseMap) -> str:
    places, wide, tall = _places(course.stops)
    brush = Brush()
    for stop in course.stops:
        for need in _direct(course.stops)[stop.name]:
            _road(brush, places[need], places[stop.name])
    for stop in course.stops:
        _box(brush, stop, places[stop.name], stop.name == course.here)
    words = f"Course map. {'; '.join(str(course).splitlines())}"
    for n, (word, sign) in enumerate(SIGNS.items()):
        brush.text(_EDGE + 92 * n, tall - 12, f"{sign} {word}", 88, 11, "soft")
    return document(brush, wide, tall, "Course map", words).replace(DEFS, "")


def _direct(stops: Sequence[Stop]) -> dict[str, list[str]]:
    """Return for each lesson the lessons right before it: what is needed by a needed one goes without saying."""
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(stop.name for stop in stops)
    graph.add_edges_from((need, stop.name) for stop in stops for need in stop.needs if need in graph)
    lean = networkx.transitive_reduction(graph) if networkx.is_directed_acyclic_graph(graph) else graph
    order = [stop.name for stop in stops]
    return {name: sorted(lean.predecessors(name), key=order.index) for name in order}


def _rows(stops: Sequence[Stop]) -> list[list[str]]:
    """Return the lessons in rows: each below all that it needs, at most five in a row, near what they follow."""
    before, level = _direct(stops), dict[str, int]()
    for stop in stops:
        level[stop.name] = 1 + max((level.get(need, -1) for need in before[stop.name]), default=-1)
    rows: list[list[str]] = []
    for depth in range(max(level.values(), default=-1) + 1):
        names = [stop.name for stop in stops if level[stop.name] == depth]
        rows += [names[i : i + _MOST] for i in range(0, len(names), _MOST)]
    return rows


def _places(stops: Sequence[Stop]) -> tuple[dict[str, Place], float, float]:
    """Return the upper left corner of each box, and the size of the whole, in pixels."""
    rows = _rows(stops)
    most = max((len(row) for row in rows), default=1)
    wide = max(2 * _EDGE + most * _WIDE + (most - 1) * _ACROSS, 2 * _EDGE + 92 * len(SIGNS))
    places = {}
    for depth, row in enumerate(rows):
        left = (wide - len(row) * _WIDE - (len(row) - 1) * _ACROSS) / 2
        for n, name in enumerate(row):
            places[name] = left + n * (_WIDE + _ACROSS), _TOP + depth * (_TALL + _DOWN)
    return places, wide, _TOP + max(len(rows), 1) * (_TALL + _DOWN) - _DOWN + 38


def _road(brush: Brush, start: Place, end: Place) -> None:
    """Draw the way from a lesson to one that needs it: behind the boxes, bending where it leaves and arrives."""
    x1, y1, x2, y2 = start[0] + _WIDE / 2, start[1] + _TALL, end[0] + _WIDE / 2, end[1]
    bend = _DOWN * 0.75
    brush.path(
        f"M{num(x1)} {num(y1)}C{num(x1)} {num(y1 + bend)} {num(x2)} {num(y2 - bend)} {num(x2)} {num(y2 - 5)}", "call"
    )
    brush.path(f"M{num(x2 - 4)} {num(y2 - 8)}L{num(x2)} {num(y2)}L{num(x2 + 4)} {num(y2 - 8)}z", "callh")


def _box(brush: Brush, stop: Stop, place: Place, here: bool) -> None:
    x, y = place
    style = "chip" if stop.status == DONE else "mark dash" if stop.status == WAITS else "mark"
    brush.rect(x, y, _WIDE, _TALL, style, 6)
    if here:
        brush.rect(x - 4, y - 4, _WIDE + 8, _TALL + 8, "leasel", 9)
        brush.text(x + _WIDE - 6, y - 8, "you are here", 90, 10.5, "lease b", "end")
    tone = {DONE: "lease b", NEXT: "bad b"}.get(stop.status, "b")
    brush.text(x + 9, y + 18, f"{SIGNS[stop.status]} {number(stop.name)}", 60, 12, tone)
    brush.text(x + _WIDE - 8, y + 18, stop.facts, _WIDE - 70, 10, "soft", "end")
    for n, line in enumerate(wrap(stop.title, _WIDE - 18, 11, lines=3)):
        brush.text(x + 9, y + 37 + 15 * n, line, _WIDE - 18, 11)
