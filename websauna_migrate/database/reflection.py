"""Reading a database's tables without warnings about types that SQLAlchemy does not know."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, inspect, select, table, text
from sqlalchemy.exc import SAWarning

from websauna_migrate.database.connection import reading
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Dialect


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index that PostgreSQL does not use; ``quoted`` is its name as SQL."""

    table: TableName
    name: str
    quoted: str


# Whoever builds an index at this moment will finish it. That of a partitioned table is valid with those of the parts.
_INVALID = text(
    "SELECT nullif(nspname, current_schema()), tables.relname, indexes.relname, indexrelid::regclass::text"
    " FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid"
    " JOIN pg_class AS tables ON tables.oid = indrelid JOIN pg_namespace ON pg_namespace.oid = tables.relnamespace"
    " WHERE NOT indisvalid AND indexes.relkind = 'i' AND nspname !~ '^pg_'"
    " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)"
    " ORDER BY 1, 2, 3"
)

#: How SQLAlchemy's warning about an index begins that it cannot read.
UNREAD_INDEX = "Skipped unsupported reflection of expression-based index"

_OWN_SCHEMAS = {"information_schema", "pg_catalog", "performance_schema", "mysql", "sys"}


@contextmanager
def quiet_reflection() -> Iterator[None]:
    """Suppress warnings of SQLAlchemy about what it reads and does not know: types, indexes over expressions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)  # of NOT VALID
        warnings.filterwarnings("ignore", UNREAD_INDEX, SAWarning)
        yield


def know_types(dialect: Dialect) -> None:
    """Let ``dialect`` recognise the types of MariaDB that SQLAlchemy has and does not recognise in a database."""
    if dialect.name in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        types: Any = dialect
        missed = {name.lower(): getattr(mysql, name) for name in ("INET4", "INET6") if hasattr(mysql, name)}
        types.ischema_names = {**missed, **types.ischema_names}


def table_names(connection: Connection, schemas: Iterable[str | None] = (None,)) -> frozenset[TableName]:
    """Return the tables in ``schemas`` of the database; None is the default one."""
    inspector = inspect(connection)
    schemas = dict.fromkeys(schemas)
    existing = {None, *(inspector.get_schema_names() if any(schemas) else ())}
    wanted = [schema for schema in schemas if schema in existing and schema not in _OWN_SCHEMAS]
    default = connection.dialect.default_schema_name
    return frozenset(
        TableName(schema, name) for schema in wanted for name in inspector.get_table_names(schema or default)
    )


def search_path(connection: Connection) -> tuple[str, ...]:
    """Return the schemas that names are looked up in after the default one; only PostgreSQL has such."""
    if connection.dialect.name != "postgresql":
        return ()
    found = connection.scalars(text("SELECT unnest(current_schemas(false))::text"))
    return tuple(schema for schema in found if schema != connection.dialect.default_schema_name)


def invalid_indexes(connection: Connection) -> tuple[InvalidIndex, ...]:
    """Return the indexes that a failed ``CREATE INDEX CONCURRENTLY`` left; only PostgreSQL has such."""
    if connection.dialect.name != "postgresql":
        return ()
    with reading(connection):
        rows = connection.execute(_INVALID).all()
    return tuple(InvalidIndex(TableName(schema, table_), name, quoted) for schema, table_, name, quoted in rows)


def row_count(connection: Connection, name: TableName) -> int:
    """Return how many rows the table ``name`` has."""
    with reading(connection):
        return int(connection.scalar(select(func.count()).select_from(table(name.name, schema=name.schema))) or 0)
