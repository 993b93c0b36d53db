"""The lock that keeps two runs on one database apart: asked for by the executor before it reads a head.

:func:`run_lock` waits by asking again and again, never inside a statement of the server, because a waiter that is
blocked in the server would hang the holder's ``CREATE INDEX CONCURRENTLY``. Each lock dies with its process:

* PostgreSQL: an advisory lock of a transaction that stays open, idle, on a connection of its own. It survives
  PgBouncer in transaction mode, where a lock of the session would be left behind on a connection of the pool.
* MySQL and MariaDB: ``GET_LOCK`` on a connection of its own. It is known to one server, not to a cluster.
* SQLite: an operating-system lock on ``<database>-migrate-lock``. A database in memory needs none.
* Others: no lock; the log says so.

Errors of the connection while the lock is waited for, such as a server that goes down, pass through as SQLAlchemy
raises them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import stat
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import BigInteger, create_engine, func, literal, select, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from websauna_migrate.database.connection import shown
from websauna_migrate.database.errors import LockFileError, LockLost, LockTimeout, LockUnreachable
from websauna_migrate.exceptions import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Executable
    from sqlalchemy.engine import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import IsolationLevel

DEFAULT_TIMEOUT = 300.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
LOCK_FILE_SUFFIX = "-migrate-lock"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds a lock, as far as the database tells; what it does not tell is None.

    ``process`` is the server's process or connection of the holder, on SQLite the holder itself. ``since`` is in
    UTC; MySQL and MariaDB know only when the holder's connection was last used. ``how_to_end`` is the statement or
    command that ends a holder that hangs.
    """

    process: int | None = None
    host: str | None = None
    application: str | None = None
    since: datetime | None = None
    how_to_end: str = ""

    def __str__(self) -> str:
        since = self.since and self.since.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        facts = {"process": self.process, "host": self.host, "application": self.application, "since": since}
        return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact)


class RunLock(ABC):
    """A lock of one database: free, or held until :meth:`close`. ``database`` names it in messages."""

    database: str

    @abstractmethod
    def try_to_take(self) -> bool:
        """Take the lock if it is free, without waiting, and tell whether it is held now."""

    @abstractmethod
    def holder(self) -> LockHolder | None:
        """Return who holds the lock, or None where nobody does or nobody can tell."""

    @abstractmethod
    def is_held(self) -> bool:
        """Tell whether the lock that was taken is still held."""

    @abstractmethod
    def close(self) -> None:
        """Give the lock back, if it is held, and what was opened for it."""

    def check(self) -> None:
        """Raise :class:`LockLost` unless the lock is still held. To be asked before each step of a run."""
        if not self.is_held():
            raise LockLost(self.database)


@contextmanager
def run_lock(
    engine: Engine,
    *,
    schema: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    lock_url: URL | None = None,
    on_wait: Callable[[LockHolder | None, float], None] | None = None,
) -> Iterator[RunLock]:
    """Hold the lock of the database of ``engine``; only one process at a time gets past this.

    :param schema: runs in different schemas of one database do not wait for each other.
    :param timeout: seconds to wait; 0 tries once.
    :param lock_url: connect here for the lock, where ``engine`` goes through a pooler that cuts idle transactions
        or has one connection only. It has to be the same database, and the same for all runs.
    :param on_wait: called after each unsuccessful try with the holder and the seconds waited so far.
    :raises LockTimeout: somebody else held it all the time.
    :raises LockUnreachable: the connection for the lock cannot be had.
    :raises LockFileError: the lock file of a SQLite database cannot be used.
    """
    try:
        lock = _open(engine, schema, lock_url)
    except (DBAPIError, NoSuchModuleError, ImportError) as error:
        url = engine.url if lock_url is None else lock_url
        raise LockUnreachable(shown(url), reason_of(error), is_own_address=lock_url is not None) from error
    try:
        _wait(lock, timeout, on_wait)
        yield lock
    finally:
        lock.close()


def _wait(lock: RunLock, timeout: float, on_wait: Callable[[LockHolder | None, float], None] | None) -> None:
    start = time.monotonic()
    pause = FIRST_PAUSE
    while not lock.try_to_take():
        waited = time.monotonic() - start
        if waited >= timeout:
            raise LockTimeout(lock.database, timeout, lock.holder())
        if on_wait is not None:
            on_wait(lock.holder(), waited)
        time.sleep(min(pause, timeout - waited))
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _open(engine: Engine, schema: str | None, lock_url: URL | None) -> RunLock:
    backend = engine.url.get_backend_name()
    if lock_url is not None:
        if lock_url.get_backend_name() != backend:
            reason = f"it is not of the same kind as {engine.url.drivername}://"
            raise LockUnreachable(shown(lock_url), reason, is_own_address=True)
        engine = create_engine(lock_url, poolclass=NullPool)
    if backend == "sqlite":
        database = _sqlite_file(engine)
        return _FileLock(database) if database else _NoLock()
    if backend in _SERVER_LOCKS:
        return _SERVER_LOCKS[backend](engine, schema)
    log.warning("No lock is known for %s: nothing keeps two runs on this database apart.", backend)
    return _NoLock()


def _connect(engine: Engine, isolation_level: IsolationLevel) -> Connection:
    """Connect as ``engine`` does, with all that it was told about connecting, but outside its pool."""
    own_engine = create_engine(engine.url, pool=engine.pool.recreate())
    # Said explicitly, because an engine in AUTOCOMMIT would hand that down.
    connection = own_engine.execution_options(isolation_level=isolation_level).connect()
    connection.detach()
    return connection


class _ServerLock(RunLock):
    """A lock that lives on a connection of its own, which nothing else uses."""

    isolation_level: ClassVar[IsolationLevel]
    database_function: ClassVar[str]

    def __init__(self, engine: Engine, schema: str | None) -> None:
        self.connection = _connect(engine, self.isolation_level)
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
        self.key = int.from_bytes(self.digest[:8], "big", signed=True)

    def try_to_take(self) -> bool:
        if self.connection.scalar(select(func.pg_try_advisory_xact_lock(literal(self.key, BigInteger)))):
            self.connection.execute(_PG_STAY)
            self.connection.execute(_PG_SIGN, {"name": _own_name()})
            return True
        self.connection.rollback()
        return False

    def holder(self) -> LockHolder | None:
        with self.connection.begin():
            key = self.key % 2**64
            row = self.connection.execute(_PG_HOLDER, {"high": key >> 32, "low": key % 2**32}).first()
        if row is None:
            return None
        end = f"SELECT pg_terminate_backend({row.pid})"
        # Of the run of another role one may not be told anything; who is told knows the time at least.
        host = row.host or (row.xact_start and "of the server")
        return LockHolder(row.pid, host, row.application_name, row.xact_start, end)

    def is_held(self) -> bool:
        # SQLAlchemy does not connect again inside a transaction, so any answer comes from the one that has the lock.
        return self._is_true(text("SELECT 1"))

    def close(self) -> None:
        # A connection that died has given the lock back, and the error of the run matters more than this one.
        with suppress(SQLAlchemyError):
            self.connection.rollback()
        self.connection.close()


# Read from pg_settings, because transaction_timeout is there from PostgreSQL 17 only. The keepalives free the
# lock of a machine that lost its power within a minute or so, instead of two hours.
_PG_STAY = text(
    "SELECT set_config(name, CASE WHEN name LIKE 'tcp%' THEN '20' ELSE '0' END, true) FROM pg_settings WHERE name IN"
    " ('idle_in_transaction_session_timeout', 'transaction_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval')"
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
        self.connection.execute(text(f"SET SESSION wait_timeout = {_MYSQL_STAY}"))
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

    def close(self) -> None:
        with suppress(SQLAlchemyError):
            self.connection.execute(select(func.release_lock(self.key)))
        self.connection.close()


_MYSQL_STAY = 2147483  # seconds, nearly 25 days: the most that MySQL takes on every operating system
_MYSQL_HOLDER = text(
    "SELECT id, host, user, time AS seconds FROM information_schema.processlist WHERE id = is_used_lock(:name)"
)

_SERVER_LOCKS: dict[str, type[_PostgresqlLock] | type[_MysqlLock]] = {
    "postgresql": _PostgresqlLock,
    "mysql": _MysqlLock,
    "mariadb": _MysqlLock,
}


class _FileLock(RunLock):
    """A lock of the operating system on a file beside the database; the file goes when the lock is given back.

    Whoever gets a lock on a file that lost its name meanwhile has nothing, and tries again.
    """

    def __init__(self, database: Path) -> None:
        self.database = str(database)
        self.path = database.with_name(database.name + LOCK_FILE_SUFFIX)
        self.descriptor: int | None = None

    def try_to_take(self) -> bool:
        try:
            return self._take()
        except OSError as error:
            raise LockFileError(str(self.path), error.strerror or str(error)) from error

    def _take(self) -> bool:
        from filelock import lock_descriptor

        # Not through a link that somebody else may have put there: the file is written to.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if lock_descriptor(descriptor, blocking=False) and self._has_its_name(descriptor):
                self._sign(descriptor)
                self.descriptor, descriptor = descriptor, -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return self.descriptor is not None

    def _has_its_name(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    def _sign(self, descriptor: int) -> None:
        if os.name == "posix" and os.fstat(descriptor).st_uid == os.geteuid():
            _permit_as(Path(self.database), descriptor)
        note = {"process": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        os.ftruncate(descriptor, 0)
        # On Windows nobody else can read the byte that is locked, the first one.
        os.write(descriptor, b"\n" + json.dumps(note).encode() + b"\n")

    def holder(self) -> LockHolder | None:
        with suppress(OSError, ValueError, KeyError), self.path.open("rb", buffering=0) as file:
            file.seek(1)
            note = json.loads(file.read())
            since = datetime.fromtimestamp(note["since"], timezone.utc)
            process, host = note["process"], note["host"]
            return LockHolder(process, host, "websauna_migrate", since, f"kill {process} (on {host})")
        return None

    def is_held(self) -> bool:
        return self.descriptor is not None and self._has_its_name(self.descriptor)

    def close(self) -> None:
        if self.descriptor is None:
            return
        # Windows does not remove a file that others have open; then it stays, and does no harm.
        with suppress(OSError):
            if self.is_held():
                self.path.unlink()
        os.close(self.descriptor)
        self.descriptor = None


class _NoLock(RunLock):
    """No lock at all: for a database that only this process can see, or for one without a known lock."""

    database = ""

    def try_to_take(self) -> bool:
        return True

    def holder(self) -> LockHolder | None:
        return None

    def is_held(self) -> bool:
        return True

    def close(self) -> None:
        pass


def _sqlite_file(engine: Engine) -> Path | None:
    """Ask SQLite itself which file it opens, so that links, URI names and the driver's own rules are all kept."""
    connection = engine.pool.recreate().connect()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA database_list")
        files = {name: file for _, name, file in cursor.fetchall()}
        return Path(files["main"]).resolve() if files["main"] else None
    finally:
        connection.detach()
        connection.close()


def _permit_as(database: Path, descriptor: int) -> None:
    """Let those take the lock who may write the database, whoever ran first, as SQLite does with its own files."""
    like = database.stat()
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)


def _own_name() -> str:
    return f"websauna_migrate@{socket.gethostname()[:36]}:{os.getpid()}"  # PostgreSQL cuts at 63 characters
