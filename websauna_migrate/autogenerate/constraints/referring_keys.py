"""Foreign keys that are away while what they refer to changes.

PostgreSQL drops no primary key, unique constraint or index that a foreign key refers to: the foreign key is dropped
before, and made again where the columns that it refers to are still unique. So is one whose columns become of another
kind, as text in place of numbers: between the changes of its two sides it would compare one with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.constraints.key_ops import CreateKey, DropKey
from websauna_migrate.autogenerate.constraints.key_order import PRIMARY, dropped_index, made_index
from websauna_migrate.autogenerate.script_ops import (
    Do,
    StatementsOp,
    by_hand,
    table_of,
    walk_ops,
)
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.database.sql import adapted, named_types, quoted_table
from websauna_migrate.dialects.indexes import RENAMES, is_plain_index
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.types import TypeEngine

_REFERRING = sa.text(
    "SELECT n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid),"
    " ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = k.confrelid AND attnum = ANY (k.confkey)),"
    " CASE WHEN NOT i.indisprimary THEN x.relname END"
    " FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_index AS i ON i.indexrelid = k.conindid JOIN pg_class AS x ON x.oid = k.conindid"
    " WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = to_regclass(:table) ORDER BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class _Referring:
    """A foreign key that refers to the columns of the index ``target``."""

    table: TableName
    name: str
    definition: str
    columns: frozenset[str]
    target: str

    def dropped(self, dialect: Dialect) -> Do:
        return Do(f"{self._alter(dialect)} DROP CONSTRAINT {quoted_table(TableName(None, self.name), dialect)}")

    def made(self, dialect: Dialect) -> Do:
        name = quoted_table(TableName(None, self.name), dialect)
        return Do(f"{self._alter(dialect)} ADD CONSTRAINT {name} {self.definition}")

    def _alter(self, dialect: Dialect) -> str:
        return f"ALTER TABLE {quoted_table(self.table, dialect)}"


def keep_referring_keys(
    script: ops.MigrationScript, migration: MigrationContext, tables: Collection[TableName]
) -> None:
    """Drop the foreign keys that refer to something which ``script`` drops before that, and make them again.

    Where one cannot be made again, or belongs to a table that is not among ``tables``, the change of what it refers to
    is left to the user.
    """
    connection = migration.bind
    if connection is None or connection.dialect.name != "postgresql":
        return
    default = connection.dialect.default_schema_name
    ours = {table.shown(default) for table in tables}
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        kept: list[_Referring] = []
        for modify in [op for op in upgrade.ops if isinstance(op, ops.ModifyTableOps)]:
            gone = set(_dropped_uniques(modify))
            if gone:
                found = _staying(upgrade, table_of(modify), connection, migration)
                referring = [key for key in found if key.target in gone]
                unique = list(_unique_columns(modify, migration))
                lost = [key for key in referring if key.columns not in unique or key.table not in ours]
                kept += [] if lost else referring
                _leave_to_the_user(modify, lost)
            retyped = set(other_kinds(modify, connection.dialect))
            if retyped:
                found = _staying(upgrade, table_of(modify), connection, migration)
                kept += [key for key in found if key.columns & retyped and key.table in ours and key not in kept]
        if kept:
            drops, creates = ([getattr(key, what)(connection.dialect) for key in kept] for what in ("dropped", "made"))
            upgrade.ops[:] = [
                StatementsOp(("remove_fk",), drops, creates),
                *upgrade.ops,
                StatementsOp(("add_fk",), creates, drops),
            ]
        upgrade.reverse_into(downgrade)


def other_kinds(modify: ops.ModifyTableOps, dialect: Dialect) -> Iterator[str]:
    """Yield the columns whose type becomes one of another kind; what is over enums is away for them anyway."""
    for op in modify.ops:
        if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None and op.existing_type is not None:
            types = (op.existing_type, op.modify_type)
            is_enum = any(isinstance(named, sa.Enum) for type_ in types for named in named_types(type_, dialect))
            if not is_enum and len({_kind(type_, dialect) for type_ in types}) > 1:
                yield op.column_name


def _kind(type_: TypeEngine[Any], dialect: Dialect) -> type:
    stored = adapted(type_, dialect) or type_
    return next((kind for kind in (sa.Integer, sa.String, sa.Uuid) if isinstance(stored, kind)), type(stored))


def _dropped_uniques(modify: ops.ModifyTableOps) -> Iterator[str]:
    """Yield the names of the unique indexes, also those of constraints, that ``modify`` drops."""
    for op in modify.ops:
        name = dropped_index(op)
        if name is not None and (not isinstance(op, ops.DropIndexOp) or getattr(op.reverse(), "unique", False)):
            yield name


def _staying(
    upgrade: ops.UpgradeOps, table: TableName, connection: Connection, migration: MigrationContext
) -> list[_Referring]:
    """Return the foreign keys to ``table`` that ``upgrade`` does not drop."""
    default = connection.dialect.default_schema_name
    dropped = {table_of(op).shown(default) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}
    gone = {
        (table_of(op).shown(default), str(op.constraint_name))
        for op in walk_ops(upgrade.ops)
        if isinstance(op, ops.DropConstraintOp)
    }
    renames: Renames = migration.opts.get(RENAMES) or Renames()
    found = _referring(renames.stored(table.shown(default)), connection, renames)
    return [key for key in found if key.table not in dropped and (key.table, key.name) not in gone]


def _referring(stored: TableName, connection: Connection, renames: Renames) -> Iterator[_Referring]:
    dialect = connection.dialect
    names = renames.names.get(renames.table(stored), {})
    rows = connection.execute(_REFERRING, {"table": quoted_table(stored, dialect)})
    for schema, table, name, definition, columns, index in rows:
        of = TableName(schema, table).shown(dialect.default_schema_name)
        new_columns = frozenset(renames.column(stored, column) for column in columns)
        new_name = renames.names.get(renames.table(of), {}).get(name, name)
        new_definition = renames.definition(of, stored, definition, dialect)
        target = PRIMARY if index is None else names.get(index, index)
        yield _Referring(renames.table(of), new_name, new_definition, new_columns, target)


def _unique_columns(modify: ops.ModifyTableOps, migration: MigrationContext) -> Iterator[frozenset[str]]:
    """Yield the columns of the table in the models that are unique together."""
    default = migration.dialect.default_schema_name
    for metadata in migration.opts["target_metadata"]:
        for table in metadata.tables.values():
            if table_name(table).shown(default) == table_of(modify).shown(default):
                kinds = (sa.UniqueConstraint, sa.PrimaryKeyConstraint)
                found = [one for one in table.constraints if isinstance(one, kinds)]
                yield from (frozenset(column.name for column in one.columns) for one in found)
                whole = (index for index in table.indexes if index.unique and is_plain_index(index))
                yield from (frozenset(column.name for column in index.columns) for index in whole)


def _leave_to_the_user(modify: ops.ModifyTableOps, lost: Sequence[_Referring]) -> None:
    """Replace the change in ``modify`` of what foreign keys refer to by a comment where they would be ``lost``."""
    targets = {key.target for key in lost}
    for target in sorted(targets - {PRIMARY}):
        keys = ", ".join(f"{key.name} of {key.table}" for key in lost if key.target == target)
        text = f"unique {target} of {table_of(modify)} is to be dropped, to which foreign keys refer: {keys}"
        modify.ops = [op for op in modify.ops if target not in (dropped_index(op), (made_index(op) or ("",))[0])]
        modify.ops.append(by_hand(("modify_unique", modify.schema, modify.table_name, target), text))
    if PRIMARY in targets:
        _leave_primary_key(modify, [key for key in lost if key.target == PRIMARY])


def _leave_primary_key(modify: ops.ModifyTableOps, lost: Sequence[_Referring]) -> None:
    there = [name for op in modify.ops if isinstance(op, DropKey) for name in op.key.columns]
    here = [name for op in modify.ops if isinstance(op, CreateKey) for name in op.columns]
    change = f"from ({', '.join(there)}) to ({', '.join(here)})"
    keys = ", ".join(f"{key.name} of {key.table}" for key in lost)
    text = f"primary key of {table_of(modify)} {change}, to which foreign keys refer: {keys}"
    modify.ops = [op for op in modify.ops if not isinstance(op, (CreateKey, DropKey))]
    modify.ops.append(by_hand(("modify_primary_key", modify.schema, modify.table_name, change), text))
