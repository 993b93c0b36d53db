"""What counts as one spelling of a type or a default, without a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.dialects.spelling import Texts, default_text, type_text

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


class Padded(sa.types.UserDefinedType):
    """A type of an application, whose text depends on what SQLAlchemy does not know."""

    def __init__(self, width):
        self._width = width

    def get_col_spec(self):
        """Return the type as DDL."""
        return f"PADDED({self._width})"


TYPES = [
    *(sa.Integer(), sa.BigInteger(), sa.Boolean(), sa.Boolean(name="flag"), sa.DateTime(), sa.DateTime(timezone=True)),
    *(
        sa.String(9),
        sa.String(10),
        sa.String(9, collation="C"),
        sa.VARCHAR(9),
        sa.CHAR(9),
        sa.Text(),
        sa.types.NullType(),
    ),
    *(sa.Numeric(10, 2), sa.Numeric(10, 3), sa.ARRAY(sa.Integer), sa.ARRAY(sa.Text), sa.Enum("a", "b", name="ab")),
    *(sa.Enum("a", name="cd"), sa.Interval(), postgresql.INTERVAL(precision=3), postgresql.BIT(3), sa.JSON()),
    *(sa.String(9).with_variant(sa.Text(), "postgresql"), sa.String(9).with_variant(sa.Text(), "mysql")),
    *(Padded(3), Padded(4), mysql.YEAR()),
]


def test_a_type_that_was_seen_before_has_the_text_that_it_has():
    texts = Texts(POSTGRESQL)
    for _ in range(2):
        assert [texts.of_type(one) for one in TYPES] == [type_text(one, POSTGRESQL) for one in TYPES]


@pytest.mark.parametrize("default", ["x", "'x'", sa.text("'x'"), sa.text("(1)"), sa.func.now(), sa.true(), sa.null()])
def test_a_default_that_was_seen_before_has_the_text_that_it_has(default):
    texts, whole = Texts(POSTGRESQL), column(default)
    texts.of_default(column("other").server_default)
    for _ in range(2):
        assert texts.of_default(whole.server_default) == default_text(whole, POSTGRESQL)
    assert texts.of_sql("('y'::text)") == default_text(column(sa.text("('y'::text)")), POSTGRESQL)


def test_a_text_is_made_once():
    texts = Texts(POSTGRESQL)
    assert texts.of_type(sa.String(9)) is texts.of_type(sa.String(9))
    assert texts.of_default(column("x").server_default) is texts.of_default(column("x").server_default)
