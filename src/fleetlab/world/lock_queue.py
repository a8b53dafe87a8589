"""Who waits behind an ALTER TABLE: asked of a real PostgreSQL, as the simulated one has no locks that readers meet.

Four sessions: a report that reads and keeps its transaction open, an ALTER, a customer who reads, and one who watches
`pg_blocking_pids`, so that nothing here depends on how fast a machine is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import text

TABLE = "fleetlab_lock_queue"
RECORDED = {
    None: """\
report:   BEGIN; SELECT count(*)    3 orders, and the transaction stays open
release:  ALTER TABLE … ADD COLUMN  waits for the report
customer: SELECT count(*)           waits for the release
report:   COMMIT
release:  ALTER TABLE … ADD COLUMN  done
customer: SELECT count(*)           3 orders""",
    "300ms": """\
report:   BEGIN; SELECT count(*)    3 orders, and the transaction stays open
release:  ALTER TABLE … ADD COLUMN  waits for the report
release:  ALTER TABLE … ADD COLUMN  canceling statement due to lock timeout
customer: SELECT count(*)           3 orders
report:   COMMIT""",
}
"""What PostgreSQL 15 has answered, without a lock_timeout and with one."""


def lock_queue(lock_timeout: str | None = None) -> str:
    """Return who waits for whom: asked of the server at DATABASE_URL, or as it was recorded where that is not set."""
    url = os.environ.get("DATABASE_URL")
    return RECORDED[lock_timeout] if url is None else measured(url, lock_timeout)


def measured(url: str, lock_timeout: str | None = None) -> str:
    """Let the sessions meet on a real server, in a table that is made for it and dropped."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as watch:
        watch.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
        watch.execute(text(f"CREATE TABLE {TABLE} AS SELECT generate_series(1, 3) AS id"))
        try:
            return "\n".join(_meeting(engine, watch, lock_timeout))
        finally:
            watch.execute(text(f"DROP TABLE {TABLE}"))


class _Session:
    """A connection with a name, which runs one statement in a thread and notes how it ended."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.name = name
        self.connection = engine.connect()
        self.pid: int = self.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        self.outcome = ""
        self._thread = threading.Thread()

    def start(self, statement: str) -> None:
        """Run a statement, and return while it may still wait."""
        self._thread = threading.Thread(target=self._run, args=(statement,), daemon=True)
        self._thread.start()

    def _run(self, statement: str) -> None:
        try:
            result = self.connection.execute(text(statement))
            self.outcome = f"{result.scalar_one()} orders" if result.returns_rows else "done"
        except sa.exc.DBAPIError as error:
            self.outcome = str(error.orig).splitlines()[0]

    def finished(self) -> str:
        """Wait for the end of the statement; return how it ended."""
        self._thread.join(20)
        return self.outcome


COUNT = f"SELECT count(*) FROM {TABLE}"  # noqa: S608 - a name of ours
ALTER = f"ALTER TABLE {TABLE} ADD COLUMN note TEXT"


def _meeting(engine: sa.Engine, watch: sa.Connection, lock_timeout: str | None) -> list[str]:
    report, release, customer = sessions = [_Session(engine, name) for name in ("report", "release", "customer")]
    names = {session.pid: session.name for session in sessions}
    try:
        report.connection.execute(text("BEGIN"))
        seen = report.connection.execute(text(COUNT)).scalar_one()
        said = [_line(report, "BEGIN; SELECT count(*)", f"{seen} orders, and the transaction stays open")]
        release.connection.execute(text(f"SET lock_timeout = '{lock_timeout or 0}'"))
        release.start(ALTER)
        said.append(_altering(release, _waits(watch, release, names)))
        if lock_timeout is not None:
            said.append(_altering(release, release.finished()))
        customer.start(COUNT)
        said.append(_counting(customer, customer.finished() if lock_timeout else _waits(watch, customer, names)))
        report.connection.execute(text("COMMIT"))
        said.append(_line(report, "COMMIT"))
        if lock_timeout is None:
            said += [_altering(release, release.finished()), _counting(customer, customer.finished())]
        return said
    finally:
        for session in sessions:
            session.connection.close()


def _line(session: _Session, what: str, outcome: str = "") -> str:
    return f"{session.name + ':':<9} {what:<26}{outcome}".rstrip()


def _altering(session: _Session, outcome: str) -> str:
    return _line(session, "ALTER TABLE … ADD COLUMN", outcome)


def _counting(session: _Session, outcome: str) -> str:
    return _line(session, "SELECT count(*)", outcome)


def _waits(watch: sa.Connection, session: _Session, names: dict[int, str]) -> str:
    return f"waits for the {_blocker(watch, session, names)}"


def _blocker(watch: sa.Connection, session: _Session, names: dict[int, str]) -> str:
    """Return who a session waits for, as the server itself says."""
    asked = text("SELECT pg_blocking_pids(:pid)")
    return _until(lambda: [names.get(pid, "?") for pid in watch.execute(asked, {"pid": session.pid}).scalar_one()])


def _until(look: Callable[[], list[str]]) -> str:
    for _ in range(200):
        found = look()
        if found:
            return found[0]
        time.sleep(0.01)
    return "nobody"


__all__ = ["RECORDED", "lock_queue", "measured"]
