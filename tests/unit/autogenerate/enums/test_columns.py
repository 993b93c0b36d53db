"""Enums that are stored in their column: which rows stop a script."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.autogenerate.enums.columns import refuse_lost_values, refuse_rows
from websauna_migrate.autogenerate.enums.facts import User
from websauna_migrate.autogenerate.script_ops import StatementsOp
from websauna_migrate.packages.package import ColumnName, TableName

HUE = ColumnName(TableName("crm", "note"), "hue")


@pytest.mark.parametrize(
    ("dialect", "is_array", "told"),
    [
        (sqlite.dialect(), False, "hue IN ('it''s')"),
        (postgresql.dialect(), False, "hue::text IN ('it''s')"),
        (postgresql.dialect(), True, "hue::text[] && ARRAY['it''s']"),
    ],
)
def test_rows_with_a_lost_value_are_counted(dialect, is_array, told):
    refuse = refuse_rows(User(HUE, is_array=is_array), ("it's",), ("red",), dialect)
    assert refuse.count == f"SELECT count(*) FROM crm.note WHERE {told}"
    assert refuse.example.startswith("UPDATE crm.note SET hue = ")
    assert "'red'" in refuse.example


def altered(old, new):
    op = ops.AlterColumnOp("note", "hue", existing_type=sa.Enum(*old), modify_type=sa.Enum(*new))
    return ops.ModifyTableOps("note", [op])


def test_mariadb_looks_for_lost_values_before_it_changes_the_column_on_both_ways():
    upgrade = ops.UpgradeOps([altered(["a", "b", "C"], ["a", "c"])])
    downgrade = ops.DowngradeOps([altered(["a", "c"], ["a", "b", "C"])])
    refuse_lost_values(upgrade, downgrade, mysql.dialect())
    first = upgrade.ops[0]
    assert isinstance(first, StatementsOp)
    assert first.diff == ("remove_enum_values", "note.hue", ("b",))
    assert not any(isinstance(op, StatementsOp) for op in downgrade.ops)


def test_elsewhere_the_column_is_left_alone():
    upgrade = ops.UpgradeOps([altered(["a", "b"], ["a"])])
    refuse_lost_values(upgrade, ops.DowngradeOps([]), sqlite.dialect())
    assert len(upgrade.ops) == 1
