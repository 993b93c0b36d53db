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


def settle(connection: Connection) -> None:
    """Do nothing: the server writes all that it holds when it ends."""


def copy(connection: Connection, database: str, name: str) -> bool:
    """Create ``name`` with copies of the tables, views and triggers of ``database``; do nothing where it has more.

    The server cannot copy a database, so the statements that it shows are run, and rows are copied.
    """
    if connection.scalar(_MORE, {"database": database}):
        return False
    quote = connection.dialect.identifier_preparer.quote_identifier
    charset, collation = connection.execute(_CHARSET, {"database": database}).one()
    connection.exec_driver_sql(f"CREATE DATABASE {quote(name)} CHARACTER SET {charset} COLLATE {collation}")
    connection.exec_driver_sql(f"USE {quote(name)}")
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0, UNIQUE_CHECKS = 0")
    found = connection.execute(_TABLES, {"database": database}).all()
    for kind, table in found:
        shown = f"SHOW CREATE {'VIEW' if kind == 'VIEW' else 'TABLE'} {quote(database)}.{quote(table)}"
        statement = connection.exec_driver_sql(shown).one()[1]
        connection.exec_driver_sql(statement.replace(f"{quote(database)}.", f"{quote(name)}."))
        if kind != "VIEW":
            columns = ", ".join(map(quote, connection.scalars(_COLUMNS, {"database": database, "table": table})))
            source = f"{quote(database)}.{quote(table)}"
            connection.exec_driver_sql(f"INSERT INTO {quote(table)} ({columns}) SELECT {columns} FROM {source}")
    for trigger in connection.scalars(_TRIGGERS, {"database": database}).all():
        connection.exec_driver_sql(
            connection.exec_driver_sql(f"SHOW CREATE TRIGGER {quote(database)}.{quote(trigger)}").one()[2]
        )
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1, UNIQUE_CHECKS = 1")
    return True


def drop(connection: Connection, database: str) -> None:
    """Drop ``database``, after ending the connections that are left: their locks would hold it."""
    query = text("SELECT id FROM information_schema.processlist WHERE db = :database AND id <> connection_id()")
    for number in connection.scalars(query, {"database": database}).all():
        with suppress(DBAPIError):  # it has ended meanwhile
            connection.exec_driver_sql(f"KILL {number}")
    quoted = connection.dialect.identifier_preparer.quote_identifier(database)
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")


_MORE = text(
    "SELECT EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = :database)"
    " OR EXISTS (SELECT 1 FROM information_schema.events WHERE event_schema = :database)"
    " OR EXISTS (SELECT 1 FROM information_schema.tables"
    " WHERE table_schema = :database AND table_type NOT IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED'))"
)
_CHARSET = text(
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
    " WHERE schema_name = :database"
)
# Views last: they are over tables.
_TABLES = text(
    "SELECT table_type, table_name FROM information_schema.tables WHERE table_schema = :database"
    " ORDER BY table_type = 'VIEW', create_time, table_name"
)
_COLUMNS = text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = :database AND table_name = :table"
    " AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position"
)
_TRIGGERS = text("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = :database")
_GRANTS = text(
    "SELECT grantee, table_schema, '', privilege_type FROM information_schema.schema_privileges"
    " UNION ALL SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.table_privileges"
)
