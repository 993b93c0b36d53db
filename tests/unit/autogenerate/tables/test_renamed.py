"""A database as it is after renames, on SQLite in memory."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from websauna_migrate.autogenerate.tables.renamed import Renames, inspect_renamed, renamed_sql
from websauna_migrate.packages.package import TableName

OLD, NEW, OTHER = (TableName(None, name) for name in ("note", "memo", "tag"))


@pytest.fixture
def renames():
    found = Renames()
    found.add_tables({OLD: NEW})
    found.add_columns(NEW, {"text": "body"})
    found.add_name(NEW, "ix_note_text", "ix_memo_body")
    return found


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, CHECK (text <> 'text'))")
        connection.exec_driver_sql("CREATE INDEX ix_note_text ON note (text)")
        connection.exec_driver_sql("CREATE TABLE tag (note_id INTEGER REFERENCES note (id))")
        yield connection
    engine.dispose()


def test_names_are_known_both_ways(renames):
    assert renames.table(OLD) == NEW
    assert renames.stored(NEW) == OLD
    assert renames.place(OLD, "text") == (NEW, "body")
    assert renames.place(OTHER, "text") == (OTHER, "text")
    assert renames
    assert not Renames()


def test_a_renamed_table_is_found_by_its_new_name_only(connection, renames):
    inspector = inspect_renamed(connection, renames)
    assert sorted(inspector.get_table_names()) == ["memo", "tag"]
    assert inspector.has_table("memo")


def test_what_a_table_has_gets_the_new_names(connection, renames):
    inspector = inspect_renamed(connection, renames)
    assert [column["name"] for column in inspector.get_columns("memo")] == ["id", "body"]
    (index,) = inspector.get_indexes("memo")
    assert (index["name"], index["column_names"]) == ("ix_memo_body", ["body"])
    (check,) = inspector.get_check_constraints("memo")
    assert check["sqltext"] == "body <> 'text'"


def test_a_foreign_key_follows_the_table_that_it_refers_to(connection, renames):
    (key,) = inspect_renamed(connection, renames).get_foreign_keys("tag")
    assert key["referred_table"] == "memo"
    found = inspect_renamed(connection, renames).get_multi_foreign_keys()
    assert found[None, "tag"][0]["referred_table"] == "memo"


def test_without_renames_the_database_is_seen_as_it_is(connection):
    assert isinstance(inspect_renamed(connection, None), sa.Inspector)


def test_identifiers_are_renamed_and_texts_are_not():
    assert renamed_sql("a > 'a' AND \"a\" < b", {"a": "order"}, sqlite.dialect()) == '"order" > \'a\' AND "order" < b'
    cast = "hue = 'a'::art.hue AND hue <> 'b'::hue[]"
    assert renamed_sql(cast, {"hue": "b"}, sqlite.dialect()) == "b = 'a'::art.hue AND b <> 'b'::hue[]"
