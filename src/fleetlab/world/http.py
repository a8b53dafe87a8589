"""HTTP between clients, balancers and instances: real httpx clients on a transport without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from fleetlab.sim import current_task, step

if TYPE_CHECKING:
    from .deployment import Deployment
    from .instance import Exchange, Instance
    from .world import World

TIMEOUT = 5.0
"""How long a client waits for an answer by default, in virtual seconds (httpx's own default)."""


@dataclass(slots=True)
class Sent:
    """One request as its client saw it: `status` is 0 where no answer came, `error` then says how it ended.

    `began` and `ended` are numbers in one order of all beginnings and ends; `time` is in virtual seconds.
    """

    client: str
    method: str
    path: str
    began: int
    time: float
    request: httpx.Request
    ended: int = 0
    seconds: float = 0.0
    status: int = 0
    response: httpx.Response | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the answer was a success."""
        return 200 <= self.status < 400

    @property
    def outcome(self) -> str:
        """How the request ended: its status, or the exception that its client saw."""
        return str(self.status or self.error or "no answer")

    @property
    def json(self) -> Any:
        """The answer's body, decoded; None where there is none."""
        try:
            return self.response.json() if self.response is not None else None
        except ValueError:
            return None


class Transport(httpx.BaseTransport):
    """Carries a request to a deployment's load balancer and on to one instance, as steps of the calling task."""

    def __init__(self, world: World, sender: str | None = None) -> None:
        self.world = world
        self.sender = sender

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and note it in `world.sent`; raises httpx's own exceptions, as a socket would."""
        task, world = current_task(), self.world
        assert task is not None
        sender = self.sender or task.lane
        path = request.url.raw_path.decode("ascii")
        sent = Sent(sender, request.method, path, world.tick(), world.now, request)
        if self.sender is not None:
            world.sent.append(sent)
        try:
            sent.response = self._send(request, sender, path)
            sent.status = sent.response.status_code
        except httpx.HTTPError as error:
            sent.error = type(error).__name__
            raise
        finally:
            sent.ended, sent.seconds = world.tick(), world.now - sent.time
        return sent.response

    def _send(self, request: httpx.Request, sender: str, path: str) -> httpx.Response:
        deployment = self._find(request)
        what, latency = f"{request.method} {path}", self.world.network.latency["http"]
        record = step(what, ("http", deployment.name, "w"), to=deployment.name, kind="request", latency=latency)
        assert record is not None
        record.who = sender
        exchange = self._connect(deployment, request, sender)
        if exchange is None:
            record.reply = "503"
            return httpx.Response(503, text="No instance accepts connections.", request=request)
        record.to = exchange.instance.name
        return self._receive(exchange, request, record.fault, sender)

    def _find(self, request: httpx.Request) -> Deployment:
        deployment = self.world.deployments.get(request.url.host)
        if deployment is None:
            known = ", ".join(self.world.deployments) or "nothing yet"
            raise httpx.ConnectError(
                f"Nobody answers at {request.url.host!r}: deployed in this world: {known}.", request=request
            )
        return deployment

    def _connect(self, deployment: Deployment, request: httpx.Request, sender: str) -> Exchange | None:
        state = self.world.network.state(sender, deployment.name)
        if state:
            raise httpx.ConnectTimeout(f"{sender} cannot reach {deployment.name}: {state}.", request=request)
        for instance in deployment.balancer.order(deployment.routable(), request):
            exchange = instance.accept(request, sender)
            if exchange is not None:
                return exchange
            deployment.eject(instance)
        return None

    def _receive(self, exchange: Exchange, request: httpx.Request, fault: str, sender: str) -> httpx.Response:
        sim, instance = self.world.sim, exchange.instance
        timeout = request.extensions.get("timeout", {}).get("read")
        arrived = exchange.wait(timeout)
        if arrived and fault == "lost reply":
            sim.trace.add(sim.now, instance.name, "fault", "the reply is lost", sender)
            arrived = False
        if not arrived:
            raise httpx.ReadTimeout(f"{instance.name} did not answer within {timeout} s.", request=request)
        if exchange.answer is None:
            sim.trace.add(sim.now, instance.name, "response", "502 Bad Gateway", sender)
        return exchange.response(request)


class Client(httpx.Client):
    """An httpx client whose every call runs as a task of the world, cookie jar included."""

    def __init__(self, call: Callable[..., Any], transport: Transport, base_url: str, **options: Any) -> None:
        super().__init__(transport=transport, base_url=base_url, trust_env=False, **options)
        self._call = call

    def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        """Send a request as a task; called outside one, this drives the simulation until the answer is there."""
        return self._as_task(super().request, *args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> httpx.Response:
        """Send a prepared request as a task."""
        return self._as_task(super().send, *args, **kwargs)

    def _as_task(self, f: Callable[..., httpx.Response], *args: Any, **kwargs: Any) -> httpx.Response:
        if current_task() is not None:
            return f(*args, **kwargs)
        response: httpx.Response = self._call(lambda: f(*args, **kwargs))
        return response


def merged(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of a client: short and without versions, so that traces stay the same everywhere."""
    return {"user-agent": "httpx", "accept-encoding": "identity", **(headers or {})}


__all__ = ["Client", "Instance", "Transport"]
