"""Functions of a session: its clock, its sequences, its advisory locks."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psycopg import errors as pg

from fleetlab.sim import WaitQueue, current_task

from . import values
from .errors import error

if TYPE_CHECKING:
    from .session import Session


def _clock(session: Session) -> float:
    """Return the server's Unix time in seconds."""
    sim = session.db.sim
    return sim.epoch + sim.now


def _began(session: Session) -> float:
    """Return the Unix time, in seconds, at which the transaction began."""
    sim = session.db.sim
    return sim.epoch + (session.began if session.open or session.autocommit else sim.now)


def _wait(seconds: float) -> None:
    if current_task() is None:
        raise RuntimeError("pg_sleep() waits in virtual time: do this inside a task, with world.call(f).")
    WaitQueue("pg_sleep").wait(seconds)


def _today(session: Session) -> str:
    return datetime.datetime.fromtimestamp(_began(session), datetime.UTC).date().isoformat()


def _known(session: Session, name: str) -> str:
    name = name.removeprefix("public.").strip('"')
    if name not in session.sequences:
        raise error(pg.UndefinedTable, f'relation "{name}" does not exist')
    return name


def _next(session: Session, name: str) -> int:
    if name not in session.sequences:
        name = _known(session, name)
    session.sequences[name] += 1
    number: int = session.sequences[name]
    session.drawn[name] = session.drawn[""] = number
    return number


def _current(session: Session, name: str = "") -> int:
    name = _known(session, name) if name else ""
    if name not in session.drawn:
        raise pg.ObjectNotInPrerequisiteState(f'currval of sequence "{name}" is not yet defined in this session')
    return int(session.drawn[name])


def _set(session: Session, name: str, value: int, called: int = 1) -> int:
    session.sequences[_known(session, name)] = value if called else value - 1
    return value


def _sleep(session: Session, seconds: float) -> str:
    session.requests.append(lambda: _wait(seconds))
    return ""


def _advisory(shared: bool, of_transaction: bool) -> Callable[..., str]:
    def acquire(session: Session, *key: int) -> str:
        session.requests.append(lambda: session.held.take(key, shared, of_transaction))
        return ""

    return acquire


def _try_advisory(shared: bool, of_transaction: bool) -> Callable[..., bool]:
    return lambda session, *key: session.held.attempt(key, shared, of_transaction)


def _unlock(shared: bool) -> Callable[..., bool]:
    return lambda session, *key: session.held.give(key, shared)


SESSION_FUNCTIONS: list[tuple[str, int, Callable[..., Any]]] = [
    ("now", 0, lambda session: values.moment(_began(session))),
    ("transaction_timestamp", 0, lambda session: values.moment(_began(session))),
    ("current_timestamp", 0, lambda session: values.moment(_began(session))),
    ("statement_timestamp", 0, lambda session: values.moment(_clock(session))),
    ("clock_timestamp", 0, lambda session: values.moment(_clock(session))),
    ("pg_localtimestamp", 0, lambda session: values.moment(_began(session)) | 1),
    ("pg_current_date", 0, _today),
    ("nextval", 1, _next),
    ("currval", 1, _current),
    ("lastval", 0, _current),
    ("setval", 2, _set),
    ("setval", 3, _set),
    ("pg_get_serial_sequence", 2, lambda session, table, column: f"{table}_{column}_seq"),
    ("current_setting", 1, lambda session, name: session.settings.show(name)),
    ("pg_backend_pid", 0, lambda session: session.pid),
    ("pg_sleep", 1, _sleep),
    ("pg_advisory_unlock_all", 0, lambda session: session.held.give_session_level()),
    *[
        (
            f"pg_{attempt}advisory_{scope}lock{suffix}",
            arity,
            (_try_advisory if attempt else _advisory)(bool(suffix), bool(scope)),
        )
        for attempt in ("", "try_")
        for scope in ("", "xact_")
        for suffix in ("", "_shared")
        for arity in (1, 2)
    ],
    *[(f"pg_advisory_unlock{suffix}", arity, _unlock(bool(suffix))) for suffix in ("", "_shared") for arity in (1, 2)],
]
"""Name, number of arguments, and function of the session and these arguments."""
