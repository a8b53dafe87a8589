"""Applications that several tests deploy."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, request


def shop(env: Any) -> Flask:
    """A shop that says who serves, takes its time, counts, and echoes."""
    app = Flask("shop")

    @app.get("/")
    def index() -> dict[str, str]:
        return {"by": env.name}

    @app.get("/slow/<float:seconds>")
    def slow(seconds: float) -> dict[str, str]:
        time.sleep(seconds)
        return {"by": env.name}

    @app.post("/count/<key>")
    def count(key: str) -> dict[str, int]:
        return {"count": env.redis.incr(key)}

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    def echo() -> dict[str, Any]:
        return {"args": request.args.to_dict(flat=False), "body": request.get_data(as_text=True)}

    return app


def by(response: Any) -> str:
    """Return the instance that says it served."""
    return str(response.json()["by"])


def events(world: Any, *kinds: str) -> list[tuple[str, str, str]]:
    """Return who, kind and what of the events of some kinds."""
    return [(event.who, event.kind, event.what) for event in world.trace if event.kind in kinds]
