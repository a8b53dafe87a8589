"""The cause of a failure is told in one sentence, and the marked events are those that show it."""

from __future__ import annotations

from typing import Any

import pytest

from fleetlab.exercises.story import Story, story
from fleetlab.exercises.witness import Interruption, Notes
from fleetlab.sim import Trace
from fleetlab.sim.schedule import Step

READ, WRITE = "r", "w"


class Play:
    """A trace that is written by hand, one event after the other."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.notes = Notes()
        for who in ("shop-1", "shop-2"):
            self.trace.lane(who, "instance")

    def call(self, who: str, what: str, access: str, task: str = "", to: str = "redis") -> Play:
        """Add a call to a store: `"GET cart"` touches the key cart."""
        self.notes.owners[len(self.trace)] = task or who
        self.trace.add(0.0, who, "call", what, to, (to, what.split()[1], access))
        return self

    def add(self, who: str, kind: str, what: str, to: str = "", until: float | None = None) -> Play:
        """Add any other event."""
        self.trace.add(0.0, who, kind, what, to, (), until)
        return self

    def interrupt(self, kind: str, who: str, what: str, to: str = "redis", of: str = "call", task: str = "") -> Play:
        """Note that a preemption or a fault struck here, before a step of `who`."""
        self.notes.interruptions.append(Interruption(kind, len(self.trace), task or who, who, Step(of, what, to, ())))
        return self

    def told(self, **more: Any) -> Story:
        """Return the story of this trace with its notes."""
        return story(self.trace, self.notes)

    def bare(self) -> Story:
        """Return the story of the trace alone."""
        return story(self.trace)


def lost_update() -> Play:
    """Two read, two write."""
    play = Play().call("shop-1", "GET cart", READ).call("shop-2", "GET cart", READ)
    return play.call("shop-2", "SET cart", WRITE).call("shop-1", "SET cart", WRITE)


def test_lost_update_is_read_read_write_write() -> None:
    """Both read before either has written: the first to write has written for nothing."""
    assert lost_update().bare() == Story("shop-2 read cart between shop-1's read and shop-1's write.", (0, 1, 2, 3))


def test_lost_update_is_told_the_same_way_with_notes() -> None:
    """The preemption after the first read is what the sentence is about."""
    play = Play().call("shop-1", "GET cart", READ).interrupt("preemption", "shop-1", "SET cart")
    play.call("shop-2", "GET cart", READ).call("shop-2", "SET cart", WRITE).call("shop-1", "SET cart", WRITE)
    assert play.told() == Story("shop-2 read cart between shop-1's read and shop-1's write.", (0, 1, 2, 3))


def test_two_requests_of_one_instance_are_told_apart() -> None:
    """The same lane twice: the tasks behind the events differ."""
    play = Play().call("shop-1", "GET cart", READ, "a").call("shop-1", "GET cart", READ, "b")
    play.call("shop-1", "SET cart", WRITE, "b").call("shop-1", "SET cart", WRITE, "a")
    assert play.told() == Story("One task of shop-1 read cart between another's read and write.", (0, 1, 2, 3))
    assert play.bare() == Story("", ())


def test_write_between_read_and_write() -> None:
    """A blind write between another's read and write is overwritten."""
    play = Play().call("shop-1", "GET cart", READ).call("shop-2", "DEL cart", WRITE).call("shop-1", "SET cart", WRITE)
    assert play.bare() == Story("shop-2 wrote cart between shop-1's read and shop-1's write.", (0, 1, 2))


def test_check_then_act_on_another_key() -> None:
    """What was checked has changed by the time of the act, which is somewhere else."""
    play = Play().call("shop-1", "GET done", READ).call("shop-2", "SET done", WRITE).call("shop-1", "INCR sold", WRITE)
    assert play.bare() == Story("shop-2 did SET done between shop-1's GET done and shop-1's INCR sold.", (0, 1, 2))


def test_check_then_mail() -> None:
    """The act may be a mail, which is another store altogether."""
    play = Play().call("shop-1", "EXISTS sent", READ).interrupt("preemption", "shop-1", "mail ada: reminder")
    play.call("shop-2", "EXISTS sent", READ).call("shop-2", "mail ada: reminder", WRITE, to="mail")
    play.call("shop-2", "SET sent", WRITE).call("shop-1", "mail ada: reminder", WRITE, to="mail")
    sentence = "shop-2 did SET sent between shop-1's EXISTS sent and shop-1's mail ada: reminder."
    assert play.told() == Story(sentence, (0, 3, 4))


def test_change_in_two_steps_is_met_half_way() -> None:
    """A reader between two writes that belong together sees half of them."""
    play = Play().call("shop-1", "SET key", WRITE).interrupt("preemption", "shop-1", "EXPIRE key")
    play.call("shop-2", "GET key", READ).call("shop-1", "EXPIRE key", WRITE)
    assert play.told() == Story("shop-2 did GET key between shop-1's SET key and shop-1's EXPIRE key.", (0, 1, 2))


def test_preemption_between_unrelated_keys_is_no_cause() -> None:
    """Where nothing meets, no sentence is better than a wrong one."""
    play = Play().call("shop-1", "GET a", READ).interrupt("preemption", "shop-1", "SET a")
    play.call("shop-2", "SET b", WRITE).call("shop-1", "SET a", WRITE)
    assert play.told() == Story("", ())


def test_write_that_was_refused_is_no_write() -> None:
    """SET NX on a key that is there changes nothing, so nobody overwrote anything."""
    play = Play().call("shop-1", "GET lock", READ).call("shop-2", "SET lock 2 NX", WRITE)
    play.trace.records[-1].reply = "(nil)"
    assert play.call("shop-1", "SET lock 1", WRITE).bare() == Story("", ())


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("cart", "shop-2 wrote cart between shop-1's read and shop-1's write."),
        ("other", "shop-2 did SET cart between shop-1's GET cart and shop-1's MULTI; SET other 1; SET b 1; EXEC."),
    ],
)
def test_transaction_touches_the_keys_that_it_names(key: str, sentence: str) -> None:
    """A transaction over several keys overwrites those; for others it is an act on what was checked."""
    play = Play().call("shop-1", "GET cart", READ).call("shop-2", "SET cart", WRITE)
    play.add("shop-1", "call", f"MULTI; SET {key} 1; SET b 1; EXEC", "redis")
    play.trace.records[-1].touches = ("redis", "*", "w")
    assert play.bare().sentence == sentence


def test_reads_alone_are_no_cause() -> None:
    """Two readers of one key do nothing to each other."""
    play = Play().call("shop-1", "GET a", READ).call("shop-2", "GET a", READ).call("shop-1", "GET a", READ)
    assert play.bare() == Story("", ())


def test_requests_one_after_the_other_are_no_cause() -> None:
    """A later request of the same instance did not read before the other one wrote: it is another task."""
    play = Play().call("shop-1", "GET cart", READ, "first").call("shop-2", "SET cart", WRITE, "second")
    play.call("shop-1", "SET cart", WRITE, "third")
    assert play.told() == Story("", ())


def test_kill_after_one_step_and_before_the_next() -> None:
    """What the dead instance had done, and what it never did."""
    play = Play().call("shop-1", "RPUSH cart tea", WRITE).interrupt("kill", "shop-1", "EXPIRE cart 1800")
    play.add("shop-1", "kill", "SIGKILL").call("shop-2", "GET cart", READ)
    assert play.told() == Story("shop-1 was killed after RPUSH cart tea and before EXPIRE cart 1800.", (0, 1))
    assert play.bare() == Story("shop-1 was killed after RPUSH cart tea.", (0, 1))


def test_kill_before_the_answer() -> None:
    """The work was done, and nobody was told."""
    play = Play().call("shop-1", "INCR n", WRITE).interrupt("kill", "shop-1", "200 {}", "ada", "response")
    play.add("shop-1", "kill", "SIGKILL")
    assert play.told() == Story("shop-1 was killed after INCR n and before it answered ada.", (0, 1))


def test_kill_before_a_request() -> None:
    """An instance that waits for requests dies before one."""
    play = Play().interrupt("kill", "task-1/3", "POST /visit", "shop", "request").add("shop-2", "kill", "SIGKILL")
    play.add("ada", "request", "POST /visit", "shop-1")
    assert play.told() == Story("shop-2 was killed before ada's POST /visit.", (0,))


def test_pause_while_another_went_on() -> None:
    """What the paused instance had done, was about to do, and what another did meanwhile."""
    play = Play().call("shop-1", "SET lock 1", WRITE).interrupt("pause", "shop-1", "SET report")
    play.add("shop-1", "pause", "paused", until=120.0).call("shop-2", "GET other", READ)
    play.call("shop-2", "SET lock 2", WRITE).call("shop-1", "SET report", WRITE)
    sentence = "shop-1 stood still for 120 s after SET lock 1 and before SET report; meanwhile shop-2 did SET lock 2."
    assert play.told() == Story(sentence, (0, 1, 3, 4))


def test_pause_in_which_nothing_happened() -> None:
    """A pause is told also where nobody else touched anything."""
    play = Play().call("shop-1", "SET lock 1", WRITE).interrupt("pause", "shop-1", "SET report")
    play.add("shop-1", "pause", "paused", until=120.0).call("shop-1", "SET report", WRITE)
    assert play.told() == Story("shop-1 stood still for 120 s after SET lock 1 and before SET report.", (0, 1, 2))


def test_lost_reply_and_the_effect_again() -> None:
    """The call took effect, its caller did not know, and did it again."""
    play = Play().interrupt("lost reply", "shop-1", "INCR n").call("shop-1", "INCR n", WRITE)
    play.add("shop-1", "fault", "lost reply: INCR n", "redis").call("shop-1", "INCR n", WRITE)
    assert play.told() == Story("The reply to shop-1's INCR n was lost, and shop-1 did it again.", (0, 1, 2))
    assert play.bare().sentence == "The reply to shop-1's INCR n was lost, and shop-1 did it again."


def test_lost_answer_and_the_request_again() -> None:
    """The same between a client and an instance."""
    play = Play().interrupt("lost reply", "ada", "POST /visit", "shop", "request")
    play.add("ada", "request", "POST /visit", "shop-1").add("shop-1", "response", "200 {}", "ada")
    play.add("shop-1", "fault", "the reply is lost", "ada").add("ada", "request", "POST /visit", "shop-2")
    assert play.told() == Story("The answer to ada's POST /visit was lost, and ada sent it again.", (0, 2, 3))


def test_lost_reply_without_a_repetition() -> None:
    """Nobody tried again: the reply was lost, and that is all."""
    play = Play().interrupt("lost reply", "shop-1", "INCR n").call("shop-1", "INCR n", WRITE)
    play.add("shop-1", "fault", "lost reply: INCR n", "redis")
    assert play.told() == Story("The reply to shop-1's INCR n was lost.", (0, 1))


def test_late_effect() -> None:
    """A call that its caller had given up takes effect after all."""
    play = Play().interrupt("late effect", "shop-1", "SET n 1").call("shop-1", "SET n 1", WRITE)
    play.add("shop-1", "fault", "late effect: SET n 1", "redis")
    assert play.told() == Story("shop-1's SET n 1 took effect only after shop-1 had given it up.", (1,))


def test_outage_of_the_scenario_is_told_where_nothing_else_happened() -> None:
    """A scenario that takes a store away is the cause where the schedule did nothing."""
    play = Play().add("redis", "outage", "out of reach", until=30.0)
    assert play.told() == Story("redis could not be reached for 30 s.", (0,))
    assert play.bare() == Story("redis could not be reached for 30 s.", (0,))


def test_preemption_and_kill_are_two_sentences() -> None:
    """Each deviation of a shortest failure is needed, so each is told, in order."""
    play = Play().call("shop-1", "GET cart", READ).interrupt("preemption", "shop-1", "SET cart")
    play.call("shop-2", "SET cart", WRITE).call("shop-1", "SET cart", WRITE)
    play.interrupt("kill", "shop-1", "EXPIRE cart").add("shop-1", "kill", "SIGKILL")
    told = play.told()
    assert told.sentence == (
        "shop-2 wrote cart between shop-1's read and shop-1's write. "
        "shop-1 was killed after SET cart and before EXPIRE cart."
    )
    assert told.marked == (0, 1, 2, 3)


def test_long_commands_are_cut() -> None:
    """A sentence stays a sentence, whatever is stored."""
    play = Play().call("shop-1", "SET cart " + 200 * "x", WRITE).add("shop-1", "kill", "SIGKILL")
    assert len(play.bare().sentence) == len("shop-1 was killed after .") + 48


@pytest.mark.parametrize("kind", ["preemption", "kill", "pause", "lost reply", "late effect", "outage", "other"])
def test_notes_without_their_events_tell_nothing(kind: str) -> None:
    """A trace that was cut, or not recorded, has no story."""
    assert Play().interrupt(kind, "shop-1", "GET a").told() == Story("", ())


def test_empty_trace_has_no_story() -> None:
    """Nothing happened, and nothing is told."""
    assert story(Trace()) == Story("", ())
