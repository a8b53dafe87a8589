"""Drawings that stand in the page itself, for widgets: no flicker at a redraw, and the notebook's own theme.

An `<img>` keeps its style sheet to itself; a drawing in the page shares the page's, so its rules apply below one
class only.
"""

from __future__ import annotations

import re

from .measure import escape
from .style import CSS, rules

ROOT = ".fl-live"
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_SELECTORS = re.compile(r"([^{}]+)\{")


def stylesheet() -> str:
    """Return the style that drawings in the page need, once a widget: light or dark as the notebook's theme is.

    It also holds the widgets' own few rules: a visible focus, and room that scrolls.
    """
    shapes, light, dark = rules()
    lab = _below(f'body[data-jp-theme-light="false"] {ROOT}', dark)
    code = _below(f"body.vscode-dark {ROOT}", dark)
    other = _below(f"body:not([data-jp-theme-light]):not(.vscode-light) {ROOT}", dark)
    scheme = f"@media(prefers-color-scheme:dark){{{other}}}"
    return f"<style>{_below(ROOT, shapes + light)}{lab}{code}{scheme}{_OWN}</style>"


_OWN = (
    f"{ROOT} svg{{max-width:100%;height:auto;display:block}}{ROOT} table{{margin:0;border-collapse:collapse}}"
    f"{ROOT} td,{ROOT} th{{text-align:left;padding:1px 14px 1px 0;vertical-align:top;line-height:1.4}}"
    f"{ROOT} th{{white-space:nowrap}}{ROOT} img{{max-width:100%;height:auto}}"
    ".fl-panel{gap:4px}.fl-panel button:focus-visible,.fl-panel select:focus-visible{"
    "outline:2px solid currentColor;outline-offset:1px}"
)


def _below(root: str, css: str) -> str:
    """Return the rules of `css` for what stands below `root` only."""

    def scope(found: re.Match[str]) -> str:
        return ",".join(f"{root} {one.strip()}" for one in found[1].split(",")) + "{"

    return _SELECTORS.sub(scope, css)


def inline(drawing: str) -> str:
    """Return a drawing of ours for the page: named for screen readers, without a style sheet and without a tooltip."""
    found = _TITLE.search(drawing)
    name = found[1] if found else "Space-time diagram"
    bare = _TITLE.sub("", drawing, count=1).replace(f"<style>{CSS}</style>", "")
    return f'<div class="fl-live">{bare.replace("<svg ", f"""<svg aria-label="{name}" """, 1)}</div>'


def said(text: str) -> str:
    """Return a sentence that screen readers speak when it changes."""
    return f'<span role="status">{escape(text)}</span>'
