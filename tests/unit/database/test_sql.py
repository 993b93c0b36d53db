"""SQL in tokens: what stands in quotes is one, and what a database means by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.database.sql import texts_in, tokens, unquoted, without_cast, without_escapes

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
