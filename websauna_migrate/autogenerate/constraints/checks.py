"""Finds CHECK and EXCLUDE constraints that came, went or changed.

What goes is dropped first, before the columns that it is about are changed, and what comes is made after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations.ops import CreateCheckConstraintOp, DropConstraintOp
from alembic.util import PriorityDispatchResult
from sqlalchemy.schema import CreateTable

from websauna_migrate.autogenerate.constraints.facts import constraint_changes, stored_constraints
from websauna_migrate.autogenerate.constraints.key_ops import CreateExclude, DropExclude, exclude_statements
from websauna_migrate.autogenerate.script_ops import StatementsOp, by_hand
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.dialects.constraints import exclusion_sql
from websauna_migrate.dialects.spelling import stored_name
from websauna_migrate.packages.package import TableName, constraint_name
from websauna_migrate.private import exclude_elements, is_of_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import ModifyTableOps
    from sqlalchemy.engine import Dialect

    from websauna_migrate.autogenerate.constraints.changes import Wanted
    from websauna_migrate.dialects.constraints import Shown


def compare_check_constraints(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    """Find CHECK constraints that were added, removed or changed: those with a name by it, others by what they say.

    The user's hooks are asked, and what a comparator that the user named has found is not written twice.
    """
    if found is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    try:
        changes = constraint_changes(context, TableName(schema, name), wanted, "c")
    except NotImplementedError:  # the dialect does not read them
        return PriorityDispatchResult.CONTINUE
    dialect = connection_of(context).dialect
    written = {op.constraint_name for op in modify.ops if isinstance(op, (CreateCheckConstraintOp, DropConstraintOp))}
    gone = [one for one in _removed_checks(changes.gone, found) if one.name is None or one.name not in written]
    gone = [one for one in gone if _passes_hook(context, one, is_stored=True)]
    inherited = {one.name for one in changes.gone if not one.own}
    possible = [one for one in changes.new if one.name is None or one.name not in inherited | written]
    new = list(_added_checks(possible, found, wanted, dialect))
    new = [one for one in new if _passes_hook(context, one, is_stored=False)]
    modify.ops[:0] = [DropConstraintOp.from_constraint(check) for check in gone]
    modify.ops += [CreateCheckConstraintOp(check.name, name, check.sqltext, schema=schema) for check in new]
    modify.ops += [_left_to_the_user(one, TableName(schema, name)) for one in changes.gone if not one.own]
    return PriorityDispatchResult.CONTINUE


def _passes_hook(context: AutogenContext, check: sa.CheckConstraint, *, is_stored: bool) -> bool:
    return context.run_object_filters(check, check.name, "check_constraint", is_stored, None)


def _removed_checks(gone: Iterable[Shown], found: sa.Table) -> Iterator[sa.CheckConstraint]:
    for one in gone:
        # That of a JSON column is MariaDB's own.
        if one.own and not (one.name is not None and one.name in found.c and "json_valid" in one.sql.lower()):
            name = None if one.name is None else sa.schema.conv(one.name)
            yield sa.CheckConstraint(escape_colons(one.condition), name=name, table=found)


def _added_checks(
    new: Iterable[Wanted], found: sa.Table, wanted: sa.Table, dialect: Dialect
) -> Iterator[sa.CheckConstraint]:
    checks: list[Any] = [one.constraint for one in sorted(new, key=lambda one: one.name or "")]
    of_types = [check for check in checks if is_of_type(check)]
    created = str(CreateTable(wanted).compile(dialect=dialect)) if of_types else ""
    for check in checks:
        if check not in of_types or (_is_on_old_columns(check, found) and _is_made(check, created, dialect)):
            yield check


def _is_on_old_columns(check: sa.CheckConstraint, found: sa.Table) -> bool:
    """Tell whether ``check`` of a type needs its own statement: it is created with a new column."""
    return all(column.name in found.c for column in check.columns)


def _is_made(check: sa.CheckConstraint, created: str, dialect: Dialect) -> bool:
    """Tell whether the type of ``check`` needs it here: the table is ``created`` with it then."""
    return f"CONSTRAINT {dialect.identifier_preparer.format_constraint(check)} CHECK" in created


def _left_to_the_user(one: Shown, table: TableName) -> StatementsOp:
    text = f"CHECK {one.name} of {table} is inherited, change that of the parent table"
    return by_hand(("modify_constraint", table.schema, table.name, str(one.name)), text)


# --- EXCLUDE ---------------------------------------------------------------------------------------------------


def compare_exclude_constraints(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    """Find EXCLUDE constraints that were added, removed or changed; they are written in SQL, with all they say."""
    table, dialect = TableName(schema, name), connection_of(context).dialect
    if found is None:
        return PriorityDispatchResult.CONTINUE
    if wanted is None:  # they go with their table, but do not come back with it
        stored = [_dropped(one, table, dialect) for one in stored_constraints(context, table) if one.kind == "x"]
        modify.ops += [StatementsOp(op.diff, [], op.undo) for op in stored]
        return PriorityDispatchResult.CONTINUE
    changes = constraint_changes(context, table, wanted, "x")
    modify.ops[:0] = [_dropped(one, table, dialect) for one in changes.gone if one.own]
    modify.ops += [_made(one, table, dialect) for one in changes.new]
    return PriorityDispatchResult.CONTINUE


def _dropped(one: Shown, table: TableName, dialect: Dialect) -> DropExclude:
    diff = ("remove_constraint", table.schema, table.name, f"{one.name} {one.sql}")
    return DropExclude(diff, *exclude_statements(table, str(one.name), one.sql, dialect), str(one.name), table)


def _made(one: Wanted, table: TableName, dialect: Dialect) -> CreateExclude:
    constraint: Any = one.constraint
    columns = [str(getattr(part, "name", "")) for part, _ in exclude_elements(constraint)]
    name = stored_name(constraint, dialect) if one.name else constraint_name("ex", table.name, columns)
    sql = exclusion_sql(constraint, dialect)
    diff = ("add_constraint", table.schema, table.name, f"{one.name or ''} {sql}".strip())
    return CreateExclude(diff, *exclude_statements(table, name, sql, dialect), name, table)
