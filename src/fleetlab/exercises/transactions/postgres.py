"""Sessions on a real PostgreSQL: played live where DATABASE_URL is set, read from a recording where it is not.

A recording is its own script. `ada> …` is what somebody sends, the indented lines are what came of it, and `ada: …` is
what came later of something that had to wait. All of them are made anew by

    DATABASE_URL=postgresql://… python -m fleetlab.exercises.transactions.postgres
"""

from __future__ import annotations

import os
import queue
import re
import threading
from pathlib import Path

import psycopg

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = tuple(sorted(path.stem for path in RECORDINGS.glob("*.txt")))
SCHEMA = f"fleetlab_recording_{os.getpid()}"
_GRACE = 0.4
"""After how many real seconds without an answer somebody is said to wait."""


def session(name: str) -> str:
    """Return the transcript of a session: live from the server of DATABASE_URL, or as it was recorded."""
    url = os.environ.get("DATABASE_URL")
    return play(recorded(name), url) if url else recorded(name)


def recorded(name: str) -> str:
    """Return a recording; raises ValueError for a name that there is none of."""
    if name not in NAMES:
        raise ValueError(f"There is no recording {name!r}; there are: {', '.join(NAMES)}.")
    return (RECORDINGS / f"{name}.txt").read_text("utf-8").rstrip("\n")


def play(script: str, url: str) -> str:
    """Send what the lines `who> …` of a script say to a server, in a schema of their own; return the transcript."""
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        admin.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            return _Stage(url).play(re.findall(r"^(\w+)> (.*)$", script, re.MULTILINE))
        finally:
            admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


class _Actor:
    """Somebody with one connection, whose statements run in a thread of their own."""

    def __init__(self, url: str) -> None:
        self.todo: queue.Queue[str | None] = queue.Queue()
        self.answer: list[str] | None = []
        self._connection = psycopg.connect(url, autocommit=True, options=f"-c search_path={SCHEMA}")
        self._done = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, statement: str) -> None:
        self.answer = None
        self._done.clear()
        self.todo.put(statement)

    def wait(self, seconds: float) -> bool:
        """Tell whether the last statement has ended."""
        return self._done.wait(seconds)

    def close(self) -> None:
        self.todo.put(None)

    def _work(self) -> None:
        for statement in iter(self.todo.get, None):
            self.answer = self._run(statement)
            self._done.set()
        self._connection.close()

    def _run(self, statement: str) -> list[str]:
        try:
            cursor = self._connection.execute(statement.encode())
            if cursor.description is None:
                return [cursor.statusmessage or ""]
            return [" | ".join(map(str, row)) for row in cursor] or ["no row"]
        except psycopg.Error as error:
            return [f"ERROR {error.sqlstate}: {error.diag.message_primary or str(error).splitlines()[0]}"]


class _Stage:
    """Everybody who takes part, and what has been said."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._actors: dict[str, _Actor] = {}
        self._waiting: list[str] = []
        self._lines: list[str] = []

    def play(self, commands: list[tuple[str, str]]) -> str:
        try:
            for who, statement in commands:
                self._say(who, statement)
                self._look()
            return "\n".join(self._lines)
        finally:
            for actor in self._actors.values():
                actor.close()

    def _say(self, who: str, statement: str) -> None:
        if who not in self._actors:
            self._actors[who] = _Actor(self._url)
        actor = self._actors[who]
        self._lines.append(f"{who}> {statement}")
        actor.send(statement)
        if actor.wait(_GRACE):
            self._lines += [f"     {line}" for line in actor.answer or []]
        else:
            self._lines.append("     waits")
            self._waiting.append(who)

    def _look(self) -> None:
        """Say what has come of those that were waiting, in the order in which they began."""
        for who in list(self._waiting):
            actor = self._actors[who]
            if actor.wait(_GRACE):
                self._waiting.remove(who)
                self._lines += [f"{who}: {line}" for line in actor.answer or []]


def record() -> None:
    """Play every recording again and keep what came of it; needs DATABASE_URL."""
    for name in NAMES:
        text = play(recorded(name), os.environ["DATABASE_URL"])
        (RECORDINGS / f"{name}.txt").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    record()
