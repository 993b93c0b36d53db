"""Indexes that are more than columns."""

from __future__ import annotations

import sqlalchemy as sa

from websauna_migrate.dialects.indexes import is_expression_index, spelled


def test_an_index_in_descending_order_is_not_over_an_expression():
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer))
    assert not is_expression_index(sa.Index("i", table.c.a.desc().nulls_last()))
    assert is_expression_index(sa.Index("j", sa.func.lower(table.c.a).desc()))


def test_quotes_and_white_space_are_no_part_of_the_sql_of_an_index():
    assert spelled('CREATE INDEX "i"\n ON t ("a" COLLATE NOCASE)') == spelled("create index i on t (a collate nocase)")


def test_a_literal_is_spelled_in_one_way_only():
    assert spelled("a = 'B  c'") != spelled("a = 'b c'")
    assert spelled("""a='it''s "B"' -- why""") == spelled("""A = 'it''s "B"'""")
