"""What PostgreSQL keeps over a column whose type changes, or refuses to change the type for.

A generated column is dropped before the change and added again after it. A CHECK constraint, and an index or an EXCLUDE
constraint over an expression or with a condition, would be kept with casts to the old type, and then differ from the
models: they are dropped before and made again too. What is over an enum is in ``enums.dependents``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy.sql.elements import conv

from websauna_migrate.autogenerate.constraints.facts import stored_constraints
from websauna_migrate.autogenerate.constraints.key_ops import CreateExclude, DropExclude, exclude_statements
from websauna_migrate.autogenerate.enums.facts import stored_as_type
from websauna_migrate.autogenerate.script_ops import RecreateColumn, StatementsOp
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons, tokens, unquoted
from websauna_migrate.dialects.constraints import Shown, check_name, condition_sql, exclusion_sql
from websauna_migrate.dialects.spelling import check_constraints, stored_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import is_of_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation, ModifyTableOps
    from sqlalchemy import Table
    from sqlalchemy.engine import Dialect

# What drops an index or a constraint.
DROPS = (ops.DropIndexOp, ops.DropConstraintOp, DropExclude)
# An EXCLUDE constraint over columns alone, without a condition.
_OVER_COLUMNS = re.compile(r"""EXCLUDE USING \w+ \(([^()"]|"[^"]*")*\)[^()]*""")
# Marks the change of a type, as Alembic reverses it.
_OVER = "over"


@dataclass(frozen=True, slots=True)
class Over:
    """A table in the database and in the models, and the CHECK and EXCLUDE constraints that can be dropped.

    ``retyped`` are the columns whose type changes.
    """

    found: Table
    wanted: Table
    stored: tuple[Shown, ...] = ()
    retyped: frozenset[str] = frozenset()


def note_what_is_over(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Note at each change of a type what may be over the column: nothing is read for it but what is known."""
    if found is not None and wanted is not None:
        for op in modify.ops:
            if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
                stored = stored_constraints(context, TableName(schema, name).shown(_default_schema(context)))
                kept = tuple(one for one in stored if one.own and one.kind in ("c", "x") and one.name is not None)
                op.kw[_OVER] = Over(found, wanted, kept)
    return PriorityDispatchResult.CONTINUE


def _default_schema(context: AutogenContext) -> str | None:
    return connection_of(context).dialect.default_schema_name


def take_note(modify: ModifyTableOps, dialect: Dialect) -> Over | None:
    """Return what may be over the columns whose type ``modify`` changes, None where it changes none; unmark them."""
    marked = [op for op in modify.ops if isinstance(op, ops.AlterColumnOp) and _OVER in op.kw]
    notes: list[Over] = [op.kw.pop(_OVER) for op in marked]
    retyped = frozenset(op.column_name for op in marked if not _is_about_an_enum(op, dialect))
    return replace(notes[0], retyped=retyped) if retyped else None


def names(sql: str, columns: Collection[str], dialect: Dialect) -> bool:
    """Tell whether ``sql`` names one of ``columns``."""
    return not set(columns).isdisjoint(map(unquoted, tokens(sql, dialect.name)))


def _is_about_an_enum(op: ops.AlterColumnOp, dialect: Dialect) -> bool:
    types = (op.existing_type, op.modify_type)
    return any(type_ is not None and stored_as_type(type_, dialect) is not None for type_ in types)


# --- generated columns -----------------------------------------------------------------------------------------


def with_recreated(operations: Sequence[MigrateOperation], over: Over, dialect: Dialect) -> list[MigrateOperation]:
    """Return ``operations`` with each column that is computed of a retyped one made anew, before or after that."""
    columns = {one.column.name: one for one in _computed_columns(over, dialect)}
    return [*(op for op in operations if _changed_column(op) not in columns), *columns.values()]


def _computed_columns(over: Over, dialect: Dialect) -> Iterator[RecreateColumn]:
    for found in over.found.columns:
        wanted = over.wanted.columns.get(found.key)
        if wanted is not None and any(_is_computed_of(column, over.retyped, dialect) for column in (found, wanted)):
            yield RecreateColumn(over.found.name, wanted, found, schema=over.found.schema)


def _is_computed_of(column: sa.Column[Any], retyped: Collection[str], dialect: Dialect) -> bool:
    return column.computed is not None and names(condition_sql(column.computed.sqltext, dialect), retyped, dialect)


def _changed_column(op: MigrateOperation) -> str | None:
    if isinstance(op, RecreateColumn):
        return op.column.name
    if isinstance(op, StatementsOp) and op.diff[0] == "modify_computed":
        return str(op.diff[3])
    return op.column_name if isinstance(op, ops.AlterColumnOp) else None


def apart(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Return ``operations`` with what drops a computed column before all that changes columns, what adds one after."""
    inner = list(operations)
    recreated = [op for op in inner if isinstance(op, RecreateColumn)]
    removed = [op for op in inner if is_computed_drop(op)]
    added = [op for op in inner if is_computed_add(op) and op not in recreated]
    first = [op for op in inner if isinstance(op, DROPS)]
    last = [op for op in inner if isinstance(op, (ops.CreateIndexOp, ops.AddConstraintOp, CreateExclude))]
    moved = {*map(id, (*recreated, *removed, *added, *first, *last))}
    drops = [ops.DropColumnOp.from_column_and_tablename(op.schema, op.table_name, op.old) for op in recreated]
    adds = [ops.AddColumnOp(op.table_name, op.column, schema=op.schema) for op in recreated]
    rest = [op for op in inner if id(op) not in moved]
    return [*first, *removed, *drops, *rest, *adds, *added, *last]


def is_computed_drop(op: MigrateOperation) -> bool:
    """Tell whether ``op`` drops a computed column."""
    return isinstance(op, ops.DropColumnOp) and op.to_column().computed is not None


def is_computed_add(op: MigrateOperation) -> bool:
    """Tell whether ``op`` adds a computed column."""
    return isinstance(op, ops.AddColumnOp) and op.column.computed is not None


# --- CHECK constraints and indexes -----------------------------------------------------------------------------


def drops_of_parts(over: Over, dialect: Dialect) -> Iterator[tuple[str, MigrateOperation]]:
    """Yield what drops the constraints and the indexes that say something of retyped columns, by name.

    They come back as in the models, which say the same of the old type. The CHECK of an enum changes with its values.
    """
    table, schema = over.found.name, over.found.schema
    models = {_name(check, table, dialect): check for check in check_constraints(over.wanted)}
    for one in (one for one in over.stored if one.kind == "c"):
        model = models.get(str(one.name))
        condition = sa.text(escape_colons(one.condition)) if model is None else model.sqltext
        if names(one.condition, over.retyped, dialect) and (model is None or not is_of_type(model)):
            check = ops.CreateCheckConstraintOp(conv(str(one.name)), table, condition, schema=schema)
            yield str(one.name), check.reverse()
    yield from _drops_of_exclusions(over, dialect)
    found = {index.name for index in over.found.indexes}
    for index in sorted(over.wanted.indexes, key=lambda one: str(one.name)):
        if index.name in found and names(_said_by(index, dialect), over.retyped, dialect):
            yield str(index.name), ops.DropIndexOp.from_index(index)


def _drops_of_exclusions(over: Over, dialect: Dialect) -> Iterator[tuple[str, MigrateOperation]]:
    table = TableName(over.found.schema, over.found.name)
    named = {str(one.name): one for one in over.wanted.constraints if one.__visit_name__ == "exclude_constraint"}
    for one in over.stored:
        name = str(one.name)
        if one.kind == "x" and names(one.sql, over.retyped, dialect) and not _OVER_COLUMNS.fullmatch(one.sql):
            sql = exclusion_sql(named[name], dialect) if name in named else one.sql  # type: ignore[arg-type]
            yield name, DropExclude(("drop_exclude", name), *exclude_statements(table, name, sql, dialect), name, table)


def _name(check: sa.CheckConstraint, table: str, dialect: Dialect) -> str:
    if isinstance(check.name, str):
        return stored_name(check, dialect)
    return check_name(table, condition_sql(check.sqltext, dialect), dialect.name)


def _said_by(index: sa.Index, dialect: Dialect) -> str:
    """Return the expressions and the condition of ``index`` as SQL."""
    where = index.dialect_options["postgresql"]["where"]
    parts = [
        *(part for part in index.expressions if not isinstance(part, sa.Column)),
        *([] if where is None else [where]),
    ]
    return " ".join(condition_sql(part, dialect) if isinstance(part, sa.ClauseElement) else str(part) for part in parts)
