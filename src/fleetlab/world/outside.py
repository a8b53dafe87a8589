"""What cannot be taken back: e-mails that went out, so that duplicates show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetlab.sim import Simulation, WaitQueue, current_task

from . import amounts
from .service import TIMEOUT, call

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

    A `message_id` it has accepted before is dropped silently, as a provider with idempotency keys does: the letter is
    then among `repeats` and not in `sent`. With `deduplicates` false it takes no notice of ids, as plain SMTP.
    """

    def __init__(self, sim: Simulation, network: Network, name: str = "mail") -> None:
        self.sim = sim
        self.network = network
        self.name = name
        self.deduplicates = True
        self.sent: list[Letter] = []
        self.repeats: list[Letter] = []
        self._seen: set[str] = set()
        self._silent = 0
        sim.trace.lane(name, "outside")

    def send(self, to: str, subject: str, body: str = "", message_id: str | None = None) -> None:
        """Send one e-mail; `ConnectionError` means that it has not gone, `TimeoutError` that nobody knows."""
        task = current_task()
        sender = task.lane if task is not None else "outside"
        what = f"mail {to}: {subject}"
        call(self.network, self.name, what, to, "w", lambda: self._take(to, subject, body, sender, message_id))

    def lose_replies(self, count: int = 1) -> None:
        """Say nothing to whoever hands over the next `count` letters: they go, and their senders wait in vain."""
        self._silent = amounts.whole(count, "lose_replies(count)")

    def _take(self, to: str, subject: str, body: str, sender: str, message_id: str | None) -> str:
        reply = self._accept(Letter(to, subject, body, sender, self.sim.now, message_id))
        if self._silent and current_task() is not None:
            self._silent -= 1
            WaitQueue(f"an answer of {self.name}").wait(TIMEOUT)
            raise TimeoutError(f"{self.name} did not answer within {TIMEOUT:g} s: mail {to}: {subject}.")
        return reply

    def _accept(self, letter: Letter) -> str:
        message_id = letter.message_id
        if self.deduplicates and message_id is not None:
            if message_id in self._seen:
                self.repeats.append(letter)
                return "dropped: seen before"
            self._seen.add(message_id)
        self.sent.append(letter)
        return "accepted"

    def count(self) -> Counter[str]:
        """Return how many letters each person received."""
        return Counter(letter.to for letter in self.sent)
