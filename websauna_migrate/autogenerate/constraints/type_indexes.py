"""Indexes that the type of a column makes with the column, as the spatial index of GeoAlchemy2.

The model has such an index, so Alembic writes it into the revision. There the type makes it a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import made_columns, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations.ops import MigrateOperation

    from websauna_migrate.packages.package import TableName


def leave_out_indexes_of_types(container: ops.OpContainer) -> None:
    """Take those operations out of ``container`` that create an index which the type of a new column makes itself."""
    made = {(table, index.name) for table, column in made_columns(container) for index in _indexes(table, column)}
    if made:
        container.ops[:] = _without(container.ops, made)


def _indexes(table: TableName, column: sa.Column[Any]) -> set[sa.Index]:
    """Return the indexes of a table that has nothing but a column with the name and the type of ``column``."""
    if type(column.type).__module__.startswith("sqlalchemy."):
        return set()
    return sa.Table(table.name, sa.MetaData(), sa.Column(column.name, column.type.copy()), schema=table.schema).indexes


def _without(operations: Sequence[MigrateOperation], made: set[tuple[TableName, Any]]) -> Iterator[MigrateOperation]:
    for op in operations:
        if isinstance(op, ops.ModifyTableOps):
            op.ops[:] = _without(op.ops, made)
        if not (isinstance(op, ops.CreateIndexOp) and (table_of(op), op.index_name) in made):
            yield op
