"""What a scratch database has to be like: pure values, made from a URL and from what a server says of a database."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL, Connection

#: What a URL says of its sessions. The rest says where the server is, and how to get in.
_SESSION_OPTIONS = frozenset({"options", "client_encoding", "charset", "init_command", "sql_mode"})


@dataclass(frozen=True, slots=True, order=True)
class Extension:
    """An extension of PostgreSQL, and the schema that its types and functions are in."""

    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What the server of the application says of the application's database.

    ``version`` is as the server spells it. ``character_type``, ``default_schema``, where new tables go,
    ``search_path`` and ``extensions`` are for PostgreSQL alone, ``sql_mode`` for MySQL and MariaDB.
    """

    version: str
    encoding: str | None = None
    collation: str | None = None
    character_type: str | None = None
    default_schema: str | None = None
    search_path: str | None = None
    sql_mode: str | None = None
    extensions: frozenset[Extension] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scratch database has to be like. It holds no address and no password of the application's server.

    ``session`` are the options of the URL that change what a session is like. With ``scratch_url`` the database is made
    on that server, which is meant for trials.
    """

    drivername: str
    dialect: str
    user: str
    database: str
    session: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    described: Described | None = None
    roles: frozenset[str] = frozenset()
    scratch_url: URL | None = None


def wanted_like(
    url: URL,
    described: Described | None = None,
    *,
    roles: frozenset[str] = frozenset(),
    scratch_url: URL | None = None,
) -> Wanted:
    """Return what a scratch database has to be like to stand in for the one of ``url``.

    ``roles`` are other roles that the scripts name and do not create.
    """
    dialect = url.get_backend_name()
    user = url.username or _default_user(dialect)
    database = url.database or user
    session = {name: value for name, value in url.query.items() if name in _SESSION_OPTIONS}
    return Wanted(url.drivername, dialect, user, database, session, described, roles, scratch_url)


def _default_user(dialect: str) -> str:
    """Return the user that a driver takes where the URL has none."""
    name = os.environ.get("PGUSER") if dialect == "postgresql" else None
    return name or getpass.getuser()


def describe(connection: Connection) -> Described | None:
    """Return what the server says of the database of ``connection``, None for SQLite. Ends the transaction."""
    read = _READERS.get(connection.dialect.name)
    described = read(connection) if read else None
    connection.rollback()
    return described


def other_roles(connection: Connection) -> frozenset[str]:
    """Return the names of the roles of a PostgreSQL server, none on others. Ends the transaction."""
    names: frozenset[str] = frozenset()
    if connection.dialect.name == "postgresql":
        names = frozenset(connection.scalars(text("SELECT rolname FROM pg_catalog.pg_roles")))
    connection.rollback()
    return names


def _read_postgresql(connection: Connection) -> Described:
    row = connection.execute(_POSTGRESQL).mappings().one()
    extensions = frozenset(Extension(*found) for found in connection.execute(_EXTENSIONS))
    return Described(**row, extensions=extensions)


def _read_mysql(connection: Connection) -> Described:
    row = connection.execute(_MYSQL).mappings().one()
    return Described(**row)


_READERS = {"postgresql": _read_postgresql, "mysql": _read_mysql, "mariadb": _read_mysql}
_POSTGRESQL = text(
    "SELECT current_setting('server_version') AS version, pg_encoding_to_char(encoding) AS encoding,"
    " datcollate AS collation, datctype AS character_type,"
    " current_schema()::text AS default_schema, current_setting('search_path') AS search_path"
    " FROM pg_catalog.pg_database WHERE datname = current_database()"
)
_EXTENSIONS = text(
    "SELECT extname, nspname FROM pg_catalog.pg_extension JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace"
    " WHERE extname <> 'plpgsql'"
)
_MYSQL = text(
    "SELECT version() AS version, @@character_set_database AS encoding, @@collation_database AS collation,"
    " @@sql_mode AS sql_mode"
)
