"""A scrubber: two runs side by side, one step at a time, with what stores and instances hold at each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .compare import Comparison, compare
from .front import Panel
from .inline import inline, said, stylesheet
from .measure import escape
from .recorder import Snapshot, snapshots
from .words import told

if TYPE_CHECKING:
    from fleetlab.sim.trace import Trace

AROUND = 6
"""How many steps before and after the present one are in view."""

IDLE = "No store is in use yet, and no instance's code is at work."

UNSEEN = "What stores and instances held was not recorded in these runs."


class Judged(Protocol):
    """A verdict, as far as a scrubber cares: the failing run and a passing one close to it."""

    trace: Trace | None
    neighbour: Trace | None


class Scrubber(Panel):
    """Two traces and a place in them; `at` is the number of the pair of steps that is looked at, from 0."""

    def __init__(self, a: Trace, b: Trace | None = None) -> None:
        self.alone = b is None
        self.comparison: Comparison = compare(a, b if b is not None else a)
        self.at = self.comparison.first or 0
        self._seen = snapshots(self.comparison.a), snapshots(self.comparison.b)

    def __len__(self) -> int:
        return len(self.comparison.pairs)

    def move(self, at: int) -> Scrubber:
        """Go to a pair of steps, or as far as there are any."""
        self.at = max(0, min(at, len(self) - 1))
        return self

    def sentence(self) -> str:
        """Return what happens here on either side, as words."""
        one, other = self.comparison.pairs[self.at] if len(self) else (None, None)
        words = [told(event) if event else "nothing" for event in (one, other)]
        here = f"Step {self.at + 1} of {len(self)}"
        if self.alone or words[0] == words[1]:
            return f"{here}: {words[0]}."
        return f"{here}. Left: {words[0]}. Right: {words[1]}."

    # -- the static form: both runs whole

    def text(self) -> str:
        """Return both runs as two columns."""
        return str(self.comparison.a if self.alone else self.comparison)

    def html(self) -> str:
        """Return both runs as one picture."""
        return (self.comparison.a if self.alone else self.comparison)._repr_html_() or ""

    # -- what is shown at one step

    def picture(self) -> str:
        """Return the runs around the present step, which is pointed out, as a drawing for the page."""
        return inline(self.comparison.svg(self.at, AROUND)) if len(self) else ""

    def states(self) -> str:
        """Return what stores and instances hold after the present step, as a table with a column a run."""
        now = [self._state(side, self.at) for side in (0, 1)]
        before = [self._state(side, self.at - 1) for side in (0, 1)]
        if not any(now):
            return f"<p>{UNSEEN}</p>"
        sides = [0] if self.alone else [0, 1]
        if not any(side and (side.stores or side.locals) for side in now):
            return f"<p>{IDLE}</p>"
        titles = ["this run"] if self.alone else ["left run", "right run"]
        head = "".join(f"<th>{title}</th>" for title in ("", *titles))
        cells = [_cells(now[side], before[side]) for side in sides]
        names = list(dict.fromkeys(name for one in cells for name in one))
        columns = {name: "".join(f"<td>{one.get(name, '–')}</td>" for one in cells) for name in names}
        rows = "".join(f"<tr><th>{escape(name)}</th>{found}</tr>" for name, found in columns.items())
        return f'<div class="fl-live"><table><tr>{head}</tr>{rows}</table></div>'

    def _state(self, side: int, at: int) -> Snapshot | None:
        """Return what was seen last on one side, up to a pair of steps."""
        events = [pair[side] for pair in self.comparison.pairs[: at + 1]]
        last = next((event for event in reversed(events) if event is not None), None)
        return self._seen[side][last.n] if last is not None else None

    def build(self) -> Any:
        """Make the widget."""
        return _Desk(self).widget


class _Desk:
    """The widget of a scrubber: a slider, buttons, the picture, and the states."""

    def __init__(self, scrubber: Scrubber) -> None:
        import ipywidgets as w

        self.scrubber = scrubber
        most = max(0, len(scrubber) - 1)
        self.slider = w.IntSlider(scrubber.at, 0, most, description="step", readout=False)
        self.slider.layout.width = "28em"
        self.slider.observe(lambda _: self.draw(), "value")
        self.picture, self.states, self.line = w.HTML(), w.HTML(), w.HTML()
        goals = {
            "Back": ("step-backward", "One step back", lambda: self.slider.value - 1),
            "On": ("step-forward", "One step on", lambda: self.slider.value + 1),
            "First difference": ("code-fork", "Where the runs part", lambda: scrubber.comparison.first or 0),
        }
        self.buttons = {name: self._button(w.Button, name, *goal) for name, goal in goals.items()}
        shown = [b for name, b in self.buttons.items() if not (scrubber.alone and name == "First difference")]
        row = w.HBox([shown[0], self.slider, *shown[1:]])
        row.layout.flex_flow = "row wrap"
        self.widget = w.VBox([w.HTML(stylesheet()), row, self.line, self.picture, self.states])
        self.widget.add_class("fl-panel")
        self.draw()

    def _button(self, button: Any, name: str, icon: str, tooltip: str, goal: Any) -> Any:
        made = button(description=name, icon=icon, tooltip=tooltip)
        made.layout.width = "auto"
        made.on_click(lambda _: setattr(self.slider, "value", max(0, min(goal(), self.slider.max))))
        return made

    def draw(self) -> None:
        """Show the step that the slider stands on."""
        self.scrubber.move(self.slider.value)
        self.line.value = said(self.scrubber.sentence())
        self.picture.value = self.scrubber.picture()
        self.states.value = self.scrubber.states()


def _cells(now: Snapshot | None, before: Snapshot | None) -> dict[str, str]:
    """Return one cell a store and an instance: its contents by name, what the step changed in bold with a ●."""
    if now is None:
        return {}
    old = before or Snapshot({}, {}, {})
    cells = {name: _listed(held, old.stores.get(name, {})) for name, held in now.stores.items()}
    for name, held in now.locals.items():
        line = f"<code>{escape(now.lines.get(name, ''))}</code><br>" if now.lines.get(name) else ""
        cells[name] = line + _listed(held, old.locals.get(name, {}))
    return cells


def _listed(held: Mapping[str, str], old: Mapping[str, str]) -> str:
    lines = []
    for name, value in held.items():
        line = f"<code>{escape(name)} = {escape(value)}</code>"
        lines.append(f"<b>● {line}</b>" if old.get(name) != value else line)
    lines += [f"<b>● <s><code>{escape(name)}</code></s> gone</b>" for name in old if name not in held]
    return "<br>".join(lines) or "empty"


def scrubber(a: Trace | Judged, b: Trace | None = None) -> Scrubber:
    """Return a scrubber over two traces, over one, or over the two of a verdict. Raises ValueError for a pass."""
    from fleetlab.sim.trace import Trace

    if isinstance(a, Trace):
        return Scrubber(a, b)
    if a.trace is None:
        raise ValueError("There is no failing run to look at: this verdict has no trace.")
    return Scrubber(a.trace, a.neighbour)


__all__ = ["Judged", "Scrubber", "scrubber"]
