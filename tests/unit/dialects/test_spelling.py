"""What counts as one spelling of a type or a default, without a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.dialects.spelling import default_text, type_text

POSTGRESQL, SQLITE, MYSQL = postgresql.dialect(), sqlite.dialect(), mysql.dialect()


def column(default):
    return sa.Column("a", sa.String(9), server_default=default)


@pytest.mark.parametrize(
    ("shown", "model"),
    [
        ("'x'::character varying", "x"),
        ("'it''s'::text", "it's"),
        ("'{}'::jsonb", "{}"),
        ("'a'::character varying(3)", "a"),
        ("((1 + (2)))", sa.text("1 + (2)")),
        ("NULL::character varying", None),
        ("now()", sa.func.now()),
        (" 'x' ", sa.text("'x'")),
    ],
)
def test_what_is_spelled_otherwise_is_one_text(shown, model):
    assert default_text(column(sa.text(shown)), POSTGRESQL) == default_text(column(model), POSTGRESQL)


@pytest.mark.parametrize(
    ("one", "other"),
    [("x", "X"), ("x", ""), ("x", None), ("", None), ("1", sa.text("1")), ("'x'", "x"), (sa.text("(a) + (b)"), "a")],
)
def test_what_means_something_else_is_another_text(one, other):
    assert default_text(column(one), POSTGRESQL) != default_text(column(other), POSTGRESQL)


def test_parentheses_are_taken_off_only_where_they_belong_together():
    assert default_text(column(sa.text("(a) + (b)")), SQLITE) == "(a) + (b)"
    assert default_text(column(sa.text("(')')")), SQLITE) == "')'"


def test_the_width_that_mysql_shows_of_an_integer_is_no_difference():
    assert type_text(mysql.BIGINT(display_width=20, unsigned=True), MYSQL) == "BIGINT UNSIGNED"
    assert type_text(sa.Numeric(10, 2), MYSQL) == "NUMERIC(10, 2)"


def test_a_type_that_the_database_has_not_has_no_text():
    assert type_text(postgresql.INET(), SQLITE) is None
