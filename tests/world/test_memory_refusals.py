"""What instances would have to share is refused in one sentence that names it and says what to do."""

from __future__ import annotations

import pytest
from cells import notebook, shop

from fleetlab.sim import Simulation
from fleetlab.world.memory import CannotCopy, image

_ENV = "an instance sees only its env, so use env.redis, env.database or env.http."
_NO_COPY = "cannot be copied for each instance"

LIVE = {
    "import redis\nSTORE = redis.Redis()": f"a Redis connection and {_NO_COPY}: use env.redis inside the factory.",
    "from sqlalchemy import create_engine\nSTORE = create_engine('sqlite://')": (
        f"a database connection and {_NO_COPY}: use env.database inside the factory."
    ),
    "import httpx\nSTORE = httpx.Client()": f"an HTTP client and {_NO_COPY}: use env.http inside the factory.",
    "import io\nSTORE = io.TextIOWrapper(io.BytesIO())": (
        f"an open file and {_NO_COPY}: open it inside the factory, or use env.objects."
    ),
    "STORE = (n for n in range(3))": f"a generator and {_NO_COPY}: make it inside the factory.",
    "import threading\nSTORE = threading.Thread()": (
        f"a running thread and {_NO_COPY}: start it inside the factory, or use env.every(seconds)."
    ),
    "import queue\nSTORE = queue.Queue()\nSTORE.put(1)": (
        f"a Queue that holds items and {_NO_COPY}: fill it inside the factory."
    ),
    "import sys\nSTORE = sys._getframe()": f"a running function and {_NO_COPY}: make it inside the factory.",
    "import ssl\nSTORE = ssl.create_default_context()": (
        f"a ssl.SSLContext and {_NO_COPY} (cannot pickle 'SSLContext' object): make it inside the factory."
    ),
}


def refusal(source: str) -> str:
    """Return the sentence with which a cell's `shop` is refused."""
    with pytest.raises(CannotCopy) as caught:
        shop(source)
    return str(caught.value)


@pytest.mark.parametrize("source", LIVE)
def test_live_things_are_refused_by_name(source):
    """A connection, file, thread or the like is named with the function that uses it."""
    used = "\ndef load(): return STORE\ndef shop(env): return load()"
    assert refusal(source + used) == f"STORE (used by load()) is {LIVE[source]}"


def test_place_inside_a_structure_is_named():
    """The path to the culprit is spelled out: class attribute, key, attribute, closure, default."""
    stem = "import httpx\nDB = httpx.Client()\nclass Box: pass\n"
    places = {
        "B = {'main': [DB]}\ndef shop(env): return B": "B['main'][0] (used by shop())",
        "Box.db = DB\ndef shop(env): return Box": "Box.db (used by shop())",
        "b = Box(); b.db = DB\ndef shop(env): return b": "b.db (used by shop())",
        "def shop(env, db=DB): return db": "a default of shop()[0]",
        "def make(db):\n def shop(env): return db\n return shop\nshop = make(DB)": "db (used by shop())",
        "shop = lambda env: DB": "DB (used by a lambda)",
    }
    for source, place in places.items():
        assert refusal(stem + source).startswith(f"{place} is an HTTP client and")


def test_own_module_is_refused_only_for_what_the_app_mentions(tmp_path, monkeypatch):
    """A connection in the learner's own module matters when some reached code names it."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "till_book.py").write_text("import httpx\nDB = httpx.Client()\nSOLD = []\n")
    assert shop("import till_book\ndef shop(env): return till_book.SOLD").load()(None) == []
    assert refusal("import till_book\ndef shop(env): return till_book.DB") == (
        f"DB (used by module till_book) is an HTTP client and {_NO_COPY}: use env.http inside the factory."
    )


def test_part_of_the_world_is_refused():
    """An app that reaches for the simulation itself is told what it may use."""
    names = notebook("def shop(env): return world")
    names["world"] = Simulation(seed=1)
    with pytest.raises(CannotCopy) as caught:
        image(names["shop"])
    assert str(caught.value) == f"world (used by shop()) is a part of the simulated world and {_NO_COPY}: {_ENV}"


def test_memory_on_a_shared_class_is_refused():
    """A container, cache or lock on a class whose metaclass keeps books of it would be shared."""
    shared = "that all instances would share, because class Item (DeclarativeAttributeIntercept) cannot be copied"
    instead = "make it inside the factory, or keep it in env.redis or env.database."
    stem = """
import functools, threading
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase): pass
class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    {}
def shop(env): return Item
"""
    attributes = {
        "seen = []": "Item.seen is a list",
        "_seen = {}": "Item._seen is a dict",
        "lock = threading.Lock()": "Item.lock is a TurnLock",
        "load = functools.cache(lambda self: [])": "Item.load is a cached function",
    }
    for source, culprit in attributes.items():
        assert refusal(stem.format(source)) == f"{culprit} {shared}: {instead}"


def test_memory_behind_a_shared_class_is_refused():
    """What the methods of a shared class reach, through helpers too, may hold no memory."""
    shared = "that all instances would share, because class State (EnumType) cannot be copied"
    stem = "import enum\nSEEN = {{}}\nN = 0\n{}\nclass State(enum.Enum):\n  A = 1\n  def see(self): return help()\n"
    instead = "pass it as an argument, wrap it in types.MappingProxyType if it never changes, or keep it in env.redis."
    assert refusal(stem.format("def help(): return SEEN") + "def shop(env): return State") == (
        f"SEEN (used by help()) is a dict {shared}: {instead}"
    )
    assert refusal(stem.format("def help():\n  global N\n  N += 1") + "def shop(env): return State") == (
        f"N, assigned by help(), is a variable {shared}: "
        "make it inside the factory, or keep it in env.redis or env.database."
    )


def test_default_maker_of_a_shared_class_is_refused_if_it_counts():
    """A column's or field's default made from the learner's own counter would count for all instances."""
    instead = "pass it as an argument, wrap it in types.MappingProxyType if it never changes, or keep it in env.redis."
    sentence = refusal("""
        import itertools
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        IDS = itertools.count()
        def new_id(): return next(IDS)
        class Base(DeclarativeBase): pass
        class Item(Base):
            __tablename__ = "item"
            id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
        def shop(env): return Item
    """)
    shared = "that all instances would share, because class Item (DeclarativeAttributeIntercept) cannot be copied"
    assert sentence == f"IDS (used by new_id()) is a count {shared}: {instead}"


def test_mutable_default_of_a_context_variable_is_refused():
    """A dict as a ContextVar's default would be one for all instances."""
    source = "from contextvars import ContextVar\nUSER = ContextVar('user', default={})\ndef shop(env): return USER"
    assert refusal(source) == (
        f"USER (used by shop()) is a ContextVar whose default is a dict and {_NO_COPY}: set it inside the factory."
    )


def test_original_clock_in_a_shared_class_is_refused():
    """A name that the simulation replaces cannot be replaced in shared code, and the sentence says what to write."""
    names = notebook("""
        import enum
        from time import gmtime
        class State(enum.Enum):
            A = 1
            def now(self): return gmtime()
        def shop(env): return State
    """)
    with pytest.raises(CannotCopy) as caught:
        image(names["shop"], translate={id(names["gmtime"]): print})
    assert str(caught.value) == (
        "gmtime (used by State.now()) was imported by name and cannot follow the simulation's time, because class "
        "State (EnumType) cannot be copied: import its module and write module.gmtime."
    )


def test_data_nested_too_deeply_is_refused():
    """A chain longer than Python's stack is refused, not crashed on."""
    sentence = refusal("""
        CHAIN = []
        for _ in range(100000): CHAIN = [CHAIN]
        def shop(env): return CHAIN
    """)
    assert sentence == (
        f"shop is an app that reaches data nested too deeply and {_NO_COPY}: make them inside the factory."
    )


def test_object_that_cannot_be_made_again_is_refused_when_the_image_is_made():
    """A copy that fails is found at once, by a load on trial, and named."""
    sentence = refusal("""
        class Odd:
            def __init__(self, n): self.n = n
            def __reduce__(self): return Odd, ()
        ODD = Odd(1)
        def shop(env): return ODD
    """)
    assert sentence == (
        f"ODD (used by shop()) is made in a way of its own and {_NO_COPY} "
        "(Odd.__init__() missing 1 required positional argument: 'n'): make it inside the factory."
    )
