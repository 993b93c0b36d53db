"""What is made anew over a column whose type changes: decided on operations and tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.columns.retyped import Over, apart, drops_of_parts, take_note, with_recreated
from websauna_migrate.autogenerate.script_ops import RecreateColumn
from websauna_migrate.dialects.constraints import Shown

DIALECT = postgresql.dialect()


def table(type_, *items):
    columns = [sa.Column(name, type_) for name in ("a", "other")]
    return sa.Table("t", sa.MetaData(), *columns, sa.Column("made", sa.Integer, sa.Computed("a * 2")), *items)


def over(*items, checks=()):
    found, wanted = (table(type_, *(item() for item in items)) for type_ in (sa.Integer(), sa.Numeric()))
    return Over(found, wanted, tuple(Shown(name, f"CHECK (({sql}))") for name, sql in checks), frozenset({"a"}))


@pytest.mark.parametrize(("type_", "is_noted"), [(sa.Numeric(), True), (sa.Enum("x", name="e"), False)])
def test_a_note_is_taken_once_and_that_of_an_enum_is_left_out(type_, is_noted):
    alter = ops.AlterColumnOp("t", "a", existing_type=sa.Integer(), modify_type=type_, over=over())
    modify = ops.ModifyTableOps("t", [alter])
    taken = take_note(modify, DIALECT)
    assert (taken.retyped if taken else None) == (frozenset({"a"}) if is_noted else None)
    assert (alter.kw, take_note(modify, DIALECT)) == ({}, None)


def test_a_column_computed_of_it_goes_before_all_changes_and_comes_after_them():
    alter = ops.AlterColumnOp("t", "a", modify_type=sa.Numeric())
    own = ops.AlterColumnOp("t", "made", modify_nullable=False)
    index, gone = ops.CreateIndexOp("ix", "t", ["made"]), ops.DropConstraintOp("uq", "t", type_="unique")
    inner = with_recreated([alter, own, index, gone], over(), DIALECT)
    assert [type(op) for op in inner[3:]] == [RecreateColumn]
    ordered = apart(inner)
    assert [type(op) for op in ordered[1:4:2]] == [ops.DropColumnOp, ops.AddColumnOp]
    assert (ordered[0], ordered[2], ordered[4]) == (gone, alter, index)
    back = [op.reverse() for op in reversed(ordered[1:4])]
    assert [type(op) for op in back] == [ops.DropColumnOp, ops.AlterColumnOp, ops.AddColumnOp]
    assert back[2].column.computed is not None


def test_a_check_and_a_partial_index_over_it_come_back_as_in_the_models():
    items = (
        lambda: sa.CheckConstraint("a > 3", name="ck"),
        lambda: sa.Index("ix_where", "other", postgresql_where=sa.text("a > 3")),
        lambda: sa.Index("ix_plain", "a"),
        lambda: sa.Index("ix_sum", sa.text("(a + 1)")),
    )
    found = over(*items, checks=[("ck", "a > 3"), ("ck_other", "other > 3"), ("ck_unnamed", "a < 9")])
    drops = dict(drops_of_parts(found, DIALECT))
    assert sorted(drops) == ["ck", "ck_unnamed", "ix_sum", "ix_where"]
    assert str(drops["ck"].reverse().condition) == "a > 3"
