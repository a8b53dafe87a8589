"""Which rows a picture has: one a step, ends of bars, breaks for idle time, and folds for what no one needs to see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fleetlab.sim.trace import Event

from .spans import ENDS, Span
from .times import duration

# Marks small enough to share a row when several lanes get one at the same moment.
_SMALL = frozenset({"start", "ready", "version"})
# Folding keeps these, as the story is in them.
_TELLING = frozenset(
    ("kill", "gone", "stop", "pause", "outage", "partition", "heal", "fault", "version", "schema", "note", "error")
)
_AROUND = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One horizontal strip; `kind` is step, end, break, fold or blank; times are virtual seconds."""

    kind: str
    time: float
    events: tuple[Event, ...] = ()
    note: str = ""
    ends: tuple[tuple[str, str], ...] = ()
    number: int = 0
    last: float = 0.0
    marked: bool = False

    @property
    def main(self) -> Event:
        """The event that the row is about."""
        return self.events[0]


def rows(events: Sequence[Event], spans: Sequence[Span], marked: Collection[int], limit: int) -> list[Row]:
    """Return the rows of a picture of `events`, about `limit` of them at most."""
    steps = _ends(_steps(events, frozenset(marked)), spans)
    return _breaks(_fold(steps, limit))


def _steps(events: Sequence[Event], marked: frozenset[int]) -> list[Row]:
    found: list[Row] = []
    clock = 0.0
    for event in events:
        clock = max(clock, event.time)
        if found and _joins(found[-1], event, marked):
            found[-1] = _with(found[-1], event, event.n in marked)
        else:
            found.append(Row("step", clock, (event,), number=event.n + 1, last=clock, marked=event.n in marked))
    return found


def _joins(row: Row, event: Event, marked: frozenset[int]) -> bool:
    """Tell whether `event` shares the row before it: small marks at one moment, or the bar that a call began."""
    main = row.main
    if abs(event.time - row.time) > 1e-9:
        return False
    if event.kind in _SMALL and main.kind in _SMALL:
        taken = any(other.who == event.who and other.kind == event.kind for other in row.events)
        return not taken and event.n not in marked and not row.marked
    ours = event.who in (main.who, main.to)
    fresh = all(other.kind != event.kind for other in row.events)
    return event.kind in ("ttl", "lease") and main.kind == "call" and ours and fresh


def _with(row: Row, event: Event, marked: bool) -> Row:
    return replace(row, events=(*row.events, event), marked=row.marked or marked)


def _ends(steps: list[Row], spans: Sequence[Span]) -> list[Row]:
    """Insert a row for each bar that ends by itself while the trace goes on."""
    over = steps[-1].time if steps else 0.0
    ends = (
        sorted(
            (span.until, span.first, span)
            for span in spans
            if span.kind in ENDS and span.ends_itself and span.until is not None and span.until < over
        )
        if steps
        else []
    )
    merged: list[Row] = []
    for row in steps:
        while ends and ends[0][0] <= row.time:
            span = ends.pop(0)[2]
            if merged and merged[-1].kind == "end" and merged[-1].time == span.until:
                merged[-1] = replace(merged[-1], ends=(*merged[-1].ends, _end(span)))
            else:
                merged.append(Row("end", span.until or 0.0, ends=(_end(span),), last=span.until or 0.0))
        merged.append(row)
    return merged


def _end(span: Span) -> tuple[str, str]:
    return span.lane, ENDS[span.kind].format(what=span.what)


def _fold(steps: list[Row], limit: int) -> list[Row]:
    """Replace what is far from marks, faults and both ends by rows that say how many steps they stand for."""
    if len(steps) <= limit:
        return steps
    folded: list[Row] = []
    run: list[Row] = []
    kept = _kept(steps, limit)
    for i, row in enumerate([*steps, None]):
        if row is not None and i not in kept:
            run.append(row)
            continue
        folded += run if len(run) < _AROUND else [_fold_row(run)]
        run = []
        if row is not None:
            folded.append(row)
    return folded


def _kept(steps: list[Row], limit: int) -> set[int]:
    """Choose about `limit` rows: marked ones with their neighbours first, then faults, then both ends."""
    kept: set[int] = set()
    marked = [i for i, row in enumerate(steps) if row.marked]
    telling = [i for i, row in enumerate(steps) if row.events and row.main.kind in _TELLING]
    near = [i + d for d in range(_AROUND + 1) for i in marked] + [i - d for d in range(1, _AROUND + 1) for i in marked]
    told = [i + d for d in (0, -1, 1) for i in telling]
    count = len(steps)
    ends = [i for pair in zip(range(count), range(count - 1, -1, -1), strict=True) for i in pair]
    for i in [*marked, *near, *told, *ends]:
        if len(kept) >= limit:
            break
        if 0 <= i < count:
            kept.add(i)
    return kept


def _fold_row(run: list[Row]) -> Row:
    events = tuple(event for row in run for event in row.events)
    elapsed = run[-1].time - run[0].time
    took = f", {duration(elapsed)}" if elapsed > 0 else ""
    return Row("fold", run[0].time, events, f"{len(events)} steps{took}", last=run[-1].time)


def _breaks(found: list[Row]) -> list[Row]:
    """Insert a break where time stands idle much longer than usual, and for a tenth of the whole."""
    gaps = [after.time - before.last for before, after in pairwise(found)]
    usual = sorted(gaps)[len(gaps) // 4] if gaps else 0.0
    long = max(20 * usual, 0.1 * (found[-1].time - found[0].time), 0.5) if found else 0.0
    broken = found[:1]
    for gap, row in zip(gaps, found[1:], strict=True):
        if gap >= long:
            broken.append(Row("break", row.time - gap, note=duration(gap), last=row.time))
        broken.append(row)
    return broken
