"""What a database says about the tables that statements change: how large they are, and what their columns are.

Reads only, and waits for no table: few statements for all tables together, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import quiet_reflection
from websauna_migrate.database.table_sizes import Size, read_sizes
from websauna_migrate.dialects.spelling import type_text
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a column is: its ``type`` as DDL has it, and whether a ``NULL`` can be in it; None where it is unknown."""

    type: str | None
    nullable: bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a database. Without one, nothing is.

    ``checked`` are columns in which a valid ``CHECK`` forbids ``NULL``. ``enums`` are the values of types, ``keys`` the
    columns of primary keys that have one column.
    """

    is_known: bool = False
    sizes: Mapping[TableName, Size] = field(default_factory=dict)
    columns: Mapping[ColumnName, ColumnFacts] = field(default_factory=dict)
    checked: frozenset[ColumnName] = frozenset()
    enums: Mapping[TypeName, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[TableName, str] = field(default_factory=dict)


NOTHING = Facts()


def read_facts(
    connection: Connection,
    tables: Iterable[TableName],
    redefined: Iterable[TableName],
    changed: Iterable[TableName],
) -> Facts:
    """Return what the database says about ``tables``.

    Of those that are ``redefined`` that is about their columns too, of those whose rows are ``changed`` about their
    keys.
    """
    with reading(connection), quiet_reflection():
        sizes = read_sizes(connection, _in_order(tables))
        there = _in_order(table for table in redefined if table in sizes)
        reflected = list(_reflected(connection, there))
        keys = dict(_keys(connection, _in_order(table for table in changed if table in sizes)))
        checked = frozenset(_checked(connection, there)) if connection.dialect.name == "postgresql" else frozenset()
    columns = {
        name: ColumnFacts(type_text(column["type"], connection.dialect), bool(column["nullable"]))
        for name, column in reflected
    }
    types = (getattr(column["type"], "item_type", column["type"]) for _, column in reflected)
    enums = {
        TypeName(type_.schema, type_.name): tuple(type_.enums)
        for type_ in types
        if isinstance(type_, sa.Enum) and type_.name
    }
    return Facts(True, sizes, columns, checked, enums, keys)


# --- columns ---------------------------------------------------------------------------------------------------


def _in_order(tables: Iterable[TableName]) -> list[TableName]:
    return sorted(set(tables), key=lambda table: (table.schema or "", table.name))


def _by_schema(tables: Iterable[TableName]) -> Iterator[tuple[str | None, list[str]]]:
    for schema, group in groupby(tables, key=lambda table: table.schema):
        yield schema, [table.name for table in group]


def _reflected(connection: Connection, tables: Iterable[TableName]) -> Iterator[tuple[ColumnName, Any]]:
    for schema, names in _by_schema(tables):
        found = sa.inspect(connection).get_multi_columns(schema, filter_names=names)
        for (_, name), columns in found.items():
            yield from ((ColumnName(TableName(schema, name), column["name"]), column) for column in columns)


def _keys(connection: Connection, tables: Iterable[TableName]) -> Iterator[tuple[TableName, str]]:
    for schema, names in _by_schema(tables):
        found = sa.inspect(connection).get_multi_pk_constraint(schema, filter_names=names)
        for (_, name), key in found.items():
            if key is not None and len(key["constrained_columns"]) == 1:
                yield TableName(schema, name), key["constrained_columns"][0]


def _checked(connection: Connection, tables: Iterable[TableName]) -> Iterator[ColumnName]:
    for schema, names in _by_schema(tables):
        found = sa.inspect(connection).get_multi_check_constraints(schema, filter_names=names)
        for (_, name), checks in found.items():
            for check in checks:
                text, is_null, rest = str(check["sqltext"]).partition(" IS NOT NULL")
                if is_null and not rest and not check.get("dialect_options", {}).get("not_valid"):
                    yield ColumnName(TableName(schema, name), text.strip('"'))
