"""Scenarios where load or chance is the matter: one run a seed, with the latencies and the order that it draws."""

from __future__ import annotations

from fleetlab.sim import Trace
from fleetlab.sim.choices import Nondeterminism

from .blame import Wrong
from .search import Deviations, Finding, Tick, differ, same
from .stage import Stage, Stuck
from .story import Story
from .verdict import FAILED
from .wording import plural


class Seeded:
    """One run a seed, in the order and with the latencies that the seed draws."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds

    @property
    def bound(self) -> str:
        """How many seeds."""
        return plural(self.seeds, "seed")

    def held(self, runs: int) -> str:
        """Return the number of seeds."""
        return f"held in {runs} of {plural(runs, 'seed')}"

    def search(self, stage: Stage, tick: Tick) -> Finding:
        """Run every seed, and count those that fail; the first of them is shown."""
        failed: list[tuple[int, Wrong]] = []
        for seed in range(1, self.seeds + 1):
            tick(seed)
            try:
                wrong = stage.run(seed=seed)
            except Stuck as stuck:
                return Finding(seed, "", stuck.wrong, f"With seed {seed}", ((seed, 0),))
            if wrong is not None:
                failed.append((seed, wrong))
                if wrong.outcome != FAILED:
                    break
        if not failed:
            return Finding(self.seeds, f"{plural(self.seeds, 'seed')}: latencies and orders drawn at random")
        return self._failed(stage, failed)

    def _failed(self, stage: Stage, failed: list[tuple[int, Wrong]]) -> Finding:
        seed, wrong = failed[0]
        deviations = ((seed, 0),)
        (trace, again, told), (other, _, _) = self.replay(stage, deviations), self.replay(stage, deviations)
        differ(([str(e) for e in trace], [str(e) for e in other]))
        if again is None or not same(again, wrong):
            raise Nondeterminism("The failure did not come back when the same seed was run again.")
        how = f"In {len(failed)} of {plural(self.seeds, 'seed')}, first with seed {seed}"
        return Finding(self.seeds, "", wrong, how, deviations, told.sentence, trace)

    def replay(self, stage: Stage, deviations: Deviations) -> tuple[Trace, Wrong | None, Story]:
        """Run one seed again, with a trace."""
        if len(deviations) != 1:
            raise Nondeterminism("A scenario of seeds is replayed by one seed.")
        history, wrong = stage.play(trace=True, seed=deviations[0][0])
        return history.trace, wrong, Story("", ())
