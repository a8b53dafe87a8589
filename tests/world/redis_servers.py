"""Real Redis servers of a test's own, which it may fill up and kill."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis

from fleetlab.world.redis import real_client


@contextmanager
def redis_server(folder: str) -> Iterator[redis.Redis]:
    """Start a server that keeps nothing, and yield a client of it; skips where Redis is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]
    options = {"port": port, "bind": "127.0.0.1", "save": "", "repl-diskless-sync-delay": 0, "dir": folder}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    server = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
    client = real_client(f"redis://127.0.0.1:{port}/0")
    try:
        until(lambda: _answers(client))
        yield client
    finally:
        client.close()
        server.kill()
        server.wait()


def until(true: Callable[[], object]) -> None:
    """Wait until `true()` is, for some seconds at the most."""
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("A real Redis has not come so far in ten seconds.")


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
