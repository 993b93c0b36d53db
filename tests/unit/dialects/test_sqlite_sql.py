"""What the SQL of a SQLite table says that SQLAlchemy does not reflect."""

from __future__ import annotations

import pytest

from websauna_migrate.dialects.sqlite_sql import (
    checks_in,
    computed_expressions,
    declared_collations,
    lost_in_batch,
    names_in,
    naming,
    renamed_columns,
    table_options,
    unnamed_checks,
)

TABLE = """CREATE TABLE "t" (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- CHECK (id)
    name VARCHAR(20) COLLATE NOCASE DEFAULT 'it''s, (',
    price NUMERIC CHECK (price > 0 AND name <> ')'),
    [odd name] INTEGER AS (price * 2) STORED,
    CONSTRAINT ck CHECK (id < 9)
) STRICT, WITHOUT ROWID"""


def test_checks_without_a_name_are_found():
    assert list(unnamed_checks(TABLE)) == ["price > 0 AND name <> ')'"]
    assert list(checks_in(TABLE)) == [(None, "price > 0 AND name <> ')'"), ("ck", "id < 9")]


def test_options_collations_and_computed_columns_are_found():
    assert table_options(TABLE) == {"sqlite_autoincrement": True, "sqlite_with_rowid": False, "sqlite_strict": True}
    assert declared_collations(TABLE) == {"name": "NOCASE"}
    assert computed_expressions(TABLE) == {"odd name": "price * 2"}
    assert "odd name" in names_in(TABLE)


def test_what_a_new_table_lacks_is_told_unless_it_is_meant_to_go():
    new = TABLE.replace("COLLATE NOCASE", "")
    assert lost_in_batch(TABLE, new, set(), {}) == ["COLLATE"]
    assert lost_in_batch(TABLE, new, {"name"}, {}) == []
    assert lost_in_batch(TABLE, TABLE, set(), {}) == []


@pytest.mark.parametrize(
    ("condition", "renamed"),
    [
        ("price > 3", '"cost" > 3'),
        ("name = 'price'", "name = 'price'"),
        ("price(price)", 'price("cost")'),
        ('"Price" IS NULL', '"cost" IS NULL'),
    ],
)
def test_a_condition_follows_a_renamed_column(condition, renamed):
    assert renamed_columns(condition, {"price": "cost"}) == renamed


def test_statements_that_name_a_column_are_found_in_any_case():
    statements = ["CREATE INDEX i ON t (Price)", "CREATE INDEX j ON t (id)", "CREATE INDEX k ON t ('price')"]
    assert naming(statements, {"price"})[0] == statements[0]
    assert statements[1] not in naming(statements, {"price"})
