"""The figures: each case returns a value and its unit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import simpy
from flask import Flask

import fleetlab
from fleetlab import World
from fleetlab.sim import Simulation
from measure import BEST, RAM_ENGINE, bare, best

ROOT = Path(__file__).parents[1]
Case = Callable[[], tuple[float, str]]

# -- the kernel


def sleepers(trace: bool, tasks: int = 100, sleeps: int = 10_000) -> None:
    """Let plain synchronous code sleep."""
    sim = Simulation(1, trace=trace)

    def sleeper() -> None:
        for _ in range(sleeps):
            time.sleep(1)

    for _ in range(tasks):
        sim.spawn(sleeper)
    sim.run()


def simpy_sleepers(tasks: int = 100, sleeps: int = 10_000) -> None:
    """Let SimPy's generators do the same."""
    env = simpy.Environment()

    def sleeper():
        for _ in range(sleeps):
            yield env.timeout(1)

    for _ in range(tasks):
        env.process(sleeper())
    env.run()


def kernel(trace: bool) -> tuple[float, str]:
    """Events a second, ours against SimPy's."""
    pairs = [(best(simpy_sleepers, 1), best(lambda: sleepers(trace), 1)) for _ in range(4)]
    return min(theirs for theirs, _ in pairs) / min(ours for _, ours in pairs), "x SimPy"


def a_day_of_minutes() -> tuple[float, str]:
    """24 virtual hours of 50 instances that wake every minute."""

    def app(env):
        @env.every(60)
        def wake() -> None:
            pass

        return Flask("app")

    def ours() -> None:
        world = World(trace=False)
        world.deploy(app, instances=50)
        world.run(86400)
        world.close()

    return best(lambda: simpy_sleepers(50, 1440), 3) / best(ours, 2), "x SimPy"


# -- the stores

REDIS_BARE = (
    BEST
    + """
import fakeredis
r = fakeredis.FakeRedis(decode_responses=True)
def run():
    for n in range(2000):
        r.set("key", n); r.get("key")
run(); print(best(run))
"""
)

SQL_BARE = (
    BEST
    + RAM_ENGINE
    + """
with engine.begin() as c:
    c.execute(sa.text("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")); c.execute(sa.text("INSERT INTO t VALUES (1, 0)"))
query = sa.text("SELECT n FROM t WHERE id = :id")
def run():
    with engine.connect() as c:
        for n in range(2000):
            c.execute(query, {"id": 1}).scalar()
run(); print(best(run))
"""
)


def redis_command() -> tuple[float, str]:
    """A command in a seeded, traced world against the bare fake."""
    world = World(1)
    r = world.call(lambda: world.redis.client())

    def run() -> None:
        for n in range(2000):
            r.set("key", n)
            r.get("key")

    world.call(run)
    return best(lambda: world.call(run)) / bare(REDIS_BARE), "x bare fakeredis"


def sql_statement() -> tuple[float, str]:
    """An uncontended statement in a seeded, traced world against a bare engine."""
    import sqlalchemy as sa

    world = World(1)
    engine = world.database.engine()

    def prepare() -> None:
        with engine.begin() as c:
            c.execute(sa.text("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"))
            c.execute(sa.text("INSERT INTO t VALUES (1, 0)"))

    query = sa.text("SELECT n FROM t WHERE id = :id")

    def run() -> None:
        with engine.connect() as c:
            for _ in range(2000):
                c.execute(query, {"id": 1}).scalar()

    world.call(prepare)
    world.call(run)
    return best(lambda: world.call(run)) / bare(SQL_BARE), "x bare engine"


HTTP_BARE = (
    BEST
    + """
import httpx
from flask import Flask
app = Flask("shop")
@app.get("/")
def index(): return {"hello": "world"}
client = httpx.Client(transport=httpx.WSGITransport(app), base_url="http://shop")
def run():
    for _ in range(500): client.get("/")
run(); print(best(run))
"""
)


def http_request() -> tuple[float, str]:
    """A request through client, balancer and Flask against httpx's own WSGI transport."""

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index() -> dict[str, str]:
            return {"hello": "world"}

        return app

    world = World(1)
    world.deploy(shop)
    client = world.client()

    def run() -> None:
        for _ in range(500):
            client.get("/")

    world.call(run)
    return best(lambda: world.call(run)) / bare(HTTP_BARE), "x WSGITransport"


# -- pictures, memory, imports


def diagram() -> tuple[float, str]:
    """A space-time diagram of 200 arrows."""
    world = World(1)

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index() -> dict[str, str]:
            return {}

        return app

    world.deploy(shop)
    client = world.client()
    for _ in range(100):
        client.get("/")
    return best(world.trace._repr_html_) * 1000, "ms"


MOST = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"


def lesson_memory() -> tuple[float, str]:
    """The most memory that a notebook kernel takes for lesson 09."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(ROOT / "notebooks" / "09_sessions.ipynb", as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(MOST))
    NotebookClient(book, timeout=120, coalesce_streams=True).execute(cwd=str(ROOT / "notebooks"))
    return float(book.cells[-1].outputs[0].text), "MB"


def lazy_imports() -> tuple[float, str]:
    """How many of the heavy packages `import fleetlab` loads."""
    heavy = ("matplotlib", "sqlalchemy", "flask", "networkx", "IPython")
    code = f"import sys, fleetlab; print(sum(m in sys.modules for m in {heavy}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return float(result.stdout), "modules"


CASES: list[tuple[str, str, Case]] = [
    ("kernel: events/s, untraced", ">=1.0", lambda: kernel(False)),
    ("kernel: events/s, traced", ">=0.6", lambda: kernel(True)),
    ("a day of 50 instances that wake each minute", ">=0.0", a_day_of_minutes),
    ("a Redis command, seeded and traced", "<=1.5", redis_command),
    ("an SQL statement, seeded and traced", "<=1.5", sql_statement),
    ("a request: client, balancer, Flask", "<=1.5", http_request),
    ("diagram of 200 arrows", "<=20", diagram),
    ("memory of a process that ran lesson 09", "<=200", lesson_memory),
    ("heavy packages loaded by import fleetlab", "<=0", lazy_imports),
]

assert fleetlab.__all__
