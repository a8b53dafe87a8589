"""Each rule of the lint passes a good lesson and is seen to fail on a broken one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleetlab.course.lint import RULES, Book, Case, books, cases, complaints
from fleetlab.course.lint.__main__ import main
from fleetlab.course.lint.book import Cell, read
from fleetlab.course.scaffold import scaffold
from fleetlab.exercises import Exercise

OPENING = "# Who has the cart?\n\nIt is lost.\n\nYou will\n\n- see it\n- mend it\n- compare it\n\n25 min · needs 02"
ENDING = (
    "## In production\n\nRedis.\n\n## Recap\n\n- one\n- two\n- three\n\n"
    + "<details><summary>Why?</summary>So.</details>\n" * 3
    + "[lab](../labs/09_sessions.ipynb), [next](10_1_schema_migrations.ipynb)"
)


def code(number: int, source: str, printed: str = "", *tags: str) -> Cell:
    return Cell(number, "code", source, tags, True, (printed,) if printed else (), len(printed))


def text(number: int, source: str, *tags: str) -> Cell:
    return Cell(number, "markdown", source, tags)


@pytest.fixture
def lesson(tmp_path: Path) -> Book:
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "09_sessions.ipynb").write_text("{}")
    (tmp_path / "notebooks").mkdir()
    for name in ("09_sessions", "10_1_schema_migrations"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}")
    cells = (
        text(1, OPENING),
        code(2, 'from fleetlab import course_map\n\ncourse_map("09")', "the map", "setup"),
        text(3, "**Predict:** how many?"),
        code(4, "print(66)", "66\n", "practice:s09-shared-session-need"),
        text(5, "It is 66. **Predict:** and now?"),
        code(6, "print(33)", "33\n"),
        text(7, ENDING),
    )
    return Book("notebooks/09_sessions.ipynb", "lesson", cells, tmp_path, 5000)


def with_cell(book: Book, number: int, cell: Cell) -> Book:
    return replace(book, cells=tuple(cell if old.number == number else old for old in book.cells))


def opening(book: Book, old: str, new: str) -> Book:
    return with_cell(book, 1, text(1, OPENING.replace(old, new)))


def ending(book: Book, old: str, new: str) -> Book:
    return with_cell(book, 7, text(7, ENDING.replace(old, new)))


def picture(printed: str) -> str:
    """Return a picture whose letters hold digits."""
    return f'<img alt="{printed}" src="data:image/svg+xml;base64,PHN2/67+8="/>'


BROKEN = {
    "one-title": [lambda book: opening(book, "# Who", "Who"), lambda book: ending(book, "## Recap", "# Recap")],
    "minutes-and-needs": [lambda book: opening(book, "25 min", "a while"), lambda book: opening(book, "needs 02", "")],
    "you-will": [lambda book: opening(book, "- compare it\n", ""), lambda book: opening(book, "You will", "One can")],
    "short-set-up": [
        lambda book: with_cell(book, 2, code(2, "x = 1\n" * 5 + 'course_map("09")')),
        lambda book: with_cell(book, 2, code(2, '%pip install redis\ncourse_map("09")')),
    ],
    "place-on-the-map": [lambda book: with_cell(book, 2, code(2, 'course_map("08")'))],
    "something-runs-early": [
        lambda book: opening(book, "It is lost.", "word " * 250),
        lambda book: replace(book, cells=tuple(replace(cell, outputs=()) for cell in book.cells)),
    ],
    "predictions": [
        lambda book: with_cell(book, 5, text(5, "It is 66.")),
        lambda book: with_cell(book, 6, code(6, "x = 33")),
    ],
    "ending": [
        lambda book: ending(book, "- three\n", ""),
        lambda book: ending(book, "<details>", "<b>"),
        lambda book: ending(book, "../labs/", "labs/"),
        lambda book: ending(book, "[next](10_1_schema_migrations.ipynb)", "10_1_schema_migrations"),
    ],
    "in-production": [lambda book: ending(book, "## In production", "## Elsewhere")],
    "readable": [lambda book: Book(book.path, "damaged")],
    "short-cells": [
        lambda book: with_cell(book, 6, code(6, "print(33)\n" * 21, "33")),
        lambda book: with_cell(book, 6, code(6, "def shop(env):\n" + "    print(33)\n" * 25, "33")),
    ],
    "known-tags": [lambda book: with_cell(book, 6, code(6, "print(33)", "33", "practise:typo"))],
    "no-unexecuted-cell": [lambda book: with_cell(book, 6, Cell(6, "code", "print(33)", (), False))],
    "no-stray-marker": [lambda book: with_cell(book, 6, code(6, "# <stub>\nprint(33)", "33"))],
    "small": [
        lambda book: replace(book, size=300_001),
        lambda book: with_cell(book, 6, replace(book.cells[5], size=120_001)),
    ],
    "no-error-output": [lambda book: with_cell(book, 6, code(6, "1/0", "Traceback (most recent call last)\n33"))],
    "code-style": [
        lambda book: with_cell(book, 6, code(6, "print(carts)", "33")),
        lambda book: replace(with_cell(book, 6, code(6, "print(carts)")), kind="lab"),
    ],
    "solutions-pass": [
        lambda book: replace(with_cell(book, 6, code(6, "check(33)", "", "exercise:cart")), kind="solution"),
        lambda book: replace(with_cell(book, 6, checked("failed", 3)), kind="solution"),
        lambda book: replace(with_cell(book, 6, checked("passed", 401)), kind="solution"),
    ],
    "numbers-are-printed": [
        lambda book: with_cell(book, 5, text(5, "It is 67. **Predict:** and now?")),
        lambda book: with_cell(book, 5, text(5, "It is 6.5. **Predict:** and now?")),
    ],
    "links-are-alive": [
        lambda book: ending(book, "../labs/09", "../labs/10"),
        lambda book: ending(book, "[lab](../labs/09", '<img src="../labs/10.png">[lab](../labs/09'),
        lambda book: ending(book, "[lab](../labs/09", "[up](#Nowhere) [lab](../labs/09"),
    ],
    "lead-ins": [lambda book: replace(book, cells=(*book.cells, text(8, "word " * 250), text(9, "word " * 250)))],
    "spelling": [lambda book: ending(book, "Redis.", "Redis rec" + "ieves it.")],
    "nothing-left-to-do": [lambda book: ending(book, "Redis.", "TODO: which services?")],
    "no-outputs": [lambda book: replace(book, kind="lab")],
}


def checked(outcome: str, schedules: int) -> Cell:
    return replace(code(6, "print(33)", "33", "exercise:cart"), outcome=outcome, schedules=schedules)


def test_a_good_lesson_has_nothing_to_complain_about(lesson: Book) -> None:
    """The fixture that the broken ones are made of holds to every rule."""
    assert [str(complaint) for complaint in complaints(lesson)] == []


def test_a_good_solution_has_nothing_to_complain_about(lesson: Book) -> None:
    """An answer that passed in few schedules is what the rule for solutions wants."""
    book = replace(with_cell(lesson, 6, checked("passed", 400)), kind="solution")
    assert [str(complaint) for complaint in complaints(book)] == []


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, ways in sorted(BROKEN.items()) for number in range(len(ways))]
)
def test_each_rule_is_seen_to_fail(lesson: Book, name: str, number: int) -> None:
    """A lesson broken in one place is told so by the rule for it."""
    assert name in {complaint.rule for complaint in complaints(BROKEN[name][number](lesson))}


def test_every_rule_is_tried() -> None:
    """No rule is without a broken fixture."""
    assert {*BROKEN, *SPOILT} == set(RULES)


def test_the_letters_of_a_picture_are_no_numbers(tmp_path: Path) -> None:
    """What a picture says in words counts as printed; how it is encoded does not."""
    output = {"output_type": "display_data", "data": {"text/html": picture("33 carts")}}
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "x", "outputs": [output]}]}))
    printed = read(path, "lesson", tmp_path).printed
    assert "33 carts" in printed
    assert "67" not in printed


@pytest.mark.parametrize("said", ["It takes 80 ms.", "That is 8 %.", "It is 0.08 s.", "Lesson 1 says 66."])
def test_a_number_that_code_sets_may_be_said_in_another_unit(lesson: Book, said: str) -> None:
    """A distance of 0.08 s is one of 80 ms."""
    cells = (*lesson.cells[:-1], code(8, "far(distance=0.08)"), text(7, said))
    rules = {complaint.rule for complaint in complaints(replace(lesson, cells=cells))}
    assert "numbers-are-printed" not in rules


def test_a_lesson_that_promises_one_to_come_needs_no_link(lesson: Book) -> None:
    """Until it is written there is nothing to link to, and the one after it is not next."""
    book = ending(lesson, "[next](10_1_schema_migrations.ipynb)", "the next is 10_transactions")
    assert [complaint.rule for complaint in complaints(book)] == []


# -- exercises


def judge(*hints: str, found: str = "S09-LOST-ITEM") -> Any:
    """Return an exercise with these hints that fails every answer with one id."""
    made = Exercise("09.shared_cart", "the cart survives", hints=list(hints or ("Whose memory?", "Which command?")))
    made.verdict = lambda answer: SimpleNamespace(id=found)  # type: ignore[method-assign, assignment]
    return made


def answers(wrong: int = 5, ids: int = 3, right: int = 3) -> Any:
    """Return a module of answers to it."""
    names = [f"S09-{number % ids}" for number in range(wrong)]
    return SimpleNamespace(
        STUB=(str, "S09-LOST-ITEM"),
        WRONG={str(number): (str, name) for number, name in enumerate(names)},
        RIGHT={str(number): str for number in range(right)},
    )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return an exercise that holds to every rule."""
    (tmp_path / "shared_cart.py").write_text("STUB = 1\n")
    solution = ('env.redis.rpush("cart", item)', "return app")
    return Case("tests/answers/sessions/shared_cart.py", judge(), answers(), solution, (tmp_path / "shared_cart.py",))


def to_do(case: Case) -> Case:
    case.sources[0].write_text("# TODO: three more\n")
    return case


SPOILT = {
    "answers-are-there": [
        lambda case: replace(case, judge=None),
        lambda case: replace(case, answers=None),
        lambda case: replace(case, answers=SimpleNamespace(STUB=(str, "S09-LOST-ITEM"))),
    ],
    "wrong-answers": [
        lambda case: replace(case, answers=answers(wrong=4)),
        lambda case: replace(case, answers=answers(ids=2)),
    ],
    "right-answers": [lambda case: replace(case, answers=answers(right=2))],
    "hints-lead-up": [
        lambda case: replace(case, judge=judge("Whose memory?")),
        lambda case: replace(case, judge=judge("Whose memory?", "Whose memory?")),
        lambda case: replace(case, judge=judge("Whose memory?", " ")),
        lambda case: replace(case, judge=judge("Whose memory?", 'Write `env.redis.rpush("cart", item)`.')),
    ],
    "stub-fails": [
        lambda case: replace(case, judge=judge(found="S09-OTHER")),
        lambda case: replace(case, judge=judge(found="")),
    ],
    "nothing-left-to-write": [to_do],
}


def test_a_good_exercise_has_nothing_to_complain_about(case: Case) -> None:
    """The fixture that the spoilt ones are made of holds to every rule."""
    assert [str(complaint) for complaint in complaints(case)] == []


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, ways in sorted(SPOILT.items()) for number in range(len(ways))]
)
def test_each_rule_for_exercises_is_seen_to_fail(case: Case, name: str, number: int) -> None:
    """An exercise spoilt in one place is told so by the rule for it."""
    assert name in {complaint.rule for complaint in complaints(SPOILT[name][number](case))}


def test_a_new_lesson_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `fleetlab new` writes is not finished, and each TODO of its exercise is found."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    scaffold(tmp_path, "06_strong_boxes", "open_once")
    (case,) = cases(tmp_path)
    assert case.path == "tests/answers/strong_boxes/open_once.py"
    rules = [complaint.rule for complaint in complaints(case)]
    assert rules.count("nothing-left-to-write") == 6
    assert "answers-are-there" in rules  # the module of exercises is not in the package


def test_the_whole_course_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each complaint is a line, one damaged notebook hides no other, and the exit code says that something is wrong."""
    for folder, content in (("labs", "{"), ("notebooks", '{"cells": []}')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "09_sessions.ipynb").write_text(content)
    assert [book.kind for book in books(tmp_path)] == ["lesson", "damaged"]
    assert main(tmp_path) == 1
    told = capsys.readouterr().out.splitlines()
    assert "labs/09_sessions.ipynb: it is not a notebook. [readable]" in told
    assert "notebooks/09_sessions.ipynb: there is no section «In production». [in-production]" in told


def test_a_damaged_notebook_is_named(tmp_path: Path) -> None:
    """A file that is no notebook is an error in one sentence."""
    path = tmp_path / "x.ipynb"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"x\.ipynb is not a notebook"):
        read(path, "lesson", tmp_path)


def test_a_notebook_is_read_with_tags_outputs_and_execution(tmp_path: Path) -> None:
    """Stored cells become cells that rules can ask."""
    cell = {
        "cell_type": "code",
        "source": ["print(1)"],
        "metadata": {"tags": ["practice:x"]},
        "execution_count": None,
        "outputs": [{"output_type": "stream", "text": ["1\n"]}],
    }
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))
    found = read(path, "lesson", tmp_path).cells[0]
    assert (found.source, found.tags, found.executed, found.outputs) == ("print(1)", ("practice:x",), False, ("1\n",))
