"""A job in a process of its own: started, started again when it dies, and what it does to the table counted."""

from __future__ import annotations

import contextvars
import re
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from fleetlab.sim import Killed, Process, Task
from fleetlab.sim.process import current_process
from fleetlab.world.world import World

STARTS = 3
"""How often the job is started at most, in one run."""
STATEMENTS = 400
"""How many statements a job may send for some fifty rows before it counts as endless."""


@dataclass
class Ledger:
    """What the job has done: rows changed by each committed transaction, starts, and the error it ended with."""

    changed: list[int] = field(default_factory=list)
    open: dict[Any, int] = field(default_factory=dict)
    starts: int = 0
    statements: int = 0
    error: BaseException | None = None
    finished: bool = False

    def listen(self, engine: sa.Engine) -> None:
        """Count what is changed over an engine, by its own events."""
        sa.event.listen(engine, "after_cursor_execute", self._executed)
        sa.event.listen(engine, "commit", self._committed)
        sa.event.listen(engine, "rollback", lambda connection: self.open.pop(_session(connection), None))

    def _executed(self, connection: sa.Connection, cursor: Any, statement: str, *rest: Any) -> None:
        self.statements += 1
        process = current_process()
        if self.statements > STATEMENTS and process is not None:
            process.kill()
        if re.search(r"\bUPDATE\s+items\b", statement, re.IGNORECASE) and cursor.rowcount > 0:
            session = _session(connection)
            self.open[session] = self.open.get(session, 0) + cursor.rowcount
            if session.autocommit:
                self._committed(connection)

    def _committed(self, connection: sa.Connection) -> None:
        found = self.open.pop(_session(connection), 0)
        if found:
            self.changed.append(found)


def _session(connection: sa.Connection) -> Any:
    driver: Any = connection.connection.dbapi_connection
    return driver.session


def start(world: World, answer: Any, size: int, ledger: Ledger) -> Task:
    """Start the job in a process of its own, with a memory of its own."""
    ledger.starts += 1
    name = f"job-{ledger.starts}"
    process = Process(world.sim, name)
    process.context = contextvars.Context()
    world.trace.lane(name, "instance")
    engine, load = world.database.engine(process), world.pool.image(answer).load
    ledger.listen(engine)
    return process.spawn(lambda: load()(engine, size), name=name)


def work(world: World, answer: Any, size: int, ledger: Ledger) -> None:
    """Start the job, and start it again when it has died, as the platform does with a job."""
    while not ledger.finished and ledger.error is None and ledger.starts < STARTS and ledger.statements <= STATEMENTS:
        task = start(world, answer, size, ledger)
        task.wait()
        ledger.finished = task.error is None
        ledger.error = None if isinstance(task.error, Killed) else task.error
        if task.process is not None:
            task.process.kill()
