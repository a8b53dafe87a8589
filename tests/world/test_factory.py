"""Whatever may be handed to deploy by mistake gets one clear sentence."""

from __future__ import annotations

import functools

import pytest
from cells import notebook
from flask import Flask
from shops import shop

from fleetlab import CannotCopy, DeployError, Runaway, World


def refusal(thing, **options):
    """Return the sentence with which a thing is refused."""
    with World() as world, pytest.raises(DeployError) as caught:
        world.deploy(thing, **options)
    return str(caught.value)


def cell(source):
    """Return the sentence with which the `shop` that a cell defines is refused."""
    return refusal(notebook(source)["shop"])


def test_the_app_in_place_of_the_factory():
    """A Flask app exists once, and instances need one each."""
    assert refusal(Flask("shop")) == (
        "deploy() got a Flask app, which exists once: hand over the factory, as in deploy(shop), where shop(env) makes "
        "and returns the app; each instance then makes its own."
    )


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (None, "deploy() got None: hand over the factory itself, as in deploy(shop), not its result."),
        (dict, "deploy() got the class dict: hand over a function that takes env and returns the app."),
        ("shop", "deploy() got 'shop': hand over a function that takes env and returns the app."),
    ],
)
def test_what_is_no_factory(thing, sentence):
    """None, a class and a text are told apart."""
    assert refusal(thing) == sentence


@pytest.mark.parametrize("parameters", ["()", "(env, mode)", "(*, env)"])
def test_a_factory_with_other_parameters(parameters):
    """The signature is shown, and what it should be."""
    assert cell(f"def shop{parameters}: pass") == (
        f"shop{parameters} cannot be started: the factory takes exactly one parameter, env."
    )


def test_an_async_factory():
    """An async function returns no app."""
    assert cell("async def shop(env): pass") == (
        "shop is an async function: hand over a function that takes env and returns the app."
    )


def test_a_partial_is_a_factory():
    """Whatever can be called with one argument will do."""

    def made(mode, env):
        return shop(env)

    with World() as world:
        assert repr(world.deploy(functools.partial(made, "test"), instances=1)) == "<app: app-1 ready>"


def test_a_factory_that_raises():
    """The error is named with the learner's line."""
    assert (
        cell("""
        def shop(env):
            settings = {}
            return settings["PORT"]
    """)
        == "shop-1 did not start: its factory raised KeyError: 'PORT' at line 4."
    )


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("pass", "shop(env) returned None: end it with `return app`."),
        ("return 'app'", "shop(env) returned a value of type str, not a Flask app: end it with `return app`."),
        ("return dict", "shop(env) returned the class dict, not a Flask app: end it with `return app`."),
        (
            "return lambda: 'app'",
            "shop(env) returned <lambda>, which is no WSGI application: return the Flask app, or a function of "
            "(environ, start_response).",
        ),
    ],
)
def test_a_factory_that_returns_no_app(end, sentence):
    """What it returned is named."""
    assert cell(f"def shop(env): {end}") == f"shop-1 did not start: {sentence}"


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("sys.exit('no configuration')", "its factory raised SystemExit: no configuration at line 4."),
        ("os._exit(3)", "its factory ended the process with os._exit(3)."),
        ("os.abort()", "its factory ended the process with os.abort()."),
    ],
)
def test_a_factory_that_exits(end, sentence):
    """It ends its instance, and neither the notebook nor the world."""
    assert (
        cell(f"""
        import os, sys
        def shop(env):
            {end}
    """)
        == f"shop-1 did not start: {sentence}"
    )


def test_a_factory_that_never_returns():
    """Waiting in virtual time ends after ten minutes, with the line it waits on."""
    assert (
        cell("""
        import time
        def shop(env):
            time.sleep(1e9)
    """)
        == "shop-1 did not start within 600 s: its factory is still busy at line 4."
    )


@pytest.mark.slow
def test_a_factory_that_loops():
    """The watchdog names the loop."""
    names = notebook("""
        def shop(env):
            while True:
                pass
    """)
    with World() as world, pytest.raises(Runaway, match="shop-1 is stuck: the code at line 3 takes no step"):
        world.deploy(names["shop"], instances=1)


def test_memory_that_cannot_be_private():
    """A variable that instances would have to share is named."""
    names = notebook("""
        orders = (number for number in range(3))
        def shop(env):
            return next(orders)
    """)
    with World() as world, pytest.raises(CannotCopy, match="orders"):
        world.deploy(names["shop"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"instances": -1}, "The number of instances is a whole number, 0 or more, not -1."),
        ({"instances": "3"}, "The number of instances is a whole number, 0 or more, not '3'."),
        ({"workers": 0}, "workers is a whole number, 1 or more, not 0."),
        ({"backlog": 1.5}, "backlog is a whole number, 0 or more, not 1.5."),
        ({"env": ["A=1"]}, "env holds environment variables: a dict such as {'MODE': 'test'}, not ['A=1']."),
        (
            {"balancer": "robin"},
            "A load balancer has no policy 'robin'; choose one of round robin, random, least busy, sticky, source "
            "address.",
        ),
    ],
)
def test_options_that_make_no_sense(options, sentence):
    """Each is refused by name, and leaves nothing behind."""
    with World() as world:
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            world.deploy(shop, **options)
        assert str(caught.value) == sentence
        assert len(world.deploy(shop)) == 3


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("My Shop", "A deployment cannot be called 'My Shop': use a-z, 0-9 and -, as in 'shop-a'."),
        ("redis", "A deployment cannot be called 'redis': that lane is taken; call it 'shop', say."),
    ],
)
def test_names_that_are_no_host_names(name, sentence):
    """A deployment is reached under its name, so it must be one."""
    assert refusal(shop, name=name) == sentence


def test_a_factory_lends_its_name():
    """What a host name cannot hold is left out."""
    names = notebook("def My_Shop(env): return lambda environ, start: []")
    with World() as world:
        assert repr(world.deploy(names["My_Shop"], instances=1)) == "<my-shop: my-shop-1 ready>"
        assert world.deploy(lambda env: lambda environ, start: [], instances=0).name == "lambda"


def test_two_deployments_of_one_name():
    """The second is told what to do, and the first goes on."""
    with World() as world:
        world.deploy(shop)
        with pytest.raises(DeployError) as caught:
            world.deploy(shop)
        assert str(caught.value) == (
            "There is a deployment 'shop' in this world already: give this one another name=, or replace the other's "
            "app with its rollout(app)."
        )
        assert world.client().get("/").status_code == 200


def test_a_failed_deployment_leaves_nothing():
    """Its name is free again, and no instance of it runs."""
    names = notebook("""
        import os
        def shop(env):
            if env.name == "shop-2":
                raise ValueError("no")
            return lambda environ, start: []
    """)
    with World() as world:
        with pytest.raises(DeployError, match="shop-2 did not start"):
            world.deploy(names["shop"])
        assert (world.instances, world.deployments) == ([], {})
        assert repr(world.deploy(shop, instances=1)) == "<shop: shop-1 ready>"
