"""A figure that a notebook shows as PNG and that prints as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .style import RC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 144


@dataclass(frozen=True, eq=False)
class Picture:
    """A PNG with its alternative text and its contents as text; `width` is in CSS pixels."""

    png: bytes
    alt: str
    text: str
    width: int

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        return self.png, {"alt": self.alt, "width": self.width}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def picture(draw: Callable[[Figure], None], size: tuple[float, float], alt: str, text: str) -> Picture:
    """Return what `draw` draws on a figure of `size` inches, in the one style; pyplot's state stays untouched."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = RC  # its keys are checked where it is used
    with rc_context(style):
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        png = BytesIO()
        # No software version in the file: the same picture is the same bytes.
        figure.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    return Picture(png.getvalue(), alt, text, round(size[0] * 96))
