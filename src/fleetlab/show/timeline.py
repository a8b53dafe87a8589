"""State lanes: what each of several things was, from when to when, such as a schema and the instances that use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .charts import number, table
from .picture import Picture, picture
from .style import COLOURS, HATCHES, LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LETTER = 0.0115
"""How wide a letter is, as a part of the picture."""

States = Sequence[tuple[float, str]]
"""The states of one lane, each with the moment of its beginning; an empty one is a gap."""


def timeline(lanes: Mapping[str, States], end: float, *, xlabel: str = "", title: str = "") -> Picture:
    """Return one bar a state on a lane for each name, from its beginning to the next one, the last to `end`.

    A state has its colour, its hatch and its name on every lane. Raises ValueError where moments go backwards.
    """
    for name, states in lanes.items():
        moments = [*(moment for moment, _ in states), end]
        if moments != sorted(moments):
            raise ValueError(f"The states of {name!r} do not stand in the order of their moments.")
    rows = [
        (name, state, f"{number(start)} to {number(until)}")
        for name, states in lanes.items()
        for start, until, state in spans(states, end)
    ]
    text = str(table(rows, ["lane", "state", xlabel or "from to"], title=title))
    alt = f"State lanes: {title}. " + " ; ".join(f"{name} is {state} from {when}" for name, state, when in rows)
    size = (7.6, 0.9 + 0.34 * len(lanes))
    return picture(lambda figure: _draw(figure, lanes, end, xlabel, title), size, alt, text)


def spans(states: States, end: float) -> list[tuple[float, float, str]]:
    """Return beginning, end and name of each state that lasts; one that follows itself is one."""
    found: list[tuple[float, float, str]] = []
    for (start, state), (until, _) in pairwise([*states, (end, "")]):
        if found and found[-1][2] == state and found[-1][1] == start:
            found[-1] = (found[-1][0], until, state)
        elif state and until > start:
            found.append((start, until, state))
    return found


def _draw(figure: Figure, lanes: Mapping[str, States], end: float, xlabel: str, title: str) -> None:
    axes = figure.add_subplot()
    kinds = list(dict.fromkeys(state for states in lanes.values() for _, state in states if state))
    first = min((states[0][0] for states in lanes.values() if states), default=0.0)
    box = {"boxstyle": "round,pad=0.15", "facecolor": LIGHT["paper"], "edgecolor": "none"}
    for row, states in enumerate(lanes.values()):
        for start, until, state in spans(states, end):
            kind = kinds.index(state) % 8
            edge = LIGHT["paper"]
            axes.barh(
                row, until - start, 0.7, start, color=COLOURS[kind], hatch=HATCHES[kind], edgecolor=edge, alpha=0.7
            )
            half = (
                _LETTER * len(state) * (end - first) / 2
            )  # a short bar's name may stand out, but not out of the picture
            middle = min(max((start + until) / 2, first + half), end - half)
            axes.text(middle, row, state, fontsize=8, ha="center", va="center", bbox=box)
    axes.set_yticks(range(len(lanes)), list(lanes))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(first, end)
    axes.set(title=title, xlabel=xlabel)


__all__ = ["timeline"]
