"""Workers and backlog of an instance."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar

import pytest
from cells import notebook
from flask import Flask
from shops import shop

from fleetlab import World


def crowd(world, size, path="/slow/1.0", **options):
    """Send requests from many clients at once; return the answers."""
    clients = [world.client(**options) for _ in range(size)]
    return world.together(*[lambda client=client: client.get(path) for client in clients])


def test_eight_are_served_at_once_and_sixty_four_wait():
    """The seventy-third is refused, and the balancer has nobody else."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1)
        answers = crowd(world, 73, timeout=60)
        assert Counter(answer.status_code for answer in answers) == {200: 72, 503: 1}
        assert [answer.text for answer in answers if answer.status_code == 503] == ["No instance accepts connections."]
        assert 9 < world.now < 9.1


def test_a_refused_request_goes_to_the_next_instance():
    """Each takes eight and sixty-four: nobody is turned away before all are full."""
    with World(seed=1) as world:
        world.deploy(shop, instances=2, workers=1, backlog=1)
        answers = crowd(world, 5)
        assert Counter(answer.status_code for answer in answers) == {200: 4, 503: 1}
        assert Counter(answer.json()["by"] for answer in answers if answer.status_code == 200) == {
            "shop-1": 2,
            "shop-2": 2,
        }


def test_without_a_backlog_only_workers_count():
    """Backlog 0 refuses whoever finds no worker."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1, workers=3, backlog=0)
        assert sorted(answer.status_code for answer in crowd(world, 5)) == [200, 200, 200, 503, 503]


def test_waiting_requests_are_served_in_order():
    """First come, first served."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1, workers=1)
        clients = [world.client(f"user-{n}") for n in range(4)]
        for client in clients:
            world.spawn(client.get, "/slow/0.5")
            world.run(0.01)
        world.run(3)
        answered = [event.to for event in world.trace if event.kind == "response"]
        assert answered == ["user-0", "user-1", "user-2", "user-3"]


def test_an_instance_that_dies_breaks_all_its_connections():
    """Those that it serves and those that wait are answered with 502."""
    with World(seed=1) as world:
        world.deploy(shop, instances=1, workers=2)
        clients = [world.client() for _ in range(5)]
        tasks = [world.spawn(client.get, "/slow/60.0") for client in clients]
        world.run(1)
        assert world["shop-1"].busy == 5
        world["shop-1"].kill()
        world.run(1)
        assert [task.value().status_code for task in tasks] == [502] * 5
        assert tasks[0].value().text == "shop-1 closed the connection."


ENDS = [
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("sys.exit(3)", "SystemExit: 3"),
    ("return None", "TypeError: The application returned None in place of a response."),
    ("return []", "TypeError: The application answered without calling start_response."),
    ("return 7", "TypeError: 'int' object is not iterable"),
]


@pytest.mark.parametrize(("end", "error"), ENDS)
def test_what_an_application_lets_out_is_answered_with_500(end, error):
    """The answer says what and where, the error is noted with the line, and the instance goes on."""
    names = notebook(f"""
        import sys
        def shop(env):
            def app(environ, start_response):
                {end}
            return app
    """)
    with World(seed=1) as world:
        world.deploy(names["shop"], instances=1)
        answer = world.client().get("/")
        line = " at line 5" if "exit" in end or "/" in end else ""
        assert (answer.status_code, answer.text) == (500, f"shop-1: {error}{line}")
        assert [(e.what, e.line) for e in world.trace if e.kind == "error"] == [(error, "5" if line else "")]
        assert world["shop-1"].state == "ready"


def test_what_a_flask_handler_lets_out_is_noted_once():
    """Flask answers 500 by itself; the error, its line and a log entry are kept."""
    names = notebook("""
        from flask import Flask
        def shop(env):
            app = Flask("shop")
            @app.get("/")
            def index():
                return {}["tea"]
            return app
    """)
    with World(seed=1) as world:
        world.deploy(names["shop"], instances=1)
        assert world.client().get("/").status_code == 500
        assert [str(error) for _, error in world["shop-1"].errors] == ["'tea'"]
        assert [(e.who, e.what, e.line) for e in world.trace if e.kind == "error"] == [
            ("shop-1", "KeyError: 'tea'", "7")
        ]
        assert [entry[1:] for entry in world["shop-1"].log] == [
            ("ERROR", "Exception on / [GET]: KeyError: 'tea'"),
        ]


def test_a_worker_keeps_what_a_request_left_in_context_variables():
    """The next request finds it, as in a server that keeps its threads; one that is served beside it does not."""

    def leaky(env):
        left = ContextVar("left", default="nothing")
        app = Flask("leaky")

        @app.get("/<name>")
        def serve(name):
            found = left.get()
            left.set(name)
            env.work(1)
            return found

        return app

    with World(seed=1) as world:
        world.deploy(leaky, instances=1, name="leaky")
        ada, bob = world.client("ada"), world.client("bob")
        assert [ada.get(f"/{n}").text for n in (1, 2)] == ["nothing", "1"]
        assert sorted(a.text for a in world.together(lambda: ada.get("/3"), lambda: bob.get("/4"))) == ["2", "nothing"]
