"""One authored solution, two notebooks: marked regions are kept for the solution or turned into the stub.

In a code cell of lessons/solutions/*.md, each marker stands alone on its line:

    def shop(env):
        # <solution>
        return build(env)          # in solutions/ only
        # </solution>
        # <stub>
        # return None  # TODO      # in labs/ only, one comment sign less
        # </stub>

A cell tagged `solution` or `lab` goes to that notebook alone.
"""

from __future__ import annotations

import re

MARKER = re.compile(r"^\s*# <(/?)(solution|stub)>\s*$")
STRAY = re.compile(r"</?(solution|stub)>")


class MarkerError(ValueError):
    """A marker that is not closed, not opened, nested, or not alone on its line."""


def split(source: str, place: str) -> tuple[str, str]:
    """Return a code cell as it stands in the solution and in the lab; `place` names the cell in errors."""
    solution: list[str] = []
    lab: list[str] = []
    region, opened = "", 0
    for number, line in enumerate(source.splitlines(), 1):
        found = MARKER.match(line)
        if found:
            region, opened = _turn(region, found[1] == "/", found[2], f"{place}, line {number}"), number
        elif STRAY.search(line):
            raise MarkerError(f"{place}, line {number}: a marker stands alone on its line, as `# <stub>`.")
        else:
            _sort(line, region, solution, lab, f"{place}, line {number}")
    if region:
        raise MarkerError(f"{place}, line {opened}: <{region}> is never closed.")
    return "\n".join(solution), "\n".join(lab)


def refuse(source: str, place: str) -> None:
    """Raise MarkerError for a marker where none belongs: in prose, and in a lesson."""
    for number, line in enumerate(source.splitlines(), 1):
        if STRAY.search(line):
            raise MarkerError(f"{place}, line {number}: markers belong into the code of lessons/solutions/ alone.")


def _turn(region: str, closes: bool, name: str, place: str) -> str:
    if closes and region != name:
        raise MarkerError(f"{place}: </{name}> closes what was never opened.")
    if not closes and region:
        raise MarkerError(f"{place}: <{name}> inside <{region}>; regions do not nest.")
    return "" if closes else name


def _sort(line: str, region: str, solution: list[str], lab: list[str], place: str) -> None:
    if region != "stub":
        solution.append(line)
    if region == "stub":
        lab.append(uncommented(line, place))
    elif region == "":
        lab.append(line)


def uncommented(line: str, place: str) -> str:
    """Return a line of a stub without its comment sign."""
    if not line.strip():
        return ""
    indent = line[: len(line) - len(line.lstrip())]
    text = line.lstrip()
    if text == "#":
        return ""
    if not text.startswith("# "):
        raise MarkerError(f"{place}: a stub's lines are comments, as `# cart = []`.")
    return indent + text[2:]
