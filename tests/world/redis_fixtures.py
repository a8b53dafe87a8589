"""One stage for two servers: a contract test runs on the simulated Redis, and on a real one if REDIS_URL names it."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from fleetlab.sim import Process, Simulation, current_task
from fleetlab.world.network import Network
from fleetlab.world.redis import RedisServer, real_client


class SimulatedStage:
    """Actors are tasks, and time is virtual. A unit of time is a tenth of a second."""

    unit = 0.1

    def __init__(self) -> None:
        self.sim = Simulation(seed=1)
        self.server = RedisServer(self.sim, Network(self.sim))

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of its own."""
        return self.server.client(**options)

    def key(self, name: str) -> str:
        """Return a key or a channel that belongs to this test."""
        return f"test:{name}"

    def ms(self, units: float) -> int:
        """Return so many units of time in milliseconds."""
        return round(units * self.unit * 1000)

    def s(self, units: float) -> float:
        """Return so many units of time in seconds."""
        return units * self.unit

    def sleep(self, units: float) -> None:
        """Let so many units of time pass."""
        time.sleep(units * self.unit)

    def together(self, *actors: Callable[[], Any]) -> list[Any]:
        """Run actors at the same time; return what each returned, or raise what one raised."""
        results: list[Any] = [None] * len(actors)
        errors: list[BaseException] = []

        def run(i: int) -> None:
            try:
                results[i] = actors[i]()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(i,), name=f"actor-{i}") for i in range(len(actors))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in errors:
            raise error
        return results

    def run(self, test: Callable[[Any], None]) -> None:
        """Run a test inside the simulation."""
        self.sim.run(until=self.sim.spawn(test, self, name="test"))

    def close(self) -> None:
        """Leave nothing behind."""
        self.sim.close()


class RealStage(SimulatedStage):
    """Actors are threads on a real server, and time is real."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"fleetlab-test-{os.getpid()}:"
        self.clients: list[redis.Redis] = []

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of its own."""
        client = real_client(self.url, **options)
        self.clients.append(client)
        return client

    def key(self, name: str) -> str:
        """Return a key or a channel under the prefix of this process."""
        return f"{self.prefix}{name}"

    def run(self, test: Callable[[Any], None]) -> None:
        """Run a test as it is."""
        assert current_task() is None
        test(self)

    def close(self) -> None:
        """Delete every key of this process."""
        client = self.client()
        for key in list(client.scan_iter(match=f"{self.prefix}*", count=1000)):
            client.delete(key)
        for used in self.clients:
            used.close()


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.real)])
def redis_stage(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The stage of a contract test."""
    url = os.environ.get("REDIS_URL")
    if request.param == "real" and not url:
        pytest.skip("REDIS_URL is not set")
    stage = RealStage(url or "") if request.param == "real" else SimulatedStage()
    yield stage
    stage.close()


def contract(test: Callable[[Any], None]) -> Callable[..., None]:
    """Run a test on each stage, inside the simulation where there is one."""

    @functools.wraps(test)
    def on_stage(redis_stage: Any) -> None:
        redis_stage.run(test)

    del on_stage.__wrapped__  # type: ignore[attr-defined]
    return on_stage


class Bench:
    """A simulation with a network and a Redis, and shops that are processes."""

    def __init__(self, seed: int = 1) -> None:
        self.sim = Simulation(seed)
        self.network = Network(self.sim)
        self.server = RedisServer(self.sim, self.network)
        self.shops: dict[str, Process] = {}

    def shop(self, name: str) -> Process:
        """Return the process of this name."""
        if name not in self.shops:
            self.shops[name] = Process(self.sim, name)
        return self.shops[name]

    def client(self, name: str, **options: Any) -> redis.Redis:
        """Return a client of a shop."""
        return self.server.client(self.shop(name), **options)

    def call(self, f: Callable[..., Any], *args: Any, shop: str = "shop-1") -> Any:
        """Run a function in a shop, to its end."""
        return self.sim.run(until=self.shop(shop).spawn(f, *args))

    def steps(self) -> list[str]:
        """Return what was called, with its replies."""
        return [f"{event.what} = {event.reply}" for event in self.sim.trace if event.kind == "call"]


@pytest.fixture
def redis_bench() -> Bench:
    """A fresh bench."""
    return Bench()
