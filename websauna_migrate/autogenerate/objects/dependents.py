"""What PostgreSQL keeps over tables and views, which stands in the way of their changes.

A view has to be dropped before a column of it changes its type, and before a view that it reads is created anew. So
have a policy and a trigger that name the column.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import table_of, walk_ops
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

_SYSTEM = "('pg_catalog', 'information_schema', 'pg_toast')"
_USES = sa.text(
    "SELECT DISTINCT CASE v.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END, vn.nspname, v.relname, '',"
    " rn.nspname, r.relname, a.attname FROM pg_rewrite AS w JOIN pg_class AS v ON v.oid = w.ev_class"
    " AND v.relkind IN ('v', 'm') JOIN pg_namespace AS vn ON vn.oid = v.relnamespace"
    f" AND vn.nspname NOT IN {_SYSTEM}"
    " JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid JOIN pg_class AS r ON r.oid = d.refobjid"
    " JOIN pg_namespace AS rn ON rn.oid = r.relnamespace"
    " LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0"
    " UNION SELECT 'policy', rn.nspname, p.polname, r.relname, dn.nspname, dr.relname, a.attname FROM pg_policy AS p"
    " JOIN pg_class AS r ON r.oid = p.polrelid JOIN pg_namespace AS rn ON rn.oid = r.relnamespace"
    " JOIN pg_depend AS d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid"
    " AND d.refclassid = 'pg_class'::regclass JOIN pg_class AS dr ON dr.oid = d.refobjid"
    " JOIN pg_namespace AS dn ON dn.oid = dr.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0"
    " UNION SELECT 'trigger', rn.nspname, t.tgname, r.relname, rn.nspname, r.relname, a.attname FROM pg_trigger AS t"
    " JOIN pg_class AS r ON r.oid = t.tgrelid AND NOT t.tgisinternal"
    " JOIN pg_namespace AS rn ON rn.oid = r.relnamespace"
    " JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.tgrelid"
    " JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0"
    " ORDER BY 1, 2, 3, 4, 5, 6, 7"
)
_INDEXES = sa.text(
    "SELECT indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename = :name ORDER BY indexname"
)


@dataclass(frozen=True, slots=True)
class Over:
    """A view, or a policy or a trigger ``on`` a table, in the database."""

    kind: str
    name: TableName
    on: str = ""

    def __str__(self) -> str:
        kind = self.kind.replace("_", " ")
        return f"{kind} {self.name.name} on {self.name.schema}.{self.on}" if self.on else f"{kind} {self.name}"


def over_changes(
    connection: Connection, operations: Iterable[MigrateOperation], views: Collection[TableName]
) -> dict[Over, str]:
    """Return what has to go before ``operations`` change columns and ``views`` are created anew, with the reason.

    One that is over another of those is among them. Names have their schema.
    """
    columns = set(_changed_columns(operations, connection.dialect.default_schema_name))
    if not columns and not views:
        return {}
    readers: defaultdict[TableName, dict[Over, str]] = defaultdict(dict)
    found: dict[Over, str] = {}
    for kind, schema, name, on, of_schema, of, column in connection.execute(_USES):
        one, table = Over(kind, TableName(schema, name), on), TableName(of_schema, of)
        readers[table].setdefault(one, f"{table}")
        if ColumnName(table, column or "") in columns:
            found[one] = f"column {table}.{column}"
    waiting = [*views, *(one.name for one in found if not one.on)]
    while waiting:
        new = {one: f"view {table}" for table in [waiting.pop()] for one in readers[table] if one not in found}
        found |= new
        waiting += [one.name for one in new if not one.on]
    return found


def indexes_of(connection: Connection, view: TableName) -> list[str]:
    """Return the statements that create the indexes of a materialized view."""
    return list(connection.scalars(_INDEXES, {"schema": view.schema, "name": view.name}))


def changed_tables(operations: Iterable[MigrateOperation], default: str | None) -> Iterator[TableName]:
    """Yield the tables that ``operations`` create, change, rename or drop, with their schema."""
    for op in operations:
        if isinstance(op, (ops.CreateTableOp, ops.DropTableOp, ops.ModifyTableOps)):
            yield _full(table_of(op), default)
        elif isinstance(op, ops.RenameTableOp):
            yield from (_full(TableName(op.schema, name), default) for name in (op.table_name, op.new_table_name))


def _changed_columns(operations: Iterable[MigrateOperation], default: str | None) -> Iterator[ColumnName]:
    """Yield the columns that get another type, are dropped or made anew."""
    for op in walk_ops(operations):
        if (isinstance(op, ops.AlterColumnOp) and op.modify_type is not None) or isinstance(op, ops.DropColumnOp):
            yield ColumnName(_full(table_of(op), default), op.column_name)
        elif hasattr(op, "old") and isinstance(op, ops.AddColumnOp):
            yield ColumnName(_full(table_of(op), default), op.column.name)
        elif isinstance(op, ops.DropTableOp):
            yield from (ColumnName(_full(table_of(op), default), c.name) for c in op.to_table().columns)


def _full(table: TableName, default: str | None) -> TableName:
    return TableName(table.schema or default, table.name)
