"""Clauses for locks: FOR UPDATE, NOWAIT, SKIP LOCKED. SQLite has none, so they are read and taken out."""

from __future__ import annotations

from typing import NamedTuple

from .errors import refuse
from .tokens import Token, primary_after

Parts = list[Token]


class Locking(NamedTuple):
    """What a `FOR UPDATE` asks for."""

    for_update: bool = False
    nowait: bool = False
    skip_locked: bool = False


def locking_of(parts: Parts) -> Locking:
    """Return what a query locks; FOR SHARE, which one write lock cannot stand for, is refused."""
    strength = [parts[i + 1 : i + 4] for i, part in enumerate(parts) if part.up == "FOR" and _locks(parts, i)]
    if not strength:
        return Locking()
    for words in strength:
        if words[0].up in ("SHARE", "KEY"):
            raise refuse("FOR SHARE")
    ups = [part.up for part in parts]
    return Locking(True, "NOWAIT" in ups, "SKIP" in ups and "LOCKED" in ups)


def _locks(parts: Parts, i: int) -> bool:
    return i + 1 < len(parts) and parts[i + 1].up in ("UPDATE", "NO", "SHARE", "KEY")


def without_locking(parts: Parts) -> Parts:
    """Return a query without its clauses for locks."""
    kept: Parts = []
    i = 0
    while i < len(parts):
        if parts[i].up == "FOR" and _locks(parts, i):
            i += {"NO": 4, "KEY": 3}.get(parts[i + 1].up, 2)
            if i < len(parts) and parts[i].up == "OF":
                i = primary_after(parts, i + 1)
                while i < len(parts) and parts[i].text == ",":
                    i = primary_after(parts, i + 1)
            while i < len(parts) and parts[i].up in ("NOWAIT", "SKIP", "LOCKED"):
                i += 1
        else:
            kept.append(parts[i])
            i += 1
    return kept
