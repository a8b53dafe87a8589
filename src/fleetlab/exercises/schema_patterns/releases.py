"""What expand_contract is handed: releases, each a migration and a version of the app, in the order of deployment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..answer import app_factory
from .common import first_version

MOST = 8
"""How many releases an answer may have: each is tried at every step, forward and back."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release: `change`, what stands in its revision's upgrade(), or None, runs before `app` is rolled out.

    `label` is the version of its instances: two releases may have the same app.
    """

    number: int
    name: str
    label: str
    app: Callable[[Any], Any]
    change: Callable[[], Any] | None = None

    def __str__(self) -> str:
        return f"{self.name} (release {self.number})" if self.number else self.name


def releases(answer: Any) -> list[Release]:
    """Return the version in service, as number 0, and the releases that an answer makes of it."""
    found = [Release(0, "v1", "v1", first_version)]
    for number, (change, app) in enumerate(answer, 1):
        name = getattr(app, "__name__", "app")
        again = any(release.name == name for release in found)
        found.append(Release(number, name, f"{name}.{number}" if again else name, app, change))
    return found


def pairs(answer: Any) -> str:
    """Say what keeps an answer from being a list of releases: pairs of a migration, or None, and an app factory."""
    wanted = "hand over a list of releases in their order, as in [(expand, v2), (migrate, v3)]."
    if not isinstance(answer, list | tuple):
        return f"check() got no list: {wanted}"
    if not 1 <= len(answer) <= MOST:
        return f"check() got {len(answer)} releases; between 1 and {MOST} can be tried: {wanted}"
    for number, release in enumerate(answer, 1):
        if not isinstance(release, list | tuple) or len(release) != 2:
            return f"Release {number} is no pair of a migration and an app factory: {wanted}"
        complaint = _migration(release[0]) or app_factory(release[1]).replace("check() got", "it has")
        if complaint:
            return f"Release {number} cannot be deployed: {complaint}"
    return ""


def _migration(change: Any) -> str:
    """Say what keeps something from being a migration: None, or a function without parameters."""
    if change is None:
        return ""
    if not callable(change) or inspect.isclass(change):
        return "its migration is a function without parameters, the body of upgrade(), or None where there is none."
    try:
        inspect.signature(change).bind()
    except TypeError:
        return f"{getattr(change, '__name__', 'its migration')}() must take no parameter: `op` is there by import."
    except ValueError:
        return ""
    return ""
