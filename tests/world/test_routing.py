"""Remembered URL builders build the same URLs."""

from __future__ import annotations

from flask import Flask, url_for

from fleetlab.world import routing


def app(prefix: str) -> Flask:
    made = Flask("shop")
    made.add_url_rule(f"/{prefix}/<item>/<int:n>", "item", lambda item, n: "")
    made.add_url_rule("/page", "page", str, defaults={"n": 1})
    made.add_url_rule("/page/<int:n>", "page", str)
    return made


def test_remembered_builders_build_the_same_urls_in_every_app() -> None:
    """Two apps with one rule share its code, another rule and a rule with defaults have their own."""
    routing.remember()
    for prefix in ("cart", "cart", "wish"):
        with app(prefix).test_request_context():
            assert url_for("item", item="a b", n=3, page=2) == f"/{prefix}/a%20b/3?page=2"
            assert (url_for("page", n=1), url_for("page", n=2)) == ("/page", "/page/2")
