"""Each instance's log is its own."""

from __future__ import annotations

import pytest
from cells import notebook

from fleetlab import World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def logging_shop(setup=""):
    """Return a shop that logs at three levels, through its app and through a logger of its module."""
    return notebook(f"""
        import logging
        from flask import Flask
        log = logging.getLogger("orders")
        def shop(env):
            app = Flask("shop")
            if env.name == "shop-1":
                {setup or "pass"}
            @app.get("/")
            def index():
                app.logger.warning("watch out")
                log.info("an order of %s", "tea")
                logging.debug("details")
                return env.name
            return app
    """)["shop"]


def messages(world, name):
    """Return level and text of what an instance logged."""
    return [entry[1:] for entry in world[name].log]


def test_an_instance_keeps_what_it_logs_to_itself(world, capfd):
    """Nothing is printed, by Flask's own handler or as a last resort, and each entry has its virtual time."""
    world.deploy(logging_shop(), instances=2)
    world.run(60)
    ada = world.client()
    ada.get("/")
    assert messages(world, "shop-1") == [("WARNING", "watch out")]
    assert 60 < world["shop-1"].log[0][0] < 60.01
    assert messages(world, "shop-2") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("setup", ["logging.getLogger().setLevel('INFO')", "logging.basicConfig(level='INFO')"])
def test_a_level_is_one_instances_own(world, setup):
    """One app's configuration changes no other."""
    world.deploy(logging_shop(setup), instances=2)
    ada = world.client()
    for _ in range(4):
        ada.get("/")
    assert messages(world, "shop-1") == [("WARNING", "watch out"), ("INFO", "an order of tea")] * 2
    assert messages(world, "shop-2") == [("WARNING", "watch out")] * 2


def test_handlers_of_the_learners_own_work(world, capsys):
    """basicConfig prints, as it says, and only in the instance that asked for it."""
    world.deploy(logging_shop("import sys; logging.basicConfig(stream=sys.stdout, format='%(name)s: %(message)s')"))
    ada = world.client()
    ada.get("/"), ada.get("/")
    assert capsys.readouterr().out == "shop: watch out\n"


def test_dict_config_does_not_end_the_log(world):
    """A configuration that replaces all handlers replaces none of ours."""
    config = "import logging.config; logging.config.dictConfig({'version': 1, 'root': {'level': 'DEBUG'}})"
    world.deploy(logging_shop(config), instances=1)
    world.client().get("/")
    assert messages(world, "shop-1")[-1] == ("DEBUG", "details")


def test_a_print_appears(world, capsys):
    """What a handler prints is seen where the notebook prints."""
    names = notebook("""
        def shop(env):
            def app(environ, start_response):
                print("hello from", env.name)
                start_response("204 No Content", [])
                return []
            return app
    """)
    world.deploy(names["shop"])
    world.client().get("/")
    assert capsys.readouterr().out == "hello from shop-1\n"


def test_who_is_killed_logs_nothing(world, capfd):
    """A thread pool notes in its log that a worker ends; the dead write to no standard error."""
    fleet = world.deploy(
        notebook("""
            from concurrent.futures import ThreadPoolExecutor
            from flask import Flask
            def shop(env):
                app = Flask("shop")
                app.pool = ThreadPoolExecutor(1)
                app.pool.submit(int)
                return app
        """)["shop"]
    )
    world.run(1)
    fleet.scale(1)
    world.run(60)
    assert capfd.readouterr() == ("", "")
