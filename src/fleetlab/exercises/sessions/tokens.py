"""signed_token: a session that the client carries, which any instance verifies and nobody forges."""

from __future__ import annotations

import time
from typing import Any

import jwt

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, browser, field, patiently
from ..exercise import Exercise
from ..history import History
from .common import KEYS, LEEWAY, LIFE, disagreement

THIEF = "a key that only the attacker has, long enough for HS256"

signed_token = Exercise(
    "09.signed_token",
    "A token that any instance verifies, and nobody forges",
    hints=[
        "Everything in a token was written by whoever sent it, until you have verified it with *your* key, *your* "
        'algorithm, *your* audience. `jwt.decode` has an argument for each, and `options={"require": [...]}`.',
        "`kid` names the key. Which keys must an instance know, and from when until when? An instance that did not "
        "hear of the rotation, or that starts after it, needs the same answer as the one that did.",
        "Keep the ring of keys in Redis: which one signs, and until when each may still verify. JWT_KEY makes the ring "
        "only if there is none yet. A token signed the moment before the rotation lives for 15 minutes more. And the "
        "rotation may be sent twice.",
    ],
)


def _services(world: World, app: Any) -> tuple[Client, Client]:
    """Deploy two services of two instances and return Ada's clients of both."""
    env = {"JWT_KID": "k1", "JWT_KEY": KEYS["k1"], "AUDIENCE": "fleet"}
    for name in ("shop", "account"):
        world.deploy(app, instances=2, name=name, env=env)
    return browser(world, "ada@shop", "shop"), browser(world, "ada@account", "account")


def _login(client: Client) -> str:
    """Return Ada's new token, or an empty one where the login fails."""
    return str(field(patiently(lambda: client.post("/login", json={"user": "ada"})), "token") or "")


def _me(client: Client, token: str) -> int:
    return client.get("/me", headers={"authorization": f"Bearer {token}"}).status_code


def _forge(key: str, *, kid: str = "k1", algorithm: str = "HS256", **claims: Any) -> str:
    """Return a token as somebody with this key can make it; a claim of None is left out."""
    now = int(time.time())
    given = {"sub": "ada", "aud": "fleet", "iat": now, "exp": now + int(LIFE), **claims}
    payload = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@signed_token.scenario(preemptions=0)
def honest_and_forged(world: World, app: Any) -> Any:
    """One login and a look everywhere; then tokens of a thief, of another team with the same key, of yesterday."""
    shop, account = _services(world, app)
    honest = _login(shop)
    for client in (shop, shop, account, account):
        _me(client, honest)
    if _kid(honest) is None:
        return {}
    head, _, signature = honest.split(".")
    bobs = _forge(THIEF, sub="bob").split(".")[1]
    tried = {
        "whose user was changed to Bob": f"{head}.{bobs}.{signature}",
        "signed with a key that is not yours": _forge(THIEF),
        "signed with a key whose kid is not yours": _forge(THIEF, kid="k9"),
        "without a signature (alg: none)": _forge("", algorithm="none"),
        "without a signature and without a kid": _forge("", algorithm="none", kid=""),
        "made for another audience": _forge(KEYS["k1"], aud="billing"),
        "made for no audience": _forge(KEYS["k1"], aud=None),
        "without an expiry": _forge(KEYS["k1"], exp=None),
        "that is no token": "abc",
    }
    statuses = {what: _me(shop, token) for what, token in tried.items()}
    world.run(LIFE + LEEWAY + 1)
    return {**statuses, "that expired 61 s ago": _me(shop, honest)}


@signed_token.scenario(preemptions=2)
def rotation(world: World, app: Any) -> Any:
    """A second key comes in during traffic, twice; a thief has the first one, and uses it 17 minutes later."""
    shop, account = _services(world, app)
    operator = browser(world, "operator")
    everywhere = (shop, shop, account, account)
    tokens = [_login(shop)]
    for client in everywhere:
        _me(client, tokens[0])
    tokens += world.together(lambda: _login(account), lambda: _rotate(operator))[:1]
    _rotate(operator)
    tokens += [_login(shop), _login(account)]
    for wait in (0, LIFE - 1):
        world.run(wait)
        for token in tokens:
            for client in everywhere:
                _me(client, token)
    world.run(LEEWAY + MINUTE)
    late = [_late(shop, account)]
    world.deployments["shop"].scale(3)
    return [*late, _late(shop, account)]


def _rotate(operator: Client) -> None:
    operator.post("/rotate", json={"kid": "k2", "key": KEYS["k2"]})


def _late(shop: Client, account: Client) -> tuple[bool, Any, int]:
    """Return whether a thief's new token is accepted, which key signs Ada's, and what hers is answered with."""
    stolen, fresh = _forge(KEYS["k1"]), _login(shop)
    return 200 in [_me(shop, stolen) for _ in range(3)], _kid(fresh), _me(account, fresh)


def _kid(token: str) -> str | None:
    """Return which key a token names; None where it names none, or is none."""
    try:
        return jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        return None


@signed_token.scenario(preemptions=0, kills=1)
def anywhere(world: World, app: Any) -> Any:
    """One login, then every instance of both services is asked; one of them may have died."""
    shop, account = _services(world, app)
    token = _login(shop)
    for client in (shop, shop, account, account):
        _me(client, token)


# Invariants, the most telling first


@honest_and_forged.must("CONTRACT", "a login is answered with a signed token that names its key")
def as_agreed(history: History) -> str | None:
    login = next(request for request in history.sent if request.path == "/login")
    if login.ok and field(login.response, "token") and not _kid(str(field(login.response, "token"))):
        return f"{asked(history, login)}; the contract says a JWT with a kid in its header."
    return disagreement(history, "/login", ["token"])


@honest_and_forged.must("REFUSED", "every instance of both services accepts a token of any other, and says whose it is")
@anywhere.must("REFUSED", "a token outlives the instance that signed it")
def accepted(history: History) -> str | None:
    honest = {field(request.response, "token") for request in history.sent if request.path == "/login"}
    for request in history.sent:
        if request.path == "/me" and _token(request) in honest and request.time < LIFE and request.status != 502:
            user = field(request.response, "user")
            outcome = f"answers with {user} instead of Ada" if request.ok else f"says {request.outcome}"
            if user != "ada":
                return (
                    f"Ada shows {_service(request)} the token that shop has given her a moment ago, and it {outcome}."
                )
    return None


def _token(request: Sent) -> str:
    return str(request.request.headers["authorization"]).removeprefix("Bearer ")


def _service(request: Sent) -> str:
    return request.client.split("@")[-1]


@honest_and_forged.must("FORGED", "a token that the fleet did not issue is refused")
def no_forgery(history: History) -> str | None:
    return _taken(history, "changed", "not yours", "signature", "no token")


@honest_and_forged.must("AUDIENCE", "a token that was made for somebody else is refused")
def no_other_audience(history: History) -> str | None:
    return _taken(history, "audience")


@honest_and_forged.must("EXPIRED", "a token is refused a minute after its end, and one that has none always")
def no_expired(history: History) -> str | None:
    return _taken(history, "expir")


def _taken(history: History, *kinds: str) -> str | None:
    for what, status in history.result.items():
        if status == 200 and any(kind in what for kind in kinds):
            return f"A token {what} was accepted."
    return None


@honest_and_forged.must("ERROR-500", "a bad token is answered with 401, it is not an error of yours")
def no_error(history: History) -> str | None:
    for what, status in history.result.items():
        if status != 401:
            return f"A token {what} was answered with {status}."
    return None


@rotation.must("LOGGED-OUT", "nobody is logged out by the rotation of a key")
def nobody_out(history: History) -> str | None:
    for request in history.sent:
        if request.time >= LIFE or request.ok:
            continue
        if request.path == "/me":
            when = "A second before its end" if request.time else "At the rotation"
            token = f"Ada's token, signed with {_key(request)},"
            return f"{when} {token} is refused by {_service(request)}: {request.outcome}."
        return f"At the rotation {asked(history, request)}."
    return None


def _key(request: Sent) -> str:
    """Return which key the token of a request is signed with, as far as it says."""
    kid = _kid(_token(request))
    return f"the {'old' if kid == 'k1' else 'new'} key ({kid})"


@rotation.must("OLD-KEY", "the old key stops working once no honest token can carry it")
def old_key_ends(history: History) -> str | None:
    for when, (stolen, _, _) in zip(_WHEN, history.result, strict=True):
        if stolen:
            return f"{when} a thief signs a token with the old key, and is let in as Ada."
    return None


@rotation.must("NOT-ROTATED", "after the rotation every instance signs with the new key, and goes on doing so")
def new_key_signs(history: History) -> str | None:
    for when, (_, kid, status) in zip(_WHEN, history.result, strict=True):
        if kid is None:
            login = next(request for request in reversed(history.sent) if request.path == "/login" and not request.ok)
            return f"{when} {asked(history, login)}: Ada cannot log in."
        if kid != "k2" or status != 200:
            return f"{when} a new token is signed with {kid}, and answered with {status}."
    return None


_WHEN = ("17 minutes after the rotation", "17 minutes after the rotation, once a new instance has started,")

__all__ = ["signed_token"]
