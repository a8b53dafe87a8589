"""The space-time diagram of a trace: one lane an instance and a store, time downward, as SVG."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence

from fleetlab.sim.trace import Trace

from . import backdrop
from .brush import Brush, num
from .ink import Ink
from .marks import draw
from .measure import escape, plain, wrap
from .measure import width as text_width
from .rows import Row, rows
from .scene import Scene, scene
from .stage import LEFT, MARGIN, Columns, Density, Heights, columns, density, heights
from .style import CSS
from .times import gutter, standing
from .words import alt

WIDTH, ROWS = 1000.0, 120
_TALL = 900.0


def html(trace: Trace) -> str:
    """Return the picture as an `<img>` with alternative text: shown in trusted and untrusted notebooks alike."""
    about = scene(trace)
    words = alt(about)
    return image(_svg(about, words, WIDTH, ROWS), words)


def image(drawing: str, words: str) -> str:
    """Return an SVG drawing as an `<img>` with alternative text, at its own width."""
    wide = drawing.split('width="', 1)[1].split('"', 1)[0]
    data = b64encode(drawing.encode()).decode()
    return f'<img alt="{escape(words)}" width="{wide}" src="data:image/svg+xml;base64,{data}">'


def svg(trace: Trace, width: float = WIDTH, limit: int = ROWS) -> str:
    """Return the picture of a trace, at most `width` pixels wide, folded to about `limit` rows."""
    about = scene(trace)
    return _svg(about, alt(about), width, limit)


def _svg(about: Scene, words: str, width: float, limit: int) -> str:
    shown = rows(about.events, about.bars, about.marked, limit)
    lines = [row.main.line for row in shown if row.kind == "step"]
    least = min(width, max(440.0, 0.72 * text_width(plain(about.title), 13, True) + 40))
    across = columns(about.lanes, lines, width, least=least, tail=about.tail)
    brush = Brush()
    top = title(brush, about.title, about.subtitle, bool(about.marked), across.x0, across.end)
    dense = density(len(shown))
    down = heights(shown, dense, top + backdrop.header_room(across))
    backdrop.wash(brush, across, down)
    panel(brush, about, across, down, dense, top)
    bottom = down.bottom + 8
    if bottom - top > _TALL:
        backdrop.headers(brush, across, about.kinds, down.bottom)
        bottom += backdrop.header_room(across) - 8
    return document(brush, across.end, bottom, plain(about.title), words)


def document(brush: Brush, wide: float, tall: float, name: str, words: str) -> str:
    """Return a whole SVG document on its own paper, with light and dark colours."""
    size = f'viewBox="0 0 {num(wide)} {num(tall)}" width="{num(wide)}" height="{num(tall)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" class="fl" xml:space="preserve">'
    about = f"<title>{escape(name or 'Space-time diagram')}</title><desc>{escape(words)}</desc>"
    paper = f'<rect class="paper" x="0.5" y="0.5" width="{num(wide - 1)}" height="{num(tall - 1)}" rx="8"/>'
    return "".join([head, about, f"<style>{CSS}</style>", backdrop.DEFS, paper, *brush.out, "</svg>"])


def title(brush: Brush, verdict: str, found: str, bad: bool, left: float, right: float) -> float:
    """Write the verdict and beside or under it how it was found; return where the lanes may begin."""
    name, beneath, room = plain(verdict), plain(found), right - left - 2 * MARGIN
    wide = text_width(name, 13, True) if name else 0.0
    beside = wide + text_width(beneath, 11) + 24 <= room
    y = 10.0
    style = "bad b" if bad else "b"
    for line in wrap(name, room, 13, True) if name else ():
        y += 17
        brush.text(left + MARGIN, y - 3, line, room, 13, style)
    if beneath and beside:
        y = max(y, 27.0)
        brush.text(right - MARGIN, y - 3, beneath, room, 11, "soft", "end")
    elif beneath:
        y += 16
        brush.text(left + MARGIN, y - 3, beneath, room, 11, "soft")
    return y + (10 if y > 10 else 2)


def panel(brush: Brush, about: Scene, across: Columns, down: Heights, dense: Density, top: float) -> None:
    """Draw lanes, bars and rows of one trace into its columns."""
    backdrop.lanes(brush, across, down, about)
    backdrop.served(brush, across, down, about.busy)
    backdrop.bars(brush, across, down, about.bars)
    backdrop.walls(brush, across, down, about.events)
    backdrop.headers(brush, across, about.kinds, top, down.top)
    labels = _labels([place.row for place in down.placed])
    held = {lane: backdrop.held(lane, down, about.bars) for lane in about.lanes}
    marked = [place.y for place in down.placed if place.row.marked]
    for place, label in zip(down.placed, labels, strict=True):
        washed = bool(marked) and marked[0] <= place.y <= marked[-1]
        _OTHERS.get(place.row.kind, _step)(Ink(brush, across, down, dense, about, held, place, washed), label)


def _labels(shown: Sequence[Row]) -> list[str]:
    """Return the time gutter: moments, or numbers of steps where time stands still."""
    times = [row.time for row in shown]
    if standing(times):
        return [str(row.number) if row.kind == "step" else "" for row in shown]
    telling = [row for row in shown if row.kind in ("step", "end")]
    labels = iter(gutter([row.time for row in telling]))
    return [next(labels) if row.kind in ("step", "end") else "" for row in shown]


def _step(ink: Ink, label: str) -> None:
    row, size = ink.place.row, min(ink.dense.size, 11)
    x = ink.columns.x0
    if row.marked:
        ink.brush.path(f"M{num(x + 8)} {num(ink.place.y - 4)}l6 4l-6 4z", "badh")
    ink.brush.text(x + 18, ink.place.y + 4, label, 58, size, ink.style("soft" if not row.marked else "now"))
    draw(ink)
    if ink.columns.source and row.events and row.main.line:
        x, room = ink.columns.source + 4, ink.columns.end - ink.columns.source - 8
        ink.brush.text(x, ink.place.y + 4, row.main.line, room, size, "src now" if row.marked else "src")


def _end(ink: Ink, label: str) -> None:
    """Name the ends of bars beside their lanes."""
    size = ink.dense.size - 1
    ink.brush.text(ink.columns.x0 + 18, ink.place.y + 4, label, 58, min(size, 11), ink.style("soft"))
    others = [ink.columns.x(lane) for lane, _ in ink.place.row.ends]
    for lane, note in ink.place.row.ends:
        x, y = ink.columns.x(lane), ink.place.y + size * 0.36
        edge = min((other - 8 for other in others if other > x), default=ink.columns.right)
        right, left = edge - x - 26, x - ink.columns.left - 16
        if text_width(note, size) <= right or right >= left:
            ink.brush.text(x + 22, y, note, right, size, ink.style("soft", "i"))
        else:
            ink.brush.text(x - 12, y, note, left, size, ink.style("soft", "i"), "end")


def _break(ink: Ink, label: str) -> None:
    """Say how long nothing happened, and let the lanes skip it."""
    y = ink.place.y
    for lane in ink.columns.lanes:
        x = ink.columns.x(lane)
        ink.brush.path(f"M{num(x - 5)} {num(y + 1)}l10 -5M{num(x - 5)} {num(y + 5)}l10 -5", "thin solid")
    ink.brush.text(ink.columns.x0 + 12, y + 4, f"… {ink.place.row.note} …", LEFT + 10, 11, ink.style("soft", "i"))


def _fold(ink: Ink, label: str) -> None:
    """Say how many steps are not shown: a gap torn through all lanes."""
    left, right, y = ink.columns.left - 4, ink.columns.right, ink.place.y
    ground = "wash" if ink.washed else "boxf"
    ink.brush.rect(left, y - 12, right - left, 24, ground)
    for edge in (y - 12, y + 12):
        ink.brush.line(left, edge, right, edge, "thin hair")
    note, style = f"…  {ink.place.row.note}  …", ink.style("soft", "b")
    ink.brush.text((left + right) / 2, y + 4, note, right - left, 11.5, style, "middle")


def _blank(ink: Ink, label: str) -> None:
    """Draw nothing: a comparison's other side did something here."""


_OTHERS: dict[str, Callable[[Ink, str], None]] = {"end": _end, "break": _break, "fold": _fold, "blank": _blank}
