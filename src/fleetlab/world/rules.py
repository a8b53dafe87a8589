"""A rule table at the edge: which deployment a request is for, by host, path, method and headers.

The fields and the order of precedence are those of an HTTPRoute of the Kubernetes Gateway API (v1, HTTPRouteRule).
A gateway is an instance like any other: `world.deploy(gateway(RULES), instances=1, name="edge")`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Required, TypedDict

import httpx

from .http import TIMEOUT

if TYPE_CHECKING:
    from werkzeug.wrappers import Request, Response

    from .env import Env
    from .wsgi import App

Backend = str | Mapping[str, int]
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that are meant for one connection alone (RFC 9110, section 7.6.1)."""


class Rule(TypedDict, total=False):
    """Sends a request that matches all of its fields to `backend`: a deployment, or several with a weight each.

    `path` is a prefix of whole segments; `host` is a name, or `*.shop.example` for all below it; a value of `headers`
    is a regular expression that the whole value must match. A field that is not there matches everything.
    """

    backend: Required[Backend]
    path: str
    host: str
    method: str
    headers: Mapping[str, str]


def matches(rule: Rule, request: Request) -> bool:
    """Tell whether all fields of a rule match a request."""
    prefix = _segments(rule.get("path", "/"))
    return (
        _host_matches(rule.get("host", "").lower(), _name(request.host))
        and _segments(request.path)[: len(prefix)] == prefix
        and rule.get("method", "") in ("", request.method)
        and all(_header_matches(request.headers.get(name), value) for name, value in rule.get("headers", {}).items())
    )


def precedence(rule: Rule) -> tuple[Any, ...]:
    """Return what the greatest of the matching rules is found by: host, then path, then method, then headers."""
    host, path = rule.get("host", ""), "/".join(_segments(rule.get("path", "/")))
    return bool(host) and not host.startswith("*"), len(host), len(path), "method" in rule, len(rule.get("headers", ()))


def route(rules: Sequence[Rule], request: Request) -> Backend | None:
    """Return the backend of the rule that fits best, of two equal ones the first; None where none matches."""
    fitting = [rule for rule in rules if matches(rule, request)]
    return max(fitting, key=precedence)["backend"] if fitting else None


def _name(host: str) -> str:
    """Return a host as names are compared: in small letters, without its port."""
    return re.sub(r":\d*$", "", host).lower()


def _host_matches(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else pattern in ("", name)


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _header_matches(value: str | None, pattern: str) -> bool:
    return value is not None and re.fullmatch(pattern, value) is not None


def _check(rule: Rule) -> None:
    unknown = [name for name in rule if name not in Rule.__annotations__]
    if unknown or "backend" not in rule:
        wrong = f"the field {unknown[0]!r}, which there is not" if unknown else "no backend"
        raise ValueError(f"The rule {rule!r:.80} has {wrong}; the fields are {', '.join(Rule.__annotations__)}.")


# -- the proxy that follows the table


def gateway(
    rules: Sequence[Rule], route: Callable[[Sequence[Rule], Request], Backend | None] = route
) -> Callable[[Env], App]:
    """Return the factory of a reverse proxy that sends each request where `route(rules, request)` says.

    It keeps the client's Host, and tells in X-Forwarded-For, -Proto and -Host what it has seen. It answers 404 where
    no rule matches, 504 where the backend is too slow, 503 where it cannot be reached. Raises ValueError for a rule
    without a backend, or with a field that there is not.
    """
    for rule in rules:
        _check(rule)

    def edge(env: Env) -> App:
        from werkzeug.wrappers import Request, Response

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            request = Request(environ)
            backend = route(rules, request)
            if backend is None:
                answer = Response(f"No rule matches {request.method} {request.host}{request.path}.", 404)
            else:
                answer = _forward(env, request, _drawn(backend))
            return answer(environ, start_response)

        return app

    return edge


def _drawn(backend: Backend) -> str:
    """Return a backend, or one of several, each with the probability of its weight."""
    if isinstance(backend, str):
        return backend
    if not isinstance(backend, Mapping) or not all(isinstance(weight, int) for weight in backend.values()):
        raise TypeError(f"A route leads to a backend's name, or to names with a weight each, not to {backend!r:.60}.")
    return random.choices(list(backend), list(backend.values()))[0]


def _forward(env: Env, request: Request, backend: str) -> Response:
    from werkzeug.wrappers import Response

    try:
        answer = env.http.send(_onward(request, backend))
    except httpx.TimeoutException:
        return Response(f"{backend} did not answer in time.", 504)
    except httpx.HTTPError:
        return Response(f"{backend} cannot be reached.", 503)
    finally:
        env.http.cookies.clear()  # they are one client's, and this connection serves them all
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in HOP_BY_HOP]
    return Response(answer.content, answer.status_code, headers)


def _onward(request: Request, backend: str) -> httpx.Request:
    """Return the request as it goes on: the same, with word of where it came from."""
    seen = [*request.headers.getlist("X-Forwarded-For"), request.remote_addr or "unknown"]
    own = {"x-forwarded-for": ", ".join(seen), "x-forwarded-proto": request.scheme, "x-forwarded-host": request.host}
    kept = [(name, value) for name, value in request.headers if name.lower() not in {*HOP_BY_HOP, *own}]
    url = httpx.URL(f"http://{backend}", path=request.path, query=request.query_string or None)
    patience = {"timeout": httpx.Timeout(TIMEOUT).as_dict()}
    return httpx.Request(
        request.method, url, headers=[*kept, *own.items()], content=request.get_data(), extensions=patience
    )


__all__ = ["Rule", "gateway", "matches", "precedence", "route"]
