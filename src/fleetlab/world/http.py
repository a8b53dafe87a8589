"""HTTP between clients, balancers and instances: real httpx clients on a transport without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from fleetlab.sim import WaitQueue, current_task, step

from .exchange import Body, Exchange, Response

if TYPE_CHECKING:
    from .deployment import Deployment
    from .world import World

TIMEOUT = 5.0
"""How long a client waits for an answer by default, in virtual seconds (httpx's own default)."""

CONNECT_PATIENCE = 130.0
"""How long an attempt to connect lasts without a timeout, in virtual seconds: Linux's default."""

_MANY = 4096
_urls: dict[tuple[str, str], httpx.URL] = {}


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
    def cut_off(self) -> bool:
        """Whether the connection ended without an answer: the client saw it, or the balancer's own 502 for it."""
        gateway = self.response is not None and "gateway" in self.response.extensions
        return gateway or self.error == "RemoteProtocolError"

    @property
    def outcome(self) -> str:
        """How the request ended: its status, or the exception that its client saw."""
        return str(self.status or self.error or "no answer")

    @property
    def json(self) -> Any:
        """The answer's body, decoded; None where there is none."""
        try:
            return self.response.json() if self.response is not None else None
        except (ValueError, httpx.StreamError):
            return None


class Transport(httpx.BaseTransport):
    """Carries a request to a deployment's load balancer and on to one instance, as steps of the calling task.

    Hosts are the names of deployments, whatever the port. `sender` is the lane of a client outside; without one the
    lane is that of the calling instance.
    """

    def __init__(self, world: World, sender: str | None = None, number: int = 0) -> None:
        self.world = world
        self.sender = sender
        self.number = number

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and note it in `world.sent`; raises httpx's own exceptions, as a socket would."""
        task, world = current_task(), self.world
        if task is None or task.sim is not world.sim:
            raise RuntimeError("This client belongs to another world: use one that its own world.client() made.")
        path = request.url.raw_path.decode("ascii")
        if self.sender is None:
            return self._send(request, task.lane, path)
        sent = Sent(self.sender, request.method, path, world.tick(), world.now, request)
        world.sent.append(sent)
        try:
            response = sent.response = self._send(request, self.sender, path)
            sent.status = response.status_code
        except httpx.HTTPError as error:
            sent.error = type(error).__name__
            raise
        finally:
            sent.ended, sent.seconds = world.tick(), world.now - sent.time
        return response

    def _send(self, request: httpx.Request, sender: str, path: str) -> httpx.Response:
        deployment, world = self._find(request), self.world
        name = deployment.name
        what, latency = f"{request.method} {path}", world.network.hop(name)
        touches = ("http", sender if deployment.balancer.fair else "*", "w")
        record = step(what, touches, to=name, kind="request", latency=latency)
        assert record is not None
        record.who = sender
        self._reach(deployment, request, sender)
        exchange = self._connect(deployment, request, sender)
        if exchange is None:
            record.reply = "503"
            return httpx.Response(503, text="No instance accepts connections.", request=request)
        record.to = exchange.instance.name
        return self._receive(exchange, request, record.fault, sender)

    def _find(self, request: httpx.Request) -> Deployment:
        url = request.url
        deployment = self.world.deployments.get(url.host)
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(
                f"{str(url)!r} is no address of a service: write it as in 'http://shop/cart'.", request=request
            )
        if deployment is None:
            known = ", ".join(self.world.deployments) or "nothing yet"
            raise httpx.ConnectError(
                f"Nobody answers at {url.host!r}: deployed in this world: {known}.", request=request
            )
        return deployment

    def _reach(self, deployment: Deployment, request: httpx.Request, sender: str) -> None:
        """Wait for the way to a deployment to be free, as long as a client tries to connect."""
        state = self.world.network.state(sender, deployment.name)
        if state == "outage":
            raise httpx.ConnectError(f"{deployment.name} refuses connections: {state}.", request=request)
        timeout = request.extensions.get("timeout", {}).get("connect")
        if state and not self._healed(sender, (deployment.name,), CONNECT_PATIENCE if timeout is None else timeout):
            raise httpx.ConnectTimeout(f"{sender} cannot reach {deployment.name}: {state}.", request=request)

    def _connect(self, deployment: Deployment, request: httpx.Request, sender: str) -> Exchange | None:
        """Return the exchange with the first instance that can be reached and takes the request, or None."""
        network = self.world.network
        for instance in deployment.balancer.order(deployment.routable(), request, sender, self.number):
            exchange = None if network.state(sender, instance.name) else instance.accept(request, sender)
            if exchange is not None:
                return exchange
            deployment.eject(instance)
        return None

    def _receive(self, exchange: Exchange, request: httpx.Request, fault: str, sender: str) -> httpx.Response:
        world, instance = self.world, exchange.instance
        timeout = request.extensions.get("timeout", {}).get("read")
        began = world.now
        arrived = exchange.wait(timeout)
        left = None if timeout is None else began + timeout - world.now
        if arrived and fault == "lost reply":
            world.sim.trace.add(world.now, instance.name, "fault", "the reply is lost", sender)
            arrived = WaitQueue(f"an answer of {instance.name} that is lost").wait(left)
        elif arrived and not world.network.whole:
            arrived = self._healed(sender, (instance.deployment.name, instance.name), left)
        if not arrived:
            exchange.abandoned = True
            world.sim.trace.add(world.now, sender, "note", f"gives up after {timeout:g} s")
            raise httpx.ReadTimeout(f"{instance.name} did not answer within {timeout:g} s.", request=request)
        if exchange.answer is None:
            return self._bad_gateway(exchange, request, sender)
        headers = exchange.answer.headers + instance.deployment.balancer.stick(instance, request)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]  # as PEP 3333 has it
        body = Body(exchange, timeout, world.call)
        response = Response(exchange.answer.status, headers=encoded, stream=body, request=request)
        response.call = world.call
        return response

    def _bad_gateway(self, exchange: Exchange, request: httpx.Request, sender: str) -> httpx.Response:
        """Return what the load balancer says for an instance that died before it answered."""
        name, sim = exchange.instance.name, self.world.sim
        sim.trace.add(sim.now, name, "response", "502 Bad Gateway", sender)
        text = f"{name} closed the connection."
        return httpx.Response(502, text=text, request=request, extensions={"gateway": True})

    def _healed(self, sender: str, places: tuple[str, ...], timeout: float | None) -> bool:
        """Wait until no partition lies between a client and `places`, at most `timeout` virtual seconds."""
        world = self.world
        until = None if timeout is None else world.now + timeout
        while any(world.network.state(sender, place) == "partition" for place in places):
            if not world.changes.wait(None if until is None else until - world.now):
                return False
        return True


class Client(httpx.Client):
    """An httpx client whose every call runs as a task of the world, cookie jar included."""

    def __init__(self, call: Callable[..., Any], transport: Transport, **options: Any) -> None:
        super().__init__(transport=transport, trust_env=False, **options)
        self._call = call
        self._cookies = _Jar(self._cookies)
        self._base = self._base_url, str(self._base_url)

    def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        """Send a request as a task; called outside one, this drives the simulation until the answer is there."""
        response: httpx.Response = self._call(super().request, *args, **kwargs)
        return response

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """Build a request as a task: which cookies go with it depends on virtual time."""
        request: httpx.Request = self._call(super().build_request, *args, **kwargs)
        return request

    def send(self, *args: Any, **kwargs: Any) -> httpx.Response:
        """Send a prepared request as a task."""
        response: httpx.Response = self._call(super().send, *args, **kwargs)
        return response

    def _merge_url(self, url: httpx.URL | str) -> httpx.URL:
        """Join the base and a path: parsing URLs is a tenth of a request's time, and most are asked for again."""
        base, text = self._base
        if not isinstance(url, str) or base is not self._base_url:
            return super()._merge_url(url)
        if len(_urls) > _MANY:
            _urls.clear()
        found = _urls.get((text, url))
        if found is None:
            found = _urls[text, url] = super()._merge_url(url)
        return found


class _Jar(httpx.Cookies):
    """A cookie jar that does not look for cookies where a response sets none: another tenth of a request's time."""

    def extract_cookies(self, response: httpx.Response) -> None:
        if "set-cookie" in response.headers:
            super().extract_cookies(response)


def merged(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of a client: short and without versions, so that traces stay the same everywhere."""
    return {"user-agent": "httpx", "accept-encoding": "identity", **(headers or {})}
