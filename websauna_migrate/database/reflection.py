"""Reading a database's tables without warnings about types that SQLAlchemy does not know."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, inspect, select, table
from sqlalchemy.exc import SAWarning

from websauna_migrate.database.connection import reading
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Dialect


_OWN_SCHEMAS = {"information_schema", "pg_catalog", "performance_schema", "mysql", "sys"}


@contextmanager
def quiet_reflection() -> Iterator[None]:
    """Let SQLAlchemy pass in silence over types that it does not know and, on SQLite, indexes over expressions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
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
    existing = {*inspector.get_schema_names(), None}
    wanted = [schema for schema in dict.fromkeys(schemas) if schema in existing and schema not in _OWN_SCHEMAS]
    default = connection.dialect.default_schema_name
    return frozenset(
        TableName(schema, name) for schema in wanted for name in inspector.get_table_names(schema or default)
    )


def row_count(connection: Connection, name: TableName) -> int:
    """Return how many rows the table ``name`` has."""
    with reading(connection):
        return int(connection.scalar(select(func.count()).select_from(table(name.name, schema=name.schema))) or 0)
