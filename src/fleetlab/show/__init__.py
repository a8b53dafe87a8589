"""Pictures, text and widgets for traces and worlds: diagrams, comparisons, charts, predictions, consoles, scrubbers."""

from __future__ import annotations

from fleetlab.sim.trace import Trace

from . import charts, lanes
from .compare import Comparison, compare
from .console import console
from .predict import predict, reveal
from .recorder import recorded
from .scrubber import scrubber
from .sliders import explore
from .topology import Fleet, topology

__all__ = [
    "Comparison",
    "Fleet",
    "charts",
    "compare",
    "console",
    "explore",
    "lanes",
    "predict",
    "recorded",
    "reveal",
    "scrubber",
    "topology",
]

# From here on a trace draws itself; `sim` knows nothing of pictures.
Trace.renderer = staticmethod(lanes.html)
