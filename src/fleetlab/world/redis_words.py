"""Redis commands as a trace shows them: readable text, the key they touch, the reply in short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fleetlab.sim.trace import Touches

LIMIT = 60
"""The longest text of a command or a reply, in characters."""

BATCH_LIMIT = 120
"""The longest text of a pipeline, in characters."""

ALL = "*"
"""The key that stands for every key of a store: it conflicts with all."""

_READS = """
    get strlen getrange substr getbit bitcount bitpos ttl pttl expiretime pexpiretime type dump
    hget hmget hgetall hlen hkeys hvals hexists hstrlen hscan hrandfield httl hpttl hexpiretime hpexpiretime
    lrange llen lindex lpos smembers sismember smismember scard srandmember sscan
    zscore zmscore zrank zrevrank zcard zcount zlexcount zrange zrangebyscore zrangebylex zrevrange zrevrangebyscore
    zrevrangebylex zscan zrandmember xlen xrange xrevrange xpending geopos geodist geohash geosearch
""".split()
_WRITES = """
    set setnx setex psetex getset getdel getex append incr incrby incrbyfloat decr decrby setrange setbit bitfield
    expire pexpire expireat pexpireat persist restore hset hsetnx hmset hdel hincrby hincrbyfloat hexpire hpexpire
    hexpireat hpexpireat hpersist lpush rpush lpushx rpushx lpop rpop lrem lset ltrim linsert sadd srem spop
    zadd zincrby zrem zpopmin zpopmax zremrangebyrank zremrangebyscore zremrangebylex
    xadd xdel xtrim xack xclaim xautoclaim pfadd geoadd
""".split()
_SUBCOMMANDS = {"xinfo stream": "r", "xinfo groups": "r", "xinfo consumers": "r"}
_SUBCOMMANDS |= {f"xgroup {name}": "w" for name in ("create", "createconsumer", "delconsumer", "destroy", "setid")}

# Name to mode and to the slice of its arguments that holds keys. What is not here, scripts and pub/sub among it,
# counts as a write to every key.
_TABLE: dict[str, tuple[str, slice]] = {
    **dict.fromkeys(_READS, ("r", slice(1, 2))),
    **dict.fromkeys(_WRITES, ("w", slice(1, 2))),
    **{name: (mode, slice(1, 2)) for name, mode in _SUBCOMMANDS.items()},
    **dict.fromkeys(("mget", "exists", "watch"), ("r", slice(1, None))),
    **dict.fromkeys(("del", "unlink"), ("w", slice(1, None))),
    **dict.fromkeys(("blpop", "brpop", "bzpopmin", "bzpopmax"), ("w", slice(1, -1))),
}
_TABLE |= {name.upper(): row for name, row in _TABLE.items()}
_SCRIPTED = frozenset({"EVAL", "EVALSHA", "SCRIPT LOAD"})
_STREAM_READS = {"XREAD": "r", "XREADGROUP": "w"}


def touches(resource: str, args: Sequence[Any]) -> Touches:
    """Return `(resource, key, "r" or "w")` for one command; several keys or unknown ones count as all."""
    row = _TABLE.get(args[0])
    if row is None:
        return _touches_streams(resource, args)
    mode, where = row
    keys = args[where]
    return (resource, _key(keys[0]) if len(keys) == 1 else ALL, mode)


def _touches_streams(resource: str, args: Sequence[Any]) -> Touches:
    mode = _STREAM_READS.get(args[0])
    names = [_key(arg).upper() for arg in args] if mode else []
    if mode and "STREAMS" in names and len(names) - names.index("STREAMS") == 3:
        return (resource, _key(args[-2]), mode)
    return (resource, ALL, "w")


def touches_of_batch(resource: str, batch: Iterable[Sequence[Any]], watched: Iterable[bytes]) -> Touches:
    """Return what a pipeline touches: one key if it is one, keys watched by its connection included."""
    every = [touches(resource, args) for args in batch if args[0] not in ("MULTI", "EXEC")]
    keys = {one[1] for one in every if one} | {_key(key) for key in watched}
    mode = "w" if any(one[2] == "w" for one in every if one) else "r"
    return (resource, keys.pop() if len(keys) == 1 else ALL, mode)


def command_text(args: Sequence[Any]) -> str:
    """Return one command as a person would type it, shortened to `LIMIT` characters."""
    try:
        text = " ".join(args)
    except TypeError:
        text = " ".join([arg if arg.__class__ is str else _word(arg) for arg in args])
    if args[0] in _SCRIPTED:
        text = " ".join([args[0], *map(_script, args[1:2]), *map(_word, args[2:])])
    return shorten(" ".join(text.split())) if len(text) > LIMIT or "\n" in text else text


def batch_text(batch: Sequence[Sequence[Any]]) -> str:
    """Return a pipeline as its commands, separated by semicolons; the middle of a long one is counted."""
    texts = [command_text(args) for args in batch]
    last = texts.pop() if texts[-1] == "EXEC" else ""
    shown = texts
    while len(shown) > 2 and len("; ".join(shown)) > BATCH_LIMIT:
        shown = shown[:-1]
    if len(shown) < len(texts):
        shown = [*shown, f"{len(texts) - len(shown)} more"]
    return "; ".join([*shown, last] if last else shown)


def reply_text(reply: Any) -> str:
    """Return a server's reply in short: `OK`, `1`, `(nil)`, `[a, b]`."""
    return shorten(_reply(reply))


def _reply(reply: Any) -> str:
    if reply is None:
        return "(nil)"
    if isinstance(reply, list):
        return f"[{', '.join(map(_reply, reply))}]"
    if isinstance(reply, dict):
        return f"{{{', '.join(f'{_reply(key)}: {_reply(value)}' for key, value in reply.items())}}}"
    return _word(reply)


def shorten(text: str, limit: int = LIMIT) -> str:
    """Return `text`, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _script(arg: Any) -> str:
    # enough of a script, or of its digest, to tell it from others
    text = " ".join(_word(arg).split())
    return shorten(text, 30 if " " in text else 9)


def _word(arg: Any) -> str:
    return arg.decode("utf-8", "replace") if isinstance(arg, bytes) else str(arg)


_key = _word
