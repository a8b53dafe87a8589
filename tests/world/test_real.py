"""The lesson's repaired shop, unchanged, as three operating-system processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import jupytext
import pytest

from fleetlab.world.real import RealEnv, load

LESSON = Path(__file__).parents[2] / "lessons" / "notebooks" / "09_sessions.md"


def repaired_shop() -> str:
    """Return the lesson's own cells that define the repaired shop."""
    cells = jupytext.read(LESSON).cells
    return "\n\n".join(cell.source for cell in cells if "app:repaired_shop" in cell.metadata.get("tags", []))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(port: int) -> None:
    """Wait, ten seconds at most, until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")


STOPPING = """
import atexit, signal, time
from flask import Flask

def shop(env):
    app = Flask("shop")
    signal.signal(signal.SIGTERM, lambda number, frame: print("SIGTERM", flush=True))
    env.on_stop(lambda: 1 / 0)
    env.on_stop(lambda: print("on_stop", flush=True))
    atexit.register(print, "atexit", flush=True)

    @app.get("/slow")
    def slow():
        print("began", flush=True)
        time.sleep(1)
        print("finished", flush=True)
        return {"by": env.name}

    return app
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_real_process_stops_as_a_simulated_one(tmp_path: Path) -> None:
    """SIGTERM: handler, `on_stop`, the request that was begun, `atexit`; then it is gone."""
    source, port = tmp_path / "shop.py", free_port()
    source.write_text(STOPPING, "utf-8")
    command = [sys.executable, "-m", "fleetlab.world.real", f"{source}:shop", "--port", str(port)]
    environ = {**os.environ, "NAME": "shop-1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shop:
        assert shop.stdout is not None
        wait_until_up(port)
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(httpx.get, f"http://127.0.0.1:{port}/slow")
            lines = [shop.stdout.readline().strip() for _ in range(2)]
            shop.send_signal(signal.SIGTERM)
            assert answer.result().json() == {"by": "shop-1"}
        out, err = shop.communicate(timeout=10)
        assert [*lines, *out.split()] == [
            f"shop-1 serves on port {port}", "began", "SIGTERM", "on_stop", "finished", "atexit",
        ]  # fmt: skip
        assert (shop.returncode, err) == (0, "<lambda>: ZeroDivisionError: division by zero\n")


def test_services_find_each_other_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`http://orders` goes to SERVICE_ORDERS_URL; a name without an address is a host that nobody knows."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("SERVICE_ORDERS_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        with ThreadPoolExecutor() as threads, RealEnv().http as client:
            answer = threads.submit(client.get, "http://orders/1")
            connection, _ = server.accept()
            asked = connection.recv(4096).decode()
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert answer.result().status_code == 204
            connection.close()
    assert asked.startswith("GET /1 HTTP/1.1\r\n")
    assert "\r\nHost: orders\r\n" in asked
    with pytest.raises(httpx.ConnectError, match="Nobody answers at 'stock': set SERVICE_STOCK_URL"):
        RealEnv().http.get("http://stock/1")


def test_a_real_letter_is_an_smtp_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the app sends is what the server at MAIL_URL is told."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        monkeypatch.setenv("MAIL_URL", f"smtp://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("NAME", "shop-1")
        heard = threads.submit(one_letter, server)
        RealEnv().mail.send("ada@localhost", "Receipt", "tea", message_id="order-7")
        letter = heard.result()
    told = {"From: shop-1@localhost", "To: ada@localhost", "Subject: Receipt", "Message-ID: <order-7@fleet>", "tea"}
    assert told <= set(letter)


def one_letter(server: socket.socket) -> list[str]:
    """Speak enough SMTP to take one letter; return its lines."""
    connection, _ = server.accept()
    lines, file = [], connection.makefile("rw", newline="\r\n")
    with connection, file:
        print("220 ready", file=file, flush=True)
        for line in file:
            lines.append(line.strip())
            if lines[-1] == "quit":
                print("221 bye", file=file, flush=True)
                break
            if lines[-1] == "." or "data" not in lines:
                print("250 fine", file=file, flush=True)
            elif lines[-1] == "data":
                print("354 go on", file=file, flush=True)
    return lines


@pytest.mark.parametrize("place", ["shop.py:store", "shop.py", "store.py:shop"])
def test_a_factory_that_is_not_there(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program ends with a sentence that says how to name one."""
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text("def shop(env): pass", "utf-8")
    with pytest.raises(SystemExit, match=f"There is no factory at '{place}'; say FILE.py:FACTORY."):
        load(place)


@pytest.mark.real
@pytest.mark.skipif("REDIS_URL" not in os.environ, reason="REDIS_URL is not set")
def test_the_repaired_shop_keeps_the_cart_through_a_kill_of_a_real_process(tmp_path: Path) -> None:
    """Three processes on a real Redis, one killed: the cart is whole."""
    source = tmp_path / "shop.py"
    source.write_text(repaired_shop(), "utf-8")
    ports = [free_port() for _ in range(3)]
    command = [sys.executable, "-m", "fleetlab.world.real", f"{source}:repaired_shop", "--port"]
    shops = [
        subprocess.Popen([*command, str(port)], env={**os.environ, "NAME": f"shop-{n}"})
        for n, port in enumerate(ports, 1)
    ]
    try:
        for port in ports:
            wait_until_up(port)
        sid = httpx.post(f"http://127.0.0.1:{ports[0]}/login/ada").cookies["sid"]
        for port, item in zip(ports, ("tea", "milk", "honey"), strict=True):
            httpx.post(f"http://127.0.0.1:{port}/cart/{item}", cookies={"sid": sid}).raise_for_status()
        shops[1].send_signal(signal.SIGKILL)
        shops[1].wait()
        for port in (ports[0], ports[2]):
            cart = httpx.get(f"http://127.0.0.1:{port}/cart", cookies={"sid": sid}).json()["cart"]
            assert cart == {"honey": 1, "milk": 1, "tea": 1}
    finally:
        for shop in shops:
            shop.kill()
            shop.wait()
