"""Values for the rows that are there, of columns that are not to be NULL.

``NOT NULL`` without a default cannot be added to a table with rows. Here the column is made without it, filled, and
only then restricted. What to fill it with is asked about, or known: the values that a column had while it was computed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.util import warn
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.autogenerate.columns.identities import go_on
from websauna_migrate.autogenerate.script_ops import Comment, RecreateColumn, column_of, table_of, walk_ops
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons, literal_sql, quoted_table
from websauna_migrate.exceptions import reason_of
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations.ops import AddColumnOp, AlterColumnOp, MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames


def fill_columns(
    script: ops.MigrationScript, migration: MigrationContext, renames: Renames, ask: Callable[[str], str] | None
) -> None:
    """Let ``script`` fill the columns that need it: with what they were, or with what ``ask`` returns.

    Without ``ask``, or with an empty answer, a comment in the script shows how to fill the column.
    """
    dialect = migration.dialect
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        answers, open_ = _answers(upgrade, migration, renames, ask)
        for container in (upgrade, downgrade):
            known = dict(_known(container, dialect))
            fills = known if container is downgrade else {**known, **answers}
            container.ops[:] = filled(container.ops, fills, dialect)
            container.ops[:] = [part for op in container.ops for part in (op, *_counted_on(op, dialect))]
        upgrade.ops[:] = [part for op in upgrade.ops for part in (*_comments(op, open_, migration), op)]


def filled(
    operations: Sequence[MigrateOperation], fills: Mapping[ColumnName, str], dialect: Dialect
) -> list[MigrateOperation]:
    """Return ``operations`` with columns filled as ``fills`` says, in SQL, before they are restricted."""
    return [part for op in operations for part in (_filled(op, fills, dialect) if fills else [op])]


def _filled(op: MigrateOperation, fills: Mapping[ColumnName, str], dialect: Dialect) -> Iterator[MigrateOperation]:
    if not isinstance(op, ops.ModifyTableOps):
        yield op
        return
    of = [one for one in op.ops if isinstance(one, _Columns) and column_of_op(one, dialect) in fills]
    added = [one for one in of if isinstance(one, ops.AddColumnOp)]
    updates = {id(one): _execute(one, fills[column_of_op(one, dialect)], dialect) for one in of}
    yield from (updates[id(one)] for one in of if one not in added)
    restrictions = [restricted(one) for one in added if not one.column.nullable]
    for one in added:
        one.column = made_nullable(one.column)
    yield op
    yield from (updates[id(one)] for one in added)
    if restrictions:
        yield ops.ModifyTableOps(op.table_name, list(restrictions), schema=op.schema)


_Columns = (ops.AddColumnOp, ops.AlterColumnOp)


def column_of_op(op: AddColumnOp | AlterColumnOp, dialect: Dialect) -> ColumnName:
    """Return the column that ``op`` makes or changes."""
    if isinstance(op, ops.AlterColumnOp):
        return column_of(op, dialect)
    return ColumnName(table_of(op).shown(dialect.default_schema_name), op.column.name)


def made_nullable(column: sa.Column[Any]) -> sa.Column[Any]:
    """Return ``column`` as one that may be NULL."""
    bare = copy.copy(column)  # it may be that of the models
    bare.nullable = True
    return bare


def restricted(op: AddColumnOp) -> AlterColumnOp:
    """Return what makes the column that ``op`` adds NOT NULL."""
    return ops.AlterColumnOp(
        op.table_name,
        op.column.name,
        schema=op.schema,
        existing_type=op.column.type,
        existing_server_default=op.column.server_default,
        existing_comment=op.column.comment,
        existing_nullable=True,
        modify_nullable=False,
    )


def _execute(op: AddColumnOp | AlterColumnOp, expression: str, dialect: Dialect) -> ops.ExecuteSQLOp:
    return ops.ExecuteSQLOp(escape_colons(_update(op, expression, dialect)))


def _update(op: AddColumnOp | AlterColumnOp, expression: str, dialect: Dialect) -> str:
    table, column = column_of_op(op, dialect)
    quoted = quoted_table(TableName(None, column), dialect)
    return f"UPDATE {quoted_table(table, dialect)} SET {quoted} = {expression} WHERE {quoted} IS NULL"


def _known(container: ops.OpContainer, dialect: Dialect) -> Iterator[tuple[ColumnName, str]]:
    """Yield the columns that are computed no more, with the expressions that they had."""
    for op in walk_ops(container.ops):
        if isinstance(op, RecreateColumn) and op.old.computed is not None and op.column.computed is None:
            yield column_of_op(op, dialect), literal_sql(op.old.computed.sqltext, dialect)


def _counted_on(op: MigrateOperation, dialect: Dialect) -> Iterator[ops.ExecuteSQLOp]:
    """Yield what lets each column that becomes an identity in ``op`` go on behind the numbers that it has."""
    inner = op.ops if isinstance(op, ops.ModifyTableOps) else ()
    for alter in (one for one in inner if isinstance(one, ops.AlterColumnOp)):
        identity = alter.modify_server_default
        if isinstance(identity, sa.Identity) and not isinstance(alter.existing_server_default, sa.Identity):
            yield ops.ExecuteSQLOp(escape_colons(go_on(alter, identity, dialect)))


# --- what is asked about ---------------------------------------------------------------------------------------


def _answers(
    upgrade: ops.OpContainer, migration: MigrationContext, renames: Renames, ask: Callable[[str], str] | None
) -> tuple[dict[ColumnName, str], set[ColumnName]]:
    """Return what to fill columns with, and the columns for which that is not known."""
    answers: dict[ColumnName, str] = {}
    open_: set[ColumnName] = set()
    for op in _not_null(upgrade, migration, renames):
        column = column_of_op(op, migration.dialect)
        answer = _ask(column, migration, renames, ask) if ask is not None else ""
        if answer:
            answers[column] = answer
            continue
        open_.add(column)
        if ask is None:
            warn(
                f"Column {column} is NOT NULL, and the rows of the table have no value for it; "
                f"give it a server_default, or fill it as the comment in the script shows"
            )
    return answers, open_


def _ask(column: ColumnName, migration: MigrationContext, renames: Renames, ask: Callable[[str], str]) -> str:
    question = f'column "{column.name}" of table "{column.table}" is NOT NULL. SQL value for its rows (empty: none)?'
    problem = ""
    while answer := ask(f"{problem}{question}"):
        reason = _problem(answer, column, migration, renames)
        if reason is None:
            break
        problem = f"{answer} cannot be used: {reason}. "
    return answer


def _problem(expression: str, column: ColumnName, migration: MigrationContext, renames: Renames) -> str | None:
    """Return why ``expression`` gives no value for a row, None where it gives one."""
    connection = connection_of(migration)
    table = quoted_table(renames.stored(column.table), migration.dialect)
    try:
        with connection.begin_nested():
            value = connection.scalar(sa.text(escape_colons(f"SELECT {expression} FROM {table} LIMIT 1")))
    except SQLAlchemyError as error:
        return reason_of(error)
    return "it is NULL" if value is None else None


def _not_null(
    upgrade: ops.OpContainer, migration: MigrationContext, renames: Renames
) -> Iterator[AddColumnOp | AlterColumnOp]:
    """Yield what makes a column NOT NULL though rows have no value for it."""
    connection = connection_of(migration)
    for op in walk_ops(upgrade.ops):
        if isinstance(op, _Columns) and needs_value(op) and _has_rows(op, connection, renames):
            yield op


def needs_value(op: AddColumnOp | AlterColumnOp) -> bool:
    """Tell whether ``op`` makes a column NOT NULL that has no default."""
    if isinstance(op, ops.AlterColumnOp):
        return op.modify_nullable is False
    column = op.column
    is_numbered = isinstance(column.table, sa.Table) and column.table.autoincrement_column is column
    has_none = not column.nullable and column.server_default is None and not is_numbered
    return has_none and not isinstance(op, RecreateColumn)


def _has_rows(op: AddColumnOp | AlterColumnOp, connection: Connection, renames: Renames) -> bool:
    """Tell whether the table of ``op`` has a row, one that is NULL in the column where that is there already."""
    table = table_of(op).shown(connection.dialect.default_schema_name)
    stored = renames.stored(table)
    rows = sa.select(sa.literal(1)).select_from(sa.table(stored.name, schema=stored.schema)).limit(1)
    if isinstance(op, ops.AlterColumnOp):
        old = {new: old for old, new in renames.columns.get(table, {}).items()}
        rows = rows.where(sa.column(old.get(op.column_name, op.column_name)).is_(None))
    return connection.scalar(rows) is not None


def _comments(op: MigrateOperation, open_: set[ColumnName], migration: MigrationContext) -> Iterator[Comment]:
    """Yield how to fill each column that ``op`` restricts and that is in ``open_``."""
    for one in op.ops if isinstance(op, ops.ModifyTableOps) else ():
        if isinstance(one, _Columns) and column_of_op(one, migration.dialect) in open_:
            yield comment_on_filling(one, migration)


def comment_on_filling(op: AddColumnOp | AlterColumnOp, migration: MigrationContext) -> Comment:
    """Return how to fill the column that ``op`` restricts."""
    code = f"{migration.opts['alembic_module_prefix'] or ''}execute({_update(op, '...', migration.dialect)!r})"
    how = "Add it with nullable=True, fill it, and only then alter it to nullable=False"
    if isinstance(op, ops.AlterColumnOp):
        how = "Fill it in rows where it is NULL before this"
    column = column_of_op(op, migration.dialect)
    return Comment(f"Column {column} is NOT NULL, and the table has rows. {how}: {code}")
