"""`fleetlab doctor`: what is wrong here."""

from __future__ import annotations

import typer

from ..doctor import WRONG, Finding, examine
from ..folder import course_folder
from .shared import Json, as_json

_MARKS = {"ok": "✓", "note": "!", "wrong": "✗"}


def doctor(json: Json = False) -> None:
    """Say what is wrong with this environment, and what to do; exit code 0 if nothing is."""
    findings = []
    for finding in examine(course_folder()):
        findings.append(finding)
        if not json:
            typer.echo(line(finding))
    healthy = all(finding.state != WRONG for finding in findings)
    if json:
        as_json({"healthy": healthy, "findings": [finding.data() for finding in findings]})
    raise typer.Exit(0 if healthy else 1)


def line(finding: Finding) -> str:
    """Return a finding as a person reads it."""
    remedy = f" {finding.remedy}" if finding.remedy else ""
    return f"{_MARKS[finding.state]} {finding.state}: {finding.sentence}{remedy}"
