"""Finds what Alembic does not compare of primary keys, unique constraints and foreign keys.

A primary key over other columns; the order of columns, and ``DEFERRABLE``, of a unique constraint; ``MATCH`` of a
foreign key. What is dropped comes back as it was: SQLAlchemy does not read the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations.ops import AddConstraintOp, CreateForeignKeyOp, DropConstraintOp
from alembic.util import PriorityDispatchResult

from websauna_migrate.autogenerate.constraints.facts import stored_constraints
from websauna_migrate.autogenerate.constraints.key_ops import CreateKey
from websauna_migrate.autogenerate.script_ops import StatementsOp, by_hand
from websauna_migrate.autogenerate.tables.drops import as_operation
from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.spelling import foreign_key_spec, stored_name
from websauna_migrate.packages.package import TableName, referred_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation, ModifyTableOps
    from sqlalchemy.engine import Dialect

    Unique = sa.UniqueConstraint | sa.PrimaryKeyConstraint


@dataclass(frozen=True, slots=True)
class Rules:
    """What PostgreSQL says of a constraint after its columns."""

    deferrable: bool = False
    deferred: bool = False
    match: str | None = None


def rules_in(definition: str) -> Rules:
    """Return the rules in the ``definition`` of a constraint, as ``pg_get_constraintdef()`` shows it."""
    match = "FULL" if " MATCH FULL" in definition else None
    return Rules(" DEFERRABLE" in definition, " INITIALLY DEFERRED" in definition, match)


def rules_of(constraint: Any) -> Rules:
    """Return the rules of a ``constraint`` of the models; one that is not given is the default of the database."""
    deferred = str(constraint.initially or "").upper() == "DEFERRED"
    match = str(getattr(constraint, "match", None) or "SIMPLE").upper()
    return Rules(deferred or bool(constraint.deferrable), deferred, None if match == "SIMPLE" else match)


def _stored_rules(context: AutogenContext, table: TableName, kind: str) -> dict[str, Rules]:
    """Return the rules of the constraints of ``table`` that have other ones than the default."""
    if connection_of(context).dialect.name != "postgresql":
        return {}
    return {str(one.name): rules_in(one.sql) for one in stored_constraints(context, table) if one.kind == kind}


# --- primary keys ----------------------------------------------------------------------------------------------


def compare_primary_keys(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    """Find a primary key over other columns, or over the same in another order."""
    if found is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    there, here = ([column.name for column in table.primary_key] for table in (found, wanted))
    if there != here:
        table, dialect = TableName(schema, name), connection_of(context).dialect
        numbered = wanted.autoincrement_column
        if numbered is not None and numbered.name not in found.c and numbered.name in here:
            modify.ops.append(_numbered(table, there, here, numbered.name))
        else:
            modify.ops += _key_changes(found, wanted, table, dialect)
    return PriorityDispatchResult.CONTINUE


def _numbered(table: TableName, there: Iterable[str], here: Iterable[str], column: str) -> StatementsOp:
    change = f"from ({', '.join(there)}) to ({', '.join(here)})"
    text = f"primary key of {table} {change}, after the rows have numbers in the new column {column}"
    return by_hand(("modify_primary_key", table.schema, table.name, change), text)


def _key_changes(found: sa.Table, wanted: sa.Table, table: TableName, dialect: Dialect) -> list[MigrateOperation]:
    there, here = ([column.name for column in one.primary_key] for one in (found, wanted))
    old = str(found.primary_key.name or f"pk_{table.name}")
    new = stored_name(wanted.primary_key, dialect) if isinstance(wanted.primary_key.name, str) else old
    create = CreateKey(new, table.name, here, schema=table.schema)
    drop = CreateKey(old, table.name, there, schema=table.schema).reverse()
    return [*([drop] if there else []), *([create] if here else [])]


# --- unique constraints ----------------------------------------------------------------------------------------


def compare_unique_constraints(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    """Find unique constraints over the same columns in another order, or with other rules."""
    if found is None:
        return PriorityDispatchResult.CONTINUE
    table, dialect = TableName(schema, name), connection_of(context).dialect
    rules = _stored_rules(context, table, "u")
    _bring_back(modify.ops, rules)
    if wanted is None:
        _set_rules(found, rules)
        return PriorityDispatchResult.CONTINUE
    stored = _stored_uniques(context, table, found, modify.ops)
    for constraint in sorted(_uniques(wanted), key=lambda one: str(one.name)):
        same = _same_unique(constraint, stored, dialect)
        if same is not None and _differs(constraint, same, rules):
            _apply(same, rules)
            modify.ops += [DropConstraintOp.from_constraint(same), AddConstraintOp.from_constraint(constraint)]
    return PriorityDispatchResult.CONTINUE


def _uniques(table: sa.Table) -> list[sa.UniqueConstraint]:
    return [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]


def _stored_uniques(
    context: AutogenContext, table: TableName, found: sa.Table, operations: Iterable[MigrateOperation]
) -> list[sa.UniqueConstraint]:
    """Return the unique constraints of the database that stay."""
    try:
        reflected = context.inspector.get_unique_constraints(table.name, schema=table.schema)
    except NotImplementedError:
        return []
    gone = {op.constraint_name for op in operations if isinstance(op, DropConstraintOp)} - {None}
    dialect = connection_of(context).dialect.name
    stored = []
    for one in reflected:
        if one["name"] not in gone:
            options = {key: value for key, value in one.get("dialect_options", {}).items() if key.startswith(dialect)}
            columns = [found.c[column] for column in one["column_names"]]
            stored.append(sa.UniqueConstraint(*columns, name=one["name"], **options))
    return stored


def _same_unique(
    wanted: sa.UniqueConstraint, stored: list[sa.UniqueConstraint], dialect: Dialect
) -> sa.UniqueConstraint | None:
    """Return the constraint that is ``wanted`` by its name and columns; several without names are not told apart."""
    columns = sorted(_columns(wanted))
    alike = [one for one in stored if sorted(_columns(one)) == columns]
    if isinstance(wanted.name, str):
        name = stored_name(wanted, dialect)
        return next((one for one in alike if one.name == name), None)
    return alike[0] if len(alike) == 1 else None


def _differs(wanted: sa.UniqueConstraint, stored: sa.UniqueConstraint, rules: Mapping[str, Rules]) -> bool:
    return _columns(wanted) != _columns(stored) or rules_of(wanted) != rules.get(str(stored.name), Rules())


def _columns(constraint: sa.UniqueConstraint) -> list[str]:
    return [column.name for column in constraint.columns]


# --- foreign keys ----------------------------------------------------------------------------------------------


def compare_foreign_keys(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    """Find foreign keys with another ``MATCH``, which only PostgreSQL heeds."""
    if found is None or connection_of(context).dialect.name != "postgresql":
        return PriorityDispatchResult.CONTINUE
    table = TableName(schema, name)
    rules = _stored_rules(context, table, "f")
    _bring_back(modify.ops, rules)
    if wanted is None:
        _set_rules(found, rules)
        return PriorityDispatchResult.CONTINUE
    default = connection_of(context).dialect.default_schema_name
    gone = {op.constraint_name for op in modify.ops if isinstance(op, DropConstraintOp)}
    stored = {_stored_spec(key, default): key for key in found.foreign_key_constraints if key.name not in gone}
    matching = {key.name for key in found.foreign_key_constraints if rules.get(str(key.name), Rules()).match}
    for key in sorted(wanted.foreign_key_constraints, key=lambda one: str(one.name)):
        if not matching and not rules_of(key).match:
            continue
        same = stored.get(foreign_key_spec(key, default)[:3])
        if same is not None and bool(rules_of(key).match) is not (same.name in matching):
            _apply(same, rules)
            modify.ops += [as_operation(table, same).reverse(), CreateForeignKeyOp.from_constraint(key)]
    return PriorityDispatchResult.CONTINUE


def _stored_spec(key: sa.ForeignKeyConstraint, default: str | None) -> tuple[object, ...]:
    """Return the columns and the target of a ``key`` that was read, without the tables that it refers to."""
    target = referred_name(key.elements[0]).shown(default)
    columns = tuple(element.target_fullname.rpartition(".")[2] for element in key.elements)
    return tuple(column.name for column in key.columns), target, columns


# --- what comes back -------------------------------------------------------------------------------------------


def _bring_back(operations: list[MigrateOperation], rules: Mapping[str, Rules]) -> None:
    """Let the way back of each drop among ``operations`` make the constraint with its ``rules``."""
    for place, op in enumerate(operations):
        if isinstance(op, DropConstraintOp) and op.constraint_name in rules:
            constraint = op.to_constraint()
            _apply(constraint, rules)
            operations[place] = DropConstraintOp.from_constraint(constraint)


def _set_rules(table: sa.Table, rules: Mapping[str, Rules]) -> None:
    for constraint in table.constraints:
        _apply(constraint, rules)


def _apply(constraint: Any, rules: Mapping[str, Rules]) -> None:
    if isinstance(constraint, (sa.UniqueConstraint, sa.ForeignKeyConstraint)) and constraint.name in rules:
        rule = rules[str(constraint.name)]
        constraint.deferrable, constraint.initially = rule.deferrable or None, "DEFERRED" if rule.deferred else None
        if isinstance(constraint, sa.ForeignKeyConstraint):
            constraint.match = rule.match
