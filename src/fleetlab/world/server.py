"""The WSGI server of an instance: workers that serve requests, and a backlog of those that wait."""

from __future__ import annotations

from contextvars import Context
from http.client import responses
from typing import TYPE_CHECKING

import httpx

from fleetlab.sim import step

from . import blame, wsgi
from .exchange import Exchange

if TYPE_CHECKING:
    from .instance import Instance


class Server:
    """Serves one application: `workers` requests at once, `backlog` more wait, the rest is refused.

    As with a server that keeps its threads, what a request leaves behind in context variables is there for the next
    one that the same worker serves.
    """

    def __init__(self, instance: Instance, workers: int, backlog: int) -> None:
        self.app: wsgi.App | None = None
        self._instance = instance
        self._workers = workers
        self._backlog = backlog
        self._serving: list[Exchange] = []
        self._waiting: list[Exchange] = []
        self._served = 0
        self._idle: list[Context] = []

    @property
    def busy(self) -> int:
        """How many requests are being served or wait here."""
        return len(self._serving) + len(self._waiting)

    def accept(self, request: httpx.Request, client: str) -> Exchange | None:
        """Take a request, or None where the backlog is full."""
        exchange = Exchange(self._instance, request, client)
        if len(self._serving) < self._workers:
            self._begin(exchange)
        elif len(self._waiting) < self._backlog:
            self._waiting.append(exchange)
        else:
            return None
        return exchange

    def drain(self) -> None:
        """Block until every accepted request is answered."""
        while self._serving:
            self._serving[0].wait_over()

    def drop(self) -> None:
        """Break every connection: the process is dead."""
        self.app = None
        lost, self._serving, self._waiting = self._serving + self._waiting, [], []
        for exchange in lost:
            exchange.finish(cut=True)

    # -- one request

    def _begin(self, exchange: Exchange) -> None:
        instance = self._instance
        self._serving.append(exchange)
        self._served += 1
        context = self._idle.pop() if self._idle else instance.process.context.copy()
        name = f"{instance.name} request {self._served}"
        instance.process.spawn(self._serve, exchange, context, name=name, daemon=True, context=context)

    def _serve(self, exchange: Exchange, context: Context) -> None:
        try:
            self._converse(exchange)
        finally:
            self._idle.append(context)
            if exchange in self._serving:
                exchange.finish(cut=True)
                self._serving.remove(exchange)
                if self._waiting:
                    self._begin(self._waiting.pop(0))

    def _converse(self, exchange: Exchange) -> None:
        answer = self._answer(exchange)
        latency = self._instance.world.network.latency["http"]
        touches = ("http", "*", "r")  # before or after each request that is sent: what was acknowledged when
        record = step(spoken(answer), touches, to=exchange.client, kind="response", latency=latency)
        if exchange.abandoned and record is not None:
            record.kind, record.what = "fault", f"{record.what}, and nobody listens"
        exchange.begin(answer)
        if answer.close is not None:
            self._stream(exchange, answer)
        exchange.finish()

    def _answer(self, exchange: Exchange) -> wsgi.Answer:
        assert self.app is not None
        instance = self._instance
        try:
            return wsgi.call(self.app, wsgi.environ(exchange.request, instance.deployment.name, exchange.client))
        except (Exception, SystemExit) as error:
            instance.note_error(error)
            body = f"{instance.name}: {blame.told(error)}".encode()
            return wsgi.Answer(500, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], body)

    def _stream(self, exchange: Exchange, answer: wsgi.Answer) -> None:
        """Send the rest of a body part by part, until its end, an error, or the client hangs up."""
        assert answer.close is not None
        try:
            for part in answer.rest:
                if exchange.abandoned:
                    break
                exchange.send(part)
        except (Exception, SystemExit) as error:
            self._instance.note_error(error)
            exchange.finish(cut=True)
        finally:
            answer.close()


def spoken(answer: wsgi.Answer) -> str:
    """Return an answer as short text for the trace: its status and the beginning of its body, or a page's reason."""
    body = " ".join(answer.body[:80].decode("utf-8", "replace").split())
    if body.startswith("<"):
        body = responses.get(answer.status, "")
    return f"{answer.status} {body:.60}".strip()
