"""The project around the course: one set of versions, one way to start, nothing tied to one machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from fleetlab.course import cli
from fleetlab.course.folder import NotFound, course_folder, find_lesson, lessons
from fleetlab.course.inventory import curriculum
from fleetlab.course.jupyter import CONFIG, address, command, environment, free_port

ROOT = Path(__file__).resolve().parents[1]


def text(name: str) -> str:
    """Return one file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock gives for each package (several where they differ by Python or system)."""
    found: dict[str, set[str]] = {}
    for line in text(name).splitlines():
        requirement = line.split("#")[0].split(";")[0].strip()
        if requirement:
            package, version = requirement.split("==")
            found.setdefault(package.split("[")[0], set()).add(version)
    return found


def test_each_dependency_is_locked() -> None:
    """Every package that the project asks for has an exact version in the lock."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    for wanted, lock in (
        (project["dependencies"] + extras["setup"], "requirements.lock"),
        (extras["dev"], "requirements-dev.lock"),
    ):
        names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
        assert names - pins(lock).keys() == set()


def test_developers_have_the_learners_versions() -> None:
    """The developers' lock adds tools to the learners' lock and changes nothing in it."""
    learners, developers = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: developers.get(name) for name in learners} == learners


def test_binder_has_the_lock() -> None:
    """Binder installs the lock itself, word for word."""
    assert text("binder/requirements.txt") == text("requirements.lock")


def test_conda_has_the_lock_and_binders_python() -> None:
    """The conda environment takes its packages from the lock, its Python is Binder's, and both are supported."""
    python, pip, packages = yaml.safe_load(text("environment.yml"))["dependencies"]
    assert python.replace("=", "-") == text("binder/runtime.txt").strip() == "python-3.12"
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.lock", "-e ."]}


def test_binder_stops_at_the_first_error() -> None:
    """Binder's last build step fails as a whole when one command of it fails."""
    assert re.search(r"^set -e$", text("binder/postBuild"), re.MULTILINE)


def test_no_file_names_an_index_or_a_machine() -> None:
    """No committed file names a package registry's host, another index, or a path of somebody's machine."""
    # Taken apart here, so that this file does not name them either.
    hosts = ["p" + "ypi.org", "python" + "hosted.org", "ana" + "conda.org", "registry.n" + "pmjs"]
    options = [" --index" + "-url", " --extra-index" + "-url", " --find" + "-links"]
    places = ["/work" + "/main", "/" + "root/", "file:" + "///"]
    patterns = [argument for word in hosts + options + places for argument in ("-e", word)]
    # The index, not the working copy: what a learner writes and runs is nobody's business.
    search = ["git", "grep", "--cached", "-I", "--files-with-matches", "--fixed-strings", *patterns]
    found = subprocess.run(search, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode > 1:
        pytest.skip("not a git checkout")
    assert found.stdout == ""


@pytest.mark.parametrize("name", ["setup", "start", "test", "build", "bench", "lint", "clean", "lock"])
def test_make_has_the_target(name: str) -> None:
    """Each way to use the project is a target of make, explained in its own line."""
    assert re.search(rf"^{name}:.*## \S", text("Makefile"), re.MULTILINE)


def test_ci_runs_the_tests_then_the_lint() -> None:
    """Continuous integration adds the developers' tools, runs what the README tells a person to run, then the lint."""
    steps = re.findall(r"^make (\w+)", text(".ci/run"), re.MULTILINE)
    assert steps == ["dev", "test", "lint"]
    assert "make test" in text("README.md")


def test_every_system_and_python_is_tested() -> None:
    """The workflow covers three systems and each supported Python."""
    matrix = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


def test_readme_lists_the_lessons_with_their_minutes() -> None:
    """The table names each lesson that is there, in order, with the question and the minutes of the curriculum."""
    row = r"^\| \[\w+ [^\]]+\]\(notebooks/(\w+)\.ipynb\) \| ([^|]+) \| (\d+) \|$"
    rows = re.findall(row, text("README.md"), re.MULTILINE)
    assert rows == [(entry.lesson, entry.title, str(entry.minutes)) for entry in curriculum() if entry.ready]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a course of three lessons."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    for name in ("10_transactions", "10_1_schema_migrations", "09_sessions", "scratch"):
        (tmp_path / "notebooks" / f"{name}.ipynb").touch()
    return tmp_path


def test_lessons_come_in_reading_order(course: Path) -> None:
    """Lessons are ordered by the numbers in their names; other notebooks are none."""
    assert lessons(course) == ["09_sessions", "10_transactions", "10_1_schema_migrations"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, "09_sessions"),
        ("9", "09_sessions"),
        ("09", "09_sessions"),
        ("09_sessions.ipynb", "09_sessions"),
        ("notebooks/10_transactions.ipynb", "10_transactions"),
        ("10", "10_transactions"),
        ("10_1", "10_1_schema_migrations"),
    ],
)
def test_a_lesson_is_found_by_name_or_number(course: Path, wanted: str | None, found: str) -> None:
    """A lesson answers to its name, its number and its file; the first one is the default."""
    assert find_lesson(course, wanted) == found


@pytest.mark.parametrize("wanted", ["11", "sessions", "", "scratch", "_"])
def test_an_unknown_lesson_is_answered_with_those_there_are(course: Path, wanted: str) -> None:
    """A name that no lesson has gets one sentence that lists the lessons."""
    with pytest.raises(NotFound) as told:
        find_lesson(course, wanted)
    listed = "09_sessions, 10_transactions, 10_1_schema_migrations"
    assert str(told.value) == f'There is no lesson "{wanted}"; there are: {listed}.'


def test_start_ends_with_a_sentence_for_an_unknown_lesson(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fleetlab start nowhere` starts nothing, explains itself in one line and exits with 2."""
    monkeypatch.chdir(course)
    monkeypatch.setattr("sys.argv", ["fleetlab", "start", "nowhere"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_course_is_found_from_inside(course: Path) -> None:
    """The command works in every folder of a course."""
    assert course_folder(course / "notebooks") == course.resolve()


def test_a_taken_port_is_left_alone() -> None:
    """A port that somebody listens on is answered with another one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_the_token_is_not_on_the_command_line(course: Path) -> None:
    """Other users of the machine can read a command line, so the token goes through the environment."""
    assert environment("s3cret")["JUPYTER_TOKEN"] == "s3cret"
    assert "s3cret" not in " ".join(command(course, 8888))
    assert (
        address(8888, "s3cret", "09_sessions")
        == "http://127.0.0.1:8888/lab/tree/notebooks/09_sessions.ipynb?token=s3cret"
    )


def test_a_terminal_in_jupyterlab_knows_the_command() -> None:
    """`fleetlab` is found in a terminal of JupyterLab, whether the environment is activated or not."""
    assert shutil.which("fleetlab", path=environment("")["PATH"].split(os.pathsep)[0])


def test_kernels_speak_in_secret(course: Path) -> None:
    """Code and outputs are encrypted between server and kernel: no kernel warns that they are not."""
    assert "--KernelManager.transport_encryption=auto" in command(course, 8888)


def test_jupyterlab_reads_the_courses_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab, started with our environment, has the news extension switched off."""
    from jupyterlab_server.config import get_static_page_config

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(CONFIG))
    disabled = get_static_page_config(level="all")["disabledExtensions"]
    assert disabled["@jupyterlab/apputils-extension:announcements"] is True
