"""store_down: the session store is one more thing that can be away."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, browser, field, patiently
from ..exercise import Exercise
from ..history import History

USERS = ("ada", "bob", "cem", "dot", "eve")
OUTAGE = 30.0
TRIES = 3
"""How often one request may ask a store that is away, before a fleet of them is a storm."""

store_down = Exercise(
    "09.store_down",
    "Half a minute without Redis logs nobody out",
    hints=[
        "Two answers look alike in this code: «there is no such session» and «I could not ask». Which of them may "
        "touch the cookie?",
        "`redis.exceptions.ConnectionError` and `redis.exceptions.TimeoutError` are two classes, and neither is "
        "Python's own. Both mean that you do not know, on every route that asks Redis.",
        "Say what is true: 503, `Retry-After: 5`, and no Set-Cookie. `@app.errorhandler` takes an exception class, and "
        "does it for all routes at once. Do not wait for Redis inside the request.",
    ],
)


def _ask(client: Client, method: str = "GET", path: str = "/me", **more: Any) -> None:
    """Send a request; an answer that never comes is an answer too."""
    with contextlib.suppress(httpx.HTTPError):
        client.request(method, path, **more)


@store_down.scenario(preemptions=0)
def half_a_minute(world: World, app: Any) -> Any:
    """Five users are logged in, Redis goes away for 30 s, they reload meanwhile, and once after."""
    world.deploy(app, instances=2, name="shop")
    users = {name: browser(world, name) for name in USERS}
    for name, client in users.items():
        _ask(client, "POST", "/login", json={"user": name})
        _ask(client)
    if not all(request.ok for request in world.sent):
        return None
    world.run(MINUTE)
    world.redis.outage(OUTAGE)
    began, before = world.now, world.redis.attempts
    for _ in range(2):
        for client in users.values():
            _ask(client)
    users["newcomer"] = browser(world, "newcomer")
    _ask(users["newcomer"], "POST", "/login", json={"user": "newcomer"})
    _strangers(world, users["ada"])
    tried = world.redis.attempts - before
    world.run(max(0.0, began + OUTAGE + 1 - world.now))
    for client in users.values():
        _ask(client)
    _strangers(world, users["ada"])
    return began, tried


def _strangers(world: World, ada: Client) -> None:
    """Ask with a session that nobody has opened, and with Ada's in which her name is written over by Bob's."""
    cookies = {name: value.replace("ada", "bob") for name, value in ada.cookies.items()}
    name = next(iter(cookies), "session")
    _ask(browser(world, "stranger", cookies={name: "0123456789abcdef0123456789abcdef"}))
    if dict(ada.cookies) != cookies:
        _ask(browser(world, "impostor", cookies=cookies))


@store_down.scenario(preemptions=0, lost_replies=1, at="redis")
def no_reply(world: World, app: Any) -> Any:
    """Ada logs in, reloads and reloads; one reply of Redis is lost on its way."""
    world.deploy(app, instances=2, name="shop")
    ada = browser(world, "ada", timeout=30)
    patiently(lambda: ada.post("/login", json={"user": "ada"}))
    for _ in range(2):
        _ask(ada)
    return patiently(lambda: ada.get("/me")).status_code


# Invariants, the most telling first


def _during(history: History) -> list[Sent]:
    began = history.result[0]
    return [request for request in history.sent if began <= request.time < began + OUTAGE]


def _after(history: History) -> list[Sent]:
    return [request for request in history.sent if request.time >= history.result[0] + OUTAGE]


@half_a_minute.must("CONTRACT", "before the outage a login is answered with 200, and each page after it too")
def as_agreed(history: History) -> str | None:
    refused = [request for request in history.sent if request.time < MINUTE and not request.ok]
    return f"{asked(history, refused[0])}, before anything had gone wrong." if refused else None


@half_a_minute.must("LOGGED-OUT", "everybody is still logged in when the store is back")
def all_in(history: History) -> str | None:
    logged_in = {request.client for request in history.sent if request.path == "/login" and request.ok}
    out = [request.client for request in _after(history) if request.client in logged_in and _says_no(request)]
    meanwhile = " (whose login was acknowledged meanwhile)" if "newcomer" in out else ""
    names = ", ".join(out) + meanwhile
    return f"Redis is back, and {len(out)} of {len(logged_in)} must log in again: {names}." if out else None


def _says_no(request: Sent) -> bool:
    """Tell whether an answer sends a user to the login: a refusal, or a redirection."""
    return 300 <= request.status < 500


@half_a_minute.must("WRONG-USER", "everybody is who he or she was, or is told to come back")
def same_user(history: History) -> str | None:
    for request in history.sent:
        user = field(request.response, "user")
        if request.path == "/me" and request.client in USERS and request.ok and user != request.client:
            return f"{request.client.title()} reloads the page, and it greets {user}."
    return None


@half_a_minute.must("FORGED", "an unknown session opens nothing, with Redis or without")
def no_stranger(history: History) -> str | None:
    for request in history.sent:
        if request.ok and request.client in ("stranger", "impostor") and not _says_no(request):
            cookie = "a session id of no session" if request.client == "stranger" else "Bob's name in Ada's cookie"
            when = "during the outage" if request in _during(history) else "after the outage"
            return f"A stranger with {cookie} was let in, {when}."
    return None


@half_a_minute.must("SAID-NO", "while the store cannot be asked, nobody is told that there is no session")
def not_unauthorised(history: History) -> str | None:
    told = [request for request in _during(history) if request.client in USERS and _says_no(request)]
    if told:
        return f"During the outage {len(told)} of 10 reloads were answered with {told[0].status}: go and log in."
    return None


@half_a_minute.must("HANGS", "while the store cannot be asked, nobody waits for it")
def at_once(history: History) -> str | None:
    slow = [request for request in _during(history) if request.seconds >= 1]
    if slow:
        text = f"{slow[0].client} waited {slow[0].seconds:.0f} s for {slow[0].path} during the outage"
        return f"{text}, and held one of 8 workers: soon nothing at all is answered."
    return None


@half_a_minute.must("ERROR-500", "an outage of the store is no error of yours")
def no_error(history: History) -> str | None:
    return _error(history, _during(history))


@no_reply.must("ERROR-500", "an outage of the store is no error of yours")
def no_error_either(history: History) -> str | None:
    return _error(history, history.sent)


def _error(history: History, requests: Sequence[Sent]) -> str | None:
    broken = [request for request in requests if request.status >= 500 and request.status != 503]
    return f"{asked(history, broken[0])}, because of Redis." if broken else None


@no_reply.must("LOGGED-OUT", "a lost reply logs nobody out")
def still_in(history: History) -> str | None:
    refused = [request for request in history.sent if _says_no(request)]
    return f"{asked(history, refused[0])}: one reply of Redis was lost, and she must log in again." if refused else None


@half_a_minute.must("NO-RETRY-AFTER", "503 says when to come back")
def says_when(history: History) -> str | None:
    for request in _during(history):
        if request.status == 503 and request.response is not None and "retry-after" not in request.response.headers:
            return f"{asked(history, request)}, without Retry-After: clients come back at once, all together."
    return None


@half_a_minute.must("STORM", "an outage is not answered with a storm of retries")
def no_storm(history: History) -> str | None:
    requests, tried = len(_during(history)), history.result[1]
    return f"{requests} requests during the outage asked Redis {tried} times." if tried > TRIES * requests else None


@half_a_minute.must("NOT-BACK", "when the store is back, every answer is yes or no again")
def back(history: History) -> str | None:
    for request in _after(history):
        if request.status != (200 if request.client in USERS else 401) and request.client != "newcomer":
            return f"{asked(history, request)}, a second after Redis had come back."
    return None


__all__ = ["store_down"]
