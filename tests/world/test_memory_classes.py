"""Instances share no Python memory: classes of the learner's, their objects, and definitions that stay shared."""

from __future__ import annotations

from cells import two


def test_class_attributes_are_separate():
    """`class Cart: items = {}` and a counter on the class belong to one instance."""
    one, other = two("""
        class Cart:
            items, made = {}, 0
            def __init__(self): Cart.made += 1
            def add(self, item): self.items[item] = Cart.made
        def shop(item):
            Cart().add(item)
            return Cart.items, Cart.made
    """)
    assert one("tea") == ({"tea": 1}, 1)
    assert one("milk") == ({"tea": 1, "milk": 2}, 2)
    assert other("honey") == ({"honey": 1}, 1)


def test_super_slots_properties_and_nested_classes_survive():
    """Zero-argument super(), `__class__`, private slots, descriptors and nested classes work in a copy."""
    one, other = two("""
        import functools
        class Base:
            __slots__ = ("kept", "__secret")
            def __init__(self): self.kept, self.__secret = [], 7
            def secret(self): return self.__secret
        class Kid(Base):
            __slots__ = ("own", "__dict__")
            class Box: all = []
            def __init__(self): super().__init__(); self.own = 1; Kid.Box.all.append(1)
            @classmethod
            def make(cls): return cls()
            @staticmethod
            def count(): return len(Kid.Box.all)
            @property
            def me(self): return __class__
            @functools.cached_property
            def once(self): return [self.own]
        def shop(env):
            kid = Kid.make()
            return Kid.count(), kid.secret(), kid.me is Kid, kid.once is kid.once, isinstance(kid, Base), kid.kept
    """)
    assert one(None) == (1, 7, True, True, True, [])
    assert one(None)[0] == 2
    assert other(None) == (1, 7, True, True, True, [])


def test_objects_of_learner_classes_are_separate():
    """An object in a cell is copied as an object of the instance's own class, cycles included."""
    one, other = two("""
        class Node:
            def __init__(self, name): self.name, self.next, self.seen = name, self, []
        class Kept(dict):
            pass
        ROOT = Node("root")
        BOOK = Kept({ROOT: [ROOT]})
        BOOK.owner = ROOT
        def shop(env):
            ROOT.seen.append(env)
            return isinstance(ROOT, Node), ROOT.next is ROOT, BOOK[ROOT][0] is ROOT, BOOK.owner.seen, type(BOOK) is Kept
    """)
    assert one(1) == (True, True, True, [1], True)
    assert other(2) == (True, True, True, [2], True)


def test_dataclasses_are_separate():
    """Dataclasses keep fields, order, frozen slots and their objects as dictionary keys."""
    one, other = two("""
        from dataclasses import asdict, dataclass, field, fields
        @dataclass
        class Item:
            name: str = "tea"
            tags: list = field(default_factory=list)
        @dataclass(frozen=True, slots=True, order=True)
        class Money:
            cents: int
            def twice(self): return Money(self.cents * 2)
        STOCK = {Money(1): [Item()]}
        def shop(tag):
            STOCK[Money(1)][0].tags.append(tag)
            return asdict(STOCK[Money(1)][0]), len(fields(Item)), Money(1).twice() > Money(1), Item() == Item()
    """)
    assert one("a") == ({"name": "tea", "tags": ["a"]}, 2, True, True)
    assert other("b") == ({"name": "tea", "tags": ["b"]}, 2, True, True)


def test_exceptions_are_caught_in_an_instance():
    """An exception class and a ready-made error belong together within an instance."""
    one, _ = two("""
        class Empty(Exception):
            def __init__(self, user): super().__init__(user); self.user = user
        class VeryEmpty(Empty): pass
        READY = VeryEmpty("ada")
        def fail(): raise READY
        def shop(env):
            try: fail()
            except Empty as error: return error.user, error.args
    """)
    assert one(None) == ("ada", ("ada",))


def test_abstract_classes_and_registries_are_separate():
    """ABCs stay abstract; `__init_subclass__` is not run again by a copy; registered classes stay registered."""
    one, other = two("""
        from abc import ABC, abstractmethod
        class Store(ABC):
            kinds = []
            def __init_subclass__(cls, kind): Store.kinds.append(kind)
            @abstractmethod
            def get(self): ...
        class Memory(Store, kind="memory"):
            data = []
            def get(self): self.data.append(1); return self.data
        @Store.register
        class Duck: pass
        def shop(env):
            class Late(Memory, kind="late"): pass
            try: Store()
            except TypeError: return Store.kinds, Memory().get(), isinstance(Duck(), Store), isinstance(Late(), Store)
    """)
    assert one(None) == (["memory", "late"], [1], True, True)
    assert one(None) == (["memory", "late", "late"], [1, 1], True, True)
    assert other(None) == (["memory", "late"], [1], True, True)


def test_protocols_and_generics_are_separate():
    """Protocols, their implementations, generic classes and their aliases work in a copy."""
    one, other = two("""
        from typing import Generic, Protocol, TypeVar, runtime_checkable
        T = TypeVar("T")
        @runtime_checkable
        class Has(Protocol):
            def get(self): ...
        class Box(Generic[T]):
            made = []
            def __init__(self, x): self.made.append(x)
            def get(self): return self.made
        Numbers = Box[int]
        def shop(env):
            box = Numbers(env)
            return box.get(), isinstance(box, Box), isinstance(box, Has), isinstance(3, Has)
    """)
    assert one(1) == ([1], True, True, False)
    assert other(2) == ([2], True, True, False)


def test_named_tuples_and_typed_dicts_work():
    """NamedTuple classes with methods and defaults, TypedDict and NewType keep their behaviour."""
    one, other = two("""
        from typing import NamedTuple, NewType, TypedDict
        SEEN = []
        class Line(NamedTuple):
            n: int
            tags: list = []
            def see(self): SEEN.append(self.n); return SEEN
        class Row(TypedDict): n: int
        Name = NewType("Name", str)
        FIRST = Line(1)
        def shop(env):
            Line(2).tags.append(env)
            return FIRST.see(), isinstance(FIRST, Line), Line(3)._replace(n=4), Row(n=1), Name("x")
    """)
    assert one("a") == ([1], True, (4, ["a"]), {"n": 1}, "x")
    assert other("b") == ([1], True, (4, ["b"]), {"n": 1}, "x")


def test_enumerations_stay_one_definition():
    """Members of an enumeration are the same in all instances, and compare by identity."""
    one, other = two("""
        import enum
        class State(enum.Enum):
            OPEN = 1
            def closed(self): return self is not State.OPEN
        def shop(env): return State.OPEN, State(1) is State.OPEN, State.OPEN.closed()
    """)
    assert one(None) == other(None)
    assert one(None)[1:] == (True, False)


def test_sqlalchemy_models_stay_one_definition():
    """Declarative classes, tables and statements are shared, with the functions that their methods call."""
    one, other = two("""
        from sqlalchemy import Column, Integer, MetaData, String, Table, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
        class Base(DeclarativeBase):
            type_annotation_map = {str: String(30)}
        class Item(Base):
            __tablename__ = "item"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            def hello(self): return greet(self)
        def greet(item): return "hi " + item.name if isinstance(item, Item) else "?"
        Session, NOTES, ALL = sessionmaker(), Table("notes", MetaData(), Column("n", Integer)), select(Item.id)
        def shop(env):
            Session.configure(info={"of": env})
            return Item(name="ada").hello(), greet(Item(name="bob")), NOTES.name, str(ALL), Session.kw["info"]
    """)
    assert one(1) == ("hi ada", "hi bob", "notes", "SELECT item.id \nFROM item", {"of": 1})
    assert other(2)[-1] == {"of": 2}
    assert one(3)[-1] == {"of": 3}
    assert other.__globals__["Session"].kw["info"] == {"of": 2}


def test_unchanging_view_may_be_used_by_a_shared_definition():
    """A method of an enumeration may read a table of prices that nobody can change."""
    one, _ = two("""
        import enum, logging, types
        PRICES = types.MappingProxyType({"tea": 3})
        log = logging.getLogger("shop")
        class Item(enum.Enum):
            TEA = "tea"
            def price(self): log.debug("asked"); return PRICES[self.value]
        def shop(env): return Item.TEA.price()
    """)
    assert one(None) == 3
