"""E-mails that went out cannot be taken back."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Flask

from fleetlab import World
from fleetlab.sim import Simulation
from fleetlab.sim.choices import Choices
from fleetlab.sim.faults import Late, Lost
from fleetlab.world.network import Network
from fleetlab.world.outside import Letter, MailServer


def shop(env):
    """Return a shop that mails a receipt, with the message id that the query gives."""
    app = Flask("shop")

    @app.post("/<order>")
    def receipt(order):
        env.mail.send("ada", f"Receipt {order}", message_id=f"receipt-{order}" if env.vars.get("IDS") else None)
        return {}

    return app


def test_a_letter_is_kept_as_it_left():
    """Whom it reached, what it said, which instance sent it, and when."""
    with World(seed=1) as world:
        world.deploy(shop)
        world.run(60)
        world.client().post("/7")
        letter = world.mail.sent[0]
        assert letter == Letter("ada", "Receipt 7", "", "shop-1", letter.time, None)
        assert 60 < letter.time < 60.1
        assert [(e.who, e.what, e.to, e.reply) for e in world.trace if e.kind == "call"] == [
            ("shop-1", "mail ada: Receipt 7", "mail", "accepted")
        ]


def test_duplicates_show_unless_they_have_a_message_id():
    """A provider with idempotency keys drops what it has seen."""
    counts = []
    for variables in ({}, {"IDS": "1"}):
        with World(seed=1) as world:
            world.deploy(shop, env=variables)
            ada = world.client()
            for order in (1, 1, 2):
                ada.post(f"/{order}")
            counts.append(world.mail.count())
    assert counts == [Counter(ada=3), Counter(ada=2)]


def test_a_mail_server_out_of_reach():
    """An outage refuses at once, a partition lets the sender wait, and nothing is sent."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1)
        world.network.outage("mail", 10)
        ada = world.client(timeout=None)
        ada.post("/1")
        world.run(10)
        world.partition("shop-1", "mail")
        ada.post("/2")
        assert [f"{type(error).__name__}: {error}" for _, error in world["shop-1"].errors] == [
            "ConnectionError: mail refuses connections: outage.",
            "TimeoutError: mail did not answer within 5 s: mail ada: Receipt 2.",
        ]
        assert world.mail.sent == []


@pytest.mark.parametrize(("fault", "after"), [(Lost(), 1), (Late(), 0)])
def test_a_letter_whose_reply_is_lost_has_gone(fault, after):
    """The sender sees the same timeout whether it has gone already or goes half a minute later."""
    schedule = Choices([(0, 1)], [fault])
    sim = Simulation(schedule=schedule)
    mail = MailServer(sim, Network(sim))

    def send():
        with pytest.raises(TimeoutError, match="mail did not answer within 5 s"):
            mail.send("ada", "Receipt")
        return len(mail.sent)

    from fleetlab.sim import Process

    assert sim.run(until=Process(sim, "shop-1").spawn(send)) == after
    sim.run(until=60)
    assert [letter.sender for letter in mail.sent] == ["shop-1"]


def test_outside_a_task_a_letter_goes_at_once():
    """A cell may send one, too."""
    world = World()
    world.mail.send("ada", "Hello", "from a cell")
    assert world.mail.sent == [Letter("ada", "Hello", "from a cell", "outside", 0.0, None)]


def test_plain_smtp_takes_no_notice_of_ids():
    """Where ids are not looked at, every letter goes; where they are, a repeat is kept apart."""
    for deduplicates, sent, repeats in ((True, 1, 1), (False, 2, 0)):
        world = World()
        world.mail.deduplicates = deduplicates
        for _ in range(2):
            world.mail.send("ada", "Receipt", message_id="receipt-1")
        assert (len(world.mail.sent), len(world.mail.repeats)) == (sent, repeats)


def test_a_mail_server_that_says_nothing():
    """The letters go, their senders time out, and the next one is answered again."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1)
        world.mail.lose_replies(2)
        ada = world.client(timeout=None)
        answers = [ada.post(f"/{order}").status_code for order in (1, 2, 3)]
        assert answers == [500, 500, 200]
        assert [letter.subject for letter in world.mail.sent] == ["Receipt 1", "Receipt 2", "Receipt 3"]
        assert {type(error).__name__ for _, error in world["shop-1"].errors} == {"TimeoutError"}
        assert [e.reply for e in world.trace if e.kind == "call"] == ["TimeoutError", "TimeoutError", "accepted"]
