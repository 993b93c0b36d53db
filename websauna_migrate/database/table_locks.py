"""The locks that statements take on tables of PostgreSQL, as ``pg_locks`` shows them, and what each of them blocks."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from websauna_migrate.database.sql import tokens, unquoted
from websauna_migrate.database.table_holders import table_named_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlalchemy.engine import Connection

#: The locks of tables, the weakest first: https://www.postgresql.org/docs/current/explicit-locking.html
MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
_BLOCKS = {
    "SHARE": "writes",
    "SHARE ROW EXCLUSIVE": "writes",
    "EXCLUSIVE": "writes",
    "ACCESS EXCLUSIVE": "reads and writes",
}
_BY_CATALOG_NAME = {f"{mode.title().replace(' ', '')}Lock": mode for mode in MODES}

_TABLES = (
    "SELECT c.oid, CAST(CAST(c.oid AS regclass) AS text), c.relname FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
)
_HELD = (
    "SELECT relation, mode FROM pg_locks"
    " WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

# The first that matches a statement, in capital letters and without comments and texts, tells its locks: that of the
# table that it works on, and that of the others that it names.
_RULES = tuple(
    (re.compile(pattern, re.DOTALL), own, others)
    for pattern, own, others in (
        (
            r"ALTER TABLE\b.*\b(?:COLUMN|RENAME|DROP|SET SCHEMA|OWNER)\b(?!.*\bSET STATISTICS\b)",
            "ACCESS EXCLUSIVE",
            "SHARE ROW EXCLUSIVE",
        ),
        (r"ALTER TABLE\b.*\b(?:VALIDATE|STATISTICS|ATTACH)\b", "SHARE UPDATE EXCLUSIVE", "ROW SHARE"),
        (
            r"ALTER TABLE\b.*\b(?:FOREIGN KEY|(?:ENABLE|DISABLE) TRIGGER)\b",
            "SHARE ROW EXCLUSIVE",
            "SHARE ROW EXCLUSIVE",
        ),
        (r"CREATE (?:UNIQUE )?INDEX\b", "SHARE", "ACCESS SHARE"),
        (
            r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER\b|CREATE TABLE\b",
            "SHARE ROW EXCLUSIVE",
            "SHARE ROW EXCLUSIVE",
        ),
        (r"(?:ANALYZE|COMMENT|CREATE STATISTICS)\b", "SHARE UPDATE EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"),
        (
            r"(?:INSERT|UPDATE|DELETE|MERGE|COPY)\b|WITH\b.*(?<!FOR )(?<!KEY )\b(?:INSERT|UPDATE|DELETE|MERGE)\b",
            "ROW EXCLUSIVE",
            "ACCESS SHARE",
        ),
        (r"(?:SELECT|WITH)\b.*\bFOR (?:NO KEY |KEY )?(?:UPDATE|SHARE)\b", "ROW SHARE", "ROW SHARE"),
        (r"(?:SELECT|WITH|VALUES|CREATE|GRANT|REVOKE|SET|SHOW|EXPLAIN)\b", "ACCESS SHARE", "ACCESS SHARE"),
    )
)


def blocks(mode: str) -> str:
    """Return what the application cannot do with a table while somebody holds the lock ``mode`` on it."""
    return _BLOCKS.get(mode, "")


def lock_of(statement: str, table: str) -> str:
    """Return the lock that ``statement`` takes on ``table``, which it names, as the manual of PostgreSQL says.

    The strongest where the manual is not followed that far.
    """
    text = " ".join(_words(statement)).upper()
    worked_on = (table_named_in(statement) or "").rpartition(".")[2]
    for pattern, own, others in _RULES:
        if pattern.match(text):
            return own if table in (worked_on, worked_on.lower()) else others
    return MODES[-1]


def _words(statement: str) -> Iterator[str]:
    for token in tokens(statement, "postgresql"):
        if not token.isspace() and not token.startswith(("--", "/*", "'", '"')):
            yield token


@dataclass(frozen=True, slots=True)
class TableLock:
    """The strongest lock that a revision held on a table, and for how many seconds.

    These begin with the statement that took it, and end with the transaction of the revision.
    """

    table: str
    mode: str
    seconds: float


@dataclass(slots=True)
class Clock:
    """A clock that can be stopped, so that measuring is not measured. ``stopped`` are the seconds that it stood."""

    stopped: float = 0.0

    def now(self) -> float:
        """Return the seconds since some moment, without those for which the clock was stopped."""
        return time.monotonic() - self.stopped

    @contextmanager
    def stop(self) -> Iterator[None]:
        """Stop the clock while the block runs."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.stopped += time.monotonic() - began


@dataclass(slots=True)
class Taken:
    """When the locks of a revision were taken, by the number of the table and the mode."""

    names: Mapping[int, str]
    at: dict[tuple[int, str], float] = field(default_factory=dict)

    def until(self, end: float) -> tuple[TableLock, ...]:
        """Return the strongest lock of each table, held until the moment ``end``."""
        strongest: dict[int, str] = {}
        for table, mode in self.at:
            strongest[table] = max(strongest.get(table, mode), mode, key=MODES.index)
        found = (TableLock(self.names[table], mode, end - self.at[table, mode]) for table, mode in strongest.items())
        return tuple(sorted(found, key=lambda lock: lock.table))


class LockWatch:
    """Looks after each statement which locks its transaction holds on tables that existed before.

    Revisions that share a transaction keep the locks of those before them. Where one takes a lock that is held already,
    ``pg_locks`` shows no difference, and its statements tell.
    """

    def __init__(self, connection: Connection, clock: Clock, besides: Collection[str]) -> None:
        self._connection = connection
        self._clock = clock
        found = [row for row in self._rows(_TABLES) if row[2] not in besides]
        self._names: dict[int, str] = {oid: shown for oid, shown, _ in found}
        self._now: dict[int, str] = {oid: name for oid, _, name in found}
        self._held: set[tuple[int, str]] = set()
        self._statements: set[str] = set()
        self._began = 0.0
        self.taken = Taken(self._names)

    def begin_revision(self) -> Taken:
        """Forget what the revision before took, and return what the next one will have taken."""
        self._held |= self.taken.at.keys()
        self._statements = set()
        self.taken = Taken(self._names)
        return self.taken

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Look after each statement on the connection while the block runs."""
        event.listen(self._connection, "before_cursor_execute", self._before)
        event.listen(self._connection, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(self._connection, "before_cursor_execute", self._before)
            event.remove(self._connection, "after_cursor_execute", self._after)

    def _before(self, *_: object) -> None:
        self._began = self._clock.now()

    def _after(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement in self._statements:
            return  # the same with other values
        self._statements.add(statement)
        with self._clock.stop():
            self._look(statement)

    def _look(self, statement: str) -> None:
        found = {(oid, _BY_CATALOG_NAME.get(mode, mode)) for oid, mode in self._rows(_HELD) if oid in self._names}
        again = set(self._named_in(statement)) if self._held else set()
        for key in (found - self._held) | (again & self._held):
            self.taken.at.setdefault(key, self._began)
        if "RENAME" in statement.upper():
            self._now = {oid: name for oid, _, name in self._rows(_TABLES) if oid in self._names}

    def _named_in(self, statement: str) -> Iterator[tuple[int, str]]:
        """Yield the tables that ``statement`` names, with the locks that it takes."""
        found = set(tokens(statement, "postgresql"))
        names = {unquoted(token) if token[0] == '"' else token.lower() for token in found}
        for oid, name in self._now.items():
            if name in names:
                yield oid, lock_of(statement, name)

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run ``statement`` on the driver's own connection: nobody hears of it."""
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.close()
