"""Pictures and text for traces: space-time diagrams, comparisons, topologies, charts."""

from __future__ import annotations

from fleetlab.sim.trace import Trace

from . import charts, lanes
from .compare import Comparison, compare
from .topology import Fleet, topology

__all__ = ["Comparison", "Fleet", "charts", "compare", "lanes", "topology"]

# From here on a trace draws itself; `sim` knows nothing of pictures.
Trace.renderer = staticmethod(lanes.html)
