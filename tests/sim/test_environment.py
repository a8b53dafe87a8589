"""What belongs to a process is its own: variables, signals, exit callbacks, logging; real sockets are refused."""

from __future__ import annotations

import atexit
import logging
import logging.config
import os
import signal
import socket
import time
from typing import Any

import pytest

from fleetlab.sim import Process, Simulation
from fleetlab.sim.environment import isolate


@pytest.fixture
def sim() -> Simulation:
    """Return a fresh simulation."""
    return Simulation()


@pytest.fixture
def shop(sim: Simulation) -> Process:
    """Return a process with one variable."""
    return Process(sim, "shop-1", {"FLASK_COLOUR": "green"})


def call(process: Process, f: Any) -> Any:
    """Return what a function returns in a task of a process."""
    return process.sim.run(until=process.spawn(f))


def test_environment_variables_are_the_processes_own(shop: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside only its own are there; what it sets is seen neither outside nor next door."""
    monkeypatch.setenv("FLASK_OUTSIDE", "1")

    def change() -> dict[str, str]:
        os.environ["FLASK_SIZE"] = "XL"
        os.environ.setdefault("FLASK_COLOUR", "red")
        os.environ.update(FLASK_DEBUG="0")
        del os.environ["FLASK_DEBUG"]
        return os.environ.copy()

    assert call(shop, change) == {"FLASK_COLOUR": "green", "FLASK_SIZE": "XL"}
    assert call(Process(shop.sim, "shop-2"), lambda: dict(os.environ)) == {}
    assert ("FLASK_SIZE" in os.environ, os.environ["FLASK_OUTSIDE"]) == (False, "1")


def test_every_way_to_read_a_variable_agrees(shop: Process) -> None:
    """getenv, get, in, len, iteration, items, | and repr show the same variables."""

    def read() -> list[object]:
        return [
            os.getenv("FLASK_COLOUR"),
            os.getenv("HOME", "nowhere"),
            os.environ.get("HOME"),
            "FLASK_COLOUR" in os.environ,
            "HOME" in os.environ,
            len(os.environ),
            list(os.environ),
            list(os.environ.items()),
            os.environ | {"A": "1"},
            {"A": "1"} | os.environ,
            repr(os.environ),
            os.environ.pop("FLASK_COLOUR"),
            os.environ.pop("FLASK_COLOUR", "gone"),
        ]

    assert call(shop, read) == [
        "green",
        "nowhere",
        None,
        True,
        False,
        1,
        ["FLASK_COLOUR"],
        [("FLASK_COLOUR", "green")],
        {"FLASK_COLOUR": "green", "A": "1"},
        {"A": "1", "FLASK_COLOUR": "green"},
        "environ({'FLASK_COLOUR': 'green'})",
        "green",
        "gone",
    ]


@pytest.mark.parametrize(("key", "value"), [("PORT", 8080), (1, "a")])
def test_only_text_is_a_variable(shop: Process, key: Any, value: Any) -> None:
    """A number is refused as Python refuses it."""
    with pytest.raises(TypeError, match="str expected, not int"):
        call(shop, lambda: os.environ.__setitem__(key, value))


def test_a_missing_variable_is_a_key_error(shop: Process) -> None:
    """Reading or deleting an unknown variable raises KeyError."""
    for use in (lambda: os.environ["HOME"], lambda: os.environ.pop("HOME"), lambda: os.environ.__delitem__("HOME")):
        with pytest.raises(KeyError, match="HOME"):
            call(shop, use)


def test_flask_reads_the_processes_variables(shop: Process) -> None:
    """`from_prefixed_env` and `app.debug` follow."""
    from flask import Flask

    def configured() -> str:
        app = Flask("shop")
        app.config.from_prefixed_env()
        return str(app.config["COLOUR"])

    assert call(shop, configured) == "green"


def levels() -> list[object]:
    """Return what a process sees of its logging set-up."""
    return [logging.getLogger().level, len(logging.getLogger().handlers), logging.getLogger("shop").level]


def test_logging_is_the_processes_own(sim: Simulation, shop: Process) -> None:
    """Levels and handlers that one process sets are seen neither by another one nor outside."""
    before = levels()

    def configure() -> list[object]:
        logging.basicConfig(level=logging.DEBUG, handlers=[logging.NullHandler()])
        logging.getLogger("shop").setLevel(logging.ERROR)
        logging.disable(logging.INFO)
        return [*levels(), logging.getLogger("shop") is logging.getLogger("shop"), logging.getLogger("shop").root.level]

    assert call(shop, configure) == [10, 1, 40, True, 10]
    assert call(Process(sim, "shop-2"), levels) == [30, 0, 0]
    assert (levels(), logging.root.manager.disable) == (before, 0)


def test_records_reach_the_handlers_of_their_process(sim: Simulation, shop: Process) -> None:
    """A library's logger, made outside, hands its records to the process in which it is called."""
    library, seen = logging.getLogger("library"), []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), record.process, record.threadName, record.created - sim.epoch))

    def warn() -> None:
        time.sleep(5)
        logging.getLogger().addHandler(Keep())
        library.warning("stock is low")

    sim.run(until=shop.spawn(warn, name="job"))
    assert seen == [("stock is low", 1, "job", 5.0)]
    assert not any(isinstance(handler, Keep) for handler in logging.getLogger().handlers)


def test_dict_config_closes_only_the_processes_own_handlers(sim: Simulation, shop: Process, tmp_path: Any) -> None:
    """A process that configures logging anew does not close what others write to."""
    outside = logging.FileHandler(tmp_path / "outside.log", mode="w")
    call(shop, lambda: logging.config.dictConfig({"version": 1, "root": {"level": "INFO"}}))
    assert (outside.stream.closed, call(shop, levels), levels()[0] != 20) == (False, [20, 0, 0], True)
    outside.close()


def test_signal_handlers_are_the_processes_own(sim: Simulation, shop: Process) -> None:
    """A process sees the handlers it has set; outside they stay as they were."""
    before = signal.getsignal(signal.SIGTERM)

    def install() -> list[object]:
        return [
            signal.getsignal(signal.SIGTERM),
            signal.signal(signal.SIGTERM, print),
            signal.getsignal(signal.SIGTERM),
        ]

    assert call(shop, install) == [signal.SIG_DFL, signal.SIG_DFL, print]
    assert call(Process(sim, "shop-2"), lambda: signal.getsignal(signal.SIGTERM)) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_may_signal_itself(shop: Process) -> None:
    """os.kill and raise_signal run its handler, and kill it where there is none; the machine is out of reach."""
    seen = []

    def work() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        os.kill(os.getpid(), signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        os.kill(os.getpid(), 0)
        try:
            os.kill(4711, signal.SIGTERM)
        except ProcessLookupError as error:
            seen.append(error.strerror)
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("survived")

    shop.spawn(work)
    shop.sim.run()
    assert (seen, shop.alive) == ([15, 15, "No such process"], False)


def test_exit_ends_the_process_alone(shop: Process) -> None:
    """os._exit kills the simulated process, not Python."""
    shop.spawn(lambda: os._exit(1))
    shop.sim.run()
    assert shop.alive is False


def test_exit_callbacks_are_the_processes_own(shop: Process) -> None:
    """atexit keeps them with the process, in order, and takes them back."""
    seen: list[str] = []

    def register() -> None:
        assert atexit.register(seen.append, "kept") == seen.append
        atexit.register(print, "taken back")
        atexit.unregister(print)

    call(shop, register)
    assert [clean_up() for clean_up in shop.exits] == [None]
    assert seen == ["kept"]


def test_pid_and_host_name_are_the_processes_own(shop: Process) -> None:
    """A process is number 1 on a host of its own name."""
    assert call(shop, lambda: (os.getpid(), socket.gethostname())) == (1, "shop-1")
    assert (os.getpid() > 1, socket.gethostname() == "shop-1") == (True, False)


def on_a_socket(method: str) -> None:
    """Call a method of a socket with an address."""
    with socket.socket() as plain:
        getattr(plain, method)(("127.0.0.1", 80))


def redis_ping() -> None:
    """Ping a Redis on this machine."""
    import redis

    redis.Redis().ping()


def httpx_get() -> None:
    """Get a page."""
    import httpx

    httpx.get("http://localhost:8000/", trust_env=False)


def http_client_get() -> None:
    """Get a page with the standard library."""
    import http.client

    http.client.HTTPConnection("localhost", 8000).request("GET", "/")


@pytest.mark.parametrize(
    ("use", "address"),
    [
        (lambda: socket.create_connection(("localhost", 6379)), "localhost:6379"),
        (lambda: on_a_socket("connect"), r"\('127.0.0.1', 80\)"),
        (lambda: on_a_socket("connect_ex"), r"\('127.0.0.1', 80\)"),
        (lambda: on_a_socket("bind"), r"\('127.0.0.1', 80\)"),
        (lambda: socket.gethostbyname("example.org"), "example.org"),
        (redis_ping, "localhost:6379"),
        (httpx_get, "localhost:8000"),
        (http_client_get, "localhost:8000"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_real_socket_is_refused_in_a_sentence(shop: Process, use: Any, address: str) -> None:
    """Whatever opens a connection inside the simulation is told what to use instead."""
    sentence = (
        rf"^shop-1 tried to open a real network connection to {address}: inside the simulation there is no network\."
    )
    with pytest.raises(RuntimeError, match=sentence):
        call(shop, use)


def test_sockets_outside_are_real() -> None:
    """Outside a server can listen and be reached, also after a run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_nobody_answers_a_question(shop: Process) -> None:
    """input() in a process ends as on a server, without blocking the notebook."""
    with pytest.raises(EOFError, match=r"^shop-1 asked a question at its terminal \(How many\?\); nobody is there"):
        call(shop, lambda: input("How many?"))


class Registry:
    """A library's process-wide object."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(self, name: str) -> list[str]:
        """Add a name and return all."""
        self.names = [*self.names, name]
        return self.names


def test_any_process_wide_object_can_be_isolated(sim: Simulation, shop: Process) -> None:
    """An isolated object keeps its identity and its type, and has each process's own state behind it."""
    registry = Registry()
    registry.add("outside")
    isolate(registry, Registry)
    assert call(shop, lambda: (registry.add("tea"), registry.add("milk"))[1]) == ["tea", "milk"]
    assert call(Process(sim, "shop-2"), lambda: registry.add("honey")) == ["honey"]
    assert (registry.names, isinstance(registry, Registry)) == (["outside"], True)
