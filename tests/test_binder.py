"""What Binder makes of binder/: the same versions as everywhere, in a bare environment, and a lesson that runs there.

repo2docker is asked which steps it would take; its steps are then taken here, without its engine.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the build pack that repo2docker takes for this repository."""
    app = pytest.importorskip("repo2docker.app", reason="needs repo2docker: `make dev` brings it")
    monkeypatch.chdir(ROOT)
    makers = app.Repo2Docker().buildpacks
    packs = [make(*["image"] * ("base_image" in inspect.signature(make).parameters)) for make in makers]
    return next(found for found in packs if found.detect())


def test_binder_builds_from_its_folder(pack: Any) -> None:
    """repo2docker takes the folder binder/, not environment.yml, and sees a Python 3.12 with the locked packages."""
    assert type(pack).__name__ == "PythonBuildPack"
    assert pack.binder_dir == "binder"
    assert pack.python_version == "3.12"
    assert not pack.binder_path("environment.yml").startswith("environment")
    commands = [command for _, command in (*pack.get_preassemble_scripts(), *pack.get_assemble_scripts())]
    assert commands == ['${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"']
    assert pack.get_post_build_scripts() == ["binder/postBuild"]


def test_binder_may_run_its_last_step() -> None:
    """The last build step is executable in git: repo2docker starts it as a program."""
    listed = subprocess.run(["git", "ls-files", "-s", "binder/postBuild"], cwd=ROOT, capture_output=True, text=True)
    if not listed.stdout:
        pytest.skip("not a git checkout")
    assert listed.stdout.startswith("100755 ")


def test_binders_link_opens_a_lesson() -> None:
    """The link in the README leads to a notebook that is there, in JupyterLab."""
    (opened,) = re.findall(r"https://mybinder\.org/v2/gh/\S+?/HEAD\?urlpath=lab/tree/([^`\s]+)", README)
    assert (ROOT / opened).is_file()


def interpreter(version: str) -> str:
    """Return a Python of Binder's version if there is one that starts, else our own."""
    found = shutil.which(f"python{version}")
    starts = found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
    return found if found and starts else sys.executable


def bare(environment: Path, home: Path) -> dict[str, str]:
    """Return the variables of an image in which nothing but this environment is there; bytecode is left for later."""
    ours = ("PYTHON", "VIRTUAL_ENV", "JUPYTER", "IPYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept["PATH"] = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    pip = {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    kept["JUPYTER_DATA_DIR"] = str(home / "jupyter")  # which notebooks are trusted is noted there
    return {**kept, **pip, "KERNEL_PYTHON_PREFIX": str(environment), "FLEETLAB_HOME": str(home / "progress")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Binder is Linux")
@pytest.mark.skipif(not os.environ.get("CI"), reason="takes minutes and a package index: set CI=1 to build it")
def test_lesson_runs_where_binder_would_run_it(pack: Any, tmp_path: Path) -> None:
    """In a bare environment, after repo2docker's own steps, lesson 09 prints what is committed."""
    repository, environment = tmp_path / "repository", tmp_path / "environment"
    copied = subprocess.run(["git", "checkout-index", "--all", f"--prefix={repository}/"], cwd=ROOT)
    if copied.returncode:
        pytest.skip("not a git checkout")
    subprocess.run([interpreter(pack.python_version), "-m", "venv", str(environment)], check=True)
    variables = bare(environment, tmp_path)

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", command], cwd=repository, env=variables, capture_output=True, text=True)

    if shell("pip --timeout 5 --retries 0 index versions greenlet").returncode:
        pytest.skip("no package index can be reached from here")
    steps = [command for _, command in (*pack.get_preassemble_scripts(), *pack.get_assemble_scripts())]
    for step in [*steps, *pack.get_post_build_scripts(), "pip check", "jupyter execute notebooks/09_sessions.ipynb"]:
        done = shell(step)
        assert done.returncode == 0, f"{step}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
