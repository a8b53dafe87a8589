"""Turns the text sources in lessons/ into the notebooks that learners open, and checks that both agree."""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .markers import MarkerError, split

ROOT = Path(__file__).resolve().parents[3]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SECONDS_A_CELL = 120
Notebook = Any


class BuildError(Exception):
    """A source that cannot be built, or a notebook that does not agree with it; one sentence a line."""


@dataclass(frozen=True, slots=True)
class Target:
    """One notebook to make: which source, which form of it, where to, with outputs or without."""

    source: str
    form: str
    path: str
    executed: bool


def targets(root: Path = ROOT) -> list[Target]:
    """Return every notebook that the sources make, in a fixed order."""
    lessons = sorted((root / "lessons" / "notebooks").glob("*.md"))
    found = [Target(_name(source, root), "lesson", f"notebooks/{source.stem}.ipynb", True) for source in lessons]
    for source in sorted((root / "lessons" / "solutions").glob("*.md")):
        found.append(Target(_name(source, root), "solution", f"solutions/{source.stem}.ipynb", True))
        found.append(Target(_name(source, root), "lab", f"labs/{source.stem}.ipynb", False))
    return found


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def notebook(text: str, target: Target) -> Notebook:
    """Return the unexecuted notebook that a source's text makes for a target."""
    read = jupytext.reads(text, fmt="md:myst")
    cells: list[Any] = []
    for number, cell in enumerate(read.cells, 1):
        kept = _cell(cell, target, f"{target.source}, cell {number}")
        if kept is not None:
            kept["id"] = f"cell-{len(cells) + 1}"
            cells.append(kept)
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    return made


def _cell(cell: Any, target: Target, place: str) -> Any:
    tags = list(cell.metadata.get("tags", []))
    if ("solution" in tags and target.form == "lab") or ("lab" in tags and target.form == "solution"):
        return None
    kept = copy.deepcopy(cell)
    if cell.cell_type == "code" and target.form != "lesson":
        kept.source = split(cell.source, place)[target.form == "lab"]
    kept.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
    return kept


def execute(made: Notebook, target: Target, root: Path = ROOT) -> None:
    """Run a notebook in a clean kernel, in the folder where it will stand, and keep its outputs."""
    folder = root / Path(target.path).parent
    folder.mkdir(exist_ok=True)
    client = NotebookClient(made, timeout=SECONDS_A_CELL, kernel_name="python3", record_timing=False)
    try:
        client.execute(cwd=str(folder))
    except CellExecutionError as error:
        raise BuildError(f"{target.source}: a cell fails: {error.ename}: {error.evalue}") from None
    made.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    for cell in made.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            _check_output(str(output), target, root)


def _check_output(text: str, target: Target, root: Path) -> None:
    for trace in (str(root), str(Path.home()) + "/", "site-packages", "/tmp/ipykernel"):  # noqa: S108 - a path to look for
        if trace in text:
            raise BuildError(f"{target.path}: an output shows a path of this machine ({trace}).")


def build(root: Path = ROOT, only: str = "") -> list[str]:
    """Write every notebook whose name contains `only`; return their paths."""
    written = []
    for target in targets(root):
        if only not in target.path:
            continue
        made = notebook((root / target.source).read_text("utf-8"), target)
        if target.executed:
            execute(made, target, root)
        path = root / target.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(nbformat.writes(made) + "\n", "utf-8")
        written.append(target.path)
    return written


def committed(path: str, root: Path = ROOT) -> str | None:
    """Return a file as git's index holds it, or as it lies on the disk where there is no git; None if there is none.

    A learner's edits are not in the index, so they never make a check fail.
    """
    if (root / ".git").exists():
        shown = subprocess.run(["git", "show", f":{path}"], cwd=root, capture_output=True)  # noqa: S603, S607
        return shown.stdout.decode("utf-8").replace("\r\n", "\n") if shown.returncode == 0 else None
    file = root / path
    return file.read_text("utf-8") if file.exists() else None


def check(root: Path = ROOT) -> list[str]:
    """Return what differs between the committed notebooks and what their committed sources make."""
    complaints = []
    expected = targets(root)
    for target in expected:
        source, stored = committed(target.source, root), committed(target.path, root)
        if source is None:
            continue
        if stored is None:
            complaints.append(f"{target.path} is missing: run `make build` and commit it.")
            continue
        made, found = notebook(source, target), nbformat.reads(stored, as_version=4)
        complaints += _differences(made, found, target)
    paths = {target.path for target in expected}
    for folder in ("notebooks", "labs", "solutions"):
        for file in sorted((root / folder).glob("*.ipynb")):
            name = _name(file, root)
            if name not in paths and committed(name, root) is not None:
                complaints.append(f"{name} has no source in lessons/.")
    return complaints


def _differences(made: Notebook, found: Notebook, target: Target) -> list[str]:
    wanted, there = [_shape(cell) for cell in made.cells], [_shape(cell) for cell in found.cells]
    if wanted != there:
        pairs = enumerate(zip(wanted, there, strict=False), 1)
        first = next((n for n, (a, b) in pairs if a != b), min(len(wanted), len(there)) + 1)
        return [f"{target.path} differs from {target.source} from cell {first} on: run `make build`."]
    if not target.executed:
        return [f"{target.path} holds outputs; labs hold none." for cell in found.cells if cell.get("outputs")][:1]
    missing = [n for n, cell in enumerate(found.cells, 1) if cell.cell_type == "code" and cell.execution_count is None]
    return [f"{target.path}: cell {n} was never run." for n in missing]


def _shape(cell: Any) -> tuple[str, str, tuple[str, ...]]:
    return cell.cell_type, cell.source, tuple(cell.metadata.get("tags", []))


def export(folder: Path, root: Path = ROOT) -> list[str]:
    """Write the committed lessons and solutions into a folder, for nbval; return their names."""
    names = []
    for target in targets(root):
        text = committed(target.path, root)
        if target.executed and text is not None:
            path = folder / target.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            names.append(str(path))
    return names


def main(arguments: list[str] | None = None) -> int:
    """Build, check (`--check`) or export (`--export FOLDER`) the notebooks; return the exit code."""
    parser = argparse.ArgumentParser(prog="fleetlab build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare the committed notebooks with their sources")
    parser.add_argument("--export", type=Path, help="write the committed, executed notebooks into a folder")
    parser.add_argument("only", nargs="?", default="", help="build only notebooks whose name contains this")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            complaints = check()
            print("\n".join(complaints) or "Every committed notebook agrees with its source.")
            return 1 if complaints else 0
        print("\n".join(export(options.export) if options.export else build(only=options.only)))
    except (BuildError, MarkerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
