"""Virtual seconds as people read them: durations, and the labels of a time gutter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_SAME = 1e-9


def duration(seconds: float) -> str:
    """Return a length of time: `1.4 ms`, `45 s`, `2 min 30 s`, `3 h 05 min`, `2.5 d`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 119.5:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    if whole < 172800:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60:02d} min" if whole % 3600 >= 60 else "")
    return f"{seconds / 86400:.1f} d"


def moment(seconds: float, longest: float) -> str:
    """Return a moment in the unit that suits a trace which ends at `longest`: ms, s, min or h:mm:ss."""
    if longest < 1:
        return f"{seconds * 1000:.1f} ms"
    if longest < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds + _SAME), 60)
    if longest < 3600:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def gutter(times: Sequence[float]) -> list[str]:
    """Return one label a row: a moment where a stretch begins, `+1.3 ms` inside it, nothing while time stands still."""
    longest = max(times, default=0.0)
    if longest < 1:
        return _fine(times)
    labels, head, before = list[str](), float("-inf"), float("-inf")
    for time in times:
        if abs(time - before) < _SAME:
            labels.append("")
        elif time - head >= 1:
            labels.append(moment(time, longest))
            head = time
        else:
            labels.append(f"+{_short(time - head)}")
        before = time
    return labels


def _fine(times: Sequence[float]) -> list[str]:
    """Label milliseconds with as many decimals, up to three, as tell neighbours apart."""
    steps = [b - a for a, b in pairwise(times) if b - a > _SAME]
    smallest = min(steps, default=1.0) * 1000
    digits = 1 if smallest >= 0.1 else 2 if smallest >= 0.01 else 3
    labels, before = list[str](), float("-inf")
    for time in times:
        labels.append(f"{time * 1000:.{digits}f} ms" if time - before > _SAME else "")
        before = time
    return labels


def _short(seconds: float) -> str:
    """Label milliseconds after a head: 0.25, 1.3, 400."""
    thousandths = round(seconds * 1000, 3)
    return f"{thousandths:.{2 if thousandths < 1 else 1 if thousandths < 10 else 0}f} ms"


def standing(times: Sequence[float]) -> bool:
    """Tell whether time never moves, so that numbers of steps say more than moments."""
    return not times or max(times) - min(times) < _SAME
