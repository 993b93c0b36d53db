"""Which changes of a type code that knows the old one tolerates, and which of them PostgreSQL makes in place."""

from __future__ import annotations

import pytest

from websauna_migrate.dialects.widths import keeps_rows, removed_values, widens


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("INTEGER", "BIGINT"),
        ("int(11)", "BIGINT"),
        ("TINYINT", "INTEGER"),
        ("INTEGER UNSIGNED", "BIGINT UNSIGNED"),
        ("VARCHAR(50)", "character varying(80)"),
        ("VARCHAR(50)", "VARCHAR"),
        ("VARCHAR(50)", "TEXT"),
        ("VARCHAR", "TEXT"),
        ("CHAR(5)", "VARCHAR(5)"),
        ("NUMERIC(10, 2)", "NUMERIC(12, 4)"),
        ("DECIMAL(10, 2)", "NUMERIC"),
        ("NUMERIC(10, 2)", "NUMERIC(10, 2)"),
        ("REAL", "DOUBLE PRECISION"),
        ("TEXT", "LONGTEXT"),
        ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(6) WITHOUT TIME ZONE"),
        ("ENUM('a','b')", "ENUM('a','b','c')"),
        ("enum('a','it''s')", "ENUM('it\\'s','a')"),
        ("hue[]", "hue[]"),
        ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
    ],
)
def test_a_wider_type_is_tolerated(before, after):
    assert widens(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("BIGINT", "INTEGER"),
        ("INTEGER", "INTEGER UNSIGNED"),
        ("INTEGER", "VARCHAR(20)"),
        ("VARCHAR(50)", "VARCHAR(20)"),
        ("VARCHAR", "VARCHAR(20)"),
        ("TEXT", "VARCHAR(200)"),
        ("VARCHAR(5)", "CHAR(5)"),
        ("VARCHAR(5)", "CHAR"),
        ("NUMERIC(10, 2)", "NUMERIC(10, 4)"),
        ("NUMERIC", "NUMERIC(10, 2)"),
        ("NUMERIC(10)", "NUMERIC(8)"),
        ("TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP(6)", "TIMESTAMP(3)"),
        ("TIMESTAMP", "TIMESTAMP(3)"),
        ("LONGTEXT", "TEXT"),
        ("ENUM('a','b')", "ENUM('a')"),
        ("hue", "shade"),
        ("TEXT[]", "TEXT"),
    ],
)
def test_any_other_change_is_not(before, after):
    assert not widens(before, after)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("VARCHAR(50)", "VARCHAR(80)", True),
        ("VARCHAR(50)", "TEXT", True),
        ("NUMERIC(10, 2)", "NUMERIC(12, 2)", True),
        ("NUMERIC(10, 2)", "NUMERIC", True),
        ("NUMERIC(10, 2)", "NUMERIC(12, 4)", False),
        ("INTEGER", "BIGINT", False),
        ("CHAR(5)", "VARCHAR(5)", False),
        ("VARCHAR(80)", "VARCHAR(50)", False),
        ("INTEGER", "int4", True),
    ],
)
def test_some_types_are_changed_in_place(before, after, kept):
    assert keeps_rows(before, after) is kept


def test_the_values_that_an_enum_loses_are_known():
    assert removed_values("enum('a','b','c')", "ENUM('c','x')") == ("a", "b")
    assert removed_values("enum('a')", "VARCHAR(1)") == ()
