"""A deployment: N instances of one application behind one load balancer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fleetlab.sim import step

from . import amounts, terminal
from .balancer import LoadBalancer
from .env import variables
from .factory import DeployError, Factory, check_factory, start_error
from .instance import Instance

if TYPE_CHECKING:
    from .world import World

PATIENCE = 600.0
"""How many virtual seconds an instance may take to start: Kubernetes' progress deadline."""


class Deployment:
    """Instances of one application factory: scale it, roll out another version, take instances away."""

    def __init__(
        self,
        world: World,
        factory: Factory,
        name: str,
        *,
        workers: int = 8,
        backlog: int = 64,
        balancer: str = "round robin",
        env: Mapping[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        self.world = world
        self.name = name
        self.workers = amounts.whole(workers, "workers", 1)
        self.backlog = amounts.whole(backlog, "backlog")
        self.vars = variables(env)
        self.balancer = LoadBalancer(balancer, world.seed, fair=world.sim.schedule.explores)
        self.instances: list[Instance] = []
        self.version = ""
        self._versions = 0
        self._numbers = 0
        self._ejected: set[Instance] = set()
        self.admits: Callable[[Instance], bool] = lambda instance: True
        self._use(factory, version)

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(f'{i.name} {i.state}' for i in self.instances) or 'no instance'}>"

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.instances)

    def __len__(self) -> int:
        return len(self.instances)

    def _use(self, factory: Factory, version: str | None) -> None:
        check_factory(factory)
        self._image = self.world.pool.image(factory)
        self.factory_name = getattr(factory, "__name__", self.name)
        self._versions += 1
        self.version = version or f"v{self._versions}"

    # -- more and fewer

    @property
    def live(self) -> list[Instance]:
        """The instances that run and have not been told to stop, oldest first."""
        return [i for i in self.instances if i.process.alive and i.state != "stopping"]

    def scale(self, instances: int, *, wait: bool = True) -> Deployment:
        """Have this many live instances: start new ones, or stop the youngest; return once that is done.

        Without `wait` it returns at once, and what does not start raises nothing: `state`, `failure` and `log` of an
        instance tell how far it has come.
        """
        count = amounts.whole(instances, "The number of instances")
        self.world.call(self._scale, count, self.live, wait)
        return self

    def _scale(self, count: int, live: list[Instance], wait: bool) -> None:
        started = [self._add() for _ in range(count - len(live))]
        if wait:
            self._await(started)
        self._remove(live[count:][::-1])

    def restart(self, instance: Instance | str) -> Instance:
        """Kill an instance's process and start another in its place, under the same name; return it once it is ready.

        Nothing in the old process's memory is in the new one, as when a container is restarted in its pod.
        """
        name = instance if isinstance(instance, str) else instance.name
        old = self.world[name]
        if old.deployment is not self:
            raise ValueError(f"{name} is no instance of {self.name}: restart it through its own deployment.")
        started: Instance = self.world.call(self._restart, old)
        return started

    def _restart(self, old: Instance) -> Instance:
        old.kill()
        started = self._start(old.name)
        self._await([started])
        return started

    def rollout(self, app: Factory, version: str | None = None, *, surge: int = 1, unavailable: int = 0) -> Deployment:
        """Replace every instance by one of another version, one at a time: start the new, then stop the old.

        Where a new one does not start, this raises `DeployError` and the old ones that are left stay. For `surge` and
        `unavailable` see `rolling`.
        """
        for _ in self.rolling(app, version, surge=surge, unavailable=unavailable):
            pass
        return self

    def rolling(
        self, app: Factory, version: str | None = None, *, surge: int = 1, unavailable: int = 0
    ) -> Iterator[list[Instance]]:
        """Roll out step by step: yield the live instances after each step; to break off leaves the rollout there.

        There are never more than `surge` instances above what there should be, nor more than `unavailable` below, as
        with Kubernetes' maxSurge and maxUnavailable. Instances of that `version` stay, so to roll out the one before
        takes back what was begun. Raises what `rollout` raises, and ValueError where nothing may change.
        """
        extra, fewer = amounts.whole(surge, "surge"), amounts.whole(unavailable, "unavailable")
        if not extra + fewer:
            raise ValueError(
                "With surge=0 and unavailable=0 a rollout may start none and stop none: allow one of them."
            )
        before = self._image, self.factory_name, self.version
        self._use(app, version)
        old = [instance for instance in self.live if version is None or instance.version != version]
        try:
            while old:
                self.world.call(self._replace, old[:fewer], old[fewer : fewer + extra])
                old = old[fewer + extra :]
                yield self.live
        except Exception:
            self._image, self.factory_name, self.version = before
            raise

    def _replace(self, first: list[Instance], then: list[Instance]) -> None:
        """Stop the first of the old, start as many new ones as are to go, and stop the others once those are ready."""
        self._remove(first)
        self._await([self._add() for _ in first + then])
        self._remove(then)

    def _add(self) -> Instance:
        self._numbers += 1
        return self._start(f"{self.name}-{self._numbers}")

    def _start(self, name: str) -> Instance:
        terminal.close()
        instance = Instance(self.world, self, name, self._image.load, self.version)
        self.instances.append(instance)
        instance.start()
        return instance

    def _await(self, started: list[Instance]) -> None:
        """Wait until all are ready; one that was killed meanwhile is nobody's mistake."""
        for instance in started:
            if not instance.boot.wait(PATIENCE):
                raise DeployError(f"{instance.name} did not start within {PATIENCE:g} s: {_give_up(instance)}.")
            if instance.failure is not None:
                raise start_error(instance.name, instance.failure) from None

    def _remove(self, instances: list[Instance]) -> None:
        """Take instances away: the balancer is told to forget them and they get SIGTERM, at the same moment.

        The two race, as on Kubernetes. In a seeded world the SIGTERM is there at once, and the balancer forgets after
        `network.latency["balancer"]`; under exploration they come in any order. Until it forgets, it tries such an
        instance like any other, is refused, and goes on to the next.
        """
        for instance in instances:
            self.world.background(self._forget, instance, name=f"{instance.name} removal")
            instance.terminate()
        for instance in instances:
            instance.wait_gone()

    def _forget(self, instance: Instance) -> None:
        latency = self.world.network.latency["balancer"]
        record = step("out of the balancer", ("http", "*", "r"), kind="note", latency=latency)
        assert record is not None
        record.who = instance.name
        self._ejected.add(instance)

    # -- what the balancer asks

    def routable(self) -> list[Instance]:
        """Return the instances that the load balancer knows to be there, oldest first."""
        return [i for i in self.instances if i not in self._ejected and i.state != "starting" and self.admits(i)]

    def eject(self, instance: Instance) -> None:
        """Take a dead instance out of the balancer, after it refused a connection."""
        if not instance.process.alive:
            self._ejected.add(instance)


def _give_up(instance: Instance) -> str:
    """Kill an instance that takes too long to start, and say what it is doing."""
    where = instance.boot.where()
    instance.kill()
    return f"its factory is still busy at line {where}" if where else "its factory is still busy"


__all__ = ["DeployError", "Deployment"]
