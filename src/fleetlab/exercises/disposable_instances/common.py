"""What the scenarios of this lesson share: patience, and who waited for somebody dead."""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World

from .. import wording
from ..asking import NOBODY
from ..history import History

TIMEOUT, PATIENCE = 3.0, 2.0
"""When a client gives up, and after how long one is said to wait for somebody dead, in virtual seconds."""

CUT_OFF = (0, *NOBODY)
"""How a request ends that met a dead instance, or nobody: no answer, or one of the balancer's own."""


def stalled(world: World) -> bool:
    """Tell whether somebody waited for an instance that is dead: all is lost, and the scenario need not go on."""
    return any(request.seconds >= PATIENCE for request in world.sent)


def blocked(history: History) -> str | None:
    """Return who waited for an instance that is dead, if anybody did."""
    for request in history.sent:
        if request.seconds >= PATIENCE:
            end = "" if request.ok else ", in vain"
            waited = f"{request.client.title()} waited {request.seconds:.0f} s for {request.method} {request.path}{end}"
            return f"{waited}: an instance is dead."
    return None


def listed(values: list[Any]) -> str:
    """Return values as `1, 2 and 3`; as `nothing` where there are none."""
    return wording.listed([str(value) for value in values]) or "nothing"
