"""SVG strokes: the few shapes that diagrams are made of, as text."""

from __future__ import annotations

from math import hypot

from .measure import escape, plain, shorten, width

HEAD, WING = 7.5, 3.6


def num(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


class Brush:
    """Collects SVG elements; every text goes through `text`, which keeps it within its room."""

    def __init__(self) -> None:
        self.out: list[str] = []

    def add(self, element: str) -> None:
        """Append one element as it is."""
        self.out.append(element)

    def text(
        self, x: float, y: float, content: object, room: float, size: float, style: str = "", anchor: str = "start"
    ) -> float:
        """Write `content` within `room` pixels and return its width; what is cut stands in full in a `<title>`."""
        bold, mono = " b" in f" {style}", style.startswith("src")
        full = plain(content)
        shown = shorten(full, room, size, bold, mono)
        if not shown:
            return 0.0
        more = "" if shown == full else f"<title>{escape(full)}</title>"
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        kind = f' class="{style}"' if style else ""
        self.add(f'<text{kind} x="{num(x)}" y="{num(y)}" font-size="{num(size)}"{side}>{escape(shown)}{more}</text>')
        return width(shown, size, bold, mono)

    def rect(
        self, x: float, y: float, wide: float, tall: float, style: str, radius: float = 0, extra: str = ""
    ) -> None:
        """Draw a rectangle, with `extra` attributes as they are."""
        corner = f' rx="{num(radius)}"' if radius else ""
        at = f'x="{num(x)}" y="{num(y)}" width="{num(wide)}" height="{num(tall)}"'
        self.add(f'<rect class="{style}" {at}{corner}{extra}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a straight line."""
        self.add(f'<line class="{style}" x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"/>')

    def path(self, shape: str, style: str) -> None:
        """Draw a path."""
        self.add(f'<path class="{style}" d="{shape}"/>')

    def arrow(self, points: list[tuple[float, float]], style: str, head: str) -> None:
        """Draw a line through `points` that ends in a filled head; no markers, which some viewers leave uncoloured."""
        (x1, y1), (x2, y2) = points[-2:]
        long = hypot(x2 - x1, y2 - y1) or 1.0
        ux, uy = (x2 - x1) / long, (y2 - y1) / long
        bx, by = x2 - ux * HEAD, y2 - uy * HEAD
        body = [*points[:-1], (x2 - ux * 4, y2 - uy * 4)]
        if len(body) == 2 and y1 == y2:
            self.line(*body[0], *body[1], style)
        else:
            self.path("M" + "L".join(f"{num(x)} {num(y)}" for x, y in body), style)
        wx, wy = -uy * WING, ux * WING
        self.path(f"M{num(bx + wx)} {num(by + wy)}L{num(x2)} {num(y2)}L{num(bx - wx)} {num(by - wy)}z", head)

    def cross(self, x: float, y: float, arm: float = 5.5) -> None:
        """Draw the ✕ of what died or got lost."""
        left, right, top, low = num(x - arm), num(x + arm), num(y - arm), num(y + arm)
        self.path(f"M{left} {top}L{right} {low}M{left} {low}L{right} {top}", "cross deadl")


def header(brush: Brush, kind: str, name: str, x: float, y: float, room: float) -> None:
    """Draw a lane's name in the shape of what it is: a client's pill, an instance's box, a store's drum …"""
    size = 12 if room > 78 else 10.5
    pad = 13.0 if room > 78 else 6.0
    wide = min(max(width(name, size, bold=True) + 2 * pad, 56), room)
    shape = _SHAPES.get(kind)
    if shape is None:
        brush.rect(x - wide / 2, y, wide, 24, f"box {kind}", 12 if kind == "client" else 3)
    else:
        brush.path(shape(x - wide / 2, x + wide / 2, y), f"box {kind}")
    tall = size * 0.36 + (15 if kind == "store" else 12)
    brush.text(x, y + tall, name, wide - (pad if kind != "instance" else 6), size, "b h", "middle")


def _drum(left: float, right: float, y: float) -> str:
    wide, half = num(right - left), num((right - left) / 2)
    lid = f"a{half} 4 0 0 0 {wide} 0"
    return f"M{num(left)} {num(y + 3)}v18{lid}v-18a{half} 4 0 0 0 -{wide} 0{lid}"


def _hexagon(left: float, right: float, y: float) -> str:
    return f"M{num(left + 9)} {num(y)}H{num(right - 9)}l9 12l-9 12H{num(left + 9)}l-9 -12z"


def _tag(left: float, right: float, y: float) -> str:
    return f"M{num(left)} {num(y)}H{num(right - 9)}l9 12l-9 12H{num(left)}z"


_SHAPES = {"store": _drum, "balancer": _hexagon, "outside": _tag}
