"""Answers that arrive part by part."""

from __future__ import annotations

import time

import httpx
import pytest
from flask import Flask, stream_with_context

from fleetlab import World


@pytest.fixture
def world():
    """A world with one instance that streams."""
    with World(seed=1) as world:
        world.deploy(streaming, instances=1, name="shop")
        yield world


def streaming(env):
    """Return a shop that sends three parts a second apart, or endlessly, or breaks off."""
    app = Flask("shop")

    @app.get("/parts/<float:pause>")
    def parts(pause):
        def generate():
            for n in range(3):
                yield f"part {n}\n"
                time.sleep(pause)

        return stream_with_context(generate())

    @app.get("/broken")
    def broken():
        def generate():
            yield "half"
            raise ValueError("the other half is missing")

        return generate()

    @app.get("/endless")
    def endless():
        def generate():
            try:
                while True:
                    yield "tick"
                    time.sleep(1)
            finally:
                env.redis.set("ended", "yes")

        return generate()

    return app


def test_a_stream_arrives_as_it_is_sent(world):
    """A cell that reads lets virtual time pass between the parts."""
    seen = []
    with world.client().stream("GET", "/parts/1.0") as answer:
        for line in answer.iter_lines():
            seen.append((round(world.now), line))
    assert seen == [(0, "part 0"), (1, "part 1"), (2, "part 2")]
    assert answer.headers["transfer-encoding"] == "chunked"
    assert round(answer.elapsed.total_seconds()) == 3


def test_a_stream_read_at_once(world):
    """Without client.stream() the whole body is read."""
    assert world.client().get("/parts/1.0").text == "part 0\npart 1\npart 2\n"


def test_the_timeout_is_for_each_part(world):
    """A long stream is fine, a long pause is not."""
    ada = world.client()
    assert ada.get("/parts/4.0").status_code == 200
    with pytest.raises(httpx.ReadTimeout, match="shop-1 sent nothing more within 5 s"):
        ada.get("/parts/6.0")


def test_an_instance_that_dies_while_it_sends(world):
    """The client has got a status, and finds the body cut off."""
    ada = world.client()
    with ada.stream("GET", "/parts/1.0") as answer:
        parts = answer.iter_text()
        assert (answer.status_code, next(parts)) == (200, "part 0\n")
        world["shop-1"].kill()
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete"):
            next(parts)


def test_an_error_while_it_sends(world):
    """It cuts the body off as well, and is noted."""
    with pytest.raises(httpx.RemoteProtocolError):
        world.client().get("/broken")
    assert [str(error) for _, error in world["shop-1"].errors] == ["the other half is missing"]


def test_a_client_that_hangs_up_ends_an_endless_stream(world):
    """The instance finds out at its next part, and its `finally` runs."""
    with world.client().stream("GET", "/endless") as answer:
        assert next(answer.iter_text()) == "tick"
    assert world.redis.client().get("ended") is None
    world.run(2)
    assert world.redis.client().get("ended") == "yes"
    assert world["shop-1"].busy == 0
