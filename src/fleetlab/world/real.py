"""The same application as a real operating-system process: a real WSGI server, a real Redis, a real PostgreSQL.

    NAME=shop-1 REDIS_URL=redis://… python -m fleetlab.world.real shop.py:shop --port 8001

The factory is the lesson's, unchanged; its `env` has the same names and is built from environment variables.
"""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import redis
    import sqlalchemy


class RealEnv:
    """What `Env` is in the simulation, made of the real things that environment variables name.

    NAME (or the host's name), REDIS_URL, DATABASE_URL, OBJECTS_URL (any fsspec URL), SERVICE_<NAME>_URL.
    """

    def __init__(self) -> None:
        self.vars = os.environ
        self.name = os.environ.get("NAME") or socket.gethostname()
        self.stoppers: list[Callable[[], Any]] = []

    @cached_property
    def redis(self) -> redis.Redis:
        """A client of REDIS_URL with the same options as in the simulation."""
        from .redis import real_client

        return real_client(_required("REDIS_URL"))

    @cached_property
    def database(self) -> sqlalchemy.Engine:
        """An engine of DATABASE_URL."""
        import sqlalchemy

        return sqlalchemy.create_engine(_required("DATABASE_URL"))

    @cached_property
    def objects(self) -> Any:
        """The file system of OBJECTS_URL."""
        import fsspec

        return fsspec.core.url_to_fs(_required("OBJECTS_URL"))[0]

    @cached_property
    def http(self) -> httpx.Client:
        """A client that knows other services by name: http://orders goes to SERVICE_ORDERS_URL."""
        return httpx.Client(transport=_Services(), trust_env=False)

    def every(self, seconds: float, first: float | None = None) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Run a function every `seconds` in a thread; an error is printed and does not end the series."""

        def start(f: Callable[[], Any]) -> Callable[[], Any]:
            threading.Thread(target=_repeat, args=(f, seconds, seconds if first is None else first), daemon=True).start()
            return f

        return start

    def on_stop(self, f: Callable[[], Any]) -> Callable[[], Any]:
        """Call `f` when the process is told to stop (SIGTERM)."""
        self.stoppers.append(f)
        return f

    def work(self, seconds: float) -> None:
        """Take `seconds` of real time."""
        time.sleep(seconds)


class _Services(httpx.BaseTransport):
    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        base = httpx.URL(_required(f"SERVICE_{request.url.host.upper().replace('-', '_')}_URL"))
        request.url = request.url.copy_with(scheme=base.scheme, host=base.host, port=base.port)
        return self._transport.handle_request(request)


def _repeat(f: Callable[[], Any], seconds: float, first: float) -> None:
    time.sleep(first)
    while True:
        try:
            f()
        except Exception as error:  # a periodic job must not end because one run failed
            print(f"{f.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        time.sleep(seconds)


def _required(name: str) -> str:
    if name not in os.environ:
        raise SystemExit(f"Set {name} to the address of a server; it is not set.")
    return os.environ[name]


def load(place: str) -> Callable[[RealEnv], Any]:
    """Return the factory that `FILE.py:NAME` names."""
    path, _, name = place.rpartition(":")
    try:
        found = runpy.run_path(path)[name]
    except (OSError, KeyError):
        raise SystemExit(f"There is no {name!r} in {path!r}; say FILE.py:FACTORY.") from None
    return found  # type: ignore[no-any-return]


def serve(factory: Callable[[RealEnv], Any], port: int, threads: int = 8) -> None:
    """Serve one instance on 127.0.0.1 until SIGTERM; finishes the requests it has begun."""
    from waitress.server import create_server

    env = RealEnv()
    server = create_server(factory(env), host="127.0.0.1", port=port, threads=threads, ident=None)

    def stop(number: int, frame: FrameType | None) -> None:
        for stopper in env.stoppers:
            stopper()
        server.close()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    print(f"{env.name} serves on port {port}", flush=True)
    server.run()


def main() -> None:
    """Run one instance; the entry point of `python -m fleetlab.world.real`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("factory", help="FILE.py:NAME")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    serve(load(options.factory), options.port)


if __name__ == "__main__":
    main()
