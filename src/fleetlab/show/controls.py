"""The widget of a console: buttons with names, a picture, two tables, and a line that screen readers speak."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .film import HEIGHT
from .front import Errand
from .inline import said, stylesheet

if TYPE_CHECKING:
    from .console import Console

TICK = 0.2
"""Real seconds between two frames while time passes."""

SPEEDS = {
    "1 ms a second": 0.001,
    "10 ms a second": 0.01,
    "100 ms a second": 0.1,
    "real time": 1.0,
    "10 × real time": 10.0,
}
"""Virtual seconds that pass in a real one."""
EVERYONE = "every instance"


class Controls:
    """Everything of a console that a hand touches or an eye sees.

    The clock that drives it ticks in the browser: it stops with the page, and waits while the kernel is busy.
    """

    def __init__(self, console: Console) -> None:
        import ipywidgets as w

        self.console = console
        self.ticks = w.Play(min=0, max=10**9, interval=round(TICK * 1000), show_repeat=False)
        self.ticks.layout.display = "none"
        self.ticks.observe(Errand(self._tick), "value")
        self.play = w.ToggleButton(description="Play", icon="play", tooltip="Let virtual time pass, or hold it")
        self.play.observe(Errand(self._toggle), "value")
        self.speed = w.Dropdown(options=list(SPEEDS.items()), value=0.01, description="speed")
        self.chosen, self.store = w.Dropdown(description="instance"), w.Dropdown(description="store")
        self.version = w.Dropdown(description="version", options=list(console.versions))
        self.picture, self.clock, self.line = w.HTML(), w.HTML(), w.HTML()
        self.totals, self.instances = w.HTML(), w.HTML()
        self.buttons = self._buttons(w.Button)
        self.widget = self._laid_out(w)
        self.draw()

    def _buttons(self, button: Callable[..., Any]) -> dict[str, Any]:
        console = self.console
        doing: dict[str, tuple[str, str, Callable[[], Any]]] = {
            "Step": ("step-forward", "Let time pass up to the next event", console.step),
            "Kill": ("times", "SIGKILL for the chosen instance", lambda: self._each(console.kill)),
            "Pause": ("pause", "Freeze the chosen instance for 10 s", lambda: self._each(console.pause)),
            "Add": ("plus", "Start one more instance", lambda: console.add(self._deployment())),
            "Cut off": ("chain-broken", "Let the chosen instance not reach the store", self._cut),
            "Heal": ("link", "End every partition", console.heal),
            "Deploy": ("upload", "Replace all instances by this version, one by one", self._deploy),
        }
        made = {}
        for name, (icon, tooltip, do) in doing.items():
            made[name] = button(description=name, icon=icon, tooltip=tooltip)
            made[name].on_click(Errand(partial(self.act, do)))
        return made

    def _laid_out(self, w: Any) -> Any:
        for field in (self.speed, self.chosen, self.store, self.version):
            field.style.description_width, field.layout.width = "auto", "auto"
        for button in (self.play, *self.buttons.values()):
            button.layout.width = "auto"
        b = self.buttons
        time = w.HBox([self.play, b["Step"], self.speed, self.clock])
        breaks = w.HBox([self.chosen, b["Kill"], b["Pause"], b["Add"]])
        links = [self.store, b["Cut off"], b["Heal"]] if self.console.stores() else []
        release = [self.version, b["Deploy"]] if self.console.versions else []
        rows = [time, breaks, *([w.HBox([*links, *release])] if links or release else [])]
        for row in rows:
            row.layout.flex_flow = "row wrap"
        # What stands below keeps its place, however high a frame is.
        self.picture.layout.margin = "0"
        picture = w.Box([self.picture], layout=w.Layout(height=f"{HEIGHT:.0f}px"))
        tables = w.HBox([self.totals, self.instances])
        tables.layout.flex_flow = "row wrap"
        everything = w.VBox([w.HTML(stylesheet()), *rows, self.line, picture, tables, self.ticks])
        everything.add_class("fl-panel")
        return everything

    # -- what a hand does

    def act(self, do: Callable[[], Any]) -> None:
        """Do something, tell what came of it, and draw."""
        try:
            do()
        except Exception as error:
            self.console.said = f"{type(error).__name__}: {error}"
        self.draw()

    def _each(self, do: Callable[[str], Any]) -> None:
        for name in [self.chosen.value] if self.chosen.value != EVERYONE else [i.name for i in self.console.alive()]:
            do(name)

    def _cut(self) -> None:
        self.console.cut(self.store.value, "" if self.chosen.value == EVERYONE else self.chosen.value)

    def _deploy(self) -> None:
        self.console.deploy(self.version.value, self._deployment())

    def _deployment(self) -> str:
        """Return the deployment of the chosen instance, or nothing for the first one."""
        known = {instance.name: instance.deployment.name for instance in self.console.world.instances}
        return known.get(self.chosen.value, "")

    def _toggle(self) -> None:
        runs = self.ticks.playing = self.play.value
        self.play.description, self.play.icon = ("Hold", "pause") if runs else ("Play", "play")
        console = self.console
        console.said, console.trouble = console.trouble or ("Time passes." if runs else "Time stands still."), ""
        self.draw()

    def _tick(self) -> None:
        if not self.play.value:
            return
        if self.console.advance(self.speed.value * TICK):
            self.draw()
        else:
            self.play.value = False

    # -- what an eye sees

    def draw(self) -> None:
        """Show the world as it is now; lists change only where their entries do, so that nobody loses their place."""
        console = self.console
        _offer(self.chosen, [i.name for i in console.alive()] + [EVERYONE])
        _offer(self.store, console.stores())
        for name in ("Kill", "Pause", "Add"):
            self.buttons[name].disabled = not console.world.deployments
        self.picture.value = console.film.frame()
        self.clock.value, self.line.value = console.clock(), said(console.said)
        for place, table in ((self.totals, console.counters.totals()), (self.instances, console.counters.instances())):
            place.value = f'<div class="fl-live">{table._repr_html_()}</div>'


def _offer(field: Any, names: list[str]) -> None:
    if list(field.options) != names:
        before = field.value
        field.options = names
        field.value = before if before in names else next(iter(names), None)
