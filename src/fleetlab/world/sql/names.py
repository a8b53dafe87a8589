"""Names of constraints as PostgreSQL gives them, found in SQLite's own catalogue."""

from __future__ import annotations

import re
import sqlite3


class Names:
    """Looks up which constraint a failed statement violated; `table` is the statement's, "" if unknown."""

    def __init__(self, raw: sqlite3.Connection, table: str = "", deletes: bool = False) -> None:
        self._raw = raw
        self._table = table
        self._deletes = deletes

    def _definition(self, table: str) -> str:
        row = self._raw.execute("SELECT sql FROM sqlite_master WHERE type='table' AND name=?", (table,)).fetchone()
        return row[0] if row else ""

    def indexes(self, table: str) -> list[tuple[str, list[str]]]:
        """Return `(constraint name, columns)` of each unique constraint and unique index of a table."""
        found = []
        for _, index, unique, origin, *_ in self._raw.execute(f'PRAGMA index_list("{table}")').fetchall():
            if unique:
                columns = [row[2] for row in self._raw.execute(f'PRAGMA index_info("{index}")').fetchall()]
                found.append((index if origin == "c" else self._given(table, origin, columns), columns))
        return found

    def _given(self, table: str, origin: str, columns: list[str]) -> str:
        words = "PRIMARY KEY" if origin == "pk" else "UNIQUE"
        listed = r"\s*,\s*".join(f'"?{re.escape(column)}"?' for column in columns)
        named = re.search(rf'CONSTRAINT\s+("[^"]+"|\w+)\s+{words}\s*\(\s*{listed}\s*\)', self._definition(table), re.I)
        if named:
            return named[1].strip('"')
        return f"{table}_pkey" if origin == "pk" else f"{table}_{'_'.join(columns)}_key"

    def unique(self, table: str, columns: list[str]) -> str:
        """Return the name of the unique constraint on exactly these columns."""
        for name, of in self.indexes(table):
            if of == columns:
                return name
        return f"{table}_{'_'.join(columns)}_key"

    def columns(self, table: str, constraint: str) -> list[str] | None:
        """Return the columns of a unique constraint with this name, or None."""
        return next((columns for name, columns in self.indexes(table) if name == constraint), None)

    def check(self, text: str) -> tuple[str, str]:
        """Return the table and the name of a check; SQLite tells its name, or its expression if it has none."""
        definition = self._definition(self._table)
        if re.search(rf'CONSTRAINT\s+"?{re.escape(text)}"?\s', definition, re.I):
            return self._table, text
        for row in self._raw.execute(f'PRAGMA table_info("{self._table}")').fetchall():
            if re.search(rf"\b{re.escape(row[1])}\b", text):
                return self._table, f"{self._table}_{row[1]}_check"
        return self._table, f"{self._table}_check"

    def foreign_key(self) -> tuple[str, str, str]:
        """Return the table, the violated constraint, and the table that refers to it if rows went away."""
        if self._deletes:
            for (child,) in self._raw.execute(
                "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name"
            ).fetchall():
                for parent, name in self._foreign_keys(child):
                    if parent == self._table:
                        return self._table, name, child
        own = self._foreign_keys(self._table)
        return self._table, own[0][1] if own else f"{self._table}_fkey", ""

    def references(self, table: str) -> list[tuple[str, str]]:
        """Return `(table, constraint name)` of each foreign key of another table to this one."""
        names = self._raw.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").fetchall()
        keys = [(child, *key) for (child,) in names for key in self._foreign_keys(child)]
        return [(child, name) for child, parent, name in keys if parent == table and child != table]

    def _foreign_keys(self, table: str) -> list[tuple[str, str]]:
        keys: dict[int, tuple[str, list[str]]] = {}
        for number, _, parent, column, *_ in self._raw.execute(f'PRAGMA foreign_key_list("{table}")').fetchall():
            keys.setdefault(number, (parent, []))[1].append(column)
        return [(parent, self._given_key(table, columns)) for parent, columns in keys.values()]

    def _given_key(self, table: str, columns: list[str]) -> str:
        listed = r"\s*,\s*".join(f'"?{re.escape(column)}"?' for column in columns)
        pattern = rf'CONSTRAINT\s+("[^"]+"|\w+)\s+FOREIGN\s+KEY\s*\(\s*{listed}\s*\)'
        named = re.search(pattern, self._definition(table), re.I)
        return named[1].strip('"') if named else f"{table}_{'_'.join(columns)}_fkey"
