"""Answers to 09.store_down: the stub, what people really write, and what is right."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask, abort, make_response, redirect, request

DAY = 24 * 60 * 60
AWAY = (redis.ConnectionError, redis.TimeoutError)


def refuse(clear: bool = True) -> Any:
    """Answer 401; a cookie that opens nothing is taken away."""
    response = make_response({"error": "log in"}, 401)
    if clear:
        response.delete_cookie("session")
    return response


def come_back() -> Any:
    """Answer 503: not now, try again in five seconds."""
    return {"error": "try again"}, 503, {"Retry-After": "5"}


def serve(find: Callable[[str], str | None], save: Callable[[str, str], Any]) -> Flask:
    """Return an app with the two routes of the contract, which does nothing about an outage."""
    app = Flask("shop")

    @app.post("/login")
    def login() -> Any:
        sid = secrets.token_hex(16)
        save(sid, request.json["user"])
        response = make_response({"user": request.json["user"]})
        response.set_cookie("session", sid, httponly=True, secure=True, samesite="Lax")
        return response

    @app.get("/me")
    def me() -> Any:
        user = find(request.cookies.get("session", ""))
        return {"user": user} if user else refuse()

    return app


def stub(env: Any) -> Flask:
    """No session found, for whatever reason: the cookie is cleared."""
    app = Flask("portal")

    def find(sid):
        try:
            return env.redis.get(f"session:{sid}")
        except redis.RedisError:
            return None

    @app.post("/login")
    def login():
        sid = secrets.token_hex(16)
        env.redis.set(f"session:{sid}", request.json["user"], ex=24 * 60 * 60)
        response = make_response({"user": request.json["user"]})
        response.set_cookie("session", sid, httponly=True, secure=True, samesite="Lax")
        return response

    @app.get("/me")
    def me():
        user = find(request.cookies.get("session", ""))
        if user is None:
            response = make_response({"error": "log in"}, 401)
            response.delete_cookie("session")
            return response
        return {"user": user}

    return app


# -- right


def plain(env: Any) -> Flask:
    """Sessions in Redis, no word about an outage: what the answers below add to."""
    return serve(
        lambda sid: env.redis.get(f"session:{sid}"),
        lambda sid, user: env.redis.set(f"session:{sid}", user, ex=DAY),
    )


def errorhandler(env: Any) -> Flask:
    """One handler for all routes: what could not be asked is answered with 503."""
    app = plain(env)
    for error in AWAY:
        app.register_error_handler(error, lambda error: come_back())
    return app


def one_more_try(env: Any) -> Flask:
    """Asks a second time after a moment, since most failures are short, then says so."""

    def again(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except AWAY:
            time.sleep(0.1)
            return call()

    app = serve(
        lambda sid: again(lambda: env.redis.get(f"session:{sid}")),
        lambda sid, user: again(lambda: env.redis.set(f"session:{sid}", user, ex=DAY)),
    )
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def signed_name(env: Any) -> Flask:
    """The cookie carries the user's name under a signature: pages that only show it work without Redis."""
    app = Flask("shop")
    key = b"the same on every instance, and long enough"

    def signature(text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    @app.post("/login")
    def login() -> Any:
        user, sid = request.json["user"], secrets.token_hex(16)
        env.redis.set(f"session:{sid}", user, ex=DAY)
        response = make_response({"user": user})
        response.set_cookie("session", f"{user}.{sid}.{signature(f'{user}.{sid}')}", httponly=True, secure=True)
        return response

    @app.get("/me")
    def me() -> Any:
        parts = request.cookies.get("session", "").split(".")
        if len(parts) != 3 or not hmac.compare_digest(parts[2], signature(".".join(parts[:2]))):
            return refuse()
        try:
            known = env.redis.get(f"session:{parts[1]}") == parts[0]
        except redis.RedisError:
            return {"user": parts[0], "read_only": True}
        return {"user": parts[0]} if known else refuse()

    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def circuit_breaker(env: Any) -> Flask:
    """After a failure Redis is left alone for two seconds: the answer is the same, and costs nothing."""
    opened = [-10.0]

    def guarded(call: Callable[[], Any]) -> Any:
        if time.monotonic() - opened[0] < 2:
            raise redis.ConnectionError("circuit open")
        try:
            return call()
        except AWAY:
            opened[0] = time.monotonic()
            raise

    app = serve(
        lambda sid: guarded(lambda: env.redis.get(f"session:{sid}")),
        lambda sid, user: guarded(lambda: env.redis.set(f"session:{sid}", user, ex=DAY)),
    )
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


# -- wrong


def form_login(env: Any) -> Flask:
    """Who reads the login from a form: the contract sends JSON."""
    app = errorhandler(env)

    def login() -> Any:
        return {"user": request.form["user"]}

    app.view_functions["login"] = login
    return app


def keeps_the_cookie(env: Any) -> Flask:
    """Who leaves the cookie alone and still says 401: the browser shows the login page, and people log in again."""

    def find(sid: str) -> str | None:
        try:
            return env.redis.get(f"session:{sid}")
        except redis.RedisError:
            return None

    app = serve(find, lambda sid, user: env.redis.set(f"session:{sid}", user, ex=DAY))

    @app.after_request
    def keep(response: Any) -> Any:
        if response.status_code == 401:
            response.headers.remove("Set-Cookie")
        return response

    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def to_the_login_page(env: Any) -> Flask:
    """Who sends the user to the login page, as for any missing session, with the old cookie taken away."""
    app = plain(env)

    @app.errorhandler(redis.RedisError)
    def away(error: Exception) -> Any:
        response = redirect("/login")
        response.delete_cookie("session")
        return response

    return app


def nothing(env: Any) -> Flask:
    """Who does not think of it: every page is an error 500 for half a minute."""
    return plain(env)


def connection_only(env: Any) -> Flask:
    """Who catches ConnectionError: redis-py's TimeoutError is another class, and a lost reply is a timeout."""
    app = plain(env)
    app.register_error_handler(redis.ConnectionError, lambda error: come_back())
    return app


def builtin_connection_error(env: Any) -> Flask:
    """Who catches Python's own ConnectionError: redis-py's has the same name and another base."""
    app = plain(env)
    app.register_error_handler(ConnectionError, lambda error: come_back())
    app.register_error_handler(TimeoutError, lambda error: come_back())
    return app


def login_forgotten(env: Any) -> Flask:
    """Who repairs the route that was in the ticket: the login asks Redis too."""

    def find(sid: str) -> str | None:
        try:
            return env.redis.get(f"session:{sid}")
        except redis.RedisError:
            abort(make_response(come_back()))

    return serve(find, lambda sid, user: env.redis.set(f"session:{sid}", user, ex=DAY))


def no_retry_after(env: Any) -> Flask:
    """Who says 503 and not when to come back: every client decides for itself, and most decide now."""
    app = plain(env)
    app.register_error_handler(redis.RedisError, lambda error: ({"error": "try again"}, 503))
    return app


def ten_tries(env: Any) -> Flask:
    """Who retries at once, as redis-py does by default: ten times the load, for a store that is on its knees."""

    def stubborn(call: Callable[[], Any]) -> Any:
        for _ in range(9):
            try:
                return call()
            except AWAY:
                continue
        return call()

    app = serve(
        lambda sid: stubborn(lambda: env.redis.get(f"session:{sid}")),
        lambda sid, user: stubborn(lambda: env.redis.set(f"session:{sid}", user, ex=DAY)),
    )
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def waits(env: Any) -> Flask:
    """Who waits inside the request until Redis is back: nobody is logged out, and every worker is taken."""

    def patient(call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except AWAY:
                time.sleep(1)

    return serve(
        lambda sid: patient(lambda: env.redis.get(f"session:{sid}")),
        lambda sid, user: patient(lambda: env.redis.set(f"session:{sid}", user, ex=DAY)),
    )


def guest(env: Any) -> Flask:
    """Who shows the page to a guest meanwhile: 200, and whatever Ada does now is not Ada's."""

    def find(sid: str) -> str | None:
        try:
            return env.redis.get(f"session:{sid}")
        except redis.RedisError:
            return "guest"

    app = serve(find, lambda sid, user: env.redis.set(f"session:{sid}", user, ex=DAY))
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def name_in_the_cookie(env: Any) -> Flask:
    """Who puts the name beside the session id for such moments, unsigned: anybody may write it."""
    app = Flask("shop")

    @app.post("/login")
    def login() -> Any:
        user, sid = request.json["user"], secrets.token_hex(16)
        env.redis.set(f"session:{sid}", user, ex=DAY)
        response = make_response({"user": user})
        response.set_cookie("session", f"{user}.{sid}", httponly=True, secure=True)
        return response

    @app.get("/me")
    def me() -> Any:
        user, _, sid = request.cookies.get("session", "").partition(".")
        try:
            known = env.redis.get(f"session:{sid}") == user
        except redis.RedisError:
            known = bool(sid)
        return {"user": user} if known else refuse()

    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def open_house(env: Any) -> Flask:
    """Who lets everybody with a cookie in while it cannot be checked (an over-fix)."""
    users: dict[str, str] = {}

    def find(sid: str) -> str | None:
        try:
            users[sid] = env.redis.get(f"session:{sid}") or ""
        except redis.RedisError:
            return users.get(sid) or next(iter(users.values()), "somebody")
        return users[sid]

    app = serve(find, lambda sid, user: env.redis.set(f"session:{sid}", user, ex=DAY))
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def sessions_in_memory_meanwhile(env: Any) -> Flask:
    """Who takes logins into memory while Redis is away: they are gone when it is back, and on the other instance."""
    meanwhile: dict[str, str] = {}

    def save(sid: str, user: str) -> None:
        try:
            env.redis.set(f"session:{sid}", user, ex=DAY)
        except redis.RedisError:
            meanwhile[sid] = user

    def find(sid: str) -> str | None:
        return meanwhile.get(sid) or env.redis.get(f"session:{sid}")

    app = serve(find, save)
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def breaker_stays_open(env: Any) -> Flask:
    """Who breaks the circuit and has no way to close it: Redis is back, the shop is not."""
    broken: list[bool] = []

    def guarded(call: Callable[[], Any]) -> Any:
        if broken:
            raise redis.ConnectionError("circuit open")
        try:
            return call()
        except AWAY:
            broken.append(True)
            raise

    app = serve(
        lambda sid: guarded(lambda: env.redis.get(f"session:{sid}")),
        lambda sid, user: guarded(lambda: env.redis.set(f"session:{sid}", user, ex=DAY)),
    )
    app.register_error_handler(redis.RedisError, lambda error: come_back())
    return app


def never_no(env: Any) -> Flask:
    """Who answers every trouble with 503, an unknown session too: nobody is ever sent to the login (an over-fix)."""
    app = errorhandler(env)

    @app.after_request
    def later(response: Any) -> Any:
        return make_response(come_back()) if response.status_code == 401 else response

    return app


STUB = (stub, "S09-LOGGED-OUT")

WRONG = {
    "form_login": (form_login, "S09-CONTRACT"),
    "to_the_login_page": (to_the_login_page, "S09-LOGGED-OUT"),
    "sessions_in_memory_meanwhile": (sessions_in_memory_meanwhile, "S09-LOGGED-OUT"),
    "keeps_the_cookie": (keeps_the_cookie, "S09-SAID-NO"),
    "guest": (guest, "S09-WRONG-USER"),
    "name_in_the_cookie": (name_in_the_cookie, "S09-FORGED"),
    "open_house": (open_house, "S09-WRONG-USER"),
    "waits": (waits, "S09-HANGS"),
    "nothing": (nothing, "S09-ERROR-500"),
    "builtin_connection_error": (builtin_connection_error, "S09-ERROR-500"),
    "login_forgotten": (login_forgotten, "S09-ERROR-500"),
    "connection_only": (connection_only, "S09-ERROR-500"),
    "no_retry_after": (no_retry_after, "S09-NO-RETRY-AFTER"),
    "ten_tries": (ten_tries, "S09-STORM"),
    "breaker_stays_open": (breaker_stays_open, "S09-NOT-BACK"),
    "never_no": (never_no, "S09-NOT-BACK"),
}

RIGHT = {
    "errorhandler": errorhandler,
    "one_more_try": one_more_try,
    "signed_name": signed_name,
    "circuit_breaker": circuit_breaker,
}

REPLAYED = "connection_only"
