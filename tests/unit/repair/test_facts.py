"""What a database holds, as texts."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, create_engine, text

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.facts import read_facts


def test_the_condition_of_a_partial_index_is_a_fact_of_sqlite():
    metadata = MetaData()
    Table("thing", metadata, Column("id", Integer), Index("i", "id", sqlite_where=text("id > 1")))
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        facts = read_facts(connection, [TableName(None, "thing")])
    engine.dispose()

    assert "index (id) sqlite_where id > 1" in facts[TableName(None, "thing")]
