"""The order of what is done to tables that inherit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.tables.inherited import in_order_of_inheritance

DIALECT = postgresql.dialect()
DIALECT.default_schema_name = "public"


def models():
    """Return a grandchild, its parent and the parent of that, in the order of their names."""
    metadata = sa.MetaData()
    inherits = {"a": "b", "b": ("public.c",), "c": None}
    return [sa.Table(name, metadata, postgresql_inherits=parent) for name, parent in inherits.items()]


def ordered(*operations):
    """Return the operations as pairs of their kind and their table."""
    found = in_order_of_inheritance(operations, models(), DIALECT)
    inner = [one for op in found for one in getattr(op, "ops", [op])]
    return [(type(one).__name__.removesuffix("Op"), one.table_name) for one in inner]


def modified(table, *inner):
    return ops.ModifyTableOps(table, list(inner))


def test_a_parent_is_created_before_its_children_and_dropped_after_them():
    assert [table for _, table in ordered(*(ops.CreateTableOp(name, []) for name in "abc"))] == ["c", "b", "a"]
    assert [table for _, table in ordered(*(ops.DropTableOp(name) for name in "cba"))] == ["a", "b", "c"]


def test_a_column_is_added_to_the_children_first():
    added = [modified(name, ops.AddColumnOp(name, sa.Column("x", sa.Integer))) for name in "cba"]
    tables = [table for _, table in ordered(*added)]
    assert tables.index("a") < tables.index("b") < tables.index("c")


def test_a_column_is_dropped_from_the_parents_first():
    tables = [table for _, table in ordered(*(modified(name, ops.DropColumnOp(name, "x")) for name in "abc"))]
    assert tables.index("c") < tables.index("b") < tables.index("a")


def test_an_index_of_a_child_stays_after_its_column():
    column = ops.AddColumnOp("b", sa.Column("x", sa.Integer))
    child = modified("b", column, ops.CreateIndexOp("ix", "b", ["x"]))
    parent = modified("c", ops.AddColumnOp("c", sa.Column("x", sa.Integer)))
    assert ordered(parent, child) == [("AddColumn", "b"), ("AddColumn", "c"), ("CreateIndex", "b")]


def test_the_type_of_a_column_is_changed_in_the_parent_only():
    def change(name, **options):
        return modified(name, ops.AlterColumnOp(name, "x", modify_type=sa.BigInteger(), **options))

    assert ordered(change("a"), change("b", modify_nullable=False), change("c")) == [
        ("AlterColumn", "b"),
        ("AlterColumn", "c"),
    ]


def test_other_tables_and_columns_are_left_alone():
    other = modified("z", ops.DropColumnOp("z", "x"))
    assert ordered(modified("b", ops.DropColumnOp("b", "x")), other, modified("c", ops.DropColumnOp("c", "y"))) == [
        ("DropColumn", "b"),
        ("DropColumn", "z"),
        ("DropColumn", "c"),
    ]
