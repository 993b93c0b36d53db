"""From the settings to a connection: the URL as a value, the engine, and what a run needs of it on each database."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import (
    engine_from_config,
    event,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.exceptions import SettingsError, reason_of
from websauna_migrate.settings.errors import InvalidDatabaseUrl, MissingDatabaseUrl, MissingDriver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import URL, Connection, Engine


PREFIX = "sqlalchemy."
_UNSET = re.compile(r"\$\{(\w+)\}")
_BUSY_TIMEOUT = 60  # seconds that a SQLite connection waits for another one
_PATIENCE = 1  # seconds of it that it waits in C, where a signal does not reach Python


def database_url(settings: Mapping[str, Any], origin: str) -> URL:
    """Return ``sqlalchemy.url`` of ``settings``; ``origin`` names the file in errors.

    :raises SettingsError: there is none, or it cannot be parsed
    """
    value = settings.get(PREFIX + "url")
    if not value:
        raise MissingDatabaseUrl(origin)
    return parse_url(value, origin, PREFIX + "url")


def parse_url(value: str | URL, origin: str, setting: str) -> URL:
    """Return ``value`` as an URL; ``setting`` of the file ``origin`` is named in the error, the value is not."""
    try:
        return make_url(value)
    except (ArgumentError, ValueError, TypeError):
        unset = _UNSET.search(str(value))
        if unset:
            raise SettingsError(
                f"{origin}: {setting} needs the environment variable {unset[1]}, which is not set", "set it"
            ) from None
        raise InvalidDatabaseUrl(origin, setting=setting) from None  # the cause may show the password


def make_engine(settings: Mapping[str, Any], origin: str, **options: Any) -> Engine:
    """Return an engine made from ``sqlalchemy.*`` of ``settings`` and ``options``; nothing connects yet.

    :raises SettingsError: the URL or another setting cannot be used, or the driver is not installed
    """
    url = database_url(settings, origin)
    try:
        return engine_from_config({**settings, PREFIX + "url": url}, PREFIX, **options)
    except NoSuchModuleError as error:
        raise InvalidDatabaseUrl(origin, f"there is no dialect {url.drivername!r}") from error
    except ImportError as error:
        raise MissingDriver(origin, url.drivername, str(error)) from error
    except (ArgumentError, TypeError, ValueError) as error:
        raise InvalidDatabaseUrl(origin, reason_of(error)) from error


def open_engine(settings: Mapping[str, Any], origin: str, *, writes: bool) -> Engine:
    """Return an engine for a run: without a pool, and without ``echo``, which would print among the results.

    An application may have its connections in AUTOCOMMIT; a revision has a transaction all the same. On SQLite
    transactions are real ones: the driver starts none by itself, and one that ``writes`` takes the write lock when it
    begins.
    """
    ignored = tuple(PREFIX + name for name in ("pool", "max_", "echo"))
    kept = {key: value for key, value in settings.items() if not key.startswith(ignored)}
    if str(kept.get(PREFIX + "isolation_level", "")).upper() == "AUTOCOMMIT":
        del kept[PREFIX + "isolation_level"]
    engine = make_engine(kept, origin, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        _make_transactions_real(engine, "BEGIN IMMEDIATE" if writes else "BEGIN")
    return engine


@contextmanager
def connected(settings: Mapping[str, Any], origin: str, *, writes: bool) -> Iterator[Connection]:
    """Yield a connection to the database of the settings; what only reads makes no missing SQLite file.

    :raises SettingsError: the URL or the driver cannot be used
    :raises DatabaseUnreachable: the server is down, the password is wrong, and the like
    """
    url = database_url(settings, origin)
    if not writes and _is_missing_file(url):
        settings = {PREFIX + "url": "sqlite://"}
    engine = open_engine(settings, origin, writes=writes)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise DatabaseUnreachable(shown(url), reason_of(error)) from error
    with connection:
        yield connection


def canceller(connection: Connection) -> Callable[[], None]:
    """Return a function that ends the statement that ``connection`` waits for; another thread may call it.

    Drivers wait in C, where a signal reaches Python only when the statement has ended by itself.
    """
    if connection.dialect.name in ("mysql", "mariadb"):
        number = connection.scalar(text("SELECT CONNECTION_ID()"))
        connection.rollback()
        return partial(_kill_query, connection.engine, number)
    driver = connection.connection.driver_connection
    # psycopg2 and psycopg have the first, sqlite3 the second; a driver with neither is left to end by itself.
    return getattr(driver, "cancel", None) or getattr(driver, "interrupt", None) or (lambda: None)


def _kill_query(engine: Engine, number: int) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"KILL QUERY {number}")


def shown(url: URL) -> str:
    """Return ``url`` as it may be shown: three asterisks for the password, and no options, which may hold secrets."""
    return url.set(query={}).render_as_string(hide_password=True)


def _is_missing_file(url: URL) -> bool:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return False
    if not url.database.startswith("file:"):
        return not Path(url.database).exists()
    # An URI name, of https://sqlite.org/uri.html; its options are those of the URL.
    path = unquote(urlsplit(url.database).path)
    return path not in ("", ":memory:") and url.query.get("mode") != "memory" and not Path(path).exists()


def _make_transactions_real(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def no_implicit_begin(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None
        dbapi_connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT * 1000}")

    @event.listens_for(engine, "begin")
    def begin_for_real(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            _begin_when_free(connection, begin)


def _begin_when_free(connection: Connection, begin: str) -> None:
    """Begin a transaction, and wait for that in Python, so that Ctrl-C ends it."""
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")
    for left in range(_BUSY_TIMEOUT, 0, -_PATIENCE):
        try:
            connection.exec_driver_sql(begin)
            break
        except OperationalError as error:
            if "locked" not in str(error.orig) or left <= _PATIENCE:
                raise
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT * 1000}")
