"""One instance: a process of its own that serves one copy of the application."""

from __future__ import annotations

import contextvars
import signal
from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING, Any

import httpx

from fleetlab.sim import Process, WaitQueue, current_task, step
from fleetlab.sim.process import current_process

from . import amounts, blame, exits, logs
from .env import Env, Job
from .exchange import Exchange
from .factory import check_app
from .server import Server

if TYPE_CHECKING:
    from .deployment import Deployment
    from .world import World


class Instance:
    """A process that runs one copy of an application and serves its requests.

    `state` is starting, ready, stopping, gone (it ended by itself) or dead (SIGKILL). `log` holds what its code logged,
    as (virtual seconds, level, message); `errors` the errors that its code let out, with their virtual seconds.
    """

    def __init__(
        self, world: World, deployment: Deployment, name: str, load: Callable[[], Callable[[Env], Any]], version: str
    ) -> None:
        self.world = world
        self.deployment = deployment
        self.name = name
        self.version = version
        self.state = "starting"
        self.failure: Exception | SystemExit | None = None
        self.log: list[tuple[float, str, str]] = []
        self.errors: list[tuple[float, BaseException]] = []
        self.stoppers: list[Job] = []
        self.answers = f"an answer of {name}"
        self.process = Process(world.sim, name, deployment.vars)
        self.process.context = contextvars.Context()  # a process inherits nothing; what it prints goes to today's cell
        self.process.on_death(self._die)
        exits.runs_on(self.process, self)
        logs.keep(self.process, lambda record: self.log.append((world.now, record.levelname, logs.text(record))))
        self._load = load
        self._server = Server(self, deployment.workers, deployment.backlog)
        self._gone = WaitQueue(f"the end of {name}")
        world.sim.trace.lane(name, "instance")

    def __repr__(self) -> str:
        return f"<{self.name} {self.version} {self.state}>"

    def holder(self) -> str:
        """Return who is waited for, for reports."""
        return self.name

    # -- its beginning

    def start(self) -> None:
        """Start the process: it runs the application factory, then accepts connections."""
        self.mark("start", self.version)
        self.boot = self.process.spawn(self._boot, name=f"{self.name} main", daemon=True)

    def _boot(self) -> None:
        self.env = Env(self)
        try:
            app = check_app(self._load()(self.env), self.deployment.factory_name)
        except (Exception, SystemExit) as error:
            self.failure = error
            self._leave(1)
            return
        if hasattr(app, "wsgi_app"):
            from flask import got_request_exception

            got_request_exception.connect(self._flask_failed, app)
        self._server.app = app
        step("accepts requests", ("http", "*", "r"), kind="ready", latency=(0.0, 0.0))
        self.state = "ready"

    # -- its end

    def kill(self) -> None:
        """End the process at once (SIGKILL): nothing of it reaches the world any more."""
        self.process.kill()

    def quit(self, how: str) -> None:
        """End the process at once because its own code said so, as `how` tells."""
        if self.state == "starting":
            self.failure = exits.Ended(how)
        self.process.kill()

    def stop(self, grace: float = 30) -> None:
        """Ask the process to end (SIGTERM) and wait until it has; after `grace` virtual seconds it is killed.

        Signal handlers run, then the `on_stop` functions, then the requests that it has accepted are finished, then
        `atexit` functions run. New requests are refused from the beginning. Stopping a dead one does nothing.
        """
        self.terminate(grace)
        if current_process() is not self.process:
            self.world.call(self.wait_gone)

    def terminate(self, grace: float = 30) -> None:
        """Send SIGTERM, and SIGKILL `grace` virtual seconds later; wait for neither. A second one changes nothing."""
        grace = amounts.seconds(grace, "stop(grace)")
        if not self.process.alive or self.state == "stopping":
            return
        self.mark("stop", "SIGTERM")
        handler = self.process.signals.get(int(signal.SIGTERM), signal.SIG_DFL)
        self.world.background(self._enforce, grace, name=f"{self.name} grace")
        if self.state == "starting" and not callable(handler):
            self._leave(128 + signal.SIGTERM)
        elif handler is not signal.SIG_IGN:
            self.state = "stopping"
            self.process.spawn(self._stop, handler, name=f"{self.name} SIGTERM", daemon=True)

    def _stop(self, handler: Any) -> None:
        code = 0
        try:
            if callable(handler):
                handler(int(signal.SIGTERM), None)
            for stopper in self.stoppers:
                self._attempt(stopper)
            self._server.drain()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except Exception as error:
            self.note_error(error)
            code = 1
        for clean_up in reversed(self.process.exits):
            self._attempt(clean_up)
        self._leave(code)

    def _attempt(self, f: Job) -> None:
        """Call a function of the learner's; an error is noted and goes no further."""
        try:
            f()
        except Exception as error:
            self.note_error(error)

    def _leave(self, code: int) -> None:
        """End the process by itself, with an exit code."""
        self.state = "gone"
        self.mark("gone", f"exit {code}")
        self.process.kill()

    def _enforce(self, grace: float) -> None:
        if self.process.alive and not self._gone.wait(grace):
            self.kill()

    def wait_gone(self) -> None:
        """Block the current task until the process has ended."""
        if self.process.alive:
            self._gone.wait()

    def _die(self) -> None:
        if self.state != "gone":
            self.state = "dead"
            self.mark("kill", "SIGKILL")
        self._server.drop()
        self._gone.notify_all()

    # -- what befalls it

    def pause(self, seconds: float) -> None:
        """Freeze the whole process for `seconds` of virtual time, as a long collection or a SIGSTOP does."""
        seconds, now = amounts.seconds(seconds, "pause(seconds)"), self.world.now
        if self.process.alive:
            self.world.sim.trace.add(now, self.name, "pause", "paused", until=now + seconds)
            self.process.pause(seconds)

    def skew(self, seconds: float) -> None:
        """Set this instance's wall clock `seconds` ahead of the world's, or behind where negative.

        What measures durations (`time.monotonic`, sleep, timeouts) goes on unmoved, and so do the stores' clocks.
        """
        far = amounts.seconds(abs(seconds) if isinstance(seconds, int | float) else seconds, "skew(seconds)")
        self.process.offset = far if seconds >= 0 else -far
        self.mark("note", f"clock {far:g} s {'fast' if seconds > 0 else 'slow'}" if far else "clock right")

    def mark(self, kind: str, what: str) -> None:
        """Put a mark on this instance's lane."""
        self.world.sim.trace.add(self.world.now, self.name, kind, what)

    def note_error(self, error: BaseException) -> None:
        """Note an error that the learner's code let out: here, and on the lane with the line that raised it."""
        if self.errors and self.errors[-1][1] is error:
            return
        self.errors.append((self.world.now, error))
        record = self.world.sim.trace.add(self.world.now, self.name, "error", f"{type(error).__name__}: {error}")
        found = blame.place(error)
        if found is not None:
            record.code, record.number = found

    def _flask_failed(self, sender: object, exception: BaseException, **more: object) -> None:
        """Note an error that a handler let out: Flask answers it with 500."""
        self.note_error(exception)

    # -- requests

    @property
    def busy(self) -> int:
        """How many requests are being served or wait here."""
        return self._server.busy

    def accept(self, request: httpx.Request, client: str) -> Exchange | None:
        """Take a request, or None where the connection is refused: not listening, or the backlog is full."""
        return self._server.accept(request, client) if self.state == "ready" else None

    # -- periodic jobs

    def repeat(self, f: Job, seconds: float, first: float) -> None:
        """Run `f` after `first` virtual seconds and every `seconds` from then on."""
        name = getattr(f, "__name__", "job")
        self.process.spawn(self._repeat, f, seconds, first, name=f"{self.name} {name}", daemon=True)

    def _repeat(self, f: Job, seconds: float, first: float) -> None:
        sim, task = self.world.sim, current_task()
        assert task is not None
        began, runs = sim.now + first, 0
        while True:
            sim._until(task, max(sim.now, began + runs * seconds))
            try:
                f()
            except (Exception, SystemExit) as error:
                self.note_error(error)
            runs = max(runs + 1, floor((sim.now - began) / seconds) + 1)


__all__ = ["Env", "Instance"]
