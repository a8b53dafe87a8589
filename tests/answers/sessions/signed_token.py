"""Answers to 09.signed_token: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt
from flask import Flask, abort, request

LIFE = 15 * 60
LEEWAY = 60

Sign = Callable[[dict[str, Any]], str]
Verify = Callable[[str], dict[str, Any]]
Rotate = Callable[[str, str], None]


def bearer() -> str:
    """Return the token of the request."""
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def claims(user: str, audience: str) -> dict[str, Any]:
    """Return what a new token says."""
    now = int(time.time())
    return {"sub": user, "aud": audience, "iat": now, "exp": now + LIFE}


def decode(token: str, key: str, audience: str) -> dict[str, Any]:
    """Verify everything that a token claims; raises jwt.PyJWTError."""
    return jwt.decode(
        token,
        key,
        algorithms=["HS256"],
        audience=audience,
        leeway=LEEWAY,
        options={"require": ["exp", "sub"]},
    )


def serve(env: Any, sign: Sign, verify: Verify, rotate: Rotate, catch: Any = jwt.PyJWTError) -> Flask:
    """Return an app with the three routes of the contract."""
    app = Flask("service")

    @app.post("/login")
    def login() -> Any:
        return {"token": sign(claims(request.json["user"], env.vars["AUDIENCE"]))}

    @app.get("/me")
    def me() -> Any:
        try:
            return {"user": verify(bearer())["sub"]}
        except catch:
            return {"error": "log in"}, 401

    @app.post("/rotate")
    def new_key() -> Any:
        rotate(request.json["kid"], request.json["key"])
        return {"kid": request.json["kid"]}

    return app


def kid_of(token: str) -> str:
    """Return which key a token names; "" if none."""
    return str(jwt.get_unverified_header(token).get("kid", ""))


def stub(env: Any) -> Flask:
    """Each instance draws a key of its own."""
    app = Flask("service")
    keys = {"k1": secrets.token_hex(32)}

    @app.post("/login")
    def login():
        claims = {"sub": request.json["user"], "exp": int(time.time()) + LIFE}
        return {"token": jwt.encode(claims, keys["k1"], algorithm="HS256", headers={"kid": "k1"})}

    @app.get("/me")
    def me():
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, keys["k1"], algorithms=["HS256"])
        except jwt.PyJWTError:
            abort(401)
        return {"user": claims["sub"]}

    @app.post("/rotate")
    def rotate():
        kid, key = request.json["kid"], request.json["key"]
        keys[kid] = key
        return {"kid": kid}

    return app


# -- right


class Ring:
    """All keys in one Redis value: which one signs, and until when each of the others may verify."""

    def __init__(self, env: Any) -> None:
        self.redis = env.redis
        first = {"signs": env.vars["JWT_KID"], "keys": {env.vars["JWT_KID"]: {"key": env.vars["JWT_KEY"]}}}
        self.redis.set("jwt:ring", json.dumps(first), nx=True)

    def load(self) -> dict[str, Any]:
        """Return the ring as it is now."""
        return json.loads(self.redis.get("jwt:ring"))

    def key(self, kid: str) -> str:
        """Return a key that may verify now; raises jwt.InvalidTokenError for any other."""
        entry = self.load()["keys"].get(kid)
        if entry is None or entry.get("until", time.time()) < time.time():
            raise jwt.InvalidTokenError("unknown key")
        return entry["key"]

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token signed with the key of this moment."""
        ring = self.load()
        kid = ring["signs"]
        return jwt.encode(claims, ring["keys"][kid]["key"], algorithm="HS256", headers={"kid": kid})

    def rotate(self, kid: str, key: str) -> None:
        """Sign with a new key from now on; the one before verifies for one more token life."""
        ring = self.load()
        if kid not in ring["keys"]:
            ring["keys"][ring["signs"]]["until"] = time.time() + LIFE + LEEWAY
            ring["keys"][kid] = {"key": key}
            ring["signs"] = kid
            self.redis.set("jwt:ring", json.dumps(ring))


def ring_in_redis(env: Any) -> Flask:
    """Asks Redis for the ring at each request."""
    ring = Ring(env)
    audience = env.vars["AUDIENCE"]
    return serve(env, ring.sign, lambda token: decode(token, ring.key(kid_of(token)), audience), ring.rotate)


def ring_cached(env: Any) -> Flask:
    """Keeps the ring in memory, and reads it again for a kid that it does not know: verifying costs no call."""
    ring = Ring(env)
    known: dict[str, dict[str, Any]] = {}
    read = [0.0]

    def key(kid: str) -> str:
        if kid not in known or time.time() - read[0] > 60:
            known.clear()
            known.update(ring.load()["keys"])
            read[0] = time.time()
        entry = known.get(kid)
        if entry is None or entry.get("until", time.time()) < time.time():
            raise jwt.InvalidTokenError("unknown key")
        return entry["key"]

    return serve(env, ring.sign, lambda token: decode(token, key(kid_of(token)), env.vars["AUDIENCE"]), ring.rotate)


def a_key_each(env: Any) -> Flask:
    """One Redis value a key, which Redis itself forgets when its time is over."""
    r, first = env.redis, env.vars["JWT_KID"]
    r.msetnx({"jwt:signs": first, f"jwt:key:{first}": env.vars["JWT_KEY"]})

    def sign(claims: dict[str, Any]) -> str:
        kid = r.get("jwt:signs")
        return jwt.encode(claims, r.get(f"jwt:key:{kid}"), algorithm="HS256", headers={"kid": kid})

    def verify(token: str) -> dict[str, Any]:
        key = r.get(f"jwt:key:{kid_of(token)}")
        if key is None:
            raise jwt.InvalidTokenError("unknown key")
        return decode(token, key, env.vars["AUDIENCE"])

    def rotate(kid: str, key: str) -> None:
        old = r.get("jwt:signs")
        with r.pipeline(transaction=True) as pipe:
            pipe.set(f"jwt:key:{kid}", key)
            pipe.set("jwt:signs", kid)
            if old != kid:
                pipe.expire(f"jwt:key:{old}", LIFE + LEEWAY)
            pipe.execute()

    return serve(env, sign, verify, rotate)


# -- wrong: who may sign


def key_of_each_service(env: Any) -> Flask:
    """Who takes one key a service for good practice: the shop's token is worth nothing at the account service."""
    service = env.name.rsplit("-", 1)[0]
    ring = Ring(env)
    audience = env.vars["AUDIENCE"]

    def sign(claims: dict[str, Any]) -> str:
        return jwt.encode(claims, env.vars["JWT_KEY"] + service, algorithm="HS256", headers={"kid": "k1"})

    return serve(env, sign, lambda token: decode(token, env.vars["JWT_KEY"] + service, audience), ring.rotate)


def token_as_text(env: Any) -> Flask:
    """Who answers the login with the bare token: the client looks for JSON."""
    app = ring_in_redis(env)

    @app.after_request
    def bare(response: Any) -> Any:
        if request.path == "/login":
            response.data = response.get_json()["token"]
            response.mimetype = "text/plain"
        return response

    return app


def opaque_token(env: Any) -> Flask:
    """Who hands out random numbers and keeps the users in Redis: a session store, and nothing that is signed."""

    def sign(claims: dict[str, Any]) -> str:
        token = secrets.token_urlsafe(32)
        env.redis.set(f"token:{token}", json.dumps(claims), ex=LIFE)
        return token

    def verify(token: str) -> dict[str, Any]:
        return json.loads(env.redis.get(f"token:{token}") or abort(401))

    return serve(env, sign, verify, lambda kid, key: None)


def algorithm_from_token(env: Any) -> Flask:
    """Who lets the token choose, because the tests use unsigned ones: so may everybody."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        unsigned = header["alg"] == "none"
        return jwt.decode(
            token,
            "" if unsigned else ring.key(header["kid"]),
            algorithms=[header["alg"]],
            audience=env.vars["AUDIENCE"],
            options={"verify_signature": not unsigned, "require": ["exp"]},
        )

    return serve(env, ring.sign, verify, ring.rotate)


def payload_first(env: Any) -> Flask:
    """Who reads the payload to see who it is, checks its dates and audience by hand, and never the signature."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        said = jwt.decode(token, options={"verify_signature": False})
        if said.get("exp", 0) < time.time() - LEEWAY or said.get("aud") != env.vars["AUDIENCE"]:
            raise jwt.InvalidTokenError
        return said

    return serve(env, ring.sign, verify, ring.rotate)


def verified_for_nothing(env: Any) -> Flask:
    """Who verifies, logs a failure as a warning so that nobody is locked out by a bug, and goes on."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        try:
            return decode(token, ring.key(kid_of(token)), env.vars["AUDIENCE"])
        except jwt.InvalidSignatureError:
            return jwt.decode(token, options={"verify_signature": False})

    return serve(env, ring.sign, verify, ring.rotate)


# -- wrong: what a good token is


def no_expiry(env: Any) -> Flask:
    """Who has had complaints about short sessions: the tokens never end."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        return jwt.decode(token, ring.key(kid_of(token)), algorithms=["HS256"], audience=env.vars["AUDIENCE"])

    def sign(claims: dict[str, Any]) -> str:
        return ring.sign({name: value for name, value in claims.items() if name != "exp"})

    return serve(env, sign, verify, ring.rotate)


def expiry_not_required(env: Any) -> Flask:
    """Who trusts jwt.decode with the expiry: it checks one that is there, and asks for none."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        return jwt.decode(
            token, ring.key(kid_of(token)), algorithms=["HS256"], audience=env.vars["AUDIENCE"], leeway=LEEWAY
        )

    return serve(env, ring.sign, verify, ring.rotate)


def generous_leeway(env: Any) -> Flask:
    """Who meets a clock that is wrong by minutes and allows for it: every token lives an hour longer."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        options = {"require": ["exp"]}
        key, audience = ring.key(kid_of(token)), env.vars["AUDIENCE"]
        return jwt.decode(token, key, algorithms=["HS256"], audience=audience, leeway=3600, options=options)

    return serve(env, ring.sign, verify, ring.rotate)


def audience_switched_off(env: Any) -> Flask:
    """Who meets InvalidAudienceError, finds the option that makes it go away, and does not look back."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        options = {"verify_aud": False, "require": ["exp"]}
        return jwt.decode(token, ring.key(kid_of(token)), algorithms=["HS256"], leeway=LEEWAY, options=options)

    return serve(env, ring.sign, verify, ring.rotate)


def catches_what_he_has_seen(env: Any) -> Flask:
    """Who catches the two exceptions that the tests have raised: any other bad token is an error 500."""
    ring = Ring(env)
    seen = (jwt.ExpiredSignatureError, jwt.InvalidSignatureError)
    audience = env.vars["AUDIENCE"]
    return serve(env, ring.sign, lambda token: decode(token, ring.key(kid_of(token)), audience), ring.rotate, seen)


def kid_is_there(env: Any) -> Flask:
    """Who takes the kid for granted: a token without one is a KeyError."""
    ring = Ring(env)

    def verify(token: str) -> dict[str, Any]:
        return decode(token, ring.key(jwt.get_unverified_header(token)["kid"]), env.vars["AUDIENCE"])

    return serve(env, ring.sign, verify, ring.rotate)


# -- wrong: how keys come and go


def rotated_here(env: Any) -> Flask:
    """Who keeps the ring in memory: only the instance that got the request knows the new key."""
    keys = {env.vars["JWT_KID"]: env.vars["JWT_KEY"]}
    signs = [env.vars["JWT_KID"]]

    def sign(claims: dict[str, Any]) -> str:
        return jwt.encode(claims, keys[signs[0]], algorithm="HS256", headers={"kid": signs[0]})

    def verify(token: str) -> dict[str, Any]:
        key = keys.get(kid_of(token))
        if key is None:
            raise jwt.InvalidTokenError
        return decode(token, key, env.vars["AUDIENCE"])

    def rotate(kid: str, key: str) -> None:
        keys[kid] = key
        signs[0] = kid

    return serve(env, sign, verify, rotate)


def cached_for_ever(env: Any) -> Flask:
    """Who reads the ring once, as one reads configuration: the others do not hear of the new key."""
    ring = Ring(env)
    known = ring.load()["keys"]

    def verify(token: str) -> dict[str, Any]:
        if kid_of(token) not in known:
            raise jwt.InvalidTokenError
        return decode(token, known[kid_of(token)]["key"], env.vars["AUDIENCE"])

    return serve(env, ring.sign, verify, ring.rotate)


def cached_old_key(env: Any) -> Flask:
    """Who reads the ring again for an unknown kid, and forgets that a known one may end."""
    ring = Ring(env)
    known: dict[str, dict[str, Any]] = {}

    def verify(token: str) -> dict[str, Any]:
        if kid_of(token) not in known:
            known.update(ring.load()["keys"])
        if kid_of(token) not in known:
            raise jwt.InvalidTokenError
        return decode(token, known[kid_of(token)]["key"], env.vars["AUDIENCE"])

    return serve(env, ring.sign, verify, ring.rotate)


def old_key_dropped(env: Any) -> Flask:
    """Who replaces the key, as a stolen one should be: everybody is logged out at once."""
    ring = Ring(env)

    def rotate(kid: str, key: str) -> None:
        ring.redis.set("jwt:ring", json.dumps({"signs": kid, "keys": {kid: {"key": key}}}))

    return serve(env, ring.sign, lambda t: decode(t, ring.key(kid_of(t)), env.vars["AUDIENCE"]), rotate)


def old_key_for_five_minutes(env: Any) -> Flask:
    """Who guesses how long an old key is needed: a token signed the moment before lives for fifteen minutes."""
    ring = Ring(env)

    def rotate(kid: str, key: str) -> None:
        now = ring.load()
        if kid not in now["keys"]:
            now["keys"][now["signs"]]["until"] = time.time() + 5 * 60
            now["keys"][kid] = {"key": key}
            ring.redis.set("jwt:ring", json.dumps({**now, "signs": kid}))

    return serve(env, ring.sign, lambda t: decode(t, ring.key(kid_of(t)), env.vars["AUDIENCE"]), rotate)


def old_key_for_ever(env: Any) -> Flask:
    """Who adds keys and removes none: the ring is right for honest tokens, and for the thief's."""
    ring = Ring(env)

    def rotate(kid: str, key: str) -> None:
        now = ring.load()
        now["keys"][kid] = {"key": key}
        ring.redis.set("jwt:ring", json.dumps({**now, "signs": kid}))

    return serve(env, ring.sign, lambda t: decode(t, ring.key(kid_of(t)), env.vars["AUDIENCE"]), rotate)


def signs_too_early(env: Any) -> Flask:
    """Who writes the new name before the new key: an instance that signs in between finds no key."""
    r, first = env.redis, env.vars["JWT_KID"]
    r.msetnx({"jwt:signs": first, f"jwt:key:{first}": env.vars["JWT_KEY"]})
    fallback = env.vars["JWT_KEY"]

    def sign(claims: dict[str, Any]) -> str:
        kid = r.get("jwt:signs")
        return jwt.encode(claims, r.get(f"jwt:key:{kid}") or fallback, algorithm="HS256", headers={"kid": kid})

    def verify(token: str) -> dict[str, Any]:
        key = r.get(f"jwt:key:{kid_of(token)}")
        if key is None:
            raise jwt.InvalidTokenError
        return decode(token, key, env.vars["AUDIENCE"])

    def rotate(kid: str, key: str) -> None:
        old = r.getset("jwt:signs", kid)
        r.set(f"jwt:key:{kid}", key)
        if old != kid:
            r.expire(f"jwt:key:{old}", LIFE + LEEWAY)

    return serve(env, sign, verify, rotate)


def retires_itself(env: Any) -> Flask:
    """Who retires "the key that signs now": sent twice, the rotation retires the key that it has just brought."""
    r, first = env.redis, env.vars["JWT_KID"]
    r.msetnx({"jwt:signs": first, f"jwt:key:{first}": env.vars["JWT_KEY"]})

    def sign(claims: dict[str, Any]) -> str:
        kid = r.get("jwt:signs")
        key = r.get(f"jwt:key:{kid}") or abort(503, "no key to sign with")
        return jwt.encode(claims, key, algorithm="HS256", headers={"kid": kid})

    def verify(token: str) -> dict[str, Any]:
        key = r.get(f"jwt:key:{kid_of(token)}")
        if key is None:
            raise jwt.InvalidTokenError
        return decode(token, key, env.vars["AUDIENCE"])

    def rotate(kid: str, key: str) -> None:
        old = r.get("jwt:signs")
        with r.pipeline(transaction=True) as pipe:
            pipe.set(f"jwt:key:{kid}", key)
            pipe.set("jwt:signs", kid)
            pipe.expire(f"jwt:key:{old}", LIFE + LEEWAY)
            pipe.execute()

    return serve(env, sign, verify, rotate)


def brought_back_at_start(env: Any) -> Flask:
    """Who puts the key of the environment into the ring at each start: a new instance brings the stolen key back."""
    r, first = env.redis, env.vars["JWT_KID"]
    r.set(f"jwt:key:{first}", env.vars["JWT_KEY"], nx=True)
    r.set("jwt:signs", first, nx=True)

    def sign(claims: dict[str, Any]) -> str:
        kid = r.get("jwt:signs")
        return jwt.encode(claims, r.get(f"jwt:key:{kid}"), algorithm="HS256", headers={"kid": kid})

    def verify(token: str) -> dict[str, Any]:
        key = r.get(f"jwt:key:{kid_of(token)}")
        if key is None:
            raise jwt.InvalidTokenError
        return decode(token, key, env.vars["AUDIENCE"])

    def rotate(kid: str, key: str) -> None:
        old = r.get("jwt:signs")
        with r.pipeline(transaction=True) as pipe:
            pipe.set(f"jwt:key:{kid}", key)
            pipe.set("jwt:signs", kid)
            if old != kid:
                pipe.expire(f"jwt:key:{old}", LIFE + LEEWAY)
            pipe.execute()

    return serve(env, sign, verify, rotate)


def signs_with_the_first(env: Any) -> Flask:
    """Who makes the environment's key the signing key at each start: a new instance goes back to the old one."""
    ring = Ring(env)
    now = ring.load()
    now["keys"].setdefault(env.vars["JWT_KID"], {"key": env.vars["JWT_KEY"]})
    ring.redis.set("jwt:ring", json.dumps({**now, "signs": env.vars["JWT_KID"]}))
    return serve(env, ring.sign, lambda t: decode(t, ring.key(kid_of(t)), env.vars["AUDIENCE"]), ring.rotate)


def only_verified(env: Any) -> Flask:
    """Who adds the new key for verifying, as the first of two steps, and has no second one."""
    ring = Ring(env)

    def rotate(kid: str, key: str) -> None:
        now = ring.load()
        now["keys"].setdefault(kid, {"key": key})
        ring.redis.set("jwt:ring", json.dumps(now))

    def key(kid: str) -> str:
        entry = ring.load()["keys"].get(kid)
        if entry is None:
            raise jwt.InvalidTokenError
        return entry["key"]

    return serve(env, ring.sign, lambda t: decode(t, key(kid_of(t)), env.vars["AUDIENCE"]), rotate)


STUB = (stub, "S09-REFUSED")

WRONG = {
    "token_as_text": (token_as_text, "S09-CONTRACT"),
    "opaque_token": (opaque_token, "S09-CONTRACT"),
    "key_of_each_service": (key_of_each_service, "S09-REFUSED"),
    "algorithm_from_token": (algorithm_from_token, "S09-FORGED"),
    "payload_first": (payload_first, "S09-FORGED"),
    "verified_for_nothing": (verified_for_nothing, "S09-FORGED"),
    "no_expiry": (no_expiry, "S09-EXPIRED"),
    "expiry_not_required": (expiry_not_required, "S09-EXPIRED"),
    "generous_leeway": (generous_leeway, "S09-EXPIRED"),
    "audience_switched_off": (audience_switched_off, "S09-AUDIENCE"),
    "catches_what_he_has_seen": (catches_what_he_has_seen, "S09-ERROR-500"),
    "kid_is_there": (kid_is_there, "S09-RAISED"),
    "rotated_here": (rotated_here, "S09-LOGGED-OUT"),
    "cached_for_ever": (cached_for_ever, "S09-LOGGED-OUT"),
    "old_key_dropped": (old_key_dropped, "S09-LOGGED-OUT"),
    "old_key_for_five_minutes": (old_key_for_five_minutes, "S09-LOGGED-OUT"),
    "signs_too_early": (signs_too_early, "S09-LOGGED-OUT"),
    "old_key_for_ever": (old_key_for_ever, "S09-OLD-KEY"),
    "cached_old_key": (cached_old_key, "S09-OLD-KEY"),
    "brought_back_at_start": (brought_back_at_start, "S09-OLD-KEY"),
    "retires_itself": (retires_itself, "S09-NOT-ROTATED"),
    "signs_with_the_first": (signs_with_the_first, "S09-NOT-ROTATED"),
    "only_verified": (only_verified, "S09-OLD-KEY"),
}

RIGHT = {"ring_in_redis": ring_in_redis, "ring_cached": ring_cached, "a_key_each": a_key_each}

REPLAYED = "signs_too_early"
