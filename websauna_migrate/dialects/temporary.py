"""A temporary table that shows how a database stores something; it is removed again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.sql import escape_colons, plain_dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

TEMPORARY = "websauna_migrate_compared"


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Undo at the end what the block did with the table :data:`TEMPORARY`."""
    if connection.dialect.name in ("mysql", "mariadb"):  # where an index ends the transaction, and with it a savepoint
        try:
            yield
        finally:
            connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {TEMPORARY}")
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def copy_table(connection: Connection, table: Table) -> bool:
    """Make the temporary table with the columns of ``table``, and tell whether it has the indexes too.

    MariaDB and MySQL copy them, but not where one is a ``FULLTEXT`` index, which no temporary table of theirs can have.
    """
    original = _formatted(connection, table)
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE TEMPORARY TABLE {TEMPORARY} (LIKE {original})"))
        return False
    try:
        connection.execute(text(f"CREATE TEMPORARY TABLE {TEMPORARY} LIKE {original}"))
    except SQLAlchemyError:
        copy_columns(connection, table)
        return False
    return True


def copy_columns(connection: Connection, table: Table, options: str = "") -> None:
    """Make the temporary table on MariaDB or MySQL with the columns of ``table``, whatever its indexes are."""
    quote = plain_dialect(connection.dialect).identifier_preparer.quote
    names = ", ".join(escape_colons(quote(column.name)) for column in table.columns) or "*"
    original = _formatted(connection, table)
    connection.execute(text(f"CREATE TEMPORARY TABLE {TEMPORARY} {options} AS SELECT {names} FROM {original} LIMIT 0"))


def _formatted(connection: Connection, table: Table) -> str:
    return escape_colons(plain_dialect(connection.dialect).identifier_preparer.format_table(table))


def makes_temporary_tables(connection: Connection) -> bool:
    """Tell whether the user and the server can make temporary tables."""
    try:
        with undone(connection):
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {TEMPORARY} (a INTEGER)")
    except SQLAlchemyError:
        return False
    return True
