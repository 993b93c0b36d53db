"""SQLite around a run: the file, transactions that are real ones, and foreign keys while tables are rebuilt."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from websauna_migrate.database.sqlite_keys import KeyCheck

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Connection, Engine

_BUSY_TIMEOUT = 60  # seconds that a connection of a run waits for another one
_PATIENCE = 1  # seconds of it that it waits in C, where a signal does not reach Python
_LEGACY_TRANSACTION_CONTROL = -1  # of the module sqlite3, which names it from Python 3.12


def sqlite_path(url: URL) -> Path | None:
    """Return the absolute path of the file that the driver opens for ``url``, None for a database in memory."""
    (name,), _ = url.set(drivername="sqlite").get_dialect()().create_connect_args(url)
    # An URI name, of https://www.sqlite.org/uri.html
    if name.startswith("file:") and "uri" in url.query:
        parts = urlsplit(name)
        name = ":memory:" if parse_qs(parts.query).get("mode") == ["memory"] else unquote(parts.path)
    return None if name in ("", ":memory:") else Path(name).absolute()


def depends_on_folder(url: URL) -> bool:
    """Tell whether it depends on the working directory which SQLite file ``url`` names."""
    if url.get_backend_name() != "sqlite" or sqlite_path(url) is None:
        return False
    return not Path((url.database or "").removeprefix("file:")).is_absolute()


def begin_for_real(engine: Engine, *, writes: bool) -> None:
    """Make the transactions of ``engine`` real ones: the driver begins none by itself, and begins one at once.

    One that ``writes`` takes the write lock when it begins, and may share its commit with others.
    """
    if writes and engine.dialect.driver == "pysqlite":
        event.listen(engine, "do_connect", _group)

    @event.listens_for(engine, "connect")
    def no_implicit_begin(dbapi_connection: sqlite3.Connection, _record: object) -> None:
        dbapi_connection.isolation_level = None
        dbapi_connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT * 1000}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        _begin(connection, "BEGIN IMMEDIATE" if writes else "BEGIN")


def _group(_dialect: object, _record: object, _arguments: object, options: dict[str, object]) -> None:
    from websauna_migrate.database.sqlite_groups import GroupedConnection

    options.setdefault("factory", GroupedConnection)


@contextmanager
def real_transactions(connection: Connection) -> Iterator[None]:
    """Make the transactions of a SQLite ``connection`` real ones while the block runs.

    By itself the driver begins one with the first row that is written: DDL before it cannot be rolled back. Where
    an event begins transactions already, as for the engines of :func:`begin_for_real`, it goes on doing so.
    """
    driver: Any = connection.connection.driver_connection
    with _transactions_left_to_sql(driver), ExitStack() as stack:
        with connection.begin() as transaction:
            are_real = driver.in_transaction
            transaction.rollback()
        if not are_real:
            event.listen(connection, "begin", _begin_immediate)
            stack.callback(event.remove, connection, "begin", _begin_immediate)
        yield


@contextmanager
def _transactions_left_to_sql(driver: Any) -> Iterator[None]:
    """Let the driver begin no transaction by itself; it still ends one on commit() and rollback()."""
    before = {name: getattr(driver, name) for name in ("isolation_level", "autocommit") if hasattr(driver, name)}
    if "autocommit" in before:  # from Python 3.12; True ends the transaction that False has always open
        driver.autocommit = True
        driver.autocommit = _LEGACY_TRANSACTION_CONTROL
    driver.isolation_level = None
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(driver, name, value)


def _begin_immediate(connection: Connection) -> None:
    _begin(connection, "BEGIN IMMEDIATE")


def _begin(connection: Connection, statement: str) -> None:
    """Begin a transaction, and wait for that in Python, so that Ctrl-C ends it. In AUTOCOMMIT there is none."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    driver: Any = connection.connection.driver_connection
    if getattr(driver, "holds", False):
        driver.begin_next()
        return
    cursor = connection.connection.cursor()
    (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()  # milliseconds
    cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")
    try:
        for left in range(_BUSY_TIMEOUT, 0, -_PATIENCE):
            try:
                connection.exec_driver_sql(statement)
                break
            except OperationalError as error:
                if "locked" not in str(error.orig) or left <= _PATIENCE:
                    raise
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {timeout}")


@contextmanager
def keys_unenforced(connection: Connection) -> Iterator[Callable[[], None]]:
    """Switch the enforcement of foreign keys off on SQLite, and yield a check to be made before each commit.

    Batch mode drops the old table, and the rows that refer to it would go too. The pragma does nothing inside a
    transaction, so it stands around all of them. What a revision breaks is found where keys are not enforced as well:
    other databases would refuse it.
    """
    if connection.dialect.name != "sqlite":
        yield lambda: None
        return
    cursor = connection.connection.cursor()
    is_enforced = cursor.execute("PRAGMA foreign_keys").fetchone() == (1,)
    check = KeyCheck(connection)
    cursor.execute("PRAGMA foreign_keys = OFF")
    try:
        with check.listening():
            yield check
    finally:
        if is_enforced:
            connection.rollback()
            connection.connection.cursor().execute("PRAGMA foreign_keys = ON")
