"""Which cells of a notebook a later one depends on, told by the names that they bind and use."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
_DEFINED = re.compile(r"^(?:(?:def|class)\s+(\w+)|(\w+)\s*=[^=])", re.MULTILINE)
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class Names:
    """What a cell binds at its top level for certain, what it may bind, and what it uses."""

    bound: frozenset[str]
    maybe: frozenset[str]
    used: frozenset[str]


def plain(source: str) -> str:
    """Return a cell's source as Python alone: a notebook's own commands become `pass`."""
    return _MAGIC.sub(r"\1pass", source)


def names(source: str) -> Names:
    """Return the names of a cell; of one that is not Python yet, those that it seems to define."""
    try:
        tree = ast.parse(plain(source))
    except (SyntaxError, ValueError):
        seen = frozenset(name for pair in _DEFINED.findall(source) for name in pair if name)
        return Names(frozenset(), seen, frozenset(re.findall(r"[^\W\d]\w*", source)))
    bound = frozenset(name for statement in tree.body for name in _binds(statement))
    top = symtable.symtable(plain(source), "cell", "exec")
    inner = [symbol for table in _inside(top) for symbol in table.get_symbols() if symbol.is_global()]
    maybe = [symbol for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()]
    maybe += [symbol for symbol in inner if symbol.is_assigned()]
    used = _texts(symbol for symbol in top.get_symbols() if symbol.is_referenced())
    # What a function's body uses is looked up when it is called: by then the whole cell has run.
    used |= _texts(symbol for symbol in inner if symbol.is_referenced()) - bound
    return Names(bound, _texts(maybe), used - _BUILTINS)


def _inside(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inside(child)


def _texts(symbols: Iterable[symtable.Symbol]) -> frozenset[str]:
    return frozenset(symbol.get_name() for symbol in symbols)


def _binds(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


def needed(sources: Sequence[str], last: int, optional: Collection[int]) -> list[int]:
    """Return which cells before `last` it depends on, in order, and itself.

    Cells in `optional` (other exercises' answers) count only if a name of theirs is used; all others always count.
    """
    about = names(sources[last])
    wanted, found = set(about.used), [last]
    for number in range(last - 1, -1, -1):
        about = names(sources[number])
        if number in optional and not wanted & (about.bound | about.maybe):
            continue
        wanted = (wanted - about.bound) | about.used
        found.append(number)
    return found[::-1]


def first_line(source: str) -> str:
    """Return the line that a reader knows a cell by, of at most 60 characters."""
    lines = [line.strip() for line in source.splitlines()]
    told = [line for line in lines if line and not line.startswith("#")] or [line for line in lines if line] or [""]
    return told[0] if len(told[0]) <= 60 else told[0][:59] + "…"
