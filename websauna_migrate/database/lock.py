"""The lock that prevents two runs on one database at a time. The executor acquires it before it reads a head.

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

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from websauna_migrate.database.connection import shown
from websauna_migrate.database.errors import LockTimeout, LockUnreachable
from websauna_migrate.database.lock_base import no_lock
from websauna_migrate.database.lock_file import file_lock
from websauna_migrate.database.lock_server import server_lock
from websauna_migrate.database.waiting import pauses
from websauna_migrate.exceptions import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Engine

    from websauna_migrate.database.lock_base import LockHolder, RunLock

DEFAULT_TIMEOUT = 300.0

log = logging.getLogger(__name__)


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
    for waited in pauses(timeout):
        if lock.try_to_take():
            return
        if on_wait is not None:
            on_wait(lock.holder(), waited)
    if not lock.try_to_take():
        raise LockTimeout(lock.database, timeout, lock.holder())


def _open(engine: Engine, schema: str | None, lock_url: URL | None) -> RunLock:
    backend = engine.url.get_backend_name()
    if lock_url is not None:
        if lock_url.get_backend_name() != backend:
            reason = f"it is not of the same kind as {engine.url.drivername}://"
            raise LockUnreachable(shown(lock_url), reason, is_own_address=True)
        engine = create_engine(lock_url, poolclass=NullPool)
    lock = file_lock(engine) if backend == "sqlite" else server_lock(engine, schema)
    if lock is None:
        log.warning("No lock is known for %s: nothing keeps two runs on this database apart.", backend)
    return lock or no_lock()
