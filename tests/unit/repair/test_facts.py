"""What a database holds, as texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Index, Integer, MetaData, Table, create_engine, text

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.facts import differences, read_facts

THING, NOTE = TableName(None, "thing"), TableName("crm", "note")
SCHEMAS = st.dictionaries(
    st.sampled_from([THING, NOTE]), st.frozensets(st.sampled_from(["column a", "column b", "index (a)"]))
)


def facts(**tables):
    return {TableName(None, name): frozenset(texts) for name, texts in tables.items()}


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


def test_differences_say_what_is_extra_and_what_is_missing():
    here = facts(thing=["column id", "column more"], extra=["column id"])
    there = facts(thing=["column id", "index (id)"], note=["column id"])
    texts, distance = differences(here, there)
    assert texts == (
        "extra table extra",
        "missing table note",
        "thing: extra column more",
        "thing: missing index (id)",
    )
    assert distance == 6


@given(SCHEMAS, SCHEMAS)
def test_only_equal_schemas_have_no_distance_and_it_is_the_same_both_ways(here, there):
    assert (differences(here, there)[1] == 0) == (here == there) == (not differences(here, there)[0])
    assert differences(here, there)[1] == differences(there, here)[1]
