"""Any WSGI application runs, as PEP 3333 says."""

from __future__ import annotations

from wsgiref.validate import validator

from cells import notebook

from fleetlab import World


def served(app, method="GET", **options):
    """Return the answer of an application to one request."""
    with World(seed=1) as world:
        world.deploy(lambda env: app, instances=1, name="shop")
        return world.client().request(method, "/cart/a?b=c", **options)


def plain(environ, start_response):
    """Answer with what was asked."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "HTTP_HOST")
    return [" ".join(environ[name] for name in names).encode()]


def test_the_standard_librarys_validator_finds_nothing():
    """Environment, input, and the way in which an application is called."""
    answer = served(validator(plain), method="POST", json={"a": 1})
    assert answer.text == "POST /cart/a b=c shop 80 client-1 shop"


def test_a_length_is_stated_where_the_application_states_none():
    """As real servers do; HEAD has it, too, and 204 has none."""
    answer, head = served(plain), served(plain, "HEAD")
    assert (answer.headers["content-length"], answer.text) == ("37", "GET /cart/a b=c shop 80 client-1 shop")
    assert (head.headers["content-length"], head.content) == ("38", b"")

    def empty(environ, start_response):
        start_response("204 No Content", [])
        return []

    assert dict(served(empty).headers) == {}


def test_a_generator_and_the_write_callable():
    """An application may begin to answer late, and in the old way."""

    def late(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    def old(environ, start_response):
        write = start_response("200 OK", [])
        write(b"a")
        return [b"b"]

    assert (served(late).text, served(old).text) == ("ab", "ab")


def test_the_iterable_is_closed():
    """Also where it raises."""
    names = notebook("""
        class Body:
            def __init__(self, env, parts):
                self.env, self.parts = env, parts
            def __iter__(self):
                return (1 // part and b"x" for part in self.parts)
            def close(self):
                self.env.redis.incr("closed")
        def shop(env):
            def app(environ, start_response):
                start_response("200 OK", [("Content-Length", "2")])
                return Body(env, [1, 0] if environ["PATH_INFO"] == "/broken" else [1, 1])
            return app
    """)
    with World(seed=1) as world:
        world.deploy(names["shop"], instances=1)
        ada = world.client()
        assert [ada.get(path).status_code for path in ("/", "/broken")] == [200, 500]
        assert world.redis.client().get("closed") == "2"
