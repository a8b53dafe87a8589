"""A replica shows what was committed a while ago, and nobody can write to it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from fleetlab import World
from fleetlab.sim.choices import Choices
from fleetlab.world.pool import Pool


def shop(env):
    """A shop that writes to the database and reads from either."""
    app = Flask("shop")
    with env.database.begin() as db:
        db.execute(sa.text("CREATE TABLE IF NOT EXISTS price (item text PRIMARY KEY, cents integer)"))
        db.execute(sa.text("INSERT INTO price VALUES ('tea', 450) ON CONFLICT DO NOTHING"))

    def read(engine):
        with engine.connect() as db:
            return {"cents": db.execute(sa.text("SELECT cents FROM price WHERE item = 'tea'")).scalar()}

    @app.post("/price/<int:cents>")
    def price(cents):
        with env.database.begin() as db:
            db.execute(sa.text("UPDATE price SET cents = :cents WHERE item = 'tea'"), {"cents": cents})
        return read(env.database)

    app.get("/database", endpoint="database")(lambda: read(env.database))
    app.get("/replica", endpoint="replica")(lambda: read(env.replica))
    return app


@pytest.fixture
def world():
    """A shop of one instance whose replica is half a second behind."""
    with World(seed=1) as world:
        world.replica.lag = 0.5
        world.deploy(shop, name="shop", instances=1)
        world.run(1)
        yield world


def test_commit_is_seen_after_the_lag(world):
    """Right after the write the replica still tells the old price."""
    ada = world.client("ada")
    assert ada.post("/price/470").json() == {"cents": 470}
    assert ada.get("/replica").json() == {"cents": 450}
    assert world.replica.behind() == 1
    world.run(0.5)
    assert ada.get("/replica").json() == {"cents": 470}
    assert world.replica.behind() == 0


def test_rollback_and_reads_send_nothing(world):
    """Only what is committed travels."""
    engine = world.database.engine()
    with engine.connect() as db:
        db.execute(sa.text("UPDATE price SET cents = 1"))
        db.rollback()
        db.execute(sa.text("SELECT cents FROM price"))
        db.commit()
    assert world.replica.behind() == 0


def test_autocommit_travels_too(world):
    """A change without a transaction block is a transaction of its own."""
    engine = world.database.engine(isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(sa.text("UPDATE price SET cents = 1"))
    assert world.replica.behind() == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE price SET cents = 1", "UPDATE"),
        ("INSERT INTO price VALUES ('milk', 99)", "INSERT"),
        ("SELECT cents FROM price FOR UPDATE", "SELECT FOR UPDATE"),
        ("CREATE TABLE stock (item text)", "CREATE"),
    ],
)
def test_nobody_writes_to_it(world, change, what):
    """In PostgreSQL's words."""
    with world.replica.engine().connect() as db, pytest.raises(sa.exc.InternalError) as caught:
        db.execute(sa.text(change))
    assert f"cannot execute {what}" in str(caught.value)
    assert caught.value.orig.sqlstate == "25006"


def test_outage_of_the_database_leaves_the_replica_readable(world):
    """They are two servers."""
    ada = world.client("ada")
    world.network.outage("database", 10)
    assert ada.get("/replica").json() == {"cents": 450}
    world.network.outage("replica", 10)
    assert ada.get("/replica").status_code == 500


def test_next_world_of_a_pool_begins_in_step(world):
    """What one world wrote is in neither server of the next."""
    pool = Pool()
    for _ in range(2):
        with World(schedule=Choices(), pool=pool) as world:
            world.replica.lag = 0.5
            world.deploy(shop, name="shop", instances=1)
            world.run(1)
            ada = world.client("ada")
            assert ada.get("/replica").json() == {"cents": 450}
            ada.post("/price/470")
            world.run(1)
            assert ada.get("/replica").json() == {"cents": 470}


def test_replica_is_a_store_in_the_picture(world):
    """With a lane of its own."""
    world.client("ada").get("/replica")
    assert world.trace.lane_kind("replica") == "store"
