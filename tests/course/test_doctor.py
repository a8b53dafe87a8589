"""`fleetlab doctor` finds what is wrong and says what to do."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleetlab.course import doctor
from fleetlab.course.cli import app
from fleetlab.course.doctor import Finding

ROOT = Path(__file__).resolve().parents[2]


def test_an_old_python_is_wrong() -> None:
    """Python 3.10 is too old, 3.11 is not."""
    assert doctor.python((3, 10, 12)).state == "wrong"
    assert doctor.python((3, 11, 0)) == Finding("python", "ok", "Python is 3.11.0.")


def test_an_old_sqlite_is_wrong() -> None:
    """An SQLite without RETURNING is too old."""
    assert doctor.sqlite("3.34.1").sentence == "SQLite is 3.34.1; the course needs 3.35.0 or newer."
    assert doctor.sqlite("3.35.0").state == "ok"


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    """Missing packages are wrong, other versions a note, and other systems' packages nobody's business."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("pytest==0.1  # via x\nnot-there==1.0\nfor-others==1.0 ; sys_platform == 'nowhere'\n# comment\n")
    missing, other = doctor.packages(lock)
    assert (missing.state, missing.sentence) == ("wrong", "Not installed: not-there.")
    assert missing.remedy.endswith(" -m pip install -r requirements.lock`.")
    assert other.state == "note"
    assert other.sentence.startswith("Not the version of requirements.lock: pytest ")


def test_this_environment_holds_the_courses_lock() -> None:
    """Every package of the course's own lock is installed."""
    assert "wrong" not in {finding.state for finding in doctor.packages(ROOT / "requirements.lock")}


def test_jupyterlab_needs_no_node() -> None:
    """JupyterLab comes with its pages."""
    assert doctor.jupyterlab().sentence.endswith("with its pages; Node.js is not needed.")


def test_a_taken_port_is_a_note() -> None:
    """A port that somebody listens on is no obstacle."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert doctor.port(port).sentence == f"Port {port} is taken; `fleetlab start` takes another one."


def test_a_folder_that_is_none_is_wrong(tmp_path: Path) -> None:
    """A file where the folder should be cannot be written into."""
    (tmp_path / "taken").touch()
    finding = doctor.writable("progress", tmp_path / "taken" / "home")
    assert finding.state == "wrong"
    assert finding.remedy == "Set FLEETLAB_HOME to a folder of yours."
    assert doctor.writable("labs", tmp_path / "new").state == "ok"


def test_servers_are_asked_only_if_they_are_named() -> None:
    """Without the variables no server is wanted; with them a silent one is wrong, and no password is told."""
    assert {finding.state for finding in doctor.servers({})} == {"ok"}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
    named = {"REDIS_URL": f"redis://:s3cret@{place}/0", "DATABASE_URL": f"postgresql+psycopg://u:s3cret@{place}/d"}
    redis, database = doctor.servers(named)
    assert redis.sentence == "REDIS_URL is set, and the server does not answer (ConnectionError)."
    assert database.sentence == "DATABASE_URL is set, and the server does not answer (OperationalError)."
    assert "s3cret" not in str((redis, database))


def test_a_kernel_of_another_python_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel specification that names an interpreter that is gone ends in a sentence with a remedy."""
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    about = {"argv": [str(tmp_path / "gone"), "-f", "{connection_file}"], "display_name": "x", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(about))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    finding = doctor.kernel(tmp_path)
    assert finding.state == "wrong"
    assert finding.sentence.startswith("No kernel starts here (")
    assert finding.remedy.endswith(" -m ipykernel install --sys-prefix`.")


def test_a_healthy_environment_exits_with_0(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here everything is well, and programs get one document."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result: Any = CliRunner().invoke(app, ["doctor", "--json"])
    data = json.loads(result.stdout)
    assert [finding for finding in data["findings"] if finding["state"] == "wrong"] == []
    assert (data["healthy"], result.exit_code) == (True, 0)
