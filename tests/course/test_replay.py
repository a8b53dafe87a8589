"""`fleetlab replay` shows one schedule again, with the answer that is in the lab now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pantry import cell, notebook, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.labs import Lab
from fleetlab.course.mistake import Mistake
from fleetlab.course.replay import replay_call

MODULE = """
from fleetlab.exercises import Exercise

jam = Exercise("07.jam", "Every visit is counted")

@jam.scenario(preemptions=1)
def two_visits(world, shop):
    world.deploy(shop, instances=2, name="shop")
    clients = [world.client(f"visitor-{n}") for n in (1, 2)]
    world.together(*[lambda c=c: c.post("/visit") for c in clients])
    return world.client("owner").get("/visits").json()["visits"]

@two_visits.must("LOST-VISIT", "every acknowledged visit is counted")
def nothing_lost(history):
    return f"{history.result} of 2 visits are counted." if history.result < 2 else None
"""

ANSWER = """
def shop(env):
    app = Flask("shop")
    @app.post("/visit")
    def visit():
        env.redis.set("visits", int(env.redis.get("visits") or 0) + 1)
        return {}
    @app.get("/visits")
    def visits():
        return {"visits": int(env.redis.get("visits"))}
    return app
""".strip()


@pytest.fixture
def counted(lab: Lab) -> Lab:
    """Return the lab with a real exercise and a real answer, which loses a visit."""
    (lab.path.parent / "larder.py").write_text(MODULE)
    cells = [cell(ANSWER, "solution:jam"), cell("larder.jam.check(shop)", "exercise:jam"), cell("1 / 0")]
    store(lab.path, notebook(cell("from flask import Flask\nimport larder"), *cells))
    return lab


def run(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.slow
def test_a_failing_schedule_is_shown_and_drawn(counted: Lab, home: Path) -> None:
    """The token of a real check gives the table of steps and the drawing of the schedule that failed."""
    verdict = run("check", "07").stdout.splitlines()
    token = next(line.split()[-1] for line in verdict if "fleetlab replay 07.jam" in line)
    result = run("replay", "07.jam", token, "--svg", "out.svg")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "1 of 2 visits are counted."
    assert any("SET visits" in line for line in lines)
    assert Path("out.svg").read_text("utf-8").startswith("<svg ")
    unknown = run("replay", "07.jam", "!")
    assert unknown.exit_code == 2
    assert unknown.stderr.count("\n") == 1


def test_an_answer_that_does_not_run_is_a_sentence(course: Path, lab: Lab) -> None:
    """A cell that fails before the schedule can be run is named."""
    store(lab.path, notebook(cell("def jam(:", "solution:jam"), cell("larder.jam.check(jam)", "exercise:jam")))
    result = run("replay", "07.jam", "0")
    assert result.exit_code == 2
    assert result.stderr.startswith("The cell «def jam(:» ended in SyntaxError: invalid syntax")


def test_the_check_cell_says_what_to_replay() -> None:
    """The exercise and the answer are those of the check cell, however it is written."""
    assert replay_call("sessions.shared_cart.check(shop)", "0-1") == "sessions.shared_cart.replay('0-1', shop)"
    assert replay_call("%time x.check(make(1), k=2)\nx.check(make(1), k=2)", "0") == "x.replay('0', make(1), k=2)"
    with pytest.raises(Mistake, match=r"^The check cell «1 \+ 1» calls no check.$"):
        replay_call("1 + 1", "0")
