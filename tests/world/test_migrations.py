"""Alembic in the simulation: each process has its own migration, and a folder holds what a cell writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command, context, op
from alembic.config import Config
from flask import Flask
from sqlalchemy import text

from fleetlab import World
from fleetlab.world.deployment import DeployError
from fleetlab.world.migrations import Migrations

ORDERS = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("SELECT pg_sleep(5)")
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("orders")
"""


@pytest.fixture
def folder() -> Migrations:
    """A folder with one revision."""
    made = Migrations()
    made.write("0001_orders.py", ORDERS)
    return made


def upgraded(engine: Any, path: str, to: str = "head") -> None:
    """Upgrade a database."""
    config = Config(attributes={"engine": engine})
    config.set_main_option("script_location", path)
    command.upgrade(config, to)


def tables(world: World) -> list[str]:
    """Return the names of a world's tables."""
    with world.database.engine().connect() as db:
        found = db.execute(text("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"))
        return [name for (name,) in found]


@pytest.mark.parametrize("seed", range(6))
def test_two_instances_migrate_each_over_its_own_connection(folder: Migrations, seed: int) -> None:
    """Of two instances that migrate at once, the second finds the table of the first: no error of Alembic's own."""
    path = folder.path

    def shop(env: Any) -> Flask:
        upgraded(env.database, path)
        return Flask("shop")

    world = World(seed)
    fleet = world.deploy(shop, instances=0, name="shop")
    fleet.scale(2, wait=False)
    world.run(60)
    assert sorted(instance.state for instance in fleet) == ["gone", "ready"]
    (failure,) = [str(instance.failure.orig) for instance in fleet if instance.failure is not None]
    assert "alembic_version" in failure or "orders" in failure
    assert tables(world) == ["alembic_version", "orders"]


def test_tasks_without_a_process_have_their_own_migration_too(folder: Migrations) -> None:
    """Two worlds' worth of jobs can migrate two databases at the same moment."""
    world = World(seed=1)
    engines = [world.database.engine() for _ in range(2)]
    with pytest.raises(Exception, match="already exists"):
        world.together(*[lambda engine=engine: upgraded(engine, folder.path) for engine in engines])
    assert tables(world) == ["alembic_version", "orders"]


def test_killed_migration_leaves_nothing_behind(folder: Migrations) -> None:
    """An instance that dies in a migration has changed nothing, and keeps nobody else from migrating."""
    path = folder.path

    def shop(env: Any) -> Flask:
        upgraded(env.database, path)
        return Flask("shop")

    world = World(seed=1)
    fleet = world.deploy(shop, instances=0, name="shop")
    fleet.scale(1, wait=False)
    world.run(2)
    world["shop-1"].kill()
    fleet.scale(1)
    assert tables(world) == ["alembic_version", "orders"]
    assert [instance.state for instance in fleet] == ["dead", "ready"]


def test_op_outside_a_migration_says_where_it_belongs() -> None:
    """Without a running migration `op` and `context` say in one sentence where they are to be used."""
    with pytest.raises(NameError, match=r"drop_table\(\) needs a migration that runs"):
        op.drop_table("orders")
    with pytest.raises(NameError, match=r"configure\(\) needs a migration that runs: call it in env.py"):
        context.configure()
    with pytest.raises(AttributeError, match="no attribute 'config'"):
        _ = context.config


def test_op_in_a_factory_is_refused(folder: Migrations) -> None:
    """A factory that calls `op` by itself is told so, also while a migration runs elsewhere."""

    def shop(env: Any) -> Flask:
        op.drop_table("orders")
        return Flask("shop")

    with pytest.raises(DeployError, match=r"drop_table\(\) needs a migration that runs"):
        World(seed=1).deploy(shop, instances=1)


def test_last_text_of_a_file_is_run(folder: Migrations) -> None:
    """A revision that is written again within a second runs as it was written last."""
    for name in ("orders", "houses", "horses"):
        folder.write("0001_orders.py", ORDERS.replace('"orders"', f'"{name}"').replace("pg_sleep(5)", "1"))
        world = World(seed=1)
        upgraded(world.database.engine(), folder.path)
        assert tables(world) == sorted(["alembic_version", name])


def test_offline_sql(folder: Migrations, capsys: pytest.CaptureFixture[str]) -> None:
    """Offline, Alembic prints PostgreSQL's SQL and needs no database."""
    config = Config(attributes={})
    config.set_main_option("script_location", folder.path)
    command.upgrade(config, "head", sql=True)
    printed = capsys.readouterr().out
    assert "CREATE TABLE orders" in printed
    assert "INSERT INTO alembic_version (version_num) VALUES ('0001')" in printed


def test_a_folder_is_its_own(folder: Migrations) -> None:
    """Each folder has its own files, and lists its revisions in order."""
    other = Migrations()
    assert folder.names == ["0001_orders.py"]
    assert other.names == []
    folder.remove("0001_orders.py")
    assert folder.names == []
    assert "run_migrations" in other.read("env.py")
    assert Path(other.path).is_dir()


LATE = """
import sys
from flask import Flask
from fleetlab import World
from fleetlab.world import migrations

assert "alembic" not in sys.modules
from alembic import op

def shop(env):
    env.database
    op.drop_table("orders")

try:
    World(seed=1).deploy(shop, instances=1)
except Exception as error:
    print(error)
"""


def test_alembic_is_loaded_by_who_uses_it() -> None:
    """The simulation imports no Alembic by itself, and isolates one that is imported later at the first engine."""
    run = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert "drop_table() needs a migration that runs" in run.stdout
