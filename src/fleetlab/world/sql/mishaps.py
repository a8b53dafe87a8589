"""Errors that a server gives for reasons of its own: on demand, so that a retry has something to retry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg

from .errors import error

if TYPE_CHECKING:
    from .session import Session

_WORDS = {
    "40001": "could not serialize access due to concurrent update",
    "40P01": "deadlock detected",
    "55P03": "canceling statement due to lock timeout",
    "57014": "canceling statement due to statement timeout",
    "57P01": "terminating connection due to administrator command",
}
"""What may be asked for, by SQLSTATE, and how PostgreSQL says it."""


@dataclass(slots=True)
class Mishap:
    """The next `times` statements that begin with `at` fail with this SQLSTATE."""

    sqlstate: str
    times: int
    at: str

    def __post_init__(self) -> None:
        if self.sqlstate not in _WORDS:
            raise ValueError(f"fail() knows the SQLSTATEs {', '.join(_WORDS)}, not {self.sqlstate!r:.20}.")


class Mishaps:
    """What is to go wrong at the server, in the order in which it was asked for."""

    def __init__(self) -> None:
        self._due: list[Mishap] = []

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, mishap: Mishap) -> None:
        """Ask for one more."""
        if mishap.times:
            self._due.append(mishap)

    def strike(self, session: Session, text: str) -> None:
        """Raise the error that is due at this statement, if one is; 57P01 ends the session as well."""
        for mishap in self._due:
            if text.lstrip().upper().startswith(mishap.at):
                self._spend(mishap)
                raise _error(session, mishap.sqlstate)

    def _spend(self, mishap: Mishap) -> None:
        mishap.times -= 1
        if not mishap.times:
            self._due.remove(mishap)


def _error(session: Session, sqlstate: str) -> psycopg.Error:
    failure = error(sqlstate, _WORDS[sqlstate])
    if isinstance(failure, pg.AdminShutdown):
        session.cut(_WORDS[sqlstate])
    return failure
