"""Settings of a session: what SET, SET LOCAL, SHOW and the connection's options may name."""

from __future__ import annotations

import re

from psycopg import errors as pg

from .errors import refuse

_DEFAULTS = {
    "lock_timeout": "0",
    "statement_timeout": "0",
    "application_name": "",
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "search_path": '"$user", public',
    "transaction_isolation": "read committed",
    "default_transaction_isolation": "read committed",
    "deadlock_timeout": "1s",
    "server_version": "16",
    "max_prepared_transactions": "0",
}
_SETTABLE = ("lock_timeout", "statement_timeout", "application_name")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1e-3}
_READ_COMMITTED = ("read committed", "read uncommitted")


class Settings:
    """What one session has set; a rollback undoes it, the end of the transaction undoes `SET LOCAL`."""

    def __init__(self, options: str = "") -> None:
        self._session: dict[str, str] = {}
        self._local: dict[str, str] = {}
        self._before: dict[str, str] | None = None
        self.touched = False
        for name, value in re.findall(r"-c\s*(\w+)=('[^']*'|\S+)", options):
            self.put(name, value)

    def put(self, name: str, value: str, *, local: bool = False, in_transaction: bool = False) -> None:
        """Set a value; whatever cannot be honoured is refused."""
        name, value = name.lower(), value.strip("'")
        if "isolation" in name and value.lower() in _READ_COMMITTED:
            return
        if name in ("timezone", "client_encoding") and value.upper().replace("-", "") in ("UTC", "UTF8"):
            return
        if name not in _SETTABLE:
            raise refuse(f"SET {name} = {value}")
        if name.endswith("timeout"):
            duration(value)
        if in_transaction and self._before is None:
            self._before = dict(self._session)
        self.touched = True
        (self._local if local else self._session)[name] = value

    def reset(self, name: str) -> None:
        """Return a setting to its default."""
        self._session.pop(name.lower(), None)

    def show(self, name: str) -> str:
        """Return a value as SHOW does."""
        name = name.lower()
        if name not in _DEFAULTS:
            raise pg.UndefinedObject(f'unrecognized configuration parameter "{name}"')
        return self._local.get(name) or self._session.get(name) or _DEFAULTS[name]

    def seconds(self, name: str) -> float | None:
        """Return a time limit in seconds, or None if there is none."""
        if not self.touched:
            return None
        return duration(self.show(name)) or None

    def end(self, committed: bool) -> None:
        """End the transaction."""
        if self._before is not None and not committed:
            self._session = self._before
        self._before = None
        self._local.clear()


def duration(text: str) -> float:
    """Return a duration in seconds: '2s', '500ms', or a number of milliseconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*", text)
    if found is None:
        raise pg.InvalidParameterValue(f'invalid value for parameter: "{text}"')
    return float(found[1]) * _UNITS[found[2]]
