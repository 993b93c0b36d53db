"""Computed columns whose expression, or whether it is stored, changed.

No database can change all of that in place: the column is dropped and added again, with the indexes and constraints
over it. PostgreSQL 17 and later have ``SET EXPRESSION``. ``retyped`` tells what else is made anew on PostgreSQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.util import PriorityDispatchResult, warn

from websauna_migrate.autogenerate.columns.retyped import (
    DROPS,
    apart,
    drops_of_parts,
    is_computed_add,
    is_computed_drop,
    names,
    take_note,
    with_recreated,
)
from websauna_migrate.autogenerate.script_ops import Do, RecreateColumn, StatementsOp, by_hand
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import literal_sql, quoted_table
from websauna_migrate.dialects.computed import Stored, is_same_computed
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp, MigrateOperation, ModifyTableOps
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column, Constraint, Index, Table
    from sqlalchemy.engine import Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames

# Marks on an operation, as Alembic reverses them: the columns of the models and of the database.
_MODIFY, _EXISTING = "modify_computed", "existing_computed"
# Both, where the column is made anew only if something else of it changes.
_IF_CHANGED = "computed"


def compare_computed(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Decide whether a computed column changed, or a column became one or is one no more."""
    if found.computed is None and wanted.computed is None:
        return PriorityDispatchResult.CONTINUE
    is_one_no_more = found.computed is None or wanted.computed is None
    if is_one_no_more or not _is_same(context, schema, table, found, wanted):
        alter.kw |= {_MODIFY: wanted, _EXISTING: found}
    elif connection_of(context).dialect.name in ("mysql", "mariadb"):  # where another change would make it a plain one
        alter.kw[_IF_CHANGED] = (found, wanted)
    return PriorityDispatchResult.STOP


def _is_same(context: AutogenContext, schema: str | None, table: str, found: Column[Any], wanted: Column[Any]) -> bool:
    renames: Renames | None = context.opts.get(RENAMES)
    name = TableName(schema, table)
    stored = Stored(renames.stored(name), renames.columns.get(name, {})) if renames is not None else Stored(name)
    connection = connection_of(context)
    same = is_same_computed(found, wanted, connection, stored)
    if same is None:
        same = _expression(found, connection.dialect) == _expression(wanted, connection.dialect)
        if not same:
            warn(
                f"The expression of computed column {name}.{wanted.name} cannot be compared in this database; "
                f"it is taken for unchanged"
            )
            return True
    return same


def _expression(column: Column[Any], dialect: Dialect) -> str:
    assert column.computed is not None
    return "".join(literal_sql(column.computed.sqltext, dialect).split())


def recreate_columns(script: ops.MigrationScript, migration: MigrationContext, *, is_written: bool) -> None:
    """Put what a database accepts in place of the changes of computed columns in ``script``, both ways.

    What is over a column is dropped and made again only where the script ``is_written``: it is no difference.
    """
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        changed = [op for op in upgrade.ops if isinstance(op, ops.ModifyTableOps)]
        for modify in changed:
            _recreate_in(modify, migration, is_written)
        if changed:
            upgrade.reverse_into(downgrade)


def _recreate_in(modify: ModifyTableOps, migration: MigrationContext, is_written: bool) -> None:
    """Replace the operations of ``modify`` by those that change its computed columns."""
    dialect = migration.dialect
    over = take_note(modify, dialect)
    inner = [part for op in modify.ops for part in _replaced(modify, op, migration)]
    if is_written and dialect.name != "sqlite":  # a batch keeps what is over a column
        inner = _in_order(inner) if over is None else with_recreated(inner, over, dialect)
        recreated = [op for op in inner if isinstance(op, RecreateColumn)]
        parts = {name: op for one in recreated for name, op in _drops_over(one, dialect)}
        parts |= dict(drops_of_parts(over, dialect)) if over is not None else {}
        inner = _around(inner, parts) if recreated or parts else inner
        inner = inner if over is None else apart(inner)
    modify.ops = inner


def _replaced(modify: ModifyTableOps, op: MigrateOperation, migration: MigrationContext) -> list[MigrateOperation]:
    columns = _columns_of(op) if isinstance(op, ops.AlterColumnOp) else None
    if columns is None:
        return [op]
    assert isinstance(op, ops.AlterColumnOp)
    return _replacement(modify, op, *columns, migration)


def _in_order(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Add a computed column after the others, and drop it before them: it may be computed of one of these."""
    ordered = list(operations)
    for kind, is_later in ((ops.AddColumnOp, is_computed_add), (ops.DropColumnOp, lambda op: not is_computed_drop(op))):
        places = [place for place, op in enumerate(operations) if type(op) is kind]
        for place, op in zip(places, sorted((operations[place] for place in places), key=is_later), strict=True):
            ordered[place] = op
    return ordered


def _columns_of(op: AlterColumnOp) -> tuple[Column[Any], Column[Any]] | None:
    """Return the column of the database and that of the models where it has to be made anew, and unmark ``op``."""
    unchanged: tuple[Column[Any], Column[Any]] | None = op.kw.pop(_IF_CHANGED, None)
    found, wanted = op.kw.pop(_EXISTING, None), op.kw.pop(_MODIFY, None)
    return unchanged if wanted is None else (found, wanted)


def _replacement(
    modify: ModifyTableOps, op: AlterColumnOp, found: Column[Any], wanted: Column[Any], migration: MigrationContext
) -> list[MigrateOperation]:
    if found.primary_key or wanted.primary_key:
        place = ColumnName(TableName(modify.schema, modify.table_name), found.name)
        text = f"computed column {place} is part of the primary key: drop the key and the column, and add them again"
        return [by_hand(RecreateColumn(modify.table_name, wanted, found, schema=modify.schema).to_diff_tuple(), text)]
    if _can_set_expression(found, wanted, migration):
        return [_set_expression(modify, found, wanted, migration.dialect), *([op] if op.has_changes() else [])]
    return [RecreateColumn(modify.table_name, wanted, found, schema=modify.schema)]


def _can_set_expression(found: Column[Any], wanted: Column[Any], migration: MigrationContext) -> bool:
    if migration.dialect.name != "postgresql" or found.computed is None or wanted.computed is None:
        return False
    version: tuple[int, ...] = getattr(migration.dialect, "server_version_info", None) or (0,)
    is_stored = wanted.computed.persisted
    if is_stored is None:
        is_stored = not getattr(migration.dialect, "supports_virtual_generated_columns", False)
    return version >= (17,) and bool(found.computed.persisted) is is_stored


def _set_expression(modify: ModifyTableOps, found: Column[Any], wanted: Column[Any], dialect: Dialect) -> StatementsOp:
    assert found.computed is not None
    assert wanted.computed is not None
    table = quoted_table(TableName(modify.schema, modify.table_name), dialect)
    column = quoted_table(TableName(None, wanted.name), dialect)
    before, after = (literal_sql(computed.sqltext, dialect) for computed in (found.computed, wanted.computed))
    there, back = (f"ALTER TABLE {table} ALTER COLUMN {column} SET EXPRESSION AS ({sql})" for sql in (after, before))
    diff: tuple[object, ...] = (_MODIFY, modify.schema, modify.table_name, wanted.name, {}, before, after)
    return StatementsOp(diff, [Do(there)], [Do(back)])


def _around(operations: Iterable[MigrateOperation], parts: Mapping[str, MigrateOperation]) -> list[MigrateOperation]:
    """Return ``operations`` with the indexes and constraints that ``parts`` drop, by name, gone before and back after.

    They go with a column that is dropped, or stand in its way.
    """
    inner = list(operations)
    drops = [op for op in inner if isinstance(op, DROPS)]
    gone = {str(getattr(op, "index_name", None) or getattr(op, "constraint_name", None)) for op in drops}
    over = [op for name, op in parts.items() if name not in gone]
    rest = [op for op in inner if op not in drops]
    return [*drops, *over, *rest, *(op.reverse() for op in over)]


def _drops_over(op: RecreateColumn, dialect: Dialect) -> Iterator[tuple[str, MigrateOperation]]:
    """Yield what drops the indexes and constraints over a column that is made anew, by name."""
    yield from ((str(item.name), _drop(item, op.column.table)) for item in _parts_over(op.old, dialect))


def _parts_over(column: Column[Any], dialect: Dialect) -> Iterator[Index | Constraint]:
    """Yield the indexes and constraints of the table of ``column`` that have it."""
    for index in sorted(column.table.indexes, key=lambda one: str(one.name)):
        if "duplicates_constraint" not in index.info and (
            column.name in index.columns or _is_named(column, " ".join(map(str, index.expressions)), dialect)
        ):
            yield index
    for constraint in sorted(column.table.constraints, key=lambda one: str(one.name)):
        if isinstance(constraint, sa.CheckConstraint):
            if constraint.name is not None and _is_named(column, str(constraint.sqltext), dialect):
                yield constraint
        elif isinstance(constraint, (sa.UniqueConstraint, sa.ForeignKeyConstraint)) and (
            column.name in constraint.columns
        ):
            yield constraint


def _is_named(column: Column[Any], sql: str, dialect: Dialect) -> bool:
    return names(sql, {column.name}, dialect)


def _drop(item: Index | Constraint, model: Table) -> MigrateOperation:
    """Return what drops ``item``; an index comes back as in the ``model``, of which a database does not show all."""
    if isinstance(item, sa.Index):
        return ops.DropIndexOp.from_index({str(one.name): one for one in model.indexes}.get(str(item.name), item))
    return ops.DropConstraintOp.from_constraint(item)
