"""The place of a foreign key among the changes of what it uses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.constraints.key_order import (
    PRIMARY,
    covers,
    create_op,
    drop_op,
    dropped_index,
    keys_of_changed_types,
    leading_columns,
    made_index,
    with_keys_in_order,
)
from websauna_migrate.dialects.mysql_keys import ForeignKey
from websauna_migrate.packages.package import TableName

CHILD, PARENT = TableName(None, "child"), TableName(None, "parent")
KEY = ForeignKey("fk", CHILD, ("p",), PARENT, ("code",), (("ondelete", "CASCADE"),))


def modify(table, *operations):
    return ops.ModifyTableOps(table, list(operations))


def retype(table, column):
    return ops.AlterColumnOp(table, column, existing_type=sa.Integer(), modify_type=sa.BigInteger())


def shown(operations):
    """Return the operations as ``table: kind name``."""
    found = []
    for op in operations:
        inner = op.ops if isinstance(op, ops.ModifyTableOps) else [op]
        found += [
            f"{type(one).__name__} {getattr(one, 'source_table', getattr(one, 'table_name', ''))}" for one in inner
        ]
    return found


def child_table():
    metadata = sa.MetaData()
    parent = sa.Table("parent", metadata, sa.Column("code", sa.Integer, unique=True))
    return sa.Table("child", metadata, sa.Column("p", sa.Integer, sa.ForeignKey(parent.c.code)))


def test_a_key_that_stays_is_dropped_while_the_types_of_its_columns_change():
    changes = [modify("child", retype("child", "p")), modify("note"), modify("parent", retype("parent", "code"))]
    found = with_keys_in_order(changes, None, [KEY])
    assert shown(found) == [
        "DropConstraintOp child",
        "AlterColumnOp child",
        "AlterColumnOp parent",
        "CreateForeignKeyOp child",
    ]
    (create,) = found[-1].ops
    assert (create.referent_table, create.local_cols, create.remote_cols) == ("parent", ["p"], ["code"])
    assert create.kw["ondelete"] == "CASCADE"


def test_a_key_of_the_script_itself_goes_before_and_comes_after_what_it_refers_to():
    unique = ops.CreateUniqueConstraintOp("uq", "parent", ["code"])
    drop, create = drop_op(KEY), create_op(KEY)
    up = [modify("child", create), modify("parent", unique)]
    assert shown(with_keys_in_order(up, None)) == ["CreateUniqueConstraintOp parent", "CreateForeignKeyOp child"]
    drop = ops.DropConstraintOp.from_constraint(create.to_constraint())
    down = [modify("parent", ops.DropConstraintOp.from_constraint(unique.to_constraint())), modify("child", drop)]
    assert shown(with_keys_in_order(down, None)) == ["DropConstraintOp child", "DropConstraintOp parent"]


def test_a_key_whose_columns_stay_as_they_are_keeps_its_place():
    changes = [modify("child", create_op(KEY)), modify("parent", retype("parent", "other"))]
    assert shown(with_keys_in_order(changes, None)) == ["CreateForeignKeyOp child", "AlterColumnOp parent"]


def test_a_new_table_gets_its_key_when_what_it_refers_to_is_there_and_a_removed_one_loses_it_before():
    create = ops.CreateTableOp.from_table(child_table())
    found = with_keys_in_order([create, modify("parent", retype("parent", "code"))], None)
    assert shown(found) == ["CreateTableOp child", "AlterColumnOp parent", "CreateForeignKeyOp child"]
    assert not any(isinstance(item, sa.ForeignKeyConstraint) for item in create.columns)
    drop = ops.DropTableOp.from_table(child_table())
    found = with_keys_in_order([modify("parent", retype("parent", "code")), drop], None)
    assert shown(found) == ["DropConstraintOp child", "AlterColumnOp parent", "DropTableOp child"]


def test_the_keys_of_a_column_with_another_type_are_found_on_both_sides():
    other = ForeignKey("other", CHILD, ("q",), PARENT, ("id",))
    for table, column in (("child", "p"), ("parent", "code")):
        assert keys_of_changed_types([modify(table, retype(table, column))], [KEY, other], None) == [KEY]
    commented = ops.AlterColumnOp("child", "p", modify_comment="new")
    assert keys_of_changed_types([modify("child", commented)], [KEY], None) == []


def test_only_an_index_that_begins_with_whole_columns_is_of_use_to_a_key():
    assert made_index(ops.CreateIndexOp("ix", "t", ["a", sa.column("b"), sa.text("lower(c)")])) == ("ix", ("a",))
    assert made_index(ops.CreateIndexOp("ix", "t", ["a"], mysql_length=10)) is None
    assert made_index(ops.CreateIndexOp("ix", "t", ["a"], postgresql_where=sa.column("b") > 0)) == ("ix", ("a",))
    assert made_index(ops.CreatePrimaryKeyOp("pk", "t", ["a"])) == (PRIMARY, ("a",))
    assert made_index(ops.AlterColumnOp("t", "a")) is None
    assert list(leading_columns([sa.Column("a"), "b"])) == ["a", "b"]
    assert covers(("a", "b"), ("a",))
    assert not covers(("b", "a"), ("a",))


def test_what_drops_an_index_has_its_name():
    assert dropped_index(ops.DropIndexOp("ix", "t")) == "ix"
    assert dropped_index(ops.DropConstraintOp("uq", "t", type_="unique")) == "uq"
    assert dropped_index(ops.DropConstraintOp("pk", "t", type_="primary")) == PRIMARY
    assert dropped_index(ops.DropConstraintOp("fk", "t", type_="foreignkey")) is None
