"""The simulated database: its steps, its faults, its deaths, and its reuse. What PostgreSQL does is in the contract."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import database_fixtures
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fleetlab.sim import Deadlock, Process, Simulation, Task, Trace
from fleetlab.sim.choices import Choices
from fleetlab.sim.explore import Exploration, Explorer
from fleetlab.sim.schedule import Seeded, Step, Strike
from fleetlab.world.database import Database
from fleetlab.world.network import Network
from fleetlab.world.sql import file
from fleetlab.world.sql.errors import NotSimulated

database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake


class Base(DeclarativeBase):
    """The tables of these tests."""


class Seat(Base):
    """A seat and who has it."""

    __tablename__ = "seats"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str | None]


TAKE = sa.update(Seat).where(Seat.id == sa.bindparam("seat")).values(owner=sa.bindparam("who"))
READ = sa.select(Seat.owner).where(Seat.id == 7)


@pytest.fixture
def hall(database_fake: Database) -> Database:
    """A database with one free seat, number 7."""
    prepare(database_fake)
    return database_fake


def prepare(database: Database) -> None:
    """Make the table and its seat, outside the simulation."""
    engine = database.engine()
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(Seat).values(id=7, owner="eve"))
    engine.dispose()


def take(engine: sa.Engine, who: str, seat: int = 7) -> None:
    """Write a name on a seat."""
    with engine.begin() as connection:
        connection.execute(TAKE, {"seat": seat, "who": who})


def owner(engine: sa.Engine) -> Any:
    """Return the owner of seat 7."""
    with engine.connect() as connection:
        return connection.scalar(READ)


def steps(trace: Trace) -> list[tuple[str, str, tuple[str, ...], str]]:
    """Return who did what, what it touched, and the reply."""
    return [(event.who, event.what, event.touches, event.reply) for event in trace]


def spawn(database: Database, f: Callable[..., Any], *args: Any, name: str = "ada") -> Task:
    """Start a task of nobody's process."""
    return database.sim.spawn(f, *args, name=name)


class TestSteps:
    """What a trace shows of the database."""

    def test_statement_and_commit_are_steps(self, hall: Database) -> None:
        """Each statement and the commit of a write is one step, with parameters, table and reply."""
        hall.sim.run(until=spawn(hall, take, hall.engine(), "ada"))
        assert steps(hall.sim.trace) == [
            ("ada", "UPDATE seats SET owner='ada' WHERE id=7", ("database", "seats", "w"), "1 row"),
            ("ada", "COMMIT", ("database", "*", "w"), "OK"),
        ]

    def test_end_of_a_read_is_no_step(self, hall: Database) -> None:
        """A transaction that only read ends without a step."""
        hall.sim.run(until=spawn(hall, owner, hall.engine()))
        assert steps(hall.sim.trace) == [
            ("ada", "SELECT owner FROM seats WHERE id=7", ("database", "seats", "r"), "[('eve',)]")
        ]

    def test_inspection_takes_no_step(self, hall: Database) -> None:
        """`create_all` on existing tables, connecting and pinging leave no trace."""
        engine = hall.engine(pool_pre_ping=True)
        hall.sim.run(until=spawn(hall, Base.metadata.create_all, engine))
        assert steps(hall.sim.trace) == []

    def test_rollback_of_a_write_is_a_step(self, hall: Database) -> None:
        """Undoing a write is a step, for others see the lock fall."""

        def give_up() -> None:
            with hall.engine().connect() as connection:
                connection.execute(TAKE, {"seat": 7, "who": "ada"})

        hall.sim.run(until=spawn(hall, give_up))
        assert [event.what for event in hall.sim.trace][1:] == ["ROLLBACK"]

    @pytest.mark.parametrize(
        ("statement", "shown"),
        [
            ("SELECT s.id\n  FROM seats AS s  WHERE id = :id AND owner  IN ('a', 'b')",
             "SELECT s.id FROM seats AS s WHERE id=7 AND owner IN ('a', 'b')"),
            ("SELECT count(*), max(owner), min(owner), length(owner) AS size FROM seats WHERE id = :id GROUP BY owner",
             "SELECT … FROM seats WHERE id=7 GROUP BY owner"),
            ("UPDATE seats SET owner = 'a name that is quite long, too long to be shown' WHERE id = :id",
             "UPDATE seats SET owner='a name that is quite long, too long to be sho…"),
            ("SELECT now() + interval '1 day' -- tomorrow", "SELECT now() + interval '1 day'"),
            ("SELECT 5 % 2, 'it''s'", "SELECT 5 % 2, 'it''s'"),
        ],
    )  # fmt: skip
    def test_statement_is_shown_in_one_line(self, hall: Database, statement: str, shown: str) -> None:
        """A trace shows a statement in one short line, its parameters filled in."""

        def act() -> None:
            with hall.engine().connect() as connection:
                text = sa.text(statement)
                connection.execute(text, {"id": 7} if ":id" in statement else {})
                connection.rollback()

        hall.sim.run(until=spawn(hall, act))
        assert next(iter(hall.sim.trace)).what == shown

    def test_waiting_for_the_lock_is_shown(self, hall: Database) -> None:
        """A wait for the write lock is an event with a beginning and an end."""
        first, second = hall.engine(), hall.engine()

        def slow() -> None:
            with first.begin() as connection:
                connection.execute(TAKE, {"seat": 7, "who": "ada"})
                hall.sim.sleep(5)

        def late() -> None:
            hall.sim.sleep(1)
            take(second, "bob")

        spawn(hall, slow)
        spawn(hall, late, name="bob")
        hall.sim.run()
        wait = next(event for event in hall.sim.trace if event.kind == "wait")
        assert (wait.who, wait.what, wait.to) == ("bob", "the write lock of the database", "database")
        assert wait.until is not None
        assert (round(wait.time), round(wait.until)) == (1, 5)
        assert owner(first) == "bob"

    def test_several_rows_in_one_call(self, hall: Database) -> None:
        """An executemany is one step, and says how many times it ran."""
        rows = [{"id": n, "owner": None} for n in range(3)]

        def act() -> None:
            with hall.engine().begin() as connection:
                connection.execute(sa.insert(Seat), rows)

        hall.sim.run(until=spawn(hall, act))
        assert steps(hall.sim.trace)[0][1::2] == ("INSERT INTO seats (id, owner) VALUES (0, NULL) … 3 times", "3 rows")

    def test_everything_works_outside_a_task(self, hall: Database) -> None:
        """Outside a task statements just run, and the clock is the simulation's all the same."""
        hall.sim.run(until=3600)
        engine = hall.engine()
        take(engine, "ada")
        with engine.connect() as connection:
            assert str(connection.scalar(sa.text("SELECT now()"))) == "2026-01-05 10:00:00+00:00"
        assert owner(engine) == "ada"
        assert len(hall.sim.trace) == 0

    def test_nobody_waits_outside_a_task(self, hall: Database) -> None:
        """Outside the simulation a held lock is refused in a sentence, since nobody could give it back."""
        engine = hall.engine()
        with engine.connect() as ada, engine.connect() as bob:
            ada.execute(TAKE, {"seat": 7, "who": "ada"})
            with pytest.raises(RuntimeError, match=r"nobody can wait for it outside the simulation.*world\.call"):
                bob.execute(TAKE, {"seat": 7, "who": "bob"})


class TestPool:
    """SQLAlchemy's own pool in virtual time."""

    def test_exhaustion_times_out_after_30_virtual_seconds(self, hall: Database) -> None:
        """The sixteenth connection is waited for 30 virtual seconds, and then refused in SQLAlchemy's words."""
        engine = hall.engine()

        def leak() -> float:
            kept = [engine.connect() for _ in range(15)]
            with pytest.raises(sa.exc.TimeoutError, match="QueuePool limit of size 5 overflow 10 reached"):
                engine.connect()
            return len(kept) and hall.sim.now

        assert hall.sim.run(until=spawn(hall, leak)) == 30.0

    def test_connection_given_back_goes_to_who_waits(self, hall: Database) -> None:
        """Who waits for a connection gets the next one that comes back."""
        engine = hall.engine(pool_size=1, max_overflow=0)

        def hold() -> None:
            with engine.connect():
                hall.sim.sleep(10)

        spawn(hall, hold)
        reader = spawn(hall, lambda: (hall.sim.sleep(1), owner(engine), round(hall.sim.now))[1:], name="bob")
        hall.sim.run()
        assert reader.value() == ("eve", 10)

    def test_too_many_clients(self, database_sim: Simulation) -> None:
        """Beyond `max_connections` the server refuses."""
        database = Database(database_sim, max_connections=2, superuser_reserved_connections=0)
        engines = [database.engine() for _ in range(3)]
        kept = [engine.connect() for engine in engines[:2]]
        with pytest.raises(sa.exc.OperationalError, match="FATAL:  sorry, too many clients already"):
            engines[2].connect()
        kept[0].close()
        engines[0].dispose()
        engines[2].connect().close()


class TestFaults:
    """Lost replies, outages, partitions."""

    class Faulty(Seeded):
        """A schedule in which a chosen step meets a fault."""

        explores = True

        def __init__(self, at: str, fault: str) -> None:
            super().__init__()
            self.at, self.fault = at, fault

        def choose(self, options: Sequence[Task]) -> Task:
            """Return the first."""
            return options[0]

        def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Strike | None:
            """Return the fault at the first step that begins with the chosen words."""
            if not self.fault or not step.what.startswith(self.at):
                return None
            fault, self.fault = self.fault, ""
            return lambda sim, task, step: fault

    def stage(self, at: str, fault: str) -> Database:
        """Return a prepared database whose step `at` meets `fault`."""
        sim = Simulation(schedule=self.Faulty(at, fault))
        database = Database(sim, Network(sim))
        prepare(database)
        return database

    @pytest.mark.parametrize(
        ("at", "fault", "found"),
        [
            ("COMMIT", "lost reply", "ada"),
            ("COMMIT", "lost commit", "eve"),
            ("UPDATE", "lost reply", "eve"),
            ("UPDATE", "late effect", "eve"),
        ],
    )
    def test_lost_reply(self, at: str, fault: str, found: str) -> None:
        """The caller sees a broken connection; whether the write took effect depends on what was lost."""
        database = self.stage(at, fault)
        engine = database.engine()

        def act() -> bool:
            with pytest.raises(sa.exc.OperationalError, match="server closed the connection unexpectedly") as call:
                take(engine, "ada")
            return call.value.connection_invalidated

        assert database.sim.run(until=spawn(database, act)) is True
        assert owner(engine) == found
        assert [(event.kind, event.what) for event in database.sim.trace if event.kind == "fault"] == [
            ("fault", f"{fault}: {next(event.what for event in database.sim.trace if event.what.startswith(at))}")
        ]
        assert not database.lock.holders

    def test_lost_reply_in_autocommit(self) -> None:
        """A statement that is its own transaction takes effect although its reply is lost."""
        database = self.stage("UPDATE", "lost reply")
        engine = database.engine(isolation_level="AUTOCOMMIT")

        def act() -> None:
            with pytest.raises(sa.exc.OperationalError):
                take(engine, "ada")

        database.sim.run(until=spawn(database, act))
        assert owner(engine) == "ada"

    def test_outage_breaks_connections_and_recovers(self, hall: Database) -> None:
        """During an outage open transactions roll back and nobody connects; after it all is well."""
        engine = hall.engine()
        seen: list[str] = []

        def act() -> None:
            try:
                with engine.begin() as connection:
                    connection.execute(TAKE, {"seat": 7, "who": "ada"})
                    hall.sim.sleep(5)
            except sa.exc.OperationalError as error:
                seen.append(str(error.orig).splitlines()[0])
            try:
                owner(engine)
            except sa.exc.OperationalError as error:
                seen.append(str(error.orig).splitlines()[0])
            hall.sim.sleep(60)
            seen.append(owner(engine))

        spawn(hall, act)
        hall.sim.run(until=2)
        hall.outage(30)
        hall.sim.run()
        assert seen == [
            "server closed the connection unexpectedly",
            'connection failed: connection to server at "database", port 5432 failed: Connection refused',
            "eve",
        ]

    def test_outage_wakes_who_waits_for_the_lock(self, hall: Database) -> None:
        """A statement that waits for the lock when the server dies fails at once."""
        first, second = hall.engine(), hall.engine()

        def hold() -> None:
            with first.connect() as connection:
                connection.execute(TAKE, {"seat": 7, "who": "ada"})
                hall.sim.sleep(50)
                with pytest.raises(sa.exc.OperationalError):
                    connection.commit()

        def late() -> float:
            hall.sim.sleep(1)
            with pytest.raises(sa.exc.OperationalError, match="server closed the connection"):
                take(second, "bob")
            return round(hall.sim.now)

        spawn(hall, hold)
        waiting = spawn(hall, late, name="bob")
        hall.sim.run(until=3)
        hall.outage(5)
        hall.sim.run()
        assert waiting.value() == 3

    def test_pre_ping_replaces_dead_connections(self, hall: Database) -> None:
        """With `pool_pre_ping` nobody notices an outage that is over; without it the first call fails."""
        careful, careless = hall.engine(pool_pre_ping=True), hall.engine()

        def act() -> tuple[str, str, str]:
            before = owner(careful), owner(careless)
            assert before == ("eve", "eve")
            hall.outage(5)
            hall.sim.sleep(10)
            with pytest.raises(sa.exc.OperationalError):
                owner(careless)
            return owner(careful), owner(careless), "ok"

        assert hall.sim.run(until=spawn(hall, act)) == ("eve", "eve", "ok")

    def test_partition_holds_a_statement_until_it_heals(self, hall: Database) -> None:
        """A statement sent into a partition takes effect when the network heals."""
        assert hall.network is not None
        process = Process(hall.sim, "shop-1")
        engine = hall.engine(process)

        def act() -> tuple[Any, float]:
            owner(engine)
            hall.network.partition("shop-1", "database")  # type: ignore[union-attr]
            return owner(engine), round(hall.sim.now)

        task = process.spawn(act)
        hall.sim.run(until=7)
        hall.network.heal()
        assert hall.sim.run(until=task) == ("eve", 7)

    def test_connecting_over_a_partition_times_out(self, hall: Database) -> None:
        """`connect_timeout` ends an attempt to connect."""
        assert hall.network is not None
        process = Process(hall.sim, "shop-1")
        engine = hall.engine(process, connect_args={"connect_timeout": 3})
        hall.network.partition("shop-1", "database")

        def act() -> float:
            with pytest.raises(sa.exc.OperationalError, match="connection timeout expired"):
                engine.connect()
            return round(hall.sim.now)

        assert hall.sim.run(until=process.spawn(act)) == 3

    def test_endless_partition_ends_a_statement(self, hall: Database) -> None:
        """A client gives up after fifteen minutes without an answer, as TCP does; its locks stay until then."""
        assert hall.network is not None
        process = Process(hall.sim, "shop-1")
        engine = hall.engine(process)

        def act() -> float:
            with pytest.raises(sa.exc.OperationalError, match="Connection timed out"):
                cut_off()
            return round(hall.sim.now)

        def cut_off() -> None:
            with engine.begin() as connection:
                connection.execute(TAKE, {"seat": 7, "who": "ada"})
                hall.network.partition("shop-1", "database")  # type: ignore[union-attr]

        assert hall.sim.run(until=process.spawn(act)) == 924
        assert owner(hall.engine()) == "eve"


class TestDeath:
    """A killed process changes nothing any more."""

    def kill(self, database: Database, process: Process, at: float) -> None:
        """Kill a process at a moment, and let the rest go on."""
        database.sim.run(until=at)
        process.kill()
        database.sim.run()

    def test_open_transaction_rolls_back(self, hall: Database, capfd: pytest.CaptureFixture[str]) -> None:
        """SIGKILL undoes the open transaction, frees its lock for who waits, and prints nothing."""
        process = Process(hall.sim, "shop-1")
        engine, other = hall.engine(process), hall.engine()
        cleaned: list[str] = []

        def victim() -> None:
            try:
                with engine.begin() as connection:
                    connection.execute(TAKE, {"seat": 7, "who": "ada"})
                    hall.sim.sleep(60)
            finally:
                cleaned.append("finally")
                take(engine, "zombie")

        process.spawn(victim)
        late = spawn(hall, lambda: (hall.sim.sleep(1), take(other, "bob"), round(hall.sim.now))[2], name="bob")
        self.kill(hall, process, at=3)
        assert late.value() == 3
        assert owner(other) == "bob"
        assert cleaned == ["finally"]
        assert capfd.readouterr() == ("", "")
        assert len(hall.sessions) == 1

    def test_killed_while_waiting_for_the_lock(self, hall: Database) -> None:
        """Who dies while waiting passes its turn on."""
        process = Process(hall.sim, "shop-1")
        engine, first, last = hall.engine(process), hall.engine(), hall.engine()

        def hold() -> None:
            with first.begin() as connection:
                connection.execute(TAKE, {"seat": 7, "who": "ada"})
                hall.sim.sleep(10)

        def later(seconds: float, engine: sa.Engine, who: str) -> None:
            hall.sim.sleep(seconds)
            take(engine, who)

        spawn(hall, hold)
        process.spawn(later, 1, engine, "victim")
        spawn(hall, later, 2, last, "bob", name="bob")
        self.kill(hall, process, at=5)
        assert owner(first) == "bob"

    def test_killed_while_waiting_for_the_pool(self, hall: Database, capfd: pytest.CaptureFixture[str]) -> None:
        """Who dies while waiting for a connection leaves no mess."""
        process = Process(hall.sim, "shop-1")
        engine = hall.engine(process, pool_size=1, max_overflow=0)

        def hold() -> None:
            with engine.connect() as connection:
                connection.execute(READ)
                hall.sim.sleep(60)

        process.spawn(hold)
        process.spawn(lambda: owner(engine))
        self.kill(hall, process, at=3)
        assert len(hall.sessions) == 0
        assert capfd.readouterr() == ("", "")

    def test_advisory_locks_fall(self, hall: Database) -> None:
        """Session-level advisory locks of a dead process are free."""
        process = Process(hall.sim, "shop-1")
        engine, other = hall.engine(process), hall.engine()
        lock = sa.text("SELECT pg_advisory_lock(1)")

        def hold() -> None:
            with engine.connect() as connection:
                connection.execute(lock)
                hall.sim.sleep(60)

        def late() -> float:
            hall.sim.sleep(1)
            with other.connect() as connection:
                connection.execute(lock)
                return round(hall.sim.now)

        process.spawn(hold)
        task = spawn(hall, late, name="bob")
        self.kill(hall, process, at=3)
        assert task.value() == 3

    def test_deadlock_report_names_the_holder(self, hall: Database) -> None:
        """When everyone waits, the report says who holds the write lock, and on which line."""
        engine = hall.engine()

        def forget() -> None:
            connection = engine.connect()
            connection.execute(TAKE, {"seat": 7, "who": "ada"})
            take(engine, "bob")

        spawn(hall, forget)
        with pytest.raises(Deadlock, match="the write lock of the database") as call:
            hall.sim.run()
        assert "ada holds it" in str(call.value)
        assert 'take(engine, "bob")' in str(call.value) or "execute(TAKE" in str(call.value)


class TestReuse:
    """One database serves many worlds."""

    def world(self, database: Database) -> Simulation:
        """Attach a new simulation."""
        sim = Simulation(seed=2)
        database.attach(sim, Network(sim))
        return sim

    def test_attach_empties(self, hall: Database) -> None:
        """A new world finds no table, and engines are reused."""
        before = hall.engine()
        self.world(hall)
        engine = hall.engine()
        assert engine in (before, engine)
        with pytest.raises(sa.exc.ProgrammingError, match='relation "seats" does not exist'):
            owner(engine)

    def test_snapshot_is_what_every_world_begins_with(self, hall: Database) -> None:
        """After `snapshot` a reset brings its content back: rows, tables and numbers of sequences."""
        engine = hall.engine()
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE jobs (id serial PRIMARY KEY, name text)"))
            connection.execute(sa.text("INSERT INTO jobs (name) VALUES ('a'), ('b')"))
        hall.snapshot()
        new = sa.text("INSERT INTO jobs (name) VALUES ('c') RETURNING id")
        for _ in range(3):
            self.world(hall)
            engine = hall.engine()
            with engine.begin() as connection:
                assert connection.scalar(new) == 3
                connection.execute(sa.text("DELETE FROM jobs WHERE id = 1"))
                connection.execute(sa.text("CREATE TABLE other (id integer)"))
            take(engine, "ada")
        self.world(hall)
        engine = hall.engine()
        assert owner(engine) == "eve"
        assert sa.inspect(engine).get_table_names() == ["jobs", "seats"]
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT id, name FROM jobs")).all() == [(1, "a"), (2, "b")]

    def test_leftovers_of_an_earlier_world_change_nothing(self, hall: Database) -> None:
        """A connection that an earlier world never gave back neither writes nor fills the pool of the next."""
        hall.snapshot()
        engine = hall.engine(pool_size=1, max_overflow=0)
        leaked = engine.connect()
        leaked.execute(TAKE, {"seat": 7, "who": "zombie"})
        self.world(hall)
        again = hall.engine(pool_size=1, max_overflow=0)
        assert again is engine
        leaked.close()
        take(again, "ada")
        assert owner(again) == "ada"
        assert again.pool.status().startswith("Pool size: 1  Connections in pool: 1 Current Overflow: 0")

    def test_engine_with_listeners_is_not_reused(self, hall: Database) -> None:
        """What a learner hangs on an engine does not leak into the next world."""
        engine = hall.engine()
        sa.event.listen(engine, "before_cursor_execute", lambda *arguments: None)
        self.world(hall)
        assert hall.engine() is not engine

    def test_same_seed_same_trace(self, hall: Database) -> None:
        """A reused database and a new one tell the same story."""

        def story(database: Database, sim: Simulation) -> str:
            prepare(database)
            engine = database.engine()
            for who in ("ada", "bob", "eve"):
                spawn(database, take, engine, who, name=who)
            sim.run()
            return str(sim.trace)

        sim = Simulation(seed=2)
        expected = story(Database(sim, Network(sim)), sim)
        assert story(hall, self.world(hall)) == expected
        assert story(hall, self.world(hall)) == expected

    def test_nothing_is_left_on_disk(self, tmp_path: Any) -> None:
        """The file goes with the program, also when the database was made inside a task."""
        program = (
            "from fleetlab.sim import Process, Simulation\n"
            "from fleetlab.world.database import Database\n"
            "sim = Simulation()\n"
            "task = Process(sim, 'shop').spawn(lambda: Database(sim))\n"
            "database = sim.run(until=task)\n"
            "print(database.file.directory)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        left = subprocess.run(["ls", done.stdout.strip()], capture_output=True, check=False)
        assert left.returncode != 0


REFUSED = [
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "LISTEN orders",
    "NOTIFY orders",
    "SELECT pg_notify('orders', 'x')",
    "COPY seats TO STDOUT",
    "LOCK TABLE seats",
    "SELECT * FROM seats FOR SHARE",
    "SELECT DISTINCT ON (owner) id FROM seats",
    "SELECT * FROM generate_series(1, 3)",
    "SET idle_in_transaction_session_timeout = '5s'",
    "SET search_path = other",
    "CREATE EXTENSION pgcrypto",
    "CREATE TABLE t (tags text[])",
    "CREATE TABLE t (at tsrange)",
    "ALTER TABLE seats ALTER COLUMN owner TYPE varchar(3)",
    "MERGE INTO seats USING halls ON true WHEN MATCHED THEN DELETE",
    "EXPLAIN SELECT 1",
    "SELECT interval '1 month'",
    "SELECT owner::point FROM seats",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_missing_is_refused_in_a_sentence(hall: Database, statement: str) -> None:
    """What the simulation cannot do raises one sentence, which no `except SQLAlchemyError` hides."""
    with hall.engine().connect() as connection:
        with pytest.raises(NotSimulated, match=r"not simulated: it runs on a real PostgreSQL") as call:
            connection.exec_driver_sql(statement)
        assert not isinstance(call.value, sa.exc.SQLAlchemyError)
        assert connection.scalar(READ) == "eve"


def test_isolation_levels(hall: Database) -> None:
    """SERIALIZABLE and two-phase commit are refused wherever they are asked for."""
    with pytest.raises(NotSimulated, match="SERIALIZABLE"):
        hall.engine(isolation_level="SERIALIZABLE")
    with hall.engine().connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
        with pytest.raises(NotSimulated, match="REPEATABLE READ"):
            connection.execution_options(isolation_level="REPEATABLE READ")
        with pytest.raises(NotSimulated, match="Two-phase commit"):
            connection.begin_twophase()


def test_connection_options(hall: Database) -> None:
    """`connect_args` sets the session's time limits; what it cannot honour is refused."""
    engine = hall.engine(connect_args={"options": "-c lock_timeout=2s", "application_name": "shop"})
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW lock_timeout")) == "2s"
    with pytest.raises(NotSimulated, match="sslmode"):
        hall.engine(connect_args={"sslmode": "require"})


class TestExploration:
    """The database under every schedule."""

    def explore(self, hall: Database, add: Callable[[sa.Connection], None]) -> Exploration[str]:
        """Let two processes add one to a counter under every schedule, starting from a snapshot."""
        with hall.engine().begin() as connection:
            connection.execute(sa.text("CREATE TABLE counter (n integer)"))
            connection.execute(sa.text("INSERT INTO counter VALUES (0)"))
        hall.snapshot()

        def run(schedule: Choices) -> str | None:
            sim = Simulation(schedule=schedule, trace=False)
            hall.attach(sim, Network(sim))
            for name in ("shop-1", "shop-2"):
                process = Process(sim, name)
                process.spawn(self.act, hall.engine(process), add)
            sim.run()
            with hall.engine().connect() as connection:
                found = connection.scalar(sa.text("SELECT n FROM counter"))
            return None if found == 2 else f"{found} of 2"

        return Explorer(run).explore()

    def act(self, engine: sa.Engine, add: Callable[[sa.Connection], None]) -> None:
        """Add once, in a transaction."""
        with engine.begin() as connection:
            add(connection)

    def test_lost_update_is_found(self, hall: Database) -> None:
        """Read, add, write back: one preemption loses an addition."""

        def add(connection: sa.Connection) -> None:
            n = connection.scalar(sa.text("SELECT n FROM counter"))
            connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": n + 1})

        failure = self.explore(hall, add).failure
        assert failure is not None
        assert failure.what == "1 of 2"

    @pytest.mark.parametrize("lock", ["SELECT n FROM counter FOR UPDATE", "SELECT pg_advisory_xact_lock(1)"])
    def test_locked_update_holds(self, hall: Database, lock: str) -> None:
        """With the row or a key locked first no schedule loses anything."""

        def add(connection: sa.Connection) -> None:
            connection.execute(sa.text(lock))
            n = connection.scalar(sa.text("SELECT n FROM counter"))
            connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": n + 1})

        found = self.explore(hall, add)
        assert found.failure is None
        assert found.complete
        assert found.runs > 5


def test_lock_timeout_is_virtual(hall: Database) -> None:
    """`lock_timeout` passes in virtual time, to the moment."""
    first, second = hall.engine(), hall.engine(connect_args={"options": "-c lock_timeout=2s"})

    def hold() -> None:
        with first.begin() as connection:
            connection.execute(TAKE, {"seat": 7, "who": "ada"})
            hall.sim.sleep(60)

    def late() -> float:
        hall.sim.sleep(1)
        with second.connect() as connection:
            connection.execute(READ)
            start = hall.sim.now
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                connection.execute(TAKE, {"seat": 7, "who": "bob"})
            return hall.sim.now - start

    spawn(hall, hold)
    task = spawn(hall, late, name="bob")
    hall.sim.run()
    assert 2.0 <= task.value() < 2.01


def test_a_database_needs_no_ram_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be written on the RAM disk, as behind a grader's fence, temporary files do."""
    monkeypatch.setattr(file, "_RAM", tmp_path / "nowhere")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = file.File(lambda handle: None)
    assert Path(made.directory).parent == tmp_path
    made.close()


def test_import_is_lazy() -> None:
    """`import fleetlab.world` loads neither SQLAlchemy nor psycopg."""
    program = "import sys, fleetlab.world; print([name for name in ('sqlalchemy', 'psycopg') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_forgotten_database_gives_its_files_back() -> None:
    """Also with a session still open: a notebook makes hundreds of worlds, and closes none."""
    database = Database(Simulation())
    directory = Path(database.file.directory)
    database.engine().connect()
    assert directory.exists()
    del database
    gc.collect()
    assert not directory.exists()
