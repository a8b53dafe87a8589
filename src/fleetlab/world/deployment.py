"""A deployment: N instances of one application behind one load balancer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fleetlab.sim import SimulationError
from fleetlab.sim.trace import learner_frame, source_line

from . import wsgi
from .balancer import LoadBalancer
from .instance import Env, Instance, variables

if TYPE_CHECKING:
    from .world import World

Factory = Callable[[Env], wsgi.App]


class DeployError(Exception):
    """What was handed to `deploy` cannot run; the message says why and what to hand over instead."""


class Deployment:
    """Instances of one application factory: scale it, roll out another version, take instances away."""

    def __init__(
        self,
        world: World,
        factory: Factory,
        name: str,
        *,
        workers: int,
        backlog: int,
        policy: str,
        env: Mapping[str, Any],
    ) -> None:
        self.world = world
        self.name = name
        self.workers = workers
        self.backlog = backlog
        self.vars = variables(env)
        self.balancer = LoadBalancer(policy, world.seed)
        self.instances: list[Instance] = []
        self.version = ""
        self._versions = 0
        self._numbers = 0
        self._ejected: set[str] = set()
        self._use(factory)

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(f'{i.name} {i.state}' for i in self.instances)}>"

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.instances)

    def __len__(self) -> int:
        return len(self.instances)

    def _use(self, factory: Factory, version: str | None = None) -> None:
        check_factory(factory)
        self._image = self.world.pool.image(factory)
        self._versions += 1
        self.version = version or f"v{self._versions}"

    # -- more and fewer

    def scale(self, instances: int) -> Deployment:
        """Have this many live instances: start new ones at the end, stop the youngest ones."""
        live = [instance for instance in self.instances if instance.process.alive]
        started = [self._add() for _ in range(instances - len(live))]
        self.world.drive(lambda: self._await(started))
        for instance in reversed(live[instances:]):
            self._remove(instance)
        return self

    def rollout(self, factory: Factory, version: str | None = None) -> Deployment:
        """Replace every instance by one of another version, one at a time: start the new, then stop the old."""
        old = [instance for instance in self.instances if instance.process.alive]
        self._use(factory, version)
        self.world.drive(lambda: self._roll(old))
        return self

    def _roll(self, old: list[Instance]) -> None:
        for instance in old:
            self._await([self._add()])
            self._remove(instance)

    def _add(self) -> Instance:
        self._numbers += 1
        instance = Instance(self.world, self, f"{self.name}-{self._numbers}", self._image.load, self.version)
        self.instances.append(instance)
        instance.start()
        return instance

    def _remove(self, instance: Instance) -> None:
        """Take an instance out of the balancer and tell it to stop."""
        self._ejected.add(instance.name)
        instance.stop()

    def _await(self, started: list[Instance]) -> None:
        for instance in started:
            instance.boot.wait()
            if instance.boot.error is not None:
                raise DeployError(start_error(instance, instance.boot.error)) from None

    # -- what the balancer asks

    def routable(self) -> list[Instance]:
        """Return the instances that the load balancer knows to be there, oldest first."""
        return [i for i in self.instances if i.name not in self._ejected and i.state != "starting"]

    def eject(self, instance: Instance) -> None:
        """Take a dead instance out of the balancer, after it refused a connection."""
        if not instance.process.alive:
            self._ejected.add(instance.name)

    def checked(self, app: Any, instance: Instance) -> wsgi.App:
        """Return what the factory made, or raise `DeployError` if it is no WSGI application."""
        if app is None:
            raise DeployError(f"{self.name}() returned None: end it with `return app`.")
        if not callable(app):
            raise DeployError(
                f"{self.name}() returned {type(app).__name__}, not a Flask app: end it with `return app`."
            )
        return app  # type: ignore[no-any-return]


def check_factory(factory: Any) -> None:
    """Raise `DeployError` unless `factory` is a function of one parameter, the Env."""
    name = getattr(factory, "__name__", type(factory).__name__)
    if factory is None:
        raise DeployError("deploy() got None: hand over the factory itself, as in deploy(shop), not its result.")
    if hasattr(factory, "wsgi_app"):
        raise DeployError(
            "deploy() got a Flask app, which exists once: hand over the factory, as in deploy(shop), where shop(env) "
            "makes and returns the app; each instance then makes its own."
        )
    if inspect.isclass(factory):
        raise DeployError(f"deploy() got the class {name}: hand over a function that takes env and returns the app.")
    if not callable(factory):
        raise DeployError(f"deploy() got {factory!r:.60}: hand over a function that takes env and returns the app.")
    try:
        inspect.signature(factory).bind(None)
    except TypeError:
        raise DeployError(
            f"{name}{inspect.signature(factory)} cannot be started: the factory takes exactly one parameter, env."
        ) from None


def start_error(instance: Instance, error: BaseException) -> str:
    """Return the sentence that says why an instance did not start."""
    if isinstance(error, DeployError | SimulationError):
        return str(error)
    where = ""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if learner_frame(frame) is frame:
            where = f" at line {source_line(frame.f_code, trace.tb_lineno)}"
        trace = trace.tb_next
    ended = "asked to exit" if isinstance(error, SystemExit) else f"failed with {type(error).__name__}: {error}"
    return f"{instance.name} did not start: its factory {ended}{where}."
