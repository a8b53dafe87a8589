"""How wide a text will be: an estimate on the wide side, so that no label outgrows its room on any machine."""

from __future__ import annotations

import re
from functools import lru_cache

# Advance widths of DejaVu Sans, in thousandths of the font size; the other fonts of our stack are narrower.
_GROUPS = {
    275: "'ijlIJ|",
    320: " .,·",
    345: ":;/\\f",
    400: "()[]!t-r",
    460: '"',
    530: "?_sz*cF",
    595: "LTYPkvxyE",
    640: "abdeghnopquS0123456789{}$",
    700: "ABCGKRVXZ",
    780: "DHNOQU&",
    840: "Mw+=<>#~^→←−",
    980: "mW@%…✕",
}
_EM = {letter: size for size, letters in _GROUPS.items() for letter in letters}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_BREAK = re.compile(r"\s*[\t\n\r\v\f\x85\u2028\u2029]\s*")


def plain(text: object) -> str:
    """Return `text` on one line, without the characters that XML forbids or that turn reading direction."""
    return _UNPRINTABLE.sub("�", _BREAK.sub(" ", str(text)))


def escape(text: object) -> str:
    """Return `text` fit for XML content and for attributes in double quotes."""
    safe = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace('"', "&quot;").replace("'", "&#39;")


def width(text: str, size: float, bold: bool = False, mono: bool = False) -> float:
    """Return the estimated width of `text` in pixels at a font size in pixels."""
    return _ems(text, mono) / 1000 * size * (1.1 if bold else 1.0)


@lru_cache(maxsize=4096)
def _ems(text: str, mono: bool) -> int:
    """Return thousandths of the font size: whole numbers, since Pythons differ in how they sum fractions."""
    if mono:
        return sum(603 if ord(letter) < 0x1100 else 1250 for letter in text)
    return sum(_EM.get(letter) or (660 if ord(letter) < 0x1100 else 1250) for letter in text)


def shorten(text: str, room: float, size: float, bold: bool = False, mono: bool = False) -> str:
    """Return `text`, cut with … where it would be wider than `room` pixels; empty if nothing fits."""
    if width(text, size, bold, mono) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", size, bold, mono) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def wrap(text: str, room: float, size: float, bold: bool = False, lines: int = 2) -> list[str]:
    """Return `text` in at most `lines` lines of at most `room` pixels, the last one shortened."""
    words, done = text.split(" "), list[str]()
    while words and len(done) < lines - 1:
        take = 1
        while take < len(words) and width(" ".join(words[: take + 1]), size, bold) <= room:
            take += 1
        done.append(shorten(" ".join(words[:take]), room, size, bold))
        words = words[take:]
    return [*done, shorten(" ".join(words), room, size, bold)] if words else done
