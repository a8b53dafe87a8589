"""Committed notebooks agree with their committed sources; what a learner does to the working copy does not count."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fleetlab.course import authoring
from fleetlab.course.authoring import BuildError, Target, build, check, export, main, notebook, targets
from fleetlab.course.committed import Committed
from fleetlab.course.markers import MarkerError

HEAD = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---
"""

LESSON = f"""{HEAD}
# A lesson

```{{code-cell}} ipython3
:tags: ["practice:s09-one"]
print("one"); print("two")
```

More text.

```{{code-cell}} ipython3
1 + 1
```
"""

SOLUTION = f"""{HEAD}
# A lab

+++ {{"tags": ["solution"]}}

Why it is so.

+++ {{"tags": ["lab"]}}

Your turn.

```{{code-cell}} ipython3
:tags: ["solution:add"]
def add(a, b):
    # <solution>
    return a + b
    # </solution>
    # <stub>
    # return None  # TODO
    # </stub>
```

```{{code-cell}} ipython3
:tags: ["exercise:add", "practice:s09-one"]
print(add(1, 2))
```
"""


def git(root: Path, *arguments: str) -> None:
    """Run git in a course, as an author does."""
    identity = ["-c", "user.name=author", "-c", "user.email=author@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def course(root: Path) -> Path:
    """Write a course of one lesson and one lab."""
    for folder, text in (("notebooks", LESSON), ("solutions", SOLUTION)):
        (root / "lessons" / folder).mkdir(parents=True)
        (root / "lessons" / folder / "09_x.md").write_text(text, "utf-8")
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course that was built once; tests copy it."""
    root = course(tmp_path_factory.mktemp("built"))
    build(root)
    return root


@pytest.fixture
def committed(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the built course, committed."""
    root = tmp_path / "course"
    shutil.copytree(built, root)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "A course")
    return root


def read(root: Path, path: str) -> Any:
    """Return a notebook as JSON."""
    return json.loads((root / path).read_text("utf-8"))


def change(root: Path, path: str, edit: Any, stage: bool = True) -> None:
    """Edit a notebook's JSON, and stage it as if it were to be committed."""
    made = read(root, path)
    edit(made)
    (root / path).write_text(json.dumps(made), "utf-8")
    if stage:
        git(root, "add", path)


# -- building


def test_sources_make_lessons_solutions_and_labs(built: Path) -> None:
    """One source in lessons/notebooks makes a lesson; one in lessons/solutions a solution and a lab."""
    assert [(target.form, target.path, target.executed) for target in targets(built)] == [
        ("lesson", "notebooks/09_x.ipynb", True),
        ("solution", "solutions/09_x.ipynb", True),
        ("lab", "labs/09_x.ipynb", False),
    ]
    assert all((built / target.path).is_file() for target in targets(built))


def test_lesson_is_executed_with_its_outputs_and_little_metadata(built: Path) -> None:
    """Outputs are kept, streams are whole, and nothing tells when or where it ran."""
    lesson = read(built, "notebooks/09_x.ipynb")
    one, two = [cell for cell in lesson["cells"] if cell["cell_type"] == "code"]
    assert one["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["one\n", "two\n"]}]
    assert two["outputs"][0]["data"] == {"text/plain": ["2"]}
    assert [one["execution_count"], two["execution_count"]] == [1, 2]
    assert (one["metadata"], two["metadata"]) == ({"tags": ["practice:s09-one"]}, {})
    assert lesson["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_solution_has_the_answer_and_lab_the_stub(built: Path) -> None:
    """Cells for one of them alone go nowhere else, and a lab has no outputs."""
    texts = {}
    for form in ("solutions", "labs"):
        cells = read(built, f"{form}/09_x.ipynb")["cells"]
        texts[form] = ["".join(cell["source"]) for cell in cells]
    assert texts["solutions"] == [
        "# A lab",
        "Why it is so.",
        "def add(a, b):\n    return a + b",
        "print(add(1, 2))",
    ]
    assert texts["labs"] == ["# A lab", "Your turn.", "def add(a, b):\n    return None  # TODO", "print(add(1, 2))"]
    lab = read(built, "labs/09_x.ipynb")
    assert [(cell["outputs"], cell["execution_count"]) for cell in lab["cells"][2:]] == [([], None)] * 2


def test_cell_ids_and_tags_are_stable(built: Path) -> None:
    """Cells are numbered in order, and tags stay with their cells in both forms."""
    for form in ("solutions", "labs"):
        cells = read(built, f"{form}/09_x.ipynb")["cells"]
        assert [cell["id"] for cell in cells] == ["cell-1", "cell-2", "cell-3", "cell-4"]
        assert cells[2]["metadata"] == {"tags": ["solution:add"]}
        assert cells[3]["metadata"] == {"tags": ["exercise:add", "practice:s09-one"]}


def test_two_builds_are_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Another folder, another run: no byte differs, and no file has a carriage return."""
    again = course(tmp_path)
    assert build(again) == ["notebooks/09_x.ipynb", "solutions/09_x.ipynb", "labs/09_x.ipynb"]
    for target in targets(built):
        assert (again / target.path).read_bytes() == (built / target.path).read_bytes()
        assert b"\r" not in (again / target.path).read_bytes()


def test_only_what_was_asked_for_is_built(tmp_path: Path) -> None:
    """A part of the name chooses."""
    assert build(course(tmp_path), only="labs/") == ["labs/09_x.ipynb"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; print(os.getcwd())", "notebooks/09_x.ipynb, cell 1: an output shows a path of this machine ("),
        ("object()", "notebooks/09_x.ipynb, cell 1: an output shows an address in memory (at 0x"),
        ("import json; print(json.__file__.replace('json', 'site-packages'))", "an output shows a path of this mach"),
        ("{}['x']", "lessons/notebooks/09_x.md: a cell fails: KeyError: 'x'"),
    ],
)
def test_outputs_of_one_machine_are_refused(tmp_path: Path, code: str, sentence: str) -> None:
    """A path, an address or an error does not get into a notebook."""
    folder = tmp_path / "lessons" / "notebooks"
    folder.mkdir(parents=True)
    (folder / "09_x.md").write_text(f"{HEAD}\n```{{code-cell}} ipython3\n{code}\n```\n", "utf-8")
    with pytest.raises(BuildError) as raised:
        build(tmp_path)
    assert sentence in str(raised.value)
    assert not (tmp_path / "notebooks" / "09_x.ipynb").exists()


@pytest.mark.parametrize(
    ("folder", "text", "sentence"),
    [
        (
            "solutions",
            "text\n\n```{code-cell} ipython3\na\n# <solution>\nb\n```\n",
            "lessons/solutions/09_x.md, cell 2, line 2: <solution> is never closed.",
        ),
        ("solutions", "# <stub>\n", "lessons/solutions/09_x.md, cell 1, line 1: markers belong into the code of"),
        (
            "notebooks",
            "```{code-cell} ipython3\na\n# <solution>\n```\n",
            "lessons/notebooks/09_x.md, cell 1, line 2: markers belong into the code of",
        ),
        (
            "solutions",
            '```{code-cell} ipython3\n:tags: ["lab"]\n# <stub>\n```\n',
            "lessons/solutions/09_x.md, cell 1, line 1: <stub> is never closed.",
        ),
    ],
)
def test_wrong_markers_are_errors_with_file_cell_and_line(folder: str, text: str, sentence: str) -> None:
    """Whatever is to be built, a marker that means nothing there ends the build, also in a cell that is left out."""
    target = Target(f"lessons/{folder}/09_x.md", "lesson" if folder == "notebooks" else "solution", "", True)
    with pytest.raises(MarkerError) as raised:
        notebook(f"{HEAD}\n{text}", target)
    assert str(raised.value).startswith(sentence)


# -- checking


def test_what_was_built_and_committed_agrees(committed: Path) -> None:
    """A fresh course has nothing to complain about, with git and without."""
    assert check(committed) == []
    (committed / ".git").rename(committed / "not git")
    assert check(committed) == []


def test_learners_changes_are_not_looked_at(committed: Path) -> None:
    """An edited lab, a lesson that was run again, a deleted solution, a notebook of one's own: all the same."""

    def solve(made: Any) -> None:
        made["cells"][2]["source"] = ["def add(a, b): return a + b"]
        made["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["3\n"]}]
        made["cells"][3]["execution_count"] = 7
        made["metadata"]["kernelspec"]["name"] = "mine"

    for path in ("labs/09_x.ipynb", "notebooks/09_x.ipynb"):
        change(committed, path, solve if "labs" in path else lambda made: made["cells"].clear(), stage=False)
    (committed / "solutions" / "09_x.ipynb").unlink()
    (committed / "lessons" / "notebooks" / "09_x.md").unlink()
    (committed / "labs" / "scratch.ipynb").write_text("not a notebook", "utf-8")
    (committed / "lessons" / "solutions" / "draft.md").write_text("# A draft", "utf-8")
    assert check(committed) == []


def first_cell(made: Any) -> None:
    made["cells"][0]["source"] = ["# Another title"]


def a_tag(made: Any) -> None:
    made["cells"][-1]["metadata"]["tags"] = ["exercise:add"]


def an_order(made: Any) -> None:
    made["cells"].reverse()


def a_cell_more(made: Any) -> None:
    made["cells"].append({**made["cells"][0], "id": "cell-5"})


def an_id(made: Any) -> None:
    made["cells"][1]["id"] = "mine"


def a_cell_that_was_not_run(made: Any) -> None:
    made["cells"][-1].update(execution_count=None, outputs=[])


def an_odd_count(made: Any) -> None:
    made["cells"][-1]["execution_count"] = 9


def a_kernel(made: Any) -> None:
    made["metadata"]["kernelspec"]["display_name"] = "mine"


def an_output(made: Any) -> None:
    made["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["3\n"]}]


@pytest.mark.parametrize(
    ("path", "edit", "complaint"),
    [
        ("notebooks/09_x.ipynb", first_cell, "notebooks/09_x.ipynb differs from lessons/notebooks/09_x.md from cell 1"),
        ("solutions/09_x.ipynb", a_tag, "solutions/09_x.ipynb differs from lessons/solutions/09_x.md from cell 4 on"),
        ("solutions/09_x.ipynb", an_order, "solutions/09_x.ipynb differs from lessons/solutions/09_x.md from cell 1"),
        ("labs/09_x.ipynb", a_cell_more, "labs/09_x.ipynb differs from lessons/solutions/09_x.md from cell 5 on"),
        ("labs/09_x.ipynb", an_id, "labs/09_x.ipynb differs from lessons/solutions/09_x.md from cell 2 on"),
        ("notebooks/09_x.ipynb", a_cell_that_was_not_run, "notebooks/09_x.ipynb: cell 4 was never run."),
        ("solutions/09_x.ipynb", an_odd_count, "solutions/09_x.ipynb was not run from top to bottom"),
        ("solutions/09_x.ipynb", a_kernel, "solutions/09_x.ipynb has metadata of its own"),
        ("labs/09_x.ipynb", an_output, "labs/09_x.ipynb: cell 4 holds outputs; labs hold none."),
    ],
)
def test_committed_difference_is_told(committed: Path, path: str, edit: Any, complaint: str) -> None:
    """What is committed must be what the source makes: cells, tags, order, ids, runs."""
    change(committed, path, edit)
    (found,) = check(committed)
    assert found.startswith(complaint)


def test_changed_source_is_told(committed: Path) -> None:
    """A source that was committed without a build is noticed, in each notebook that it makes."""
    source = committed / "lessons" / "solutions" / "09_x.md"
    source.write_text(source.read_text("utf-8").replace("# A lab", "# Another lab"), "utf-8")
    git(committed, "add", "lessons")
    assert [complaint.split(" differs")[0] for complaint in check(committed)] == [
        "solutions/09_x.ipynb",
        "labs/09_x.ipynb",
    ]


def test_missing_broken_and_orphaned_notebooks_are_told(committed: Path) -> None:
    """A notebook that is not committed, one that is none, and one without a source."""
    git(committed, "rm", "-q", "--cached", "labs/09_x.ipynb")
    (committed / "solutions" / "09_x.ipynb").write_text("{", "utf-8")
    (committed / "notebooks" / "08_y.ipynb").write_text("{}", "utf-8")
    git(committed, "add", "solutions", "notebooks")
    assert check(committed) == [
        "solutions/09_x.ipynb is no notebook: run `make build`.",
        "labs/09_x.ipynb is missing: run `make build` and commit it.",
        "notebooks/08_y.ipynb has no source in lessons/.",
    ]


# -- exporting


def test_export_is_the_committed_version(committed: Path, tmp_path: Path) -> None:
    """nbval gets lessons and solutions as they are committed, whatever lies in the working copy."""
    for path in ("notebooks/09_x.ipynb", "solutions/09_x.ipynb"):
        change(committed, path, lambda made: made["cells"].clear(), stage=False)
    names = export(tmp_path / "out", committed)
    assert [Path(name).relative_to(tmp_path / "out").as_posix() for name in names] == [
        "notebooks/09_x.ipynb",
        "solutions/09_x.ipynb",
    ]
    assert len(read(tmp_path / "out", "notebooks/09_x.ipynb")["cells"]) == 4


def test_committed_files_are_listed_by_folder(committed: Path) -> None:
    """Only a folder's own files count, and names may have spaces."""
    (committed / "notebooks" / "deeper").mkdir()
    for name in ("deeper/09_z.ipynb", "two words.ipynb"):
        (committed / "notebooks" / name).write_text("{}", "utf-8")
    git(committed, "add", "notebooks")
    index = Committed(committed)
    assert index.paths("notebooks", ".ipynb") == ["notebooks/09_x.ipynb", "notebooks/two words.ipynb"]
    assert index.text("notebooks/nowhere.ipynb") is None


# -- the command


def test_command_says_what_is_wrong_and_exits(
    committed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and a sentence where all agrees; 1 and a line for each difference otherwise."""
    monkeypatch.setattr(authoring, "check", lambda: check(committed))
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == "Every committed notebook agrees with its source.\n"
    change(committed, "labs/09_x.ipynb", an_output)
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "labs/09_x.ipynb: cell 4 holds outputs; labs hold none.\n"


def test_command_tells_a_build_error_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No stack for an author's mistake."""

    def fail(only: str) -> list[str]:
        raise MarkerError("here, line 1: <stub> is never closed.")

    monkeypatch.setattr(authoring, "build", fail)
    assert main([]) == 1
    assert capsys.readouterr().err == "here, line 1: <stub> is never closed.\n"
