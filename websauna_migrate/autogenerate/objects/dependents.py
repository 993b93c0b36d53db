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

from websauna_migrate.autogenerate.script_ops import InTheWay, StatementsOp, table_of, walk_ops
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

# What each rule of a view, policy and trigger depends on: columns, whole relations, and functions.
_USES = sa.text(
    "WITH users AS ("
    "SELECT CASE v.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END AS kind, v.relnamespace AS namespace,"
    " v.relname AS name, '' AS on_table, 'pg_rewrite'::regclass AS class, w.oid, v.oid AS own"
    " FROM pg_rewrite AS w JOIN pg_class AS v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')"
    " UNION ALL SELECT 'policy', r.relnamespace, p.polname, r.relname, 'pg_policy'::regclass, p.oid, 0"
    " FROM pg_policy AS p JOIN pg_class AS r ON r.oid = p.polrelid"
    " UNION ALL SELECT 'trigger', r.relnamespace, t.tgname, r.relname, 'pg_trigger'::regclass, t.oid, 0"
    " FROM pg_trigger AS t JOIN pg_class AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal)"
    " SELECT DISTINCT u.kind, n.nspname, u.name, u.on_table, un.nspname, coalesce(r.relname, f.proname || '()'),"
    " a.attname FROM users AS u JOIN pg_namespace AS n ON n.oid = u.namespace"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " JOIN pg_depend AS d ON d.classid = u.class AND d.objid = u.oid"
    " LEFT JOIN pg_class AS r ON d.refclassid = 'pg_class'::regclass AND r.oid = d.refobjid AND r.oid <> u.own"
    " LEFT JOIN pg_proc AS f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid"
    " LEFT JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = d.refobjsubid AND a.attnum > 0"
    " JOIN pg_namespace AS un ON un.oid = coalesce(r.relnamespace, f.pronamespace) ORDER BY 1, 2, 3, 4, 5, 6, 7"
)
_KEPT = sa.text(
    "WITH view AS (SELECT c.*, format('%I.%I', n.nspname, c.relname) AS shown,"
    " CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS kind"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('v', 'm') AND n.nspname = :schema AND c.relname = :name)"
    " SELECT 1, format('ALTER %s %s SET (%s)', kind, shown, array_to_string(reloptions, ', ')) FROM view"
    " WHERE reloptions IS NOT NULL"
    " UNION ALL SELECT 2, pg_get_indexdef(i.indexrelid) FROM view JOIN pg_index AS i ON i.indrelid = view.oid"
    " UNION ALL SELECT 3, format('COMMENT ON %s %s IS %L', kind, shown, d.description) FROM view"
    " JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = view.oid AND d.objsubid = 0"
    " ORDER BY 1, 2"
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


def function_key(name: TableName) -> TableName:
    """Return what stands for a function among the names of relations."""
    return TableName(name.schema, f"{name.name}()")


def over_changes(
    connection: Connection, operations: Iterable[MigrateOperation], gone: Collection[TableName]
) -> dict[Over, frozenset[ColumnName]]:
    """Return what has to go before ``operations`` change columns, and before ``gone`` views and functions go.

    With each, those of the columns that it reads. One that is over another of them is among them. Names have their
    schema.
    """
    columns = set(_changed_columns(operations, connection.dialect.default_schema_name))
    if not columns and not gone:
        return {}
    readers: defaultdict[TableName, dict[Over, None]] = defaultdict(dict)
    found: dict[Over, frozenset[ColumnName]] = {}
    for kind, schema, name, on, of_schema, of, column in connection.execute(_USES):
        one, read = Over(kind, TableName(schema, name), on), TableName(of_schema, of)
        readers[read][one] = None
        if ColumnName(read, column or "") in columns:
            found[one] = found.get(one, frozenset()) | {ColumnName(read, column)}
    waiting = [*gone, *(one.name for one in found if not one.on)]
    while waiting:
        new = [one for one in readers[waiting.pop()] if one not in found]
        found |= dict.fromkeys(new, frozenset())
        waiting += [one.name for one in new if not one.on]
    return found


def obstacles(
    over: Mapping[Over, frozenset[ColumnName]], operations: Iterable[MigrateOperation], default: str | None
) -> Iterator[tuple[Over, str]]:
    """Yield those of ``over`` that keep a column from being changed, with what to say; ``operations`` change it.

    Not for changes that say so in a comment.
    """
    changes = [op for op in operations if not isinstance(op, StatementsOp)]
    dropped = {_full(table_of(op), default) for op in changes if isinstance(op, ops.DropTableOp)}
    changed = set(_changed_columns(changes, default))
    advice = "which changes: drop it before and create it again after that in the script"
    for one, columns in over.items():
        if TableName(one.name.schema, one.on) not in dropped:
            yield from ((one, f"reads column {column}, {advice}") for column in sorted(columns & changed, key=str)[:1])


def kept_with(connection: Connection, view: TableName) -> list[str]:
    """Return the statements that give a view its options, its indexes and its comment again."""
    return [sql for _, sql in connection.execute(_KEPT, {"schema": view.schema, "name": view.name})]


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
        elif isinstance(op, StatementsOp):
            notes = (one for one in op.statements if isinstance(one, InTheWay))
            yield from (ColumnName(_full(note.column.table, default), note.column.name) for note in notes)


def _full(table: TableName, default: str | None) -> TableName:
    return TableName(table.schema or default, table.name)
