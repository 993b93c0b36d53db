"""Scratch databases on a PostgreSQL server: SQL that makes one like the application's, and that drops it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from websauna_migrate.exceptions import reason_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.scratch.wanted import Extension, Wanted

SUPERUSER = "postgres"
MAINTENANCE = "template1"
_GIVEN = "postgres"  # the one database that initdb makes for nobody
_SEARCH_PATH = re.compile(r"search_path\s*=\s*\"?([\w$]+)")
_FILE_COPY = 15  # the first version that can be told to copy, which is quicker where nothing is synced


def mark(connection: Connection) -> str:
    """Return what tells one server from another."""
    return str(connection.scalar(text("SELECT current_setting('cluster_name')")))


def version(connection: Connection) -> str:
    """Return the version of the server as it spells it."""
    return str(connection.scalar(text("SELECT current_setting('server_version')")))


def state(connection: Connection, database: str) -> frozenset[str]:
    """Return what the whole server holds beside ``database``: roles, settings, names of other databases."""
    return frozenset(connection.scalars(_STATE, {"database": database}))


def create(connection: Connection, database: str, wanted: Wanted, *, private: bool) -> tuple[str, ...]:
    """Create ``database``, and return what it lacks. On a ``private`` server, which is our own, its owner too."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    clauses = [f"CREATE DATABASE {quote(database)} TEMPLATE template0"]
    if private:
        _create_roles(connection, wanted)
        if database == _GIVEN:
            drop(connection, database)
        clauses.append(f"OWNER {quote(wanted.user)}")
        if int(version(connection).partition(".")[0]) >= _FILE_COPY:
            clauses.append("STRATEGY FILE_COPY")
    return _created(connection, " ".join(clauses), wanted)


def furnish(connection: Connection, wanted: Wanted) -> tuple[str, ...]:
    """Give the database of ``connection`` schema, search path and extensions, and return what could not be had."""
    if schema := _default_schema(wanted):
        connection.execute(CreateSchema(schema, if_not_exists=True))
    if wanted.described is None:
        return ()
    _set_search_path(connection, wanted.described.search_path)
    available = frozenset(connection.scalars(text("SELECT name FROM pg_catalog.pg_available_extensions")))
    found = sorted(wanted.described.extensions)
    return tuple(lack for extension in found if (lack := _lack(connection, extension, available)))


def settle(connection: Connection) -> None:
    """Write what the server holds to its data folder, so that it starts at once from a copy of it."""
    connection.exec_driver_sql("CHECKPOINT")


def databases(connection: Connection, prefix: str) -> list[str]:
    """Return the names of the databases of the server that begin with ``prefix``."""
    query = text("SELECT datname FROM pg_catalog.pg_database WHERE starts_with(datname, :prefix)")
    return list(connection.scalars(query, {"prefix": prefix}))


def rename(connection: Connection, database: str, name: str) -> None:
    """Give ``database`` another name, unless that is taken."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    try:
        connection.exec_driver_sql(f"ALTER DATABASE {quote(database)} RENAME TO {quote(name)}")
    except DBAPIError:
        if not databases(connection, name):
            raise


def copy(connection: Connection, database: str, name: str, *, private: bool) -> None:
    """Create the database ``name`` as a copy of ``database``, to which nobody may be connected."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    is_quick = private and int(version(connection).partition(".")[0]) >= _FILE_COPY
    strategy = "STRATEGY FILE_COPY" if is_quick else ""
    connection.exec_driver_sql(f"CREATE DATABASE {quote(name)} TEMPLATE {quote(database)} {strategy}")
    for setting in connection.scalars(_SETTINGS, {"database": database}).all():
        variable, _, value = setting.partition("=")
        connection.exec_driver_sql(f"ALTER DATABASE {quote(name)} SET {variable} TO {_setting(variable, value)}")


def _setting(variable: str, value: str) -> str:
    """Return ``value`` as SET wants it; a list is kept with its quotes."""
    return value if variable.endswith("_path") else "'" + value.replace("'", "''") + "'"


def drop(connection: Connection, database: str) -> None:
    """Drop ``database``, with the connections that are left."""
    connection.execute(_END_SESSIONS, {"database": database})
    quoted = connection.dialect.identifier_preparer.quote_identifier(database)
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")


def _create_roles(connection: Connection, wanted: Wanted) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    existing = set(connection.scalars(text("SELECT rolname FROM pg_catalog.pg_roles")))
    for name in sorted({wanted.user, *wanted.roles} - existing):
        connection.exec_driver_sql(f"CREATE ROLE {quote(name)} {'SUPERUSER LOGIN' if name == wanted.user else ''}")


def _created(connection: Connection, statement: str, wanted: Wanted) -> tuple[str, ...]:
    described = wanted.described
    if described is None:
        connection.exec_driver_sql(f"{statement} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        return ()
    statement = f"{statement} ENCODING '{described.encoding}'"
    try:
        connection.exec_driver_sql(
            f"{statement} LC_COLLATE '{described.collation}' LC_CTYPE '{described.character_type}'"
        )
    except DBAPIError:  # locales are the operating system's
        connection.exec_driver_sql(f"{statement} LC_COLLATE 'C' LC_CTYPE 'C'")
        return (f"collation {described.collation}",)
    return ()


def _default_schema(wanted: Wanted) -> str | None:
    """Return the schema that new tables go to, None where it is ``public``."""
    if wanted.described is not None:
        schema = wanted.described.default_schema
    else:
        found = _SEARCH_PATH.search(str(wanted.session.get("options", "")))
        schema = found[1] if found else None
    return None if schema in (None, "public", "$user") else schema


def _set_search_path(connection: Connection, search_path: str | None) -> None:
    """Let the sessions of the database begin with ``search_path``, whatever set it for the application's."""
    quoted = connection.dialect.identifier_preparer.quote_identifier(str(connection.engine.url.database))
    connection.execute(text("SELECT set_config('search_path', :path, false)"), {"path": search_path})
    connection.exec_driver_sql(f"ALTER DATABASE {quoted} SET search_path FROM CURRENT")


def _lack(connection: Connection, extension: Extension, available: frozenset[str]) -> str | None:
    if extension.name not in available:
        return f"extension {extension.name}"
    quote = connection.dialect.identifier_preparer.quote_identifier
    try:
        if extension.schema not in (None, "pg_catalog"):
            connection.execute(CreateSchema(extension.schema, if_not_exists=True))
        where = f"SCHEMA {quote(extension.schema)} " if extension.schema else ""
        connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quote(extension.name)} {where}CASCADE")
    except DBAPIError as error:
        return f"extension {extension.name} ({reason_of(error)})"
    return None


_END_SESSIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
    " WHERE datname = :database AND pid <> pg_backend_pid()"
)
_SETTINGS = text(
    "SELECT unnest(setconfig) FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = setdatabase"
    " WHERE datname = :database AND setrole = 0"
)
_STATE = text(
    "SELECT 'role ' || role::text FROM pg_catalog.pg_authid role"
    " UNION ALL SELECT 'member ' || member::text FROM pg_catalog.pg_auth_members member"
    " UNION ALL SELECT 'database ' || datname FROM pg_catalog.pg_database WHERE datname <> :database"
    " UNION ALL SELECT 'tablespace ' || spcname FROM pg_catalog.pg_tablespace"
    " UNION ALL SELECT 'setting ' || setting::text FROM pg_catalog.pg_db_role_setting setting"
    " UNION ALL SELECT 'configuration ' || file::text FROM pg_catalog.pg_file_settings file"
    " UNION ALL SELECT 'comment ' || comment::text FROM pg_catalog.pg_shdescription comment"
    " UNION ALL SELECT 'slot ' || slot_name FROM pg_catalog.pg_replication_slots"
)
