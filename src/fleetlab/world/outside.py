"""What cannot be taken back: e-mails that went out, so that duplicates show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetlab.sim import Simulation, current_task

from .service import call

if TYPE_CHECKING:
    from .network import Network


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail as it left: to whom, what, by which instance, at which virtual second."""

    to: str
    subject: str
    body: str
    sender: str
    time: float
    message_id: str | None


class MailServer:
    """The outside world's letter box: what it accepts is gone for good.

    A `message_id` it has accepted before is dropped silently, as a provider with idempotency keys does.
    """

    def __init__(self, sim: Simulation, network: Network, name: str = "mail") -> None:
        self.sim = sim
        self.network = network
        self.name = name
        self.sent: list[Letter] = []
        self._seen: set[str] = set()
        sim.trace.lane(name, "outside")

    def send(self, to: str, subject: str, body: str = "", message_id: str | None = None) -> None:
        """Send one e-mail; `ConnectionError` means that it has not gone, `TimeoutError` that nobody knows."""
        task = current_task()
        sender = task.lane if task is not None else "outside"
        what = f"mail {to}: {subject}"
        call(self.network, self.name, what, to, "w", lambda: self._accept(to, subject, body, sender, message_id))

    def _accept(self, to: str, subject: str, body: str, sender: str, message_id: str | None) -> str:
        if message_id is not None and message_id in self._seen:
            return "dropped: seen before"
        if message_id is not None:
            self._seen.add(message_id)
        self.sent.append(Letter(to, subject, body, sender, self.sim.now, message_id))
        return "accepted"

    def count(self) -> Counter[str]:
        """Return how many letters each person received."""
        return Counter(letter.to for letter in self.sent)
