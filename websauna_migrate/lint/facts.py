"""What a database says about the tables that statements change: how large they are, and what their columns are.

Reads only, and waits for no table: few statements for all tables together, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import quiet_reflection
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.dialects.spelling import type_text
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Size:
    """How large a table is: its ``rows``, an estimate where there are many, and its ``bytes`` with its indexes."""

    rows: int | None
    bytes: int | None
    is_partitioned: bool = False


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a column is: its ``type`` as DDL has it, and whether a ``NULL`` can be in it; None where it is unknown."""

    type: str | None
    nullable: bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a database. Without one, nothing is.

    ``checked`` are columns in which a valid ``CHECK`` forbids ``NULL``. ``enums`` are the values of types.
    """

    is_known: bool = False
    sizes: Mapping[TableName, Size] = field(default_factory=dict)
    columns: Mapping[ColumnName, ColumnFacts] = field(default_factory=dict)
    checked: frozenset[ColumnName] = frozenset()
    enums: Mapping[TypeName, tuple[str, ...]] = field(default_factory=dict)


NOTHING = Facts()

_COUNTED = 100_000  # rows
_QUICK = 16 * 2**20  # bytes of a table whose rows are counted, and not only estimated

# A partitioned table is as large as its partitions.
_POSTGRESQL = sa.text(
    "SELECT wanted.name, bool_or(c.relkind = 'p'), CAST(sum(pg_total_relation_size(part.oid)) AS bigint),"
    " CAST(sum(pg_relation_size(part.oid)) AS bigint), CAST(sum(greatest(part.reltuples, 0)) AS bigint)"
    " FROM unnest(:names) AS wanted(name) JOIN pg_class AS c ON c.oid = to_regclass(wanted.name)"
    " CROSS JOIN LATERAL (SELECT CAST(relid AS oid) AS oid FROM pg_partition_tree(c.oid) UNION SELECT c.oid) AS tree"
    " JOIN pg_class AS part ON part.oid = tree.oid GROUP BY wanted.name"
).bindparams(sa.bindparam("names", type_=ARRAY(sa.Text)))

_MYSQL = sa.text(
    "SELECT concat(table_schema, '.', table_name), 0, data_length + index_length, data_length, table_rows"
    " FROM information_schema.tables WHERE concat(table_schema, '.', table_name) IN :names"
).bindparams(sa.bindparam("names", expanding=True))

# A table that is locked now is not waited for.
_NO_WAIT = ("SET LOCAL lock_timeout = '1s'", "SET LOCAL statement_timeout = '5s'")


def read_facts(connection: Connection, tables: Iterable[TableName], redefined: Iterable[TableName]) -> Facts:
    """Return what the database says about ``tables``, and about the columns of those that are ``redefined``."""
    with reading(connection), quiet_reflection():
        sizes = _sizes(connection, _in_order(tables))
        there = _in_order(table for table in redefined if table in sizes)
        reflected = list(_reflected(connection, there))
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
    return Facts(True, sizes, columns, checked, enums)


# --- sizes -----------------------------------------------------------------------------------------------------


def _sizes(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, Size]:
    if not tables:
        return {}
    if connection.dialect.name == "postgresql":
        names = {quoted_table(table, connection.dialect): table for table in tables}
        rows = connection.execute(_POSTGRESQL, {"names": list(names)})
    elif connection.dialect.name in ("mysql", "mariadb"):
        default = connection.dialect.default_schema_name
        names = {f"{table.schema or default}.{table.name}": table for table in tables}
        rows = connection.execute(_MYSQL, {"names": list(names)})
    else:
        inspector = sa.inspect(connection)
        there = [TableName(s, name) for s, names in _by_schema(tables) for name in inspector.get_table_names(s)]
        counted = _counted(connection, {table: None for table in tables if table in there})
        return {table: Size(rows, None) for table, rows in counted.items()}
    found = [(names[row[0]], int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows]
    counted = _counted(connection, {table: estimate for table, _, _, size, estimate in found if size < _QUICK})
    return {
        table: Size(counted.get(table, estimate), total, bool(is_partitioned))
        for table, is_partitioned, total, _, estimate in found
    }


def _counted(connection: Connection, estimates: Mapping[TableName, int | None]) -> Mapping[TableName, int | None]:
    """Return the rows of tables, counted by one query; the ``estimates`` where that is not allowed, or has to wait."""
    names = [quoted_table(table, connection.dialect) for table in estimates]
    queries = [
        f"SELECT {number}, (SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {_COUNTED}) AS counted)"
        for number, name in enumerate(names)
    ]
    if not queries:
        return {}
    try:
        with connection.begin_nested():
            for statement in _NO_WAIT if connection.dialect.name == "postgresql" else ():
                connection.exec_driver_sql(statement)
            rows = connection.exec_driver_sql(" UNION ALL ".join(queries))
            counts = {int(row[0]): int(row[1]) for row in rows}
    except DBAPIError:
        return estimates
    return {
        table: max(counts[number], estimates[table] or 0) if counts[number] == _COUNTED else counts[number]
        for number, table in enumerate(estimates)
    }


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


def _checked(connection: Connection, tables: Iterable[TableName]) -> Iterator[ColumnName]:
    for schema, names in _by_schema(tables):
        found = sa.inspect(connection).get_multi_check_constraints(schema, filter_names=names)
        for (_, name), checks in found.items():
            for check in checks:
                text, is_null, rest = str(check["sqltext"]).partition(" IS NOT NULL")
                if is_null and not rest and not check.get("dialect_options", {}).get("not_valid"):
                    yield ColumnName(TableName(schema, name), text.strip('"'))
