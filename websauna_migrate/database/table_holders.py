"""Who holds the table that a statement waits for: asked on a connection of its own, while the statement waits."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.connection import connect_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import Connection, Engine

_ANSWER_SECONDS = 2.0
_NAME = r'(?:"[^"]+"|`[^`]+`|\w+)'
_TABLE = re.compile(
    rf"\b(?:TABLE|INTO|UPDATE|FROM|ON)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?({_NAME}(?:\.{_NAME})?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TableHolder:
    """The session that holds a table, the one that has done so for longest of ``others`` more.

    What the database does not show is None. ``since`` is when its transaction began, in UTC. ``how_to_end`` is the
    statement that ends it. MySQL and MariaDB do not tell which ``table`` it is.
    """

    table: str | None
    process: int
    user: str | None
    program: str | None
    state: str | None
    since: datetime | None
    others: int
    how_to_end: str

    def __str__(self) -> str:
        since = self.since and self.since.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        facts = {
            "process": self.process,
            "user": self.user,
            "program": self.program,
            "state": self.state,
            "since": since,
        }
        more = f" and {self.others} more" if self.others else ""
        return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact) + more


def table_named_in(statement: str) -> str | None:
    """Return the table that ``statement`` works on, as it is written there, None where none is found."""
    found = _TABLE.search(statement)
    return found and found[1].replace('"', "").replace("`", "")


def find_holder(connection: Connection, session: int) -> TableHolder | None:
    """Return who holds what ``session`` waits for, None where it waits for nothing."""
    find = _FINDERS.get(connection.dialect.name)
    return None if find is None else find(connection, session)


def _in_postgresql(connection: Connection, session: int) -> TableHolder | None:
    row = connection.execute(_PG_HOLDER, {"session": session}).first()
    if row is None:
        return None
    end = f"SELECT pg_terminate_backend({row.pid})"
    facts = (row.usename, row.application_name, row.state, row.xact_start)
    return TableHolder(row.table_name, row.pid, *facts, row.holders - 1, end)


def _in_mysql(connection: Connection, session: int) -> TableHolder | None:
    row = connection.execute(_MYSQL_HOLDER, {"session": session}).first()
    if row is None:
        return None
    since = datetime.now(timezone.utc) - timedelta(seconds=int(row.seconds))
    return TableHolder(None, row.id, row.user, None, row.state or row.command, since, row.holders - 1, f"KILL {row.id}")


# Among those that block there are sessions that wait themselves: what holds them up is the holder.
_PG_HOLDER = text(
    "SELECT a.pid, a.usename, nullif(a.application_name, '') AS application_name, a.state, a.xact_start,"
    " count(*) OVER () AS holders,"
    " (SELECT CAST(CAST(relation AS regclass) AS text) FROM pg_locks WHERE pid = :session AND NOT granted"
    " AND relation IS NOT NULL LIMIT 1) AS table_name"
    " FROM pg_stat_activity a"
    " WHERE a.pid = ANY (pg_blocking_pids(:session))"
    " ORDER BY a.wait_event_type IS NOT DISTINCT FROM 'Lock', a.xact_start NULLS LAST, a.pid LIMIT 1"
)
# They tell no one which session holds a table; one of those whose transaction is open does.
_MYSQL_HOLDER = text(
    "SELECT p.id, p.user, p.command, p.state, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS seconds,"
    " COUNT(*) OVER () AS holders"
    " FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
    " WHERE p.id <> :session AND (p.state IS NULL OR p.state NOT LIKE 'Waiting for%')"
    " AND (EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = :session AND state LIKE 'Waiting for%')"
    " OR EXISTS (SELECT 1 FROM information_schema.innodb_trx"
    " WHERE trx_mysql_thread_id = :session AND trx_state = 'LOCK WAIT'))"
    " ORDER BY t.trx_started, p.id LIMIT 1"
)
_FINDERS: Mapping[str, Callable[[Connection, int], TableHolder | None]] = {
    "postgresql": _in_postgresql,
    "mysql": _in_mysql,
    "mariadb": _in_mysql,
}


class HolderWatch:
    """Looks, while a statement waits, who holds its table: afterwards nobody can tell.

    ``begin()`` and ``end()`` are called around each statement. ``found`` is what was seen of the last one.
    """

    def __init__(self) -> None:
        self.found: TableHolder | None = None
        self._statement = ""
        self._session: int | None = None
        self._number = 0
        self._runs = False

    def begin(self, statement: str, session: int | None) -> None:
        """A statement begins in the ``session`` of the server."""
        self.found = None
        self._statement, self._session = statement, session
        self._number += 1
        self._runs = True

    def end(self) -> None:
        """The statement has ended."""
        self._runs = False

    @property
    def table(self) -> str | None:
        """The table that the last statement waited for or, where the database does not tell, names first."""
        return (self.found and self.found.table) or table_named_in(self._statement)

    def look(self, over: threading.Event, seconds: float, engine: Engine) -> None:
        """Look for the holder each ``seconds`` where a statement has run since the last time, until it is ``over``."""
        last = 0
        while not over.wait(seconds):
            number, session = self._number, self._session
            if self._runs and number == last and session is not None:
                with suppress(SQLAlchemyError, OSError):  # without a connection or the right to see it: not known
                    self._keep(number, _asked(engine, session))
            last = number if self._runs else 0

    def _keep(self, number: int, holder: TableHolder | None) -> None:
        if number == self._number and holder is not None:
            self.found = replace(holder, table=holder.table or table_named_in(self._statement))


def _asked(engine: Engine, session: int) -> TableHolder | None:
    connection = connect_apart(engine, "AUTOCOMMIT")
    try:
        return find_holder(connection, session)
    finally:
        connection.close()


@contextmanager
def watched(engine: Engine, watch: HolderWatch, lock_wait: float) -> Iterator[None]:
    """Let ``watch`` look in the block, so often that it sees each wait that lasts for ``lock_wait`` seconds."""
    over = threading.Event()
    # A daemon: a connection that no pooler gives must not keep the process from its end.
    thread = threading.Thread(target=watch.look, args=(over, lock_wait / 3, engine), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_ANSWER_SECONDS)
