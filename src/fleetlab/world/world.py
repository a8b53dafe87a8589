"""The world of a lesson: instances, the stores they share, the clients, and virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from fleetlab.sim import Simulation, Task, Trace, WaitQueue, current_task
from fleetlab.sim.patches import adopt

from . import amounts
from .deployment import Deployment
from .factory import STORES, TAKEN, DeployError, Factory, host_name
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
    from .replica import Replica

T = TypeVar("T")

REMOVAL = (0.1, 1.0)
"""How long a load balancer takes to hear that an instance is removed, in virtual seconds."""


class UnknownInstance(KeyError):
    """There is no instance of that name; the message says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


class World:
    """Everything one lesson needs: deploy an app, send it requests, break things, let time pass, look at the trace.

    `seed` fixes every latency and every order. Times are virtual seconds from the world's beginning,
    Monday 2026-01-05 09:00:00 UTC. As a context manager it closes itself.
    """

    def __init__(
        self, seed: int | str = 0, *, schedule: Schedule | None = None, trace: bool = True, pool: Pool | None = None
    ) -> None:
        self.seed = seed
        self.sim = Simulation(seed, schedule=schedule, trace=trace)
        self.network = Network(self.sim)
        self.network.latency["balancer"] = REMOVAL
        self.changes = WaitQueue("the network")
        self.network.on_change(lambda kind: self.changes.notify_all())
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
    def replica(self) -> Replica:
        """A replica of the database, `replica.lag` virtual seconds behind it, from the moment it is first asked for."""
        return self.pool.replica(self.sim, self.network, self.database)

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

        `app` is a factory: a function that takes `env` and returns a WSGI application. Others reach it under `name`.
        Each instance serves `workers` requests at once and lets `backlog` more wait. `balancer` is a policy: round
        robin, random, least busy, sticky or source address. `env` holds environment variables, `version` a label for
        the trace.
        Raises `DeployError` for anything that cannot be started, `CannotCopy` for memory that cannot be private.
        """
        label = host_name(name, app)
        if label in self.deployments:
            raise DeployError(
                f"There is a deployment {label!r} in this world already: give this one another name=, or replace the "
                "other's app with its rollout(app)."
            )
        deployment = Deployment(
            self, app, label, workers=workers, backlog=backlog, balancer=balancer, env=env, version=version
        )
        self.deployments[label] = deployment
        try:
            with self.calm():
                return deployment.scale(instances)
        except Exception:
            self._withdraw(deployment)
            raise

    def _withdraw(self, deployment: Deployment) -> None:
        """Take a deployment back that could not be started, so that its name is free."""
        del self.deployments[deployment.name]
        for instance in deployment:
            instance.kill()

    @contextlib.contextmanager
    def calm(self) -> Iterator[None]:
        """Explore nothing meanwhile: everybody runs in the default order, without faults."""
        schedule = self.sim.schedule
        before, schedule.calm = schedule.calm, True
        try:
            yield
        finally:
            schedule.calm = before

    def client(
        self,
        name: str | None = None,
        *,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = TIMEOUT,
        base_url: str | None = None,
        **options: Any,
    ) -> Client:
        """Return an httpx client of somebody outside, with cookies of its own; `timeout` is in virtual seconds.

        Without a `base_url` it talks to the world's first deployment. `options` are httpx's own: `follow_redirects` …
        """
        if base_url is None and not self.deployments:
            raise DeployError("client() has nobody to talk to: deploy() first, or say client(base_url='http://shop').")
        self._clients += 1
        name = name or (cookies or {}).get("user") or f"client-{self._clients}"
        self.sim.trace.lane(name, "client")
        url = base_url if base_url is not None else f"http://{next(iter(self.deployments))}"
        options = {"base_url": url, "headers": merged(headers), "timeout": timeout, **options}
        client = Client(self.call, Transport(self, name, self._clients - 1), **options)
        client.cookies.update(dict(cookies or {}))
        return client

    def call(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in virtual time, as a task, until it returns; return its result."""
        if current_task() is not None:
            return f(*args, **kwargs)
        adopt(f)
        task = self.sim.spawn(lambda: f(*args, **kwargs), name="notebook")
        try:
            result: T = self.sim.run(until=task)
        finally:
            if not task.finished:  # the run broke off: what nobody waits for any more must not go on later
                self.sim.kill(task)
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
        try:
            for task in tasks:
                task.wait()
        finally:
            for task in tasks:
                if not task.finished:
                    self.sim.kill(task)
        return _outcomes(tasks)

    def background(self, f: Callable[..., Any], *args: Any, name: str) -> Task:
        """Start something that belongs to no process, whoever asks for it: the platform's own doing."""
        task = self.sim.spawn(f, *args, name=name, daemon=True)
        if task.process is not None:
            del task.process.tasks[task]
            task.process = None
        return task

    def run(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass; raises the error of a spawned task that failed meanwhile."""
        seconds = amounts.seconds(seconds, "run(seconds)")
        if current_task() is not None:
            self.sim.sleep(seconds)
        else:
            self.sim.run(until=self.sim.now + seconds)

    def partition(self, a: Any, b: Any) -> None:
        """Let no message pass between two lanes, say `"shop-1"` and `"redis"`, until `heal`."""
        for place in (a, b):
            self._check_place(place if isinstance(place, str) else place.name)
        self.network.partition(a, b)

    def _check_place(self, name: str) -> None:
        if name not in (*TAKEN, *self.deployments) and self.trace.lane_kind(name) == "world":
            known = ", ".join([*self.deployments, *(instance.name for instance in self.instances), *STORES])
            raise ValueError(f"There is no place {name!r} in this world; there are: {known}, and each client's name.")

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
        for instance in reversed(self.instances):  # the youngest, where one was restarted
            if instance.name == name:
                return instance
        known = ", ".join(instance.name for instance in self.instances) or "none yet"
        raise UnknownInstance(f"There is no instance {name!r} in this world; there are: {known}.")

    def close(self) -> None:
        """End everything that still runs in this world; a second call does nothing."""
        for instance in self.instances:
            instance.state = "gone"
            instance.process.kill()
        self.sim.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _outcomes(tasks: Sequence[Task]) -> list[Any]:
    """Return what tasks ended with, results and errors of their HTTP calls; raise the first other error."""
    outcomes: list[Any] = []
    failed: Exception | None = None
    for task in tasks:
        try:
            outcomes.append(task.value())
        except httpx.HTTPError as error:
            outcomes.append(error)
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return outcomes
