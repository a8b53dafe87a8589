"""The world of a lesson: instances, the stores they share, the clients, and virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from fleetlab.sim import Simulation, Task, Trace, current_task
from fleetlab.sim.patches import adopt

from .deployment import Deployment, Factory, check_factory
from .http import TIMEOUT, Client, Sent, Transport, merged
from .instance import Instance
from .network import Network
from .outside import MailServer
from .pool import Pool

if TYPE_CHECKING:
    from fleetlab.sim import Schedule

    from .database import Database
    from .objects import ObjectStore
    from .redis import RedisServer

T = TypeVar("T")


class World:
    """Everything one lesson needs: deploy an app, send it requests, break things, let time pass, look at the trace.

    `seed` fixes every latency and every order. Times are virtual seconds from the world's beginning,
    Monday 2026-01-05 09:00:00 UTC.
    """

    def __init__(
        self, seed: int | str = 0, *, schedule: Schedule | None = None, trace: bool = True, pool: Pool | None = None
    ) -> None:
        self.seed = seed
        self.sim = Simulation(seed, schedule=schedule, trace=trace)
        self.network = Network(self.sim)
        self.deployments: dict[str, Deployment] = {}
        self.sent: list[Sent] = []
        self.pool = pool or Pool()
        self._clients = 0
        self._ticks = 0

    # -- what instances share

    @cached_property
    def redis(self) -> RedisServer:
        """The Redis that all instances share."""
        return self.pool.redis(self.sim, self.network)

    @cached_property
    def database(self) -> Database:
        """The SQL database that all instances share."""
        return self.pool.database(self.sim, self.network)

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store that all instances share."""
        from .objects import ObjectStore

        return ObjectStore(self.network)

    @cached_property
    def mail(self) -> MailServer:
        """The mail server: what left through it is in `world.mail.sent`."""
        return MailServer(self.sim, self.network)

    # -- what a learner does

    def deploy(
        self,
        app: Factory,
        instances: int = 3,
        *,
        name: str | None = None,
        workers: int = 8,
        backlog: int = 64,
        balancer: str = "round robin",
        env: Mapping[str, Any] | None = None,
        version: str | None = None,
    ) -> Deployment:
        """Start `instances` of an application behind a load balancer and return the deployment once they are ready.

        `app` is a factory: a function that takes `env` and returns a WSGI application. Each instance serves
        `workers` requests at once and lets `backlog` more wait. `env` holds environment variables.
        Raises `DeployError` for anything that cannot be started, `CannotCopy` for memory that cannot be private.
        """
        check_factory(app)
        label = name or getattr(app, "__name__", "app").replace("_", "-").strip("-<>") or "app"
        deployment = Deployment(self, app, label, workers=workers, backlog=backlog, policy=balancer, env=env or {})
        deployment.version = version or deployment.version
        self.deployments[label] = deployment
        return deployment.scale(instances)

    def client(
        self,
        name: str | None = None,
        *,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        base_url: str | None = None,
    ) -> Client:
        """Return an httpx client of somebody outside, with cookies of its own; `timeout` is in virtual seconds."""
        self._clients += 1
        name = name or (cookies or {}).get("user") or f"client-{self._clients}"
        self.sim.trace.lane(name, "client")
        url = base_url or f"http://{next(iter(self.deployments), 'nobody')}"
        client = Client(self.call, Transport(self, name), url, headers=merged(headers), timeout=timeout)
        client.cookies.update(dict(cookies or {}))
        return client

    def call(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in virtual time, as a task, until it returns; return its result."""
        if current_task() is not None:
            return f(*args, **kwargs)
        adopt(f)
        result: T = self.sim.run(until=self.sim.spawn(lambda: f(*args, **kwargs), name="notebook"))
        return result

    def spawn(self, f: Callable[..., Any], *args: Any, name: str | None = None) -> Task:
        """Add something that goes on at the same time; it runs as soon as time passes."""
        adopt(f)
        return self.sim.spawn(f, *args, name=name)

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """Run several functions at the same time and return their results in order.

        A call that ends in an `httpx.HTTPError` has that error for its result; any other error is raised
        once all have ended.
        """
        result: list[Any] = self.call(lambda: self._together(calls))
        return result

    def _together(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        tasks = [self.spawn(call) for call in calls]
        for task in tasks:
            task.wait()
        return [_outcome(task) for task in tasks]

    def run(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass."""
        if current_task() is not None:
            self.sim.sleep(seconds)
        else:
            self.sim.run(until=self.sim.now + seconds)

    def drive(self, f: Callable[[], None]) -> None:
        """Do something that takes virtual time on behalf of whoever asks, a cell or a task."""
        self.call(f)

    def partition(self, a: Any, b: Any) -> None:
        """Let no message pass between two lanes, say `"shop-1"` and `"redis"`, until `heal`."""
        self.network.partition(a, b)

    def heal(self, a: Any = None, b: Any = None) -> None:
        """End one partition, or all of them."""
        self.network.heal(a, b)

    def tick(self) -> int:
        """Return the next number in the order of all requests' beginnings and ends."""
        self._ticks += 1
        return self._ticks

    # -- what a learner looks at

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self.sim.now

    @property
    def trace(self) -> Trace:
        """Everything that happened so far; it draws itself."""
        return self.sim.trace

    @property
    def instances(self) -> list[Instance]:
        """Every instance that was ever started, in order."""
        return [instance for deployment in self.deployments.values() for instance in deployment]

    def __getitem__(self, name: str) -> Instance:
        for instance in self.instances:
            if instance.name == name:
                return instance
        known = ", ".join(instance.name for instance in self.instances) or "none yet"
        raise KeyError(f"There is no instance {name!r} in this world; there are: {known}.")

    def close(self) -> None:
        """End everything that still runs in this world."""
        for instance in self.instances:
            instance.state = "gone"
            instance.process.kill()
        self.sim.close()


def _outcome(task: Task) -> Any:
    """Return a task's result, or the error of its HTTP call; raise any other error."""
    try:
        return task.value()
    except httpx.HTTPError as error:
        return error
