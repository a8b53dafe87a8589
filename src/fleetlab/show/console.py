"""A console on a live world: let time pass, break and repair things, and see lanes and counters follow.

    panel = console(world, lambda: ada.post("/cart/tea"), versions={"v2": shop_v2})
    panel.play(2)
    panel.kill("shop-1")
    panel

Every button has a method of the same name, so a cell can do what a hand does; the static form shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from .counters import Counters, state
from .film import STEPS, Film
from .front import Panel
from .times import duration

if TYPE_CHECKING:
    from fleetlab.world.deployment import Deployment
    from fleetlab.world.instance import Instance
    from fleetlab.world.world import World

PAUSE = 10.0
"""How long the pause button freezes an instance, in virtual seconds."""

_IDLE = 60.0
_TURNS = 10_000


class Console(Panel):
    """A world under one's hands. `traffic` functions are called again and again while time passes, `every` seconds.

    `versions` names factories that can be deployed. `said` is the last thing that the console had to say,
    `trouble` what has gone wrong since.
    """

    def __init__(
        self,
        world: World,
        *traffic: Callable[[], Any],
        every: float = 0.5,
        versions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        if not every > 0:
            raise ValueError("every= is the time between two rounds of traffic: more than 0 virtual seconds.")
        self.world = world
        self.versions = dict(versions or {})
        self.said, self.trouble = "Time stands still: press Play, or Step.", ""
        self.counters, self.film = Counters(world), Film(world.trace)
        self._traffic = list(enumerate(traffic))
        self._count, self._every = len(traffic), every

    # -- time

    def play(self, seconds: float) -> Console:
        """Let virtual seconds pass."""
        self.advance(seconds)
        return self._tell(f"{duration(seconds)} passed.")

    def advance(self, seconds: float) -> bool:
        """Let virtual seconds pass without a word; False if something went wrong, which `trouble` then holds."""
        self._begin()
        self._run(self.world.now + seconds)
        return not self.trouble

    def step(self) -> Console:
        """Let time pass up to the next event, or for a minute in which there is none."""
        self._begin()
        sim, mark, until = self.world.sim, len(self.world.trace), self.world.now + _IDLE
        for _ in range(_TURNS):
            if len(self.world.trace) > mark or sim.now >= until or self.trouble:
                break
            self._run(min(until, _upcoming(sim)))
        fresh = self.world.trace.since(mark).events
        return self._tell(f"{fresh[-1].who}: {fresh[-1].what}" if fresh else "Nothing happened for a minute.")

    # -- what can be broken

    def kill(self, name: str) -> Console:
        """End an instance at once (SIGKILL)."""
        self.world[name].kill()
        return self._tell(f"{name} is killed.")

    def pause(self, name: str, seconds: float = PAUSE) -> Console:
        """Freeze an instance for virtual seconds."""
        self.world[name].pause(seconds)
        return self._tell(f"{name} stands still for {duration(seconds)}.")

    def cut(self, store: str, name: str = "") -> Console:
        """Cut a store off from one instance, or from all of them."""
        for instance in [self.world[name]] if name else self.alive():
            self.world.partition(instance.name, store)
        return self._tell(f"{store} is cut off from {name or 'every instance'}.")

    def heal(self) -> Console:
        """End every partition."""
        self.world.heal()
        return self._tell("Everybody reaches everybody.")

    # -- what can be added

    def add(self, deployment: str = "") -> Console:
        """Start one more instance; it is ready a moment later."""
        chosen = self._deployment(deployment)
        self._later(lambda: chosen.scale(len(chosen.live) + 1), f"{chosen.name} grows")
        return self._tell(f"One more instance of {chosen.name} starts as time passes.")

    def deploy(self, version: str, deployment: str = "") -> Console:
        """Begin to replace every instance by one of another version, one at a time. Raises KeyError for no version."""
        chosen, factory = self._deployment(deployment), self.versions[version]
        before = chosen.version
        self._later(lambda: chosen.rollout(factory, version=version), f"{chosen.name} rolls out")
        return self._tell(f"{version} replaces {before} as time passes, one instance at a time.")

    def alive(self) -> list[Instance]:
        """Return the instances that run."""
        return [instance for instance in self.world.instances if instance.process.alive]

    def stores(self) -> list[str]:
        """Return the names of the stores that this world has made use of."""
        return [name for name in ("redis", "database") if name in vars(self.world)]

    # -- the static form

    def text(self) -> str:
        """Return the clock, the counters and the last steps."""
        steps = self.film.view()
        return "\n\n".join([self.clock(), str(self.counters.totals()), str(self.counters.instances()), str(steps)])

    def html(self) -> str:
        """Return the picture of the last steps, and the counters as tables."""
        picture = self.film.view()
        picture.title = f"The last {min(STEPS, len(self.world.trace))} steps"
        tables = self.counters.totals()._repr_html_(), self.counters.instances()._repr_html_()
        return f"<p>{self.clock()}</p>{picture._repr_html_()}{''.join(tables)}"

    def clock(self) -> str:
        """Return the virtual time and the state of the fleet as a sentence."""
        states = [state(instance) for instance in self.world.instances if instance.state != "gone"]
        counts = ", ".join(f"{states.count(one)} {one}" for one in dict.fromkeys(states)) or "nothing deployed"
        return f"Virtual time {self.world.now:.3f} s; instances: {counts}."

    def build(self) -> Any:
        """Make the widget."""
        from .controls import Controls

        return Controls(self).widget

    # -- how

    def _begin(self) -> None:
        """Start the traffic with the first moment that passes, each function a little after the one before."""
        for n, f in self._traffic:
            first = self._every * n / self._count
            self.world.background(self._repeat, f, first, name=f"traffic {n + 1}")
        self._traffic = []

    def _repeat(self, f: Callable[[], Any], wait: float) -> None:
        from httpx import HTTPError

        from fleetlab.sim import current_task

        sim, task = self.world.sim, current_task()
        assert task is not None
        while True:
            sim.pass_time(task, wait)
            wait = self._every
            try:
                f()
            except HTTPError:  # counted: nobody answered
                pass
            except Exception as error:
                self.trouble = f"This traffic ends: {type(error).__name__}: {error}"
                return

    def _later(self, f: Callable[[], Any], name: str) -> None:
        def doing() -> None:
            try:
                f()
            except Exception as error:
                self.trouble = f"{name}: {error}"

        self.world.background(doing, name=name)
        self._run(self.world.now)

    def _run(self, until: float) -> None:
        try:
            self.world.sim.run(until=until)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def _tell(self, sentence: str) -> Console:
        """Say what was done, or, once, what went wrong meanwhile."""
        self.said, self.trouble = self.trouble or sentence, ""
        return self

    def _deployment(self, name: str) -> Deployment:
        known = self.world.deployments
        if not known:
            raise ValueError("This world has no deployment: deploy() first.")
        return known[name] if name else next(iter(known.values()))


def console(
    world: World,
    *traffic: Callable[[], Any],
    every: float = 0.5,
    versions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None = None,
) -> Console:
    """Return a console on a world; `versions` are factories, named by a mapping or by themselves."""
    named = versions if isinstance(versions, Mapping) else {f.__name__: f for f in versions or ()}
    return Console(world, *traffic, every=every, versions=named)


def _upcoming(sim: Any) -> float:
    """Return when somebody goes on next, in virtual seconds."""
    return float(min((entry[0] for entry in sim._heap), default=inf))
