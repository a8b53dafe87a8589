"""Turns the text sources in lessons/ into the notebooks that learners open, and checks that both agree."""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .committed import Committed, Unreadable
from .markers import MarkerError, refuse, split

ROOT = Path(__file__).resolve().parents[3]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SECONDS_A_CELL = 120
FOLDERS = ("notebooks", "labs", "solutions")
Notebook = Any
_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")


class BuildError(Exception):
    """A source that cannot be built; one sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    """One notebook to make: which source, which form of it, where to, with outputs or without."""

    source: str
    form: str
    path: str
    executed: bool


def targets(root: Path = ROOT) -> list[Target]:
    """Return every notebook that the sources on the disk make, in a fixed order."""
    paths = [path.relative_to(root).as_posix() for path in (root / "lessons").glob("*/*.md")]
    return list(_targets(sorted(paths)))


def _targets(sources: Iterable[str]) -> Iterator[Target]:
    for source in sources:
        stem = Path(source).stem
        if source.startswith("lessons/notebooks/"):
            yield Target(source, "lesson", f"notebooks/{stem}.ipynb", True)
        elif source.startswith("lessons/solutions/"):
            yield Target(source, "solution", f"solutions/{stem}.ipynb", True)
            yield Target(source, "lab", f"labs/{stem}.ipynb", False)


# -- making a notebook


def notebook(text: str, target: Target) -> Notebook:
    """Return the unexecuted notebook that a source's text makes for a target; raises MarkerError."""
    cells: list[Any] = []
    for number, cell in enumerate(jupytext.reads(text, fmt="md:myst").cells, 1):
        kept = _cell(cell, target, f"{target.source}, cell {number}")
        if kept is not None:
            kept["id"] = f"cell-{len(cells) + 1}"
            cells.append(kept)
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata = _metadata()
    return made


def _metadata() -> Any:
    return nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})


def _cell(cell: Any, target: Target, place: str) -> Any:
    tags = list(cell.metadata.get("tags", []))
    kept = copy.deepcopy(cell)
    if cell.cell_type == "code" and target.form != "lesson":
        kept.source = split(cell.source, place)[target.form == "lab"]
    else:
        refuse(cell.source, place)
    if ("solution" in tags and target.form == "lab") or ("lab" in tags and target.form == "solution"):
        return None
    kept.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
    return kept


def execute(made: Notebook, target: Target, root: Path = ROOT) -> None:
    """Run a notebook in a clean kernel, in the folder where it will stand, and keep its outputs."""
    folder = root / Path(target.path).parent
    folder.mkdir(exist_ok=True)
    client = NotebookClient(
        made, timeout=SECONDS_A_CELL, kernel_name="python3", record_timing=False, coalesce_streams=True
    )
    try:
        client.execute(cwd=str(folder))
    except CellExecutionError as error:
        raise BuildError(f"{target.source}: a cell fails: {error.ename}: {error.evalue}") from None
    made.metadata = _metadata()
    for number, cell in enumerate(made.cells, 1):
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            _check_output(output, f"{target.path}, cell {number}", root)


def _check_output(output: Any, place: str, root: Path) -> None:
    """Refuse an output that would be another one on another machine."""
    own = (str(root), f"{Path.home()}/", "site-packages", "/tmp/ipykernel")  # noqa: S108 - a path to look for
    for text in _texts(output):
        for trace in own:
            if trace in text:
                raise BuildError(f"{place}: an output shows a path of this machine ({trace}).")
        if _ADDRESS.search(text):
            raise BuildError(f"{place}: an output shows an address in memory ({_ADDRESS.findall(text)[0].strip()}).")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text inside an output."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def build(root: Path = ROOT, only: str = "") -> list[str]:
    """Write every notebook whose name contains `only`; return their paths."""
    written = []
    for target in targets(root):
        if only in target.path:
            made = notebook((root / target.source).read_text("utf-8"), target)
            if target.executed:
                execute(made, target, root)
            write(root / target.path, nbformat.writes(made) + "\n")
            written.append(target.path)
    return written


def write(path: Path, text: str) -> None:
    """Write a file with the same bytes on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", newline="\n")


# -- comparing and exporting what is committed


def committed(path: str, root: Path = ROOT) -> str | None:
    """Return a file as git's index holds it, or as it lies on the disk where there is no git; None if there is none."""
    return Committed(root).text(path)


def check(root: Path = ROOT) -> list[str]:
    """Return what differs between the committed notebooks and what their committed sources make."""
    index = Committed(root)
    expected = list(_targets([*index.paths("lessons/notebooks", ".md"), *index.paths("lessons/solutions", ".md")]))
    complaints = [complaint for target in expected for complaint in _compared(target, index)]
    paths = {target.path for target in expected}
    found = [path for folder in FOLDERS for path in index.paths(folder, ".ipynb")]
    return complaints + [f"{path} has no source in lessons/." for path in found if path not in paths]


def _compared(target: Target, index: Committed) -> list[str]:
    source, stored = index.text(target.source), index.text(target.path)
    if stored is None:
        return [f"{target.path} is missing: run `make build` and commit it."]
    try:
        found = nbformat.reads(stored, as_version=4)
    except (ValueError, nbformat.ValidationError):
        return [f"{target.path} is no notebook: run `make build`."]
    return _differences(notebook(source or "", target), found, target)


def _differences(made: Notebook, found: Notebook, target: Target) -> list[str]:
    wanted, there = [_shape(cell) for cell in made.cells], [_shape(cell) for cell in found.cells]
    if wanted != there:
        pairs = enumerate(zip(wanted, there, strict=False), 1)
        first = next((n for n, (a, b) in pairs if a != b), min(len(wanted), len(there)) + 1)
        return [f"{target.path} differs from {target.source} from cell {first} on: run `make build`."]
    if made.metadata != found.metadata:
        return [f"{target.path} has metadata of its own: run `make build`."]
    return list(_run_badly(found, target))


def _run_badly(found: Notebook, target: Target) -> Iterator[str]:
    """Yield what is wrong with a notebook's outputs: none where there should be, or some where there should not."""
    code = [(n, cell) for n, cell in enumerate(found.cells, 1) if cell.cell_type == "code" and cell.source.strip()]
    if not target.executed:
        kept = [n for n, cell in code if cell.get("outputs") or cell.execution_count is not None]
        yield from [f"{target.path}: cell {n} holds outputs; labs hold none." for n in kept[:1]]
        return
    missing = [n for n, cell in code if cell.execution_count is None]
    yield from [f"{target.path}: cell {n} was never run." for n in missing]
    if not missing and [cell.execution_count for _, cell in code] != list(range(1, len(code) + 1)):
        yield f"{target.path} was not run from top to bottom: run `make build`."


def _shape(cell: Any) -> tuple[str, str, str, dict[str, Any]]:
    return cell.cell_type, cell.source, cell.get("id", ""), dict(cell.metadata)


def export(folder: Path, root: Path = ROOT) -> list[str]:
    """Write the committed lessons and solutions into a folder, for nbval; return their names."""
    index, names = Committed(root), []
    for path in [*index.paths("notebooks", ".ipynb"), *index.paths("solutions", ".ipynb")]:
        write(folder / path, index.text(path) or "")
        names.append(str(folder / path))
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
    except (BuildError, MarkerError, Unreadable) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
