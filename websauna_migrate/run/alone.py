"""A connection for a run, alone on its database: the lock is taken before anything is read."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from websauna_migrate.database.connection import parse_url, shown
from websauna_migrate.database.lock import DEFAULT_TIMEOUT, run_lock
from websauna_migrate.database.search_path import require_first_schema
from websauna_migrate.exceptions import LockError
from websauna_migrate.settings.numbers import read_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.lock_base import LockHolder, RunLock
    from websauna_migrate.run.observer import Observer
    from websauna_migrate.settings.app import AppSettings

LOCK_URL = "websauna_migrate.lock_url"
LOCK_TIMEOUT = "websauna_migrate.lock_timeout"


@contextmanager
def alone(
    app: Application, observer: Observer, connection: Connection | None = None
) -> Iterator[tuple[Connection, RunLock]]:
    """Yield a connection for a run, and the lock that it holds meanwhile; ``observer`` follows the wait for it.

    With ``connection``, one that may write and whose ``search_path`` was looked at, no other is opened.

    :raises SettingsError: a setting of the connection or of the lock is wrong
    :raises DatabaseUnreachable: the database cannot be connected to
    :raises FirstSchemaMissing: the first schema of the ``search_path`` cannot be used
    :raises LockError: the lock could not be acquired
    """
    url = app.ini.settings.get(LOCK_URL)
    lock_url = parse_url(url, str(app.ini.path), LOCK_URL) if url else None
    waits: list[float] = []

    def on_wait(holder: LockHolder | None, seconds: float) -> None:
        waits.append(seconds)
        observer.on_wait(holder, seconds)

    with ExitStack() as stack:
        if connection is None:
            connection = stack.enter_context(app.connected(writes=True))
            require_first_schema(connection)
        lock = run_lock(
            connection.engine,
            schema=connection.dialect.default_schema_name,
            timeout=read_seconds(app.ini, LOCK_TIMEOUT, DEFAULT_TIMEOUT),
            lock_url=lock_url,
            on_wait=on_wait,
        )
        held = stack.enter_context(lock)
        if waits:
            connection.invalidate()  # servers and poolers end what was idle for so long; it connects again
        if lock_url is not None and not held.guards(connection):
            raise _elsewhere(app.ini, lock_url)
        yield connection, held


def _elsewhere(ini: AppSettings, lock_url: URL) -> LockError:
    return LockError(
        f"{ini.path}: {LOCK_URL} = {shown(lock_url)} is not the database of sqlalchemy.url, so its lock keeps no "
        f"other run away; nothing was run",
        "name the same database in both, or remove the setting",
    )
