"""One statement: what it is, what it touches, how a trace shows it, and what SQLite gets to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ddl, translate
from .before import Span, subqueries
from .errors import refuse
from .locking import Locking
from .results import reader
from .tokens import Token, find, line, name_of, op, sql_of, tokens, word
from .values import SHOW, show_rows

_LONGEST = 70
_ENDS = frozenset(("COMMIT", "END", "ROLLBACK", "ABORT", "LOCK"))
_CONTROL = _ENDS | {"BEGIN", "START", "SAVEPOINT", "RELEASE", "SET", "SHOW", "RESET"}
_DDL = frozenset(("CREATE", "DROP", "ALTER", "TRUNCATE"))
_DML = frozenset(("INSERT", "UPDATE", "DELETE"))
_READS = frozenset(("SELECT", "VALUES", "TABLE"))
_EFFECTS = ("pg_advisory", "pg_try", "pg_sleep", "nextval", "setval")
_REFUSED = frozenset(
    "LISTEN UNLISTEN NOTIFY PREPARE EXECUTE DEALLOCATE COPY MERGE DECLARE FETCH CLOSE MOVE EXPLAIN VACUUM ANALYZE "
    "GRANT REVOKE CALL DO COMMENT CLUSTER REINDEX REFRESH DISCARD CHECKPOINT LOAD SECURITY REASSIGN IMPORT".split()
)


class Statement:
    """The analysis of one SQL text, made once; `store` is the database's name in steps.

    `kind` is read, write, ddl, control or quiet (SQLAlchemy's own look into the catalogue: no step, no trace).
    `touches` names the table if there is one: steps on different tables are independent, although here they share one
    write lock, because on PostgreSQL they are.
    """

    MARK = "(/* columns of the constraint */)"

    __slots__ = (
        *("change", "constraint", "deletes", "empty", "inner", "kind", "locking", "names", "numbered", "original"),
        *("plain_read", "probe", "probe_part", "read", "short", "short_skip", "sql", "table", "template", "touches"),
    )

    def __init__(self, text: str, store: str) -> None:
        parts = tokens(text)
        self.original = parts
        verb = _verb(parts)
        self.table, self.sql = "", text
        self.read: Callable[[list[Any]], list[Any]] | None = None
        self.change: ddl.Change | None = None
        self.locking = Locking()
        self.probe, self.probe_part, self.constraint, self.empty = "", slice(None), "", ""
        self.deletes = verb in ("DELETE", "UPDATE")
        self.numbered: list[Token] = []
        self.inner: list[Span] = []
        self.kind = _kind(parts, verb)
        if self.kind == "ddl":
            self.change = ddl.translated(parts)
            self.sql, self.table = sql_of(self.change.parts), self.change.table
        elif self.kind in ("read", "write"):
            self._query(parts, verb)
        self.plain_read = self.kind == "read" and not any(part.text.lower().startswith(_EFFECTS) for part in parts)
        self._show(parts, store)

    def _query(self, parts: list[Token], verb: str) -> None:
        done, self.locking = translate.translated(parts)
        done = self._named(done)
        self.numbered = _numbered(done)
        self.sql = sql_of(self.numbered)
        self.table = _table(done)
        self.read = reader(done)
        if self.locking.for_update:
            self.kind = "write"
        if verb in ("SELECT", "VALUES"):
            self.probe = self.sql
        elif parts[0].up != "WITH":
            self.inner = [] if self.locking.for_update or self.constraint else subqueries(self.numbered)
            self._empty(done, verb)
            self._probe(done, verb)

    def _empty(self, parts: list[Token], verb: str) -> None:
        """Make the query with the columns of RETURNING, and no row."""
        at = find(parts, "RETURNING")
        if at >= 0:
            table = parts[1 if verb == "UPDATE" else 2]
            returned = [part if part.up != table.up else table for part in parts[at + 1 :]]
            limit = [word("LIMIT"), word("0")]
            self.empty = sql_of([word("SELECT"), *returned, word("FROM"), table, *limit])

    def _named(self, parts: list[Token]) -> list[Token]:
        """Note the constraint of `ON CONFLICT ON CONSTRAINT name`, whose columns are known when it runs."""
        at = find(parts, "ON", "CONFLICT", "ON", "CONSTRAINT")
        if at < 0:
            return parts
        self.constraint = name_of(parts[at + 4])
        return [*parts[: at + 2], op(self.MARK), *parts[at + 5 :]]

    def _probe(self, parts: list[Token], verb: str) -> None:
        """Make the query that tells whether any row would change: one that changes none waits for nobody."""
        if verb not in ("UPDATE", "DELETE"):
            return
        head = 1 if verb == "UPDATE" else 2
        end = find(parts, "SET") if verb == "UPDATE" else find(parts, "WHERE")
        if (find(parts, "FROM") >= 0 and verb == "UPDATE") or find(parts, "USING") >= 0:
            return
        where, returning = find(parts, "WHERE"), find(parts, "RETURNING")
        condition = parts[where : returning if returning >= 0 else None] if where >= 0 else []
        stop = end if end >= 0 else (returning if returning >= 0 else len(parts))
        source = [part for part in parts[head:stop] if part.up != "ONLY"]
        self.probe = sql_of(
            _numbered([word("SELECT"), word("1"), word("FROM"), *source, *condition, word("LIMIT"), word("1")])
        )
        skip = sum(part.kind == "param" for part in parts[: max(where, 0)])
        self.probe_part = slice(skip, skip + sum(part.kind == "param" for part in condition))

    def _show(self, parts: list[Token], store: str) -> None:
        access, table = ("r", self.table) if self.plain_read else ("w", self.table if self.kind == "write" else "")
        self.touches: tuple[str, str, str] | tuple[()] = (store, table or "*", access)
        if self.kind in ("control", "quiet") and _verb(parts) not in _ENDS:
            self.touches = ()
        self.names = tuple(part.text[2:-2] for part in parts if part.text.startswith("%(") and part.kind == "param")
        self.template = line(parts, self.table)
        self.short, self.short_skip = "", 0
        start = find(parts, "FROM")
        if parts and parts[0].up == "SELECT" and start > 0:
            self.short = "SELECT … " + line(parts[start:], self.table)
            self.short_skip = sum(part.kind == "param" for part in parts[:start])

    def what(self, parameters: Any, many: bool = False) -> str:
        """Return the statement in one short line with its parameters filled in."""
        if many:
            return f"{self.what(parameters[0])} … {len(parameters)} times"
        if parameters.__class__ is dict:
            parameters = [parameters.get(name) for name in self.names]
        try:
            shown = tuple([SHOW[value.__class__](value) for value in parameters])
            text = self.template % shown
            if len(text) > _LONGEST and self.short:
                text = self.short % shown[self.short_skip :]
        except (TypeError, ValueError):  # a wrong number of parameters: the error comes when it runs
            text = self.template.replace("%s", "?").replace("%%", "%")
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

    def reply(self, rows: list[Any] | None, count: int) -> str:
        """Return the reply as short text."""
        if rows is not None:
            return show_rows(rows)
        if self.kind != "write":
            return "OK"
        return "1 row" if count == 1 else f"{count} rows"

    def probe_parameters(self, parameters: Any) -> Any:
        """Return the parameters of the probe."""
        return parameters if isinstance(parameters, dict) else parameters[self.probe_part]


def _numbered(parts: list[Token]) -> list[Token]:
    """Return tokens with psycopg's placeholders as SQLite's."""
    return [_placeholder(part) if part.kind == "param" else part for part in parts]


def _placeholder(part: Token) -> Token:
    return Token("param", ":" + part.text[2:-2] if part.text.startswith("%(") else "?")


def _verb(parts: list[Token]) -> str:
    if not parts:
        return ""
    if parts[0].up != "WITH":
        return parts[0].up
    found = [(find(parts, verb), verb) for verb in ("SELECT", "INSERT", "UPDATE", "DELETE", "VALUES")]
    return min([(i, verb) for i, verb in found if i >= 0], default=(0, "WITH"))[1]


def _kind(parts: list[Token], verb: str) -> str:
    if verb == "PRAGMA" or any(
        part.text in ("sqlite_master", "sqlite_temp_master", "sqlite_sequence") for part in parts
    ):
        return "quiet"
    if verb in _REFUSED:
        raise refuse(verb)
    for kind, verbs in (("control", _CONTROL), ("ddl", _DDL), ("write", _DML), ("read", _READS)):
        if verb in verbs:
            return kind
    return "read" if verb else "quiet"


def _table(parts: list[Token]) -> str:
    """Return the one table that a query names, or "" for none or several."""
    ctes = {parts[i - 1].text for i, part in enumerate(parts) if part.up == "AS" and i and parts[0].up == "WITH"}
    found: set[str] = set()
    for i, part in enumerate(parts[:-1]):
        following = parts[i + 1]
        if part.up not in ("FROM", "INTO", "UPDATE", "JOIN") or following.kind not in ("word", "quoted"):
            continue
        if part.up == "UPDATE" and following.up == "SET":
            continue
        if part.up == "FROM" and i and parts[i - 1].up == "DISTINCT":
            continue
        called = i + 2 < len(parts) and parts[i + 2].text == "(" and part.up != "INTO"
        if not called and following.text not in ctes:
            found.add(name_of(following))
        if part.up == "FROM" and _listed(parts, i + 2):
            return ""
    return found.pop() if len(found) == 1 else ""


def _listed(parts: list[Token], i: int) -> bool:
    """Tell whether a comma continues the FROM clause after its first table."""
    while (
        i < len(parts)
        and parts[i].kind in ("word", "quoted")
        and parts[i].up not in ("WHERE", "ORDER", "GROUP", "LIMIT")
    ):
        i += 1
    return i < len(parts) and parts[i] == op(",")
