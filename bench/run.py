"""Speed as ratios in one run, never in seconds: `make bench` prints a table and writes bench/results.json."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

import answer_cases
import cases
import course_cases
import explore_cases
from measure import NotHere


def main() -> None:
    """Run the cases whose name contains the argument, print them and keep them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="")
    options = parser.parse_args()
    table = Table("what", "measured", "reach", "")
    results = []
    for name, reach, case in [*cases.CASES, *explore_cases.CASES, *answer_cases.CASES, *course_cases.CASES]:
        if options.only not in name:
            continue
        try:
            value, unit = case()
        except NotHere as missing:
            table.add_row(name, str(missing), reach, "-")
            continue
        held = value >= float(reach[2:].split()[0]) if reach.startswith(">=") else value <= float(reach[2:].split()[0])
        results.append({"what": name, "value": round(value, 3), "unit": unit, "reach": reach, "held": held})
        table.add_row(name, f"{value:.2f} {unit}", reach, "ok" if held else "SHORT")
    Console(width=150).print(table)
    python = platform.python_version()
    path = Path(__file__).parent / "results.json"
    path.write_text(json.dumps({"python": python, "results": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
