"""Collations that SQLite keeps only in the SQL of a table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.dialects.collations import add_collation, collated, uncollated


@pytest.mark.parametrize(
    ("declared", "collation"),
    [("COLLATE nocase", "NOCASE"), ("COLLATE binary", None), ('COLLATE "My"', "My"), ("", None)],
)
def test_the_default_is_no_collation_and_those_of_sqlite_have_one_spelling(declared, collation):
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        raw.create_collation("My", lambda a, b: (a > b) - (a < b))
        connection.exec_driver_sql(f"CREATE TABLE t (a VARCHAR(9) {declared}, b INTEGER COLLATE NOCASE)")
        inspector = sa.inspect(connection)
        found = inspector.get_columns("t")
        for column in found:
            add_collation(column, "t", inspector, connection)
        assert found[0]["type"].collation == collation
        assert not hasattr(found[1]["type"], "collation")
    engine.dispose()


def test_a_type_keeps_its_own_collation():
    mine = sa.String(9, collation="RTRIM")
    assert collated(mine, "NOCASE") is mine
    assert collated(sa.String(9), "NOCASE").collation == "NOCASE"


def test_a_column_loses_its_collation_only_where_both_types_are_named():
    with_one, without = sa.String(9, collation="NOCASE"), sa.String(9)
    for old, new, found in ((with_one, without, {"a"}), (None, without, set()), (with_one, with_one, set())):
        assert uncollated([("alter_column", ("t", "a"), {"existing_type": old, "type_": new})]) == found
    assert uncollated([("alter_column", ("t", "a"), {"existing_type": with_one, "nullable": True})]) == set()
