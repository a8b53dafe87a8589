"""The lesson's repaired shop, unchanged, as three operating-system processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import jupytext
import pytest

LESSON = Path(__file__).parents[2] / "lessons" / "notebooks" / "09_sessions.md"


def repaired_shop() -> str:
    """Return the lesson's own cells that define the repaired shop."""
    cells = jupytext.read(LESSON).cells
    return "\n\n".join(cell.source for cell in cells if "app:repaired_shop" in cell.metadata.get("tags", []))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")


@pytest.mark.real
@pytest.mark.skipif("REDIS_URL" not in os.environ, reason="REDIS_URL is not set")
def test_the_repaired_shop_keeps_the_cart_through_a_kill_of_a_real_process(tmp_path: Path) -> None:
    """Three processes on a real Redis, one killed: the cart is whole."""
    source = tmp_path / "shop.py"
    source.write_text(repaired_shop(), "utf-8")
    ports = [free_port() for _ in range(3)]
    command = [sys.executable, "-m", "fleetlab.world.real", f"{source}:shop", "--port"]
    shops = [
        subprocess.Popen([*command, str(port)], env={**os.environ, "NAME": f"shop-{n}"})
        for n, port in enumerate(ports, 1)
    ]
    try:
        for port in ports:
            wait_until_up(port)
        user = f"ada-{os.getpid()}"
        for port, item in zip(ports, ("tea", "milk", "honey"), strict=True):
            httpx.post(f"http://127.0.0.1:{port}/cart/{item}", cookies={"user": user}).raise_for_status()
        shops[1].send_signal(signal.SIGKILL)
        shops[1].wait()
        for port in (ports[0], ports[2]):
            cart = httpx.get(f"http://127.0.0.1:{port}/cart", cookies={"user": user}).json()["cart"]
            assert sorted(cart) == ["honey", "milk", "tea"]
    finally:
        for shop in shops:
            shop.kill()
            shop.wait()
