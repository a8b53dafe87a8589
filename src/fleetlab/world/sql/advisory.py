"""Advisory locks: those of a database by their key, and those that one session holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .locks import Lock

if TYPE_CHECKING:
    from .session import Session

Key = tuple[int, ...]


class Advisory:
    """The advisory locks of one database, by their key: one 64-bit number, or two of 32 bits."""

    def __init__(self) -> None:
        self._locks: dict[Key, Lock] = {}

    def lock(self, key: Key) -> Lock:
        """Return the lock of a key."""
        if key not in self._locks:
            self._locks[key] = Lock(f"advisory lock {key[0] if len(key) == 1 else key}")
        return self._locks[key]


class Hold(NamedTuple):
    """One lock held once: shared or not, until the end of the transaction or of the session."""

    lock: Lock
    shared: bool
    of_transaction: bool


class Holds:
    """What one session holds, in the order in which it took it."""

    __slots__ = ("_holds", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._holds: list[Hold] = []

    def __bool__(self) -> bool:
        return bool(self._holds)

    @property
    def of_transaction(self) -> list[Hold]:
        """The holds that end with the transaction."""
        return [hold for hold in self._holds if hold.of_transaction]

    def take(self, key: Key, shared: bool, of_transaction: bool) -> None:
        """Take a lock, waiting for it if need be."""
        session = self._session
        lock = session.db.advisory.lock(key)
        if not lock.open_to(session, shared):
            lock.wait(session, shared)
        if session.open or not of_transaction:
            lock.take(session, shared)
            self._holds.append(Hold(lock, shared, of_transaction))

    def attempt(self, key: Key, shared: bool, of_transaction: bool) -> bool:
        """Take a lock if it is free; tell whether it was."""
        free = self._session.db.advisory.lock(key).open_to(self._session, shared)
        if free:
            self.take(key, shared, of_transaction)
        return free

    def give(self, key: Key, shared: bool) -> bool:
        """Give a session-level lock back once; False if the session does not hold it."""
        hold = Hold(self._session.db.advisory.lock(key), shared, False)
        if hold not in self._holds:
            return False
        self._drop([hold])
        return True

    def give_session_level(self) -> None:
        """Give every session-level lock back."""
        self._drop([hold for hold in self._holds if not hold.of_transaction])

    def end_transaction(self, keep: int = 0) -> None:
        """Give back what was held for the transaction, except the first `keep` of them."""
        self._drop(self.of_transaction[keep:])

    def _drop(self, holds: list[Hold]) -> None:
        for hold in holds:
            self._holds.remove(hold)
            hold.lock.give(self._session, hold.shared)
