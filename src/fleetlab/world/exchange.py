"""One request between a client and an instance, and its answer as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx

from fleetlab.sim import WaitQueue, current_task

from . import wsgi

if TYPE_CHECKING:
    from .instance import Instance


class Exchange:
    """One request that an instance has accepted: `answer` is there once it has begun to answer, then come `chunks`.

    `over` says that nothing more will come; without an answer by then, or if `cut`, the instance died on the way.
    """

    __slots__ = ("_news", "abandoned", "answer", "chunks", "client", "cut", "instance", "over", "request")

    def __init__(self, instance: Instance, request: httpx.Request, client: str) -> None:
        self.instance = instance
        self.request = request
        self.client = client
        self.answer: wsgi.Answer | None = None
        self.chunks: list[bytes] = []
        self.over = self.cut = self.abandoned = False
        self._news = WaitQueue(instance.answers, instance.holder)

    # -- the instance's side

    def begin(self, answer: wsgi.Answer) -> None:
        """Send status, headers and what there is of the body; the client may go on."""
        self.answer = answer
        self.send(answer.body)

    def send(self, chunk: bytes) -> None:
        """Send another part of the body."""
        if chunk:
            self.chunks.append(chunk)
        self._news.notify_all()

    def finish(self, cut: bool = False) -> None:
        """End the exchange; `cut` if the body is not complete. A second call does nothing."""
        if not self.over:
            self.over, self.cut = True, cut
            self._news.notify_all()

    # -- the client's side

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the answer begins, at most `timeout` virtual seconds; tell whether anything came of it."""
        return self.over or self.answer is not None or self._news.wait(timeout)

    def wait_over(self) -> None:
        """Block until the exchange is over."""
        while not self.over:
            self._news.wait()

    def next(self, timeout: float | None) -> bytes:
        """Return the next part of the body, or nothing at its end; raises what httpx raises when none comes."""
        while not self.chunks:
            if self.cut:
                raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
            if self.over:
                return b""
            if not self._news.wait(timeout):
                raise httpx.ReadTimeout(f"{self.instance.name} sent nothing more within {timeout:g} s.")
        return self.chunks.pop(0)


class Body(httpx.SyncByteStream):
    """The body of an answer, read as it arrives: each read takes at most `timeout` virtual seconds."""

    def __init__(self, exchange: Exchange, timeout: float | None, call: Callable[..., Any]) -> None:
        self._exchange, self._timeout, self._call = exchange, timeout, call

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            yield chunk

    def _next(self) -> bytes:
        exchange = self._exchange
        if exchange.chunks or current_task() is not None:
            return exchange.next(self._timeout)
        chunk: bytes = self._call(exchange.next, self._timeout)
        return chunk

    def close(self) -> None:
        """Hang up: an instance that is still sending finds out at its next part."""
        self._exchange.abandoned = True


class Response(httpx.Response):
    """An httpx response that lives in virtual time also where a cell reads it: its duration, its cookies' expiry."""

    call: Callable[..., Any]

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies that this response sets."""
        found: httpx.Cookies = self.call(lambda: super(Response, self).cookies)
        return found

    def close(self) -> None:
        """Close the response and note how long it took."""
        if current_task() is not None or self.is_closed:
            super().close()
        else:
            self.call(super().close)
