"""What a database holds, as texts."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, create_engine, text

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.facts import differences, read_facts


def test_the_condition_of_a_partial_index_is_a_fact_of_sqlite():
    metadata = MetaData()
    Table("thing", metadata, Column("id", Integer), Index("i", "id", sqlite_where=text("id > 1")))
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        facts = read_facts(connection, [TableName(None, "thing")])
    engine.dispose()

    assert "index (id) sqlite_where id > 1" in facts[TableName(None, "thing")]


def test_a_column_that_changed_is_one_difference_with_what_was_expected():
    here = {TableName(None, "thing"): frozenset({"column id INTEGER", "column more TEXT"})}
    there = {TableName(None, "thing"): frozenset({"column id INTEGER NOT NULL", "column note TEXT"})}
    assert differences(here, there)[0] == (
        "thing: extra column more TEXT",
        "thing: missing column note TEXT",
        "thing: column id is INTEGER, expected INTEGER NOT NULL",
    )
