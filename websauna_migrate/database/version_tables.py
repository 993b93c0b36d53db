"""The version tables of other tools in a database: which there are, whatever their names, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Select, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import quiet_reflection, table_names
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_COLUMN = "version_num"


@dataclass(frozen=True, slots=True)
class VersionTable:
    """The table of another tool that says where a database stands.

    ``rows`` is None where it is not of Alembic's form; ``only_rows`` tells whether it holds nothing else.
    """

    name: TableName
    rows: tuple[str, ...] | None
    only_rows: bool


def find_version_tables(
    connection: Connection, besides: Collection[TableName], schemas: Iterable[str | None] = (None,)
) -> tuple[VersionTable, ...]:
    """Return the tables of Alembic's form in ``schemas``, whatever their names; None is the default one.

    Those ``besides`` are left out, and so are tables that this user may not read.
    """
    default = connection.dialect.default_schema_name
    with reading(connection):
        names = table_names(connection, schemas)
        columns = dict(_columns(connection, names - {name.shown(default) for name in besides}))
    found = []
    for name in sorted((name for name, those in columns.items() if _COLUMN in those), key=str):
        with suppress(DBAPIError), reading(connection):
            found.append(_read(connection, name, columns[name]))
    return tuple(found)


def read_version_table(connection: Connection, name: TableName) -> VersionTable | None:
    """Return what the version table ``name`` holds, None where there is none."""
    schema = name.schema or connection.dialect.default_schema_name
    with reading(connection), quiet_reflection():
        inspector = inspect(connection)
        if not inspector.has_table(name.name, schema):
            return None
        columns = [item["name"] for item in inspector.get_columns(name.name, schema)]
        return _read(connection, name, columns)


def _columns(connection: Connection, names: Iterable[TableName]) -> Iterator[tuple[TableName, list[str]]]:
    by_schema: dict[str | None, list[str]] = {}
    for name in names:
        by_schema.setdefault(name.schema, []).append(name.name)
    inspector = inspect(connection)
    with quiet_reflection():
        for schema, those in by_schema.items():
            place = schema or connection.dialect.default_schema_name
            for (_, found), columns in inspector.get_multi_columns(place, filter_names=those).items():
                yield TableName(schema, str(found)), [item["name"] for item in columns]


def _read(connection: Connection, name: TableName, columns: list[str]) -> VersionTable:
    query: Select[tuple[str]] = select(column(_COLUMN)).select_from(table(name.name, schema=name.schema))
    rows = tuple(sorted(map(str, connection.scalars(query)))) if _COLUMN in columns else None
    return VersionTable(name, rows, columns == [_COLUMN])
