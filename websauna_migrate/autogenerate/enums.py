"""Enums, whose values Alembic passes over on most databases.

Works on the operations of a script, before the user's hooks see them. On PostgreSQL an enum is a type of its
own, which several tables and packages may use: the package of the first column that uses it owns it, and nobody else
writes statements about it. Elsewhere the values belong to the column: MariaDB's ``ENUM``, and the ``CHECK`` that goes
with a text.

What is written is plain SQL that runs without this package. A value is added by ``ALTER TYPE ... ADD VALUE``; any other
change makes the type anew and converts the columns, all in the transaction of the revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.enum_columns import change_checks, refuse_lost_values, refuse_rows
from websauna_migrate.autogenerate.enum_facts import (
    User,
    columns_of,
    is_array,
    read_enums,
    stored_as_type,
    stored_type_name,
)
from websauna_migrate.autogenerate.requirements import UsedType
from websauna_migrate.autogenerate.script_ops import (
    Do,
    DoAlone,
    EnumOp,
    Note,
    alterations,
    column_of,
    commits,
    walk_ops,
)
from websauna_migrate.database.sql import (
    in_quotes,
    literal_sql,
    quoted_table,
    quoted_text,
)
from websauna_migrate.dialects.spelling import check_constraints, default_text, type_text
from websauna_migrate.exceptions import OwnershipError, summed
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.enum_facts import ModelEnum, Models, StoredEnum
    from websauna_migrate.autogenerate.script_ops import Statement


# --- what a script says ----------------------------------------------------------------------------------------


# --- what a comparison adds ------------------------------------------------------------------------------------


def change_enums(script: ops.MigrationScript, migration: MigrationContext, models: Models) -> None:
    """Add to ``script`` what the enums of its tables need, both ways.

    :raises EnumInUse: a value is to go from a type that others use too
    :raises EnumTaken: others have a type of this name with other values
    """
    connection = migration.bind
    if connection is None:
        return
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        if connection.dialect.name == "postgresql":
            first, last = _type_changes(upgrade, downgrade, connection, models)
            upgrade.ops[:] = [*first, *upgrade.ops, *last]
            downgrade.ops[:] = [o.reverse() for o in reversed(last)] + downgrade.ops
            downgrade.ops += [o.reverse() for o in reversed(first)]
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


def _type_changes(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, models: Models
) -> tuple[list[EnumOp], list[EnumOp]]:
    """Return the operations before and after those that Alembic found; on the way back the last one is undone first."""
    dialect = connection.dialect
    # What the user's hooks hide is as if others had it.
    compared = {key for key in models.tables if key in models.ownership.tables} | _dropped_tables(upgrade)
    stored, wanted = read_enums(connection, compared, models.renames), models.enums(dialect)
    ours = {name: enum for name, enum in wanted.items() if enum.owner in models.packages and enum.is_ours_to_create}
    renamed = dict(_renamed(stored, ours.keys() - stored.keys(), wanted))
    stored = {renamed.get(name, name): enum for name, enum in stored.items()}
    conversions = list(_conversions(upgrade, downgrade, renamed, stored, wanted, dialect))
    going = _dropped_columns(upgrade, dialect) | {conversion.user.column for conversion in conversions}
    changes = [_created(name, ours[name].values, dialect) for name in ours if name not in stored]
    for name in (name for name in ours if name in stored and stored[name].values != ours[name].values):
        _require_ours(name, stored[name], ours[name])
        # A type that gets another name by this script has none yet that could be committed before.
        alone = None if name in renamed.values() else _values_needed_at_once(models, ours[name], dialect)
        changes.append(_changed(name, stored[name], ours[name], going, alone, dialect))
    for column in {column for op in changes for column in op.with_defaults}:
        _leave_out(column, upgrade, downgrade, dialect, default=True)
    first = [op for op in changes if commits(op)] + [_rename(*names, dialect) for names in renamed.items()]
    first += [op for op in changes if not commits(op)] + [c.op for c in conversions if not c.is_to_enum]
    last = [c.op for c in conversions if c.is_to_enum]
    unused = {name: was for name, was in stored.items() if name not in wanted and _is_unused(was, going)}
    return first, last + [_dropped(name, was.values, dialect) for name, was in unused.items()]


def _is_unused(was: StoredEnum, going: Collection[ColumnName]) -> bool:
    """Tell whether a type that had users has none when the columns ``going`` are gone."""
    return bool(was.users) and not was.others and columns_of(was.users) <= set(going)


def _renamed(
    stored: Mapping[TypeName, StoredEnum], new: Collection[TypeName], wanted: Mapping[TypeName, ModelEnum]
) -> Iterator[tuple[TypeName, TypeName]]:
    """Yield the types that are to have another name: the columns are the same, and nothing else uses them."""
    by_users = {frozenset(columns_of(wanted[name].users)): name for name in wanted if name in new}
    for old, was in stored.items():
        name = by_users.get(frozenset(columns_of(was.users)))
        if old not in wanted and not was.others and name is not None:
            yield old, name


def _require_ours(name: TypeName, was: StoredEnum, enum: ModelEnum) -> None:
    strangers = set(was.others) - {str(column) for column in columns_of(enum.users)}
    if strangers and not was.users:
        raise OwnershipError(
            f"the database has a type {str(name)!r} with the values {_shown(was.values)}, "
            f"which {summed(tuple(sorted(strangers)))} use",
            "give the enum of the models another name",
        )


def _created(name: TypeName, values: tuple[str, ...], dialect: Dialect) -> EnumOp:
    create, drop = Do(_create_type(name, values, dialect)), Do(f"DROP TYPE {quoted_table(name, dialect)}")
    return EnumOp(("add_enum", str(name), values), [create], [drop])


def _dropped(name: TypeName, values: tuple[str, ...], dialect: Dialect) -> EnumOp:
    create = _created(name, values, dialect)
    return EnumOp(("remove_enum", str(name), values), create.undo, create.statements)


def _rename(old: TypeName, new: TypeName, dialect: Dialect) -> EnumOp:
    there, back = list(_move(old, new, dialect)), list(_move(new, old, dialect))
    return EnumOp(("rename_enum", str(old), str(new)), there, back)


def _move(old: TypeName, new: TypeName, dialect: Dialect) -> Iterator[Do]:
    if old.name != new.name:
        yield Do(f"ALTER TYPE {quoted_table(old, dialect)} RENAME TO {quoted_table(TypeName(None, new.name), dialect)}")
    if old.schema != new.schema:
        schema = quoted_table(TypeName(None, new.schema or dialect.default_schema_name or "public"), dialect)
        yield Do(f"ALTER TYPE {quoted_table(TypeName(old.schema, new.name), dialect)} SET SCHEMA {schema}")


def _changed(
    name: TypeName,
    was: StoredEnum,
    enum: ModelEnum,
    going: Collection[ColumnName],
    alone: Collection[str] | None,
    dialect: Dialect,
) -> EnumOp:
    """Return the change of a type to other values.

    ``going`` are columns that do not use it after the script. ``alone`` are values that the script uses, None where
    nothing may be committed before the rest of it.
    """
    diff = ("modify_enum", str(name), was.values, enum.values)
    defaults = {user.column: user.default for user in enum.users}
    after = [replace(user, default=defaults[user.column]) for user in was.users if user.column in defaults]
    staying = [user for user in after if user.column not in going]
    added = [value for value in enum.values if value not in was.values]
    is_longer = tuple(value for value in enum.values if value in was.values) == was.values
    may_add = is_longer and not (alone is None and set(added))
    needed = [value for value in added if alone and value in alone]
    if may_add or (is_longer and was.others):
        undo = [Note(f"{_shown(added)} stays in {name}: tables of others use it.")] if was.others else None
        statements = _added(name, was.values, enum.values, needed, dialect)
        return EnumOp(diff, statements, undo or _remade(name, enum.values, was.values, was.users, (), dialect))
    if was.others:
        lost = tuple(value for value in was.values if value not in enum.values)
        raise OwnershipError(
            f"the type {str(name)!r} cannot {f'lose {_shown(lost)}' if lost else 'change the order of its values'}: "
            f"{summed(was.others)} use it too, and they belong to other packages",
            "keep the values, or give the columns a type of another name",
        )
    leaving = [user for user in was.users if user.column not in columns_of(staying)]
    upgrade = _remade(name, was.values, enum.values, staying, leaving, dialect)
    downgrade = _remade(name, enum.values, was.values, was.users, (), dialect)
    return EnumOp(diff, upgrade, downgrade, columns_of(staying))


def _added(
    name: TypeName, old: tuple[str, ...], new: tuple[str, ...], needed: Sequence[str], dialect: Dialect
) -> list[Statement]:
    statements = []
    for number, value in enumerate(new):
        if value in old:
            continue
        # IF NOT EXISTS: a downgrade may have left it, and what is committed alone outlives a failure.
        sql = f"ALTER TYPE {quoted_table(name, dialect)} ADD VALUE IF NOT EXISTS {quoted_text(value, dialect)}"
        if number:
            sql += f" AFTER {quoted_text(new[number - 1], dialect)}"
        elif old:
            sql += f" BEFORE {quoted_text(old[0], dialect)}"
        statements.append(sql)
    if needed:
        return [DoAlone(f"PostgreSQL uses a value only when it is committed: {_shown(needed)}.", tuple(statements))]
    return [Do(sql) for sql in statements]


def _remade(
    name: TypeName,
    old: tuple[str, ...],
    new: tuple[str, ...],
    users: Sequence[User],
    going: Sequence[User],
    dialect: Dialect,
) -> list[Statement]:
    """Return the statements that make a type anew and convert the columns of ``users``; ``going`` become text."""
    statements: list[Statement] = []
    lost = tuple(value for value in old if value not in new)
    if lost:
        statements += [refuse_rows(user, lost, new, dialect) for user in users]
    # The old type keeps its place until no column is left in it.
    aside = TypeName(name.schema, f"{name.name.encode()[:55].decode(errors='ignore')}_old")
    statements += _move(name, aside, dialect)
    statements.append(Do(_create_type(name, new, dialect)))
    type_ = quoted_table(name, dialect)
    converted = {user: type_ + "[]" * user.is_array for user in users} | dict.fromkeys(going, "text")
    for table in dict.fromkeys(user.column.table for user in converted):
        clauses = [c for u, t in converted.items() if u.column.table == table for c in _retyped(u, t, dialect)]
        statements.append(Do(f"ALTER TABLE {quoted_table(table, dialect)} {', '.join(clauses)}"))
    statements.append(Do(f"DROP TYPE {quoted_table(aside, dialect)}"))
    return statements


def _retyped(user: User, type_: str, dialect: Dialect) -> Iterator[str]:
    """Yield the clauses of ``ALTER TABLE`` that give a column a type and its default."""
    column = quoted_table(TableName(None, user.column.name), dialect)
    text = "text[]" if user.is_array and type_ != "text" else "text"
    yield f"ALTER COLUMN {column} DROP DEFAULT"
    yield f"ALTER COLUMN {column} TYPE {type_} USING {column}::{text}" + (f"::{type_}" if type_ != "text" else "")
    if user.default is not None and type_ != "text":
        yield f"ALTER COLUMN {column} SET DEFAULT {user.default}"


def _values_needed_at_once(models: Models, enum: ModelEnum, dialect: Dialect) -> frozenset[str]:
    """Return the values that the definitions of the tables name: the script may use a new one of them."""
    tables = {key.shown(dialect.default_schema_name): table for key, table in models.ownership.tables.items()}
    texts = [user.default for user in enum.users if user.default]
    for name in {user.column.table for user in enum.users} & tables.keys():
        texts += (_clause_text(clause, dialect) for clause in _clauses(tables[name]))
    return frozenset(value for value in enum.values if any(in_quotes(value) in text for text in texts))


def _clauses(table: sa.Table) -> Iterator[Any]:
    """Yield the conditions and expressions in the definition of ``table``."""
    yield from (check.sqltext for check in check_constraints(table))
    yield from (column.computed.sqltext for column in table.columns if column.computed is not None)
    for index in table.indexes:
        yield from index.expressions
        yield index.dialect_options["postgresql"]["where"]


def _clause_text(clause: Any, dialect: Dialect) -> str:
    return literal_sql(clause, dialect) if isinstance(clause, sa.ClauseElement) else str(clause)


# --- PostgreSQL: columns ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Conversion:
    """A column that gets another type, where one of the two is an enum."""

    user: User
    op: EnumOp
    is_to_enum: bool


def _conversions(
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    renamed: Mapping[TypeName, TypeName],
    stored: Mapping[TypeName, StoredEnum],
    wanted: Mapping[TypeName, ModelEnum],
    dialect: Dialect,
) -> Iterator[_Conversion]:
    """Take changes of a type from or to an enum out of what Alembic found, and yield those that are real."""
    users = {user.column: user for enum in stored.values() for user in enum.users}
    models = {user.column: user for enum in wanted.values() for user in enum.users}
    for op in list(alterations(upgrade)):
        before, after = _enum_of(op.existing_type, dialect), _enum_of(op.modify_type, dialect)
        if (before is None and after is None) or op.modify_type is None or type_text(op.modify_type, dialect) is None:
            continue  # a type that the database has not is told with its column, where all are looked at
        column = column_of(op, dialect)
        if before is not None and (renamed.get(before[0], before[0]), before[1]) == after:
            _leave_out(column, upgrade, downgrade, dialect, type_=True)
            continue
        conversion = _conversion(op, users.get(column), models.get(column), dialect)
        _leave_out(column, upgrade, downgrade, dialect, type_=True, default=True)
        yield conversion


def _conversion(op: Any, stored: User | None, model: User | None, dialect: Dialect) -> _Conversion:
    """Return the change that ``op`` makes of a column: ``stored`` uses an enum before, ``model`` after it."""
    old, new = op.existing_type, op.modify_type
    before = _user_before(op, stored, dialect)
    after = model or replace(before, default=_default_after(op, before, dialect))
    there, back = (
        Do(f"ALTER TABLE {quoted_table(before.column.table, dialect)} {', '.join(_retyped(user, type_, dialect))}")
        for user, type_ in ((after, new.compile(dialect)), (before, old.compile(dialect)))
    )
    diff = ("convert_enum", before.column, old, new)
    return _Conversion(before, EnumOp(diff, [there], [back]), _enum_of(new, dialect) is not None)


def _user_before(op: Any, stored: User | None, dialect: Dialect) -> User:
    user = stored or User(column_of(op, dialect))
    if stored is None and op.existing_server_default:
        user = replace(user, default=_default_of(op.existing_type, op.existing_server_default, dialect))
    return replace(user, is_array=isinstance(op.existing_type, sa.ARRAY))


def _default_after(op: Any, before: User, dialect: Dialect) -> str | None:
    changed = op.modify_server_default
    return before.default if changed is False else _default_of(op.modify_type, changed, dialect)


def _default_of(type_: Any, default: Any, dialect: Dialect) -> str | None:
    return default_text(sa.Column("c", type_, server_default=default), dialect)


def _enum_of(type_: Any, dialect: Dialect) -> tuple[TypeName, bool] | None:
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


def _made_columns(upgrade: ops.OpContainer, dialect: Dialect) -> Iterator[tuple[ColumnName, Any]]:
    for op in walk_ops(upgrade):
        if isinstance(op, ops.CreateTableOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            yield from ((ColumnName(table, c.name), c.type) for c in op.columns if isinstance(c, sa.Column))
        elif isinstance(op, ops.AddColumnOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            yield ColumnName(table, op.column.name), op.column.type
        elif isinstance(op, EnumOp) and op.diff[0] == "convert_enum":
            yield op.diff[1], op.diff[3]


def _dropped_tables(upgrade: ops.OpContainer) -> set[TableName]:
    return {TableName(op.schema, op.table_name) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}


def _dropped_columns(upgrade: ops.OpContainer, dialect: Dialect) -> set[ColumnName]:
    dropped = set()
    for op in walk_ops(upgrade):
        if isinstance(op, ops.DropColumnOp):
            dropped.add(column_of(op, dialect))
        elif isinstance(op, ops.DropTableOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            dropped |= {ColumnName(table, column.name) for column in op.to_table().columns}
    return dropped


# --- values that belong to a column ----------------------------------------------------------------------------


# --- names and texts -------------------------------------------------------------------------------------------


def _create_type(name: TypeName, values: Sequence[str], dialect: Dialect) -> str:
    listed = ", ".join(quoted_text(value, dialect) for value in values)
    return f"CREATE TYPE {quoted_table(name, dialect)} AS ENUM ({listed})"


def _shown(values: Iterable[str]) -> str:
    return ", ".join(map(repr, values))
