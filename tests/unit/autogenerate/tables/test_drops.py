"""The order of what a script drops, and what is lost with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.tables.drops import give_name, is_taken, losses, made_names, order_drops
from websauna_migrate.packages.package import TableName


def script(*operations):
    upgrade = ops.UpgradeOps(list(operations))
    return ops.MigrationScript("a1", upgrade, upgrade.reverse())


def tables(circle=False):
    metadata = sa.MetaData()
    parent = sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
    key = sa.ForeignKeyConstraint(["parent_id"], ["parent.id"], name="fk_child")
    child = sa.Table("child", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("parent_id"), key)
    if circle:
        parent.append_column(sa.Column("child_id", sa.Integer))
        parent.append_constraint(sa.ForeignKeyConstraint(["child_id"], ["child.id"], name="fk_parent"))
    return parent, child


def drops(operations):
    return [op.table_name for op in operations if isinstance(op, ops.DropTableOp)]


def test_a_table_goes_before_the_one_that_it_refers_to():
    written = script(*(ops.DropTableOp.from_table(table) for table in tables()))
    order_drops(written, "postgresql")
    assert drops(written.upgrade_ops.ops) == ["child", "parent"]
    assert [op.table_name for op in written.downgrade_ops.ops] == ["parent", "child"]


def test_a_circle_is_cut_first_and_closed_last():
    written = script(*(ops.DropTableOp.from_table(table) for table in tables(circle=True)))
    order_drops(written, "postgresql")
    first, last = written.upgrade_ops.ops[0], written.downgrade_ops.ops[-1]
    assert isinstance(first.ops[0], ops.DropConstraintOp)
    assert isinstance(last.ops[0], ops.CreateForeignKeyOp)


def test_what_rows_lose_is_told():
    column = ops.ModifyTableOps("note", [ops.DropColumnOp("note", "text", schema="crm")], schema="crm")
    upgrade = ops.UpgradeOps([ops.DropTableOp("old"), column])
    found = list(losses(ops.MigrationScript("a1", upgrade, ops.DowngradeOps([]))))
    assert found == ["drops table old with all its rows", "drops column crm.note.text with all its values"]


def test_a_name_is_taken_by_another_table_only():
    index = ops.CreateIndexOp("ix", "new", ["a"])
    made = made_names([index], "postgresql")
    assert is_taken(TableName(None, "old"), "ix", made)
    assert not is_taken(TableName(None, "new"), "ix", made)
    assert made_names([index], "mysql") == {}


def test_a_constraint_without_a_name_gets_one():
    op = ops.CreateUniqueConstraintOp(None, "note", ["a", "b"])
    give_name(op)
    assert op.constraint_name == "uq_note_a_b"
