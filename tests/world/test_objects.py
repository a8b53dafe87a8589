"""An object store: whole objects, no rename, one request a step."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from flask import Flask
from shops import events

from fleetlab import World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


@pytest.fixture
def fs(world):
    """The object store, with two objects in it."""
    fs = world.objects
    fs.pipe("photos/2026/cat.png", b"cat")
    fs.pipe("photos/dog.png", b"doggy")
    return fs


def calls(world):
    """Return the requests that the store has seen, with their replies."""
    return [(event.what, event.reply) for event in world.trace if event.to == "objects"]


def test_an_object_appears_whole_when_it_is_closed(fs):
    """Nobody sees the half of it."""
    with fs.open("a", "wb") as file:
        file.write(b"half")
        assert not fs.exists("a")
        file.write(b"whole")
    assert fs.cat("a") == b"halfwhole"


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_an_error_in_the_body_publishes(fs, mode):
    """Closing is what publishes, whatever came before, as on S3 and Azure."""
    with contextlib.suppress(ZeroDivisionError), fs.open("a", mode) as file:
        file.write("half" if mode == "w" else b"half")
        1 / 0  # noqa: B018
    assert fs.cat("a") == b"half"


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_killed_writer_publishes_nothing(world, mode):
    """Its upload never ends."""

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            file = env.objects.open("a", mode)
            with file:
                file.write("half" if mode == "w" else b"half")
                time.sleep(60)

        return app

    world.deploy(shop, instances=1)
    world.spawn(world.client().get, "/")
    world.run(1)
    world["shop-1"].kill()
    world.run(100)
    assert world.objects.find("") == []


def test_text_is_read_and_written(fs):
    """With an encoding, as files are."""
    with fs.open("menu", "w", encoding="latin-1") as file:
        file.write("Käse\n")
    assert fs.cat("menu") == b"K\xe4se\n"
    with fs.open("menu", "r", encoding="latin-1") as file:
        assert file.readlines() == ["Käse\n"]


def test_what_is_there(fs):
    """Objects and prefixes are told apart; both exist."""
    assert (fs.exists("photos"), fs.isdir("photos"), fs.isfile("photos")) == (True, True, False)
    assert (fs.exists("photos/dog.png"), fs.isfile("photos/dog.png")) == (True, True)
    assert (fs.exists("photos/do"), fs.exists("videos")) == (False, False)
    assert (fs.size("photos/dog.png"), fs.info("photos/2026")["type"]) == (5, "directory")


def test_listings(fs):
    """One level, all levels, or a pattern; by name."""
    assert fs.ls("photos", detail=False) == ["photos/2026", "photos/dog.png"]
    assert [(entry["name"], entry["size"]) for entry in fs.ls("photos")] == [("photos/2026", 0), ("photos/dog.png", 5)]
    assert fs.ls("photos/dog.png", detail=False) == ["photos/dog.png"]
    assert fs.find("photos") == ["photos/2026/cat.png", "photos/dog.png"]
    assert fs.find("", maxdepth=2) == ["photos/dog.png"]
    assert fs.find("photos", withdirs=True) == ["photos/2026", "photos/2026/cat.png", "photos/dog.png"]
    assert (fs.glob("photos/*.png"), fs.glob("**/c*")) == (["photos/dog.png"], ["photos/2026/cat.png"])
    assert list(fs.walk("photos")) == [("photos", ["2026"], ["dog.png"]), ("photos/2026", [], ["cat.png"])]


@pytest.mark.parametrize("call", ["open", "info", "ls", "cat", "size"])
def test_what_is_not_there(fs, call):
    """Each says so, with the name."""
    with pytest.raises(FileNotFoundError, match="videos"):
        getattr(fs, call)("videos")


def test_moving_is_a_copy_and_a_delete(world, fs):
    """There is no rename: a crash between the two leaves both."""
    world.call(fs.mv, "photos/dog.png", "dog")
    assert [what for what, _ in calls(world) if what.split()[0] in ("COPY", "DELETE")] == [
        "COPY photos/dog.png to dog",
        "DELETE photos/dog.png",
    ]
    assert fs.find("") == ["dog", "photos/2026/cat.png"]


def test_deleting_many(fs):
    """Deleting a prefix deletes what is under it; deleting an object that is gone is no error."""
    fs.rm("photos", recursive=True)
    fs.rm_file("photos/dog.png")
    assert fs.find("") == []


def test_an_object_is_created_only_once(fs):
    """Exclusive mode is decided at close, where the first one wins."""
    first, second = fs.open("lock", "xb"), fs.open("lock", "xb")
    first.write(b"1")
    second.write(b"2")
    second.close()
    with pytest.raises(FileExistsError, match="lock"):
        first.close()
    assert fs.cat("lock") == b"2"


@pytest.mark.parametrize("mode", ["ab", "a", "r+b"])
def test_appending_and_changing_are_refused(fs, mode):
    """Objects are written whole."""
    with pytest.raises(NotImplementedError, match="objects are written whole, never appended to or changed"):
        fs.open("photos/dog.png", mode)


def test_what_else_a_store_has_not(fs):
    """No transactions, and no time of creation."""
    with fs.transaction, pytest.raises(NotImplementedError, match="no transactions"):
        fs.open("a", "wb")
    with pytest.raises(NotImplementedError, match=r"use modified\(path\)"):
        fs.created("photos/dog.png")


def test_the_last_write_is_in_virtual_time(world, fs):
    """As a moment in UTC."""
    world.run(60)
    fs.pipe("a", b"1")
    assert fs.modified("photos/dog.png") == datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)
    assert fs.modified("a") == datetime(2026, 1, 5, 9, 1, 0, tzinfo=UTC)


def test_each_request_is_a_step(world, fs):
    """The trace shows what an instance asks of the store, and what it is told."""

    def work():
        with fs.open("a", "wb") as file:
            file.write(b"hello")
        fs.cat("a")
        fs.exists("b")
        fs.find("photos")

    world.call(work)
    assert calls(world) == [
        ("PUT a (5 bytes)", ""),
        ("GET a", "5 bytes"),
        ("HEAD b", "FileNotFoundError"),
        ("LIST photos", ""),
    ]


@pytest.mark.parametrize(
    ("cut", "error"),
    [
        (lambda world: world.network.outage("objects", 60), "ConnectionError: objects refuses connections: outage."),
        (
            lambda world: world.partition("notebook", "objects"),
            "TimeoutError: objects did not answer within 5 s: HEAD photos/dog.png.",
        ),
    ],
)
def test_a_store_out_of_reach_is_no_missing_object(world, fs, cut, error):
    """`exists` raises where it cannot know."""
    cut(world)
    with pytest.raises(OSError) as caught:  # noqa: PT011
        world.call(fs.exists, "photos/dog.png")
    assert f"{type(caught.value).__name__}: {caught.value}" == error
    with pytest.raises(OSError):  # noqa: PT011
        world.call(fs.find, "photos")


def test_every_world_has_a_store_of_its_own(fs):
    """fsspec would share one a process."""
    with World() as other:
        assert other.objects.find("") == []
        assert events(other, "call") == []
