"""Answers to 03.routes: the stub, what people really write, and what is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

Rules = list[dict[str, Any]]


def stub(rules, request):
    """Take the first rule that seems to match."""
    for rule in rules:
        if not request.path.startswith(rule.get("path", "/")):
            continue
        if rule.get("host", request.host) != request.host:
            continue
        if rule.get("method", request.method) != request.method:
            continue
        if any(request.headers.get(name) != value for name, value in rule.get("headers", {}).items()):
            continue
        return rule["backend"]
    return None


def parts(path: str) -> list[str]:
    """Return the segments of a path."""
    return [part for part in path.split("/") if part]


def on_path(rule: dict[str, Any], request: Request) -> bool:
    """Match whole segments."""
    wanted = parts(rule.get("path", "/"))
    return parts(request.path)[: len(wanted)] == wanted


def on_host(rule: dict[str, Any], request: Request) -> bool:
    """Match a name in any case, on any port."""
    return rule.get("host", "").lower() in ("", request.host.split(":")[0].lower())


def on_method(rule: dict[str, Any], request: Request) -> bool:
    """Match a method, if the rule has one."""
    return rule.get("method") in (None, request.method)


def on_headers(rule: dict[str, Any], request: Request) -> bool:
    """Match the whole value of each header."""
    given = request.headers
    return all(re.fullmatch(value, given.get(name, "")) for name, value in rule.get("headers", {}).items())


def special(rule: dict[str, Any]) -> tuple[Any, ...]:
    """Return what the winner of several rules is found by."""
    return "host" in rule, len(parts(rule.get("path", "/"))), "method" in rule, len(rule.get("headers", {}))


Test = Callable[[dict[str, Any], Request], bool]


def router(
    path: Test = on_path,
    host: Test = on_host,
    method: Test = on_method,
    headers: Test = on_headers,
    key: Callable[[dict[str, Any]], Any] = special,
) -> Callable[..., Any]:
    """Return an answer made of these parts."""

    def route(rules: Rules, request: Request) -> Any:
        found = [rule for rule in rules if all(test(rule, request) for test in (path, host, method, headers))]
        return max(found, key=key)["backend"] if found else None

    return route


# -- wrong


def raw_prefix(rules: Rules, request: Request) -> Any:
    """Who compares text: the users service gets what is meant for the export of users."""
    return router(path=lambda rule, request: request.path.startswith(rule.get("path", "/")))(rules, request)


def prefix_with_slash(rules: Rules, request: Request) -> Any:
    """Who appends a slash to both, and forgets that the root is one already: nothing begins with two."""

    def path(rule: dict[str, Any], request: Request) -> bool:
        return (request.path + "/").startswith(rule.get("path", "/") + "/")

    return router(path=path)(rules, request)


def only_below(rules: Rules, request: Request) -> Any:
    """Who asks for a slash after the path, and so loses the path itself."""

    def path(rule: dict[str, Any], request: Request) -> bool:
        return request.path.startswith(rule.get("path", "/").rstrip("/") + "/")

    return router(path=path)(rules, request)


def zipped(rules: Rules, request: Request) -> Any:
    """Who compares segment by segment with zip, which ends with the shorter of the two."""

    def path(rule: dict[str, Any], request: Request) -> bool:
        pairs = zip(parts(rule.get("path", "/")), parts(request.path), strict=False)
        return all(one == other for one, other in pairs)

    return router(path=path)(rules, request)


def small_letters(rules: Rules, request: Request) -> Any:
    """Who has learnt that the case of a host does not count, and treats the path alike."""

    def path(rule: dict[str, Any], request: Request) -> bool:
        wanted = parts(rule.get("path", "/").lower())
        return parts(request.path.lower())[: len(wanted)] == wanted

    return router(path=path)(rules, request)


def first_match(rules: Rules, request: Request) -> Any:
    """Who takes the first rule that matches: right, as long as nobody sorts the file."""
    tests = (on_path, on_host, on_method, on_headers)
    return next((rule["backend"] for rule in rules if all(test(rule, request) for test in tests)), None)


def longest_path_only(rules: Rules, request: Request) -> Any:
    """Who lets the length of the path decide, and the order of the table where two are as long."""
    return router(key=lambda rule: ("host" in rule, len(parts(rule.get("path", "/")))))(rules, request)


def shortest_path(rules: Rules, request: Request) -> Any:
    """Who sorts the wrong way round, with the tests for two rules that have the same path."""
    return router(key=lambda rule: ("host" in rule, -len(parts(rule.get("path", "/")))))(rules, request)


def host_as_written(rules: Rules, request: Request) -> Any:
    """Who compares hosts as text: browsers send small letters, other clients what they were given."""
    return router(host=lambda rule, request: rule.get("host") in (None, request.host))(rules, request)


def host_with_port(rules: Rules, request: Request) -> Any:
    """Who knows about the case and forgets the port."""
    return router(host=lambda rule, request: rule.get("host") in (None, request.host.lower()))(rules, request)


def host_ends_with(rules: Rules, request: Request) -> Any:
    """Who wants to allow subdomains: somebody else's host may end like that too."""
    return router(host=lambda rule, request: request.host.split(":")[0].lower().endswith(rule.get("host", "")))(
        rules, request
    )


def host_starts_with(rules: Rules, request: Request) -> Any:
    """Who wants to ignore the port, and ignores all that follows."""
    return router(host=lambda rule, request: request.host.lower().startswith(rule.get("host", "")))(rules, request)


def any_method(rules: Rules, request: Request) -> Any:
    """Who thinks of a method as a detail of the service."""
    return router(method=lambda rule, request: True)(rules, request)


def header_equals(rules: Rules, request: Request) -> Any:
    """Who compares headers as text: no browser sends an Accept of a single type."""

    def headers(rule: dict[str, Any], request: Request) -> bool:
        return all(request.headers.get(name) == value for name, value in rule.get("headers", {}).items())

    return router(headers=headers)(rules, request)


def header_begins(rules: Rules, request: Request) -> Any:
    """Who takes re.match, which is content with the beginning."""

    def headers(rule: dict[str, Any], request: Request) -> bool:
        given = request.headers
        return all(re.match(value, given.get(name, "")) for name, value in rule.get("headers", {}).items())

    return router(headers=headers)(rules, request)


def header_by_case(rules: Rules, request: Request) -> Any:
    """Who makes a dict of the headers, and loses what it knew about case."""

    def headers(rule: dict[str, Any], request: Request) -> bool:
        given = {name.lower(): value for name, value in request.headers.items()}
        return all(re.fullmatch(value, given.get(name, "")) for name, value in rule.get("headers", {}).items())

    return router(headers=headers)(rules, request)


def headers_before_method(rules: Rules, request: Request) -> Any:
    """Who ranks headers before the method, as a well-known gateway did for a while."""
    return router(key=lambda rule: (*special(rule)[:2], len(rule.get("headers", {})), "method" in rule))(rules, request)


def method_before_path(rules: Rules, request: Request) -> Any:
    """Who lets a method outweigh a longer path."""
    return router(key=lambda rule: ("host" in rule, "method" in rule, *special(rule)[1::2]))(rules, request)


def any_header(rules: Rules, request: Request) -> Any:
    """Who is content with one of two headers."""

    def headers(rule: dict[str, Any], request: Request) -> bool:
        wanted = rule.get("headers", {})
        return not wanted or any(re.fullmatch(value, request.headers.get(name, "")) for name, value in wanted.items())

    return router(headers=headers)(rules, request)


def headers_ignored(rules: Rules, request: Request) -> Any:
    """Who never looks at headers."""
    return router(headers=lambda rule, request: True)(rules, request)


def up_to_a_word(rules: Rules, request: Request) -> Any:
    """Who ends a path with a word boundary, and a hyphen is one."""

    def path(rule: dict[str, Any], request: Request) -> bool:
        wanted = rule.get("path", "/").rstrip("/")
        return not wanted or re.match(rf"{re.escape(wanted)}\b", request.path) is not None

    return router(path=path)(rules, request)


def path_before_host(rules: Rules, request: Request) -> Any:
    """Who lets the path decide first."""
    return router(key=lambda rule: (len(parts(rule.get("path", "/"))), "host" in rule, *special(rule)[2:]))(
        rules, request
    )


def points(rules: Rules, request: Request) -> Any:
    """Who gives a point for each thing that matches: two headers outweigh a method."""
    return router(key=lambda rule: 9 * ("host" in rule) + sum(map(int, special(rule)[1:])))(rules, request)


def falls_back(rules: Rules, request: Request) -> Any:
    """Who never wants to answer 404: where nothing matches, the first rule gets it."""
    return router()(rules, request) or rules[0]["backend"]


# -- right


def best(rules: Rules, request: Request) -> Any:
    """The greatest of all that match."""
    return router()(rules, request)


def sorted_first(rules: Rules, request: Request) -> Any:
    """Sorted from special to general, then the first that matches: what a configuration compiler does."""
    return first_match(sorted(rules, key=special, reverse=True), request)


def narrowed(rules: Rules, request: Request) -> Any:
    """Narrowed down, one field after the other."""
    found = [rule for rule in rules if all(test(rule, request) for test in (on_path, on_host, on_method, on_headers))]
    for number in range(4):
        most = max((special(rule)[number] for rule in found), default=0)
        found = [rule for rule in found if special(rule)[number] == most]
    return found[0]["backend"] if found else None


def as_patterns(rules: Rules, request: Request) -> Any:
    """Each path as a regular expression, each rule as a row that sorts by itself."""
    rows = []
    for rule in rules:
        path = rule.get("path", "/").rstrip("/")
        hit = re.match(rf"{re.escape(path)}(/|$)", request.path)
        if hit and on_host(rule, request) and on_method(rule, request) and on_headers(rule, request):
            rows.append((("host" in rule, len(path), "method" in rule, len(rule.get("headers", ()))), rule["backend"]))
    return max(rows, key=itemgetter(0))[1] if rows else None


def libraries(rules: Rules, request: Request) -> Any:
    """Paths and hosts are taken apart by the standard library."""
    return router(
        path=lambda rule, request: PurePosixPath(request.path).is_relative_to(rule.get("path", "/")),
        host=lambda rule, request: rule.get("host") in (None, urlsplit(request.url).hostname),
    )(rules, request)


STUB = (stub, "S03-NEIGHBOUR")
WRONG = {
    "raw_prefix": (raw_prefix, "S03-NEIGHBOUR"),
    "only_below": (only_below, "S03-NEIGHBOUR"),
    "zipped": (zipped, "S03-NEIGHBOUR"),
    "up_to_a_word": (up_to_a_word, "S03-NEIGHBOUR"),
    "small_letters": (small_letters, "S03-NEIGHBOUR"),
    "prefix_with_slash": (prefix_with_slash, "S03-NO-DEFAULT"),
    "first_match": (first_match, "S03-ORDER"),
    "longest_path_only": (longest_path_only, "S03-ORDER"),
    "shortest_path": (shortest_path, "S03-NOT-LONGEST"),
    "host_as_written": (host_as_written, "S03-WRONG-HOST"),
    "host_with_port": (host_with_port, "S03-WRONG-HOST"),
    "host_ends_with": (host_ends_with, "S03-WRONG-HOST"),
    "host_starts_with": (host_starts_with, "S03-WRONG-HOST"),
    "any_method": (any_method, "S03-WRONG-METHOD"),
    "header_equals": (header_equals, "S03-WRONG-HEADER"),
    "headers_ignored": (headers_ignored, "S03-WRONG-HEADER"),
    "any_header": (any_header, "S03-WRONG-HEADER"),
    "header_begins": (header_begins, "S03-WRONG-HEADER"),
    "header_by_case": (header_by_case, "S03-WRONG-HEADER"),
    "headers_before_method": (headers_before_method, "S03-PRECEDENCE"),
    "path_before_host": (path_before_host, "S03-PRECEDENCE"),
    "method_before_path": (method_before_path, "S03-PRECEDENCE"),
    "points": (points, "S03-PRECEDENCE"),
    "falls_back": (falls_back, "S03-GUESSED"),
}
RIGHT = {
    "best": best,
    "sorted_first": sorted_first,
    "narrowed": narrowed,
    "as_patterns": as_patterns,
    "libraries": libraries,
}
REPLAYED = "raw_prefix"
