"""Expressions that cannot be written as SQL are named with their table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from websauna_migrate.autogenerate.constraints.expressions import require_expressions
from websauna_migrate.autogenerate.errors import UnrenderableExpression

UNKNOWN = sa.literal(object(), sa.PickleType())


def tables(*items, default=None):
    return [sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer, server_default=default), *items)]


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (tables(default=sa.cast(UNKNOWN, sa.Integer)), "server_default of column 'a'"),
        (tables(sa.Index("ix", sa.cast(UNKNOWN, sa.Integer))), "index 'ix'"),
        (tables(sa.CheckConstraint(UNKNOWN == 1, name="ck")), "CHECK 'ck'"),
        (tables(sa.CheckConstraint(UNKNOWN == 1)), "CHECK"),
    ],
)
def test_the_error_names_the_table_and_what_cannot_be_written(found, what):
    with pytest.raises(UnrenderableExpression, match=f"table 't', {what}: it cannot be written as SQL: .*literal"):
        require_expressions(found, sqlite.dialect())


def test_what_can_be_written_is_left_alone():
    column = sa.Column("b", sa.Integer, server_default=sa.func.now())
    check = sa.CheckConstraint("nonsense(", name="ck")
    require_expressions(tables(column, check, sa.Index("ix", column + 1, "a"), default="7"), sqlite.dialect())
