"""SQL in tokens: what stands in quotes is one, and what a database means by it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from websauna_migrate.database.sql import (
    constant_key,
    literal_sql,
    may_be_named,
    named_types,
    texts_in,
    tokens,
    unquoted,
    without_cast,
    without_escapes,
)

DIALECT_OF_POSTGRESQL, DIALECT_OF_SQLITE = postgresql.dialect(), sqlite.dialect()
CONSTANTS = (
    (sa.true(), "true", "1"),
    (sa.null(), "NULL", "NULL"),
    (sa.func.now(), "now()", "CURRENT_TIMESTAMP"),
    (sa.func.current_date(), "CURRENT_DATE", "CURRENT_DATE"),
    (sa.func.random_id(), "random_id()", "random_id()"),
    (sa.func.other.random_id(), "other.random_id()", "other.random_id()"),
    (sa.func.Random_Id(), "Random_Id()", "Random_Id()"),
    (sa.func.random_id(3), "random_id(3)", "random_id(3)"),
    (sa.func.random_id("it's"), "random_id('it''s')", "random_id('it''s')"),
    (sa.Sequence("one").next_value(), "nextval('one')", None),
    (sa.Sequence("two").next_value(), "nextval('two')", None),
)
DIALECTS = ("postgresql", "sqlite", "mysql", "mariadb", "oracle")


@given(st.text(alphabet="'\"`[]\\()-/* \na1,"), st.sampled_from(DIALECTS))
def test_no_character_is_lost(sql, dialect):
    assert "".join(tokens(sql, dialect)) == sql


@pytest.mark.parametrize("token", ["'it''s, ('", '"a ""b"" c"', "`a b`", "-- (", "/* ( */"])
def test_what_is_in_quotes_or_a_comment_is_one_token(token):
    for dialect in DIALECTS:
        assert tokens(f"a ({token}\n)", dialect) == ["a", " ", "(", token, "\n", ")"]


def test_brackets_are_quotes_on_sqlite_and_an_array_elsewhere():
    assert tokens("[a b]", "sqlite") == ["[a b]"]
    assert tokens("ARRAY[a]", "postgresql") == ["ARRAY", "[", "a", "]"]
    assert unquoted("[a b]") == "a b"


def test_a_backslash_belongs_to_the_text_where_the_database_writes_it_so():
    assert texts_in(r"'it\'s', 'a'", "mariadb") == ["it's", "a"]
    assert texts_in(r"'ends with \', 'it''s'", "postgresql") == ["ends with \\", "it's"]


def test_what_mariadb_shows_is_read_as_it_was_meant():
    assert without_escapes(r"it\'s a back\\slash\n") == "it's a back\\slash\n"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("'x'::character varying(3)", "'x'"),
        ("'it''s'::\"my-type\"[]", "'it''s'"),
        ("NULL::text", "NULL"),
        ("ARRAY['a'::hue]", "ARRAY['a'::hue]"),
        ("'a'::text || 'b'::text", "'a'::text || 'b'::text"),
    ],
)
def test_only_a_literal_by_itself_loses_its_cast(shown, expected):
    assert without_cast(shown) == expected


@pytest.mark.parametrize("again", [False, True])
def test_sql_of_the_same_kind_is_told_apart(again):
    for clause, on_postgresql, on_sqlite in CONSTANTS:
        assert literal_sql(clause, DIALECT_OF_POSTGRESQL) == on_postgresql
        assert on_sqlite is None or literal_sql(clause, DIALECT_OF_SQLITE) == on_sqlite


class Colour(sa.types.TypeDecorator):
    """An enum in the clothes of an application."""

    impl = sa.Enum("red", name="colour")
    cache_ok = True


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        (sa.Integer(), None),
        (sa.Boolean(name="flag", create_constraint=True), None),
        (sa.Interval(), None),
        (sa.ARRAY(sa.Text), None),
        (sa.Enum("a", name="letter"), sa.Enum),
        (postgresql.ENUM("a", name="letter"), sa.Enum),
        (sa.ARRAY(sa.Enum("a", name="letter")), sa.Enum),
        (Colour(), sa.Enum),
        (sa.Text().with_variant(postgresql.ENUM("a", name="letter"), "postgresql"), sa.Enum),
        (postgresql.DOMAIN("posint", sa.Integer), postgresql.DOMAIN),
    ],
)
def test_the_types_that_postgresql_stores_by_name_are_found(type_, kind):
    found = list(named_types(type_, DIALECT_OF_POSTGRESQL))
    assert [isinstance(one, kind) for one in found] == [True] if kind else found == []


def test_a_type_that_has_no_name_in_any_database_is_not_looked_into():
    assert not any(map(may_be_named, (sa.Integer(), sa.String(9), sa.Boolean(), sa.Numeric(9, 2), postgresql.JSONB())))


def test_only_what_always_is_the_same_sql_is_a_constant():
    assert all(map(constant_key, (sa.true(), sa.null(), sa.func.now(), sa.func.current_timestamp())))
    assert not any(map(constant_key, (sa.Sequence("s").next_value(), sa.func.abs(1), sa.literal(1), sa.text("1"))))


def test_a_colon_in_the_text_of_the_models_begins_no_parameter():
    for text in ("a || ' :b'", r"a || ' \:b'"):
        assert literal_sql(sa.text(text), DIALECT_OF_SQLITE) == "a || ' :b'"
    given = sa.text("a > :b").bindparams(b=5)
    assert literal_sql(given, DIALECT_OF_SQLITE) == "a > 5"
