"""One stage for two servers: the same script runs on the simulated database and on a real PostgreSQL.

A test directs actors by hand: `ada.run(f)` lets one act to its end, `bob.start(f)` lets one begin and shows whether it
waits. On the fake an actor's act is a task of a simulation, on the real server it runs in a thread of the actor.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from fleetlab.sim import Simulation
from fleetlab.world.database import Database
from fleetlab.world.network import Network

_numbers = itertools.count(1)
_GRACE = 0.25
"""After how many seconds without an answer an act counts as waiting."""

Act = Callable[[sa.Connection], Any]


class Call:
    """One act under way: `waits` tells whether it is blocked, `result()` returns or raises what it did."""

    def __init__(self, finished: Callable[[float], bool], value: Callable[[], Any]) -> None:
        self._finished, self._value = finished, value

    @property
    def waits(self) -> bool:
        """Whether the act has not ended after a while."""
        return not self._finished(_GRACE)

    def result(self) -> Any:
        """Wait for the end of the act, and return or raise what it did."""
        assert self._finished(20), "the act never ended"
        return self._value()


class Actor:
    """Somebody with one connection; acts are functions of it, or SQL text."""

    def __init__(self, stage: Stage, engine: sa.Engine) -> None:
        self._stage = stage
        self._engine = engine
        self.connection: Any = None
        self.run(self._connect)

    def _connect(self, _: Any) -> None:
        self.connection = self._engine.connect()

    def start(self, act: Act | str, **parameters: Any) -> Call:
        """Begin an act, and return while it may still go on."""
        if isinstance(act, str):
            return self._stage.begin(self, lambda: _rows(self.connection.execute(sa.text(act), parameters)))
        return self._stage.begin(self, lambda: act(self.connection))

    def run(self, act: Act | str, **parameters: Any) -> Any:
        """Act to the end."""
        return self.start(act, **parameters).result()

    def commit(self) -> None:
        """Commit."""
        self.run(lambda c: c.commit())

    def rollback(self) -> None:
        """Roll back."""
        self.run(lambda c: c.rollback())


def columns(actor: Actor, table: str) -> set[tuple[str, bool]]:
    """Return the names of a table's columns, and whether they may be NULL."""
    found: list[set[tuple[str, bool]]] = []
    actor.run(lambda db: found.append({(c["name"], c["nullable"]) for c in sa.inspect(db).get_columns(table)}))
    actor.rollback()
    return found[0]


def _rows(result: sa.CursorResult[Any]) -> Any:
    """Return the rows of a result, or how many rows it changed."""
    return [tuple(row) for row in result] if result.returns_rows else result.rowcount


def _outcome(act: Callable[[], Any]) -> Any:
    """Return what an act returned or raised."""
    try:
        return act()
    except Exception as error:
        return error


def _value(outcome: Any) -> Any:
    """Return an outcome, or raise it."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Stage:
    """A database server with nothing in it; `real` tells which of the two it is."""

    real: bool
    engine: sa.Engine

    def __init__(self) -> None:
        self.actors: list[Actor] = []

    def actor(self, **options: Any) -> Actor:
        """Return a new actor with a connection of its own."""
        actor = Actor(self, self.engine.execution_options(**options) if options else self.engine)
        self.actors.append(actor)
        return actor

    def setup(self, *statements: str) -> None:
        """Run statements and commit them."""
        actor = Actor(self, self.engine)
        for statement in statements:
            actor.run(statement)
        actor.commit()
        actor.run(lambda c: c.close())

    def begin(self, actor: Actor, act: Callable[[], Any]) -> Call:
        """Let an actor begin an act."""
        raise NotImplementedError

    def sever(self, actor: Actor) -> None:
        """Cut an actor's connection, as the death of its process does."""
        raise NotImplementedError

    def make(self, **options: Any) -> sa.Engine:
        """Return another engine."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind."""


class FakeStage(Stage):
    """The simulated database."""

    real = False

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.engine = self.make()

    def make(self, **options: Any) -> sa.Engine:
        """Return another engine."""
        return self.database.engine(**options)

    def begin(self, actor: Actor, act: Callable[[], Any]) -> Call:
        """Let an actor begin an act."""
        sim = self.database.sim
        outcome: list[Any] = []
        sim.spawn(lambda: outcome.append(_outcome(act)), name="actor")

        def finished(seconds: float) -> bool:
            deadline = sim.now + seconds
            while not outcome and sim.now < deadline:
                sim.run(until=min(deadline, sim.now + 0.05))
            return bool(outcome)

        finished(_GRACE)
        return Call(finished, lambda: _value(outcome[0]))

    def sever(self, actor: Actor) -> None:
        """Cut an actor's connection."""
        actor.connection.connection.dbapi_connection.session.cut("server closed the connection unexpectedly")

    def close(self) -> None:
        """Leave nothing behind."""
        self.database.sim.close()


class RealStage(Stage):
    """A PostgreSQL server, in a database of our own."""

    real = True

    def __init__(self, url: sa.URL) -> None:
        super().__init__()
        self._url = url
        self._engines: list[sa.Engine] = []
        self._threads: dict[int, queue.Queue[Any]] = {}
        self.engine = self.make()

    def make(self, **options: Any) -> sa.Engine:
        """Return another engine."""
        self._engines.append(sa.create_engine(self._url, **options))
        return self._engines[-1]

    def begin(self, actor: Actor, act: Callable[[], Any]) -> Call:
        """Let an actor begin an act."""
        done = threading.Event()
        outcome: list[Any] = []

        def run() -> None:
            outcome.append(_outcome(act))
            done.set()

        self._queue_of(actor).put(run)
        done.wait(_GRACE)
        return Call(done.wait, lambda: _value(outcome[0]))

    def _queue_of(self, actor: Actor) -> queue.Queue[Any]:
        if id(actor) not in self._threads:
            todo = self._threads[id(actor)] = queue.Queue()
            threading.Thread(target=lambda: [run() for run in iter(todo.get, None)], daemon=True).start()
        return self._threads[id(actor)]

    def sever(self, actor: Actor) -> None:
        """Cut an actor's connection."""
        pid = actor.run(lambda c: c.connection.dbapi_connection.info.backend_pid)
        with self.make(poolclass=sa.NullPool).connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        time.sleep(_GRACE)

    def close(self) -> None:
        """Leave nothing behind."""
        for actor in self.actors:
            with suppress(Exception):
                actor.run(lambda c: c.close())
        for todo in self._threads.values():
            todo.put(None)
        for engine in self._engines:
            engine.dispose()


@pytest.fixture(scope="session")
def database_server() -> Iterator[sa.URL | None]:
    """The address of a real database made for these tests and dropped after them, if DATABASE_URL is set."""
    given = os.environ.get("DATABASE_URL")
    if not given:
        yield None
        return
    name = f"fleetlab_contract_{os.getpid()}_{next(_numbers)}"  # each module that imports this has a fixture of its own
    admin = sa.create_engine(given, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(given).set(database=name)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database_sim() -> Simulation:
    """A simulation with one seed."""
    return Simulation(seed=2)


@pytest.fixture
def database_fake(database_sim: Simulation) -> Database:
    """An empty simulated database on a network."""
    return Database(database_sim, Network(database_sim))


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def database_stage(request: pytest.FixtureRequest, database_server: sa.URL | None) -> Iterator[Stage]:
    """The simulated database, then a real one if there is one."""
    stage: Stage
    if request.param == "fake":
        stage = FakeStage(request.getfixturevalue("database_fake"))
    elif database_server is None:
        pytest.skip("DATABASE_URL is not set")
    else:
        stage = RealStage(database_server)
        stage.setup("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    yield stage
    stage.close()
