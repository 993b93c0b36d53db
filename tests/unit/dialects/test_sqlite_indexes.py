"""Indexes of SQLite with their order and collation."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from websauna_migrate.dialects.sqlite_indexes import as_stored_index, index_parts, read_indexes


def place():
    columns = (sa.Column("id", sa.Integer), sa.Column("Name", sa.String), sa.Column("in order", sa.String))
    return sa.Table("place", sa.MetaData(), *columns)


@pytest.mark.parametrize(
    "parts", ['"Name" DESC', '"in order" COLLATE "NOCASE", id DESC', "name COLLATE RTRIM DESC", "id ASC, name desc"]
)
def test_an_index_has_what_its_sql_says(parts):
    table = place()
    index = as_stored_index(sa.Index("ix", table.c.id, unique=True), f"CREATE UNIQUE INDEX ix ON place ({parts})")
    sql = str(CreateIndex(index).compile(dialect=sqlite.dialect()))
    wanted = f"CREATE UNIQUE INDEX ix ON place ({parts})".replace(" ASC", "")
    assert sql.replace('"', "").lower() == wanted.replace('"', "").lower()


def test_an_index_over_an_expression_has_no_parts():
    assert index_parts("CREATE INDEX ix ON place (lower(name), id)", place()) == []


def test_an_index_without_an_order_stays_as_it_is():
    table = place()
    index = sa.Index("ix", table.c.id)
    assert as_stored_index(index, "CREATE INDEX ix ON place (id) WHERE id > 0 -- DESC") is index


def test_the_sql_of_a_table_is_read_by_the_names_of_its_indexes():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE place (id INTEGER, name TEXT UNIQUE)")
        connection.exec_driver_sql("CREATE INDEX ix ON place (id DESC)")
        assert read_indexes(connection, place(), None) == {"ix": "CREATE INDEX ix ON place (id DESC)"}
    engine.dispose()
