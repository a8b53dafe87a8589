"""SQL as a list of tokens: enough to find and rewrite clauses, far from a parser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<string>[eE]?'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<param>\?|%s|%\(\w+\)s)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<op>::|<=|>=|<>|!=|=>|\|\||->>|->|\#>>|\#>|@>|<@|!~\*|!~|~\*|%%|.)""",
    re.VERBOSE | re.DOTALL,
)
_TIGHT_BEFORE = frozenset(",).;")
_TIGHT_AFTER = frozenset("(.")
_TIGHT = frozenset(("=", "::"))


class Token(NamedTuple):
    """One token: its kind (string, quoted, param, number, word, op) and its text."""

    kind: str
    text: str

    @property
    def up(self) -> str:
        """The upper-case text of a word or an operator; "" for anything else."""
        return self.text.upper() if self.kind in ("word", "op") else ""


def tokens(sql: str) -> list[Token]:
    """Return the tokens of a statement, without white space, comments and a final semicolon."""
    found = [Token(m.lastgroup or "", m.group()) for m in _TOKEN.finditer(sql) if m.lastgroup != "space"]
    while found and found[-1].text == ";":
        found.pop()
    return found


def word(text: str) -> Token:
    """Return a word."""
    return Token("word", text)


def op(text: str) -> Token:
    """Return an operator or a parenthesis."""
    return Token("op", text)


def call(name: str, *arguments: list[Token]) -> list[Token]:
    """Return the tokens of a function call."""
    inner: list[Token] = []
    for argument in arguments:
        inner += [op(","), *argument] if inner else argument
    return [word(name), op("("), *inner, op(")")]


def name_of(token: Token) -> str:
    """Return the name that an identifier stands for."""
    return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text.lower()


def sql_of(parts: Iterable[Token]) -> str:
    """Return tokens as one statement for SQLite."""
    return " ".join([part.text for part in parts])


def closing(parts: list[Token], start: int) -> int:
    """Return the position of the parenthesis that closes the one at `start`, or the end."""
    depth = 0
    for i in range(start, len(parts)):
        depth += {"(": 1, ")": -1}.get(parts[i].text, 0) if parts[i].kind == "op" else 0
        if not depth:
            return i
    return len(parts)


def find(parts: list[Token], *words: str, start: int = 0) -> int:
    """Return the first position outside parentheses where these upper-case words stand in a row, or -1."""
    i = start
    while i < len(parts):
        if parts[i].text == "(" and parts[i].kind == "op":
            i = closing(parts, i)
        elif all(parts[j].up == w if j < len(parts) else False for j, w in enumerate(words, i)):
            return i
        i += 1
    return -1


def split(parts: list[Token]) -> list[list[Token]]:
    """Return the parts between the commas outside parentheses."""
    found: list[list[Token]] = [[]]
    depth = 0
    for part in parts:
        depth += {"(": 1, ")": -1}.get(part.text, 0) if part.kind == "op" else 0
        if part == ("op", ",") and not depth:
            found.append([])
        else:
            found[-1].append(part)
    return found


def primary_before(parts: list[Token], end: int) -> int:
    """Return where the operand begins that ends just before `end`: a literal, a name, a call, a parenthesis."""
    i = end - 1
    if parts[i].text == ")":
        depth = 0
        while i >= 0:
            depth += {")": 1, "(": -1}.get(parts[i].text, 0) if parts[i].kind == "op" else 0
            if not depth:
                break
            i -= 1
        if (
            i > 0
            and parts[i - 1].kind == "word"
            and parts[i - 1].up not in ("IN", "AND", "OR", "NOT", "VALUES", "SELECT")
        ):
            i -= 1
    while i > 1 and parts[i - 1].text == ".":
        i -= 2
    return max(i, 0)


def primary_after(parts: list[Token], start: int) -> int:
    """Return where the operand ends that begins at `start`."""
    i = start
    while i + 2 < len(parts) and parts[i + 1].text == ".":
        i += 2
    if parts[i].kind == "word" and i + 1 < len(parts) and parts[i + 1].text == "(":
        i += 1
    return (closing(parts, i) if parts[i].text == "(" else i) + 1


def line(parts: list[Token], table: str = "") -> str:
    """Return tokens as one readable line, parameters as `%s`; without the qualifier `table`."""
    text = ""
    previous = ""
    skip = 0
    for i, part in enumerate(parts):
        if skip:
            skip -= 1
            continue
        if table and name_of(part) == table and i + 2 < len(parts) and parts[i + 1].text == "." and previous != ".":
            skip = 1
            continue
        shown = "%s" if part.kind == "param" else part.text.replace("%%", "%").replace("%", "%%")
        tight = shown in _TIGHT_BEFORE or previous in _TIGHT_AFTER or shown in _TIGHT or previous in _TIGHT
        if shown == "(" and i and parts[i - 1].kind == "word" and _is_call(parts, i):
            tight = True
        text += shown if tight or not text else " " + shown
        previous = part.text
    return text


_BEFORE_PARENTHESIS = frozenset(
    "IN VALUES AND OR NOT AS ON WHERE SELECT FROM BY SET EXISTS USING ANY ALL KEY CHECK UNIQUE DEFAULT OVER "
    "CONFLICT".split()
)


def _is_call(parts: list[Token], i: int) -> bool:
    """Tell whether the parenthesis at `i` belongs to a function's name, not to a keyword or to a table."""
    before = parts[i - 2].up if i > 1 else ""
    if before in ("INTO", "TABLE", "EXISTS", "ON", "REFERENCES"):
        return False
    return parts[i - 1].up not in _BEFORE_PARENTHESIS
