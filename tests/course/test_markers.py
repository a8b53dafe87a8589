"""A solution is authored once: marked regions make the solution and the stub, and a wrong marker is an error."""

from __future__ import annotations

import pytest

from fleetlab.course.markers import MarkerError, refuse, split

SOURCE = """\
def shop(env):
    before()
    # <solution>
    return build(env)  # the answer
    # </solution>
    # <stub>
    # if env:
    #     return None  # TODO
    #
    # return 1

    # </stub>
    after()"""


def test_solution_keeps_the_answer_and_lab_the_stub() -> None:
    """Each form has its own region, markers in neither; the stub loses one comment sign, and keeps its indentation."""
    solution, lab = split(SOURCE, "here")
    assert solution == "def shop(env):\n    before()\n    return build(env)  # the answer\n    after()"
    assert lab == (
        "def shop(env):\n    before()\n    if env:\n        return None  # TODO\n\n    return 1\n\n    after()"
    )


def test_cell_without_markers_is_the_same_in_both() -> None:
    """Set-up and checks are shared."""
    assert split("import x\n\nx.check(1)", "here") == ("import x\n\nx.check(1)",) * 2


def test_several_regions_may_follow_each_other() -> None:
    """A cell can have more than one gap."""
    source = "# <solution>\na\n# </solution>\nb\n# <solution>\nc\n# </solution>\n# <stub>\n# d\n# </stub>"
    assert split(source, "here") == ("a\nb\nc", "b\nd")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("a\n# <solution>\nb", "here, line 2: <solution> is never closed."),
        ("# <stub>\n# a", "here, line 1: <stub> is never closed."),
        ("a\n# </stub>", "here, line 2: </stub> closes what was never opened."),
        ("# <solution>\n# </stub>", "here, line 2: </stub> closes what was never opened."),
        ("# <solution>\n# <stub>\n# </stub>\n# </solution>", "here, line 2: <stub> inside <solution>; regions do not"),
        ("# <solution>\n# <solution>", "here, line 2: <solution> inside <solution>; regions do not nest."),
        ("x = 1  # <solution>", "here, line 1: a marker stands alone on its line, as `# <stub>`."),
        ("#<stub>", "here, line 1: a marker stands alone on its line, as `# <stub>`."),
        ("# < solution >\n# <stub> please", "here, line 2: a marker stands alone on its line, as `# <stub>`."),
        ("# <stub>\nreturn 1\n# </stub>", "here, line 2: a stub's lines are comments, as `# cart = []`."),
        ("# <stub>\n#return 1\n# </stub>", "here, line 2: a stub's lines are comments, as `# cart = []`."),
    ],
)
def test_wrong_marker_is_an_error_with_cell_and_line(source: str, sentence: str) -> None:
    """Unclosed, unopened, nested, not alone, not commented: each is one sentence."""
    with pytest.raises(MarkerError) as raised:
        split(source, "here")
    assert str(raised.value).startswith(sentence)


def test_marker_where_none_belongs_is_an_error() -> None:
    """Prose and lessons have no regions, so a marker there was put into the wrong place."""
    refuse("a plain cell\nwith a <b>tag</b>", "here")
    with pytest.raises(
        MarkerError, match=r"^here, line 2: markers belong into the code of lessons/solutions/ alone\.$"
    ):
        refuse("a\n# </solution>", "here")
