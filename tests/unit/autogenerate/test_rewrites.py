"""Operations as databases accept them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy.sql.elements import conv

from websauna_migrate.autogenerate.rewrites import rewritten


def of(dialect, *operations, names_altered=False):
    migration = MigrationContext.configure(dialect_name=dialect)
    return rewritten(list(operations), migration, names_altered=names_altered)


def test_foreign_keys_are_dropped_first():
    inner = [ops.DropIndexOp("ix", "note"), ops.DropConstraintOp("fk", "note", type_="foreignkey")]
    (modify,) = of("postgresql", ops.ModifyTableOps("note", inner))
    assert modify.ops == inner[::-1]


def test_mysql_makes_a_foreign_key_after_the_indexes_have_changed():
    key = ops.CreateForeignKeyOp("fk", "note", "user", ["user_id"], ["id"])
    gone = ops.DropIndexOp("ix", "note")
    (modify,) = of("mysql", ops.ModifyTableOps("note", [key, gone]))
    assert modify.ops == [gone, key]


def test_mysql_has_no_index_over_a_column_while_it_gets_another_type():
    table = sa.Table("note", sa.MetaData(), sa.Column("a", sa.String(9)), sa.Column("b", sa.Integer))
    alter = ops.AlterColumnOp("note", "a", modify_type=sa.Text())
    other = ops.CreateIndexOp("other", "note", ["b"])
    create = ops.CreateIndexOp("new", "note", [sa.text("lower(`a`)")])
    indexes = [sa.Index("old", table.c.a, table.c.b), sa.Index("lower", sa.func.lower(table.c.a))]
    gone = [ops.DropIndexOp.from_index(index) for index in indexes]
    gone.append(ops.DropConstraintOp.from_constraint(sa.UniqueConstraint(table.c.a, name="uq")))
    (modify,) = of("mysql", ops.ModifyTableOps("note", [create, alter, other, *gone]))
    assert modify.ops == [*gone, alter, other, create]


def test_the_indexes_of_a_table_that_goes_need_no_drop():
    modify = ops.ModifyTableOps("note", [ops.DropIndexOp("ix", "note")])
    drop = ops.DropTableOp("note")
    assert of("postgresql", modify, drop) == [drop]


def test_indexes_stand_outside_of_a_batch():
    column = ops.DropColumnOp("note", "a")
    index, gone = ops.CreateIndexOp("ix", "note", ["b"]), ops.DropIndexOp("old", "note")
    first, batch, last = of("sqlite", ops.ModifyTableOps("note", [index, column, gone]))
    assert (first, batch.ops, last) == (gone, [column], index)


def test_a_name_is_final_where_the_naming_convention_would_alter_it():
    table = sa.Table("note", sa.MetaData(), sa.Column("a", sa.Integer), sa.UniqueConstraint("a", name="mine"))
    for names_altered in (True, False):
        (create,) = of("postgresql", ops.CreateTableOp.from_table(table), names_altered=names_altered)
        (unique,) = (item for item in create.columns if isinstance(item, sa.UniqueConstraint) and item.name)
        assert isinstance(unique.name, conv) is names_altered


def test_the_check_of_a_column_is_written_with_its_table():
    table = sa.Table("note", sa.MetaData(), sa.Column("a", sa.Integer, sa.CheckConstraint("a > 1", name="ck")))
    (create,) = of("sqlite", ops.CreateTableOp.from_table(table))
    assert [item.name for item in create.columns if isinstance(item, sa.CheckConstraint)] == ["ck"]


def test_an_identity_that_comes_or_goes_changes_whether_null_is_allowed():
    op = ops.AlterColumnOp(
        "note",
        "a",
        existing_type=sa.Integer(),
        existing_nullable=True,
        existing_server_default=None,
        modify_server_default=sa.Identity(),
    )
    of("postgresql", ops.ModifyTableOps("note", [op]))
    assert op.modify_nullable is False
