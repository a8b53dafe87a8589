"""The shared SQL database: real SQLAlchemy engines on SQLite that answers as PostgreSQL's READ COMMITTED does.

One write lock stands in place of row locks; `fleetlab.world.sql` holds the parts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy

from fleetlab.sim import Process, Simulation, WaitQueue, current_task
from fleetlab.sim.clocks import sleep
from fleetlab.sim.kernel import STORE_LATENCY
from fleetlab.sim.locks import virtual
from fleetlab.sim.schedule import Latency

from . import amounts, migrations
from .sql import dialect, driver, errors, functions
from .sql.advisory import Advisory
from .sql.driver import Connection
from .sql.file import File
from .sql.locks import Lock
from .sql.mishaps import Mishap, Mishaps
from .sql.pool import QueuePool
from .sql.session import Session
from .sql.slots import MAX_CONNECTIONS, SUPERUSER_RESERVED, Slots
from .sql.statement import Statement

if TYPE_CHECKING:
    from .network import Network
    from .replica import Replica

_STATEMENTS = 2000
CONNECT_PATIENCE = 130.0
"""How many virtual seconds an attempt to connect lasts without `connect_timeout`: Linux's default."""


class Database:
    """The database server of a world: engines for its processes, outages, and a reset that costs microseconds.

    `slots` holds `max_connections` and its kin, and `handshake` how many virtual seconds it takes to open a connection:
    a lesson may change both. `errors` counts the errors that clients were given, by SQLSTATE.
    """

    read_only = False

    def __init__(
        self,
        sim: Simulation,
        network: Network | None = None,
        name: str = "database",
        max_connections: int = MAX_CONNECTIONS,
        superuser_reserved_connections: int = SUPERUSER_RESERVED,
    ) -> None:
        self.name = name
        self.slots = Slots(max_connections, superuser_reserved_connections)
        self.file = File(functions.register)
        self.statements: dict[str, Statement] = {}
        self.sequences: dict[str, int] = {}
        self.sessions: dict[Session, None] = {}
        self._template_sequences: dict[str, int] = {}
        self._plugs: list[Plug] = []
        self._idle: dict[str, list[Plug]] = {}
        self._bind(sim, network)

    # -- one world after another

    def _bind(self, sim: Simulation, network: Network | None) -> None:
        self.sim, self.network = sim, network
        self.tracing = sim.trace.enabled
        sim.trace.lane(self.name, "store")
        self.troubled = False
        self._pids = 0
        self.followers: list[Replica] = []
        self.slots.renew()
        self.handshake = 0.0
        self.mishaps = Mishaps()
        self.errors: Counter[str] = Counter()
        self.lock = Lock(f"the write lock of the {self.name}")
        self.advisory = Advisory()
        self._healed = WaitQueue(f"the network to the {self.name}")
        self.latencies: dict[str, Latency] = {self.name: STORE_LATENCY}
        if network is not None:
            self.latencies = network.latency
            self.latencies.setdefault(self.name, STORE_LATENCY)
            network.on_change(self._network_changed)

    def attach(self, sim: Simulation, network: Network | None = None) -> None:
        """Serve a new world: the content is the template's again, engines and files are reused."""
        for session in list(self.sessions):
            session.cut()
        self._bind(sim, network)
        self.reset()
        plugs, self._plugs = self._plugs, []
        for plug in plugs:
            if plug.renew():
                self._idle.setdefault(plug.key, []).append(plug)

    def reset(self) -> None:
        """Make the content what it was at the last `snapshot()`, or empty; open transactions roll back."""
        for session in list(self.sessions):
            session.cut()
        self.file.reset()
        self.sequences.clear()
        self.sequences.update(self._template_sequences)

    def snapshot(self) -> None:
        """Make the present content what every later `reset()` and `attach()` begins with."""
        self.file.snapshot()
        self._template_sequences = dict(self.sequences)

    # -- engines

    def engine(self, process: Process | None = None, **options: Any) -> sqlalchemy.Engine:
        """Return an SQLAlchemy engine with a pool of its own, for one process or for nobody in particular.

        `options` are those of `create_engine`. Pool waits and timeouts pass in virtual seconds.
        """
        key = repr(sorted(options.items()))
        plug = self._idle[key].pop() if self._idle.get(key) else Plug(self, key, options)
        plug.process = process
        self._plugs.append(plug)
        if process is not None:
            process.on_death(lambda: self.disconnect(process))
            driver.serve(process, lambda arguments: self.connect(process, Login(arguments)))
        return plug.engine

    def connect(self, process: Process | None, login: Login) -> Connection:
        """Open a connection for a process: not a step, but the network and the server may refuse it."""
        task = current_task()
        if task is not None and task.doomed:
            task.sim.die(task)
        self.slots.attempts += 1
        if self.handshake and task is not None:
            sleep(self.handshake)
        lane = process.name if process is not None else task.lane if task is not None else ""
        state = self.state(lane)
        if state == "partition" and not self.wait_for_network(lane, login.patience):
            raise psycopg.errors.ConnectionTimeout("connection timeout expired")
        if self.state(lane) == "outage":
            reason = "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?"
            raise errors.connecting(self.name, reason)
        self.slots.take(len(self.sessions), self.name)
        session = Session(self, process, lane, login.settings)
        self.sessions[session] = None
        return Connection(session)

    def disconnect(self, process: Process) -> None:
        """Close every connection of a process that died: its transactions roll back, its locks fall."""
        for session in list(self.sessions):
            if session.process is process:
                session.cut()

    # -- the server

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self.sessions)

    def fail(self, sqlstate: str, times: int = 1, at: str = "COMMIT") -> None:
        """Let the next `times` statements that begin with `at` fail, and their transactions roll back.

        `sqlstate` is 40001 (serialization failure), 40P01 (deadlock), 55P03 (lock timeout), 57014 (statement timeout)
        or 57P01 (the connection is terminated). Raises ValueError for any other.
        """
        self.mishaps.add(Mishap(sqlstate, amounts.whole(times, "fail(times)"), at.upper()))

    def outage(self, seconds: float) -> None:
        """Be down for `seconds` of virtual time: connections break, transactions roll back, nobody can connect."""
        if self.network is None:
            raise RuntimeError(f"The {self.name} is on no network, so there is nothing to take down.")
        self.network.outage(self.name, seconds)

    def _network_changed(self, kind: str) -> None:
        self.troubled = True
        if kind == "heal":
            self._healed.notify_all()
        if kind == "outage" and self.state("") == "outage":
            for session in list(self.sessions):
                session.cut(errors.LOST)

    def state(self, lane: str) -> str:
        """Return what keeps a lane from reaching the database now: "outage", "partition" or nothing."""
        return self.network.state(lane, self.name) if self.troubled and self.network is not None else ""

    def wait_for_network(self, lane: str, patience: float) -> bool:
        """Block the running task until no partition separates it from the database; False after `patience` seconds."""
        deadline = self.sim.now + patience
        while self.state(lane) == "partition":
            if not self._healed.wait(deadline - self.sim.now):
                return False
        return True

    # -- what sessions ask

    def analyse(self, text: str) -> Statement:
        """Return the analysis of a statement, kept for the next time."""
        if len(self.statements) >= _STATEMENTS:
            self.statements.clear()
        statement = self.statements[text] = Statement(text, self.name)
        return statement

    def next_pid(self) -> int:
        """Return the number of the next session."""
        self._pids += 1
        return 1000 + self._pids

    def forget(self, session: Session) -> None:
        """Note that a session has ended."""
        self.sessions.pop(session, None)


class Login:
    """What a client says when it connects: for how long it tries, and settings of its session."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        rest = dict(arguments)
        self.patience = float(rest.pop("connect_timeout", CONNECT_PATIENCE))
        self.settings = str(rest.pop("options", ""))
        rest.pop("application_name", None)
        if rest:
            raise errors.refuse(f"The connection argument {sorted(rest)[0]}")


class Plug:
    """One engine: whose it is, and whether a new world may reuse it."""

    def __init__(self, database: Database, key: str, options: dict[str, Any]) -> None:
        migrations.isolate()
        self.key = key
        self.process: Process | None = None
        login = Login(options.pop("connect_args", None) or {})
        if options.get("isolation_level") in ("SERIALIZABLE", "REPEATABLE READ"):
            raise errors.refuse(str(options["isolation_level"]))
        with virtual():
            url = f"{dialect.FleetDialect.name}+{dialect.FleetDialect.driver}://{database.name}"
            self.engine = sqlalchemy.create_engine(
                url, creator=lambda: database.connect(self.process, login), **options
            )
        self._fresh = self._fingerprint()

    def _fingerprint(self) -> tuple[Any, ...]:
        """Return what a learner's code may have changed about the engine: listeners, options, its echo."""
        engine = self.engine
        pool: Any = engine.pool.dispatch
        heard = [len(getattr(pool, name)) for name in sorted(pool._event_names)]
        return (engine.echo, dict(engine.get_execution_options()), engine._has_events, *heard)

    def renew(self) -> bool:
        """Make the engine as new, with an empty pool; False if somebody has hung listeners on it."""
        if not isinstance(self.engine.pool, QueuePool) or self._fingerprint() != self._fresh:
            return False
        self.engine.pool.renew()
        return True
