"""What an application is given: its name, its variables, and the shared things it may touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fleetlab.sim.clocks import sleep

from . import amounts
from .http import Client, Transport, merged

if TYPE_CHECKING:
    import httpx
    import redis
    import sqlalchemy

    from .instance import Instance
    from .objects import ObjectStore
    from .outside import MailServer

Job = Callable[[], Any]


class Env:
    """What an application is given: its name, its variables, and the shared things it may touch."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.name = instance.name
        self.vars: MutableMapping[str, str] = instance.process.environ

    @cached_property
    def redis(self) -> redis.Redis:
        """A redis-py client of the shared Redis; responses are decoded, failed commands are not retried."""
        return self._instance.world.redis.client(self._instance.process)

    @cached_property
    def database(self) -> sqlalchemy.Engine:
        """An SQLAlchemy engine of the shared database, with its own connection pool."""
        return self._instance.world.database.engine(self._instance.process)

    @cached_property
    def replica(self) -> sqlalchemy.Engine:
        """An engine of the database's replica: for reading alone, and what it shows is `world.replica.lag` old."""
        return self._instance.world.replica.engine(self._instance.process)

    @property
    def objects(self) -> ObjectStore:
        """The shared object store, as an fsspec file system."""
        return self._instance.world.objects

    @property
    def mail(self) -> MailServer:
        """The mail server: what it accepts cannot be taken back."""
        return self._instance.world.mail

    @cached_property
    def http(self) -> httpx.Client:
        """An httpx client for other services, by the names of their deployments: `env.http.get("http://orders/1")`."""
        world = self._instance.world
        return Client(world.call, Transport(world), headers=merged(None))

    def every(self, seconds: float, first: float | None = None) -> Callable[[Job], Job]:
        """Run a function every `seconds` of virtual time in this instance, the first time after `first`.

        The moments do not drift: `first`, `first + seconds`, … Runs missed in a pause are not made up for, and an error
        of the function is noted and does not end the series.
        """
        if callable(seconds):
            raise ValueError("env.every needs a number of seconds: write @env.every(60) above the function.")
        amounts.seconds(seconds, "env.every(seconds)")
        if seconds == 0:
            raise ValueError("env.every(0) would never let time pass: say how many seconds lie between two runs.")
        after = amounts.seconds(seconds if first is None else first, "env.every(first=)")

        def start(f: Job) -> Job:
            self._instance.repeat(f, float(seconds), after)
            return f

        return start

    def on_stop(self, f: Job) -> Job:
        """Call `f` when this instance is told to stop (SIGTERM), before it waits for its requests to end."""
        self._instance.stoppers.append(f)
        return f

    def work(self, seconds: float) -> None:
        """Spend `seconds` of virtual time computing."""
        sleep(amounts.seconds(seconds, "env.work(seconds)"))


def variables(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return environment variables: names and values are text, as in any process."""
    if not isinstance(given or {}, Mapping):
        raise ValueError(f"env holds environment variables: a dict such as {{'MODE': 'test'}}, not {given!r:.40}.")
    return {str(name): str(value) for name, value in (given or {}).items()}
