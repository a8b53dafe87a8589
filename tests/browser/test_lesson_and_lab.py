"""The course in a real browser: a lesson is run, a lab fails, is answered and passes, a fleet is steered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from desk import Desk

from fleetlab.show.front import VIEW

pytestmark = pytest.mark.slow

CONSOLE = """
from flask import Flask

from fleetlab import World, console

def shop(env):
    env.redis.set("open", 1)
    app = Flask("shop")
    app.add_url_rule("/visit", "visit", lambda: {"visits": env.redis.incr("visits")}, methods=["POST"])
    return app

world = World(seed=1)
world.deploy(shop, instances=3, name="shop")
ada, bob = world.client("ada"), world.client("bob")
console(world, lambda: ada.post("/visit"), lambda: bob.post("/visit"), every=0.01, versions={"v2": shop})
""".strip()


def outputs(path: Path) -> list[dict]:
    """Return everything that the code cells of a saved notebook show, in order."""
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(output: dict) -> int:
    """Return how many pictures an output has to show."""
    data = output.get("data", {})
    return "".join(data.get("text/html", "")).count("<img") + sum(kind.startswith("image/") for kind in data)


def answer(path: Path, tag: str) -> str:
    """Return the source of the cell that carries a tag."""
    cells = nbformat.read(path, as_version=4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code" and tag in cell.metadata.get("tags", ()))


def status(course: Path, surroundings: dict[str, str]) -> dict:
    """Return what `fleetlab status` says of lesson 09."""
    line = [sys.executable, "-m", "fleetlab.course.cli", "status", "--json"]
    told = subprocess.run(line, cwd=course, env=surroundings, capture_output=True, text=True, check=True).stdout
    return next(lesson for lesson in json.loads(told)["lessons"] if lesson["lesson"] == "09_sessions")


def test_lesson_runs_from_top_to_bottom(desk: Desk, course: Path) -> None:
    """`fleetlab start` opens lesson 09 without a pop-up; it runs without an error, each picture and widget is drawn."""
    desk.page.goto(desk.link)
    desk.until_idle()
    assert not desk.page.locator(".jp-Dialog, .jp-toast-message").count()
    desk.run_all()
    desk.save()
    shown = outputs(course / "notebooks" / "09_sessions.ipynb")
    assert not [output for output in shown if output.output_type == "error"]
    assert sum(map(pictures, shown)) >= 5
    assert desk.pictures() == sum(map(pictures, shown))
    questions = [output for output in shown if VIEW in output.get("data", {})]
    assert len(questions) >= 2
    assert desk.fields() == len(questions)
    desk.cell("topology(world)").evaluate("cell => cell.scrollIntoView()")
    desk.shot("lesson")


@pytest.mark.parametrize("desk", ["dark"], indirect=True)
def test_lab_fails_is_answered_and_passes(desk: Desk, course: Path, surroundings: dict[str, str]) -> None:
    """The stub fails with its id and a picture; the answer typed over it passes; `fleetlab status` knows."""
    desk.open("labs/09_sessions.ipynb")
    desk.run_all()
    check = desk.cell("shared_cart.check(shop)")
    assert "09.shared_cart: failed" in check.inner_text()
    assert "S09-LOST-ITEM" in check.inner_text()
    assert check.locator("img").first.evaluate("image => image.naturalWidth") > 300
    desk.shot("failure")
    assert status(course, surroundings)["passed"] == 0
    desk.rewrite("def shop(env):", answer(course / "solutions" / "09_sessions.ipynb", "solution:shared_cart"))
    desk.run_all()
    assert "09.shared_cart: passed" in desk.cell("shared_cart.check(shop)").inner_text()
    assert status(course, surroundings)["passed"] == 1


def test_console_steers_a_fleet(desk: Desk, course: Path) -> None:
    """A mouse kills an instance, a keyboard lets time pass and stops it again, and table and picture follow."""
    expect = pytest.importorskip("playwright.sync_api").expect
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(CONSOLE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), course / "console.ipynb")
    desk.open("console.ipynb")
    desk.run_all()
    panel = desk.page.locator(".fl-panel")
    panel.get_by_role("button", name="Kill").click()
    expect(panel).to_contain_text("shop-1 is killed.")
    panel.get_by_role("button", name="Play").focus()
    desk.page.keyboard.press("Space")
    expect(panel.get_by_role("row", name="answered well")).not_to_contain_text("0")
    desk.page.keyboard.press("Space")
    expect(panel).to_contain_text("Time stands still")
    expect(panel.get_by_role("row", name="shop-1")).to_contain_text("dead")
    assert panel.locator("svg").get_by_text("POST /visit").count()
    panel.get_by_role("button", name="Play").evaluate("button => button.scrollIntoView()")
    desk.shot("console")
