"""What a server keeps count of, and what it says for reasons of its own: slots for connections, errors on demand."""

from __future__ import annotations

import database_fixtures
import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg import errors as pg

from fleetlab import World
from fleetlab.sim import Simulation
from fleetlab.world.database import Database
from fleetlab.world.network import Network

database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
RESERVED = "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute"


def test_the_last_slots_are_for_superusers(database_sim):
    """An application gets `max_connections` less `superuser_reserved_connections`; who is refused is counted."""
    database = Database(database_sim, max_connections=5)
    engine = database.engine(pool_size=9)
    kept = [engine.connect(), engine.connect()]
    with pytest.raises(sa.exc.OperationalError, match=RESERVED):
        engine.connect()
    assert len(kept) == database.connections == database.slots.peak == database.slots.free_for_all == 2
    assert (database.slots.attempts, database.slots.refused) == (3, 1)


def test_limits_can_be_asked_for(database_fake):
    """SHOW tells PostgreSQL's defaults, and what a lesson has set."""
    database_fake.slots.max_connections = 25
    with database_fake.engine().connect() as connection:
        shown = [
            connection.execute(sa.text(f"SHOW {name}")).scalar_one()
            for name in ("max_connections", "superuser_reserved_connections", "max_prepared_transactions")
        ]
    assert shown == ["25", "3", "0"]


def test_a_new_world_has_the_default_limits(database_fake):
    """What one run has set and counted is forgotten in the next."""
    database_fake.slots.max_connections = 4
    database_fake.fail("40001")
    database_fake.engine().connect().close()
    sim = Simulation(seed=1)
    database_fake.attach(sim, Network(sim))
    slots = database_fake.slots
    assert (slots.max_connections, slots.attempts, slots.peak, bool(database_fake.mishaps)) == (100, 0, 0, False)


def test_a_handshake_takes_its_time():
    """Whoever opens a connection waits for it, once a connection; a killed one stops waiting, a new world forgets."""
    world = World(seed=1)
    world.database.handshake = 0.5
    engine = world.database.engine(pool_size=1)
    began = world.now
    for _ in range(2):
        world.call(lambda: engine.connect().close())
    assert world.now - began == pytest.approx(0.5, abs=0.05)
    world.database.attach(world.sim, world.network)
    assert world.database.handshake == 0.0


def test_a_server_that_goes_down_during_the_handshake():
    """Whoever is in the middle of it is refused."""
    world = World(seed=1)
    world.database.handshake = 2.0
    engine, said = world.database.engine(), []

    def connect():
        with pytest.raises(sa.exc.OperationalError) as call:
            engine.connect()
        said.append(str(call.value.orig))

    world.spawn(connect)
    world.run(1)
    world.database.outage(5)
    world.run(2)
    assert "Connection refused" in said[0]


def own_engine(env):
    """Return an app with a pool of its own size, made as any application makes it."""
    app = Flask("shop")
    engine = sa.create_engine(env.database.url, pool_size=1, max_overflow=0, pool_timeout=2)

    @app.get("/")
    def page():
        with engine.connect() as db:
            db.execute(sa.text("SELECT 1"))
            env.work(3)
        return {"pool": engine.pool.size()}

    return app


def test_an_instance_may_make_an_engine_of_its_own():
    """`create_engine(env.database.url, …)` makes a pool whose waits pass in virtual time, in each instance another."""
    with World(seed=1) as world:
        world.deploy(own_engine, instances=2, name="shop")
        clients = [world.client() for _ in range(3)]
        answers = world.together(*[lambda client=client: client.get("/") for client in clients])
        assert sorted(answer.status_code for answer in answers) == [200, 200, 500]
        assert world.database.connections == 2
        errors = [type(error).__name__ for instance in world.instances for _, error in instance.errors]
        assert errors == ["TimeoutError"]
        world["shop-1"].kill()
        assert world.database.connections == 1


def test_outside_an_instance_nobody_makes_an_engine_from_the_address(database_fake):
    """There the address alone does not say which world's database is meant."""
    with pytest.raises(sa.exc.InterfaceError, match=r"Connect through env\.database"):
        sa.create_engine(database_fake.engine().url).connect()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "57014", "55P03"])
def test_a_commit_that_fails_on_demand_rolls_back(database_fake, sqlstate):
    """The error has its SQLSTATE, nothing is stored, and the next attempt succeeds."""
    engine = database_fake.engine()
    with engine.begin() as db:
        db.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    database_fake.fail(sqlstate)

    def insert():
        with engine.begin() as db:
            db.execute(sa.text("INSERT INTO t VALUES (1)"))

    with pytest.raises(sa.exc.OperationalError) as raised:
        insert()
    assert raised.value.orig.sqlstate == sqlstate
    insert()
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT count(*) FROM t")).scalar_one() == 1
    assert database_fake.errors == {sqlstate: 1}


def test_a_statement_that_fails_on_demand_breaks_its_transaction(database_fake):
    """Until the rollback every other statement is refused, as PostgreSQL refuses it."""
    database_fake.fail("40001", times=1, at="select")
    with database_fake.engine().connect() as db:
        with pytest.raises(sa.exc.OperationalError, match="could not serialize access"):
            db.execute(sa.text("SELECT 1"))
        with pytest.raises(sa.exc.InternalError) as raised:
            db.execute(sa.text("SELECT 1"))
        assert isinstance(raised.value.orig, pg.InFailedSqlTransaction)
        db.rollback()
        assert db.execute(sa.text("SELECT 1")).scalar_one() == 1


def test_a_terminated_connection_is_gone(database_fake):
    """57P01 ends the session: SQLAlchemy throws the connection away, and the next one works."""
    database_fake.fail("57P01", at="SELECT")
    engine = database_fake.engine()
    with engine.connect() as db, pytest.raises(sa.exc.OperationalError, match="terminating connection") as raised:
        db.execute(sa.text("SELECT 1"))
    assert raised.value.connection_invalidated
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT 1")).scalar_one() == 1


def test_only_known_errors_can_be_asked_for(database_fake):
    """A mistake in a lesson is told in a sentence."""
    with pytest.raises(ValueError, match=r"fail\(\) knows the SQLSTATEs 40001, .*, not '99999'"):
        database_fake.fail("99999")
