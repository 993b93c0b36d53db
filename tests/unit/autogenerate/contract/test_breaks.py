"""Which operations break code that is running."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import mysql, postgresql

from websauna_migrate.autogenerate.contract.breaks import what_breaks
from websauna_migrate.autogenerate.script_ops import RecreateColumn, RenameColumn, RenameTable, Sql, StatementsOp
from websauna_migrate.packages.package import ColumnName, TableName
from websauna_migrate.revisions.breaking import BREAKS

PG = postgresql.dialect()
COMPUTED = sa.Column("c", sa.Integer, sa.Computed("a + 1"))
PLAIN = sa.Column("c", sa.Integer)


def alter(**how):
    return ops.AlterColumnOp("t", "c", **how)


def typed(before, after):
    return alter(existing_type=before, modify_type=after)


BREAKING = [
    (ops.DropTableOp("t"), "drop-table"),
    (StatementsOp(("remove_partition", "t1"), []), "drop-table"),
    (ops.DropColumnOp("t", "c"), "drop-column"),
    (RecreateColumn("t", COMPUTED, PLAIN), "drop-column"),
    (RenameTable("t", "u"), "rename-table"),
    (RenameColumn("", "", ColumnName(TableName(None, "t"), "c"), "d"), "rename-column"),
    (alter(modify_name="d"), "rename-column"),
    (alter(modify_nullable=False), "new-not-null"),
    (ops.AddColumnOp("t", sa.Column("c", sa.Integer, nullable=False)), "new-not-null"),
    (ops.CreatePrimaryKeyOp("pk", "t", ["c"]), "new-not-null"),
    (typed(sa.String(50), sa.String(20)), "narrow-type"),
    (typed(sa.Integer(), sa.String(20)), "narrow-type"),
    (StatementsOp(("convert_enum", "t.c", 1, 2), []), "narrow-type"),
    (StatementsOp(("modify_enum", "hue", ("a", "b"), ("a", "c")), []), "remove-enum-value"),
    (StatementsOp(("remove_enum", "hue", ("a",)), []), "remove-enum-value"),
]
TOLERATED = [
    ops.CreateTableOp("t", []),
    ops.AddColumnOp("t", PLAIN),
    ops.AddColumnOp("t", sa.Column("c", sa.Integer, server_default="1", nullable=False)),
    RecreateColumn("t", PLAIN, COMPUTED),
    alter(modify_nullable=True),
    alter(modify_nullable=False, existing_nullable=False),
    alter(modify_server_default="1"),
    typed(sa.String(20), sa.Text()),
    typed(sa.Integer(), sa.BigInteger()),
    ops.CreateIndexOp("i", "t", ["c"]),
    ops.DropIndexOp("i", "t"),
    ops.DropConstraintOp("k", "t"),
    StatementsOp(("modify_enum", "hue", ("a",), ("a", "b")), []),
    StatementsOp(("add_enum", "hue", ("a",)), []),
    Sql("SELECT 1", ""),
]


@pytest.mark.parametrize(("op", "name"), BREAKING)
def test_it_breaks_code_that_is_running(op, name):
    assert what_breaks(op, PG) == name


def test_each_way_has_an_example():
    assert {name for _, name in BREAKING} == BREAKS.keys()


@pytest.mark.parametrize("op", TOLERATED)
def test_it_is_tolerated(op):
    assert what_breaks(op, PG) is None


def test_an_enum_of_mariadb_that_loses_a_value_is_told_apart():
    op = typed(mysql.ENUM("a", "b"), mysql.ENUM("a"))
    assert what_breaks(op, mysql.dialect()) == "remove-enum-value"
    assert what_breaks(op.reverse(), mysql.dialect()) is None
