"""Progress survives crowds, crashes and damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pantry import DATED, NOW

from fleetlab.course.home import home as home_folder
from fleetlab.course.home import replace_text
from fleetlab.course.lockfile import Busy, locked
from fleetlab.course.progress import Progress, ProgressFile, Record


@pytest.fixture
def said() -> list[str]:
    """Return what the file has told so far."""
    return []


@pytest.fixture
def file(home: Path, said: list[str]) -> ProgressFile:
    """Return a progress file with a still clock."""
    return ProgressFile(home, lambda: NOW, said.append)


def test_a_pass_is_never_taken_back(file: ProgressFile) -> None:
    """A later failure is counted and named, and the exercise stays passed."""
    file.update(lambda progress: progress.checked("09.shared_cart", ""))
    file.update(lambda progress: progress.checked("09.shared_cart", "S09-LOST-ITEM"))
    assert file.read().of("09.shared_cart") == Record(passed=True, failed="S09-LOST-ITEM", attempts=2)


def test_the_file_is_plain_and_versioned(file: ProgressFile) -> None:
    """What is stored can be read without this program."""
    file.update(lambda progress: progress.checked("09.shared_cart", "S09-LOST-ITEM").hinted("09.shared_cart", 1))
    assert json.loads(file.path.read_text("utf-8")) == {
        "version": 1,
        "last": "09.shared_cart",
        "exercises": {"09.shared_cart": {"passed": False, "failed": "S09-LOST-ITEM", "attempts": 1, "hints": 1}},
    }


WRITER = """
import sys
from fleetlab.course.progress import ProgressFile
for number in range(25):
    ProgressFile().update(lambda progress: progress.checked(f"09.{sys.argv[1]}", "").checked("09.both", ""))
"""


def test_two_notebooks_at_once_lose_nothing(file: ProgressFile) -> None:
    """Two processes that write at once both find all they wrote."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in ("left", "right")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    attempts = {key: record.attempts for key, record in file.read().exercises.items()}
    assert attempts == {"09.left": 25, "09.right": 25, "09.both": 50}


HOLDER = """
import sys
from pathlib import Path
from fleetlab.course.lockfile import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_does_not_outlive_its_holder(tmp_path: Path) -> None:
    """While its holder lives a lock is kept from others; once it is killed, nothing has to be cleaned up."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Busy), locked(path, patience=0.05):
        pass
    holder.kill()
    holder.communicate()
    with locked(path, patience=5):
        assert path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": true}',
        '{"version": 1, "exercises": []}',
        '{"version": 1, "exercises": {"09.a": {"attempts": "x"}}}',
        '{"version": 1, "exercises": {"09.a": 1}}',
        "[" * 100_000,
        "\x00\x00",
    ],
)
def test_a_damaged_file_is_set_aside(file: ProgressFile, said: list[str], damage: str) -> None:
    """Whatever stands in the file, it is kept under a dated name, said so, and progress begins anew."""
    replace_text(file.path, damage)
    file.update(lambda progress: progress.checked("09.shared_cart", ""))
    aside = file.path.with_name(f"progress.damaged-{DATED}.json")
    assert aside.read_text("utf-8") == damage
    assert said == [f"Your progress was damaged and begins anew; the damaged file is kept as {aside}."]
    assert file.read().of("09.shared_cart").passed


def test_a_second_damaged_file_does_not_replace_the_first(file: ProgressFile) -> None:
    """Two accidents within one second are two files."""
    for damage in ("one", "two"):
        replace_text(file.path, damage)
        file.read()
    kept = sorted(path.name for path in file.path.parent.glob("*damaged*"))
    assert kept == [f"progress.damaged-{DATED}-2.json", f"progress.damaged-{DATED}.json"]


def test_a_newer_file_is_left_alone(file: ProgressFile, said: list[str]) -> None:
    """What a later version wrote is neither changed nor lost, and that is said."""
    text = '{"version": 2, "stars": 5}'
    replace_text(file.path, text)
    assert file.update(lambda progress: progress.checked("09.shared_cart", "")) is None
    assert file.path.read_text("utf-8") == text
    assert said == [f"A newer version of the course (format 2) wrote {file.path}: it is left as it is."]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, said: list[str]) -> None:
    """A check goes on where progress cannot be stored."""
    (tmp_path / "taken").touch()
    file = ProgressFile(tmp_path / "taken", lambda: NOW, said.append)
    assert file.update(lambda progress: progress.checked("09.shared_cart", "")) is None
    assert len(said) == 1
    assert said[0].startswith("Your progress could not be stored (")


def test_a_crash_while_writing_leaves_the_old_file(file: ProgressFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the new file is whole the old one stands, and no half of the new one stays behind."""
    file.update(lambda progress: progress.checked("09.a", ""))
    before = file.path.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        file.update(lambda progress: progress.checked("09.b", ""))
    assert file.path.read_bytes() == before
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["progress.json", "progress.lock"]


def test_merging_twice_changes_nothing() -> None:
    """Merging keeps the best of both, as often as it is done."""
    ours = Progress({"09.a": Record(True, "", 2, 0)}, "09.a")
    theirs = Progress({"09.a": Record(False, "S09-X", 5, 1), "09.b": Record(True, "", 1, 0)}, "09.b")
    once = ours.merged(theirs)
    assert once == once.merged(theirs)
    assert once == Progress({"09.a": Record(True, "S09-X", 5, 1), "09.b": Record(True, "", 1, 0)}, "09.a")


def test_each_system_has_its_own_place() -> None:
    """FLEETLAB_HOME goes first; then each system's folder for such files."""
    assert home_folder({"FLEETLAB_HOME": os.path.join(os.sep, "x")}, "linux") == Path(os.sep, "x").absolute()
    assert home_folder({"XDG_DATA_HOME": "data"}, "linux") == Path("data", "fleetlab")
    assert home_folder({"LOCALAPPDATA": "local"}, "win32") == Path("local", "fleetlab")
    assert home_folder({}, "darwin") == Path.home() / "Library" / "Application Support" / "fleetlab"
