"""The space-time picture: what it shows, what it survives, and that it never changes by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import pytest
from stories import LANES, build, event

from fleetlab.show import lanes
from fleetlab.show.measure import width
from fleetlab.sim.trace import Trace

SVG = "{http://www.w3.org/2000/svg}"
EVERY_KIND = [
    event(0, "shop-1", "start", "v1"),
    event(0, "shop-1", "version", "v1.2"),
    event(0.5, "shop-1", "ready", "accepts requests"),
    event(1, "ada", "request", "GET /cart", "shop-1"),
    event(1.1, "shop-1", "call", "SET lock EX 30", "redis", reply="OK"),
    event(1.1, "redis", "ttl", "lock", until=31.1),
    event(1.1, "shop-1", "lease", "leader", until=31.1),
    event(1.2, "shop-1", "response", "503 busy", "ada"),
    event(2, "shop-1", "pause", "paused", until=40),
    event(3, "redis", "outage", "out of memory", until=20),
    event(4, "shop-2", "partition", "cable cut", "redis"),
    event(5, "shop-2", "call", "GET unreachable", "redis", reply="timeout"),
    event(6, "shop-2", "heal", "cable mended", "redis"),
    event(7, "redis", "schema", "4: price_cents"),
    event(8, "shop-2", "sleep", "sleep", until=9),
    event(9, "shop-2", "wait", "the stock lock", until=10),
    event(11, "shop-2", "note", "cache is warm"),
    event(12, "shop-2", "fault", "the reply is lost", "redis"),
    event(13, "shop-2", "fault", "late effect", "redis", until=15),
    event(16, "shop-2", "error", "KeyError: 'ada'"),
    event(17, "world", "note", "second act"),
    event(18, "shop-2", "stop", "SIGTERM"),
    event(19, "shop-2", "gone", "exit 0"),
    event(50, "shop-1", "kill", "SIGKILL"),
    event(51, "shop-1", "unheard of", "something new"),
]


def root(trace: Trace) -> ElementTree.Element:
    """Parse a trace's picture."""
    return ElementTree.fromstring(lanes.svg(trace))


def texts(trace: Trace) -> list[str]:
    """Return what a reader of the picture reads, in drawing order."""
    return [element.text or "" for element in root(trace).iter(f"{SVG}text")]


def test_a_lost_cart_reads_like_its_story(lost_cart: Trace) -> None:
    """Verdict, lanes, then each step with its time, label, reply and source line."""
    assert texts(lost_cart)[:2] == [lost_cart.title, "schedule 3 of 86 · 1 preemption"]
    assert texts(lost_cart)[2:6] == ["ada", "shop-1", "shop-2", "redis"]
    assert texts(lost_cart)[6:16] == [
        *("0.0 ms", "POST /cart/tea", "0.2 ms", "POST /cart/milk"),
        *("1.1 ms", "GET cart:ada", "[]", "7  cart = load(r.get(key))"),
        *("1.4 ms", "GET cart:ada"),
    ]


def test_lanes_are_told_apart_by_shape() -> None:
    """A client is a pill, an instance a box, a store a drum, the outside a tag, whatever their colour."""
    kinds = {"ada": "client", "lb": "balancer", "shop-1": "instance", "redis": "store", "mail": "outside"}
    drawing = lanes.svg(build(kinds, [event(0, name, "note", "here") for name in kinds]))
    assert re.search(r'<rect class="box client"[^>]* rx="12"/>', drawing)
    assert re.search(r'<rect class="box instance"[^>]* rx="3"/>', drawing)
    shapes = dict(re.findall(r'<path class="box (\w+)" d="M[\d. ]+(\D)', drawing))
    assert shapes == {"balancer": "H", "store": "v", "outside": "H"}
    assert drawing.count("l9 12l-9 12") == 2


def test_marked_steps_are_bold_thick_pointed_at_and_washed(lost_cart: Trace) -> None:
    """Marking never depends on colour alone."""
    drawing = lanes.svg(lost_cart)
    assert drawing.count('<line class="badl"') == 3
    assert drawing.count('class="bad b w"') == 3
    assert drawing.count('<rect class="wash"') == 1
    pointers = [place for place in re.findall(r'<path class="badh" d="M([\d.]+) ', drawing) if float(place) < 20]
    assert len(pointers) == 3


@pytest.mark.parametrize("fields", EVERY_KIND, ids=lambda fields: fields["kind"])
def test_every_kind_of_event_is_drawn(fields: dict[str, object]) -> None:
    """Each kind leaves its own words in the picture; an unknown kind is a dot with its text."""
    words = {"start": "v1", "ready": "ready", "sleep": "sleep 1 s", "wait": "waits for the stock lock 1 s"}
    words |= {"ttl": "TTL lock 30 s", "lease": "lease leader 30 s", "pause": "paused 38 s"}
    words |= {"outage": "outage out of memory 17 s", "schema": "schema 4: price_cents", "start": "start"}
    alone = [dict(fields), event(60, "ada", "note", "later")]
    assert words.get(str(fields["kind"]), fields["what"]) in texts(build(LANES, alone))


def test_everything_at_once_is_well_formed() -> None:
    """All kinds in one trace make one picture, with the ends of bars in rows of their own."""
    shown = texts(build(LANES, [dict(fields) for fields in EVERY_KIND]))
    assert {"lease leader ends", "lock expires", "runs on", "back again"} <= set(shown)


def test_a_killed_lane_ends_in_a_cross_and_dots() -> None:
    """After SIGKILL the lane goes on dotted until a start."""
    trace = build(
        LANES, [event(0, "shop-1", "note", "on"), event(1, "shop-1", "kill", "SIGKILL"), event(2, "ada", "note", "x")]
    )
    drawing = lanes.svg(trace)
    assert drawing.count('class="cross deadl"') == 1
    x, top = re.search(r'<line class="gone" x1="([\d.]+)" y1="([\d.]+)"', drawing).groups()
    assert f'<line class="lane instance" x1="{x}"' in drawing
    assert float(top) > 50


def test_a_lease_outlives_the_instance_that_held_it() -> None:
    """The store keeps a lease until it ends, however dead its holder is."""
    trace = build(
        LANES,
        [
            event(0, "shop-1", "lease", "leader", until=30),
            event(5, "shop-1", "kill", "SIGKILL"),
            event(40, "ada", "note", "done"),
        ],
    )
    bar = re.search(r'<rect class="leaseb"[^>]* y="([\d.]+)"[^>]* height="([\d.]+)"', lanes.svg(trace))
    labels = {text.text: float(text.get("y", 0)) for text in root(trace).iter(f"{SVG}text")}
    assert float(bar[1]) + float(bar[2]) > labels["SIGKILL"] + 15
    assert "lease leader ends" in labels


def test_a_lost_reply_starts_at_the_side_that_answered() -> None:
    """A store's reply gets lost on its way left, a service's reply to a client as well."""
    store = build(LANES, [event(0, "shop-1", "fault", "lost reply", "redis")])
    client = build(LANES, [event(0, "shop-1", "fault", "the reply is lost", "ada")])
    from_store = re.search(r'<line class="deadl dash" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', lanes.svg(store))
    to_client = re.search(r'<line class="deadl dash" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', lanes.svg(client))
    assert float(from_store[1]) > float(from_store[2])
    assert float(to_client[1]) > float(to_client[2])


def test_a_call_across_a_partition_stops_at_the_wall() -> None:
    """The arrow ends in a cross; nobody answers."""
    trace = build(
        LANES,
        [event(0, "shop-1", "partition", "", "redis"), event(1, "shop-1", "call", "PING", "redis", reply="timeout")],
    )
    drawing = lanes.svg(trace)
    assert 'class="split deadl"' in drawing
    assert 'class="cross deadl"' in drawing
    assert '<line class="reply"' not in drawing


def test_time_that_stands_still_is_counted_in_steps() -> None:
    """Where all times are equal, as under exploration, the gutter numbers the steps."""
    trace = build(LANES, [event(0, "shop-1", "call", f"GET {n}", "redis") for n in range(3)])
    assert [text for text in texts(trace) if text in ("1", "2", "3", "0.0 ms")] == ["1", "2", "3"]


def test_idle_time_is_skipped_and_said() -> None:
    """Half an hour in which nothing happens takes one row."""
    times = [0, 0.001, 0.002, 0.003, 1740.003]
    trace = build(LANES, [event(time, "shop-1", "call", "GET x", "redis") for time in times])
    assert [text for text in texts(trace) if "min" in text] == ["0:00 min", "… 29 min …", "29:00 min"]


def test_a_long_trace_is_folded_around_its_marks(load_test: Trace) -> None:
    """Marked steps and their neighbours stay, both ends stay, the rest is a number of steps."""
    shown = texts(load_test)
    folds = [text for text in shown if " steps" in text]
    assert folds == ["…  40 steps, 39 ms  …", "…  40 steps, 39 ms  …"]
    assert {"INCR hits:0  →  0", "INCR hits:98  →  98", "INCR hits:199  →  199"} <= set(shown)
    assert "INCR hits:70  →  70" not in shown


def test_a_fold_stays_within_its_limit(load_test: Trace) -> None:
    """A caller may ask for fewer rows than the default."""
    arrows = lanes.svg(load_test, limit=30).count('<line class="call"')
    assert 20 <= arrows <= 30


def test_nothing_from_a_trace_can_leave_its_text() -> None:
    """Markup, quotes and characters that XML forbids arrive as text, in the picture and in the alternative text."""
    nasty = "</text><script>alert('x')</script> & \"q\" \x00\ud800\u202e\n]]>"
    trace = build({nasty: "client", "redis": "store"}, [event(0, nasty, "call", nasty, "redis", reply=nasty)])
    view = trace.highlight([0], nasty, nasty)
    ElementTree.fromstring(lanes.svg(view))
    assert "<script" not in lanes.svg(view)
    assert lanes.html(view).count("<") == 1


def test_a_notebook_that_nobody_trusts_gets_an_image_with_words(lost_cart: Trace) -> None:
    """One `<img>`: alternative text that tells the marked steps, and the drawing as data."""
    shown = lost_cart._repr_html_()
    alt, data = re.fullmatch(
        r'<img alt="([^"]*)" width="[\d.]+" src="data:image/svg\+xml;base64,([^"]*)">', shown
    ).groups()
    assert b64decode(data).decode() == lanes.svg(lost_cart)
    assert alt == (
        "Ada&#39;s tea is lost: shop-2 read the cart between shop-1&#39;s read and shop-1&#39;s write. "
        "Space-time diagram, time downward. Lanes: ada (client), shop-1 (instance), shop-2 (instance), redis (store). "
        "8 events in 4.1 ms. Marked: 1.4 ms shop-2 calls redis: GET cart:ada, answered []; "
        "2.2 ms shop-1 calls redis: SET cart:ada [&quot;tea&quot;], answered OK; "
        "2.9 ms shop-2 calls redis: SET cart:ada [&quot;milk&quot;], answered OK."
    )


def test_both_themes_are_in_the_picture(lost_cart: Trace) -> None:
    """The picture brings its own paper and follows the system's theme."""
    drawing = lanes.svg(lost_cart)
    light, dark = drawing.split("@media(prefers-color-scheme:dark)")
    assert ".paper{fill:#ffffff" in light
    assert ".paper{fill:#0d1117" in dark
    assert '<rect class="paper"' in drawing


@pytest.mark.parametrize("count", [1, 3, 12])
def test_no_text_is_wider_than_its_room(count: int) -> None:
    """However many lanes and however long the words, every text ends inside the picture, at most 1000 pixels wide."""
    names = {f"a-service-with-a-long-name-{n}": "instance" for n in range(count)} | {"redis": "store"}
    words = "SELECT * FROM invoice WHERE customer = 'ada' AND state = 'due' " * 3
    events = [event(n, name, "call", words, "redis", reply=words, line=7) for n, name in enumerate(names)]
    drawing = root(build(names, events).highlight([0], words, words))
    right = float(drawing.get("width", 0))
    assert right <= 1000
    for text in drawing.iter(f"{SVG}text"):
        style = text.get("class", "")
        wide = width(text.text or "", float(text.get("font-size", 0)), " b" in f" {style}", style.startswith("src"))
        shift = {"middle": wide / 2, "end": wide}.get(text.get("text-anchor", ""), 0)
        start = float(text.get("x", 0)) - shift
        assert start >= 0, text.text
        assert start + wide <= right + 0.5, text.text


def test_shortened_text_is_whole_in_its_title() -> None:
    """What a label has no room for stands in a title element."""
    words = "SET cart:ada " + "tea " * 100
    drawing = root(build(LANES, [event(0, "shop-1", "call", words, "redis")]))
    titles = [title.text for text in drawing.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert titles == [words]


def test_lanes_that_nobody_declared_are_drawn() -> None:
    """A bare simulation has tasks for lanes: callers are boxes, what is only called is a drum."""
    drawing = lanes.svg(build({}, [event(0, "left", "call", "INCR n", "redis", reply="1")]))
    assert 'class="box instance"' in drawing
    assert 'class="box store"' in drawing


def test_an_empty_trace_has_a_picture() -> None:
    """Nothing happened yet, and that is no error."""
    assert lanes.html(Trace()).startswith('<img alt="Space-time diagram, time downward. Lanes: none. 0 events."')


def test_the_same_bytes_under_every_hash_seed() -> None:
    """Neither sets nor hashes decide anything in a picture."""
    here = Path(__file__).parent
    script = "from test_lanes import *; import sys; t = build(LANES, [dict(e) for e in EVERY_KIND])\n"
    script += "sys.stdout.write(lanes.html(t.highlight([4, 9], 'x')))"
    path = os.pathsep.join([str(here), *sys.path])
    drawn = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(drawn) == 1


def test_pictures_load_no_plotting_library() -> None:
    """Importing `show` and drawing lanes needs neither matplotlib nor networkx."""
    script = "import sys, fleetlab.show as s; from fleetlab.sim.trace import Trace; s.lanes.html(Trace())\n"
    script += "assert not {'matplotlib', 'networkx', 'numpy'} & set(sys.modules)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
