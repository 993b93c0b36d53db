"""How the change of a computed column is written."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.autogenerate.columns.computed import recreate_columns
from websauna_migrate.autogenerate.script_ops import RecreateColumn, StatementsOp, warnings_of


def table(expression, *items, **options):
    computed = [sa.Computed(expression, **options)] if expression else []
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("b", sa.Integer, *computed))
    return sa.Table("t", sa.MetaData(), *columns, *items)


def recreated(found, wanted, dialect, version=(18, 0), more=(), is_written=True):
    alter = ops.AlterColumnOp("t", "b", modify_computed=wanted.c.b, existing_computed=found.c.b)
    upgrade = ops.UpgradeOps([ops.ModifyTableOps("t", [alter, *more])])
    script = ops.MigrationScript(None, upgrade, ops.DowngradeOps([]))
    dialect.server_version_info, dialect.supports_virtual_generated_columns = version, version >= (18,)
    recreate_columns(script, SimpleNamespace(dialect=dialect), is_written=is_written)
    return upgrade.ops[0].ops, script.downgrade_ops.ops[0].ops


@pytest.mark.parametrize(
    ("version", "persisted", "kind"),
    [
        ((17, 0), (True, True), StatementsOp),
        ((17, 0), (True, None), StatementsOp),
        ((18, 0), (False, None), StatementsOp),
        ((18, 0), (True, None), RecreateColumn),
        ((18, 0), (True, False), RecreateColumn),
        ((16, 0), (True, True), RecreateColumn),
    ],
)
def test_postgresql_changes_an_expression_in_place_where_it_can(version, persisted, kind):
    found, wanted = (table(sql, persisted=one) for sql, one in zip(("a", "a + 1"), persisted, strict=True))
    (there,), (back,) = recreated(found, wanted, postgresql.dialect(), version)
    assert (type(there), type(back)) == (kind, kind)
    if kind is StatementsOp:
        assert there.statements[0].sql == "ALTER TABLE t ALTER COLUMN b SET EXPRESSION AS (a + 1)"
        assert back.statements[0].sql == "ALTER TABLE t ALTER COLUMN b SET EXPRESSION AS (a)"


def test_what_is_over_the_column_goes_before_it_and_comes_back_after_it():
    def found():
        items = [sa.UniqueConstraint("b", name="uq"), sa.CheckConstraint("b > 0", name="ck"), sa.Index("ix", "b")]
        return table("a", *items, sa.Index("ix_id", "id"), sa.CheckConstraint("id > 0", name="ck_id"))

    for direction in recreated(found(), table("c"), mysql.dialect()):
        drops = [op for op in direction if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp))]
        assert len(drops) == 3
        assert [op in drops for op in direction] == [True, True, True, False, False, False, False]
        assert isinstance(direction[3], RecreateColumn)
    assert len(recreated(found(), table("c"), mysql.dialect(), is_written=False)[0]) == 1


def test_what_goes_anyway_goes_once_and_first():
    found = table("a", sa.Index("ix", "b"))
    (index,) = found.indexes
    there, _ = recreated(found, table("c"), mysql.dialect(), more=[ops.DropIndexOp.from_index(index)])
    assert [type(op) for op in there] == [ops.DropIndexOp, RecreateColumn]


def test_a_batch_keeps_what_is_over_the_column():
    there, _ = recreated(table("a", sa.Index("ix", "b")), table(None), sqlite.dialect())
    assert [type(op) for op in there] == [RecreateColumn]


def test_a_column_of_the_primary_key_is_left_to_the_user():
    found = sa.Table("t", sa.MetaData(), sa.Column("b", sa.Integer, sa.Computed("a"), primary_key=True))
    (left,), _ = recreated(found, table("c"), sqlite.dialect())
    assert next(warnings_of([left])).startswith("Write by hand: computed column t.b is part of the primary key")
    assert left.to_diff_tuple()[:4] == ("modify_computed", None, "t", "b")
