"""Indexes that the type of a column makes with it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import event
from sqlalchemy.types import UserDefinedType

from websauna_migrate.autogenerate.constraints.type_indexes import leave_out_indexes_of_types


class Shape(UserDefinedType):
    """A type that indexes its columns, in the way of GeoAlchemy2."""

    cache_ok = True

    def get_col_spec(self):
        return "shape"

    def copy(self):
        return Shape()


def index(column, table):
    if isinstance(column.type, Shape) and isinstance(table, sa.Table):
        sa.Index(f"idx_{table.name}_{column.name}", column)


@pytest.fixture(autouse=True)
def _indexing():
    event.listen(sa.Column, "after_parent_attach", index)
    yield
    event.remove(sa.Column, "after_parent_attach", index)


def models():
    table = sa.Table("place", sa.MetaData(), sa.Column("id", sa.Integer, index=True), sa.Column("shape", Shape()))
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    assert [index.name for index in indexes] == ["idx_place_shape", "ix_place_id"]
    return table, [ops.CreateIndexOp.from_index(index) for index in indexes]


def left(container):
    flat = [one for op in container.ops for one in (op.ops if isinstance(op, ops.ModifyTableOps) else [op])]
    return [op.index_name for op in flat if isinstance(op, ops.CreateIndexOp)]


def test_a_new_table_makes_the_index_of_a_type_itself():
    table, indexes = models()
    container = ops.UpgradeOps([ops.CreateTableOp.from_table(table), *indexes])
    leave_out_indexes_of_types(container)
    assert left(container) == ["ix_place_id"]


def test_a_new_column_makes_the_index_of_its_type_itself():
    table, indexes = models()
    added = ops.AddColumnOp.from_column(table.c.shape)
    container = ops.UpgradeOps([ops.ModifyTableOps("place", [added, *indexes])])
    leave_out_indexes_of_types(container)
    assert left(container) == ["ix_place_id"]


def test_the_index_of_a_column_that_was_there_is_created():
    _, indexes = models()
    container = ops.UpgradeOps([ops.ModifyTableOps("place", indexes)])
    leave_out_indexes_of_types(container)
    assert left(container) == ["idx_place_shape", "ix_place_id"]
