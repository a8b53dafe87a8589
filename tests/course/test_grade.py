"""`fleetlab grade` makes one table of many learners' labs, and no notebook harms another one's row or the grader."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hostile
import psutil
import pytest
from pantry import ANSWERS, MYST, SET_UP, STUBS, pantry, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.folder import NotFound
from fleetlab.course.grade import fence
from fleetlab.course.grade.grading import Grader
from fleetlab.course.grade.process import Ended, Greedy, environment
from fleetlab.course.grade.process import run as run_job
from fleetlab.course.grade.skeleton import Skeleton
from fleetlab.course.grade.strict import LimitedKernel
from fleetlab.course.grade.submissions import submissions
from fleetlab.course.grade.table import HEAD, Row, as_csv, as_html

LAB = "07_pantry.ipynb"
pytestmark = pytest.mark.slow
fenced = pytest.mark.skipif(not fence.version(), reason="needs a fence for files: Linux 5.13 or newer")
linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux: /proc and orphans that are adopted")


def run(*arguments: str) -> Any:
    """Call the command."""
    return CliRunner().invoke(app, ["grade", *arguments])


def rows(folder: Path, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Grade a folder; return the rows by learner and exercise."""
    result = run(str(folder), "--json", *arguments)
    assert result.exit_code in (0, 1), result.output
    return {(row["learner"], row["exercise"]): row for row in json.loads(result.stdout)["rows"]}


@pytest.fixture(scope="module")
def neighbour() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that no notebook has to do with."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


@pytest.fixture(scope="module")
def room(
    tmp_path_factory: pytest.TempPathFactory, neighbour: subprocess.Popen[bytes]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Grade a room full of hostile notebooks once; return each learner's rows by exercise."""
    folder = tmp_path_factory.mktemp("room")
    course = folder / "course"
    store(course / "labs" / LAB, pantry())
    (course / "notebooks").mkdir()
    (course / "pyproject.toml").touch()
    source = course / "lessons" / "solutions" / "07_pantry.md"
    source.parent.mkdir(parents=True)
    source.write_text(MYST.format(set_up=SET_UP), "utf-8")
    (folder / "handed-in").mkdir()
    made = {name: hostile.notebook(name, (folder / "handed-in").as_posix(), neighbour.pid) for name in hostile.JAM}
    made |= {"edits_the_check": hostile.edited_check(), "moves_its_answer": hostile.moved_answer()}
    for name, book in {**made, "has_helpers": hostile.helper()}.items():
        store(folder / "handed-in" / name / LAB, book)
    for name, content in hostile.UNREADABLE.items():
        (folder / "handed-in" / name).mkdir()
        (folder / "handed-in" / name / LAB).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(course)
        patch.setenv("FLEETLAB_HOME", str(folder / "home"))
        limits = ("--seconds", "24", "--memory", "600", "--jobs", "4")
        found = rows(folder / "handed-in", *limits, "--table", str(folder / "grades"))
    assert not (folder / "home" / "progress.json").exists()
    assert sorted(path.name for path in (course / "labs").iterdir()) == [LAB]
    there = {path.parent.name for path in (folder / "handed-in").glob(f"*/{LAB}") if path.stat().st_size}
    assert there == {*made, "has_helpers", *hostile.UNREADABLE} - {"empty"} or not fence.version()
    return {
        learner: {exercise: row for (who, exercise), row in found.items() if who == learner} for learner, _ in found
    }


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
PASSED = (
    *("honest", "has_helpers", "moves_its_answer", "writes_progress", "leaves_a_daemon_without_a_name"),
    pytest.param("leaves_a_daemon", marks=forking),
)
FAILED = ("wrong", "prints_a_verdict", "edits_the_check")
STUB_PASSES = "The stub, which cannot pass, passes here as well"
REFUSED = {
    "prints_a_verdict_while_it_is_checked": "The check cell published 2 verdicts; a check has one.",
    "prints_a_verdict_and_dies": "The verdict «passed» and the cell's end (the kernel's death) disagree.",
    "prints_a_verdict_and_interrupts": "The verdict «passed» and the cell's end (KeyboardInterrupt) disagree.",
    "replaces_the_check": f"{STUB_PASSES}: something in the notebook changes the check.",
    "rewrites_the_check_cell": f"{STUB_PASSES}: something in the notebook changes the check.",
}
NOT_REACHED = {
    "exits": "The check was not reached: the cell «import os» ended in the kernel's death.",
    "leaves": "The check was not reached: the cell «raise SystemExit('done')» ended in SystemExit: done.",
    "never_ends": "The check was not reached: the cell «while True:» did not end within 6 s.",
    "never_ends_and_does_not_listen": "The check was not reached: the cell «while True:» did not end within 6 s.",
    "is_no_python": "The check was not reached: the cell «def jam(:» ended in SyntaxError: invalid syntax (line 1).",
}


@pytest.mark.parametrize("name", PASSED)
def test_a_right_answer_passes_whatever_is_around_it(room: Any, name: str) -> None:
    """An answer that is right passes, with helper cells, in a cell of its own, or beside processes left behind."""
    assert {exercise: row["outcome"] for exercise, row in room[name].items()} == {"jam": "passed", "tea": "passed"}


@pytest.mark.parametrize("name", FAILED)
def test_a_wrong_answer_fails_whatever_is_printed_before(room: Any, name: str) -> None:
    """A verdict that an answer cell prints counts for nothing, nor does a check cell that asks for less."""
    jam = room[name]["jam"]
    assert (jam["outcome"], jam["id"]) == ("failed", "S07-WRONG")
    assert room[name]["tea"]["outcome"] == "passed"


@pytest.mark.parametrize("name", REFUSED)
def test_a_forged_verdict_is_refused(room: Any, name: str) -> None:
    """A verdict that somebody else has made is refused, with the sign by which it was known."""
    jam = room[name]["jam"]
    assert jam["outcome"] == "refused"
    assert jam["note"].startswith(REFUSED[name])


def test_a_thread_does_not_speak_for_the_check(room: Any) -> None:
    """Verdicts that a thread prints all the time do not make a wrong answer pass, nor the next right one."""
    assert room["prints_verdicts_from_a_thread"]["jam"]["outcome"] in ("refused", "failed")


@pytest.mark.parametrize("name", NOT_REACHED)
def test_a_cell_that_ends_the_run_is_named(room: Any, name: str) -> None:
    """A cell that exits, hangs or floods costs its own exercise, or its own lab, and is named."""
    jam = room[name]["jam"]
    assert jam["outcome"] == "not reached"
    assert jam["note"].startswith(NOT_REACHED[name])


def test_a_flood_is_stopped(room: Any, tmp_path: Path) -> None:
    """A cell that prints without end ends the kernel, long before its time; none of its exercises passes."""
    with LimitedKernel(tmp_path, 60) as kernel:
        ran = kernel.run(hostile.JAM["floods"], 60)
        assert kernel.lost
    assert ran.error == "more than 10 MB of output"
    assert {row["outcome"] for row in room["floods"].values()} <= {"not reached", "passed"}
    assert room["floods"]["jam"]["outcome"] == "not reached"


@pytest.mark.parametrize("name", ["leaves", "never_ends", "is_no_python", "asks"])
def test_the_next_exercise_is_judged_all_the_same(room: Any, name: str) -> None:
    """What breaks one answer cell and leaves the kernel alive costs one exercise."""
    assert room[name]["tea"]["outcome"] == "passed"


@linux
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wants_everything", "ended in MemoryError"),
        ("wants_more_and_more", "The notebook took more than 600 MB of memory."),
        ("starts_many", "The notebook started more than 100 processes."),
        ("kills_the_grader", "The process that graded it died: something in the notebook ended it."),
    ],
)
def test_a_greedy_notebook_is_ended(room: Any, name: str, sentence: str) -> None:
    """Memory and processes have a limit, and a notebook that ends its grader has no verdict."""
    assert room[name]["jam"]["outcome"] == "not reached"
    assert sentence in room[name]["jam"]["note"]


@fenced
def test_a_notebook_writes_in_its_own_home_only(room: Any) -> None:
    """What others have handed in is still there (the fixture has looked), and nobody else signs the table."""
    assert room["wipes_the_room"]["jam"]["outcome"] == "passed"
    assert room["signs_the_table"]["jam"]["outcome"] == "not reached"
    assert "ended in PermissionError" in room["signs_the_table"]["jam"]["note"]


@pytest.mark.skipif(fence.version() < 6, reason="needs a fence for signals: Linux 6.12 or newer")
def test_a_notebook_ends_nobody_else(room: Any, neighbour: subprocess.Popen[bytes]) -> None:
    """A process outside of the lab cannot be ended from inside."""
    assert "ended in PermissionError" in room["ends_a_neighbour"]["jam"]["note"]
    assert neighbour.poll() is None


@linux
def test_nobody_answers_for_the_grader(room: Any) -> None:
    """A line that a notebook writes into the grader's own output is no answer; it never passes by it."""
    assert room["answers_for_the_grader"]["jam"]["outcome"] in ("passed", "not reached")
    assert room["answers_for_the_grader"]["tea"]["outcome"] == room["answers_for_the_grader"]["jam"]["outcome"]


@linux
def test_nothing_is_left_running(room: Any) -> None:
    """Processes that a notebook has detached are gone with it, those without our mark too."""
    deadline = time.monotonic() + 180  # another worker of pytest may be grading a room of its own
    while _left() and time.monotonic() < deadline:
        time.sleep(1)
    assert _left() == []


def _left() -> list[str]:
    """Return what runs that a graded notebook has started: each of them would sleep for 600 s, or carries our mark."""
    running = [(one, " ".join(_command(one))) for one in psutil.process_iter()]
    return [words for one, words in running if ("sleep" in words and "600" in words) or _marked(one)]


def _marked(process: psutil.Process) -> bool:
    return "FLEETLAB_GRADE" in _environment(process)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.pid != os.getpid() else {}
    except (psutil.Error, OSError):
        return {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "it is not JSON"),
        ("merge_conflict", "it is not JSON"),
        ("not_text", "it is not text"),
        ("not_a_notebook", "it is not a notebook"),
        ("odd_cells", "it is not a notebook"),
        ("deep", "it is not JSON"),
    ],
)
def test_an_unreadable_notebook_has_its_rows(room: Any, name: str, reason: str) -> None:
    """What is no notebook costs its own rows, with the reason."""
    assert {row["outcome"] for row in room[name].values()} == {"not reached"}
    assert room[name]["tea"]["note"] == f"The notebook cannot be read: {reason}."


def test_half_a_character_does_not_stop_the_table(room: Any) -> None:
    """A notebook can hold text that no file can; it is answered, and the others' rows are written."""
    assert room["half_a_character"]["tea"]["outcome"] != "passed"


def test_what_a_person_should_look_at_is_noted(room: Any) -> None:
    """An edited check cell, and names that no answer needs, are in the note of their own exercise."""
    assert room["edits_the_check"]["jam"]["note"].endswith("The check cell was changed; the course's own was run.")
    assert "Worth a look: _exit, fork." in room["leaves_a_daemon"]["jam"]["note"]
    assert room["leaves_a_daemon"]["tea"]["note"] == ""
    assert room["honest"]["jam"]["note"] == room["has_helpers"]["jam"]["note"] == ""


def test_a_stopped_grading_ends_what_runs(course: Path, tmp_path: Path) -> None:
    """Ctrl-C does not wait for a lab that never ends: its processes are gone, and the reason is told."""
    stop = threading.Event()
    threading.Timer(3, stop.set).start()
    skeleton = Skeleton(course, "07_pantry")
    job = {"course": str(course), "lab": "07_pantry", "notebook": hostile.notebook("never_ends"), "seconds": 400}
    began = time.monotonic()
    with pytest.raises(Ended, match=r"^Grading was stopped\.$"):
        run_job({**job, "controls": skeleton.controls(), "memory": 600}, stop)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("harm", "outcome"), [(Greedy("It took all."), "passed"), (Ended("It died."), "not reached")])
def test_who_ran_beside_a_greedy_one_is_graded_again(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Ended, outcome: str
) -> None:
    """A lab that went wrong while another one took all that there is has a second try, alone; no other has one."""
    store(tmp_path / "in" / "ada" / LAB, pantry(ANSWERS))
    store(tmp_path / "in" / "mallory" / LAB, pantry({**ANSWERS, "jam": "take_all = 1"}))
    both, harmed, tries = threading.Barrier(2), threading.Event(), []

    def run_beside(job: dict[str, Any], stop: threading.Event) -> list[dict[str, Any]]:
        greedy = "take_all = 1" in str(job["notebook"])
        tries.append(greedy)
        if tries.count(greedy) == 1:
            both.wait(30)
        if greedy:
            raise harm
        harmed.wait(30)
        return [{"exercise": "07.jam", "outcome": "passed" if tries.count(False) == 2 else "not reached"}]

    def tell(rows: list[Row]) -> None:
        if rows[0].learner == "mallory":
            harmed.set()

    monkeypatch.setattr("fleetlab.course.grade.grading.run", run_beside)
    graded = Grader(course).grade(submissions(tmp_path / "in", ["07_pantry"]), 2, tell)
    assert (graded[0].learner, graded[0].outcome) == ("ada", outcome)
    assert {row.outcome for row in graded if row.learner == "mallory"} == {"not reached"}
    assert tries.count(True) == 1


# -- what is handed in


def handed_in(folder: Path, *places: str) -> Path:
    """Write right answers to these places."""
    for place in places:
        store(folder / place, pantry(ANSWERS))
    return folder


def found(folder: Path, *wanted: str) -> list[tuple[str, str, str]]:
    """Return learner, lab and place of each submission."""
    return [
        (one.learner, one.lab, one.path.relative_to(folder).as_posix() if one.path else "")
        for one in submissions(folder, ["07_pantry", "08_cellar"], wanted)
    ]


def test_the_usual_shapes_are_found(tmp_path: Path) -> None:
    """Labs are found flat, by assignment as nbgrader has them, as Moodle names them, and in a whole course."""
    folder = handed_in(
        tmp_path,
        f"ada/{LAB}",
        f"bob/pantry/{LAB}",
        f"Cem Öz_4711_assignsubmission_file_/{LAB}",
        f"dot/break-the-fleet/labs/{LAB}",
        f"dot/break-the-fleet/solutions/{LAB}",
        f"dot/break-the-fleet/labs/.ipynb_checkpoints/{LAB}",
        f"__MACOSX/{LAB}",
    )
    assert found(folder) == [
        ("Cem Öz_4711", "07_pantry", f"Cem Öz_4711_assignsubmission_file_/{LAB}"),
        ("ada", "07_pantry", f"ada/{LAB}"),
        ("bob", "07_pantry", f"bob/pantry/{LAB}"),
        ("dot", "07_pantry", f"dot/break-the-fleet/labs/{LAB}"),
    ]


def test_who_hands_in_nothing_has_a_row(tmp_path: Path) -> None:
    """A learner without a lab is listed, with the lab that was asked for if one was."""
    folder = handed_in(tmp_path, f"ada/{LAB}")
    (folder / "bob").mkdir()
    assert found(folder)[1] == ("bob", "", "")
    assert found(folder, "08_cellar") == [("ada", "08_cellar", ""), ("bob", "08_cellar", "")]


def test_the_newest_of_several_counts(tmp_path: Path) -> None:
    """Of two files of one name the one saved last is graded, and the row says so."""
    folder = handed_in(tmp_path, f"ada/{LAB}", f"ada/again/{LAB}")
    os.utime(folder / "ada" / LAB, (1, 1))
    (one,) = submissions(folder, ["07_pantry"])
    assert one.remark == f"2 files of this name; graded is the newest, again/{LAB}."


def test_a_link_is_no_submission(tmp_path: Path) -> None:
    """A link may point to somebody else's answers, so it is not followed."""
    folder = handed_in(tmp_path, f"ada/{LAB}", "bob/note.txt")
    try:
        (folder / "bob" / LAB).symlink_to(folder / "ada" / LAB)
        (folder / "cem").symlink_to(folder / "ada")
    except OSError:
        pytest.skip("this system makes no links")
    assert found(folder) == [("ada", "07_pantry", f"ada/{LAB}"), ("bob", "", "")]


@pytest.mark.parametrize(
    ("name", "sentence"), [("nowhere", "There is no folder"), ("", "holds no folder of a learner")]
)
def test_a_folder_without_learners_is_a_sentence(course: Path, tmp_path: Path, name: str, sentence: str) -> None:
    """A wrong folder is answered in one sentence and exit code 2."""
    folder = tmp_path / "empty"
    folder.mkdir()
    result = run(str(folder / name))
    assert result.exit_code == 2
    assert sentence in result.stderr
    with pytest.raises(NotFound):
        submissions(folder / name, [])


# -- the table


def test_the_table_is_written_twice(course: Path, tmp_path: Path) -> None:
    """The table is there as CSV and as HTML with the same rows, and an older one is kept."""
    folder = handed_in(tmp_path / "in", f"ada/{LAB}")
    store(folder / "bob" / LAB, pantry(STUBS))
    (tmp_path / "marks.csv").write_text("my own remarks")
    result = run(str(folder), "--table", str(tmp_path / "marks"), "--jobs", "2")
    assert result.exit_code == 0
    assert "2 learners; 2 of 4 exercises passed." in result.stdout
    with (tmp_path / "marks.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == list(HEAD)
    assert [line[:6] for line in table[1:]] == [
        ["ada", "07_pantry", "jam", "passed", "", "3"],
        ["ada", "07_pantry", "tea", "passed", "", "3"],
        ["bob", "07_pantry", "jam", "failed", "S07-WRONG", "3"],
        ["bob", "07_pantry", "tea", "failed", "S07-WRONG", "3"],
    ]
    assert (tmp_path / "marks.html").read_text("utf-8").count("<tr") == 5
    assert [path.read_text() for path in tmp_path.glob("marks.kept-*.csv")] == ["my own remarks"]


def test_names_are_text_and_nothing_else() -> None:
    """What a learner can choose is no formula in a spreadsheet, and no markup on the page."""
    row = Row("=cmd()", "07_pantry", "jam", "failed", "", 1, 0.1, "<script>alert('x')</script> \ud800")
    assert as_csv([row]).splitlines()[1].startswith("'=cmd(),")

    seen = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attributes: Any) -> None:
            seen.append(tag)

    page = as_html([row])
    Tags().feed(page)
    assert "td" in seen
    assert "script" not in seen
    assert page.encode("utf-8")


def test_no_learner_steers_the_terminal(course: Path, tmp_path: Path) -> None:
    """A name or an error message with control characters shows them, on the screen and in the table."""
    name = "mallory\x1b[2J"
    store(tmp_path / "in" / name / LAB, pantry({**ANSWERS, "jam": "raise ValueError('\\x1b]0;all passed\\x07')"}))
    told = run(str(tmp_path / "in"), "--table", str(tmp_path / "grades")).stdout
    table = "".join((tmp_path / f"grades.{ending}").read_text("utf-8") for ending in ("csv", "html"))
    assert "\x1b" not in told + table
    assert r"mallory\x1b[2J" in told
    assert r"ended in ValueError: \x1b]0;all passed\x07" in told
    assert table.count(r"mallory\x1b[2J") == 4


def test_a_lab_sees_no_secret_of_ours(tmp_path: Path) -> None:
    """The environment of a graded lab holds where programs are and a home of its own, and no more of ours."""
    ours = {"PATH": "/bin", "API_TOKEN": "s3cret", "HOME": "/home/teacher", "FLEETLAB_HOME": "/home/teacher/f"}
    seen = environment(str(tmp_path), "mark", ours)
    assert seen["PATH"] == "/bin"
    assert seen["HOME"] == str(tmp_path)
    assert not {"s3cret", "/home/teacher", "/home/teacher/f"} & set(seen.values())


def test_only_answers_reach_the_courses_lab(course: Path) -> None:
    """What is run is the course's lab: a learner's set-up is added to, and prose and check cells stay ours."""
    skeleton = Skeleton(course, "07_pantry")
    cells = ["".join(cell["source"]) for cell in skeleton.filled(hostile.edited_check())["cells"]]
    assert 'check("jam", jam, "mud")' not in cells
    assert cells.count('check("jam", jam, "jam")') == 1
    assert hostile.JAM["wrong"] in cells


def test_a_lab_of_the_real_course_is_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The introduction's solution passes with its schedules counted, and its stub fails with its id."""
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    for learner, shelf in (("ada", "solutions"), ("bob", "labs")):
        book = json.loads((root / shelf / "01_introduction.ipynb").read_text("utf-8"))
        store(tmp_path / learner / "01_introduction.ipynb", book)
    graded = rows(tmp_path, "--lab", "1", "--table", str(tmp_path / "grades"))
    ada, bob = graded["ada", "counter"], graded["bob", "counter"]
    assert (ada["outcome"], ada["note"]) == ("passed", "")
    assert ada["schedules"] > 10
    assert bob["outcome"] == "failed"
    assert bob["id"].startswith("S01-")
