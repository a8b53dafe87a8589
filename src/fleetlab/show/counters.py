"""What a world's consoles count: requests and how they ended, letters, keys, and the state of each instance."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from .charts import Table, table
from .times import duration

if TYPE_CHECKING:
    from fleetlab.world.instance import Instance
    from fleetlab.world.world import World

_RECENT = 50


class Counters:
    """Counts what happens in a world, reading each event once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._read = 0
        self._answers: Counter[str] = Counter()

    def totals(self) -> Table:
        """Return how many requests there were and how they ended, and what the shared things hold."""
        sent, world = self.world.sent, self.world
        ended = [one for one in sent if one.ended]
        fine, refused = sum(one.ok for one in ended), sum(one.status >= 400 for one in ended)
        rows = [
            ("requests", str(len(sent))),
            ("answered well", str(fine)),
            ("answered with an error", str(refused)),
            ("without an answer", str(len(ended) - fine - refused)),
            ("under way", str(len(sent) - len(ended))),
            ("median of the last 50", duration(median(one.seconds for one in ended[-_RECENT:])) if ended else "–"),
        ]
        if "redis" in vars(world):
            rows.append(("keys in redis", str(world.redis.size())))
        if "mail" in vars(world):
            rows.append(("letters sent", str(len(world.mail.sent))))
        return table(rows, ("the fleet", ""))

    def instances(self) -> Table:
        """Return each instance that has not ended by itself: version, state, requests in hand, answers, errors."""
        self._count()
        shown = [instance for instance in self.world.instances if instance.state != "gone"]
        names = ("instance", "version", "state", "busy", "answers", "errors")
        return table([self._row(instance) for instance in shown], names)

    def _row(self, instance: Instance) -> tuple[str | int, ...]:
        answers, errors = self._answers[instance.name], len(instance.errors)
        return instance.name, instance.version, state(instance), instance.busy, answers, errors

    def _count(self) -> None:
        records = self.world.trace.records
        for record in records[self._read :]:
            if getattr(record, "kind", "") == "response":
                self._answers[record.who] += 1
        self._read = len(records)


def state(instance: Instance) -> str:
    """Return an instance's state as a word: its own, or paused while it stands still."""
    still = instance.process.alive and instance.process.thaw > instance.world.now
    return "paused" if still else instance.state
