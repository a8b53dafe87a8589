"""Answers to 09.log_out_everywhere: the stub, what people really write, and what is right."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
import redis
from flask import Flask, abort, request

ACCESS = 15 * 60
REFRESH = DAY = 24 * 60 * 60
LEEWAY = 60

Claims = dict[str, Any]


def read(env: Any, token: str, use: str) -> Claims:
    """Return the claims of a valid token; raises jwt.PyJWTError."""
    options = {"require": ["exp", "sub"]}
    return jwt.decode(token, env.vars["JWT_KEY"], algorithms=["HS256"], audience=use, leeway=LEEWAY, options=options)


def make(env: Any, use: str, **claims: Any) -> str:
    """Return a token: an access token for 15 minutes, a refresh token for a day."""
    now = time.time()
    life = ACCESS if use == "access" else REFRESH
    return jwt.encode({"iat": now, **claims, "aud": use, "exp": int(now) + life}, env.vars["JWT_KEY"], "HS256")


def serve(
    env: Any,
    log_in: Callable[[str], Claims],
    is_good: Callable[[Claims], bool],
    log_out: Callable[[Claims], Any],
    renew: Callable[[Claims], Claims] = lambda claims: {name: claims[name] for name in claims if name != "iat"},
    routes: Callable[[str, Claims], bool] = lambda path, claims: False,
    unreachable: Any = redis.RedisError,
) -> Flask:
    """Return an app with the routes of the contract, given what a token says and when it is good.

    `routes(path, claims)` tells where `is_good` is not asked.
    """
    app = Flask("shop")

    def checked(use: str, token: str) -> Claims:
        try:
            claims = read(env, token, use)
        except jwt.PyJWTError:
            abort(401)
        try:
            if not routes(request.path, claims) and not is_good(claims):
                abort(401)
        except unreachable:
            abort(503)
        return claims

    def bearer() -> Claims:
        return checked("access", request.headers.get("authorization", "").removeprefix("Bearer "))

    @app.post("/login")
    def login() -> Any:
        claims = {"sub": request.json["user"], **log_in(request.json["user"])}
        return {use: make(env, use, **claims) for use in ("access", "refresh")}

    @app.get("/me")
    @app.get("/orders")
    def page() -> Any:
        return {"user": bearer()["sub"]}

    @app.post("/refresh")
    def refresh() -> Any:
        return {"access": make(env, "access", **renew(checked("refresh", request.json["refresh"])))}

    @app.post("/logout-everywhere")
    def logout() -> Any:
        log_out(bearer())
        return {}

    return app


def stub(env: Any) -> Flask:
    """Tokens that are valid by themselves, and a logout that changes nothing."""
    app = Flask("site")

    def make(use, seconds, **claims):
        claims = {**claims, "aud": use, "exp": int(time.time()) + seconds}
        return jwt.encode(claims, env.vars["JWT_KEY"], algorithm="HS256")

    def read(use, token):
        try:
            claims = jwt.decode(token, env.vars["JWT_KEY"], algorithms=["HS256"], audience=use, leeway=60)
        except jwt.PyJWTError:
            abort(401)
        return claims

    def bearer():
        return read("access", request.headers["Authorization"].removeprefix("Bearer "))

    @app.post("/login")
    def login():
        user = request.json["user"]
        mine = {"sub": user}
        return {"access": make("access", 15 * 60, **mine), "refresh": make("refresh", DAY, **mine)}

    @app.get("/me")
    @app.get("/orders")
    def page():
        return {"user": bearer()["sub"]}

    @app.post("/refresh")
    def refresh():
        claims = read("refresh", request.json["refresh"])
        return {"access": make("access", 15 * 60, sub=claims["sub"])}

    @app.post("/logout-everywhere")
    def logout():
        bearer()
        return {}

    return app


# -- right


def version_of_user(env: Any) -> Flask:
    """One number a user in Redis, counted up at logout; a token carries the number that its login saw."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    return serve(
        env,
        lambda user: {"ver": version(user)},
        lambda claims: claims["ver"] == version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
    )


def moment_of_logout(env: Any) -> Flask:
    """The moment of the last logout a user, kept for a refresh token's life; compared with the login's own moment."""

    def log_out(claims: Claims) -> None:
        env.redis.set(f"out:{claims['sub']}", time.time(), ex=REFRESH + LEEWAY)

    return serve(
        env,
        lambda user: {"login": time.time()},
        lambda claims: claims["login"] > float(env.redis.get(f"out:{claims['sub']}") or 0),
        log_out,
    )


def session_list(env: Any) -> Flask:
    """A list of what is allowed: each login is a session in Redis, and a logout deletes all of a user's."""

    def log_in(user: str) -> Claims:
        sid = secrets.token_hex(8)
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(f"sessions:{user}", sid)
            pipe.expire(f"sessions:{user}", REFRESH + LEEWAY)
            pipe.execute()
        return {"sid": sid}

    return serve(
        env,
        log_in,
        lambda claims: env.redis.sismember(f"sessions:{claims['sub']}", claims["sid"]),
        lambda claims: env.redis.delete(f"sessions:{claims['sub']}"),
    )


def denied_sessions(env: Any) -> Flask:
    """A denylist of sessions, not of tokens: what a refresh token buys belongs to its session and is denied with it."""
    deny = env.redis.register_script("""
        for _, sid in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            redis.call('SET', 'denied:' .. sid, 1, 'EX', ARGV[1])
        end
        redis.call('DEL', KEYS[1])
    """)

    def log_in(user: str) -> Claims:
        sid = secrets.token_hex(8)
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(f"sessions:{user}", sid)
            pipe.expire(f"sessions:{user}", REFRESH + LEEWAY)
            pipe.execute()
        return {"sid": sid}

    return serve(
        env,
        log_in,
        lambda claims: not env.redis.exists(f"denied:{claims['sid']}"),
        lambda claims: deny(keys=[f"sessions:{claims['sub']}"], args=[REFRESH + LEEWAY]),
    )


# -- wrong


def tokens_in_cookies(env: Any) -> Flask:
    """Who keeps the refresh token from the script and puts it into a cookie: a fine idea, and another contract."""
    app = version_of_user(env)

    @app.after_request
    def cookie(response: Any) -> Any:
        if request.path == "/login" and response.is_json:
            tokens = response.get_json()
            response.set_cookie("refresh", tokens.pop("refresh"), httponly=True, secure=True, samesite="Strict")
            response.data = app.json.dumps(tokens)
        return response

    return app


def local_denylist(env: Any) -> Flask:
    """Who keeps the revoked users in memory: right on the instance that was asked."""
    versions: dict[str, int] = {}

    def log_out(claims: Claims) -> None:
        versions[claims["sub"]] = versions.get(claims["sub"], 0) + 1

    return serve(
        env,
        lambda user: {"ver": versions.get(user, 0)},
        lambda claims: claims["ver"] >= versions.get(claims["sub"], 0),
        log_out,
    )


def this_token_only(env: Any) -> Flask:
    """Who denies the token that was presented, by its jti, as most articles show: the laptop has another."""

    def log_out(claims: Claims) -> None:
        env.redis.set(f"denied:{claims['jti']}", 1, ex=REFRESH + LEEWAY)

    return serve(
        env,
        lambda user: {"jti": secrets.token_hex(8)},
        lambda claims: not env.redis.exists(f"denied:{claims['jti']}"),
        log_out,
    )


def one_route(env: Any) -> Flask:
    """Who adds the check to the route that the ticket named; /orders is another file."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    return serve(
        env,
        lambda user: {"ver": version(user)},
        lambda claims: claims["ver"] == version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
        routes=lambda path, claims: path == "/orders",
    )


def refresh_unchecked(env: Any) -> Flask:
    """Who checks where tokens are used, not where they are made: a refresh token buys one with the new number."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    return serve(
        env,
        lambda user: {"ver": version(user)},
        lambda claims: claims["ver"] == version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
        renew=lambda claims: {"sub": claims["sub"], "ver": version(claims["sub"])},
        routes=lambda path, claims: path == "/refresh",
    )


def refreshed_with_the_new_number(env: Any) -> Flask:
    """Who checks the refresh token, then stamps the new token with the number of *now*: a logout fits in between."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    return serve(
        env,
        lambda user: {"ver": version(user)},
        lambda claims: claims["ver"] == version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
        renew=lambda claims: {"sub": claims["sub"], "ver": version(claims["sub"])},
    )


def one_by_one(env: Any) -> Flask:
    """Who denies all tokens of the user, from a list of them: one that is bought meanwhile comes too late for it."""

    def track(user: str) -> Claims:
        jti = secrets.token_hex(8)
        env.redis.sadd(f"tokens:{user}", jti)
        env.redis.expire(f"tokens:{user}", REFRESH + LEEWAY)
        return {"jti": jti}

    def log_out(claims: Claims) -> None:
        for jti in sorted(env.redis.smembers(f"tokens:{claims['sub']}")):
            env.redis.set(f"denied:{jti}", 1, ex=REFRESH + LEEWAY)
        env.redis.delete(f"tokens:{claims['sub']}")

    return serve(
        env,
        track,
        lambda claims: not env.redis.exists(f"denied:{claims['jti']}"),
        log_out,
        renew=lambda claims: {"sub": claims["sub"], **track(claims["sub"])},
    )


def cached_version(env: Any) -> Flask:
    """Who saves a call to Redis on each request: for half a minute an instance believes what it knew."""
    cache: dict[str, tuple[float, int]] = {}

    def version(user: str) -> int:
        known = cache.get(user)
        if known is None or time.time() - known[0] > 30:
            known = cache[user] = (time.time(), int(env.redis.get(f"version:{user}") or 0))
        return known[1]

    return serve(
        env,
        lambda user: {"ver": int(env.redis.get(f"version:{user}") or 0)},
        lambda claims: claims["ver"] >= version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
    )


def acknowledged_first(env: Any) -> Flask:
    """Who answers the logout at once and revokes in a thread: acknowledged, and not yet true."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    def log_out(claims: Claims) -> None:
        def later() -> None:
            time.sleep(0.5)  # batched with others
            env.redis.incr(f"version:{claims['sub']}")

        threading.Thread(target=later).start()

    return serve(
        env, lambda user: {"ver": version(user)}, lambda claims: claims["ver"] == version(claims["sub"]), log_out
    )


def whole_seconds(env: Any) -> Flask:
    """Who compares `iat` with the moment of the logout, both in whole seconds: what the same second made is good."""

    def log_out(claims: Claims) -> None:
        env.redis.set(f"out:{claims['sub']}", int(time.time()), ex=REFRESH + LEEWAY)

    return serve(
        env,
        lambda user: {"login": int(time.time())},
        lambda claims: claims["login"] >= int(env.redis.get(f"out:{claims['sub']}") or 0),
        log_out,
    )


def whole_seconds_strictly(env: Any) -> Flask:
    """Who repairs that with `>`: whoever logs in again within the second is out until he tries once more."""

    def log_out(claims: Claims) -> None:
        env.redis.set(f"out:{claims['sub']}", int(time.time()), ex=REFRESH + LEEWAY)

    return serve(
        env,
        lambda user: {"login": int(time.time())},
        lambda claims: claims["login"] > int(env.redis.get(f"out:{claims['sub']}") or 0),
        log_out,
    )


def user_blocked(env: Any) -> Flask:
    """Who blocks the user for as long as tokens may live: Ada cannot log in for a day (an over-fix)."""
    return serve(
        env,
        lambda user: {},
        lambda claims: not env.redis.exists(f"blocked:{claims['sub']}"),
        lambda claims: env.redis.set(f"blocked:{claims['sub']}", 1, ex=REFRESH + LEEWAY),
    )


def everybody_out(env: Any) -> Flask:
    """Who keeps one number for the whole shop: simple, certain, and Bob is out as well (an over-fix)."""

    def version() -> int:
        return int(env.redis.get("version") or 0)

    return serve(
        env,
        lambda user: {"ver": version()},
        lambda claims: claims["ver"] == version(),
        lambda claims: env.redis.incr("version"),
    )


def remembered_for_an_access_token(env: Any) -> Flask:
    """Who keeps the entry for the life of the token that was presented: the refresh token lives for a day."""

    def log_out(claims: Claims) -> None:
        env.redis.set(f"out:{claims['sub']}", time.time(), ex=ACCESS + LEEWAY)

    return serve(
        env,
        lambda user: {"login": time.time()},
        lambda claims: claims["login"] > float(env.redis.get(f"out:{claims['sub']}") or 0),
        log_out,
    )


def leeway_forgotten(env: Any) -> Flask:
    """Who keeps each entry for what is left of its token: for one minute more, tokens are good and entries gone."""

    def is_good(claims: Claims) -> bool:
        return not env.redis.exists(f"out:{claims['aud']}:{claims['sub']}:{claims['login']}")

    def log_out(claims: Claims) -> None:
        for login in env.redis.zrange(f"logins:{claims['sub']}", 0, -1):
            for use, life in (("access", ACCESS), ("refresh", REFRESH)):
                left = int(float(login)) + life - int(time.time())
                env.redis.set(f"out:{use}:{claims['sub']}:{login}", 1, ex=max(1, left))
        env.redis.delete(f"logins:{claims['sub']}")

    def log_in(user: str) -> Claims:
        login = str(time.time())
        env.redis.zadd(f"logins:{user}", {login: time.time()})
        env.redis.expire(f"logins:{user}", REFRESH)
        return {"login": login}

    return serve(env, log_in, is_good, log_out)


def never_forgotten(env: Any) -> Flask:
    """Who denies each session for ever: right, and a little larger every day."""

    def log_in(user: str) -> Claims:
        sid = secrets.token_hex(8)
        env.redis.sadd(f"sessions:{user}", sid)
        env.redis.expire(f"sessions:{user}", REFRESH + LEEWAY)
        return {"sid": sid}

    def log_out(claims: Claims) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.sunionstore("denied", ["denied", f"sessions:{claims['sub']}"])
            pipe.delete(f"sessions:{claims['sub']}")
            pipe.execute()

    return serve(env, log_in, lambda claims: not env.redis.sismember("denied", claims["sid"]), log_out)


def unreachable_is_yes(env: Any) -> Flask:
    """Who keeps the shop open while Redis is away: the signature is good, so the user is let in."""

    def version(user: str) -> int:
        return int(env.redis.get(f"version:{user}") or 0)

    def is_good(claims: Claims) -> bool:
        try:
            return claims["ver"] == version(claims["sub"])
        except redis.RedisError:
            return True

    return serve(
        env,
        lambda user: {"ver": version(user)},
        is_good,
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
    )


def last_known(env: Any) -> Flask:
    """Who falls back to the last number that this instance has seen: it may be from before the logout."""
    seen: dict[str, int] = {}

    def version(user: str) -> int:
        try:
            seen[user] = int(env.redis.get(f"version:{user}") or 0)
        except redis.RedisError:
            if user not in seen:
                raise
        return seen[user]

    return serve(
        env,
        lambda user: {"ver": version(user)},
        lambda claims: claims["ver"] == version(claims["sub"]),
        lambda claims: env.redis.incr(f"version:{claims['sub']}"),
    )


STUB = (stub, "S09-STILL-IN")

WRONG = {
    "tokens_in_cookies": (tokens_in_cookies, "S09-CONTRACT"),
    "local_denylist": (local_denylist, "S09-STILL-IN"),
    "this_token_only": (this_token_only, "S09-STILL-IN"),
    "one_route": (one_route, "S09-STILL-IN"),
    "refreshed_with_the_new_number": (refreshed_with_the_new_number, "S09-STILL-IN"),
    "one_by_one": (one_by_one, "S09-STILL-IN"),
    "cached_version": (cached_version, "S09-STILL-IN"),
    "acknowledged_first": (acknowledged_first, "S09-STILL-IN"),
    "whole_seconds": (whole_seconds, "S09-STILL-IN"),
    "refresh_unchecked": (refresh_unchecked, "S09-REFRESHED"),
    "whole_seconds_strictly": (whole_seconds_strictly, "S09-LOCKED-OUT"),
    "user_blocked": (user_blocked, "S09-LOCKED-OUT"),
    "everybody_out": (everybody_out, "S09-OVERKILL"),
    "remembered_for_an_access_token": (remembered_for_an_access_token, "S09-BACK-AGAIN"),
    "leeway_forgotten": (leeway_forgotten, "S09-BACK-AGAIN"),
    "never_forgotten": (never_forgotten, "S09-GROWS"),
    "unreachable_is_yes": (unreachable_is_yes, "S09-UNREACHABLE"),
    "last_known": (last_known, "S09-UNREACHABLE"),
}

RIGHT = {
    "version_of_user": version_of_user,
    "moment_of_logout": moment_of_logout,
    "session_list": session_list,
    "denied_sessions": denied_sessions,
}

REPLAYED = "one_by_one"
