"""How large tables are: by the statistics of the database, and counted where that is quick.

Waits for no table: few statements for all tables together, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Size:
    """How large a table is: its ``rows``, an estimate where there are many, and its ``bytes`` with its indexes."""

    rows: int | None
    bytes: int | None
    is_partitioned: bool = False


@dataclass(frozen=True, slots=True)
class _Estimate:
    """What the statistics say: the bytes ``of_rows`` are those without indexes."""

    rows: int
    bytes: int
    of_rows: int
    is_partitioned: bool


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


def read_sizes(connection: Connection, tables: Iterable[TableName]) -> dict[TableName, Size]:
    """Return the sizes of those of ``tables`` that there are; the rows of small ones are counted."""
    tables = list(tables)
    if not tables:
        return {}
    estimates = _estimates(connection, tables)
    if estimates is None:  # as on SQLite: it counts quickly, and has no statistics
        inspector = sa.inspect(connection)
        schemas = {table.schema for table in tables}
        there = {TableName(schema, name) for schema in schemas for name in inspector.get_table_names(schema)}
        rows = _counted(connection, {table: None for table in tables if table in there})
        return {table: Size(count, None) for table, count in rows.items()}
    small = {table: one.rows for table, one in estimates.items() if one.of_rows < _QUICK}
    rows = _counted(connection, small)
    return {table: Size(rows.get(table, one.rows), one.bytes, one.is_partitioned) for table, one in estimates.items()}


def estimated_rows(connection: Connection, table: TableName) -> int | None:
    """Return how many rows the statistics of the database say that a table has, None where there are none."""
    found = (_estimates(connection, [table]) or {}).get(table)
    return found.rows if found is not None and found.rows else None


def _estimates(connection: Connection, tables: Iterable[TableName]) -> dict[TableName, _Estimate] | None:
    """Return what the statistics say, None where the database has none."""
    dialect = connection.dialect
    if dialect.name == "postgresql":
        query, names = _POSTGRESQL, {quoted_table(table, dialect): table for table in tables}
    elif dialect.name in ("mysql", "mariadb"):
        default = dialect.default_schema_name
        query, names = _MYSQL, {f"{table.schema or default}.{table.name}": table for table in tables}
    else:
        return None
    rows = connection.execute(query, {"names": list(names)})
    return {
        names[name]: _Estimate(int(count or 0), int(total or 0), int(of_rows or 0), bool(is_partitioned))
        for name, is_partitioned, total, of_rows, count in rows
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
