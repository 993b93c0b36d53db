"""Which tables are certainly as in their models. Databases answer in tests/integration/test_unchanged.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.unchanged import Shown, is_same, may_leave_out
from websauna_migrate.dialects.spelling import Texts

TEXTS = Texts(postgresql.dialect())


@pytest.fixture
def table():
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(9), nullable=False))
    return sa.Table("note", sa.MetaData(), *columns, sa.Index("ix", "text"))


@pytest.fixture
def shown():
    columns = [
        {"name": "id", "type": sa.INTEGER(), "nullable": False, "default": "nextval('note_id_seq')"},
        {"name": "text", "type": sa.VARCHAR(9), "nullable": False, "default": None},
    ]
    index = {"name": "ix", "column_names": ["text"], "unique": False, "dialect_options": {}}
    return Shown(columns, ["id"], [index], [], [], None)


def test_a_table_with_equal_parts_is_the_same(table, shown):
    assert is_same(table, shown, TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        {"primary_key": []},
        {"indexes": []},
        {"comment": "old"},
        {"columns": []},
        {"unique_constraints": [{"name": "uq", "column_names": ["text"]}]},
    ],
)
def test_what_differs_in_one_part_is_left_to_the_comparison(table, shown, change):
    assert not is_same(table, replace(shown, **change), TEXTS)


@pytest.mark.parametrize(
    "part",
    [{"nullable": True}, {"default": "'x'::text"}, {"type": sa.TEXT()}, {"comment": "c"}, {"computed": {"a": 1}}],
)
def test_a_column_that_differs_is_left_to_the_comparison(table, shown, part):
    shown.columns[1].update(part)
    assert not is_same(table, shown, TEXTS)


def test_nothing_is_left_out_where_the_user_compares():
    assert may_leave_out({})
    assert may_leave_out({"compare_type": True})
    assert not may_leave_out({"compare_type": lambda *_: None})
    assert not may_leave_out({"autogenerate_plugins": []})
