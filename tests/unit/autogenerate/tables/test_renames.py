"""What looks like a rename, and names that follow. Renames in databases are in tests/integration/test_renames.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.tables.renamed import Renames, renamed_sql
from websauna_migrate.autogenerate.tables.renames import chosen, followed_name, likely_columns, likely_tables
from websauna_migrate.packages.package import TableName

A, B, C, D = (TableName(None, name) for name in "abcd")
NAMES = st.sampled_from("abcdefgh")
COLUMNS = st.dictionaries(NAMES, st.sampled_from([frozenset({"INTEGER"}), frozenset({"TEXT"})]), min_size=1)
TABLES = st.dictionaries(NAMES.map(lambda name: TableName(None, name)), COLUMNS, max_size=4)


def columns(**types):
    return {name: frozenset({type_}) for name, type_ in types.items()}


def yes(*_):
    return True


# --- tables ----------------------------------------------------------------------------------------------------


def test_tables_with_half_of_their_columns_alike_look_renamed():
    old = columns(id="INTEGER", name="TEXT")
    assert likely_tables({A: old}, {B: columns(id="INTEGER", title="TEXT")}) == [(A, B)]
    assert likely_tables({A: old}, {B: columns(id="INTEGER", title="TEXT", day="DATE")}) == []
    assert likely_tables({A: old}, {B: columns(id="TEXT", name="INTEGER")}) == []


def test_a_column_has_the_same_type_when_one_of_its_spellings_is_the_same():
    assert likely_tables({A: columns(paid="TINYINT")}, {B: {"paid": frozenset({"BOOL", "TINYINT"})}}) == [(A, B)]


def test_a_table_is_not_renamed_into_another_schema():
    assert likely_tables({A: columns(id="INTEGER")}, {TableName("stock", "a"): columns(id="INTEGER")}) == []


def test_the_table_that_is_most_alike_comes_first():
    old = columns(id="INTEGER", name="TEXT", day="DATE")
    near, far = old | columns(note="TEXT"), columns(id="INTEGER", name="TEXT")
    assert likely_tables({A: old}, {B: far, C: near, D: old}) == [(A, D), (A, C), (A, B)]


def test_tables_without_columns_do_not_look_renamed():
    assert likely_tables({A: {}}, {B: {}}) == []


@given(TABLES, TABLES)
def test_the_order_of_tables_is_the_same_for_any_order_of_input(removed, added):
    there, back = (
        likely_tables(removed, added),
        likely_tables(dict(reversed(removed.items())), dict(reversed(added.items()))),
    )
    assert there == back


# --- columns ---------------------------------------------------------------------------------------------------


def test_columns_of_one_type_look_renamed_and_those_with_similar_names_first():
    removed = columns(customer_id="INTEGER", day="DATE")
    assert likely_columns(removed, columns(paid="INTEGER", client_id="INTEGER", at="TEXT")) == [
        ("customer_id", "client_id"),
        ("customer_id", "paid"),
    ]


def test_columns_whose_types_are_not_known_do_not_look_renamed():
    assert likely_columns({"a": frozenset()}, {"b": frozenset()}) == []


@given(COLUMNS, COLUMNS)
def test_the_order_of_columns_is_the_same_for_any_order_of_input(removed, added):
    back = likely_columns(dict(reversed(removed.items())), dict(reversed(added.items())))
    assert likely_columns(removed, added) == back


# --- answers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(NAMES, NAMES)), st.functions(like=lambda old, new: None, returns=st.booleans(), pure=True))
def test_each_name_is_in_one_accepted_pair_at_most(pairs, answer):
    found = chosen(pairs, answer)
    assert len(set(found.values())) == len(found)
    assert all(pair in pairs for pair in found.items())


def test_what_an_accepted_pair_has_is_not_asked_about_again():
    asked = []
    pairs = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert chosen(pairs, lambda *pair: not asked.append(pair)) == {"a": "x", "b": "y"}
    assert asked == [("a", "x"), ("b", "y")]


# --- names and texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ix_sale_total", "ix_deal_sum"),
        ("sale", "deal"),
        ("ix_wholesale_total", "ix_wholesale_sum"),
        ("ix_sale_sale_line", "ix_deal_deal_item"),
        ("ix_sales", "ix_sales"),
    ],
)
def test_a_name_follows_by_its_words(name, expected):
    assert followed_name(name, {"sale": "deal", "total": "sum", "sale_line": "deal_item"}) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("total > 0", "sum > 0"),
        ('"total" > 0', "sum > 0"),
        ("`total` > 0 AND totals", "sum > 0 AND totals"),
        ("kind = 'total' OR kind = 'it''s total'", "kind = 'total' OR kind = 'it''s total'"),
        ("lower(name::text)", 'lower("Name"::text)'),
    ],
)
def test_sql_gets_the_new_names_and_keeps_its_texts(sql, expected):
    assert renamed_sql(sql, {"total": "sum", "name": "Name"}, postgresql.dialect()) == expected


def test_columns_are_found_by_the_stored_name_of_their_table():
    renames = Renames({A: B}, {B: {"x": "y"}})
    assert renames.place(A, "x") == (B, "y")
    assert renames.place(C, "x") == (C, "x")
    assert (renames.stored(B), renames.stored(C)) == (A, C)
    assert (renames.touch(B), renames.touch(A), bool(Renames())) == (True, False, False)
