"""One session of the simulated PostgreSQL: its transaction, its savepoints, its locks, its end.

A SELECT outside a write runs in SQLite's autocommit and so sees what is committed at that moment (READ COMMITTED).
The first change takes the one write lock of the database, waiting in virtual time, and opens SQLite's transaction;
a change that changes nothing gives the lock back at once, as row locks would never have been taken.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg

from fleetlab.sim import Killed, Process, Record, WaitQueue, current_task, step

from . import control
from .errors import ABORTED, CLOSED, LOST, TIMED_OUT, translated
from .locks import Lock
from .names import Names
from .settings import Settings
from .statement import Statement
from .values import adapted, with_moments

if TYPE_CHECKING:
    from fleetlab.world.database import Database

PATIENCE = 924.0
"""For how many virtual seconds a cut-off client waits for an answer: Linux's default for TCP retransmissions."""


Result = tuple[list[Any] | None, Any, int]
"""What a statement returned: its rows, if it returns any, their description, and how many rows it touched."""

NOTHING: Result = (None, None, 0)


class Session:
    """What the server keeps for one connection; `lane` names its process in reports."""

    __slots__ = (
        "aborted", "autocommit", "began", "closed", "db", "drawn", "handle", "held", "lane", "open", "pid", "points",
        "process", "raw", "reason", "requests", "settings", "waits_for", "writing",
    )  # fmt: skip

    def __init__(self, db: Database, process: Process | None, lane: str, options: str = "") -> None:
        self.db, self.process, self.lane = db, process, lane
        self.settings = Settings(options)
        self.pid = db.next_pid()
        self.handle = db.file.take(self)
        self.raw = self.handle.raw
        self.autocommit = self.open = self.aborted = self.writing = self.closed = False
        self.reason = ""
        self.began = 0.0
        self.points: list[tuple[str, bool]] = []
        self.held: list[tuple[Lock, bool, bool]] = []
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
        record = step(statement.what(parameters, many), statement.touches, to=db.name, latency=db.latency)
        if self.closed or db.troubled:
            self._arrive()
        if not self.open:
            self.began = db.sim.now
            self.open = not self.autocommit
        try:
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
        record = step("COMMIT", (self.db.name, "*", "w"), to=self.db.name, latency=self.db.latency)
        if self.closed or self.db.troubled:
            self._arrive()
        self.do_commit(record)

    def rollback(self) -> None:
        """Roll back: a step if others can tell; nothing at all in a dying task or on a dead connection."""
        if not self.open:
            return
        task = current_task()
        if self._visible() and not (task is not None and task.doomed):
            record = step("ROLLBACK", (self.db.name, "*", "w"), to=self.db.name, latency=self.db.latency)
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
        self.give_all_advisory()
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
            raise Killed
        self.check_open()

    def _arrive(self) -> None:
        """Reach the server, or wait until the network lets it, or fail."""
        self.check_open()
        state = self.db.state(self.lane)
        if state == "outage":
            self.cut(LOST)
        elif state == "partition":
            if not self.db.wait_for_network(self.lane, PATIENCE):
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
        else:
            result = self._write(statement, parameters, many)
        while self.requests:
            self.requests.pop(0)()
        return result

    def _query(self, statement: Statement, parameters: Any) -> Result:
        cursor = self.raw.execute(statement.sql, adapted(parameters))
        rows = cursor.fetchall()
        if statement.scan:
            rows = with_moments(rows)
        return rows, cursor.description, len(rows)

    def _write(self, statement: Statement, parameters: Any, many: bool) -> Result:
        """Change something under the write lock; a change of nothing keeps no lock."""
        fresh = not self.writing
        if fresh:
            if self.db.lock.holders and not self._lock_free(statement, parameters):
                return self._none(statement, parameters)
            if self.open:
                self.begin_writing()
        try:
            result = self._change(statement, parameters, many)
        except (sqlite3.Error, OverflowError, psycopg.Error):
            if fresh:
                self.stop_writing()
            raise
        if fresh and statement.kind != "ddl" and not result[2]:
            self.stop_writing()
        return result

    def _none(self, statement: Statement, parameters: Any) -> Result:
        """Return the result of a statement that finds no row; it may have columns all the same."""
        if statement.empty:
            return [], self.raw.execute(statement.empty).description, 0
        if statement.locking.for_update and statement.probe == statement.sql:
            return [], self.raw.execute(statement.sql, adapted(parameters)).description, 0
        return NOTHING

    def _lock_free(self, statement: Statement, parameters: Any) -> bool:
        """Wait for the write lock; False if the statement finds nothing to do without it."""
        if statement.locking.skip_locked:
            return False
        if statement.probe and not self._finds(statement, parameters):
            return False
        if statement.locking.nowait:
            raise pg.LockNotAvailable(f'could not obtain lock on row in relation "{statement.table}"')
        self.db.lock.wait(self)
        return True

    def _finds(self, statement: Statement, parameters: Any) -> bool:
        if isinstance(parameters, list):  # several sets of parameters
            return True
        given = adapted(statement.probe_parameters(parameters))
        return self.raw.execute(statement.probe, given).fetchone() is not None

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

    def _change(self, statement: Statement, parameters: Any, many: bool) -> Result:
        sql = statement.sql
        if statement.kind == "ddl":
            sql = control.change_schema(self, statement)
            if not sql:
                return NOTHING
        if statement.constraint:
            sql = self._with_columns(statement, sql)
        if many:
            cursor = self.raw.executemany(sql, [adapted(one) for one in parameters])
            return None, None, cursor.rowcount
        try:
            cursor = self.raw.execute(sql, adapted(parameters))
        except sqlite3.OperationalError as failure:
            cursor = self.raw.execute(self._with_fewer(statement, failure), adapted(parameters))
        if cursor.description is None:
            return None, None, max(cursor.rowcount, 0)
        rows = cursor.fetchall()
        if statement.scan:
            rows = with_moments(rows)
        return rows, cursor.description, len(rows)

    def _with_fewer(self, statement: Statement, failure: sqlite3.OperationalError) -> str:
        """Name the columns of an INSERT that gives fewer values: PostgreSQL takes defaults for the rest."""
        found = re.fullmatch(r"table (.+) has (\d+) columns but (\d+) values were supplied", str(failure))
        if found is None or int(found[3]) > int(found[2]):
            raise failure
        names = [row[1] for row in self.raw.execute(f'PRAGMA table_info("{found[1]}")').fetchall()]
        listed = ", ".join(f'"{name}"' for name in names[: int(found[3])])
        return re.sub(r"^(INSERT INTO \S+)", rf"\1 ({listed})", statement.sql, count=1, flags=re.I)

    def _with_columns(self, statement: Statement, sql: str) -> str:
        columns = Names(self.raw).columns(statement.table, statement.constraint)
        if columns is None:
            message = f'constraint "{statement.constraint}" for table "{statement.table}" does not exist'
            raise pg.UndefinedObject(message)
        return sql.replace(statement.MARK, "(" + ", ".join(f'"{column}"' for column in columns) + ")")

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
        return self.writing or (bool(self.held) and any(of_transaction for _, _, of_transaction in self.held))

    def abort(self) -> None:
        """Note that a statement failed: without a savepoint everything is undone at once, and the locks fall."""
        self.requests.clear()
        if self.open:
            self.aborted = True
            if not self.points:
                self.stop_writing()
                self._give_advisory_of_transaction()

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
        self.end(committed=not aborted)
        if record is not None:
            record.reply = "ROLLBACK" if aborted else "OK"
            if fault:
                record.reply = ""
                self._lose(record)

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
            self._give_advisory_of_transaction()

    # -- clocks

    def clock(self) -> float:
        """Return the server's Unix time in seconds."""
        sim = self.db.sim
        return sim.epoch + sim.now

    def began_at(self) -> float:
        """Return the Unix time, in seconds, at which the transaction began."""
        return self.db.sim.epoch + (self.began if self.open or self.autocommit else self.db.sim.now)

    def seconds(self, name: str) -> float | None:
        """Return a time limit that is set, in virtual seconds."""
        return self.settings.seconds(name)

    def sleep(self, seconds: float) -> None:
        """Sleep in the server (pg_sleep)."""
        if current_task() is None:
            raise RuntimeError("pg_sleep() waits in virtual time: do this inside a task, with world.call(f).")
        WaitQueue("pg_sleep").wait(seconds)

    # -- advisory locks and sequences

    @property
    def holds_locks(self) -> bool:
        """Whether the session holds any lock."""
        return self.writing or bool(self.held)

    @property
    def sequences(self) -> dict[str, int]:
        """The last number drawn from each sequence of the database."""
        return self.db.sequences

    def advisory(self, key: tuple[int, ...]) -> Lock:
        """Return the advisory lock of a key."""
        return self.db.advisory.lock(key)

    def take_advisory(self, lock: Lock, shared: bool, of_transaction: bool) -> None:
        """Take an advisory lock, waiting for it if need be."""
        if not lock.open_to(self, shared):
            lock.wait(self, shared)
        lock.take(self, shared)
        if self.open or not of_transaction:
            self.held.append((lock, shared, of_transaction))
        else:
            lock.give(self, shared)

    def give_advisory(self, lock: Lock, shared: bool) -> bool:
        """Give one hold of a session-level lock back; False if there is none."""
        if (lock, shared, False) not in self.held:
            return False
        self.held.remove((lock, shared, False))
        lock.give(self, shared)
        return True

    def give_all_advisory(self) -> None:
        """Give every advisory lock back."""
        held, self.held = self.held, []
        for lock, shared, _ in held:
            lock.give(self, shared)

    def _give_advisory_of_transaction(self) -> None:
        gone = [hold for hold in self.held if hold[2]]
        self.held = [hold for hold in self.held if not hold[2]]
        for lock, shared, _ in gone:
            lock.give(self, shared)

