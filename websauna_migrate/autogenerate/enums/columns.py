"""Enums that are stored in the column: ``ENUM`` of MariaDB and MySQL, and text with a ``CHECK``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.enums.facts import User
from websauna_migrate.autogenerate.script_ops import Refuse, StatementsOp, alterations, column_of
from websauna_migrate.autogenerate.tables.renamed import inspect_renamed
from websauna_migrate.database.sql import (
    adapted,
    escape_colons,
    may_be_named,
    quoted_table,
    quoted_text,
    texts_in,
    without_escapes,
)
from websauna_migrate.dialects.spelling import check_constraints, stored_name
from websauna_migrate.packages.package import ColumnName, TableName
from websauna_migrate.private import is_of_type

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect, Inspector

    from websauna_migrate.autogenerate.enums.facts import Models


def refuse_rows(user: User, lost: tuple[str, ...], kept: tuple[str, ...], dialect: Dialect) -> Refuse:
    """Return what stops a script while rows of ``user`` hold a value that is ``lost``; ``kept`` are the others."""
    table, column = quoted_table(user.column.table, dialect), quoted_table(TableName(None, user.column.name), dialect)
    values = ", ".join(quoted_text(value, dialect) for value in lost)
    to = quoted_text(next((value for value in kept), ""), dialect)
    if dialect.name != "postgresql":
        where, example = f"{column} IN ({values})", f"{column} = {to} WHERE {column} = {quoted_text(lost[0], dialect)}"
    elif user.is_array:
        where = f"{column}::text[] && ARRAY[{values}]"
        example = f"{column} = array_replace({column}, {quoted_text(lost[0], dialect)}, {to})"
    else:
        where = f"{column}::text IN ({values})"
        example = f"{column} = {to} WHERE {column} = {quoted_text(lost[0], dialect)}"
    count = f"SELECT count(*) FROM {table} WHERE {where}"
    return Refuse(user.column, lost, count, f"UPDATE {table} SET {example}")


def refuse_lost_values(upgrade: ops.OpContainer, downgrade: ops.OpContainer, dialect: Dialect) -> None:
    """Let the script look for rows with values that an ``ENUM`` column of MariaDB loses, before it changes anything."""
    if dialect.name not in ("mysql", "mariadb"):
        return
    for op in [*alterations(upgrade), *alterations(downgrade)]:
        op.existing_type, op.modify_type = _unescaped(op.existing_type), _unescaped(op.modify_type)
    for op in list(alterations(upgrade)):
        old, new = _native_values(op.existing_type, dialect), _native_values(op.modify_type, dialect)
        if old and new:
            _refuse_both_ways(upgrade, downgrade, column_of(op, dialect), (old, new), dialect)


def _unescaped(type_: object) -> Any:
    """Return a reflected ``ENUM`` with its true values: SQLAlchemy leaves the backslashes in that MariaDB shows."""
    from sqlalchemy.dialects.mysql import ENUM

    if type(type_) is not ENUM or not any("\\" in value for value in type_.enums):
        return type_
    return ENUM(*map(without_escapes, type_.enums), charset=type_.charset, collation=type_.collation)


def _native_values(type_: Any, dialect: Dialect) -> tuple[str, ...]:
    impl = adapted(type_, dialect) if type_ is not None else None
    if not isinstance(impl, sa.Enum) or not dialect.supports_native_enum:
        return ()
    return tuple(impl.enums) if impl.native_enum else ()


def change_checks(upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, models: Models) -> None:
    """Change the ``CHECK`` that holds the values of an enum stored as text, which Alembic compares by name only."""
    dialect, inspector = connection.dialect, inspect_renamed(connection, models.renames)
    for key, table in models.ownership.tables.items():
        if models.ownership.owners[key] not in models.packages:
            continue
        for column in table.columns:
            name, values = _check_of(column, dialect)
            stored = _stored_check(inspector, key, name) if name else None
            found = tuple(texts_in(stored, dialect.name)) if stored else ()
            if name and stored and set(found) != set(values):
                place = ColumnName(key.shown(dialect.default_schema_name), column.name)
                old, new = (_values_sql(column.name, listed, dialect) for listed in (found, values))
                upgrade.ops.append(_check_change(key, name, old, new))
                downgrade.ops.insert(0, _check_change(key, name, new, old))
                _refuse_both_ways(upgrade, downgrade, place, (found, values), dialect)


def _check_of(column: sa.Column[Any], dialect: Dialect) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of the ``CHECK`` of a column's enum and its values, None where it has none with a name."""
    type_ = adapted(column.type, dialect) if may_be_named(column.type) else None
    if not isinstance(type_, sa.Enum) or not type_.create_constraint or _native_values(column.type, dialect):
        return None, ()
    for check in check_constraints(column.table):
        if is_of_type(check) and list(check.columns) == [column] and isinstance(check.name, str):
            return stored_name(check, dialect), tuple(type_.enums)
    return None, ()


def _stored_check(inspector: Inspector, table: TableName, name: str) -> str | None:
    if not inspector.has_table(table.name, schema=table.schema):
        return None
    checks = inspector.get_check_constraints(table.name, schema=table.schema)
    return next((check["sqltext"] for check in checks if check["name"] == name), None)


def _check_change(table: TableName, name: str, old: str, new: str) -> ops.ModifyTableOps:
    before, after = (sa.CheckConstraint(sa.text(escape_colons(sql)), name=name) for sql in (old, new))
    for constraint in (before, after):
        sa.Table(table.name, sa.MetaData(), constraint, schema=table.schema)
    changes: list[ops.MigrateOperation] = [ops.DropConstraintOp.from_constraint(before)]
    changes.append(ops.CreateCheckConstraintOp.from_constraint(after))
    return ops.ModifyTableOps(table.name, changes, schema=table.schema)


def _values_sql(column: str, values: Sequence[str], dialect: Dialect) -> str:
    listed = ", ".join(quoted_text(value, dialect) for value in values)
    return f"{quoted_table(TableName(None, column), dialect)} IN ({listed})"


def _refuse_both_ways(
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    column: ColumnName,
    change: tuple[tuple[str, ...], tuple[str, ...]],
    dialect: Dialect,
) -> None:
    for container, (before, after) in ((upgrade, change), (downgrade, change[::-1])):
        kept = {value.casefold() for value in after}  # MariaDB takes "a" and "A" for the same value
        lost = tuple(value for value in before if value.casefold() not in kept)
        if lost:
            refuse = refuse_rows(User(column), lost, after, dialect)
            container.ops.insert(0, StatementsOp(("remove_enum_values", str(column), lost), [refuse]))
