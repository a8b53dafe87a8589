"""One instance: a process of its own that serves one copy of the application."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx

from fleetlab.sim import Killed, Process, Task, WaitQueue, current_task, step
from fleetlab.sim.clocks import sleep

from . import wsgi
from .http import Client, Transport, merged

if TYPE_CHECKING:
    import redis
    import sqlalchemy

    from .outside import MailServer
    from .world import World


class Exchange:
    """One request that an instance has accepted, and its answer once there is one."""

    def __init__(self, instance: Instance, request: httpx.Request, client: str) -> None:
        self.instance = instance
        self.request = request
        self.client = client
        self.answer: wsgi.Answer | None = None
        self.over = False
        self._waiters = WaitQueue(f"an answer of {instance.name}", lambda: instance.name)

    def wait(self, timeout: float | None) -> bool:
        """Block the client's task until the exchange is over, at most `timeout` virtual seconds."""
        return self.over or self._waiters.wait(timeout)

    def finish(self, answer: wsgi.Answer | None) -> None:
        """Hand the answer to the client; None if the instance died on the way."""
        if not self.over:
            self.answer, self.over = answer, True
            self._waiters.notify_all()

    def response(self, request: httpx.Request) -> httpx.Response:
        """Return the response as the load balancer passes it on: 502 where the instance died."""
        if self.answer is None:
            return httpx.Response(502, text=f"{self.instance.name} closed the connection.", request=request)
        sticky = self.instance.stick(request)
        headers = [*self.answer.headers, *sticky]
        return httpx.Response(self.answer.status, headers=headers, content=self.answer.body, request=request)


class Env:
    """What an application is given: its name, its variables, and the shared things it may touch."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.name = instance.name
        self.vars: MutableMapping[str, str] = instance.process.environ

    @cached_property
    def redis(self) -> redis.Redis:
        """A redis-py client of the shared Redis; responses are decoded, failed commands are not retried."""
        return self._instance.world.redis.client(self._instance.process)

    @cached_property
    def database(self) -> sqlalchemy.Engine:
        """An SQLAlchemy engine of the shared database, with its own connection pool."""
        return self._instance.world.database.engine(self._instance.process)

    @property
    def objects(self) -> Any:
        """The shared object store, as an fsspec file system."""
        return self._instance.world.objects

    @property
    def mail(self) -> MailServer:
        """The mail server: what it accepts cannot be taken back."""
        return self._instance.world.mail

    @cached_property
    def http(self) -> httpx.Client:
        """An httpx client for other services: `env.http.get("http://orders/1")`."""
        world = self._instance.world
        return Client(world.call, Transport(world), f"http://{self._instance.deployment.name}", headers=merged(None))

    def every(self, seconds: float, first: float | None = None) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Run a function every `seconds` of virtual time in this instance, the first time after `first`.

        An error of the function is logged and does not end the series.
        """

        def start(f: Callable[[], Any]) -> Callable[[], Any]:
            self._instance.repeat(f, seconds, seconds if first is None else first)
            return f

        return start

    def on_stop(self, f: Callable[[], Any]) -> Callable[[], Any]:
        """Call `f` when this instance is told to stop (SIGTERM)."""
        self._instance.stoppers.append(f)
        return f

    def work(self, seconds: float) -> None:
        """Spend `seconds` of virtual time computing."""
        sleep(seconds)


class _Log(logging.Handler):
    """Keeps what an instance logs, with its virtual time, instead of printing it."""

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self.instance = instance

    def emit(self, record: logging.LogRecord) -> None:
        self.instance.log.append((self.instance.world.now, record.levelname, record.getMessage()))


class Instance:
    """A process that runs one copy of an application and serves its requests.

    `workers` requests are served at once, `backlog` more wait; the rest is refused.
    """

    def __init__(
        self, world: World, deployment: Any, name: str, load: Callable[[], Callable[[Env], wsgi.App]], version: str
    ) -> None:
        self.world = world
        self.deployment = deployment
        self.name = name
        self.version = version
        self.state = "starting"
        self.log: list[tuple[float, str, str]] = []
        self.errors: list[tuple[float, BaseException]] = []
        self.stoppers: list[Callable[[], Any]] = []
        self.process = Process(world.sim, name, deployment.vars)
        self.process.on_death(self._die)
        self._load = load
        self._app: wsgi.App | None = None
        self._exchanges: list[Exchange] = []
        self._waiting: list[Exchange] = []
        self._served = 0
        world.sim.trace.lane(name, "instance")

    def __repr__(self) -> str:
        return f"<{self.name} {self.version} {self.state}>"

    # -- life

    def start(self) -> None:
        """Start the process: it runs the application factory, then accepts connections."""
        self.mark("start", self.version)
        self.boot = self.process.spawn(self._boot, name=f"{self.name} main", daemon=True)

    def _boot(self) -> None:
        logging.getLogger().addHandler(_Log(self))
        self.env = Env(self)
        app = self.deployment.checked(self._load()(self.env), self)
        if hasattr(app, "wsgi_app"):
            from flask import got_request_exception

            got_request_exception.connect(self._note_error, app)
        self._app = app
        self.state = "ready"
        self.mark("ready", "accepts requests")

    def _note_error(self, sender: object, exception: BaseException, **more: object) -> None:
        """Keep an error that a handler let out: Flask answers it with 500."""
        self.errors.append((self.world.now, exception))

    def kill(self) -> None:
        """End the process at once (SIGKILL): nothing of it reaches the world any more."""
        self.process.kill()

    def stop(self, grace: float = 30) -> None:
        """Ask the process to end (SIGTERM); after `grace` virtual seconds it is killed."""
        self.mark("stop", "SIGTERM")
        self.state = "stopping"
        task = self.process.spawn(self._stop, name=f"{self.name} SIGTERM", daemon=True)
        self.world.sim.spawn(self._enforce, task, grace, name=f"{self.name} grace", daemon=True)
        self.world.drive(lambda: self.wait_gone())

    def _stop(self) -> None:
        handler = self.process.signals.get(int(signal.SIGTERM))
        if callable(handler):
            handler(int(signal.SIGTERM), None)
        for stopper in self.stoppers:
            stopper()
        while self._exchanges:
            self._exchanges[0].wait(None)
        for clean_up in reversed(self.process.exits):
            clean_up()

    def _enforce(self, stopping: Task, grace: float) -> None:
        if stopping.wait(grace):
            self.state = "gone"
            self.mark("gone", "exit 0")
        self.process.kill()
        self._gone.notify_all()

    @cached_property
    def _gone(self) -> WaitQueue:
        return WaitQueue(f"the end of {self.name}")

    def wait_gone(self) -> None:
        """Block the current task until the process has ended."""
        if self.process.alive:
            self._gone.wait()

    def pause(self, seconds: float) -> None:
        """Freeze the whole process for `seconds` of virtual time, as a long collection or a SIGSTOP does."""
        now = self.world.now
        self.world.sim.trace.add(now, self.name, "pause", "paused", until=now + seconds)
        self.process.pause(seconds)

    def mark(self, kind: str, what: str) -> None:
        """Put a mark on this instance's lane."""
        self.world.sim.trace.add(self.world.now, self.name, kind, what)

    def _die(self) -> None:
        self._app = None
        if self.state != "gone":
            self.state = "dead"
            self.mark("kill", "SIGKILL")
        lost, self._exchanges, self._waiting = self._exchanges + self._waiting, [], []
        for exchange in lost:
            exchange.finish(None)

    # -- requests

    @property
    def busy(self) -> int:
        """How many requests are being served or wait here."""
        return len(self._exchanges) + len(self._waiting)

    def accept(self, request: httpx.Request, client: str) -> Exchange | None:
        """Take a request, or None where the connection is refused: not listening, or the backlog is full."""
        if self._app is None or self.state != "ready":
            return None
        exchange = Exchange(self, request, client)
        if len(self._exchanges) < self.deployment.workers:
            self._begin(exchange)
        elif len(self._waiting) < self.deployment.backlog:
            self._waiting.append(exchange)
        else:
            return None
        return exchange

    def _begin(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)
        self._served += 1
        self.process.spawn(self._serve, exchange, name=f"{self.name} request {self._served}", daemon=True)

    def _serve(self, exchange: Exchange) -> None:
        try:
            answer = self._answer(exchange)
            latency = self.world.network.latency["http"]
            step(
                spoken(answer),
                ("http", self.deployment.name, "w"),
                to=exchange.client,
                kind="response",
                latency=latency,
            )
            exchange.finish(answer)
        finally:
            if self.process.alive:
                self._exchanges.remove(exchange)
                if self._waiting:
                    self._begin(self._waiting.pop(0))

    def _answer(self, exchange: Exchange) -> wsgi.Answer:
        assert self._app is not None
        try:
            return wsgi.call(self._app, wsgi.environ(exchange.request, self.name, exchange.client))
        except (Exception, SystemExit) as error:
            self.errors.append((self.world.now, error))
            return wsgi.Answer(500, [("content-type", "text/plain")], f"{type(error).__name__}: {error}".encode())

    def stick(self, request: httpx.Request) -> list[tuple[str, str]]:
        """Return the headers that the load balancer adds to an answer of this instance."""
        headers: list[tuple[str, str]] = self.deployment.balancer.stick(self, request)
        return headers

    # -- periodic jobs

    def repeat(self, f: Callable[[], Any], seconds: float, first: float) -> None:
        """Run `f` after `first` virtual seconds and every `seconds` from then on."""
        self.process.spawn(self._repeat, f, seconds, first, name=f"{self.name} {f.__name__}", daemon=True)

    def _repeat(self, f: Callable[[], Any], seconds: float, first: float) -> None:
        due = self.world.now + first
        while True:
            time.sleep(max(0.0, due - self.world.now))
            try:
                f()
            except Killed:
                raise
            except Exception as error:
                task = current_task()
                assert task is not None
                self.errors.append((self.world.now, error))
                self.world.sim.fail(task, error)
            due += seconds


def spoken(answer: wsgi.Answer) -> str:
    """Return an answer as short text for the trace: status and the beginning of its body."""
    body = " ".join(answer.body[:80].decode("utf-8", "replace").split())
    return f"{answer.status} {body:.60}".strip()


def variables(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return environment variables: names and values are text, as in any process."""
    return {str(name): str(value) for name, value in (given or {}).items()}
