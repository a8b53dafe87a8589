"""What stores hold, as text: read without a connection, so that nobody notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .times import duration

if TYPE_CHECKING:
    from fleetlab.world.world import World

_PLAIN = (str, int, float, bool, bytes, type(None))
_MOST, _ROWS = 200, 20


def contents(world: World) -> dict[str, dict[str, str]]:
    """Return for each store that a world has made use of what it holds: keys of Redis, tables, letters."""
    readers: dict[str, Callable[[World], dict[str, str]]] = {"redis": _redis, "database": _database, "mail": _mail}
    return {name: read(world) for name, read in readers.items() if name in vars(world)}


def shown(value: Any, depth: int = 3) -> str:
    """Return plain data as text: the same in every run; nothing for any other object, whose code must not run."""
    kind = type(value)
    if kind is bytes:
        value = value.decode("utf-8", "replace")
    if kind in _PLAIN:
        return _cut(repr(value))
    if depth and kind in (list, tuple, set, frozenset, dict):
        return _cut(_nested(value, depth))
    return ""


def _nested(value: Any, depth: int) -> str:
    def part(one: Any) -> str:
        return shown(one, depth - 1) or f"<{type(one).__name__}>"

    if isinstance(value, dict):
        return "{" + ", ".join(f"{part(key)}: {part(one)}" for key, one in value.items()) + "}"
    parts = [part(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(parts)) + "}" if parts else "set()"
    inner = ", ".join(parts) + ("," if isinstance(value, tuple) and len(parts) == 1 else "")
    return f"[{inner}]" if isinstance(value, list) else f"({inner})"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _redis(world: World) -> dict[str, str]:
    store = world.redis._store
    now, found = store.unix_time(), {}
    for number, db in sorted(store.dbs.items()):
        for key, item in sorted(db._dict.items()):
            if not 0 < (item.expireat or 0) < now:
                left = f"   ({duration(item.expireat - now)} left)" if item.expireat else ""
                name = key.decode("utf-8", "replace") + (f" in db {number}" if number else "")
                found[name] = _cut(_value(item.value)) + left
    return found


def _value(value: Any) -> str:
    """Return one value of Redis: a string as it is, any other kind as its members."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    inner = getattr(value, "_values", value)
    if type(inner) in (list, dict, set):
        return shown(_text(inner))
    members = getattr(value, "_bylex", None) or getattr(value, "_member_list", lambda: None)()
    return shown(_text([*members])) if members is not None else f"<{type(value).__name__}>"


def _text(value: Any) -> Any:
    """Return members as text instead of bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_text(key): _text(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(_text(one) for one in value)
    return value


def _database(world: World) -> dict[str, str]:
    """Return the committed rows of each table."""
    read = world.database.file._main.execute
    names = read("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
    found = {}
    for (name,) in names.fetchall():
        rows = read(f'SELECT * FROM main."{name}" LIMIT {_ROWS + 1}').fetchall()  # noqa: S608 - from the catalogue
        more = ["…"] if len(rows) > _ROWS else []
        found[name] = "; ".join([*(", ".join(map(str, row)) for row in rows[:_ROWS]), *more]) or "no rows"
    return found


def _mail(world: World) -> dict[str, str]:
    return {f"letter {n}": f"{letter.to}: {letter.subject}" for n, letter in enumerate(world.mail.sent, 1)}
