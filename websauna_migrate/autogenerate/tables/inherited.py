"""Tables that inherit on PostgreSQL: a parent comes before its children, and what is done to it is done to them too.

A column that both get is added to the child first: the parent's is then merged into it, as ``create_all()`` would make
it. It is dropped from the parent first, since a child cannot drop what it inherits, and its type is changed there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import table_of
from websauna_migrate.ordering import closure
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Table
    from sqlalchemy.engine import Dialect


class _Whole(NamedTuple):
    """The operation on a whole table: the table, and the class of the operation."""

    table: TableName
    kind: type[ops.CreateTableOp | ops.DropTableOp | ops.ModifyTableOps]


def in_order_of_inheritance(
    operations: Sequence[MigrateOperation], tables: Iterable[Table], dialect: Dialect
) -> list[MigrateOperation]:
    """Return ``operations`` in an order that the inheritance of ``tables`` allows."""
    parents = {name: of for table in tables for name, of in [_parents(table, dialect)] if of}
    ordered = list(operations)
    pairs = _pairs(parents)
    for child, parent in reversed(pairs):
        _put_before(ordered, _Whole(parent, ops.CreateTableOp), _Whole(child, ops.CreateTableOp), dialect)
        _put_before(ordered, _Whole(child, ops.DropTableOp), _Whole(parent, ops.DropTableOp), dialect)
    for child, parent in pairs:
        _add_first(ordered, child, parent, dialect)
        _drop_last(ordered, child, parent, dialect)
        _leave_types(ordered, child, parent, dialect)
    return [op for op in ordered if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _put_before(operations: list[MigrateOperation], first: _Whole, then: _Whole, dialect: Dialect) -> None:
    """Move what makes or drops one table before what does so to another, where both are there."""
    one, other = (_positions(operations, whole, dialect)[:1] for whole in (first, then))
    if one and other and one > other:
        operations.insert(other[0], operations.pop(one[0]))


def _add_first(operations: list[MigrateOperation], child: TableName, parent: TableName, dialect: Dialect) -> None:
    """Add a column of both to the child before the parent; what else is done to the child stays where it is."""
    ours, theirs = (_changes(operations, table, ops.AddColumnOp, dialect) for table in (child, parent))
    if ours and theirs and ours[0] > theirs[0]:
        operations[theirs[0] : theirs[0]] = _taken_out(operations, ours[0], theirs[0], ops.AddColumnOp)


def _drop_last(operations: list[MigrateOperation], child: TableName, parent: TableName, dialect: Dialect) -> None:
    ours, theirs = (_changes(operations, table, ops.DropColumnOp, dialect) for table in (child, parent))
    if ours and theirs and ours[0] < theirs[0]:
        operations[theirs[0] + 1 : theirs[0] + 1] = _taken_out(operations, ours[0], theirs[0], ops.DropColumnOp)


def _leave_types(operations: list[MigrateOperation], child: TableName, parent: TableName, dialect: Dialect) -> None:
    """Change the type of a column in the parent only: PostgreSQL changes it in the children."""
    ours, theirs = (_changes(operations, table, ops.AlterColumnOp, dialect) for table in (child, parent))
    if ours and theirs:
        changed = [op for op in _inner(operations[theirs[0]]) if isinstance(op, ops.AlterColumnOp)]
        names = {op.column_name for op in changed if op.modify_type is not None}
        modify: Any = operations[ours[0]]
        for op in modify.ops:
            if isinstance(op, ops.AlterColumnOp) and op.column_name in names:
                op.modify_type = None
        modify.ops = [op for op in modify.ops if not isinstance(op, ops.AlterColumnOp) or op.has_changes()]


def _changes(
    operations: Sequence[MigrateOperation], table: TableName, kind: type[MigrateOperation], dialect: Dialect
) -> list[int]:
    """Return the positions of the changes of ``table`` that have an operation of ``kind``."""
    found = _positions(operations, _Whole(table, ops.ModifyTableOps), dialect)
    return [number for number in found if any(isinstance(op, kind) for op in _inner(operations[number]))]


def _positions(operations: Sequence[MigrateOperation], whole: _Whole, dialect: Dialect) -> list[int]:
    of_kind = [(number, op) for number, op in enumerate(operations) if isinstance(op, whole.kind)]
    return [number for number, op in of_kind if table_of(op).shown(dialect.default_schema_name) == whole.table]


def _inner(modify: MigrateOperation) -> Sequence[MigrateOperation]:
    return modify.ops if isinstance(modify, ops.ModifyTableOps) else ()


def _parents(table: Table, dialect: Dialect) -> tuple[TableName, tuple[TableName, ...]]:
    default = dialect.default_schema_name
    named = table.dialect_options["postgresql"]["inherits"] or ()
    parts = [name.rpartition(".") for name in ([named] if isinstance(named, str) else named)]
    found = tuple(TableName(schema or None, name).shown(default) for schema, _, name in parts)
    return TableName(table.schema, table.name).shown(default), found


def _pairs(parents: Mapping[TableName, Sequence[TableName]]) -> list[tuple[TableName, TableName]]:
    """Return each child with each of its parents, however far up: those of the children further up first."""
    above = {child: closure(parents[child], lambda table: parents.get(table, ())) - {child} for child in parents}
    by_depth = sorted(above, key=lambda child: len(above[child]))
    return [(child, parent) for child in by_depth for parent in sorted(above[child], key=str)]


def _taken_out(
    operations: Sequence[MigrateOperation], ours: int, theirs: int, kind: type[ops.AddColumnOp | ops.DropColumnOp]
) -> list[MigrateOperation]:
    """Take the operations of ``kind`` that the parent has too out of the child's; return what does them by itself."""
    child: Any = operations[ours]
    names = {_column(op) for op in _inner(operations[theirs]) if isinstance(op, kind)}
    taken = [op for op in child.ops if isinstance(op, kind) and _column(op) in names]
    child.ops = [op for op in child.ops if op not in taken]
    return [ops.ModifyTableOps(child.table_name, [op], schema=child.schema) for op in taken]


def _column(op: MigrateOperation) -> str:
    return str(op.column.name if isinstance(op, ops.AddColumnOp) else getattr(op, "column_name", ""))
