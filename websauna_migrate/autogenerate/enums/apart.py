"""Constraints and indexes that are away while the enums of a PostgreSQL database change.

They are dropped before the first change of a type, and made again after the last one, on the way there and on the way
back. What the script itself drops or makes of them is moved to these places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateColumn, CreateIndex

from websauna_migrate.autogenerate.constraints.key_ops import CreateExclude, DropExclude
from websauna_migrate.autogenerate.enums.changes import Add, Remake
from websauna_migrate.autogenerate.enums.dependents import (
    Dependent,
    column_key,
    dependents_of_columns,
    dependents_of_types,
    place_of,
)
from websauna_migrate.autogenerate.enums.facts import columns_of, stored_as_type, stored_type_name
from websauna_migrate.autogenerate.enums.names import with_new_names
from websauna_migrate.autogenerate.script_ops import Do, RecreateColumn, StatementsOp, table_of
from websauna_migrate.database.sql import plain_dialect
from websauna_migrate.dialects.constraints import Question, condition_sql, exclusion_sql, made_of
from websauna_migrate.dialects.spelling import check_constraints, stored_name
from websauna_migrate.packages.package import TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.enums.changes import Convert, TypeChange
    from websauna_migrate.autogenerate.enums.facts import Models
    from websauna_migrate.autogenerate.script_ops import Statement
    from websauna_migrate.autogenerate.tables.renamed import Renames

    Key: TypeAlias = tuple[TableName, str]

_Conditions = (ops.CreateCheckConstraintOp, CreateExclude)
_Made = (*_Conditions, ops.CreateForeignKeyOp, ops.CreateIndexOp, ops.CreateUniqueConstraintOp, ops.AddColumnOp)
_Dropped = (ops.DropConstraintOp, ops.DropIndexOp, DropExclude, ops.DropColumnOp)


@dataclass(frozen=True, slots=True)
class Apart:
    """What is away while types change: ``up`` on the way there, ``down`` on the way back.

    ``tables`` have a column that changes.
    """

    up: tuple[Dependent, ...]
    down: tuple[Dependent, ...]
    tables: frozenset[TableName]


def find_apart(
    values: Sequence[TypeChange],
    conversions: Sequence[Convert],
    renamed: Mapping[TypeName, TypeName],
    connection: Connection,
    models: Models,
) -> Apart:
    """Return what stands in the way of the changes ``values`` of types, and of ``conversions`` of columns."""
    converted = dependents_of_columns(connection, [one.before.column for one in conversions], models.renames)
    moved = [
        _moved(dependent, conversion, renamed, models, connection)
        for conversion in conversions
        for dependent in converted.get(conversion.before.column, ())
    ]
    remade = [change for change in values if isinstance(change, Remake)]
    undone = [change for change in values if isinstance(change, Add) and not change.shared]
    found = dependents_of_types(connection, models.renames) if remade or undone else {}
    of_types = {renamed.get(name, name): dependents for name, dependents in found.items()}
    cast = [_cast(one, renamed, models, connection) for change in remade for one in of_types.get(change.name, ())]
    down = [*moved, *cast, *(one for change in undone for one in of_types.get(change.name, ()))]
    columns = {one.before.column for one in conversions}.union(*(columns_of(change.users) for change in remade))
    return Apart(_each_once([*moved, *cast]), _each_once(down), frozenset(column.table for column in columns))


def _each_once(dependents: Iterable[Dependent]) -> tuple[Dependent, ...]:
    found: dict[Key, Dependent] = {}
    for one in dependents:
        found.setdefault(one.key, one)
    return tuple(sorted(found.values(), key=place_of))


def _moved(
    dependent: Dependent,
    conversion: Convert,
    renamed: Mapping[TypeName, TypeName],
    models: Models,
    connection: Connection,
) -> Dependent:
    """Return ``dependent`` as the models have it, or with casts to the new type of its column."""
    dialect = connection.dialect
    becomes = _of_models(dependent, models, connection)
    old, new = (_type_name(type_, dialect) for type_ in (conversion.old_type, conversion.new_type))
    if becomes is None and old is not None:
        becomes = with_new_names(dependent.definition, {**renamed, old: new or TypeName(None, "text")}, dialect)
    return replace(dependent, becomes=becomes)


def _cast(
    dependent: Dependent, renamed: Mapping[TypeName, TypeName], models: Models, connection: Connection
) -> Dependent:
    """Return ``dependent`` with the new names of types, a generated column as the models have it."""
    becomes = _of_models(dependent, models, connection) if dependent.kind == "g" else None
    return replace(dependent, becomes=becomes or with_new_names(dependent.definition, renamed, connection.dialect))


def _type_name(type_: object, dialect: Dialect) -> TypeName | None:
    enum = stored_as_type(type_, dialect)
    return stored_type_name(enum, dialect) if enum is not None else None


def _of_models(dependent: Dependent, models: Models, connection: Connection) -> str | None:
    dialect = connection.dialect
    default = dialect.default_schema_name
    tables = (table for key, table in models.ownership.tables.items() if key.shown(default) == dependent.table)
    for table in tables:
        for name, definition in _definitions(table, dependent.kind, dialect):
            if name == dependent.name:
                return definition()
        if dependent.kind == "c":
            return _unnamed(dependent, table, models.renames, connection)
    return None


def _unnamed(dependent: Dependent, table: sa.Table, renames: Renames, connection: Connection) -> str | None:
    """Return the CHECK without a name in the models that is ``dependent`` while the columns have their old types."""
    dialect = connection.dialect
    unnamed = [check for check in check_constraints(table) if not isinstance(check.name, str)]
    definitions = tuple(f"CHECK ({condition_sql(check.sqltext, dialect)})" for check in unnamed)
    renamed = renames.columns.get(dependent.table, {})
    (made,) = made_of([Question(renames.stored(dependent.table), definitions, renamed)], connection)
    found = zip(definitions, made or (), strict=False)
    return next((definition for definition, sql in found if sql == dependent.definition), None)


def _definitions(table: sa.Table, kind: str, dialect: Dialect) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the name of each constraint or index of ``kind`` in the models, and what tells its definition."""
    if kind == "c":
        for check in check_constraints(table):
            if isinstance(check.name, str):
                yield stored_name(check, dialect), lambda of=check: f"CHECK ({condition_sql(of.sqltext, dialect)})"  # type: ignore[misc]
    elif kind == "x":
        for one in table.constraints:
            if one.__visit_name__ == "exclude_constraint" and isinstance(one.name, str):
                yield stored_name(one, dialect), lambda of=one: exclusion_sql(of, dialect)  # type: ignore[misc]
    elif kind == "g":
        for column in table.columns:
            yield column.name, lambda of=column: str(CreateColumn(of).compile(dialect=plain_dialect(dialect)))  # type: ignore[misc]
    elif kind == "i":
        for index in table.indexes:
            yield str(index.name), lambda of=index: str(CreateIndex(of).compile(dialect=plain_dialect(dialect)))  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Around:
    """Operations around changes of types.

    ``first`` come before the changes, ``last`` after all; ``between`` after the changes that come before what Alembic
    found. ``back`` come first on the way back, and the undo of ``outermost`` last, when all is as it was.
    """

    outermost: tuple[StatementsOp, ...] = ()
    first: tuple[StatementsOp, ...] = ()
    between: tuple[StatementsOp, ...] = ()
    last: tuple[StatementsOp, ...] = ()
    made: tuple[ops.ModifyTableOps, ...] = ()
    back: tuple[ops.ModifyTableOps, ...] = ()


def operations_apart(upgrade: ops.OpContainer, downgrade: ops.OpContainer, apart: Apart, dialect: Dialect) -> Around:
    """Return what drops what stands ``apart`` before the changes of types, and makes it again after them.

    What the script itself says of these constraints is taken out of ``upgrade`` and ``downgrade``. Those of a table
    that goes are not made again; on the way back it comes with them before the types change.
    """
    for container, away_there in ((upgrade, apart.up), (downgrade, apart.down)):
        _leave_out_recreated(container, {one.key for one in away_there if one.kind == "g"})
    explicit = {key for op, key in _operations(upgrade, _Dropped)} & {one.key for one in apart.down}
    made = [
        (op, key)
        for op, key in _operations(upgrade, _Made)
        if key in explicit or (isinstance(op, _Conditions) and key[0] in apart.tables)
    ]
    keys = {key for _, key in made}
    _take_out(upgrade, _Dropped, explicit)
    _take_out(upgrade, _Made, keys)
    back = [op for op, key in _operations(downgrade, _Dropped) if key in keys]
    _take_out(downgrade, _Dropped, keys)
    _take_out(downgrade, _Made, explicit)
    default = dialect.default_schema_name
    dropped = {table_of(op).shown(default) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}
    away = [one for one in apart.down if one in apart.up or one.key in explicit]
    up, down = ([one for one in of if one.key not in explicit] for of in (apart.up, apart.down))
    staying, gone = ([one for one in down if (one.table in dropped) is is_gone] for is_gone in (False, True))
    makes = [do for one in up if one.table not in dropped for do in one.made_after(dialect)]
    return Around(
        _if_any("drop", [], [do for one in apart.down for do in one.made(dialect)]),
        _if_any("drop", _drops(away, dialect), []),
        _if_any("drop", [], _drops(gone, dialect)),
        _if_any("create", makes, _drops(staying, dialect)),
        tuple(_alone(op) for op, _ in made),
        tuple(_alone(op) for op in back),
    )


def _drops(dependents: Sequence[Dependent], dialect: Dialect) -> list[Do]:
    return [one.dropped(dialect) for one in reversed(dependents)]


def _leave_out_recreated(container: ops.OpContainer, keys: Collection[Key]) -> None:
    """Take out of ``container`` what makes a generated column anew: it is away, and made as it is to be."""
    for modify in container.ops:
        if isinstance(modify, ops.ModifyTableOps):
            modify.ops = [op for op in modify.ops if (table_of(modify), column_key(_recreated(op))) not in keys]
    container.ops = [op for op in container.ops if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _recreated(op: MigrateOperation) -> str:
    match op:
        case RecreateColumn():
            return str(op.column.name)
        case StatementsOp(diff=("modify_computed", _, _, name, *_) | ("undo", "modify_computed", _, _, name, *_)):
            return str(name)
    return ""


def _if_any(what: str, statements: Sequence[Statement], undo: Sequence[Statement]) -> tuple[StatementsOp, ...]:
    return (StatementsOp((f"{what}_dependents",), statements, undo),) if statements or undo else ()


def _operations(container: ops.OpContainer, kinds: Any) -> Iterator[tuple[MigrateOperation, Key]]:
    for modify in container.ops:
        if isinstance(modify, ops.ModifyTableOps):
            yield from ((op, _key(op, modify)) for op in modify.ops if isinstance(op, kinds))


def _take_out(container: ops.OpContainer, kinds: Any, keys: set[Key]) -> None:
    for modify in container.ops:
        if isinstance(modify, ops.ModifyTableOps):
            modify.ops = [op for op in modify.ops if not (isinstance(op, kinds) and _key(op, modify) in keys)]
    container.ops = [op for op in container.ops if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _key(op: Any, modify: ops.ModifyTableOps) -> Key:
    """Return the table and the name of what ``op`` makes or drops; a CHECK without a name is known by what it says."""
    name = getattr(op, "constraint_name", None) or getattr(op, "index_name", None)
    if isinstance(op, (ops.DropColumnOp, ops.AddColumnOp)):
        name = column_key(op.column_name if isinstance(op, ops.DropColumnOp) else op.column.name)
    if name is None:
        made = op.reverse() if isinstance(op, _Dropped) else op
        name = f"CHECK {made.to_constraint().sqltext}" if isinstance(made, ops.CreateCheckConstraintOp) else ""
    return table_of(modify), str(name)


def _alone(op: Any) -> ops.ModifyTableOps:
    table = op.source_table if isinstance(op, ops.CreateForeignKeyOp) else op.table_name
    schema = op.kw.get("source_schema") if isinstance(op, ops.CreateForeignKeyOp) else op.schema
    return ops.ModifyTableOps(table, [op], schema=schema)
