"""One style for every picture: colours that survive colour blindness, both themes, charts and diagrams alike."""

from __future__ import annotations

from typing import Any

SANS = 'ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif'
MONO = "ui-monospace,Menlo,Consolas,monospace"

# Hues follow Okabe & Ito (2008), darkened or lightened until text in them has a contrast of at least 4.5 on its paper.
LIGHT = {
    "ink": "#1f2328",
    "soft": "#59636e",
    "line": "#cbd3db",
    "paper": "#ffffff",
    "box": "#f6f8fa",
    "busy": "#dfe6ee",
    "bad": "#b0460a",
    "wash": "#fff1e5",
    "call": "#2f52d0",
    "dead": "#c31d2b",
    "lease": "#0a7468",
    "ttl": "#7a3fa8",
}
DARK = {
    "ink": "#e6edf3",
    "soft": "#9aa4af",
    "line": "#3d444d",
    "paper": "#0d1117",
    "box": "#161b22",
    "busy": "#2a323c",
    "bad": "#ff9b52",
    "wash": "#2e1c0d",
    "call": "#91a7ff",
    "dead": "#ff7b72",
    "lease": "#4fd1c0",
    "ttl": "#cda4ff",
}

_RULES = """
.paper{fill:PAPER;stroke:LINE}.wash{fill:WASH}.box{fill:BOX;stroke:SOFT}.lane{stroke:LINE}.gone{stroke:LINE}
.busy{fill:BUSY;stroke:LINE}text{fill:INK;stroke:PAPER}text.w{stroke:WASH}text.soft,text.src{fill:SOFT}
text.bad{fill:BAD}text.dead{fill:DEAD}text.lease{fill:LEASE}text.ttl{fill:TTL}text.now{fill:INK}
.call{stroke:CALL}.callh{fill:CALL}.reply{stroke:SOFT}.softh{fill:SOFT}.badl{stroke:BAD}.badh{fill:BAD}
.deadl{stroke:DEAD}.deadh{fill:DEAD}.mark{fill:PAPER;stroke:INK}.inkh{fill:INK}.inkl{stroke:INK}
.leaseb{fill:LEASE}.leasel{stroke:LEASE}.ttlb{fill:PAPER;stroke:TTL}.ttll{stroke:TTL}.chip{fill:BOX;stroke:SOFT}
.boxf{fill:PAPER}.pauseb{stroke:SOFT}.outb{stroke:DEAD}.thin{stroke:SOFT}
"""

# What both themes share: strokes and type. A halo in the colour of the ground keeps text legible over lines.
_SHAPES = f"""
.fl{{font-family:{SANS}}}.fl *{{vector-effect:none}}
text{{paint-order:stroke;stroke-width:4px;stroke-linejoin:round;white-space:pre}}text.src{{font-family:{MONO};stroke:none}}
text.b{{font-weight:600}}
text.h{{stroke:none}}text.i{{font-style:italic}}.lane{{fill:none;stroke-width:2}}.lane.store{{stroke-width:1.2}}
.lane.client,.lane.outside{{stroke-width:1.4}}
.gone{{fill:none;stroke-width:1.4;stroke-dasharray:2 5}}.box{{stroke-width:1.3}}
.box.outside{{stroke-dasharray:4 3}}.call,.badl,.deadl{{fill:none;stroke-width:1.5}}.badl{{stroke-width:2.4}}
.reply{{fill:none;stroke-width:1.2;stroke-dasharray:2 3}}.mark{{stroke-width:1.6}}.inkl{{fill:none;stroke-width:1.6}}
.cross{{fill:none;stroke-width:3;stroke-linecap:round}}.thin{{fill:none;stroke-width:3;stroke-dasharray:1 3}}

.solid{{stroke-dasharray:none;stroke-width:1.4}}.leasel,.ttll{{fill:none;stroke-width:1.6}}
.hair{{stroke-width:1}}.ttlb{{stroke-width:1.4;stroke-dasharray:3 2}}
.chip{{stroke-width:1.2}}.pauseb,.outb{{stroke-width:1.2}}
.split{{fill:none;stroke-width:2.2}}.dash{{stroke-dasharray:5 4}}
"""


def _themed(palette: dict[str, str]) -> str:
    rules = _RULES
    for name in sorted(palette, key=len, reverse=True):
        rules = rules.replace(name.upper(), palette[name])
    return rules.replace("\n", "")


def rules() -> tuple[str, str, str]:
    """Return the rules that both themes share, those of the light one, and those of the dark one."""
    return _SHAPES.replace("\n", ""), _themed(LIGHT), _themed(DARK)


def _css() -> str:
    shapes, light, dark = rules()
    return f"{shapes}{light}@media(prefers-color-scheme:dark){{{dark}}}"


# Colours stand in the rules themselves, not in variables: tools that turn SVG into PDF or PNG know no variables.
CSS = _css()

# Eight series told apart by colour, marker, dash and hatch together.
COLOURS = ("#2f52d0", "#d55e00", "#0a7468", "#7a3fa8", "#b8860b", "#1f2328", "#56b4e9", "#c31d2b")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")

# The one style sheet of all charts: an opaque light paper, so that it reads the same on a dark page.
RC: dict[str, Any] = {
    "figure.figsize": (6.4, 3.2),
    "figure.dpi": 144,
    "figure.facecolor": LIGHT["paper"],
    "figure.edgecolor": LIGHT["line"],
    "savefig.facecolor": LIGHT["paper"],
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.facecolor": LIGHT["paper"],
    "axes.edgecolor": LIGHT["soft"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["soft"],
    "ytick.color": LIGHT["soft"],
    "xtick.labelcolor": LIGHT["ink"],
    "ytick.labelcolor": LIGHT["ink"],
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "svg.hashsalt": "fleetlab",
}
