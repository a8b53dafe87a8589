"""A console lets time pass, breaks things, and shows what came of it, by hand or from a cell."""

from __future__ import annotations

import pytest
from fleets import shop, world

from fleetlab.show.console import Console, console
from fleetlab.show.controls import EVERYONE, Controls
from fleetlab.show.film import HEIGHT


@pytest.fixture
def panel() -> Console:
    """A console on two instances, with one client that fills a cart."""
    made = world()
    ada = made.client("ada")
    return console(made, lambda: ada.post("/cart/tea"), every=0.1, versions={"v2": shop})


def test_the_static_form_holds_clock_counters_and_steps(panel: Console) -> None:
    """Plain text, the same each time."""
    lines = str(panel.play(0.05)).splitlines()
    assert lines[0] == "Virtual time 0.050 s; instances: 2 ready."
    assert lines[2:11] == [
        "the fleet",
        "----------------------  -------",
        "requests                1",
        "answered well           1",
        "answered with an error  0",
        "without an answer       0",
        "under way               0",
        "median of the last 50   6.78 ms",
        "keys in redis           1",
    ]
    assert lines[12:16] == [
        "instance  version  state  busy  answers  errors",
        "--------  -------  -----  ----  -------  ------",
        "shop-1    v1       ready     0        1       0",
        "shop-2    v1       ready     0        0       0",
    ]


def test_the_static_html_is_a_picture_with_words_and_two_tables(panel: Console) -> None:
    """Nothing in it needs a script."""
    shown = panel.play(0.05).html()
    assert shown.count("<img alt=") == 1
    assert shown.count("<table>") == 2
    assert "<script" not in shown


def test_a_step_ends_at_the_next_event(panel: Console) -> None:
    """The line says what it was."""
    mark = len(panel.world.trace)
    assert panel.step().said == "ada: POST /cart/tea"
    assert len(panel.world.trace) == mark + 1


def test_nothing_to_do_is_said() -> None:
    """Without traffic a step is a minute."""
    idle = console(world())
    assert idle.step().said == "Nothing happened for a minute."
    assert idle.world.now == 60.0


def test_the_killed_serve_nothing_and_the_added_do(panel: Console) -> None:
    """A kill is at once; an instance more is there as time passes."""
    assert panel.kill("shop-1").said == "shop-1 is killed."
    assert panel.add().said == "One more instance of shop starts as time passes."
    panel.play(1)
    assert panel.clock() == "Virtual time 1.000 s; instances: 1 dead, 2 ready."


def test_a_cut_store_leaves_requests_under_way_until_it_is_healed(panel: Console) -> None:
    """The command that was lost times out after five seconds; then all is well."""
    assert panel.cut("redis").said == "redis is cut off from every instance."
    panel.play(1)
    assert panel.counters.totals().rows[4] == ("under way", "1")
    assert panel.heal().said == "Everybody reaches everybody."
    panel.play(6)
    assert int(panel.counters.totals().rows[1][1]) > 5


def test_another_version_replaces_the_first(panel: Console) -> None:
    """One instance at a time, while time passes."""
    assert panel.deploy("v2").said == "v2 replaces v1 as time passes, one instance at a time."
    panel.play(2)
    assert [row[:3] for row in panel.counters.instances().rows] == [
        ("shop-3", "v2", "ready"),
        ("shop-4", "v2", "ready"),
    ]


def test_a_paused_instance_is_said_to_be_paused(panel: Console) -> None:
    """Its state in the table is what befalls it."""
    panel.pause("shop-2", 3)
    assert panel.counters.instances().rows[1][2] == "paused"


def test_a_mistake_in_the_traffic_is_told_once() -> None:
    """The rest goes on."""
    broken = console(world(), lambda: 1 / 0)
    assert broken.play(1).said == "This traffic ends: ZeroDivisionError: division by zero"
    assert broken.play(1).said == "1 s passed."


def test_buttons_do_what_methods_do(panel: Console) -> None:
    """Each is named, and explained where a pointer rests."""
    desk = Controls(panel)
    assert [(name, bool(button.tooltip)) for name, button in desk.buttons.items()] == [
        (name, True) for name in ("Step", "Kill", "Pause", "Add", "Cut off", "Heal", "Deploy")
    ]
    desk.buttons["Step"].click()
    assert desk.line.value == '<span role="status">ada: POST /cart/tea</span>'
    desk.buttons["Kill"].click()
    assert desk.chosen.options == ("shop-2", EVERYONE)
    desk.buttons["Cut off"].click()
    assert panel.said == "redis is cut off from shop-2."
    desk.chosen.value = EVERYONE
    desk.buttons["Pause"].click()
    desk.buttons["Deploy"].click()
    assert panel.said == "v2 replaces v1 as time passes, one instance at a time."


def test_ticks_let_time_pass_while_it_plays(panel: Console) -> None:
    """At the chosen speed, in frames of 0.2 s; held, a late tick changes nothing."""
    desk = Controls(panel)
    desk.speed.value = 1.0
    desk.ticks.value = 1
    assert panel.world.now == 0.0
    desk.play.value = True
    assert (desk.ticks.playing, desk.play.description) == (True, "Hold")
    desk.ticks.value = 2
    assert panel.world.now == 0.2
    desk.play.value = False
    assert (desk.ticks.playing, desk.play.description) == (False, "Play")


def test_an_error_ends_the_play_and_is_told() -> None:
    """A failing client stops the clock, with a word."""
    desk = Controls(console(world(), lambda: 1 / 0))
    desk.play.value = True
    desk.ticks.value = 1
    assert not desk.play.value
    assert desk.console.said == "This traffic ends: ZeroDivisionError: division by zero"


def test_a_button_that_cannot_do_it_says_why(panel: Console) -> None:
    """An error is a sentence in the line, never a stack."""
    desk = Controls(panel)
    panel.world.deployments.clear()
    desk.buttons["Add"].click()
    assert panel.said == "ValueError: This world has no deployment: deploy() first."


def test_frames_keep_what_goes_on_and_forget_the_dead(panel: Console) -> None:
    """A partition from long ago still stands in the frame; an instance that died long ago has no lane."""
    panel.add().play(0.2)
    panel.cut("redis", "shop-2").kill("shop-1").play(30)
    frame = panel.film.frame()
    assert ">cut off<" in frame
    assert ">shop-1<" not in frame
    assert ">shop-3<" in frame


def test_frames_have_room_for_the_names_of_their_lanes(panel: Console) -> None:
    """However much a step needs, a frame is no higher than its place: the oldest steps give way, never the top."""
    heights = []
    panel.pause("shop-1").deploy("v2")
    for _ in range(30):
        frame = panel.step().film.frame()
        heights.append(float(frame.split('viewBox="0 0 ')[1].split('"')[0].split()[1]))
    assert HEIGHT - 40 < max(heights) <= HEIGHT
    assert ">ada<" in frame


def test_frames_stand_in_the_page_without_a_style_of_their_own(panel: Console) -> None:
    """They are named for screen readers; the widget brings their style once, for both themes."""
    frame = panel.film.frame("Now")
    assert frame.startswith('<div class="fl-live"><svg aria-label="Now" ')
    assert "<style>" not in frame
    style = Controls(panel).widget.children[0].value
    assert 'body[data-jp-theme-light="false"] .fl-live .paper{fill:#0d1117' in style
    assert "\n.paper" not in style


def test_two_consoles_on_the_same_seed_show_the_same(panel: Console) -> None:
    """To the byte."""
    shown = []
    for _ in range(2):
        made = world()
        ada = made.client("ada")
        shown.append(console(made, lambda ada=ada: ada.post("/cart/tea")).play(2).kill("shop-1").play(1).html())
    assert shown[0] == shown[1]
