"""An order in which a database changes the columns and indexes of foreign keys.

A foreign key needs an index on the columns that it refers to, and MySQL and MariaDB need one on its own columns
too, and change the type of no column in a key. So a key that a script drops goes before that, one that it makes comes
after it, and one that stays is dropped for that time where the database does not do without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.sql.elements import conv

from websauna_migrate.autogenerate.script_ops import table_of
from websauna_migrate.dialects.mysql_keys import ForeignKey
from websauna_migrate.packages.package import TableName, constraint_name, referred_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alembic.operations.ops import MigrateOperation

    Columns: TypeAlias = tuple[str, ...]
    Indexes: TypeAlias = Mapping[TableName, Mapping[str, Columns]]

PRIMARY = "PRIMARY"  # the name of the index of a primary key, as MySQL calls it
_Drop: TypeAlias = "ops.DropIndexOp | ops.DropConstraintOp"
_Create: TypeAlias = "ops.CreateIndexOp | ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp"
_RULES = ("onupdate", "ondelete", "deferrable", "initially", "match")


@dataclass(slots=True)
class _Order:
    """The operations of one direction of a script, and the drops and creates of keys that go before and after some."""

    operations: list[MigrateOperation]
    default: str | None
    before: dict[int, list[tuple[TableName, MigrateOperation]]] = field(default_factory=dict)
    after: dict[int, list[tuple[TableName, MigrateOperation]]] = field(default_factory=dict)

    def table(self, op: ops.ModifyTableOps | ops.CreateTableOp | ops.DropTableOp) -> TableName:
        return table_of(op).shown(self.default)

    def places(self, key: ForeignKey) -> list[int]:
        """Return where the type of a column of ``key`` changes, or an index on what it refers to comes or goes."""
        return [
            place
            for place, op in enumerate(self.operations)
            if isinstance(op, ops.ModifyTableOps) and _touches(op, self.table(op), key)
        ]

    def drop(self, place: int, table: TableName, op: MigrateOperation) -> None:
        self.before.setdefault(place, []).append((table, op))

    def create(self, place: int, table: TableName, op: MigrateOperation) -> None:
        self.after.setdefault(place, []).append((table, op))

    def in_order(self) -> Iterator[MigrateOperation]:
        for place, op in enumerate(self.operations):
            yield from _grouped(self.before.get(place, []))
            if not isinstance(op, ops.ModifyTableOps) or op.ops:
                yield op
            yield from _grouped(self.after.get(place, []))


def with_keys_in_order(
    operations: Sequence[MigrateOperation], default: str | None, apart: Iterable[ForeignKey] = ()
) -> list[MigrateOperation]:
    """Return the ``operations`` of one direction with each foreign key dropped before, and created after, what it uses.

    The keys ``apart`` are in the database, and in no operation: they are dropped for the time of the changes.
    ``default`` is the default schema.
    """
    order = _Order(list(operations), default)
    explicit = _move_explicit(order)
    for place, op in enumerate(order.operations):
        if isinstance(op, ops.CreateTableOp):
            _take_out(place, op, order)
        elif isinstance(op, ops.DropTableOp):
            _drop_before(place, op, order, explicit)
    for key in apart:
        places = _places_of(key, order)
        order.drop(places[0], key.table, drop_op(key))
        order.create(places[-1], key.table, create_op(key))
    return list(order.in_order())


def keys_of_changed_types(
    operations: Iterable[MigrateOperation], keys: Iterable[ForeignKey], default: str | None
) -> list[ForeignKey]:
    """Return those of ``keys`` with a column whose type ``operations`` change."""
    changed = [op for op in operations if isinstance(op, ops.ModifyTableOps) and changed_types(op)]
    return [
        key for key in keys if any(key.columns_in(table_of(op).shown(default)) & changed_types(op) for op in changed)
    ]


def changed_types(modify: ops.ModifyTableOps) -> set[str]:
    """Return the columns whose type changes in ``modify``."""
    return {op.column_name for op in modify.ops if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None}


def made_index(op: MigrateOperation) -> tuple[str, tuple[str, ...]] | None:
    """Return the name and the columns of the index that ``op`` makes, if a foreign key can use it."""
    if isinstance(op, ops.CreatePrimaryKeyOp):
        return PRIMARY, tuple(op.columns)
    if isinstance(op, ops.CreateUniqueConstraintOp):
        return str(op.constraint_name), tuple(op.columns)
    if isinstance(op, ops.CreateIndexOp) and not any(
        name.endswith(("_length", "_prefix")) and value for name, value in op.kw.items()
    ):
        return str(op.index_name), tuple(leading_columns(op.columns))
    return None


def dropped_index(op: MigrateOperation) -> str | None:
    """Return the name of the index that ``op`` drops, None where it drops none."""
    if isinstance(op, ops.DropIndexOp):
        return str(op.index_name)
    if isinstance(op, ops.DropConstraintOp) and op.constraint_type in ("unique", "primary"):
        return PRIMARY if op.constraint_type == "primary" else str(op.constraint_name)
    return None


def leading_columns(parts: Iterable[object]) -> Iterator[str]:
    """Yield the names of the columns that an index begins with."""
    for part in parts:
        name = part.name if isinstance(part, sa.Column) else part
        if not isinstance(name, str):
            return
        yield name


def covers(index: Sequence[str], columns: Sequence[str]) -> bool:
    """Tell whether an index over the columns ``index`` finds the rows of ``columns``."""
    return tuple(index[: len(columns)]) == tuple(columns)


def drop_op(key: ForeignKey) -> ops.DropConstraintOp:
    """Return the operation that drops ``key``."""
    return ops.DropConstraintOp(conv(key.name), key.table.name, type_="foreignkey", schema=key.table.schema)


def create_op(key: ForeignKey) -> ops.CreateForeignKeyOp:
    """Return the operation that creates ``key``."""
    return ops.CreateForeignKeyOp(
        conv(key.name),
        key.table.name,
        key.target.name,
        list(key.columns),
        list(key.target_columns),
        source_schema=key.table.schema,
        referent_schema=key.target.schema,
        **dict(key.rules),
    )


def _touches(modify: ops.ModifyTableOps, table: TableName, key: ForeignKey) -> bool:
    if key.columns_in(table) & changed_types(modify):
        return True
    indexes = (made_index(making(op)) for op in modify.ops) if table == key.target else ()
    return any(index is not None and covers(index[1], key.target_columns) for index in indexes)


def making(op: MigrateOperation) -> MigrateOperation:
    """Return what makes the index or constraint that ``op`` makes or drops."""
    if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp)):
        try:
            return op.reverse()
        except ValueError:  # a hook of the user wrote it, and there is no way back
            return op
    return op


def _places_of(key: ForeignKey, order: _Order) -> list[int]:
    return [
        place
        for place, op in enumerate(order.operations)
        if isinstance(op, ops.ModifyTableOps) and order.table(op) in (key.table, key.target)
    ]


def _move_explicit(order: _Order) -> set[tuple[TableName, str]]:
    """Move the keys that the script itself drops and creates; return the dropped ones by table and name."""
    dropped = set()
    for own, modify in enumerate(order.operations):
        for op in list(modify.ops) if isinstance(modify, ops.ModifyTableOps) else ():
            assert isinstance(modify, ops.ModifyTableOps)
            key = _key_of(making(op), order.default)
            if key is None:
                continue
            places = order.places(key)
            if isinstance(op, ops.DropConstraintOp):
                dropped.add((key.table, key.name))
                if places and places[0] < own:
                    modify.ops.remove(op)
                    order.drop(places[0], key.table, op)
            elif places and places[-1] >= own:
                modify.ops.remove(op)
                order.create(places[-1], key.table, op)
    return dropped


def _take_out(place: int, create: ops.CreateTableOp, order: _Order) -> None:
    """Let a new table get those of its keys later that refer to what changes later."""
    table = order.table(create)
    for item in [item for item in create.columns if isinstance(item, sa.ForeignKeyConstraint)]:
        key = _key(item, table, order.default)
        if (places := order.places(key)) and places[-1] > place:
            create.columns = [other for other in create.columns if other is not item]
            order.create(places[-1], table, create_op(key))


def _drop_before(place: int, drop: ops.DropTableOp, order: _Order, explicit: set[tuple[TableName, str]]) -> None:
    """Drop the keys of a table that goes, and refer to what changes before that."""
    table = order.table(drop)
    for item in sorted(_keys(drop.to_table()), key=lambda item: str(item.name)):
        key = _key(item, table, order.default)
        if (table, key.name) not in explicit and (places := order.places(key)) and places[0] < place:
            order.drop(places[0], table, drop_op(key))


def _keys(table: sa.Table) -> list[sa.ForeignKeyConstraint]:
    return [item for item in table.constraints if isinstance(item, sa.ForeignKeyConstraint)]


def _key(constraint: sa.ForeignKeyConstraint, table: TableName, default: str | None) -> ForeignKey:
    target = referred_name(constraint.elements[0])
    columns = [column.name for column in constraint.columns]
    rules = {rule: value for rule in _RULES if (value := getattr(constraint, rule)) is not None}
    return ForeignKey(
        str(constraint.name) if constraint.name else constraint_name("fk", table.name, columns, target.name),
        table,
        tuple(columns),
        target.shown(default),
        tuple(element.target_fullname.rpartition(".")[2] for element in constraint.elements),
        tuple({**rules, **constraint.dialect_kwargs}.items()),
    )


def _key_of(op: MigrateOperation, default: str | None) -> ForeignKey | None:
    if not isinstance(op, ops.CreateForeignKeyOp):
        return None
    return ForeignKey(
        str(op.constraint_name),
        TableName(op.kw.get("source_schema"), op.source_table).shown(default),
        tuple(op.local_cols),
        TableName(op.kw.get("referent_schema"), op.referent_table).shown(default),
        tuple(op.remote_cols),
    )


def _grouped(found: Iterable[tuple[TableName, MigrateOperation]]) -> Iterator[ops.ModifyTableOps]:
    for table, group in groupby(found, key=lambda pair: pair[0]):
        yield ops.ModifyTableOps(table.name, [op for _, op in group], schema=table.schema)
