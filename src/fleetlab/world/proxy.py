"""A reverse proxy that keeps responses: what stands before the instances of a service, or at a CDN's edge.

The rules of RFC 9111 (HTTP Caching) are hishel's; only the place where responses are kept is ours. Each instance of
the proxy keeps its own, in memory, as each edge of a CDN does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, cast

import httpx

from fleetlab.sim.clocks import sleep

from . import amounts
from .http import Transport

if TYPE_CHECKING:
    import hishel
    from flask import Flask
    from flask import Response as Answer

    from .env import Env

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
"""Headers that end at each proxy (RFC 9110, section 7.6.1), and those that are written anew."""


def reverse_proxy(origin: str, distance: float = 0.0) -> Callable[[Env], Flask]:
    """Return an app factory: a shared HTTP cache before the deployment called `origin`.

    A response carries `Cache-Status` (RFC 9211), which says whether it was a hit. The method PURGE drops what is kept
    for a URL, on the instance that is asked. Where the origin cannot be reached, the answer is 502. `distance` is how
    many virtual seconds the way to the origin and back takes, on top of a hop: for an edge far from it.
    """
    amounts.seconds(distance, "reverse_proxy(distance=)")

    def proxy(env: Env) -> Flask:
        from flask import Flask

        app, kept = Flask("proxy"), Kept()
        way = Way(Transport(env._instance.world), distance)
        client = httpx.Client(transport=cached(way, kept, shared=True), trust_env=False, timeout=5.0)

        @app.route("/", defaults={"path": ""}, methods=METHODS)
        @app.route("/<path:path>", methods=METHODS)
        def forward(path: str) -> Any:
            return _forward(client, kept, origin, env.name)

        return app

    return proxy


@dataclass(slots=True)
class Kept:
    """The responses that one instance keeps, by URL."""

    entries: dict[str, dict[uuid.UUID, tuple[hishel.Entry, bytes]]] = field(default_factory=dict)
    count: int = 0

    def storage(self) -> hishel.BaseStorage:
        """Return this as hishel wants it."""
        return _storage(self)

    def keep(self, key: str, entry: hishel.Entry, body: bytes) -> None:
        """Keep a response in place of the one that it replaces: the last one that answers the same requests."""
        entries = self.entries.setdefault(key, {})
        for old in [number for number, (one, _) in entries.items() if _variant(one) == _variant(entry)]:
            del entries[old]
        entries[entry.id] = entry, body

    def purge(self, url: str) -> int:
        """Drop what is kept for a URL; return how many responses that were."""
        return len(self.entries.pop(url, ()))


def _variant(entry: hishel.Entry) -> tuple[str | None, ...]:
    """Return what tells the requests that a response answers from others: its method, and what Vary names."""
    names = sorted(name.strip().lower() for name in entry.response.headers.get("vary", "").split(","))
    return entry.request.method, *(value for name in names for value in (name, entry.request.headers.get(name)))


def _forward(client: httpx.Client, kept: Kept, origin: str, name: str) -> Answer:
    from flask import Response, request

    url = f"http://{origin}{request.full_path if request.query_string else request.path}"
    if request.method == "PURGE":
        return Response(f"{kept.purge(url)} dropped\n")
    headers = [(key, value) for key, value in request.headers if key.lower() not in HOP_BY_HOP]
    try:
        found = client.request(
            request.method, url, headers=headers, content=request.get_data(), extensions={"caching": {"key": url}}
        )
    except httpx.HTTPError as error:
        return Response(f"{origin} gave no answer: {type(error).__name__}\n", 502)
    passed = [(key, value) for key, value in found.headers.multi_items() if key.lower() not in HOP_BY_HOP]
    answer = Response(found.content, found.status_code, passed)
    answer.headers["Cache-Status"] = f"{name}; {_status(found.extensions.get('caching', {}), found.status_code)}"
    if found.status_code == 200:
        answer.make_conditional(request.environ)
    return answer


def _status(caching: dict[str, bool], status: int) -> str:
    """Return what the cache has done, in the words of RFC 9211: a hit is what the origin was not asked about."""
    stored = "; stored" if caching.get("stored") else ""
    if caching.get("revalidated"):
        return f"fwd=stale; fwd-status={304 if caching.get('from_cache') else status}{stored}"
    return "hit" if caching.get("from_cache") else f"fwd=miss{stored}"


def cached(transport: httpx.BaseTransport, kept: Kept, *, shared: bool) -> httpx.BaseTransport:
    """Return `transport` behind a cache: a shared one, for everybody, or the private one of a single user."""
    from hishel import CacheOptions
    from hishel.httpx import CacheTransport

    return CacheTransport(transport, kept.storage(), rfc=CacheOptions(shared=shared))


class Way(httpx.BaseTransport):
    """The way from a cache to its origin, `distance` virtual seconds long there and back.

    Adds the date to a response without one: a cache counts its age from there (RFC 9110, section 6.6.1).
    """

    def __init__(self, transport: httpx.BaseTransport, distance: float = 0.0) -> None:
        self.transport, self.distance = transport, distance

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request to the origin."""
        if self.distance:
            sleep(self.distance)
        response = self.transport.handle_request(request)
        response.headers.setdefault("date", formatdate(usegmt=True))
        return response


def _storage(kept: Kept) -> hishel.BaseStorage:
    from hishel import BaseStorage, Entry, Headers, Request, Response

    def ageless(headers: Headers) -> Headers:
        """Return headers without the age that a response had when it came; a cache tells the age of today."""
        return Headers({name: headers.get_list(name) or [] for name in headers if name != "age"})

    class Memory(BaseStorage):
        """Keeps entries in a dict; a response is there once its body has been read to the end."""

        def create_entry(self, request: Request, response: Response, key: str, **limits: Any) -> Entry:
            kept.count += 1
            entry = Entry(uuid.UUID(int=kept.count), request, response)
            body = cast("Iterator[bytes]", response.stream or ())
            response.stream = None

            def saved() -> Iterator[bytes]:
                whole = b""
                for part in body:
                    whole += part
                    yield part
                kept.keep(key, entry, whole)

            return Entry(entry.id, request, Response(response.status_code, response.headers, saved()))

        def get_entries(self, key: str) -> list[Entry]:
            found = kept.entries.get(key, {}).values()
            return [
                Entry(e.id, e.request, Response(e.response.status_code, ageless(e.response.headers), iter([body])))
                for e, body in found
            ]

        def update_headers(self, entry: uuid.UUID, headers: Headers) -> None:
            for entries in kept.entries.values():
                if entry in entries:
                    entries[entry][0].response.headers = headers

        def remove_entry(self, entry: uuid.UUID) -> None:
            for entries in kept.entries.values():
                entries.pop(entry, None)

    return Memory()
