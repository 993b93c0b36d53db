"""From the settings to a connection: the URL as a value, the engine, and what a run needs on each database."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import engine_from_config, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.sqlite import begin_for_real, sqlite_path
from websauna_migrate.exceptions import SettingsError, reason_of
from websauna_migrate.settings.errors import InvalidDatabaseUrl, MissingDatabaseUrl, MissingDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Protocol

    from sqlalchemy.engine import Connection, Engine

    class HasConnection(Protocol):
        """What has a connection unless it works offline: Alembic's contexts and its implementations of dialects."""

        @property
        def connection(self) -> Connection | None:
            """The connection, None offline."""


PREFIX = "sqlalchemy."
_URL = PREFIX + "url"
_UNSET = re.compile(r"\$\{(\w+)\}")
_NOT_OF_A_RUN = tuple(PREFIX + name for name in ("pool", "max_", "echo"))


@dataclass(frozen=True, slots=True)
class Database:
    """A database as the settings describe it: its URL, parsed once, and the options of its engine.

    ``options`` are the settings ``sqlalchemy.*`` but the URL. ``origin`` names the settings file in errors.
    """

    url: URL
    origin: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return shown(self.url)

    def engine(self, **options: Any) -> Engine:
        """Return a new engine with the options of the settings and ``options``; nothing connects yet.

        :raises SettingsError: the URL or an option cannot be used, or the driver is not installed
        """
        try:
            return engine_from_config({**self.options, _URL: self.url}, PREFIX, **options)
        except NoSuchModuleError as error:
            raise InvalidDatabaseUrl(self.origin, f"there is no dialect {self.url.drivername!r}") from error
        except ImportError as error:
            raise MissingDriver(self.origin, self.url.drivername, str(error)) from error
        except (ArgumentError, TypeError, ValueError) as error:
            raise InvalidDatabaseUrl(self.origin, reason_of(error)) from error

    def engine_of_run(self, *, writes: bool) -> Engine:
        """Return an engine for a run: without a pool, and without ``echo``, which would print among the results.

        An application may have its connections in AUTOCOMMIT; a revision has a transaction all the same.

        :raises SettingsError: as :meth:`engine`
        """
        options = {key: value for key, value in self.options.items() if not key.startswith(_NOT_OF_A_RUN)}
        if str(options.get(PREFIX + "isolation_level", "")).upper() == "AUTOCOMMIT":
            del options[PREFIX + "isolation_level"]
        engine = replace(self, options=options).engine(poolclass=NullPool)
        if engine.dialect.name == "sqlite":
            begin_for_real(engine, writes=writes)
        return engine

    @contextmanager
    def connected(self, *, writes: bool) -> Iterator[Connection]:
        """Yield a connection for a run; one that only reads does not create a missing SQLite file.

        :raises SettingsError: the URL or the driver cannot be used
        :raises DatabaseUnreachable: the server is down, the password is wrong, and the like
        """
        engine = self.engine_of_run(writes=writes)
        if not writes and _is_missing_file(self.url):
            engine = Database(URL.create("sqlite"), self.origin).engine_of_run(writes=False)
        try:
            connection = engine.connect()
        except DBAPIError as error:
            raise DatabaseUnreachable(self.shown, reason_of(error)) from error
        with connection:
            yield connection


def read_database(settings: Mapping[str, Any], origin: str) -> Database:
    """Return the database of ``sqlalchemy.*`` in ``settings``; ``origin`` names the file in errors.

    :raises SettingsError: there is no URL, or it cannot be parsed
    """
    value = settings.get(_URL)
    if not value:
        raise MissingDatabaseUrl(origin)
    options = {key: value for key, value in settings.items() if key.startswith(PREFIX) and key != _URL}
    return Database(parse_url(value, origin, _URL), origin, options)


def parse_url(value: str | URL, origin: str, setting: str) -> URL:
    """Return ``value`` as an URL; errors name ``setting`` of the file ``origin``, and never the value.

    :raises SettingsError: it cannot be parsed
    """
    try:
        return make_url(value)
    except (ArgumentError, ValueError, TypeError):
        unset = _UNSET.search(str(value))
        if unset:
            raise SettingsError(
                f"{origin}: {setting} needs the environment variable {unset[1]}, which is not set", "set it"
            ) from None
        raise InvalidDatabaseUrl(origin, setting=setting) from None  # the cause may show the password


def shown(url: URL) -> str:
    """Return ``url`` as it may be shown: three asterisks for the password, and no options, which may hold secrets."""
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def reading(connection: Connection) -> Iterator[Connection]:
    """End the transaction that the reads of the block begin. One that was open before stays open."""
    begins = not connection.in_transaction()
    try:
        yield connection
    finally:
        if begins:
            connection.rollback()


def connection_of(context: HasConnection) -> Connection:
    """Return the connection of one of Alembic's contexts, where it is certain that it does not work offline."""
    if context.connection is None:
        raise RuntimeError("there is no connection offline")
    return context.connection


def commits_by_itself(connection: Connection) -> bool:
    """Return whether each statement on ``connection`` is committed at once, outside of any transaction."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver = connection.connection.driver_connection
    asked = getattr(driver, "get_autocommit", None)  # of the drivers of MySQL
    if asked is not None:
        return bool(asked())
    # On SQLite it says nothing: see real_transactions().
    return connection.dialect.name != "sqlite" and getattr(driver, "autocommit", None) is True


def canceller(connection: Connection) -> Callable[[], None]:
    """Return a function that ends the statement that ``connection`` waits for; another thread may call it.

    Drivers wait in C, where a signal reaches Python only when the statement has ended by itself.
    """
    if connection.dialect.name in ("mysql", "mariadb"):
        with reading(connection):
            number = connection.scalar(text("SELECT CONNECTION_ID()"))
        return partial(_kill_query, connection.engine, number)
    driver = connection.connection.driver_connection
    # psycopg2 and psycopg have the first, sqlite3 the second; a driver with neither is left to end by itself.
    return getattr(driver, "cancel", None) or getattr(driver, "interrupt", None) or (lambda: None)


def _kill_query(engine: Engine, number: int) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"KILL QUERY {number}")


def _is_missing_file(url: URL) -> bool:
    path = sqlite_path(url) if url.get_backend_name() == "sqlite" else None
    return path is not None and not path.exists()
