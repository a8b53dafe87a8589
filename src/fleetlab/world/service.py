"""One call to a simple service of the world: a step, what the network does to it, and its effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fleetlab.sim import WaitQueue, step
from fleetlab.sim.trace import Record

from .network import Network

T = TypeVar("T")

TIMEOUT = 5.0
"""How long a caller waits for an answer that does not come, in virtual seconds."""

LATE = 30.0
"""How many virtual seconds a late effect comes after its call."""


def call(network: Network, to: str, what: str, key: str, access: str, effect: Callable[[], T]) -> T:
    """Take a step towards a service, then let `effect` happen there and return its result.

    `access` is "r" or "w". Raises `ConnectionError` in an outage, and `TimeoutError` in a partition, where the reply is
    lost, and where the effect comes late. Outside a task the effect happens at once.
    """
    record = step(what, (to, key, access), to=to, latency=network.latency[to])
    if record is None:
        return effect()
    state = network.state(record.who, to)
    if state == "outage":
        record.reply = "refused"
        raise ConnectionError(f"{to} refuses connections: {state}.")
    if state:
        _time_out(network, record, to, "")
    if record.fault == "late effect":
        task = network.sim.spawn(_come_late, network, to, what, effect, name=record.who, daemon=True)
        if task.process is not None:  # on its way already, it survives its sender
            del task.process.tasks[task]
            task.process = None
        _time_out(network, record, to, record.fault)
    result = _answered(record, effect)
    if record.fault:
        _time_out(network, record, to, record.fault)
    return result


def _answered(record: Record, effect: Callable[[], T]) -> T:
    try:
        result = effect()
    except OSError as error:
        record.reply = type(error).__name__
        raise
    record.reply = f"{len(result)} bytes" if isinstance(result, bytes) else result if isinstance(result, str) else ""
    return result


def _come_late(network: Network, to: str, what: str, effect: Callable[[], object]) -> None:
    WaitQueue("its late arrival").wait(LATE)
    network.sim.trace.add(network.sim.now, to, "note", f"arrives late: {what}")
    effect()


def _time_out(network: Network, record: Record, to: str, fault: str) -> None:
    """Wait for an answer in vain, and raise `TimeoutError`."""
    if fault:
        network.sim.trace.add(network.sim.now, record.who, "fault", f"{fault}: {record.what}", to=to)
    record.reply = f"{record.reply} (lost)" if record.reply else "no answer"
    WaitQueue(f"an answer of {to}").wait(TIMEOUT)
    raise TimeoutError(f"{to} did not answer within {TIMEOUT:g} s: {record.what}.")
