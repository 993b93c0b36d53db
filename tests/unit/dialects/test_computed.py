"""Whether two computed columns are the same, on SQLite in memory."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.dialects.computed import is_same_computed


@pytest.mark.parametrize(("expression", "same"), [("a * 2", True), ("a*2", True), ("a * 3", False)])
def test_spaces_do_not_make_another_expression(expression, same):
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2))")
        found = sa.Table("t", sa.MetaData(), autoload_with=connection).c.b
        wanted = sa.Table("t", sa.MetaData(), sa.Column("b", sa.Integer, sa.Computed(expression))).c.b
        assert is_same_computed(found, wanted, connection) is same
    engine.dispose()
