"""Indexes and columns of MySQL and MariaDB that foreign keys use, changed as the server allows it.

InnoDB drops no index while it is the only one that a foreign key can use (error 1553), and changes the type of no
column in a key (1832, 1833). So the index that takes its place is created first, or one with the name of the key, as
the server makes it by itself; where neither can be, and for a type, the key is dropped and created again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic.operations import ops
from alembic.util import warn
from sqlalchemy import String
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.sql.elements import conv

from websauna_migrate.autogenerate.constraints.key_order import (
    PRIMARY,
    covers,
    dropped_index,
    keys_of_changed_types,
    made_index,
    with_keys_in_order,
)
from websauna_migrate.autogenerate.script_ops import Comment, table_of, walk_ops
from websauna_migrate.autogenerate.tables.renamed import inspect_renamed
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.dialects.mysql_keys import ForeignKey, read_foreign_keys
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence, Set

    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.tables.renamed import Renames

    Indexes: TypeAlias = dict[TableName, dict[str, tuple[str, ...]]]


def keep_keys(
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    migration: MigrationContext,
    tables: Collection[TableName],
    before: Collection[MigrateOperation] = (),
) -> None:
    """Let both directions change what foreign keys use. ``tables`` are those that the script may change.

    The operations ``before`` are done when the script runs, and not yet in the database.
    """
    connection = migration.bind
    assert connection is not None
    default = connection.dialect.default_schema_name
    renames: Renames | None = migration.opts.get(RENAMES)
    kept = _kept_keys(upgrade, connection, renames, tables) if _may_need_keys(upgrade) else []
    kept, others = _of_tables(kept, upgrade, {table.shown(default) for table in tables}, default)
    indexes = _read_indexes(upgrade, connection, renames) if kept else {}
    for modify in before:
        if isinstance(modify, ops.ModifyTableOps):
            for op in modify.ops:
                _apply(op, indexes.setdefault(table_of(modify).shown(default), {}))
    notes = [_note(key) for key in others]
    stand_ins: list[ForeignKey] = []
    for container in (upgrade, downgrade):
        changed = keys_of_changed_types(container.ops, kept, default)
        free = [key for key in kept if key not in changed]
        apart = changed + _index_by_index(container, free, indexes, default, stand_ins)
        container.ops[:] = [*notes, *with_keys_in_order(container.ops, default, apart)]
    _drop_at_end(upgrade, stand_ins, default)  # they are there when it runs again


def _drop_at_end(container: ops.OpContainer, stand_ins: Iterable[ForeignKey], default: str | None) -> list[ForeignKey]:
    """Let ``container`` drop the indexes that the other direction gave to keys; return the keys of other tables."""
    last = {table_of(op).shown(default): op for op in container.ops if isinstance(op, ops.ModifyTableOps)}
    left = []
    for key in stand_ins:
        if key.table in last:
            last[key.table].ops.append(_drop_of(key))
        else:
            left.append(key)
    return left


def ordered(
    operations: Iterable[MigrateOperation],
    table: TableName,
    keys: Iterable[ForeignKey],
    indexes: dict[str, tuple[str, ...]],
) -> tuple[list[MigrateOperation], list[ForeignKey], list[ForeignKey]]:
    """Return the ``operations`` on ``table`` with a successor before each index that one of the ``keys`` needs.

    With them go the keys that get an index of their own name, and those that have to be dropped meanwhile. ``indexes``
    are those of the table, by name, and are brought to the state after the operations.
    """
    waiting = list(operations)
    done: list[MigrateOperation] = []
    own: list[ForeignKey] = []
    apart: list[ForeignKey] = []
    while waiting:
        op = waiting.pop(0)
        name = dropped_index(op)
        for key, columns in _sides(keys, table):
            if name is None or key in apart or not _is_needed(name, columns, key, indexes):
                continue
            followers = [later for later in waiting if _makes_cover(later, columns)]
            successor = next((later for later in followers if _made_name(later) not in indexes), None)
            if successor is not None:
                waiting.remove(successor)
                done.append(successor)
                _apply(successor, indexes)
            elif followers:
                apart.append(key)
            elif table == key.table and columns == key.columns:
                done.append(_index_of_key(key))
                own.append(key)
        done.append(op)
        _apply(op, indexes)
    return done, own, apart


def _may_need_keys(container: ops.OpContainer) -> bool:
    return any(
        dropped_index(op) is not None
        or (made_index(op) is not None)
        or (isinstance(op, ops.AlterColumnOp) and op.modify_type is not None)
        for op in walk_ops(container.ops)
    )


def _kept_keys(
    upgrade: ops.OpContainer, connection: Connection, renames: Renames | None, tables: Collection[TableName]
) -> list[ForeignKey]:
    """Return the keys in the database that ``upgrade`` does not drop, with the names after ``renames``."""
    default = connection.dialect.default_schema_name
    found = read_foreign_keys(connection, {table.schema for table in tables} or {None})
    stored = [_renamed(key, renames) for key in found] if renames else found
    gone_tables = {table_of(op).shown(default) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}
    gone = {
        (table_of(op).shown(default), str(op.constraint_name))
        for op in walk_ops(upgrade.ops)
        if isinstance(op, ops.DropConstraintOp)
    }
    return [key for key in stored if key.table not in gone_tables and (key.table, key.name) not in gone]


def _renamed(key: ForeignKey, renames: Renames) -> ForeignKey:
    return ForeignKey(
        renames.names.get(renames.table(key.table), {}).get(key.name, key.name),
        renames.table(key.table),
        tuple(renames.column(key.table, name) for name in key.columns),
        renames.table(key.target),
        tuple(renames.column(key.target, name) for name in key.target_columns),
        key.rules,
    )


def _of_tables(
    keys: Sequence[ForeignKey], upgrade: ops.OpContainer, tables: Set[TableName], default: str | None
) -> tuple[list[ForeignKey], list[ForeignKey]]:
    """Return the keys that a script can create again, and those whose other side keeps a type that no longer fits.

    A key of another package's table is one of the latter, unless it is of text, whose length does not matter.
    """
    plain = {
        table_of(modify).shown(default)
        for modify in upgrade.ops
        if isinstance(modify, ops.ModifyTableOps)
        for op in modify.ops
        if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None and not isinstance(op.modify_type, String)
    }
    changed = keys_of_changed_types(upgrade.ops, keys, default)
    others = [key for key in changed if not {key.table, key.target} <= tables and {key.table, key.target} & plain]
    return [key for key in keys if key not in others], others


def _note(key: ForeignKey) -> Comment:
    text = (
        f"foreign key {key.name} of {key.table} to {key.target} is of another package: drop it before the type changes,"
        f" and create it again when both columns have the new type"
    )
    warn(f"The {text}")
    return Comment(f"The {text}")


def _read_indexes(upgrade: ops.OpContainer, connection: Connection, renames: Renames | None) -> Indexes:
    """Return the indexes that a key can use, of the tables that lose one."""
    inspector = inspect_renamed(connection, renames)
    default = connection.dialect.default_schema_name
    found: Indexes = {}
    for modify in upgrade.ops:
        if not isinstance(modify, ops.ModifyTableOps):
            continue
        table = table_of(modify)
        try:
            indexes = inspector.get_indexes(table.name, table.schema)
            primary = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
        except NoSuchTableError:
            continue
        of_table = found[table.shown(default)] = {PRIMARY: tuple(primary)}
        for index in indexes:
            columns = tuple(name for name in index["column_names"] if name)
            if not any(index.get("dialect_options", {}).values()):
                of_table[str(index["name"])] = columns
    return found


def _index_by_index(
    container: ops.OpContainer,
    keys: Sequence[ForeignKey],
    indexes: Indexes,
    default: str | None,
    stand_ins: list[ForeignKey],
) -> list[ForeignKey]:
    """Order the indexes in ``container`` and return the keys that have to be dropped meanwhile.

    ``stand_ins`` are the keys that got an index of their name on the way there: it goes on the way back.
    """
    apart: list[ForeignKey] = []
    made: list[ForeignKey] = []
    for modify in container.ops:
        if isinstance(modify, ops.ModifyTableOps):
            table = table_of(modify).shown(default)
            modify.ops, own, of_table = ordered(modify.ops, table, keys, indexes.setdefault(table, {}))
            made += own
            apart += [key for key in of_table if key not in apart]
    stand_ins[:] = [*_drop_at_end(container, stand_ins, default), *made]
    return apart


def _sides(keys: Iterable[ForeignKey], table: TableName) -> Iterator[tuple[ForeignKey, tuple[str, ...]]]:
    for key in keys:
        if key.table == table:
            yield key, key.columns
        if key.target == table:
            yield key, key.target_columns


def _is_needed(name: str, columns: tuple[str, ...], key: ForeignKey, indexes: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether ``key`` can use only the index ``name``. One of its own name does not count: it may be the
    server's, which goes by itself when another one is there."""
    others = (index for other, index in indexes.items() if other not in (name, key.name))
    return covers(indexes.get(name, ()), columns) and not any(covers(index, columns) for index in others)


def _makes_cover(op: MigrateOperation, columns: tuple[str, ...]) -> bool:
    made = made_index(op)
    return made is not None and covers(made[1], columns)


def _made_name(op: MigrateOperation) -> str:
    made = made_index(op)
    return made[0] if made is not None else ""


def _apply(op: MigrateOperation, indexes: dict[str, tuple[str, ...]]) -> None:
    indexes.pop(dropped_index(op) or "", None)
    if (made := made_index(op)) is not None:
        indexes[made[0]] = made[1]


def _index_of_key(key: ForeignKey) -> ops.CreateIndexOp:
    schema = key.table.schema
    return ops.CreateIndexOp(conv(key.name), key.table.name, list(key.columns), schema=schema, if_not_exists=True)


def _drop_of(key: ForeignKey) -> ops.DropIndexOp:
    return ops.DropIndexOp(conv(key.name), key.table.name, schema=key.table.schema, if_exists=True)
