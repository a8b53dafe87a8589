"""SQLAlchemy's QueuePool over a queue that waits in virtual time."""

from __future__ import annotations

from collections import deque
from typing import Any

from sqlalchemy import pool
from sqlalchemy.util import queue

from fleetlab.sim import Killed, WaitQueue, current_task


class Queue(queue.QueueCommon[Any]):
    """The idle connections of a pool; who finds none waits for its turn in virtual time.

    Outside the simulation nobody could give a connection back meanwhile: the wait ends at once.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self.queue: deque[Any] = deque()
        self._waiting = WaitQueue("a connection of the pool")

    def empty(self) -> bool:
        """Tell whether no connection is idle."""
        return not self.queue

    def full(self) -> bool:
        """Tell whether the pool keeps no further idle connection."""
        return 0 < self.maxsize <= len(self.queue)

    def qsize(self) -> int:
        """Return how many connections are idle."""
        return len(self.queue)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Give a connection back, unless the queue is full, and wake who waits first."""
        if self.full():
            raise queue.Full
        self.queue.append(item)
        self._waiting.notify()

    def put_nowait(self, item: Any) -> None:
        """Give a connection back, unless the queue is full."""
        self.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an idle connection, waiting at most `timeout` virtual seconds."""
        if not self.queue:
            self._wait(block, timeout)
        return self.queue.pop() if self.use_lifo else self.queue.popleft()

    def get_nowait(self) -> Any:
        """Take an idle connection, or none."""
        return self.get(False)

    def _wait(self, block: bool, timeout: float | None) -> None:
        task = current_task()
        if not block or task is None:
            raise queue.Empty
        deadline = None if timeout is None else task.sim.now + timeout
        try:
            while not self.queue:
                left = None if deadline is None else deadline - task.sim.now
                if not self._waiting.wait(left):
                    raise queue.Empty
        except Killed:
            if self.queue:  # it was this task's turn: pass it on
                self._waiting.notify()
            raise


class QueuePool(pool.QueuePool):
    """SQLAlchemy's own pool, with its sizes, its timeout and its errors; one world after another may use it."""

    _queue_class = Queue
    _world = 0

    def _create_connection(self) -> Any:
        record: Any = super()._create_connection()
        record.world = self._world
        return record

    def _do_return_conn(self, record: Any) -> None:
        if record.world == self._world:  # what an earlier world's garbage gives back is dropped
            super()._do_return_conn(record)

    def renew(self) -> None:
        """Forget every connection, idle or in use."""
        self._world += 1
        idle = self._pool
        assert isinstance(idle, Queue)
        self._pool = Queue(idle.maxsize, idle.use_lifo)
        self._overflow = -idle.maxsize
        self._invalidate_time = 0.0
