"""Imports go down only: sim < world < show < exercises < course."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fleetlab

PACKAGE = Path(fleetlab.__file__).parent
FLOORS = ["sim", "world", "show", "exercises", "course"]
NOT_FOR_SIM = {"flask", "redis", "sqlalchemy", "httpx", "matplotlib", "networkx", "fakeredis", "IPython", "fsspec"}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imports(module: Path) -> set[tuple[str, ...]]:
    """Return the dotted names, split, that a module imports anywhere in it, relative ones made absolute."""
    found = set()
    package = ("fleetlab", *module.parts[:-1])
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = (*base, *(node.module.split(".") if node.module else ()))
            found |= {(*name, alias.name) for alias in node.names}
    return found


@pytest.mark.parametrize("module", [module for module in MODULES if len(module.parts) > 1], ids=str)
def test_imports_go_down_only(module: Path) -> None:
    """A module imports from its own floor and the floors below, never from above nor from the roof."""
    own = FLOORS.index(module.parts[0])
    allowed = set(FLOORS[: own + 1])
    inside = {name[1] for name in imports(module) if name[0] == "fleetlab" and len(name) > 1}
    assert inside <= allowed


@pytest.mark.parametrize("module", [module for module in MODULES if module.parts[0] == "sim"], ids=str)
def test_the_ground_floor_knows_nothing_of_web_or_stores(module: Path) -> None:
    """`sim` imports no web framework, no store, and nothing that draws."""
    assert {name[0] for name in imports(module)} & NOT_FOR_SIM == set()


def test_every_module_stands_on_a_floor() -> None:
    """Beside the floors there is only the package itself."""
    assert {module.parts[0] for module in MODULES} <= {*FLOORS, "__init__.py"}
