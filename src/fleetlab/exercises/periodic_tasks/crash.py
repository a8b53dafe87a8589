"""survive_the_crash: whoever dies at whichever step, the reminders of the morning are finished, each once."""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World

from ..asking import DAY, HOUR, MINUTE
from ..exercise import Exercise
from ..history import History
from .common import CUSTOMERS, VARS, letters, names, told, twice, without

survive_the_crash = Exercise(
    "08.survive_the_crash",
    "The nine o'clock reminders are finished, whoever dies",
    hints=[
        "An instance may die after any line of yours. Go through them: what stands in Redis or the database at that "
        "moment, and what will the others make of it at their next look, five minutes later?",
        "«I am at it» and «it is done» are two facts, and need two marks. The first must end by itself soon, set in "
        "the same command as its end. The second is written last. What has the second instance looked at when the "
        "first one finishes in between?",
        "Whoever takes over cannot know which letters have gone. Let it send all of them again, under a `message_id` "
        "that only depends on the day and the customer: the mail server drops what it has seen. Where sending raises "
        "an error, it is not done.",
    ],
)

DEADLINE = HOUR / 2
"""When everybody has the reminder of the day, in virtual seconds after nine o'clock."""


def _morning(world: World) -> Any:
    """Explore the instances' first look, five minutes past nine; then let time pass until half past nine."""
    with world.calm():
        world.run(5 * MINUTE - 1)
    world.run(MINUTE)
    with world.calm():
        world.run(DEADLINE - world.now)
    return letters(world, 0, DEADLINE)


def _two(world: World, app: Any) -> None:
    world.deploy(app, instances=2, name="shop", env=VARS)


@survive_the_crash.scenario(preemptions=2)
def both_look(world: World, app: Any) -> Any:
    """Two instances look at five past nine, at the same moment, and every five minutes from then on."""
    _two(world, app)
    return _morning(world)


@survive_the_crash.scenario(preemptions=1, kills=1)
def one_dies(world: World, app: Any) -> Any:
    """The same, and one of them dies before any of its steps; nobody replaces it."""
    _two(world, app)
    return _morning(world)


@survive_the_crash.scenario(preemptions=0, lost_replies=1, late_effects=1, deviations=1, at="mail")
def no_reply(world: World, app: Any) -> Any:
    """A letter goes out and its reply is lost; or it goes only half a minute after its sender has given it up."""
    _two(world, app)
    return _morning(world)


@survive_the_crash.scenario(preemptions=0)
def no_mail_server(world: World, app: Any) -> Any:
    """The mail server refuses connections until six minutes past nine."""
    _two(world, app)
    world.network.outage("mail", 6 * MINUTE)
    return _morning(world)


@survive_the_crash.scenario(preemptions=0)
def no_answer(world: World, app: Any) -> Any:
    """Until six minutes past nine no letter reaches the mail server: who sends one waits for an answer in vain."""
    _two(world, app)
    for instance in world.instances:
        world.partition(instance.name, "mail")
    with world.calm():
        world.run(6 * MINUTE)
        world.heal()
    return _morning(world)


@survive_the_crash.scenario(preemptions=0)
def two_mornings(world: World, app: Any) -> Any:
    """Monday and Tuesday; the instances are stopped for the night, and nothing goes wrong."""
    _two(world, app)
    with world.calm():
        world.run(DEADLINE)
        world.deployments["shop"].scale(0)
        world.run(DAY - 2 * DEADLINE - 10 * MINUTE)
        world.deployments["shop"].scale(2)
        world.run(DAY + DEADLINE - world.now)
    return letters(world, 0, DEADLINE), letters(world, DEADLINE, DAY), letters(world, DAY, DAY + DEADLINE)


# Invariants, the most telling first


@both_look.must("OTHER-TIMER", "the timer is left as it is: the instances look every five minutes")
def same_timer(history: History) -> str | None:
    early = letters(history.world, 0, 5 * MINUTE)
    if early:
        return f"A letter left before the timer's first five minutes were over ({told(early[:1])}): leave it as it is."
    return None


@both_look.must("SENT-TWICE", "no customer gets two reminders on one day")
@one_dies.must("SENT-TWICE", "no customer gets two reminders on one day, whoever dies")
@no_reply.must("SENT-TWICE", "a letter without a reply is not sent under another id")
def nobody_twice(history: History) -> str | None:
    again = twice(history.result)
    return f"{again[0].to.title()} got {len(again)} reminders for one day: {told(again)}." if again else None


@survive_the_crash.must("LEFT-OUT", "by half past nine everybody has the reminder of the day", both_look, no_reply)
@one_dies.must("LEFT-OUT", "by half past nine everybody has the reminder of the day, whoever has died")
@no_answer.must("LEFT-OUT", "who has heard no answer does not know, and sends the letter again")
@no_mail_server.must("LEFT-OUT", "by half past nine everybody has the reminder of the day, also after an outage")
def nobody_left_out(history: History) -> str | None:
    missing = without(history.result)
    if not missing:
        return None
    some = [name for name in CUSTOMERS if name not in missing]
    text = f"It is half past nine, and {names(missing)} {'has' if len(missing) == 1 else 'have'} no reminder"
    return f"{text}; {names(some)} has." if some else f"{text}."


@both_look.must("DONE-TWICE", "as long as nothing goes wrong, nobody does the work again")
def work_once(history: History) -> str | None:
    repeats = history.world.mail.repeats
    if not repeats:
        return None
    text = "Nothing went wrong, and the morning's letters were handed over more than once"
    return f"{text}: {told(repeats[:2])} again. The mail server has dropped them."


@two_mornings.must("NEXT-MORNING", "tomorrow is another day: everybody gets a reminder again")
def tomorrow(history: History) -> str | None:
    monday, between, tuesday = history.result
    missing = without(tuesday)
    if between:
        return f"A reminder came at another time of the day: {told(between[:1])}."
    if without(monday) or not missing:
        return None
    dropped = [letter for letter in history.world.mail.repeats if letter.time >= DAY]
    why = f", since the mail server has seen the id {dropped[0].message_id!r} before" if dropped else ""
    return f"On Tuesday {names(missing)} got no reminder{why}."


__all__ = ["survive_the_crash"]
