"""Changes of enums: Alembic does not compare their values on most databases.

Works on the operations of a script, before the user's hooks see them. On PostgreSQL an enum is a type of its
own, which several tables and packages may use: the package of the first column that uses it owns it, and nobody else
writes statements about it. Elsewhere the values belong to the column: MariaDB's ``ENUM``, and the ``CHECK`` that goes
with a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.creators import UsedType
from websauna_migrate.autogenerate.enums.apart import Around, find_apart, operations_apart
from websauna_migrate.autogenerate.enums.changes import Add, Convert, Remake, Rename, drops, matched, value_changes
from websauna_migrate.autogenerate.enums.columns import change_checks, refuse_lost_values
from websauna_migrate.autogenerate.enums.facts import User, is_array, read_enums, stored_as_type, stored_type_name
from websauna_migrate.autogenerate.enums.names import say_new_names, stored_after
from websauna_migrate.autogenerate.enums.sql import written
from websauna_migrate.autogenerate.script_ops import (
    StatementsOp,
    alterations,
    column_of,
    made_columns,
    table_of,
    walk_ops,
)
from websauna_migrate.database.sql import in_quotes, literal_sql, quoted_table
from websauna_migrate.dialects.spelling import check_constraints, default_text, type_text
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.enums.changes import TypeChange, Types
    from websauna_migrate.autogenerate.enums.facts import ModelEnum, Models


def change_enums(script: ops.MigrationScript, migration: MigrationContext, models: Models, *, is_written: bool) -> None:
    """Add to ``script`` what the enums of its tables need, both ways; what stands in their way if it ``is_written``.

    :raises OwnershipError: others use a type that would lose a value, or have a type of this name with other values
    """
    connection = migration.bind
    if connection is None:
        return
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        if connection.dialect.name == "postgresql":
            _change_types(upgrade, downgrade, connection, models, is_written=is_written)
        change_checks(upgrade, downgrade, connection, models)
        refuse_lost_values(upgrade, downgrade, connection.dialect)


def types_of_others(script: ops.MigrationScript, dialect: Dialect, models: Models) -> Iterator[UsedType]:
    """Yield the enums that columns made by ``script`` have and packages that are not selected own."""
    enums = models.enums(dialect)
    keys = {key.shown(dialect.default_schema_name): key for key in models.ownership.tables}
    for upgrade in script.upgrade_ops_list:
        for column, type_ in _made_columns(upgrade, dialect):
            found = _enum_of(type_, dialect)
            enum = enums.get(found[0]) if found else None
            if found and enum and enum.owner not in models.packages and enum.is_ours_to_create:
                statement = f"CREATE TYPE {quoted_table(found[0], dialect)} AS"
                yield UsedType(str(column), str(found[0]), keys[enum.users[0].column.table], statement)


# --- PostgreSQL: types -----------------------------------------------------------------------------------------


def _change_types(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, models: Models, *, is_written: bool
) -> None:
    """Put the changes of types around what Alembic found; on the way back the last one is undone first."""
    dialect = connection.dialect
    stored = read_enums(connection, _compared(upgrade, models), models.renames)
    types = matched(stored, models.enums(dialect), models.packages)
    if types.renamed:
        after = {name: stored_after(enum, types.renamed, dialect) for name, enum in types.stored.items()}
        types = replace(types, stored=after)
        say_new_names(downgrade, types.renamed, dialect)
    conversions = list(_conversions(upgrade, downgrade, types, dialect))
    going = _dropped_columns(upgrade, dialect) | {conversion.before.column for conversion in conversions}
    values = list(value_changes(types, going, lambda enum: _values_in_definitions(models, enum, dialect)))
    for user in chain.from_iterable(change.staying for change in values if isinstance(change, Remake)):
        _leave_out(user.column, upgrade, downgrade, dialect, default=True)
    last: list[TypeChange] = [*(change for change in conversions if change.to_enum), *drops(types, going)]
    alone, first = _in_order(types, values, conversions)
    around = Around()
    if is_written and (values or conversions):
        apart = find_apart(values, conversions, types.renamed, connection, models)
        around = operations_apart(upgrade, downgrade, apart, dialect)
    alone_ops, first_ops = _written(alone, dialect), _written(first, dialect)
    start = [*around.outermost, *alone_ops, *around.first, *first_ops, *around.between]
    end = [*_written(last, dialect), *around.last]
    upgrade.ops[:] = [*start, *upgrade.ops, *end, *around.made]
    downgrade.ops[:] = [*around.back, *_undone(end), *downgrade.ops, *_undone(start)]


def _written(changes: Iterable[TypeChange], dialect: Dialect) -> list[StatementsOp]:
    return [written(change, dialect) for change in changes]


def _in_order(
    types: Types, values: Sequence[TypeChange], conversions: Sequence[Convert]
) -> tuple[list[TypeChange], list[TypeChange]]:
    """Return the changes that come first of all, and those after them.

    What is committed alone starts: nothing is left to roll back when it fails. Types have their new names for all that
    follows. A column leaves an enum here, and one becomes an enum at the end, so that the way back, which is the mirror
    image, does so too.
    """
    alone = [change for change in values if isinstance(change, Add) and change.needed]
    renames = [Rename(old, new) for old, new in types.renamed.items()]
    others = [change for change in values if change not in alone]
    return [*alone, *renames], [*others, *(change for change in conversions if not change.to_enum)]


def _undone(operations: Sequence[StatementsOp]) -> list[StatementsOp]:
    return [op.reverse() for op in reversed(operations)]


def _compared(upgrade: ops.OpContainer, models: Models) -> set[TableName]:
    """Return the tables whose columns count as ours: what the user's hooks hide counts as that of others."""
    return {key for key in models.tables if key in models.ownership.tables} | _dropped_tables(upgrade)


def _values_in_definitions(models: Models, enum: ModelEnum, dialect: Dialect) -> frozenset[str]:
    """Return the values that the definitions of the tables name: the script may use a new one of them."""
    tables = {key.shown(dialect.default_schema_name): table for key, table in models.ownership.tables.items()}
    texts = [user.default for user in enum.users if user.default]
    for name in {user.column.table for user in enum.users} & tables.keys():
        texts += (_clause_text(clause, dialect) for clause in _clauses(tables[name]))
    return frozenset(value for value in enum.values if any(in_quotes(value) in text for text in texts))


def _clauses(table: sa.Table) -> Iterator[object]:
    """Yield the conditions and expressions in the definition of ``table``."""
    yield from (check.sqltext for check in check_constraints(table))
    yield from (column.computed.sqltext for column in table.columns if column.computed is not None)
    for index in table.indexes:
        yield from index.expressions
        yield index.dialect_options["postgresql"]["where"]


def _clause_text(clause: object, dialect: Dialect) -> str:
    return literal_sql(clause, dialect) if isinstance(clause, sa.ClauseElement) else str(clause)


# --- PostgreSQL: columns ---------------------------------------------------------------------------------------


def _conversions(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, types: Types, dialect: Dialect
) -> Iterator[Convert]:
    """Take changes of a type from or to an enum out of what Alembic found, and yield those that are real."""
    users = {user.column: user for enum in types.stored.values() for user in enum.users}
    models = {user.column: user for enum in types.wanted.values() for user in enum.users}
    for op in [op for op in alterations(upgrade) if _is_about_an_enum(op, dialect)]:
        column = column_of(op, dialect)
        if _only_renamed(op, types, dialect):
            _leave_out(column, upgrade, downgrade, dialect, type_=True)
            continue
        conversion = _conversion(op, users.get(column), models.get(column), dialect)
        _leave_out(column, upgrade, downgrade, dialect, type_=True, default=True)
        yield conversion


def _is_about_an_enum(op: ops.AlterColumnOp, dialect: Dialect) -> bool:
    # A type that the database does not have is reported with its column, where all types are checked.
    if op.modify_type is None or type_text(op.modify_type, dialect) is None:
        return False
    return _enum_of(op.existing_type, dialect) is not None or _enum_of(op.modify_type, dialect) is not None


def _only_renamed(op: ops.AlterColumnOp, types: Types, dialect: Dialect) -> bool:
    before, after = _enum_of(op.existing_type, dialect), _enum_of(op.modify_type, dialect)
    return before is not None and (types.renamed.get(before[0], before[0]), before[1]) == after


def _conversion(op: ops.AlterColumnOp, stored: User | None, model: User | None, dialect: Dialect) -> Convert:
    """Return the change that ``op`` makes of a column: ``stored`` uses an enum before, ``model`` after it."""
    before = _user_before(op, stored, dialect)
    after = model or replace(before, default=_default_after(op, before, dialect))
    return Convert(before, after, op.existing_type, op.modify_type, _enum_of(op.modify_type, dialect) is not None)


def _user_before(op: ops.AlterColumnOp, stored: User | None, dialect: Dialect) -> User:
    user = stored or User(column_of(op, dialect))
    if stored is None and op.existing_server_default:
        user = replace(user, default=_default_of(op.existing_type, op.existing_server_default, dialect))
    return replace(user, is_array=isinstance(op.existing_type, sa.ARRAY))


def _default_after(op: ops.AlterColumnOp, before: User, dialect: Dialect) -> str | None:
    changed = op.modify_server_default
    return before.default if changed is False else _default_of(op.modify_type, changed, dialect)


def _default_of(type_: Any, default: Any, dialect: Dialect) -> str | None:
    return default_text(sa.Column("c", type_, server_default=default), dialect)


def _enum_of(type_: object, dialect: Dialect) -> tuple[TypeName, bool] | None:
    """Return the name of the enum that a column of ``type_`` uses, and whether as an array."""
    enum = stored_as_type(type_, dialect) if type_ is not None else None
    return (stored_type_name(enum, dialect), is_array(type_, dialect)) if enum is not None else None


def _leave_out(
    column: ColumnName,
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    dialect: Dialect,
    *,
    type_: bool = False,
    default: bool = False,
) -> None:
    """Take the change of a column's type or default out of both directions."""
    for container in (upgrade, downgrade):
        for alter in list(alterations(container)):
            if column_of(alter, dialect) == column:
                alter.modify_type = None if type_ else alter.modify_type
                alter.modify_server_default = False if default else alter.modify_server_default
        for modify in container.ops:
            if isinstance(modify, ops.ModifyTableOps):
                modify.ops = [op for op in modify.ops if not isinstance(op, ops.AlterColumnOp) or op.has_changes()]
        container.ops = [op for op in container.ops if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _made_columns(upgrade: ops.OpContainer, dialect: Dialect) -> Iterator[tuple[ColumnName, object]]:
    """Yield the columns that ``upgrade`` makes or converts, with their types."""
    for table, column in made_columns(upgrade):
        yield ColumnName(table.shown(dialect.default_schema_name), column.name), column.type
    for op in walk_ops(upgrade.ops):
        if isinstance(op, StatementsOp) and op.diff[0] == "convert_enum":
            yield op.diff[1], op.diff[3]


def _dropped_tables(upgrade: ops.OpContainer) -> set[TableName]:
    return {table_of(op) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}


def _dropped_columns(upgrade: ops.OpContainer, dialect: Dialect) -> set[ColumnName]:
    dropped = set()
    for op in walk_ops(upgrade.ops):
        if isinstance(op, ops.DropColumnOp):
            dropped.add(column_of(op, dialect))
        elif isinstance(op, ops.DropTableOp):
            table = table_of(op).shown(dialect.default_schema_name)
            dropped |= {ColumnName(table, column.name) for column in op.to_table().columns}
    return dropped
