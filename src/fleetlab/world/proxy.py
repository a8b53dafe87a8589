"""A reverse proxy that keeps responses: what stands before the instances of a service, or at a CDN's edge.

Each instance of the proxy keeps its own responses, in memory, as each edge of a CDN does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx

from . import amounts
from .http import Transport
from .http_cache import SharedCache, Way
from .kept import Kept

if TYPE_CHECKING:
    from flask import Flask
    from flask import Response as Answer

    from .env import Env

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "BAN")
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
"""Headers that end at each proxy (RFC 9110, section 7.6.1), and those that are written anew."""


def reverse_proxy(origin: str, distance: float = 0.0) -> Callable[[Env], Flask]:
    """Return an app factory: a shared HTTP cache before the deployment called `origin`.

    A response carries `Cache-Status` (RFC 9211), which says whether it was a hit. Concurrent misses of one
    URL become one request. What sets a cookie is not stored. The method PURGE drops what is kept for a URL, BAN also
    what lies below its path, on the instance that is asked. Where the origin fails, `stale-if-error` (RFC 5861) says
    for how many seconds after `max-age` an old response may stand in; else its answer is passed on, or 502 where it
    cannot be reached. `distance` is how many virtual seconds the way to the origin and back takes, on top of a hop:
    for an edge far from it.
    """
    amounts.seconds(distance, "reverse_proxy(distance=)")

    def proxy(env: Env) -> Flask:
        from flask import Flask

        app, kept = Flask("proxy"), Kept(shared=True)
        cache = SharedCache(Way(Transport(env._instance.world), distance), kept)
        client = httpx.Client(transport=cache, trust_env=False, timeout=5.0)

        @app.route("/", defaults={"path": ""}, methods=METHODS)
        @app.route("/<path:path>", methods=METHODS)
        def forward(path: str) -> Any:
            return _forward(client, kept, origin, env.name)

        return app

    return proxy


def _forward(client: httpx.Client, kept: Kept, origin: str, name: str) -> Answer:
    from flask import Response, request

    url = f"http://{origin}{request.full_path if request.query_string else request.path}"
    if request.method in ("PURGE", "BAN"):
        return Response(f"{(kept.purge if request.method == 'PURGE' else kept.ban)(url)} dropped\n")
    headers = [(key, value) for key, value in request.headers if key.lower() not in HOP_BY_HOP]
    try:
        found = client.request(
            request.method, url, headers=headers, content=request.get_data(), extensions={"caching": {"key": url}}
        )
    except httpx.HTTPError as error:
        return Response(f"{origin} gave no answer: {type(error).__name__}\n", 502)
    passed = [(key, value) for key, value in found.headers.multi_items() if key.lower() not in HOP_BY_HOP]
    answer = Response(found.content, found.status_code, passed)
    stored = found.extensions.get("caching", {}).get("stored") and not kept.refuses(found.headers)
    answer.headers["Cache-Status"] = f"{name}; {_status(found)}{'; stored' if stored else ''}"
    if found.status_code == 200:
        answer.make_conditional(request.environ)
    return answer


def _status(found: httpx.Response) -> str:
    """Return what the cache has done, in the words of RFC 9211: a hit is what the origin was not asked about."""
    did: Mapping[str, Any] = found.extensions
    caching = did.get("caching", {})
    if "failed" in did:
        return f"fwd=stale; fwd-status={did['failed']}" if did["failed"] else "fwd=stale"
    if did.get("collapsed"):
        return "fwd=miss; collapsed"
    if caching.get("revalidated"):
        return f"fwd=stale; fwd-status={304 if caching.get('from_cache') else found.status_code}"
    return "hit" if caching.get("from_cache") else "fwd=miss"
