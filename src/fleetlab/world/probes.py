"""Probes: what an orchestrator asks each instance, whether it lives and whether it is ready, and what follows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import httpx

from fleetlab.sim.clocks import sleep

from . import amounts

if TYPE_CHECKING:
    from .deployment import Deployment
    from .instance import Instance


def probe(instance: Instance, path: str, timeout: float = 1.0) -> int:
    """Ask one instance past the balancer; return the status, 0 for a refused connection or no answer in `timeout` s.

    To be called inside a task: it may have to wait.
    """
    world = instance.world
    record = world.trace.add(world.now, "platform", "request", f"GET {path}", instance.name)
    exchange = instance.accept(httpx.Request("GET", f"http://{instance.name}{path}"), "platform")
    answered = exchange is not None and exchange.wait(timeout)
    if exchange is None or not answered or exchange.answer is None:
        record.reply = "refused" if exchange is None else "no answer"
        return 0
    return exchange.answer.status


class Probes:
    """Asks every instance of a deployment each `period` virtual seconds, as Kubernetes' kubelet does.

    An instance whose `live` path fails `failures` times in a row is killed, and started again under its name;
    `startup` is how many failures it may have before its first success, by default no more. The balancer sends requests
    only to those whose `ready` path was answered with success at last. `restarts` counts the kills of each instance,
    `ready` holds who is ready.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        live: str = "/live",
        ready: str = "/ready",
        period: float = 10.0,
        failures: int = 3,
        startup: int | None = None,
    ) -> None:
        self.deployment = deployment
        self.restarts: Counter[str] = Counter()
        self.ready: dict[Instance, float] = {}
        self._paths = live, ready
        self._period = amounts.seconds(period, "Probes(period=)")
        self._failures = amounts.whole(failures, "failures", 1)
        self._startup = self._failures if startup is None else amounts.whole(startup, "startup", 1)
        self._failed: Counter[Instance] = Counter()
        self._lived: set[Instance] = set()
        deployment.admits = self.ready.__contains__
        deployment.world.background(self._run, name="platform")

    def _run(self) -> None:
        while True:
            sleep(self._period)
            for instance in self.deployment.live:
                self._ask(instance)

    def _ask(self, instance: Instance) -> None:
        live, ready = self._paths
        if 200 <= probe(instance, live) < 400:
            self._lived.add(instance)
            self._failed[instance] = 0
            self._note(instance, 200 <= probe(instance, ready) < 400)
            return
        self._note(instance, False)
        self._failed[instance] += 1
        if self._failed[instance] >= (self._failures if instance in self._lived else self._startup):
            self._replace(instance)

    def _note(self, instance: Instance, ready: bool) -> None:
        if not ready:
            self.ready.pop(instance, None)
        elif instance.process.alive:
            self.ready.setdefault(instance, self.deployment.world.now)

    def _replace(self, instance: Instance) -> None:
        """Kill an instance, and start another process in its place without waiting for it."""
        if instance.process.alive and instance.state != "stopping":
            self.restarts[instance.name] += 1
            instance.kill()
            self.deployment._start(instance.name)


__all__ = ["Probes", "probe"]
