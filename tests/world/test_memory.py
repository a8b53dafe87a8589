"""Instances share no Python memory: functions, variables, containers and locks."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from cells import notebook, shop, two

from fleetlab.sim.locks import TurnLock, TurnRLock
from fleetlab.world.memory import image

COUNTS: dict[str, int] = {}


def count(env: str) -> dict[str, int]:
    """Count in this test module's own memory."""
    COUNTS[env] = COUNTS.get(env, 0) + 1
    return COUNTS


def test_dict_above_the_factory_is_separate():
    """A dict in a cell above the factory is the memory of one instance."""
    names = notebook("""
        CARTS = {}
        def shop(user):
            CARTS.setdefault(user, []).append("tea")
            return CARTS
    """)
    made = image(names["shop"])
    one, other = made.load(), made.load()
    assert one("ada") == {"ada": ["tea"]}
    assert one("ada") == {"ada": ["tea", "tea"]}
    assert other("bob") == {"bob": ["tea"]}
    assert names["CARTS"] == {}


def test_module_of_the_tests_is_a_learners_module():
    """State of an imported module is copied, and the module itself is left alone."""
    made = image(count)
    assert made.load()("ada") == {"ada": 1}
    assert made.load()("bob") == {"bob": 1}
    assert COUNTS == {}


def test_image_keeps_the_state_of_its_moment():
    """What a cell changes after the image was made no instance sees."""
    names = notebook("""
        PRICES = {"tea": [3]}
        LIMIT = 1
        def shop(env): return PRICES, LIMIT
    """)
    made = image(names["shop"])
    names["PRICES"]["tea"].append(4)
    names["LIMIT"] = 2
    assert made.load()(None) == ({"tea": [3]}, 1)


def test_assigned_global_is_separate():
    """`global N; N += 1` counts in one instance."""
    one, other = two("""
        N = 0
        def hit():
            global N, LAST
            N += 1
            LAST = N
        def shop(env):
            hit()
            return N, LAST
    """)
    assert [one(None), one(None), other(None)] == [(1, 1), (2, 2), (1, 1)]


def test_mutable_defaults_are_separate():
    """A mutable default argument, keyword-only or not, keeps its items within one instance."""
    one, other = two("""
        def add(item, cart=[]):
            cart.append(item)
            return cart
        def shop(item, *, seen={}):
            seen[item] = True
            return add(item), list(seen)
    """)
    assert one("tea") == (["tea"], ["tea"])
    assert one("milk") == (["tea", "milk"], ["tea", "milk"])
    assert other("honey") == (["honey"], ["honey"])


def test_closure_variables_are_separate():
    """A closure's variable, rebound or mutated, belongs to one instance; its functions still share it."""
    one, other = two("""
        def make():
            n, items = 0, []
            def hit():
                nonlocal n
                n += 1
                items.append(n)
            def shop(env):
                hit()
                return n, items
            return shop
        shop = make()
    """)
    assert [one(None), one(None)] == [(1, [1, 2]), (2, [1, 2])]
    assert other(None) == (1, [1])


def test_function_attributes_are_separate():
    """A counter kept on the function itself is one instance's."""
    one, other = two("""
        def shop(env):
            shop.calls += 1
            return shop.calls
        shop.calls = 0
    """)
    assert [one(None), one(None), other(None)] == [1, 2, 1]


def test_decorated_function_is_separate():
    """A decorator's closure, attributes and `__wrapped__` are copied with what it wraps."""
    one, other = two("""
        import functools
        CALLS = {}
        def counted(f):
            @functools.wraps(f)
            def inner():
                CALLS[f.__name__] = CALLS.get(f.__name__, 0) + 1
                return f()
            return inner
        @counted
        def go(): return dict(CALLS)
        def shop(env): return go(), go.__wrapped__()
    """)
    assert one(None) == ({"go": 1}, {"go": 1})
    assert one(None) == ({"go": 2}, {"go": 2})
    assert other(None) == ({"go": 1}, {"go": 1})


def test_library_decorator_around_learner_code_is_separate():
    """A function that a library wrapped (contextmanager) reaches the instance's own globals."""
    one, other = two("""
        from contextlib import contextmanager
        OPEN = []
        @contextmanager
        def unit():
            OPEN.append(1)
            yield OPEN
        def shop(env):
            with unit() as opened:
                return len(opened)
    """)
    assert [one(None), one(None), other(None)] == [1, 2, 1]


@pytest.mark.parametrize("cache", ["functools.cache", "functools.lru_cache", "functools.lru_cache(maxsize=2)"])
def test_lru_caches_are_separate_and_start_empty(cache):
    """A cached function remembers within one instance, and keeps its size."""
    one, other = two(f"""
        import functools
        @{cache}
        def load(key): return []
        load("warm")
        def shop(item):
            load("ada").append(item)
            return load("ada"), load.cache_info().currsize, load.cache_parameters()["maxsize"]
    """)
    size = {"functools.cache": None, "functools.lru_cache": 128}.get(cache, 2)
    assert one("tea") == (["tea"], 1, size)
    assert other("milk") == (["milk"], 1, size)


def test_singledispatch_and_partial_are_separate():
    """functools.singledispatch and partial hold copies of the learner's functions."""
    one, other = two("""
        import functools
        SEEN = []
        class Order: pass
        @functools.singledispatch
        def see(thing): SEEN.append("any")
        @see.register
        def _(thing: Order): SEEN.append("order")
        see(Order())
        note = functools.partial(see, Order())
        def shop(env):
            note()
            see(1)
            return SEEN
    """)
    assert one(None) == ["order", "order", "any"]
    assert other(None) == ["order", "order", "any"]


def test_aliases_stay_aliases():
    """A dict reachable by several names is one dict within an instance; cycles are followed."""
    one, other = two("""
        A = {}
        B, L, PUT = A, [A], A.setdefault
        L.append(L)
        T = ([], A)
        T[0].append(T)
        def shop(env):
            PUT("k", env)
            return A["k"], B is A, L[0] is A, L[1] is L, T[0][0] is T, T[1] is A
    """)
    assert one(1) == (1, True, True, True, True, True)
    assert other(2) == (2, True, True, True, True, True)


def test_recursion_reaches_its_own_copy():
    """Functions that call themselves or each other do so within one instance."""
    one, other = two("""
        SEEN = []
        def even(n): SEEN.append(n); return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def shop(env): return even(2), SEEN
    """)
    assert one(None) == (True, [2, 0])
    assert other(None) == (True, [2, 0])


def test_containers_of_the_standard_library_are_separate():
    """Counter, deque, defaultdict, OrderedDict, bytearray, set, ChainMap and namespaces are copied with their items."""
    one, other = two("""
        import collections, types
        COUNT, LAST, RAW, NAMES = collections.Counter("aab"), collections.deque([1], maxlen=2), bytearray(b"x"), {1}
        LISTS = collections.defaultdict(lambda: [len(NAMES)], old=[0])
        ORDER, SPACE = collections.OrderedDict(b=1, a=2), types.SimpleNamespace(n=[])
        CHAIN, VIEW = collections.ChainMap({}, COUNT), types.MappingProxyType(COUNT)
        def shop(env):
            COUNT["a"] += 1; LAST.append(2); RAW.append(65); NAMES.add(2); LISTS["new"]; ORDER["c"] = 3
            SPACE.n.append(1); CHAIN["z"] = 1
            return (COUNT["a"], list(LAST), LAST.maxlen, bytes(RAW), sorted(NAMES), dict(LISTS), list(ORDER),
                    SPACE.n, CHAIN["a"], VIEW["a"])
    """)
    first = (3, [1, 2], 2, b"xA", [1, 2], {"old": [0], "new": [2]}, ["b", "a", "c"], [1], 3, 3)
    assert one(None) == first
    assert one(None)[0] == 4
    assert other(None) == first


def test_library_objects_are_copied_with_their_state():
    """A random generator, a counter and a file in memory go on from the image's state, each instance alone."""
    one, other = two("""
        import io, itertools, random
        RNG, IDS, TEXT = random.Random(3), itertools.count(5), io.StringIO("abc")
        draw = RNG.random
        def shop(env): return round(draw(), 3), next(IDS), TEXT.read(1)
    """)
    assert [one(None), one(None)] == [(0.238, 5, "a"), (0.544, 6, "b")]
    assert other(None) == (0.238, 5, "a")


def test_what_a_library_holds_by_name_is_shared():
    """Modules, functions, sentinels and singletons of libraries are theirs, not the learner's memory."""
    (one, _) = two("""
        import dataclasses, json, os, random, re
        from os import environ
        from random import choice
        from dataclasses import MISSING
        WORD = re.compile("a+")
        def shop(env): return environ is os.environ, choice is random.choice, MISSING is dataclasses.MISSING, json, WORD
    """)
    import json
    import re

    assert one(None) == (True, True, True, json, re.compile("a+"))


def test_locks_are_fresh_and_those_of_the_simulation():
    """A lock from a cell, also one imported by name, in a class or in a Condition, becomes a new one."""
    names = notebook("""
        import threading
        from threading import Lock
        LOCK, AGAIN = threading.Lock(), threading.RLock()
        COND, FLAG, SLOTS = threading.Condition(LOCK), threading.Event(), threading.Semaphore(3)
        FLAG.set()
        class Cart:
            lock = Lock()
        def shop(env):
            return LOCK, AGAIN, COND._lock is LOCK, FLAG.is_set(), SLOTS._value, Cart.lock
    """)
    names["LOCK"].acquire(False)
    made = image(names["shop"])
    one, other = made.load()(None), made.load()(None)
    assert one[2:5] == (True, True, 3)
    assert [type(lock) for lock in (one[0], one[1], one[5])] == [TurnLock, TurnRLock, TurnLock]
    assert not one[0].locked()
    assert one[0] is not other[0]
    assert one[5] is not other[5]


def test_queue_is_new_and_must_be_empty():
    """An empty queue becomes a new one of the same size."""
    one, other = two("""
        import queue
        JOBS = queue.Queue(2)
        def shop(env):
            JOBS.put(env)
            return JOBS.qsize(), JOBS.maxsize
    """)
    assert one(1) == (1, 2)
    assert other(1) == (1, 2)


def test_thread_local_is_new():
    """`threading.local()` in a cell is one object an instance."""
    one, other = two("""
        import threading
        LOCAL = threading.local()
        def shop(env):
            before = getattr(LOCAL, "user", None)
            LOCAL.user = env
            return before
    """)
    assert [one("ada"), one("bob"), other("eve")] == [None, "ada", None]


def test_logger_is_fetched_by_its_name():
    """A logger of a cell is the one that logging knows by that name."""
    one, _ = two("""
        import logging
        log = logging.getLogger("shop.cart")
        def shop(env): return log is logging.getLogger("shop.cart")
    """)
    assert one(None)


def test_context_variable_is_shared():
    """A context variable is one object: its values are apart by themselves."""
    one, other = two("""
        from contextvars import ContextVar
        USER = ContextVar("user", default=())
        def shop(env): return USER
    """)
    assert one(None) is other(None)


def test_originals_are_translated():
    """A name bound before the dispatchers were installed is replaced in the copy, wherever it is held."""
    real, virtual = time.gmtime, threading.get_ident
    names = notebook("""
        from time import gmtime
        TOOLS = {"now": gmtime}
        PAIR = (gmtime, 1)
        def shop(env): return gmtime, TOOLS["now"], PAIR[0]
    """)
    assert image(names["shop"], translate={id(real): virtual}).load()(None) == (virtual, virtual, virtual)


@pytest.mark.parametrize(
    "factory",
    ["App().build", "App()", "functools.partial(App.build, App())", "lambda env: APP.build(env)", "App.count"],
)
def test_any_callable_is_a_factory(factory):
    """A method, an object, a partial, a lambda and a class method are factories too."""
    one, other = two(f"""
        import functools
        class App:
            all = 0
            def __init__(self): self.n = 0
            def build(self, env): self.n += 1; return self.n
            __call__ = build
            @classmethod
            def count(cls, env): cls.all += 1; return cls.all
        APP = App()
        shop = {factory}
    """)
    assert [one(None), one(None), other(None)] == [1, 2, 1]


def test_names_in_strings_are_reached():
    """`globals()["CARTS"]` and `eval("CARTS")` find the instance's own variable."""
    one, other = two("""
        CARTS = []
        def shop(env):
            globals()["CARTS"].append(env)
            return eval("CARTS + CARTS")
    """)
    assert one(1) == [1, 1]
    assert other(2) == [2, 2]


def test_class_body_and_comprehension_reach_their_globals():
    """Names used in a class body, a comprehension or a nested function inside the factory are copied."""
    one, other = two("""
        ITEMS, RATES, FEES = [1], [2], [3]
        def shop(env):
            ITEMS.append(env)
            class Cart:
                items = ITEMS
                def fees(self): return FEES
            return Cart.items, [rate + n for n in ITEMS for rate in RATES], Cart().fees()
    """)
    assert one(5) == ([1, 5], [3, 7], [3])
    assert other(6) == ([1, 6], [3, 8], [3])


def test_unused_globals_are_left_alone():
    """A notebook's other variables, uncopyable ones too, are neither touched nor refused."""
    made = shop("""
        ids = (n for n in range(3))
        def other(): return next(ids)
        def shop(env): return sorted(name for name in globals() if not name.startswith("__"))
    """)
    assert made.load()(None) == []


def test_own_module_is_copied(tmp_path, monkeypatch):
    """A module of the learner's own gives each instance its own copy, however it is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stock_book.py").write_text(
        "SOLD = []\nclass Item:\n    made = []\ndef sell(x):\n    SOLD.append(x)\n    return SOLD\n"
    )
    one, other = two("""
        import stock_book
        from stock_book import sell
        def shop(item):
            import stock_book as again
            from stock_book import SOLD, Item
            Item.made.append(item)
            sell(item)
            return SOLD, again is stock_book, stock_book.sell is sell, stock_book.Item.made, stock_book.__name__
    """)
    assert one("tea") == (["tea"], True, True, ["tea"], "stock_book")
    assert other("milk") == (["milk"], True, True, ["milk"], "stock_book")
    assert sys.modules.pop("stock_book").SOLD == []


def test_own_package_is_copied_when_first_imported_inside_the_factory(tmp_path, monkeypatch):
    """A package that only the running app imports is copied too, submodules and relative imports included."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "grocer").mkdir()
    (tmp_path / "grocer" / "__init__.py").write_text("from .carts import CARTS\n")
    (tmp_path / "grocer" / "carts.py").write_text(
        "CARTS = {}\ndef put(k):\n    from . import CARTS\n    CARTS[k] = 1\n"
    )
    one, other = two("""
        def shop(user):
            import grocer.carts
            from grocer import carts, CARTS
            carts.put(user)
            return CARTS, grocer.carts.CARTS is CARTS
    """)
    assert one("ada") == ({"ada": 1}, True)
    assert other("bob") == ({"bob": 1}, True)
    assert sys.modules["grocer"].CARTS == {}
    for name in ("grocer", "grocer.carts"):
        del sys.modules[name]


def test_code_run_under_another_name_is_learner_code():
    """Code that exec runs in a dict of its own is the learner's, whatever `__name__` it claims or lacks."""
    for claimed in ({}, {"__name__": "fleetlab.exercises.answers"}, {"__name__": "json"}):
        names = dict(claimed)
        exec("class Cart:\n    items = []\n    def add(self): self.items.append(1); return self.items\n", names)
        exec("N = []\ndef shop(env): N.append(1); return N, Cart().add()", names)
        made = image(names["shop"])
        assert made.load()(None) == ([1], [1])
        assert made.load()(None) == ([1], [1])


def test_blueprint_and_app_of_a_cell_are_separate():
    """A Flask blueprint, and a whole Flask app, above the factory are copied with their view functions."""
    one, other = two("""
        from flask import Blueprint, Flask, current_app, request
        CARTS = {}
        part = Blueprint("cart", __name__)
        @part.post("/cart/<item>")
        def add(item):
            CARTS.setdefault("ada", []).append(item)
            return {"cart": CARTS["ada"]}
        app = Flask("shop")
        app.register_blueprint(part)
        @app.get("/mine")
        def mine(): return [current_app._get_current_object() is app, request.path]
        def shop(env): return app
    """)
    assert [one(None).test_client().post("/cart/tea").json for _ in "ab"][1] == {"cart": ["tea", "tea"]}
    assert other(None).test_client().post("/cart/milk").json == {"cart": ["milk"]}
    assert other(None).test_client().get("/mine").json == [True, "/mine"]


def test_a_load_copies_what_is_reached_and_no_more():
    """A usual factory (five helpers, two dicts, a class) is loaded in fifteen steps."""
    made = shop("""
        CARTS, SEEN = {}, {"n": 0}
        class Cart:
            items = []
            def __init__(self, user): self.user = user
            def add(self, item): self.items.append(item); CARTS[self.user] = self.items
        def a(user): return b(user)
        def b(user): return c(Cart(user))
        def c(cart): cart.add("tea"); return d(cart)
        def d(cart): return e(cart.user)
        def e(user): SEEN["n"] += 1; return CARTS[user]
        def shop(user): return a(user)
    """)
    assert made.load()("ada") == ["tea"]
    assert made.load()("bob") == ["tea"]
    assert len(made._steps) == 15


def test_classes_that_a_library_decorates_with_generated_code_are_shared() -> None:
    """SQLAlchemy's Column and Table carry methods made by exec; they are the library's all the same."""
    from sqlalchemy import Column, Integer, MetaData, Table

    def factory(env: object) -> bool:
        table = Table("items", MetaData(), Column("id", Integer, primary_key=True))
        return isinstance(table.c.id, Column)

    assert image(factory).load()(None)
