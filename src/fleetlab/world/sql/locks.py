"""Locks of the database server: waited for in virtual time, given up when the transaction or the session ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors as pg

from fleetlab.sim import Killed, Task, WaitQueue, current_task

from .errors import LOCK_TIMEOUT, STATEMENT_TIMEOUT

if TYPE_CHECKING:
    from .session import Session

DEADLOCK_TIMEOUT = 1.0
"""After how many virtual seconds of waiting a session looks for a circle, as PostgreSQL's deadlock_timeout."""


class Lock:
    """One lock: exclusive, or shared by those who ask to share it; the same session may take it again."""

    __slots__ = ("holders", "label", "queue", "tasks")

    def __init__(self, label: str) -> None:
        self.label = label
        self.holders: dict[Session, list[bool]] = {}
        self.tasks: dict[Session, Task | None] = {}
        self.queue = WaitQueue(label, self.who)

    def who(self) -> Task | str | None:
        """Return the task that took the lock first, or its process's name."""
        for session, task in self.tasks.items():
            return task if task is not None else session.lane
        return None

    def open_to(self, session: Session, shared: bool = False) -> bool:
        """Tell whether a session could take the lock now."""
        return all(of is session or (shared and all(kinds)) for of, kinds in self.holders.items())

    def take(self, session: Session, shared: bool = False) -> None:
        """Note that a session holds the lock, once more."""
        self.holders.setdefault(session, []).append(shared)
        self.tasks.setdefault(session, current_task())

    def give(self, session: Session, shared: bool = False) -> None:
        """Give the lock back once, and wake who waits first."""
        kinds = self.holders.get(session, [])
        if shared in kinds:
            kinds.remove(shared)
        if not kinds:
            self.drop(session)

    def drop(self, session: Session) -> None:
        """Give the lock back altogether, and wake who waits first."""
        if self.holders.pop(session, None) is not None:
            del self.tasks[session]
            if self.queue:
                self.queue.notify()

    def wait(self, session: Session, shared: bool = False) -> None:
        """Block the running task until the session can take the lock.

        Raises PostgreSQL's errors for `lock_timeout`, `statement_timeout`, a deadlock, and a connection that broke.
        """
        task = current_task()
        if task is None:
            holder = next(iter(self.holders)).lane or "somebody"
            raise RuntimeError(
                f"{holder} holds {self.label}, and nobody can wait for it outside the simulation: "
                "do this inside a task, with world.call(f)."
            )
        mark = (
            task.sim.trace.add(task.sim.now, task.lane, "wait", self.label, session.store)
            if task.sim.trace.enabled
            else None
        )
        session.waits_for = self
        try:
            self._wait(task, session, shared)
        except Killed:
            if not self.holders:  # it was this task's turn: pass it on
                self.queue.notify()
            raise
        finally:
            session.waits_for = None
            if mark is not None:
                mark.until = task.sim.now

    def _wait(self, task: Task, session: Session, shared: bool) -> None:
        start, looked = task.sim.now, False
        timeout, reason = _timeout(session)
        while not self.open_to(session, shared):
            limits = [] if timeout is None else [start + timeout]
            if session.holds_locks and not looked:
                limits.append(start + DEADLOCK_TIMEOUT)
            woken = self.queue.wait(min(limits) - task.sim.now if limits else None)
            session.check_open()
            if woken:
                continue
            if timeout is not None and task.sim.now >= start + timeout:
                raise reason
            looked = True
            if self._circular(session):
                raise pg.DeadlockDetected("deadlock detected")

    def _circular(self, session: Session) -> bool:
        """Tell whether a holder of this lock waits, directly or not, for the session."""
        seen: set[Session] = set()
        rest = list(self.holders)
        while rest:
            holder = rest.pop()
            if holder is session:
                return True
            if holder not in seen and holder.waits_for is not None:
                rest += holder.waits_for.holders
            seen.add(holder)
        return False


def _timeout(session: Session) -> tuple[float | None, Exception]:
    lock, statement = session.seconds("lock_timeout"), session.seconds("statement_timeout")
    if statement is not None and (lock is None or statement < lock):
        return statement, pg.QueryCanceled(STATEMENT_TIMEOUT)
    return lock, pg.LockNotAvailable(LOCK_TIMEOUT)
