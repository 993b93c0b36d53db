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


def copy_table(connection: Connection, table: Table) -> None:
    """Make the temporary table with the columns of ``table``; MariaDB copies the indexes too."""
    original = escape_colons(plain_dialect(connection.dialect).identifier_preparer.format_table(table))
    like = f"(LIKE {original})" if connection.dialect.name == "postgresql" else f"LIKE {original}"
    connection.execute(text(f"CREATE TEMPORARY TABLE {TEMPORARY} {like}"))


def makes_temporary_tables(connection: Connection) -> bool:
    """Tell whether the user and the server can make temporary tables."""
    try:
        with undone(connection):
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {TEMPORARY} (a INTEGER)")
    except SQLAlchemyError:
        return False
    return True
