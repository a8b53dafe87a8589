"""The log of an instance: what its code logs is kept with its virtual time, and disturbs nobody else's log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

from fleetlab.sim import Process
from fleetlab.sim.process import current_process

Keep = Callable[[logging.LogRecord], None]
_real = logging.Logger.callHandlers


def keep(process: Process, keeper: Keep) -> None:
    """Hand every record that `process` logs to `keeper`, whatever handlers its code installs or removes."""
    process.state(_real, lambda: keeper)


def text(record: logging.LogRecord) -> str:
    """Return the message of a record, with the error it tells of."""
    error = record.exc_info[1] if record.exc_info else None
    return f"{record.getMessage()}: {type(error).__name__}: {error}" if error else record.getMessage()


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    process = current_process()
    if process is not None and not process.alive:
        return  # it is being killed, and a thread pool notes that its worker ends
    keeper: Keep | None = process.state(_real, lambda: None) if process is not None else None
    if keeper is None:
        _real(self, record)
        return
    keeper(record)
    for handler in _handlers(self):
        if record.levelno >= handler.level:
            handler.handle(record)


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that the learner installed: Flask's own writes to the standard error of the notebook."""
    flask = sys.modules.get("flask.logging")
    while logger is not None:
        yield from (handler for handler in logger.handlers if flask is None or handler is not flask.default_handler)
        logger = logger.parent if logger.propagate else None


logging.Logger.callHandlers = _call_handlers  # type: ignore[method-assign]
