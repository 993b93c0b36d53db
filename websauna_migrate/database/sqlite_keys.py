"""Rows of SQLite that refer to missing rows: which of them a revision leaves, whether keys are enforced or not.

All tables are read once, before a run. After each revision only those tables are read again that its statements could
break: the ones that they name, those that refer to them, and what triggers on them name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import event

from websauna_migrate.database.sql import tokens, unquoted
from websauna_migrate.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    # The rows of a table that refer to missing rows: the table, the number of the row, and the table that it refers to.
    Dangling: TypeAlias = Counter[tuple[str, int | None, str]]

_TABLES = "SELECT lower(name), sql FROM sqlite_master WHERE type = 'table'"
_KEYS = 'SELECT DISTINCT lower("table") FROM pragma_foreign_key_list(?)'
_TRIGGERS = "SELECT lower(tbl_name), sql FROM sqlite_master WHERE type = 'trigger'"
# What begins so changes no row of a table that was there.
_HARMLESS = {"SELECT", "CREATE", "PRAGMA", "EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "ANALYZE"}
_SHOWN = 3


class KeyCheck:
    """Finds what each revision breaks. Called after a revision, it compares with the end of the one before it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._named: set[str] = set()
        self._changes = self._total_changes
        self._all = False
        self._references = References()
        self._references.update(dict(self._rows(_TABLES)), self._keys)
        self._dangling = self._read(self._references.definitions)

    def __call__(self) -> None:
        """Raise where the statements since the last call left rows that refer to missing rows.

        :raises RunError: there are more of them than before
        """
        before = self._references.definitions.keys()
        new, gone = self._references.update(dict(self._rows(_TABLES)), self._keys)
        self._expect_changes()
        named = {*before, *new} if self._all else self._with_triggers()
        found = self._read(self._references.at_risk(named | new | gone))
        broken = newly_dangling(self._dangling, found, gone)
        if broken:
            raise RunError(violation(broken), "change or delete those rows in the script first")
        self._dangling = {table: rows for table, rows in {**self._dangling, **found}.items() if table not in gone}
        self._named.clear()
        self._all = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note the tables that are named by the statements of the block."""
        listeners: dict[str, Callable[..., None]] = {
            "before_cursor_execute": self._before,
            "after_cursor_execute": self._after,
        }
        for name, listener in listeners.items():
            event.listen(self._connection, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(self._connection, name, listener)

    def _before(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        self._expect_changes()
        self._named |= changed_names(statement)

    def _after(self, *_: object) -> None:
        self._changes = self._total_changes

    def _expect_changes(self) -> None:
        """Expect anything where rows were changed by a statement that was not seen, on the driver's own connection."""
        if self._total_changes != self._changes:
            self._all = True
            self._changes = self._total_changes

    @property
    def _total_changes(self) -> int:
        return getattr(self._connection.connection.driver_connection, "total_changes", 0)

    def _with_triggers(self) -> set[str]:
        """Return the names in the statements, and those in the triggers that these may have fired."""
        named = set(self._named)
        waiting = [(table, sql) for table, sql in self._rows(_TRIGGERS)] if named else []
        while fired := [trigger for trigger in waiting if trigger[0] in named]:
            named |= {name for _, sql in fired for name in _names(sql)}
            waiting = [trigger for trigger in waiting if trigger not in fired]
        return named

    def _keys(self, table: str) -> frozenset[str]:
        return frozenset(target for (target,) in self._rows(_KEYS, table))

    def _read(self, tables: Iterable[str]) -> dict[str, Dangling]:
        found: dict[str, Dangling] = {}
        for table in tables:
            if self._references.targets[table]:
                quoted = '"' + table.replace('"', '""') + '"'
                try:
                    rows = self._rows(f"PRAGMA foreign_key_check({quoted})")
                    found[table] = Counter((shown, number, target) for shown, number, target, _ in rows)
                except self._connection.dialect.loaded_dbapi.Error:  # a key refers to columns that are not unique
                    found.pop(table, None)
        return found

    def _rows(self, statement: str, *parameters: str) -> list[Any]:
        """Run ``statement`` on the driver's own connection: through SQLAlchemy it would begin a transaction."""
        cursor = self._connection.connection.cursor()
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


class References:
    """The tables of a database with the SQL that defines each, and the tables that each refers to.

    There may be many, and a revision changes few: what follows from a definition stays while this is the same.
    """

    def __init__(self) -> None:
        self.definitions: Mapping[str, str | None] = {}
        self.targets: dict[str, frozenset[str]] = {}
        self._referring: defaultdict[str, set[str]] = defaultdict(set)

    def update(
        self, definitions: Mapping[str, str | None], targets_of: Callable[[str], frozenset[str]]
    ) -> tuple[set[str], set[str]]:
        """Take over the ``definitions`` of all tables, and return the names of those that are new and that are gone.

        ``targets_of`` is asked for the tables that a new or changed table refers to.
        """
        before, self.definitions = self.definitions, definitions
        gone = before.keys() - definitions.keys()
        changed = dict(definitions.items() - before.items())
        for table in (*gone, *changed):
            for target in self.targets.pop(table, ()):
                self._referring[target].discard(table)
        for table in changed:
            self.targets[table] = targets_of(table)
            for target in self.targets[table]:
                self._referring[target].add(table)
        return definitions.keys() - before.keys(), gone

    def at_risk(self, changed: Collection[str]) -> list[str]:
        """Return the tables whose rows may refer to missing rows after a change of the tables ``changed``."""
        return sorted({one for name in changed for one in (name, *self._referring.get(name, ()))} & self.targets.keys())


def newly_dangling(
    before: Mapping[str, Dangling], after: Mapping[str, Dangling], gone: Collection[str]
) -> dict[str, Dangling]:
    """Return the rows of ``after`` that are more than ``before``, by table.

    A table may get new row numbers when it is made anew, so only a higher number of rows counts. One that was renamed
    brings its rows with it: a new table counts against those that are ``gone``.
    """
    left = sum(before[table].total() for table in gone if table in before)
    broken = {}
    for table, rows in after.items():
        known = before.get(table)
        if known is None:
            left -= rows.total()
        if (known is None and left < 0) or (known is not None and rows.total() > known.total()):
            broken[table] = rows - (known or Counter())
    return broken


def violation(broken: Mapping[str, Dangling]) -> str:
    """Return a line that names some of the rows in ``broken``, and the number of the others."""
    rows = sorted((row for found in broken.values() for row in found.elements()), key=str)
    shown = ", ".join(
        f"{'a row' if number is None else f'row {number}'} of {table} refers to a missing row of {target}"
        for table, number, target in rows[:_SHOWN]
    )
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"foreign key violation: {shown}{more}"


@lru_cache(maxsize=20)  # one statement is often run for many rows, and may be long
def changed_names(statement: str) -> frozenset[str]:
    """Return the names in a statement that may change or drop rows, in lower case, without those of other kinds."""
    words = [token.upper() for token in tokens(statement, "sqlite") if token.isidentifier()]
    adds_column = words[:1] == ["ALTER"] and "ADD" in words and "REFERENCES" not in words
    return frozenset() if not words or words[0] in _HARMLESS or adds_column else frozenset(_names(statement))


def _names(sql: str) -> Iterator[str]:
    for token in tokens(sql, "sqlite"):
        if token[0] in '"`[' or token.isidentifier():
            yield unquoted(token).lower()
