"""One session of the simulated PostgreSQL: its transaction, its savepoints, its locks, its end.

A SELECT outside a write runs in SQLite's autocommit and so sees what is committed at that moment (READ COMMITTED).
The first change takes the one write lock of the database, waiting in virtual time, and opens SQLite's transaction;
the locks fall when the transaction ends, or fails.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg

from fleetlab.sim import Process, Record, current_task, step

from . import change, control
from .advisory import Holds
from .change import Result
from .errors import ABORTED, CLOSED, LOST, TIMED_OUT, translated
from .locks import Lock
from .names import Names
from .settings import Settings
from .statement import Statement
from .values import adapted

if TYPE_CHECKING:
    from fleetlab.world.database import Database

PATIENCE = 924.0
"""For how many virtual seconds a cut-off client waits for an answer: Linux's default for TCP retransmissions."""


class Session:
    """What the server keeps for one connection; `lane` names its process in reports."""

    __slots__ = (
        *("aborted", "autocommit", "began", "closed", "db", "drawn", "handle", "held", "lane", "open", "pid", "points"),
        *("process", "raw", "reason", "requests", "settings", "waits_for", "writing"),
    )

    def __init__(self, db: Database, process: Process | None, lane: str, options: str = "") -> None:
        self.db, self.process, self.lane = db, process, lane
        self.settings = Settings(options)
        self.pid = db.next_pid()
        self.handle = db.file.take(self)
        self.raw = self.handle.raw
        self.autocommit = self.open = self.aborted = self.writing = self.closed = False
        self.reason = ""
        self.began = 0.0
        self.points: list[control.Savepoint] = []
        self.held = Holds(self)
        self.waits_for: Lock | None = None
        self.requests: list[Callable[[], None]] = []
        self.drawn: dict[str, int] = {}

    # -- what a client sends

    def execute(self, text: str, parameters: Any, many: bool = False) -> Result:
        """Run one statement: take a step, then let it take effect."""
        db = self.db
        statement = db.statements.get(text) or db.analyse(text)
        if statement.kind == "quiet":
            return self._quiet(statement, parameters)
        name = db.name
        record = step(statement.what(parameters, many), statement.touches, to=name, latency=db.latencies[name])
        if self.closed or db.troubled:
            self._arrive()
        if record is not None and record.fault == "lost commit":  # the statement itself is lost
            self._lose(record)
        if not self.open:
            self.began = db.sim.now
            self.open = not self.autocommit
        try:
            if db.mishaps:
                db.mishaps.strike(self, text)
            if statement.plain_read and not self.aborted:
                result = self._query(statement, parameters)
            else:
                result = self._run(statement, parameters, many)
        except (sqlite3.Error, OverflowError) as failure:
            raise self._noted(record, self._failed(statement, failure)) from None
        except psycopg.Error as failure:
            self.abort()
            raise self._noted(record, failure) from None
        if record is not None:
            if db.tracing:
                record.reply = statement.reply(result[0], result[2])
            if record.fault:
                self._lose(record)
        return result

    def _noted(self, record: Record | None, failure: Exception) -> Exception:
        if isinstance(failure, psycopg.Error):
            self.db.errors[failure.sqlstate or ""] += 1
        if record is not None:
            record.reply = type(failure).__name__
        return failure

    def commit(self) -> None:
        """Commit: a step if others can tell."""
        if not self.open and not self.closed:
            return
        if not self._visible():
            self._gone()
            self.end(committed=True)
            return
        record = step("COMMIT", (self.db.name, "*", "w"), to=self.db.name, latency=self.db.latencies[self.db.name])
        if self.closed or self.db.troubled:
            self._arrive()
        if self.db.mishaps and not self.aborted:
            self._refuse(record)
        self.do_commit(record)

    def _refuse(self, record: Record | None) -> None:
        """Roll back instead of committing, where the server is to say so."""
        try:
            self.db.mishaps.strike(self, "COMMIT")
        except psycopg.Error as failure:
            self.end(committed=False)
            raise self._noted(record, failure) from None

    def rollback(self) -> None:
        """Roll back: a step if others can tell; nothing at all in a dying task or on a dead connection."""
        if not self.open:
            return
        task = current_task()
        if self._visible() and not (task is not None and task.doomed):
            record = step(
                "ROLLBACK", (self.db.name, "*", "w"), to=self.db.name, latency=self.db.latencies[self.db.name]
            )
            if self.closed or self.db.troubled:
                self._arrive()
            if record is not None:
                record.reply = "OK"
        self.end(committed=False)

    def ping(self) -> None:
        """Raise if the server cannot be reached: what `pool_pre_ping` asks; not a step."""
        self._arrive()

    def cut(self, reason: str = CLOSED) -> None:
        """End the session on the server's side: its transaction rolls back, its locks fall."""
        if self.closed:
            return
        self.closed, self.reason = True, reason
        if reason is not CLOSED and self.waits_for is not None:
            self.waits_for.queue.notify_all()
        self.end(committed=False)
        self.held.give_session_level()
        self.db.forget(self)
        self.db.file.give(self.handle)

    # -- the state of the connection

    @property
    def store(self) -> str:
        """The lane of the database."""
        return self.db.name

    def check_open(self) -> None:
        """Raise if the connection broke while it waited."""
        if self.closed:
            reason, self.reason = self.reason, CLOSED
            raise psycopg.OperationalError(reason)

    def _gone(self) -> None:
        task = current_task()
        if self.closed and task is not None and task.doomed:
            task.sim.die(task)
        self.check_open()

    def _arrive(self) -> None:
        """Reach the server, or wait until the network lets it, or fail."""
        self.check_open()
        state = self.db.state(self.lane)
        if state == "outage":
            self.cut(LOST)
        elif state == "partition" and not self.db.wait_for_network(self.lane, PATIENCE):
            self.cut(TIMED_OUT)
        self.check_open()

    def _lose(self, record: Record) -> None:
        """Lose the reply: the client's connection breaks after the effect."""
        task = current_task()
        assert task is not None
        task.sim.trace.add(task.sim.now, task.lane, "fault", f"{record.fault}: {record.what}", self.db.name)
        self.cut(LOST)
        self.check_open()

    # -- running a statement

    def _quiet(self, statement: Statement, parameters: Any) -> Result:
        self._gone()
        cursor = self.raw.execute(statement.sql, parameters)
        return cursor.fetchall(), cursor.description, -1

    def _run(self, statement: Statement, parameters: Any, many: bool) -> Result:
        kind = statement.kind
        if self.aborted and kind != "control":
            raise pg.InFailedSqlTransaction(ABORTED)
        if kind == "read":
            result = self._query(statement, parameters)
        elif kind == "control":
            result = control.run(self, statement)
        elif self.db.read_only:
            verb = statement.original[0].up
            what = "SELECT FOR UPDATE" if verb == "SELECT" else verb
            raise pg.ReadOnlySqlTransaction(f"cannot execute {what} in a read-only transaction")
        else:
            result = change.write(self, statement, parameters, many)
            if not self.open:
                self._ship()
        while self.requests:
            self.requests.pop(0)()
        return result

    def _query(self, statement: Statement, parameters: Any) -> Result:
        cursor = self.raw.execute(statement.sql, adapted(parameters))
        rows = cursor.fetchall()
        if statement.read is not None:
            rows = statement.read(rows)
        return rows, cursor.description, len(rows)

    def begin_writing(self) -> None:
        """Take the write lock, which is free, and open SQLite's transaction."""
        self.db.lock.take(self)
        self.writing = True
        self.raw.execute("BEGIN IMMEDIATE")
        for i in range(len(self.points)):
            self.raw.execute(f"SAVEPOINT p{i}")

    def stop_writing(self) -> None:
        """Give the write lock back and undo what SQLite's transaction did."""
        if self.writing:
            self.writing = False
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")
            self.db.lock.drop(self)

    def _failed(self, statement: Statement, failure: sqlite3.Error | OverflowError) -> Exception:
        """Abort the transaction and return the failure in PostgreSQL's words."""
        own, self.handle.error = self.handle.error, None
        names = Names(self.raw, statement.table, statement.deletes)
        known = own if isinstance(own, Exception) else translated(failure, names)
        self.abort()
        return known

    # -- transactions

    def _visible(self) -> bool:
        """Tell whether the end of the transaction changes anything for others."""
        return self.writing or (bool(self.held) and bool(self.held.of_transaction))

    def abort(self) -> None:
        """Note that a statement failed: without a savepoint everything is undone at once, and the locks fall."""
        self.requests.clear()
        if self.open:
            self.aborted = True
            if not self.points:
                self.stop_writing()
                self.held.end_transaction()

    def do_commit(self, record: Record | None) -> None:
        """Commit, or roll back what was aborted; with the faults that a commit may meet."""
        fault = record.fault if record is not None else ""
        aborted = self.aborted
        if self.writing and not aborted and fault != "lost commit":
            try:
                self.raw.execute("COMMIT")
            except sqlite3.Error as failure:
                known = translated(failure, Names(self.raw))
                self.end(committed=False)
                raise known from None
            self._ship()
        self.end(committed=not aborted)
        if record is not None:
            record.reply = "ROLLBACK" if aborted else "OK"
            if fault:
                record.reply = ""
                self._lose(record)

    def _ship(self) -> None:
        """Send what has just been committed to the replicas."""
        for follower in self.db.followers:
            follower.ship()

    def end(self, committed: bool) -> None:
        """Close the transaction block on the server's side."""
        if self.writing:
            self.stop_writing()
        self.open = self.aborted = False
        if self.settings.touched:
            self.settings.end(committed)
        if self.points:
            self.points.clear()
        if self.held:
            self.held.end_transaction()

    # -- what functions ask

    def seconds(self, name: str) -> float | None:
        """Return a time limit that is set, in virtual seconds."""
        return self.settings.seconds(name)

    @property
    def holds_locks(self) -> bool:
        """Whether the session holds any lock."""
        return self.writing or bool(self.held)

    @property
    def sequences(self) -> dict[str, int]:
        """The last number drawn from each sequence of the database."""
        return self.db.sequences
