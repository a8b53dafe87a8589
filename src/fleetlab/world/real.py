"""The same application as a real operating-system process: a real WSGI server, a real Redis, a real PostgreSQL.

    NAME=shop-1 REDIS_URL=redis://… python -m fleetlab.world.real shop.py:shop --port 8001

The factory is the lesson's, unchanged; its `env` has the same names and is built from environment variables.
"""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import smtplib
import socket
import sys
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from functools import cached_property
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    import redis
    import sqlalchemy


class RealEnv:
    """What `Env` is in the simulation, made of the real things that environment variables name.

    NAME (or the host's name), REDIS_URL, DATABASE_URL, REPLICA_URL, OBJECTS_URL (any fsspec URL),
    MAIL_URL (smtp://host:port), SERVICE_<NAME>_URL.
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
    def replica(self) -> sqlalchemy.Engine:
        """An engine of REPLICA_URL: a server that follows the one of DATABASE_URL."""
        import sqlalchemy

        return sqlalchemy.create_engine(_required("REPLICA_URL"))

    @cached_property
    def objects(self) -> Any:
        """The file system of OBJECTS_URL."""
        import fsspec

        return fsspec.core.url_to_fs(_required("OBJECTS_URL"))[0]

    @cached_property
    def mail(self) -> RealMail:
        """The SMTP server of MAIL_URL."""
        return RealMail(self.name, _required("MAIL_URL"))

    @cached_property
    def http(self) -> httpx.Client:
        """A client that knows other services by name: http://orders goes to SERVICE_ORDERS_URL."""
        return httpx.Client(transport=_Services(), trust_env=False)

    def every(self, seconds: float, first: float | None = None) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Run a function every `seconds` in a thread; an error is printed and does not end the series."""

        def start(f: Callable[[], Any]) -> Callable[[], Any]:
            after = seconds if first is None else first
            threading.Thread(target=_repeat, args=(f, seconds, after), daemon=True).start()
            return f

        return start

    def on_stop(self, f: Callable[[], Any]) -> Callable[[], Any]:
        """Call `f` when the process is told to stop (SIGTERM)."""
        self.stoppers.append(f)
        return f

    def work(self, seconds: float) -> None:
        """Take `seconds` of real time."""
        time.sleep(seconds)


class RealMail:
    """An SMTP server; unlike the simulated one it may send a repeated `message_id` again."""

    def __init__(self, sender: str, url: str) -> None:
        self._sender = f"{sender}@localhost"
        self._url = urlsplit(url)

    def send(self, to: str, subject: str, body: str = "", message_id: str | None = None) -> None:
        """Send one e-mail."""
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self._sender, to, subject
        if message_id is not None:
            letter["Message-ID"] = f"<{message_id}@fleet>"
        letter.set_content(body)
        with smtplib.SMTP(self._url.hostname or "localhost", self._url.port or 25, timeout=5) as server:
            server.send_message(letter)


class _Services(httpx.BaseTransport):
    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = f"SERVICE_{request.url.host.upper().replace('-', '_')}_URL"
        if name not in os.environ:
            raise httpx.ConnectError(f"Nobody answers at {request.url.host!r}: set {name}.", request=request)
        base = httpx.URL(os.environ[name])
        url = request.url.copy_with(scheme=base.scheme, host=base.host, port=base.port)
        sent = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._transport.handle_request(sent)

    def close(self) -> None:
        self._transport.close()


def _repeat(f: Callable[[], Any], seconds: float, first: float) -> None:
    began, runs = time.monotonic() + first, 0
    while True:
        time.sleep(max(0.0, began + runs * seconds - time.monotonic()))
        _attempt(f)
        runs = max(runs + 1, floor((time.monotonic() - began) / seconds) + 1)


def _attempt(f: Callable[[], Any]) -> None:
    """Call a function of the app's; an error is printed and goes no further."""
    try:
        f()
    except (Exception, SystemExit) as error:
        print(f"{getattr(f, '__name__', 'job')}: {type(error).__name__}: {error}", file=sys.stderr)


def _attempt_all(stoppers: list[Callable[[], Any]]) -> None:
    for stopper in stoppers:
        _attempt(stopper)


def _required(name: str) -> str:
    if name not in os.environ:
        raise SystemExit(f"Set {name} to the address of a server; it is not set.")
    return os.environ[name]


def load(place: str) -> Callable[[RealEnv], Any]:
    """Return the factory that `FILE.py:NAME` names."""
    path, _, name = place.rpartition(":")
    found = runpy.run_path(path).get(name) if Path(path).is_file() else None
    if found is None:
        raise SystemExit(f"There is no factory at {place!r}; say FILE.py:FACTORY.")
    return found  # type: ignore[no-any-return]


def serve(factory: Callable[[RealEnv], Any], port: int, threads: int = 8) -> None:
    """Serve one instance on 127.0.0.1 until SIGTERM, then refuse new requests and finish those it has begun.

    As in the simulation, the app's own SIGTERM handler runs first, then its `on_stop` functions.
    """
    from waitress.server import create_server  # type: ignore[import-untyped]

    env = RealEnv()
    server = create_server(factory(env), host="127.0.0.1", port=port, threads=threads, ident=None)
    own = signal.getsignal(signal.SIGTERM)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    print(f"{env.name} serves on port {port}", flush=True)
    _serve_until(server, stopped.is_set)
    server.del_channel()
    server.socket.close()
    if callable(own) and own is not signal.default_int_handler:
        own(signal.SIGTERM, None)
    stoppers = threading.Thread(target=_attempt_all, args=(env.stoppers,), daemon=True)
    stoppers.start()
    _serve_until(server, lambda: not stoppers.is_alive() and not _busy(server))


def _serve_until(server: Any, over: Callable[[], bool]) -> None:
    while not over():
        server.asyncore.loop(timeout=0.1, map=server._map, count=1)


def _busy(server: Any) -> bool:
    """Tell whether a request is being served, or an answer is not sent yet."""
    return any(channel.requests or channel.total_outbufs_len for channel in server.active_channels.values())


def main() -> None:
    """Run one instance; the entry point of `python -m fleetlab.world.real`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("factory", help="FILE.py:NAME")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    serve(load(options.factory), options.port)


if __name__ == "__main__":
    main()
