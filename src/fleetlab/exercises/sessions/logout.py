"""log_out_everywhere: taking back tokens that are valid by themselves, on every instance and every device."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import DAY, MINUTE, asked, browser, field
from ..exercise import Exercise
from ..history import History
from .common import KEYS, LEEWAY, LIFE, disagreement

BEFORE = 0.4
"""When Ada logs out, in virtual seconds; not a whole one, as little in life."""

log_out_everywhere = Exercise(
    "09.log_out_everywhere",
    "Once Ada has logged out, nobody is Ada any more",
    hints=[
        "A signed token is valid until it expires, whatever you do to it. So before an instance believes one, it must "
        "ask something that all instances share. On which routes?",
        "How many tokens does Ada have? Two devices, an access and a refresh token each, and whatever those refresh "
        "tokens buy in this very moment. Which one number for each user makes all of them old at once?",
        "Count a user's logouts in Redis, and let each token carry the count that its *login* saw; compare on every "
        "route and at /refresh. How long must the count be remembered? And a Redis that cannot be asked has not said "
        "yes.",
    ],
)


def _fleet(world: World, app: Any) -> None:
    world.deploy(app, instances=2, name="shop", env={"JWT_KEY": KEYS["k1"]})


def _login(client: Client, user: str) -> dict[str, str]:
    response = client.post("/login", json={"user": user})
    return {name: str(field(response, name) or "") for name in ("access", "refresh")}


def _get(client: Client, route: str, tokens: dict[str, str]) -> int:
    return client.get(route, headers={"authorization": f"Bearer {tokens['access']}"}).status_code


def _twice(client: Client, route: str, tokens: dict[str, str]) -> list[int]:
    """Ask both instances."""
    return [_get(client, route, tokens) for _ in range(2)]


def _refresh(client: Client, tokens: dict[str, str]) -> dict[str, str]:
    """Return what a refresh token buys: an access token, or none."""
    response = client.post("/refresh", json={"refresh": tokens["refresh"]})
    return {"access": str(field(response, "access") or ""), "refresh": tokens["refresh"]}


def _log_out(client: Client, tokens: dict[str, str]) -> None:
    client.post("/logout-everywhere", headers={"authorization": f"Bearer {tokens['access']}"})


@log_out_everywhere.scenario(preemptions=2)
def two_devices(world: World, app: Any) -> Any:
    """Ada logs out on her phone while her laptop refreshes; Bob has nothing to do with it."""
    _fleet(world, app)
    phone, laptop, bob = (browser(world, name) for name in ("phone", "laptop", "bob"))
    mine, other, bobs = _login(phone, "ada"), _login(laptop, "ada"), _login(bob, "bob")
    for client, tokens in ((phone, mine), (laptop, other), (bob, _refresh(bob, bobs))):
        _twice(client, "/me", tokens)
    world.run(BEFORE)
    _, renewed = world.together(lambda: _log_out(phone, mine), lambda: _refresh(laptop, other))
    world.run(0.2)
    tried = {
        (device, route): _twice(client, route, tokens)
        for device, client, tokens in (("phone", phone, mine), ("laptop", laptop, other), ("renewed", laptop, renewed))
        for route in ("/me", "/orders")
    }
    bought = [_refresh(client, tokens)["access"] for client, tokens in ((phone, mine), (laptop, other))]
    return tried, bought, _twice(phone, "/me", _login(phone, "ada")), _get(bob, "/me", _refresh(bob, bobs))


@log_out_everywhere.scenario(preemptions=0)
def a_day_later(world: World, app: Any) -> Any:
    """Ada logs in and out twenty times; a thief has all of her tokens and patience; then two days pass."""
    _fleet(world, app)
    ada, thief = browser(world, "ada"), browser(world, "thief")
    stolen = []
    for _ in range(20):
        stolen.append(_login(ada, "ada"))
        _log_out(ada, stolen[-1])
    tried = {}
    for moment, wait in (("a second before its end", LIFE - 1), ("within a minute after its end", MINUTE - 1)):
        world.run(wait)
        tried[moment] = [_get(thief, "/me", tokens) for tokens in (stolen[0], stolen[-1])]
    world.run(DAY - LIFE - LEEWAY - MINUTE)
    bought = [_refresh(thief, tokens)["access"] for tokens in (stolen[0], stolen[-1])]
    world.run(2 * DAY)
    return tried, bought, _remembered(world)


def _remembered(world: World) -> int:
    """Return how many things Redis still holds: keys, or the members of what they hold."""
    redis = world.redis.client()
    sizes = {"hash": redis.hlen, "list": redis.llen, "set": redis.scard, "zset": redis.zcard, "stream": redis.xlen}
    return sum(int(sizes.get(str(redis.type(key)), lambda key: 1)(key)) for key in redis.scan_iter())


@log_out_everywhere.scenario(preemptions=0)
def store_away(world: World, app: Any) -> Any:
    """Redis goes away for half a minute after Ada's logout, and a thief tries her token meanwhile."""
    _fleet(world, app)
    ada, thief = browser(world, "ada"), browser(world, "thief")
    tokens = _login(ada, "ada")
    _twice(ada, "/me", tokens)
    _log_out(ada, tokens)
    world.redis.outage(30)
    return _twice(thief, "/me", tokens) + _twice(thief, "/orders", tokens)


# Invariants, the most telling first


@two_devices.must("CONTRACT", "a login is answered with two tokens, good for both routes")
def as_agreed(history: History) -> str | None:
    pages = [request for request in history.sent if request.method == "GET" and request.time < BEFORE]
    wrong = disagreement(history, "/login", ["access", "refresh"])
    wrong = wrong or disagreement(history, "/refresh", ["access"], before=BEFORE)
    refused = [asked(history, request) for request in pages if not request.ok]
    return wrong or (f"{refused[0]}, with a token that is one moment old." if refused else None)


@two_devices.must("STILL-IN", "once the logout is acknowledged, no instance accepts an earlier token on any route")
def out_everywhere(history: History) -> str | None:
    logout = next(request for request in history.sent if request.path == "/logout-everywhere")
    if not logout.ok:
        return f"Ada is not logged out: {asked(history, logout)}."
    for (device, route), statuses in history.result[0].items():
        if 200 in statuses:
            whose = (
                "the token that her laptop got by /refresh meanwhile"
                if device == "renewed"
                else f"her {device}'s token"
            )
            where = "both instances" if statuses == [200, 200] else "one of the two instances"
            when = f"Ada has logged out everywhere, {BEFORE} s after she logged in"
            return f"{when}, and {whose} still opens {route} at {where}."
    return None


@two_devices.must("REFRESHED", "a refresh token is worth nothing after the logout")
def no_refresh(history: History) -> str | None:
    for device, token in zip(("phone", "laptop"), history.result[1], strict=True):
        if token:
            return f"Ada has logged out everywhere, and her {device}'s refresh token still buys an access token."
    return None


@two_devices.must("LOCKED-OUT", "Ada can log in again at once")
def can_come_back(history: History) -> str | None:
    refused = [status for status in history.result[2] if status != 200]
    return f"Ada logs in again, 0.2 s after her logout, and is refused with {refused[0]}." if refused else None


@two_devices.must("OVERKILL", "nobody else is logged out")
def bob_stays(history: History) -> str | None:
    return None if history.result[3] == 200 else "Ada has logged out, and Bob is thrown out with her."


@a_day_later.must("BACK-AGAIN", "a revoked token stays revoked until it would have ended, and a minute longer")
def stays_out(history: History) -> str | None:
    tried, bought, _ = history.result
    for moment, statuses in tried.items():
        if 200 in statuses:
            return f"A revoked access token is accepted again, {moment}."
    return "Almost a day after the logout, Ada's refresh token buys an access token again." if any(bought) else None


@a_day_later.must("GROWS", "what is remembered about logouts does not grow for ever")
def does_not_grow(history: History) -> str | None:
    left = history.result[2]
    return f"Two days after her last token has ended, Redis still holds {left} entries about Ada." if left > 3 else None


@store_away.must("UNREACHABLE", "a Redis that cannot be asked has not said yes")
def no_means_no(history: History) -> str | None:
    return "While Redis could not be reached, Ada's revoked token was accepted." if 200 in history.result else None


__all__ = ["log_out_everywhere"]
