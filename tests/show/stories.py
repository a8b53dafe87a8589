"""Traces to draw, written by hand."""

from __future__ import annotations

import linecache
from typing import Any

from fleetlab.sim.trace import Trace

CELL = "<a cell of these tests>"
SOURCE = ["\n"] * 6 + ["cart = load(r.get(key))\n", "cart.append(item)\n", "r.set(key, dump(cart))\n"]


def build(lanes: dict[str, str], events: list[dict[str, Any]]) -> Trace:
    """Return a trace of `events`, given as the fields of each; `line` is a line number of the cell."""
    linecache.cache[CELL] = (1, None, SOURCE, CELL)
    trace = Trace()
    for name, kind in lanes.items():
        trace.lane(name, kind)
    for fields in events:
        number, reply = fields.pop("line", 0), fields.pop("reply", "")
        record = trace.add(**{"what": "", **fields})
        record.reply = reply
        if number:
            record.code, record.number = compile("0", CELL, "exec"), number
    return trace


LANES = {"ada": "client", "shop-1": "instance", "shop-2": "instance", "redis": "store"}


def event(time: float, who: str, kind: str, what: str = "", to: str = "", **more: Any) -> dict[str, Any]:
    """Return the fields of one event."""
    return {"time": time, "who": who, "kind": kind, "what": what, "to": to, **more}


def cart(broken: bool) -> Trace:
    """Return two tabs that fill one cart, with or without losing the tea."""
    get = event(0.0014, "shop-2", "call", "GET cart:ada", "redis", reply="[]", line=7)
    set_ = event(0.0022, "shop-1", "call", 'SET cart:ada ["tea"]', "redis", reply="OK", line=9)
    late = {**get, "time": 0.0023, "reply": '["tea"]'}
    both = "milk" if broken else 'tea", "milk'
    return build(
        LANES,
        [
            event(0, "ada", "request", "POST /cart/tea", "shop-1"),
            event(0.0002, "ada", "request", "POST /cart/milk", "shop-2"),
            event(0.0011, "shop-1", "call", "GET cart:ada", "redis", reply="[]", line=7),
            *([get, set_] if broken else [set_, late]),
            event(0.0029, "shop-2", "call", f'SET cart:ada ["{both}"]', "redis", reply="OK", line=9),
            event(0.004, "shop-1", "response", '200 ["tea"]', "ada"),
            event(0.0041, "shop-2", "response", f'200 ["{both}"]', "ada"),
        ],
    )
