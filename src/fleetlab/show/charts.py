"""Charts of metrics in the one style: bars, lines, and tables, each with its numbers in text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .measure import escape
from .picture import Picture, picture
from .style import COLOURS, DASHES, HATCHES, LIGHT, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Series = Mapping[str, Sequence[float]]


def bars(labels: Sequence[str], values: Sequence[float] | Series, *, unit: str = "", title: str = "") -> Picture:
    """Return a bar chart of one value a label, or of several named series; each bar carries its number."""
    series: Series = values if isinstance(values, Mapping) else {"": values}
    _check(series, len(labels), "labels")
    rows = [[label, *(values[i] for values in series.values())] for i, label in enumerate(labels)]
    text = _text(title, rows, ["", *(f"{name} ({unit})" if unit and name else name or unit for name in series)])
    size = (max(4.2, min(9.0, 1.2 + 0.75 * len(labels) * max(1.0, 0.6 * len(series)))), 3.1)
    alt = _alt("Bar chart", title, text)
    return picture(lambda figure: _bars(figure, labels, series, unit, title), size, alt, text)


def _bars(figure: Figure, labels: Sequence[str], series: Series, unit: str, title: str) -> None:
    axes = figure.add_subplot()
    wide = 0.8 / len(series)
    for n, (name, values) in enumerate(series.items()):
        at = [i + (n - (len(series) - 1) / 2) * wide for i in range(len(labels))]
        drawn = axes.bar(
            at, values, wide * 0.92, label=name, color=COLOURS[n % 8], hatch=HATCHES[n % 8], edgecolor=LIGHT["paper"]
        )
        axes.bar_label(drawn, [number(value) for value in values], padding=2, fontsize=8)
    axes.set_xticks(range(len(labels)), labels)
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.14)
    axes.set(title=title, ylabel=unit)
    if len(series) > 1:
        axes.legend()


def lines(x: Sequence[float], series: Series, *, xlabel: str = "", ylabel: str = "", title: str = "") -> Picture:
    """Return a line chart of named series over `x`; lines differ in colour, dash and marker."""
    _check(series, len(x), "x values")
    rows = [[value, *(values[i] for values in series.values())] for i, value in enumerate(x)]
    text = _text(title, rows, [xlabel or "x", *series], note=ylabel)
    alt = _alt("Line chart", title, text)
    return picture(lambda figure: _lines(figure, x, series, xlabel, ylabel, title), (6.4, 3.3), alt, text)


def _lines(figure: Figure, x: Sequence[float], series: Series, xlabel: str, ylabel: str, title: str) -> None:
    axes = figure.add_subplot()
    every = max(1, len(x) // 12)
    for n, (name, values) in enumerate(series.items()):
        axes.plot(
            x, values, label=name, color=COLOURS[n % 8], linestyle=DASHES[n % 8], marker=MARKERS[n % 8], markevery=every
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if len(series) > 1:
        axes.legend()


@dataclass(frozen=True, eq=False)
class Table:
    """Rows under named columns: HTML in a notebook, aligned columns in print."""

    rows: tuple[tuple[Any, ...], ...]
    columns: tuple[str, ...]
    title: str = ""

    def __str__(self) -> str:
        return _text(self.title, self.rows, self.columns)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table(rows: Iterable[Sequence[Any] | Mapping[str, Any]], columns: Sequence[str] = (), *, title: str = "") -> Table:
    """Return a table of rows given as sequences, or as mappings whose keys are the columns."""
    given = list(rows)
    names = tuple(columns) or tuple(dict.fromkeys(key for row in given if isinstance(row, Mapping) for key in row))
    cells = [tuple(row.get(name, "") for name in names) if isinstance(row, Mapping) else tuple(row) for row in given]
    wrong = next((row for row in cells if len(row) != len(names)), None)
    if wrong is not None:
        raise ValueError(f"A row has {len(wrong)} cells under {len(names)} columns: {wrong!r}.")
    return Table(tuple(cells), names, title)


def number(value: Any) -> str:
    """Return a value as people read it: whole numbers with thousands, others with three digits that count."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (abs(value) < 1e15 and value == int(value)):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cell(value: Any) -> str:
    side = ' style="text-align:right"' if _numeric(value) else ' style="text-align:left"'
    return f"<td{side}>{escape(number(value))}</td>"


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(series: Series, count: int, of: str) -> None:
    for name, values in series.items():
        if len(values) != count:
            raise ValueError(f"{name or 'The values'}: {len(values)} values for {count} {of}.")


def _text(title: str, rows: Iterable[Sequence[Any]], columns: Sequence[str], note: str = "") -> str:
    """Return aligned columns under a title; numbers stand right."""
    given = [list(row) for row in rows]
    cells = [[number(value) for value in row] for row in given]
    right = [bool(given) and all(_numeric(row[i]) for row in given) for i in range(len(columns))]
    wide = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        parts = [text.rjust(wide[i]) if right[i] else text.ljust(wide[i]) for i, text in enumerate(row)]
        return "  ".join(parts).rstrip()

    head = [" · ".join(part for part in (title, note) if part)] if title or note else []
    return "\n".join([*head, line(columns), "  ".join("-" * size for size in wide), *map(line, cells)])


def _alt(kind: str, title: str, text: str) -> str:
    return f"{kind}: {title}. {' ; '.join(' '.join(line.split()) for line in text.splitlines()[-24:])}"
