"""From the settings to a connection: the URL as a value, the engine, and what a run needs on each database."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine, engine_from_config, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from websauna_migrate.database.drivers import how_to_install, is_asynchronous, other_name, synchronous
from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.refusals import refusal_of
from websauna_migrate.database.remedies import remedy_for
from websauna_migrate.database.sqlite import begin_for_real, sqlite_path
from websauna_migrate.exceptions import SettingsError, reason_of
from websauna_migrate.settings.errors import InvalidDatabaseUrl, MissingDatabaseUrl, MissingDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Protocol

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel

    class HasConnection(Protocol):
        """What has a connection unless it works offline: Alembic's contexts and its implementations of dialects."""

        @property
        def connection(self) -> Connection | None:
            """The connection, None offline."""


PREFIX = "sqlalchemy."
_URL = PREFIX + "url"
# Written as variables usually are: anything else may be part of a password, and is not shown.
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_ASK_FOR_HSTORE = ("postgresql", "postgresql+psycopg2", "postgresql+psycopg")
_HSTORE = PREFIX + "use_native_hstore"
_NOT_OF_A_RUN = tuple(PREFIX + name for name in ("pool", "max_", "echo"))


@dataclass(frozen=True, slots=True)
class Database:
    """A database as the settings describe it: its URL, parsed once, and the options of its engine.

    ``options`` are the settings ``sqlalchemy.*`` but the URL. ``origin`` names the settings file in errors.
    """

    url: URL
    origin: str
    options: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return shown(self.url)

    def engine(self, **options: object) -> Engine:
        """Return a new engine with the options of the settings and ``options``; nothing connects yet.

        :raises SettingsError: the URL or an option cannot be used, or the driver is not installed
        """
        if is_asynchronous(self.url):
            reason = f"{self.url.get_driver_name()} is asynchronous, and a synchronous driver is needed"
            raise MissingDriver(self.origin, self.url.drivername, reason, how_to_install(self.url))
        try:
            return engine_from_config({**self.options, _URL: self.url}, PREFIX, **options)
        except NoSuchModuleError as error:
            raise no_dialect(self.url, self.origin) from error
        except ImportError as error:
            raise MissingDriver(self.origin, self.url.drivername, str(error), how_to_install(self.url)) from error
        except (ArgumentError, TypeError, ValueError) as error:
            raise _unusable_options(self, error) from error

    def engine_of_run(self, *, writes: bool) -> Engine:
        """Return an engine for a run: without a pool, and without ``echo``, which would print among the results.

        An application may have its connections in AUTOCOMMIT; a revision has a transaction all the same.

        :raises SettingsError: as :meth:`engine`
        """
        options = {key: value for key, value in self.options.items() if not key.startswith(_NOT_OF_A_RUN)}
        if str(options.get(PREFIX + "isolation_level", "")).upper() == "AUTOCOMMIT":
            del options[PREFIX + "isolation_level"]
        engine = replace(self, options=options).engine(poolclass=NullPool, **({} if writes else self.sparing_options()))
        if engine.dialect.name == "sqlite":
            begin_for_real(engine, writes=writes)
        elif writes and engine.dialect.name in ("mysql", "mariadb"):
            event.listen(engine, "connect", _stay_connected)
        return engine

    def sparing_options(self) -> dict[str, object]:
        """Return options that spare a connection queries, where only our own statements are run on it.

        Each new one would ask PostgreSQL whether it has the type ``hstore``, psycopg2 twice. Values of such columns are
        text then, unless SQLAlchemy knows their type.
        """
        asks = self.url.drivername in _ASK_FOR_HSTORE and _HSTORE not in self.options
        return {_HSTORE.removeprefix(PREFIX): False} if asks else {}

    @contextmanager
    def connected(self, *, writes: bool) -> Iterator[Connection]:
        """Yield a connection for a run; one that only reads does not create a missing SQLite file.

        :raises SettingsError: the URL or the driver cannot be used
        :raises DatabaseUnreachable: the server is down, the password is wrong, and the like
        """
        engine = self.engine_of_run(writes=writes)
        if not writes and is_missing_file(self.url):
            engine = Database(URL.create("sqlite"), self.origin).engine_of_run(writes=False)
        try:
            connection = engine.connect()
        except DBAPIError as error:
            raise unreachable(self, error) from error
        except UnicodeError:
            reason = "its driver cannot encode the user name or the password"
            raise InvalidDatabaseUrl(self.origin, reason, remedy="use other characters") from None  # shows one of them
        except (ArgumentError, TypeError, ValueError) as error:  # of an option that the driver does not know
            raise _unusable_options(self, error) from error
        with connection:
            yield connection


#: Seconds, nearly 25 days: the longest wait_timeout that MySQL takes on every operating system.
MYSQL_STAY = 2147483


def _stay_connected(connection: DBAPIConnection, _record: object) -> None:
    """Let a script work for long between two statements: a connection that is cut leaves it half done on MySQL."""
    cursor = connection.cursor()
    cursor.execute(f"SET SESSION wait_timeout = {MYSQL_STAY}")
    cursor.close()


def read_database(settings: Mapping[str, str], origin: str) -> Database:
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
    unset = next((name for name in _VARIABLE.findall(str(value)) if name not in os.environ), None)
    if unset:
        raise SettingsError(f"{origin}: {setting} needs the environment variable {unset}, which is not set", "set it")
    try:
        url = make_url(value)
    except (ArgumentError, ValueError, TypeError):
        raise InvalidDatabaseUrl(origin, setting=setting) from None  # the cause may show the password
    if isinstance(value, str) and _is_ambiguous(url, value):
        remedy = (
            "write it as %40 in a user name, a password, the name of a database and an option (%%40 in an INI file)"
        )
        raise InvalidDatabaseUrl(origin, "it has an '@' that is not encoded", setting, remedy)
    return synchronous(url)


def _is_ambiguous(url: URL, text: str) -> bool:
    """Tell whether ``text`` has an ``@`` too many: what follows the first would be taken for the host, and be shown."""
    rest = text.partition("://")[2]
    if url.drivername.partition("+")[0] == "sqlite":
        return False
    if url.username is None and url.password is None:
        return "@" in rest.partition("?")[0]
    after = rest.partition("@")[2]
    return "@" in (after if url.password else after.partition("?")[0])


def no_dialect(url: URL, origin: str) -> InvalidDatabaseUrl:
    """Return the error of a URL whose dialect SQLAlchemy does not know."""
    spelled = other_name(url.drivername)
    remedy = f"write {spelled}://" if spelled and spelled != url.drivername else "correct it, or install its driver"
    return InvalidDatabaseUrl(origin, f"there is no dialect {url.drivername!r}", remedy=remedy)


def _unusable_options(database: Database, error: Exception) -> SettingsError:
    """Return the error of ``sqlalchemy.*`` settings or of unknown options in the URL."""
    if database.url.get_backend_name() == "postgresql" and "bytes-like object" in str(error):
        return SettingsError(
            f"{database.origin}: the connection has the encoding SQL_ASCII, in which psycopg reads no text",
            f"add client_encoding=utf8 to the options of {_URL}",
        )
    names = [name for name in database.options if f"'{name.removeprefix(PREFIX)}'" in str(error)]
    named = ", ".join(names) or f"an option of {_URL}, or another {PREFIX}* setting,"
    # SQLAlchemy lists what its classes are called; the first sentence says which argument is wrong.
    reason = reason_of(error).partition(", using configuration")[0]
    return SettingsError(f"{database.origin}: {named} cannot be used: {reason}", "correct it, or remove it")


def unreachable(database: Database, error: DBAPIError) -> DatabaseUnreachable:
    """Return the error of a connection to ``database`` that failed with ``error``."""
    where = (database.shown, reason_of(error))
    path = sqlite_path(database.url) if database.url.get_backend_name() == "sqlite" else None
    if path is not None:
        return DatabaseUnreachable(*where, _missing_folder(path))
    refusal = refusal_of(error)
    if refusal is None:
        remedy = remedy_for(error)
        return DatabaseUnreachable(*where, remedy) if remedy else DatabaseUnreachable(*where)
    return DatabaseUnreachable(*where, refusal.remedy, is_refused=refusal.final)


def _missing_folder(path: Path) -> str:
    """Return what to do about a SQLite file that cannot be opened; SQLite does not tell that its folder is missing."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist: create it, or correct sqlalchemy.url"
    return "check sqlalchemy.url, and that this user may write to the file and its folder"


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


def connect_apart(engine: Engine, isolation_level: IsolationLevel) -> Connection:
    """Connect with the options of ``engine``, but outside its pool; what it knows of the server is not asked again."""
    own_engine = Engine(engine.pool.recreate(), engine.dialect, engine.url)
    # Said explicitly, because an engine in AUTOCOMMIT would hand that down.
    connection = own_engine.execution_options(isolation_level=isolation_level).connect()
    connection.detach()
    return connection


def _kill_query(engine: Engine, number: int) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"KILL QUERY {number}")


def is_missing_file(url: URL) -> bool:
    """Tell whether ``url`` names a file of SQLite that does not exist: to connect would create it."""
    path = sqlite_path(url) if url.get_backend_name() == "sqlite" else None
    return path is not None and not path.exists()
