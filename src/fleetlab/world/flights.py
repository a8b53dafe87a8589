"""Request collapsing: of concurrent misses of one key, one asks the origin and the others wait."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from fleetlab.sim import WaitQueue

PASS = 120.0
"""How long a key is not collapsed once its response turned out to be for nobody else, in seconds: Varnish's default.

Without it, those who waited would ask one after the other (Varnish calls the mark hit-for-miss).
"""


class Flight:
    """One request to the origin, and those who wait for its end."""

    def __init__(self, key: str) -> None:
        self.landed = WaitQueue(f"the answer to another {key}")
        self.error: httpx.TransportError | None = None


class Flights:
    """The requests that a cache has sent and that are not answered yet, by key."""

    def __init__(self) -> None:
        self.flying: dict[str, Flight] = {}
        self.passed: dict[str, float] = {}

    def share(
        self, key: str, look: Callable[[], httpx.Response | None], ask: Callable[[], httpx.Response]
    ) -> httpx.Response:
        """Return what `look` finds; else `ask`, or wait for whoever asks already and look again.

        Nobody is given the answer to another one's request, only what was kept of it. A failure is shared: raises
        what `ask` has raised.
        """
        waited = False
        while (found := look()) is None:
            flight = self.flying.get(key)
            if time.monotonic() < self.passed.get(key, 0.0):
                return ask()
            if flight is None:
                return self._lead(key, look, ask)
            flight.landed.wait()
            waited = True
            if flight.error is not None:
                raise flight.error
        found.extensions["collapsed"] = waited
        return found

    def _lead(
        self, key: str, look: Callable[[], httpx.Response | None], ask: Callable[[], httpx.Response]
    ) -> httpx.Response:
        flight = self.flying[key] = Flight(key)
        try:
            answer = ask()
        except httpx.TransportError as error:
            flight.error = error
            raise
        finally:
            del self.flying[key]
            flight.landed.notify_all()
        if look() is None:
            self._pass(key)
        return answer

    def _pass(self, key: str) -> None:
        now = time.monotonic()
        self.passed = {each: until for each, until in self.passed.items() if until > now}
        self.passed[key] = now + PASS
