"""Answers to 11_3.keys: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from flask import Flask, jsonify
from sqlalchemy import text

LIFE = 600
SELECT = text("SELECT total FROM pages WHERE user_name = :user AND page = :page")


def draw(env: Any, user: str, page: str) -> dict[str, Any]:
    """Draw a page as this release does; the lab's own function."""
    with env.database.connect() as db:
        total = db.execute(SELECT, {"user": user, "page": page}).scalar_one()
    return {"total": f"{total} EUR"} if env.vars["FORMAT"] == "1" else {"total": {"amount": total, "currency": "EUR"}}


def serve(get: Callable[[str, str], Any], drop: Callable[[str], Any]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.get("/pages/<user>/<page>")
    def show(user: str, page: str) -> Any:
        return get(user, page)

    @app.delete("/pages/<user>")
    def forget(user: str) -> Any:
        drop(user)
        return {}

    return app


def simply(env: Any, key: Callable[[str, str], str], drop: Callable[[str], Any], life: int | None = LIFE) -> Flask:
    """Return an app that keeps each page under one key, with one command."""

    def get(user: str, page: str) -> Any:
        kept = env.redis.get(key(user, page))
        if kept is None:
            kept = json.dumps(draw(env, user, page))
            env.redis.set(key(user, page), kept, ex=life)
        return json.loads(kept)

    return serve(get, drop)


def delete_matching(env: Any, pattern: str) -> None:
    """Delete the keys that match a pattern."""
    for key in env.redis.scan_iter(pattern):
        env.redis.delete(key)


def own(env: Any, user: str, page: str) -> str:
    """Return a key without a fault: format, user and page, each made harmless."""
    return f"page:{quote(user, safe='')}:{env.vars['FORMAT']}:{quote(page, safe='')}"


def stub(env: Any) -> Flask:
    """Names are simply put together, and a pattern finds them again."""
    app = Flask("shop")

    @app.get("/pages/<user>/<page>")
    def show(user, page):
        key = f"{user}{page}"
        kept = env.redis.get(key)
        if kept is None:
            kept = json.dumps(draw(env, user, page))
            env.redis.set(key, kept, ex=600)
        return json.loads(kept)

    @app.delete("/pages/<user>")
    def drop(user):
        for key in env.redis.scan_iter(f"{user}*"):
            env.redis.delete(key)
        return {}

    return app


# -- wrong


def colon_between(env: Any) -> Flask:
    """Who puts a colon between, and has users with colons."""
    return simply(env, lambda user, page: f"page:{user}:{page}", lambda user: delete_matching(env, f"page:{user}:*"))


def prefix_of_others(env: Any) -> Flask:
    """Who quotes the names and forgets the separator in the pattern: ann's includes anna's."""

    def drop(user: str) -> None:
        delete_matching(env, f"page:{quote(user, safe='')}*")

    return simply(env, lambda user, page: own(env, user, page), drop)


def pattern_of_a_user(env: Any) -> Flask:
    """Who quotes the names in the key and not in the pattern: the user an* is a pattern."""

    def drop(user: str) -> None:
        delete_matching(env, f"page:{user}:*")

    def key(user: str, page: str) -> str:
        return f"page:{quote(user, safe='*')}:{env.vars['FORMAT']}:{quote(page, safe='')}"

    return simply(env, key, drop)


def pattern_in_quotes(env: Any) -> Flask:
    """Who puts the names into quotes: a star between quotes is still a pattern."""
    return simply(
        env,
        lambda user, page: f"page:{user!r}:{env.vars['FORMAT']}:{page!r}",
        lambda user: delete_matching(env, f"page:{user!r}:*"),
    )


def signs_replaced(env: Any) -> Flask:
    """Who writes an underscore for whatever may do harm: ann:a and ann_a are one user now."""

    def plain(name: str) -> str:
        return "".join(sign if sign.isalnum() else "_" for sign in name)

    return simply(
        env,
        lambda user, page: f"page:{plain(user)}:{env.vars['FORMAT']}:{quote(page, safe='')}",
        lambda user: delete_matching(env, f"page:{plain(user)}:*"),
    )


def digest_of_both(env: Any) -> Flask:
    """Who takes a digest of user and page, written one after the other: what looked alike is the same."""

    def get(user: str, page: str) -> Any:
        key = "page:" + sha256(f"{env.vars['FORMAT']}{user}{page}".encode()).hexdigest()
        tag = f"tag:{quote(user, safe='')}"
        kept = env.redis.get(key)
        if kept is None:
            kept = json.dumps(draw(env, user, page))
            transaction(env)(key, tag, kept)
        return json.loads(kept)

    return serve(get, lambda user: env.redis.delete(*env.redis.smembers(f"tag:{quote(user, safe='')}"), "tag:none"))


def builtin_hash(env: Any) -> Flask:
    """Who makes names harmless by hash(): Python salts it in each process, so each instance has keys of its own."""
    return simply(
        env,
        lambda user, page: f"page:{hash(user)}:{env.vars['FORMAT']}:{hash(page)}",
        lambda user: delete_matching(env, f"page:{hash(user)}:*"),
    )


def text_of_text(env: Any) -> Flask:
    """Who answers the kept text through jsonify: the first answer is a page, every later one a string."""

    def get(user: str, page: str) -> Any:
        kept = env.redis.get(own(env, user, page))
        if kept is not None:
            return jsonify(kept)
        drawn = draw(env, user, page)
        env.redis.set(own(env, user, page), json.dumps(drawn), ex=LIFE)
        return drawn

    return serve(get, lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"))


def in_memory(env: Any) -> Flask:
    """Who keeps the pages in memory: the other instance draws them again."""
    kept: dict[tuple[str, str], Any] = {}

    def get(user: str, page: str) -> Any:
        return kept.setdefault((user, page), draw(env, user, page)) if (user, page) not in kept else kept[user, page]

    def drop(user: str) -> None:
        for key in [key for key in kept if key[0] == user]:
            del kept[key]

    return serve(get, drop)


def never_kept(env: Any) -> Flask:
    """Who draws every page each time (an over-fix)."""
    return serve(lambda user, page: draw(env, user, page), lambda user: None)


def flushes(env: Any) -> Flask:
    """Who empties the database of Redis in place of a user's pages: the sessions were in it too (an over-fix)."""
    return simply(env, lambda user, page: own(env, user, page), lambda user: env.redis.flushdb())


def all_pages(env: Any) -> Flask:
    """Who drops the pages of all users (an over-fix)."""
    return simply(env, lambda user, page: own(env, user, page), lambda user: delete_matching(env, "page:*"))


def flushall_at_deploy(env: Any) -> Flask:
    """Who empties Redis when a new format starts, as the deploy script did on one machine."""
    if env.vars["FORMAT"] == "2":
        env.redis.flushall()
    return simply(
        env,
        lambda user, page: f"page:{quote(user, safe='')}:{quote(page, safe='')}",
        lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"),
    )


def clears_pages_at_deploy(env: Any) -> Flask:
    """Who is careful, and has the new release remove only pages: the old instances lose all of theirs."""
    if env.vars["FORMAT"] == "2":
        delete_matching(env, "page:*")
    return scanned(env)


def one_key_for_both(env: Any) -> Flask:
    """Who forgets that for some minutes two formats are read."""
    return simply(
        env,
        lambda user, page: f"page:{quote(user, safe='')}:{quote(page, safe='')}",
        lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"),
    )


def format_in_the_entry(env: Any) -> Flask:
    """Who writes the format into the entry and takes another one for a miss: both releases overwrite each other."""
    mine = env.vars["FORMAT"]

    def get(user: str, page: str) -> Any:
        key = f"page:{quote(user, safe='')}:{quote(page, safe='')}"
        kept = json.loads(env.redis.get(key) or "[0, 0]")
        if kept[0] != mine:
            kept = [mine, draw(env, user, page)]
            env.redis.set(key, json.dumps(kept), ex=LIFE)
        return kept[1]

    return serve(get, lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"))


def drops_its_own_format(env: Any) -> Flask:
    """Who puts the format first, and drops only what this release has kept."""
    place = f"page:{env.vars['FORMAT']}"
    return simply(
        env,
        lambda user, page: f"{place}:{quote(user, safe='')}:{quote(page, safe='')}",
        lambda user: delete_matching(env, f"{place}:{quote(user, safe='')}:*"),
    )


def no_end(env: Any) -> Flask:
    """Who leaves the end out, for pages are dropped when they change: this one was changed by hand."""
    return simply(
        env,
        lambda user, page: own(env, user, page),
        lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"),
        life=None,
    )


def tagged(env: Any, keep: Callable[[str, str, str], Any], drop: Callable[[str], Any] | None = None) -> Flask:
    """Return an app with a tag set a user; `keep(key, tag, value)` writes both."""

    def tag(user: str) -> str:
        return f"tag:{quote(user, safe='')}"

    def get(user: str, page: str) -> Any:
        key = own(env, user, page)
        kept = env.redis.get(key)
        if kept is None:
            kept = json.dumps(draw(env, user, page))
            keep(key, tag(user), kept)
        return json.loads(kept)

    def remove(user: str) -> None:
        members = list(env.redis.smembers(tag(user)))
        if members:
            with env.redis.pipeline() as pipe:
                pipe.delete(*members)
                pipe.srem(tag(user), *members)
                pipe.execute()

    return serve(get, remove if drop is None else lambda user: drop(tag(user)))


def transaction(env: Any, tag_life: int | None = LIFE) -> Callable[[str, str, str], None]:
    """Return a `keep` that writes entry and tag in one MULTI."""

    def keep(key: str, tag: str, value: str) -> None:
        with env.redis.pipeline() as pipe:
            pipe.set(key, value, ex=LIFE)
            pipe.sadd(tag, key)
            if tag_life:
                pipe.expire(tag, tag_life)
            pipe.execute()

    return keep


def tag_without_end(env: Any) -> Flask:
    """Who gives the entries an end and the set of their keys none: it is there for ever."""
    return tagged(env, transaction(env, tag_life=None))


def tag_after_entry(env: Any) -> Flask:
    """Who writes the entry, then its tag: an entry whose writer died between the two is found by nobody."""

    def keep(key: str, tag: str, value: str) -> None:
        env.redis.set(key, value, ex=LIFE)
        with env.redis.pipeline() as pipe:
            pipe.sadd(tag, key).expire(tag, LIFE).execute()

    return tagged(env, keep)


def tag_before_entry(env: Any) -> Flask:
    """Who has thought of that and writes the tag first: the pages are dropped between, and the entry comes after."""

    def keep(key: str, tag: str, value: str) -> None:
        with env.redis.pipeline() as pipe:
            pipe.sadd(tag, key).expire(tag, LIFE).execute()
        env.redis.set(key, value, ex=LIFE)

    return tagged(env, keep)


def tag_deleted_whole(env: Any) -> Flask:
    """Who reads the set and then deletes it whole, with what was added meanwhile."""

    def drop(tag: str) -> None:
        members = env.redis.smembers(tag)
        env.redis.delete(tag, *members)

    return tagged(env, transaction(env), drop)


def end_after_tag(env: Any) -> Flask:
    """Who sets the end of the tag in a command of its own: a death before it, and the tag is there for ever."""

    def keep(key: str, tag: str, value: str) -> None:
        with env.redis.pipeline() as pipe:
            pipe.set(key, value, ex=LIFE).sadd(tag, key).execute()
        env.redis.expire(tag, LIFE)

    return tagged(env, keep)


def hash_pushed_on(env: Any) -> Flask:
    """Who keeps a user's pages in one hash, and pushes its end on with each: the oldest page lives as long as any."""
    return hashed(env, lambda pipe, key: pipe.expire(key, LIFE))


def tag_ends_with_the_first(env: Any) -> Flask:
    """Who sets the tag's end once, as for a hash: entries that were kept later outlive their tag."""

    def keep(key: str, tag: str, value: str) -> None:
        with env.redis.pipeline() as pipe:
            pipe.set(key, value, ex=LIFE).sadd(tag, key).expire(tag, LIFE, nx=True).execute()

    return tagged(env, keep)


def tag_a_format(env: Any) -> Flask:
    """Who has a tag for each format, and drops that of this release."""

    def keep(key: str, tag: str, value: str) -> None:
        transaction(env)(key, f"{tag}:{env.vars['FORMAT']}", value)

    def drop(tag: str) -> None:
        place = f"{tag}:{env.vars['FORMAT']}"
        members = list(env.redis.smembers(place))
        if members:
            env.redis.pipeline().delete(*members).srem(place, *members).execute()

    return tagged(env, keep, drop)


def number_that_ends(env: Any) -> Flask:
    """Who lets the number end: it begins at 0 again, and the next drop makes it 1, which it was before."""

    def place(user: str) -> str:
        return f"number:{quote(user, safe='')}"

    def key(user: str, page: str) -> str:
        number = env.redis.get(place(user)) or "0"
        return f"page:{quote(user, safe='')}:{number}:{env.vars['FORMAT']}:{quote(page, safe='')}"

    return simply(env, key, lambda user: env.redis.pipeline().incr(place(user)).expire(place(user), LIFE).execute())


def pages_known_here(env: Any) -> Flask:
    """Who remembers in memory which pages there are: those that the other instance has kept are not among them."""
    seen: dict[str, set[str]] = {}

    def key(user: str, page: str) -> str:
        seen.setdefault(user, set()).add(page)
        return own(env, user, page)

    def drop(user: str) -> None:
        for page in sorted(seen.get(user, ())):
            place = f"page:{quote(user, safe='')}"
            env.redis.delete(*[f"{place}:{number}:{quote(page, safe='')}" for number in (1, 2)])

    return simply(env, key, drop)


def number_for_ever(env: Any) -> Flask:
    """Who counts up a number that is part of each key, and keeps the number of every user for ever."""

    def number(user: str) -> str:
        return env.redis.get(f"number:{quote(user, safe='')}") or "0"

    def key(user: str, page: str) -> str:
        return f"page:{quote(user, safe='')}:{number(user)}:{env.vars['FORMAT']}:{quote(page, safe='')}"

    return simply(env, key, lambda user: env.redis.incr(f"number:{quote(user, safe='')}"))


# -- right


def tag_set(env: Any) -> Flask:
    """A tag set a user, written with the entry in one MULTI; what was read from it is dropped, and nothing else."""
    return tagged(env, transaction(env))


def tag_set_in_lua(env: Any) -> Flask:
    """Reading the set and dropping it in one script."""
    script = env.redis.register_script(
        "for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('DEL', key) end redis.call('DEL', KEYS[1])"
    )
    return tagged(env, transaction(env), lambda tag: script(keys=[tag]))


def scanned(env: Any) -> Flask:
    """Names made harmless, and a pattern with its separator: right, and it walks through all keys of Redis."""
    return simply(
        env,
        lambda user, page: own(env, user, page),
        lambda user: delete_matching(env, f"page:{quote(user, safe='')}:*"),
    )


def hashed(env: Any, end: Callable[[Any, str], Any]) -> Flask:
    """Return an app with one hash a user, one field a format and page."""

    def place(user: str) -> str:
        return f"pages:{quote(user, safe='')}"

    def get(user: str, page: str) -> Any:
        field = f"{env.vars['FORMAT']}:{page}"
        kept = env.redis.hget(place(user), field)
        if kept is None:
            kept = json.dumps(draw(env, user, page))
            with env.redis.pipeline() as pipe:
                pipe.hset(place(user), field, kept)
                end(pipe, place(user))
                pipe.execute()
        return json.loads(kept)

    return serve(get, lambda user: env.redis.delete(place(user)))


def one_hash_a_user(env: Any) -> Flask:
    """One hash a user that ends ten minutes after its first page, with all of them: one DEL drops it."""
    return hashed(env, lambda pipe, key: pipe.expire(key, LIFE, nx=True))


def random_number(env: Any) -> Flask:
    """A random part of each key that lives longer than any entry; to drop is to draw another."""

    def place(user: str) -> str:
        return f"part:{quote(user, safe='')}"

    def key(user: str, page: str) -> str:
        env.redis.set(place(user), secrets.token_hex(8), nx=True, ex=LIFE)
        part = env.redis.get(place(user))
        return f"page:{quote(user, safe='')}:{part}:{env.vars['FORMAT']}:{quote(page, safe='')}"

    return simply(env, key, lambda user: env.redis.delete(place(user)))


def data_not_page(env: Any) -> Flask:
    """Keeps the number and not the page: each release draws its own from it, so there is one format to keep."""

    def total(user: str, page: str) -> int:
        with env.database.connect() as db:
            found: int = db.execute(SELECT, {"user": user, "page": page}).scalar_one()
        return found

    def get(user: str, page: str) -> Any:
        place, field = f"totals:{json.dumps(user)}", json.dumps(page)
        kept = env.redis.hget(place, field)
        if kept is None:
            kept = total(user, page)
            with env.redis.pipeline() as pipe:
                pipe.hset(place, field, kept).expire(place, LIFE, nx=True).execute()
        euros = int(kept)
        return {"total": f"{euros} EUR"} if env.vars["FORMAT"] == "1" else {"total": {"amount": euros}}

    return serve(get, lambda user: env.redis.delete(f"totals:{json.dumps(user)}"))


def length_before(env: Any) -> Flask:
    """The user's length stands before the user, so that no name runs into the next part; the pattern is escaped."""

    def escaped(name: str) -> str:
        return re.sub(r"([\\*?\[\]^-])", r"\\\1", name)

    return simply(
        env,
        lambda user, page: f"page:{len(user)}:{user}:{env.vars['FORMAT']}:{page}",
        lambda user: delete_matching(env, f"page:{len(user)}:{escaped(user)}:*"),
    )


def base64_names(env: Any) -> Flask:
    """Names in base 64, whose letters are no signs of a pattern."""

    def plain(name: str) -> str:
        return urlsafe_b64encode(name.encode()).decode()

    return simply(
        env,
        lambda user, page: f"{plain(user)}.{env.vars['FORMAT']}.{plain(page)}",
        lambda user: delete_matching(env, f"{plain(user)}.*"),
    )


def dropped_at(env: Any) -> Flask:
    """An entry says when it was drawn, and a key a user since when entries count."""

    def place(user: str) -> str:
        return f"since:{quote(user, safe='')}"

    def get(user: str, page: str) -> Any:
        entry, since = env.redis.mget(own(env, user, page), place(user))
        kept = json.loads(entry or "[0, 0]")
        if kept[0] <= float(since or 0):
            kept = [time.time(), draw(env, user, page)]
            env.redis.set(own(env, user, page), json.dumps(kept), ex=LIFE)
        return kept[1]

    return serve(get, lambda user: env.redis.set(place(user), time.time(), ex=LIFE))


STUB = (stub, "S11_3-MIXED-UP")

WRONG = {
    "colon_between": (colon_between, "S11_3-MIXED-UP"),
    "signs_replaced": (signs_replaced, "S11_3-MIXED-UP"),
    "digest_of_both": (digest_of_both, "S11_3-MIXED-UP"),
    "pattern_in_quotes": (pattern_in_quotes, "S11_3-FORGOT-OTHERS"),
    "builtin_hash": (builtin_hash, "S11_3-NOT-KEPT"),
    "tag_ends_with_the_first": (tag_ends_with_the_first, "S11_3-SURVIVED"),
    "tag_a_format": (tag_a_format, "S11_3-SURVIVED"),
    "number_that_ends": (number_that_ends, "S11_3-SURVIVED"),
    "pages_known_here": (pages_known_here, "S11_3-SURVIVED"),
    "prefix_of_others": (prefix_of_others, "S11_3-FORGOT-OTHERS"),
    "pattern_of_a_user": (pattern_of_a_user, "S11_3-FORGOT-OTHERS"),
    "all_pages": (all_pages, "S11_3-FORGOT-OTHERS"),
    "text_of_text": (text_of_text, "S11_3-CONTRACT"),
    "in_memory": (in_memory, "S11_3-NOT-KEPT"),
    "never_kept": (never_kept, "S11_3-NOT-KEPT"),
    "flushes": (flushes, "S11_3-FLUSHED"),
    "flushall_at_deploy": (flushall_at_deploy, "S11_3-FLUSHED"),
    "clears_pages_at_deploy": (clears_pages_at_deploy, "S11_3-REBUILT"),
    "one_key_for_both": (one_key_for_both, "S11_3-WRONG-FORMAT"),
    "format_in_the_entry": (format_in_the_entry, "S11_3-REBUILT"),
    "drops_its_own_format": (drops_its_own_format, "S11_3-SURVIVED"),
    "no_end": (no_end, "S11_3-TOO-OLD"),
    "hash_pushed_on": (hash_pushed_on, "S11_3-TOO-OLD"),
    "tag_without_end": (tag_without_end, "S11_3-LEAK"),
    "end_after_tag": (end_after_tag, "S11_3-LEAK"),
    "number_for_ever": (number_for_ever, "S11_3-LEAK"),
    "tag_after_entry": (tag_after_entry, "S11_3-SURVIVED"),
    "tag_before_entry": (tag_before_entry, "S11_3-SURVIVED"),
    "tag_deleted_whole": (tag_deleted_whole, "S11_3-SURVIVED"),
}

RIGHT = {
    "tag_set": tag_set,
    "tag_set_in_lua": tag_set_in_lua,
    "scanned": scanned,
    "one_hash_a_user": one_hash_a_user,
    "random_number": random_number,
    "data_not_page": data_not_page,
    "length_before": length_before,
    "base64_names": base64_names,
    "dropped_at": dropped_at,
}

REPLAYED = "tag_before_entry"
