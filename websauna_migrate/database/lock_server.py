"""The locks of database servers, each held by a connection of its own that nothing else uses."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import BigInteger, func, literal, select, text
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.connection import MYSQL_STAY, connect_apart, reading
from websauna_migrate.database.lock_base import LockHolder, RunLock

if TYPE_CHECKING:
    from sqlalchemy import Executable, Row
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import IsolationLevel


def server_lock(engine: Engine, schema: str | None) -> RunLock | None:
    """Return the lock of the server of ``engine``, None where none is known for such a server; it connects."""
    make = _LOCKS.get(engine.dialect.name)
    return None if make is None else make(engine, schema)


class _ServerLock(RunLock):
    """A lock that is held by a connection of its own, which nothing else uses."""

    isolation_level: ClassVar[IsolationLevel]
    database_function: ClassVar[str]

    def __init__(self, engine: Engine, schema: str | None) -> None:
        self.connection = connect_apart(engine, self.isolation_level)
        with self.connection.begin():
            # Asked of the server, because a pooler may know the database by another name.
            self.database = str(self.connection.scalar(text(f"SELECT {self.database_function}")))
        self.digest = hashlib.sha256("\0".join(("websauna_migrate", self.database, schema or "")).encode()).digest()

    def _is_true(self, condition: Executable) -> bool:
        try:
            return bool(self.connection.scalar(condition))
        except SQLAlchemyError:
            return False


class _PostgresqlLock(_ServerLock):
    """The transaction that got the advisory lock is kept open; losing it is losing the lock."""

    isolation_level = "READ COMMITTED"
    database_function = "current_database()"

    def __init__(self, engine: Engine, schema: str | None) -> None:
        super().__init__(engine, schema)
        driver: object = self.connection.connection.dbapi_connection  # a detached one has no driver_connection
        if hasattr(driver, "prepare_threshold"):
            # psycopg 3 prepares what is repeated, and CREATE INDEX CONCURRENTLY waits for the snapshot of its portal.
            driver.prepare_threshold = None
        self.key = int.from_bytes(self.digest[:8], "big", signed=True)

    def try_to_take(self) -> bool:
        if self.connection.scalar(select(func.pg_try_advisory_xact_lock(literal(self.key, BigInteger)))):
            self.connection.execute(_PG_SIGN, {"name": _own_name()})
            self.connection.execute(_PG_STAY)  # last: without parameters no driver leaves a portal with a snapshot open
            return True
        self.connection.rollback()
        return False

    def holder(self) -> LockHolder | None:
        with self.connection.begin():
            row = self._holder_seen_by(self.connection)
        if row is None:
            return None
        end = f"SELECT pg_terminate_backend({row.pid})"
        # PostgreSQL may hide everything about the session of another role; otherwise at least the time is shown.
        host = row.host or (row.xact_start and "of the server")
        return LockHolder(row.pid, host, row.application_name, row.xact_start, end)

    def is_held(self) -> bool:
        # SQLAlchemy does not connect again inside a transaction, so any answer comes from the one that has the lock.
        return self._is_true(text("SELECT 1"))

    def guards(self, connection: Connection) -> bool:
        own = self.connection.scalar(select(func.pg_backend_pid()))
        with reading(connection):
            row = self._holder_seen_by(connection)
        return row is not None and row.pid == own

    def _holder_seen_by(self, connection: Connection) -> Row[Any] | None:
        key = self.key % 2**64
        return connection.execute(_PG_HOLDER, {"high": key >> 32, "low": key % 2**32}).first()

    def close(self) -> None:
        # A connection that died has given the lock back, and the error of the run matters more than this one.
        with suppress(SQLAlchemyError):
            self.connection.rollback()
        self.connection.close()


# transaction_timeout is there from PostgreSQL 17 only. The keepalives free the lock of a machine that lost its power
# within a minute or so, instead of two hours.
_PG_STAY = text(
    "SELECT set_config(name, value, true) FROM (VALUES"
    " ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),"
    " ('tcp_keepalives_idle', '20'), ('tcp_keepalives_interval', '20')"
    ") AS settings (name, value) WHERE current_setting(name, true) IS NOT NULL"
)
_PG_SIGN = text("SELECT set_config('application_name', :name, true) WHERE current_setting('application_name') = ''")
_PG_HOLDER = text(
    "SELECT pid, host(client_addr) AS host, nullif(application_name, '') AS application_name, xact_start"
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND classid = CAST(CAST(:high AS bigint) AS oid) AND objid = CAST(CAST(:low AS bigint) AS oid)"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class _MysqlLock(_ServerLock):
    """``GET_LOCK`` of MySQL and MariaDB, held by the session and never inside a transaction."""

    isolation_level = "AUTOCOMMIT"
    database_function = "database()"

    def __init__(self, engine: Engine, schema: str | None) -> None:
        super().__init__(engine, schema)
        # A name has 64 characters at most, and a database's name alone may have that many.
        self.key = f"websauna_migrate {self.digest.hex()[:32]}"
        self.connection.execute(text(f"SET SESSION wait_timeout = {MYSQL_STAY}"))
        self.number = self.connection.scalar(select(func.connection_id()))

    def try_to_take(self) -> bool:
        return self.connection.scalar(select(func.get_lock(self.key, 0))) == 1

    def holder(self) -> LockHolder | None:
        row = self.connection.execute(_MYSQL_HOLDER, {"name": self.key}).first()
        if row is None:
            return None
        since = datetime.now(timezone.utc) - timedelta(seconds=int(row.seconds))
        return LockHolder(row.id, row.host, row.user, since, f"KILL {row.id}")

    def is_held(self) -> bool:
        # Asked on another connection: others know since when by when this one was last used.
        try:
            with self.connection.engine.connect() as other:
                return other.scalar(select(func.is_used_lock(self.key))) == self.number
        except SQLAlchemyError:
            return False

    def guards(self, connection: Connection) -> bool:
        # The server knows a lock by its name in all of its databases.
        with reading(connection):
            row = connection.execute(select(func.database(), func.is_used_lock(self.key))).one()
        return tuple(row) == (self.database, self.number)

    def close(self) -> None:
        with suppress(SQLAlchemyError):
            self.connection.execute(select(func.release_lock(self.key)))
        self.connection.close()


_MYSQL_HOLDER = text(
    "SELECT id, host, user, time AS seconds FROM information_schema.processlist WHERE id = is_used_lock(:name)"
)


def _own_name() -> str:
    return f"websauna_migrate@{socket.gethostname()[:36]}:{os.getpid()}"  # PostgreSQL cuts at 63 characters


_LOCKS: dict[str, type[_PostgresqlLock] | type[_MysqlLock]] = {
    "postgresql": _PostgresqlLock,
    "mysql": _MysqlLock,
    "mariadb": _MysqlLock,
}
