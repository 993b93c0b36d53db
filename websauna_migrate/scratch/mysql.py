"""Scratch databases on a server of MariaDB or MySQL: SQL that makes one like the application's, and that drops it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.scratch.wanted import Described, Wanted

MAINTENANCE = "mysql"


def mark(connection: Connection) -> str:
    """Return what tells one server from another."""
    return str(connection.scalar(text("SELECT @@socket")))


def version(connection: Connection) -> str:
    """Return the version of the server as it spells it."""
    return str(connection.scalar(text("SELECT version()")))


def state(connection: Connection, database: str) -> frozenset[str]:
    """Return what the whole server holds beside ``database``: users, settings, names of other databases."""
    found = {f"variable {row}" for row in connection.execute(text("SHOW GLOBAL VARIABLES"))}
    found |= {f"user {row}" for row in connection.execute(text("SELECT * FROM mysql.user"))}
    found |= {f"grant {row}" for row in connection.execute(_GRANTS)}
    query = text("SELECT schema_name FROM information_schema.schemata WHERE schema_name <> :database")
    return frozenset(found | {f"database {name}" for name in connection.scalars(query, {"database": database})})


def create(connection: Connection, database: str, wanted: Wanted, *, private: bool) -> tuple[str, ...]:
    """Create ``database``, and return what it lacks. On a ``private`` server, which is our own, its user too."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    if private:
        connection.exec_driver_sql(f"CREATE USER IF NOT EXISTS {quote(wanted.user)}@`%`")
        connection.exec_driver_sql(f"GRANT ALL ON *.* TO {quote(wanted.user)}@`%` WITH GRANT OPTION")
    statement = f"CREATE DATABASE {quote(database)}"
    if wanted.described is None:
        connection.exec_driver_sql(f"{statement} CHARACTER SET utf8mb4")
        return ()
    lacks = _sql_mode(connection, wanted.described) if private else ()
    encoding, collation = wanted.described.encoding, wanted.described.collation
    try:
        connection.exec_driver_sql(f"{statement} CHARACTER SET {encoding} COLLATE {collation}")
    except DBAPIError:  # a version has collations that another one lacks
        connection.exec_driver_sql(f"{statement} CHARACTER SET {encoding}")
        return (*lacks, f"collation {collation}")
    return lacks


def _sql_mode(connection: Connection, described: Described) -> tuple[str, ...]:
    try:
        connection.execute(text("SET GLOBAL sql_mode = :mode"), {"mode": described.sql_mode})
    except DBAPIError:  # a version has modes that another one lacks
        return (f"sql_mode {described.sql_mode}",)
    return ()


def furnish(connection: Connection, wanted: Wanted) -> tuple[str, ...]:
    """Return what the database of ``connection`` lacks: nothing that is not told by :func:`create`."""
    return ()


def drop(connection: Connection, database: str) -> None:
    """Drop ``database``, after ending the connections that are left: their locks would hold it."""
    query = text("SELECT id FROM information_schema.processlist WHERE db = :database AND id <> connection_id()")
    for number in connection.scalars(query, {"database": database}).all():
        with suppress(DBAPIError):  # it has ended meanwhile
            connection.exec_driver_sql(f"KILL {number}")
    quoted = connection.dialect.identifier_preparer.quote_identifier(database)
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")


_GRANTS = text(
    "SELECT grantee, table_schema, '', privilege_type FROM information_schema.schema_privileges"
    " UNION ALL SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.table_privileges"
)
