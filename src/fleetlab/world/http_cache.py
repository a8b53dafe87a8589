"""HTTP caches on httpx: the rules of RFC 9111 are hishel's, what is kept is ours, an origin may fail (RFC 5861)."""

from __future__ import annotations

from email.utils import formatdate

import httpx

from fleetlab.sim.clocks import sleep

from .flights import Flights
from .kept import Kept

ERRORS = (500, 502, 503, 504)
"""What counts as a failure of the origin (RFC 5861, section 4)."""
ALONE = ("authorization", "cache-control", "pragma", "range")
"""Headers of a request whose answer says nothing about what others will be answered."""


def cached(transport: httpx.BaseTransport, kept: Kept, *, stale: bool = False) -> httpx.BaseTransport:
    """Return `transport` behind a cache; with `stale` it answers what is past its lifetime, where that is allowed."""
    from hishel import CacheOptions
    from hishel.httpx import CacheTransport

    return CacheTransport(transport, kept.storage(), rfc=CacheOptions(shared=kept.shared, allow_stale=stale))


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


class OriginError(httpx.TransportError):
    """The origin has answered with a failure."""

    def __init__(self, response: httpx.Response, request: httpx.Request) -> None:
        super().__init__(str(response.status_code), request=request)
        self.response = response


class Nobody(httpx.BaseTransport):
    """An origin that does not answer: a cache before it has what it keeps."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raise ConnectError."""
        raise httpx.ConnectError("There is nobody to ask.", request=request)


class Strict(httpx.BaseTransport):
    """Raises OriginError for a response that is a failure, so that no cache takes it for what was asked for."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on."""
        response = self.transport.handle_request(request)
        if response.status_code in ERRORS:
            response.read()
            raise OriginError(response, request)
        return response


class SharedCache(httpx.BaseTransport):
    """The cache of a proxy: collapses concurrent misses, and may answer with a stale response where the origin fails.

    What the proxy did beside RFC 9111 stands in the response's extensions: `collapsed`, and `failed`, which is the
    status of the failure, 0 without an answer.
    """

    def __init__(self, way: httpx.BaseTransport, kept: Kept) -> None:
        self.flights = Flights()
        self.through = cached(Strict(way), kept)
        self.fresh, self.stale = cached(Nobody(), kept), cached(Nobody(), kept, stale=True)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; raises httpx's exceptions where the origin does not answer and nothing may stand in."""
        try:
            if request.method not in ("GET", "HEAD") or any(name in request.headers for name in ALONE):
                return self._ask(request)
            key = f"{request.method} {request.url}"
            return self.flights.share(key, lambda: _kept(self.fresh, request), lambda: self._ask(request))
        except httpx.TransportError as error:
            return self._instead(request, error)

    def _ask(self, request: httpx.Request) -> httpx.Response:
        answer = self.through.handle_request(request)
        answer.read()  # a response is kept once its body is whole
        return answer

    def _instead(self, request: httpx.Request, error: httpx.TransportError) -> httpx.Response:
        """Return what is sent in place of a failure: a stale response, or the failure itself to whom it happened."""
        failure = error.response if isinstance(error, OriginError) else None
        found = _kept(self.stale, request)
        if found is not None and _may_stand_in(found):
            found.extensions["failed"] = failure.status_code if failure else 0
            return found
        if failure is None:
            raise error
        if error.request is not request:
            text = "Another request for this has just failed.\n"
            failure = httpx.Response(failure.status_code, text=text, request=request)
        failure.extensions["caching"] = {"revalidated": found is not None}
        return failure


def _kept(cache: httpx.BaseTransport, request: httpx.Request) -> httpx.Response | None:
    """Return what a cache before Nobody answers, or None."""
    try:
        found = cache.handle_request(request)
    except httpx.ConnectError:
        return None
    found.read()
    return found


def _may_stand_in(found: httpx.Response) -> bool:
    """Tell whether `stale-if-error` allows a response of this age; s-maxage forbids it (RFC 9111, section 4.2.4)."""
    from werkzeug.datastructures import ResponseCacheControl
    from werkzeug.http import parse_cache_control_header

    rule = parse_cache_control_header(found.headers.get("cache-control"), cls=ResponseCacheControl)
    if rule.max_age is None or rule.stale_if_error is None or rule.s_maxage is not None or rule.proxy_revalidate:
        return False
    return int(found.headers.get("age", 0)) < rule.max_age + rule.stale_if_error
