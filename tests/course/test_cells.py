"""Which cells a check depends on is told by names at their top level, as Python looks them up."""

from __future__ import annotations

import pytest

from fleetlab.course.cells import first_line, names, needed


@pytest.mark.parametrize(
    ("text", "bound", "used"),
    [
        ("import a.b, c as d\nfrom e import f", {"a", "d", "f"}, set()),
        ("x, y = 1, 2", set(), set()),
        ("LIMIT = 3\ndef f():\n    app = LIMIT\n    return app", {"LIMIT", "f"}, set()),
        ("def f():\n    return limit", {"f"}, {"limit"}),
        ("shop = wrap(shop)", {"shop"}, {"wrap", "shop"}),
        ("%matplotlib inline\n!ls\nprint(len(x))", set(), {"x"}),
        ("def f(:", set(), {"def", "f"}),
    ],
)
def test_a_cell_binds_and_uses(text: str, bound: set[str], used: set[str]) -> None:
    """Local names of functions are nobody's business; builtins are always there."""
    found = names(text)
    assert (set(found.bound), set(found.used)) == (bound, used)


def test_an_unused_answer_is_not_needed() -> None:
    """Two answers with the same local names, of which neither uses the other, are independent."""
    sources = ["import flask", "def a():\n    app = flask.App()", "def b():\n    app = flask.App()", "check(b)"]
    assert needed(sources, 3, {1}) == [0, 2, 3]


def test_a_name_that_is_bound_again_hides_the_first() -> None:
    """The later definition is the one that is checked."""
    assert needed(["def shop(): 1", "def shop(): 2", "check(shop)"], 2, {0, 1}) == [1, 2]


def test_a_name_that_may_be_bound_is_needed() -> None:
    """Unpacking, branches and global statements may bind a name, and unfinished code what it seems to define."""
    for text in ("shop, x = 1, 2", "if x:\n    shop = 1", "def f():\n    global shop\n    shop = 1", "def shop(:"):
        assert needed([text, "check(shop)"], 1, {0}) == [0, 1]


def test_a_cell_is_known_by_its_first_line() -> None:
    """Comments and blank lines come second, long lines are cut."""
    assert first_line("\n# why\n  shop = 1\n") == "shop = 1"
    assert first_line("# why") == "# why"
    assert first_line("x" * 70) == "x" * 59 + "…"
    assert first_line("") == ""
