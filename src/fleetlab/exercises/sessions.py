"""Lesson 09, sessions: who remembers that Ada is logged in?"""

from __future__ import annotations

import time
from typing import Any

import jwt

from fleetlab.world.http import Sent
from fleetlab.world.world import World

from .exercise import Exercise
from .history import History

MINUTE = 60.0

# ---------------------------------------------------------------------------------------------------------- shared_cart

shared_cart = Exercise(
    "09.shared_cart",
    "Ada's cart survives routing, two tabs and the loss of an instance",
    hints=[
        "Ask of each line: whose memory is this? Only what all instances share survives the next request.",
        "Reading the cart, changing it and writing it back is three moments. Which one command changes just one item, "
        "whoever else is at it?",
        "One Redis hash or list a user: an `HSET` or `RPUSH` for each item, and `EXPIRE` on every use, both in one "
        "`pipeline(transaction=True)`.",
    ],
)


def _items(requests: list[Sent]) -> list[str]:
    return [request.path.rsplit("/", 1)[-1] for request in requests if request.path.startswith("/cart/")]


def _cart(client: Any) -> list[str]:
    """Return the cart as its owner sees it in the end: a page that did not come is loaded again."""
    response = client.get("/cart")
    while response.status_code in (502, 503):
        response = client.get("/cart")
    return list(response.json()["cart"])


@shared_cart.scenario(preemptions=2, kills=1)
def two_tabs(world: World, shop: Any) -> Any:
    """Ada adds from two tabs at once; an instance may die."""
    world.deploy(shop, instances=2, name="shop")
    left, right = (world.client(f"ada-{tab}", cookies={"user": "ada"}) for tab in ("left", "right"))
    world.together(lambda: left.post("/cart/tea"), lambda: right.post("/cart/milk"))
    return _cart(left)


@two_tabs.must("LOST-ITEM", "every item that was acknowledged is in the cart")
def nothing_lost(history: History) -> str | None:
    lost = [item for item in _items(history.acknowledged) if item not in history.result]
    return f"Ada's {' and '.join(lost)} was acknowledged and is gone from her cart." if lost else None


@two_tabs.must("NOT-ACKNOWLEDGED", "without a fault, every request is answered")
def all_answered(history: History) -> str | None:
    failed = history.failed
    if failed and not history.faults:
        return f"{failed[0].client} asked {failed[0].method} {failed[0].path} and got {failed[0].outcome}, without any fault."
    return None


@shared_cart.scenario(preemptions=0)
def half_an_hour(world: World, shop: Any) -> Any:
    """Ada comes back after 20, 40 and 65 minutes, each time within half an hour, and then stays away for 31."""
    world.deploy(shop, instances=2, name="shop")
    ada = world.client("ada", cookies={"user": "ada"})
    seen = {}
    ada.post("/cart/tea")
    world.run(20 * MINUTE)
    ada.post("/cart/milk")
    for wait, minute in ((20, 40), (25, 65), (31, 96)):
        world.run(wait * MINUTE)
        seen[minute] = _cart(ada)
    return seen


@half_an_hour.must("GONE-TOO-EARLY", "the cart stays for half an hour after its last use, and looking at it is a use")
def still_there(history: History) -> str | None:
    for minute in (40, 65):
        if sorted(history.result[minute]) != ["milk", "tea"]:
            left = history.result[minute] or "nothing"
            return f"At minute {minute}, less than half an hour after its last use, Ada's cart holds {left}."
    return None


@half_an_hour.must("NEVER-GONE", "the cart is gone half an hour after its last use")
def gone(history: History) -> str | None:
    if history.result[96]:
        return f"31 minutes after its last use Ada's cart still holds {', '.join(history.result[96])}."
    return None


@shared_cart.scenario(preemptions=1, kills=1)
def two_users(world: World, shop: Any) -> Any:
    """Ada and Bob at once; whatever happens to Ada's instance is not Bob's business."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = (world.client(name, cookies={"user": name}) for name in ("ada", "bob"))
    world.together(lambda: ada.post("/cart/tea"), lambda: bob.post("/cart/milk"))
    return _cart(bob), _cart(ada)


@two_users.must("BLOCKED", "nobody waits because of another user's request")
def nobody_waits(history: History) -> str | None:
    waited = [request for request in history.sent if request.seconds >= 1]
    if waited:
        return f"{waited[0].client} waited {waited[0].seconds:.1f} s for {waited[0].method} {waited[0].path}, behind somebody else."
    return None


@two_users.must("MIXED-UP", "everybody sees his or her own items alone")
def own_items(history: History) -> str | None:
    bobs, adas = history.result
    return f"Bob sees {bobs} and Ada sees {adas}." if set(bobs) - {"milk"} or set(adas) - {"tea"} else None


# --------------------------------------------------------------------------------------------------------- signed_token

LIFE = 15 * MINUTE
LEEWAY = MINUTE
KEYS = {f"k{n}": f"{n}-of-the-keys-of-this-lab-0123456789abcdef" for n in (1, 2)}
STOLEN = "a key that only the attacker has, long enough for HS256"

signed_token = Exercise(
    "09.signed_token",
    "A token that any instance verifies, and nobody forges",
    hints=[
        "The verifier decides what is acceptable, never the token: algorithm, audience and expiry are your arguments "
        "to `jwt.decode`, not its header's.",
        "A token names its key in the header (`kid`). Which keys must an instance know, from when until when?",
        "Rotation: keep the ring in Redis. A verifier that meets an unknown `kid` reads the ring again before it "
        "refuses. A key that no longer signs goes out of the ring after 15 minutes: no honest token outlives that.",
    ],
)


def _token_fleet(world: World, app: Any) -> tuple[Any, Any]:
    env = {"JWT_KID": "k1", "JWT_KEY": KEYS["k1"], "AUDIENCE": "fleet"}
    clients = []
    for name in ("shop", "account"):
        world.deploy(app, instances=2, name=name, env=env)
        clients.append(world.client(f"ada@{name}", base_url=f"http://{name}"))
    return clients[0], clients[1]


def _login(client: Any, user: str = "ada") -> str:
    return str(client.post("/login", json={"user": user}).json()["token"])


def _me(client: Any, token: str) -> int:
    return int(client.get("/me", headers={"authorization": f"Bearer {token}"}).status_code)


def _forge(key: str, *, kid: str = "k1", algorithm: str = "HS256", **claims: Any) -> str:
    now = int(time.time())
    payload = {"sub": "ada", "aud": "fleet", "iat": now, "exp": now + LIFE, **claims}
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid})


@signed_token.scenario(preemptions=0, kills=1)
def anywhere(world: World, app: Any) -> Any:
    """One login at one instance; then every instance of both services is asked, and one may have died."""
    shop, account = _token_fleet(world, app)
    token = _login(shop)
    return [(client, _me(client, token)) for client in (shop, shop, account, account)]


@anywhere.must("REFUSED", "every instance of both services accepts a token of any other")
def accepted(history: History) -> str | None:
    return _refused(history, "with a token that is one moment old")


def _refused(history: History, when: str) -> str | None:
    refused = [r for r in history.sent if r.path == "/me" and r.status not in (200, 502, 503)]
    if refused:
        return f"Ada asked {refused[0].client.split('@')[-1]} {when} and got {refused[0].outcome}."
    return None


@signed_token.scenario(preemptions=0)
def forgeries(world: World, app: Any) -> Any:
    """Tokens that nobody should accept."""
    shop, _ = _token_fleet(world, app)
    honest = _login(shop)
    head, body, signature = honest.split(".")
    claims = jwt.decode(honest, options={"verify_signature": False})
    other = jwt.encode({**claims, "sub": "bob"}, STOLEN, algorithm="HS256").split(".")[1]
    tried = {
        "signed with another key": _forge(STOLEN),
        "whose user was changed to Bob": ".".join([head, other, signature]),
        "without a signature (alg=none)": _forge("", algorithm="none"),
        "without a signature and without kid": jwt.encode({**claims}, "", algorithm="none"),
        "made for another audience": _forge(KEYS["k1"], aud="billing"),
        "without an expiry": jwt.encode({"sub": "ada", "aud": "fleet"}, KEYS["k1"], headers={"kid": "k1"}),
        "that is no token": "abc",
    }
    statuses = {what: _me(shop, token) for what, token in tried.items()}
    world.run(LIFE + LEEWAY + 1)
    return {**statuses, "that expired 61 s ago": _me(shop, honest)}


@forgeries.must("FORGED", "a token that the fleet did not issue is refused")
def no_forgery(history: History) -> str | None:
    for what, status in history.result.items():
        if status == 200 and "expir" not in what and "audience" not in what:
            return f"A token {what} was accepted."
    return None


@forgeries.must("EXPIRED", "a token is refused once it has expired, and one without an expiry always")
def no_expired(history: History) -> str | None:
    late = [what for what, status in history.result.items() if status == 200 and "expir" in what]
    return f"A token {late[0]} was accepted." if late else None


@forgeries.must("AUDIENCE", "a token made for somebody else is refused")
def no_other_audience(history: History) -> str | None:
    return "A token made for billing was accepted here." if history.result["made for another audience"] == 200 else None


@forgeries.must("ERROR-500", "a bad token is an answer 401, not an error")
def no_error(history: History) -> str | None:
    broken = [what for what, status in history.result.items() if status >= 500]
    return f"A token {broken[0]} ended in {history.result[broken[0]]}." if broken else None


@signed_token.scenario(preemptions=1)
def rotation(world: World, app: Any) -> Any:
    """A new key comes in during traffic; the old one is stolen; 17 minutes later the thief signs with it."""
    shop, account = _token_fleet(world, app)
    operator = world.client("operator", base_url="http://shop")
    before = _login(shop)
    for client in (shop, shop, account, account):
        _me(client, before)
    tokens = world.together(
        lambda: operator.post("/rotate", json={"kid": "k2", "key": KEYS["k2"]}) and "",
        lambda: _login(account),
    )
    tokens = [before, tokens[1], _login(shop), _login(shop)]
    for token in tokens:
        for client in (shop, shop, account, account):
            _me(client, token)
    world.run(LIFE + LEEWAY + MINUTE)
    stolen, fresh = _forge(KEYS["k1"], kid="k1"), _login(shop)
    return (
        [_me(client, stolen) for client in (shop, account)],
        jwt.get_unverified_header(fresh).get("kid"),
        _me(account, fresh),
    )


@rotation.must("LOGGED-OUT", "nobody is logged out by the rotation of a key")
def nobody_out(history: History) -> str | None:
    limit = LIFE
    refused = [r for r in history.sent if r.path == "/me" and r.time < limit and r.status != 200]
    if refused:
        return f"During the rotation {refused[0].client} refused a valid token with {refused[0].outcome}."
    return None


@rotation.must("OLD-KEY", "a retired key stops working once no honest token can carry it")
def old_key_ends(history: History) -> str | None:
    if 200 in history.result[0]:
        return "17 minutes after the rotation a token freshly signed with the old key is accepted: whoever stole it stays in."
    return None


@rotation.must("NOT-ROTATED", "after the rotation tokens are signed with the new key")
def new_key_signs(history: History) -> str | None:
    if history.result[1] != "k2" or history.result[2] != 200:
        return f"17 minutes after the rotation tokens are signed with {history.result[1]}, and answered with {history.result[2]}."
    return None


# --------------------------------------------------------------------------------------------------- log_out_everywhere

DAY = 24 * 60 * MINUTE

log_out_everywhere = Exercise(
    "09.log_out_everywhere",
    "Once Ada has logged out, nobody is Ada any more",
    hints=[
        "A signed token stays valid until it expires, whatever you do to it. So every instance must ask something "
        "shared before it believes one.",
        "How many tokens does Ada have? Two devices, each with an access and a refresh token. Which one number, kept "
        "for each user, makes all of them old at once?",
        "A version for each user in Redis: `INCR version:ada` at logout; tokens carry the version they were made with; "
        "every route and /refresh compare. A store that cannot be asked means 503, never yes.",
    ],
)


def _fleet(world: World, app: Any, instances: int = 2) -> None:
    env = {"JWT_KEY": KEYS["k1"], "AUDIENCE": "fleet"}
    world.deploy(app, instances=instances, name="shop", env=env)


def _tokens(client: Any, user: str) -> dict[str, str]:
    return dict(client.post("/login", json={"user": user}).json())


def _bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access']}"}


@log_out_everywhere.scenario(preemptions=1)
def two_devices(world: World, app: Any) -> Any:
    """Ada logs out on her phone while her laptop is busy; Bob has nothing to do with it."""
    _fleet(world, app)
    phone, laptop, bob = (world.client(name) for name in ("phone", "laptop", "bob"))
    on_phone, on_laptop, bobs = _tokens(phone, "ada"), _tokens(laptop, "ada"), _tokens(bob, "bob")
    world.together(
        lambda: phone.post("/logout-everywhere", headers=_bearer(on_phone)),
        lambda: laptop.get("/me", headers=_bearer(on_laptop)),
    )
    for route in ("/me", "/orders"):
        for client, tokens in ((laptop, on_laptop), (phone, on_phone)):
            for _ in range(2):
                client.get(route, headers=_bearer(tokens))
    renewed = [
        client.post("/refresh", json=tokens).status_code for client, tokens in ((laptop, on_laptop), (phone, on_phone))
    ]
    again = _tokens(phone, "ada")
    back = [phone.get("/me", headers=_bearer(again)).status_code for _ in range(2)]
    return renewed, back, [bob.get("/me", headers=_bearer(bobs)).status_code for _ in range(2)]


def _logout(history: History) -> Sent:
    return next(request for request in history.sent if request.path == "/logout-everywhere")


@two_devices.must("STILL-IN", "once the logout is acknowledged, no instance accepts an earlier token on any route")
def out_everywhere(history: History) -> str | None:
    logout = _logout(history)
    if not logout.ok:
        return f"The logout itself was answered with {logout.outcome}."
    logins = [request.ended for request in history.sent if request.path == "/login"]
    until = max(logins)
    for request in history.sent:
        if request.method == "GET" and request.client != "bob" and logout.ended < request.began < until and request.ok:
            return f"After the logout was acknowledged, the {request.client} still got {request.path}."
    return None


@two_devices.must("REFRESHED", "a refresh token is worth nothing after the logout")
def no_refresh(history: History) -> str | None:
    return "After the logout a refresh token still bought a new access token." if 200 in history.result[0] else None


@two_devices.must("LOCKED-OUT", "Ada can log in again at once")
def can_come_back(history: History) -> str | None:
    if history.result[1] != [200, 200]:
        return f"Ada logged in again and was refused with {max(history.result[1])}."
    return None


@two_devices.must("OVERKILL", "nobody else is logged out")
def bob_stays(history: History) -> str | None:
    return f"Bob was thrown out with Ada: {max(history.result[2])}." if history.result[2] != [200, 200] else None


@log_out_everywhere.scenario(preemptions=0)
def years_of_logouts(world: World, app: Any) -> Any:
    """Ada logs in and out thirty times; her last stolen token is tried just before it ends; then two days pass."""
    _fleet(world, app)
    ada = world.client("ada")
    for _ in range(30):
        tokens = _tokens(ada, "ada")
        ada.post("/logout-everywhere", headers=_bearer(tokens))
    statuses = []
    for wait in (LIFE - 2, LEEWAY):
        world.run(wait)
        statuses.append(ada.get("/me", headers=_bearer(tokens)).status_code)
    world.run(DAY - LIFE - LEEWAY - MINUTE)
    statuses.append(ada.post("/refresh", json=tokens).status_code)
    world.run(2 * DAY)
    return statuses, world.redis.size()


@years_of_logouts.must("BACK-AGAIN", "a revoked token stays revoked until it would have ended, and a little longer")
def stays_out(history: History) -> str | None:
    if 200 in history.result[0]:
        when = ("just before its end", "within the leeway after its end", "a day later, by its refresh token")
        return f"A revoked token was accepted again {when[history.result[0].index(200)]}."
    return None


@years_of_logouts.must("GROWS", "what is remembered about logouts does not grow for ever")
def does_not_grow(history: History) -> str | None:
    left = history.result[1]
    return f"Two days after 30 logouts of one user, {left} keys are still in Redis." if left > 3 else None


@log_out_everywhere.scenario(preemptions=0)
def denylist_unreachable(world: World, app: Any) -> Any:
    """Redis goes away for half a minute after Ada's logout; her stolen token is tried meanwhile."""
    _fleet(world, app)
    ada = world.client("ada", timeout=30)
    tokens = _tokens(ada, "ada")
    ada.post("/logout-everywhere", headers=_bearer(tokens))
    world.redis.outage(30)
    return [ada.get(route, headers=_bearer(tokens)).status_code for route in ("/me", "/orders", "/me", "/orders")]


@denylist_unreachable.must("UNREACHABLE", "a store that cannot be asked does not mean yes")
def no_means_no(history: History) -> str | None:
    return "While Redis could not be reached, a revoked token was accepted." if 200 in history.result else None


# ----------------------------------------------------------------------------------------------------------- store_down

store_down = Exercise(
    "09.store_down",
    "Half a minute without Redis logs nobody out",
    hints=[
        "Two answers look alike in your code: «there is no such session» and «I could not ask». Which of them may touch "
        "the cookie?",
        "`redis.exceptions.ConnectionError` and `TimeoutError` mean that you do not know. Say so: 503 and Retry-After, "
        "and leave the cookie alone.",
    ],
)


@store_down.scenario(preemptions=0)
def half_a_minute(world: World, app: Any) -> Any:
    """Five users are logged in, Redis goes away for 30 s, they reload twice meanwhile, and once after."""
    world.deploy(app, instances=2, name="shop")
    users = {name: world.client(name, timeout=30) for name in ("ada", "bob", "cem", "dot", "eve")}
    for name, client in users.items():
        client.post("/login", json={"user": name})
    world.redis.outage(30)
    steps = world.redis.attempts
    during = [client.get("/me") for client in users.values() for _ in range(2)]
    attempts = world.redis.attempts - steps
    world.run(31)
    after = {name: client.get("/me") for name, client in users.items()}
    stranger = world.client("stranger", cookies={"session": "0123456789abcdef0123456789abcdef"})
    return during, attempts, after, stranger.get("/me").status_code


@half_a_minute.must("LOGGED-OUT", "everybody is still logged in when the store is back")
def all_in(history: History) -> str | None:
    out = [name for name, response in history.result[2].items() if response.status_code != 200]
    return f"Redis is back, and {', '.join(out)} must log in again: {len(out)} of 5." if out else None


@half_a_minute.must("WRONG-USER", "everybody is still who he or she was")
def same_user(history: History) -> str | None:
    for name, response in history.result[2].items():
        if response.json().get("user") != name:
            return f"{name} reloads after the outage and is {response.json().get('user')}."
    return None


@half_a_minute.must("SAID-NO", "while the store cannot be asked, nobody is told that there is no session")
def not_unauthorised(history: History) -> str | None:
    told = [response.status_code for response in history.result[0] if response.status_code in (401, 403)]
    return (
        f"During the outage {len(told)} of 10 requests were answered {told[0]}: a browser then shows the login page."
        if told
        else None
    )


@half_a_minute.must("ERROR-500", "an outage is said to be temporary: 503 and Retry-After")
def temporary(history: History) -> str | None:
    bad = [
        r
        for r in history.result[0]
        if r.status_code >= 500 and not (r.status_code == 503 and "retry-after" in r.headers)
    ]
    return (
        f"During the outage a request ended in {bad[0].status_code} without Retry-After: clients reload at once."
        if bad
        else None
    )


@half_a_minute.must("STORM", "an outage is not answered with a storm of retries")
def no_storm(history: History) -> str | None:
    return f"10 requests during the outage tried Redis {history.result[1]} times." if history.result[1] > 30 else None


@half_a_minute.must("FORGED", "an unknown session is refused when the store is there")
def no_stranger(history: History) -> str | None:
    return "A session that nobody has opened was accepted." if history.result[3] == 200 else None


__all__ = ["log_out_everywhere", "shared_cart", "signed_token", "store_down"]
