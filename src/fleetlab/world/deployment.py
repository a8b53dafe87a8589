"""A deployment: N instances of one application behind one load balancer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fleetlab.sim import step

from . import amounts
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
        self._ejected: set[str] = set()
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

    def scale(self, instances: int) -> Deployment:
        """Have this many live instances: start new ones, or stop the youngest; return once that is done."""
        count = amounts.whole(instances, "The number of instances")
        self.world.call(self._scale, count, self.live)
        return self

    def _scale(self, count: int, live: list[Instance]) -> None:
        self._await([self._add() for _ in range(count - len(live))])
        self._remove(live[count:][::-1])

    def rollout(self, app: Factory, version: str | None = None) -> Deployment:
        """Replace every instance by one of another version, one at a time: start the new, then stop the old.

        Where a new one does not start, this raises `DeployError` and the old ones that are left stay.
        """
        before = self._image, self.factory_name, self.version
        self._use(app, version)
        try:
            self.world.call(self._roll, self.live)
        except Exception:
            self._image, self.factory_name, self.version = before
            raise
        return self

    def _roll(self, old: list[Instance]) -> None:
        for instance in old:
            self._await([self._add()])
            self._remove([instance])

    def _add(self) -> Instance:
        self._numbers += 1
        instance = Instance(self.world, self, f"{self.name}-{self._numbers}", self._image.load, self.version)
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
        self._ejected.add(instance.name)

    # -- what the balancer asks

    def routable(self) -> list[Instance]:
        """Return the instances that the load balancer knows to be there, oldest first."""
        return [i for i in self.instances if i.name not in self._ejected and i.state != "starting"]

    def eject(self, instance: Instance) -> None:
        """Take a dead instance out of the balancer, after it refused a connection."""
        if not instance.process.alive:
            self._ejected.add(instance.name)


def _give_up(instance: Instance) -> str:
    """Kill an instance that takes too long to start, and say what it is doing."""
    where = instance.boot.where()
    instance.kill()
    return f"its factory is still busy at line {where}" if where else "its factory is still busy"


__all__ = ["DeployError", "Deployment"]
