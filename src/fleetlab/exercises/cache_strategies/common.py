"""How long the clients and the judges of this lesson wait."""

from __future__ import annotations

TIMEOUT = 300.0
"""When a client gives up, in virtual seconds: later than any instance stands still."""
PATIENCE = 10.0
"""After how long one is said to wait for somebody who is dead or stands still, in virtual seconds."""
