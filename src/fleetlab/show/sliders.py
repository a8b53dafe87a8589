"""Sliders: a function of a few numbers, drawn again as they move.

def outage(instances=3, ttl=60, latency=0.001): ...
explore(outage, instances=(1, 9), ttl=[10, 60, 600], latency=(0.0, 0.1))
"""

from __future__ import annotations

import contextlib
import inspect
import io
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .charts import number
from .front import Errand, Panel
from .inline import said, stylesheet
from .measure import escape

Range = tuple[float, float] | tuple[float, float, float] | Sequence[Any]
_KEPT = 256


class Explored(Panel):
    """A function with a range for each argument; `values` are the present ones, at first its own defaults."""

    def __init__(self, f: Callable[..., Any], ranges: Mapping[str, Range]) -> None:
        if not ranges:
            raise ValueError("explore() needs a range for at least one argument: explore(f, instances=(1, 9)).")
        self.f, self.ranges = f, dict(ranges)
        self.values = {name: _default(f, name, given) for name, given in ranges.items()}
        self._kept: dict[tuple[Any, ...], dict[str, str]] = {}

    def setting(self) -> str:
        """Return the present values as words: `instances 3, ttl 60`."""
        return ", ".join(f"{_words(name)} {number(value)}" for name, value in self.values.items())

    def text(self) -> str:
        """Return the present values and what comes of them."""
        return f"{self.setting()}:\n{self._result()['text/plain']}"

    def html(self) -> str:
        """Return the present values and what comes of them, as HTML."""
        return f"<p>{escape(self.setting())}:</p>{self._result()['text/html']}"

    def _result(self) -> dict[str, str]:
        """Return what the function shows for the present values; the same values are computed once."""
        key = tuple(self.values.values())
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = _shown(lambda: self.f(**self.values))
        return self._kept[key]

    def build(self) -> Any:
        """Make a slider for each argument, above what comes of them."""
        from ipywidgets import HTML, HBox, VBox

        self._place, self._line = HTML(), HTML()
        self.sliders = {name: _slider(name, given, self.values[name]) for name, given in self.ranges.items()}
        draw = Errand(self._draw)
        for slider in self.sliders.values():
            slider.observe(draw, "value")
        row = HBox(list(self.sliders.values()))
        row.layout.flex_flow = "row wrap"
        widget = VBox([HTML(stylesheet()), row, self._line, self._place])
        widget.add_class("fl-panel")
        self._draw()
        return widget

    def _draw(self) -> None:
        self.values = {name: slider.value for name, slider in self.sliders.items()}
        self._line.value = said(self.setting())
        self._place.value = f'<div class="fl-live">{self._result()["text/html"]}</div>'


def explore(f: Callable[..., Any], **ranges: Range) -> Explored:
    """Return a function under sliders: `(low, high)`, `(low, high, step)`, or a list of values to choose from.

    What it returns is shown as a notebook would show it, below what it printed. It must depend on its arguments only.
    """
    return Explored(f, ranges)


def _default(f: Callable[..., Any], name: str, given: Range) -> Any:
    """Return where a slider begins: the argument's own default, else its lowest or first value."""
    found = inspect.signature(f).parameters.get(name)
    own = found.default if found is not None else inspect.Parameter.empty
    return given[0] if own is inspect.Parameter.empty else own


def _slider(name: str, given: Range, value: Any) -> Any:
    import ipywidgets as w

    label = {"description": _words(name), "style": {"description_width": "auto"}}
    if not isinstance(given, tuple):
        return w.SelectionSlider(options=[(number(one), one) for one in given], value=value, **label)
    whole = all(isinstance(one, int) for one in (*given, value))
    step = given[2] if len(given) > 2 else 1 if whole else (given[1] - given[0]) / 100
    kind = w.IntSlider if whole else w.FloatSlider
    more = {} if whole else {"readout_format": ".3g"}
    return kind(value=value, min=given[0], max=given[1], step=step, **label, **more)


def _shown(f: Callable[[], Any]) -> dict[str, str]:
    """Return what a function prints and returns, as text and as HTML; an error is shown, not raised."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            value = f()
    except Exception as error:
        value = f"{type(error).__name__}: {error}"
    printed, text = out.getvalue().rstrip(), "" if value is None else str(value)
    above = f"<pre>{_lines(printed)}</pre>" if printed else ""
    return {"text/plain": "\n".join(part for part in (printed, text) if part), "text/html": above + _html(value, text)}


def _html(value: Any, text: str) -> str:
    """Return a value as the notebook would show it: a picture, HTML, or text."""
    if hasattr(value, "_repr_png_"):
        png, about = value._repr_png_()
        data = b64encode(png).decode()
        return f'<img alt="{escape(about["alt"])}" width="{about["width"]}" src="data:image/png;base64,{data}">'
    html = value._repr_html_() if hasattr(value, "_repr_html_") else None
    return html if html is not None else f"<pre>{_lines(text)}</pre>" if text else ""


def _lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.splitlines())


def _words(name: str) -> str:
    return name.replace("_", " ")
