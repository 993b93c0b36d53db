"""Tables and rows of a database, on SQLite in memory."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from websauna_migrate.database.reflection import know_types, quiet_reflection, row_count, table_names
from websauna_migrate.packages.package import TableName


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS crm")
        connection.exec_driver_sql("CREATE TABLE thing (id BIGNESS)")
        connection.exec_driver_sql("CREATE TABLE crm.note (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO crm.note VALUES (1), (2)")
        connection.commit()
        yield connection
    engine.dispose()


def test_only_the_tables_of_the_schemas_asked_for_are_found(connection):
    assert table_names(connection) == {TableName(None, "thing")}
    assert table_names(connection, [None, "crm", "nowhere"]) == {TableName(None, "thing"), TableName("crm", "note")}


def test_rows_are_counted_and_no_transaction_is_left(connection):
    connection.rollback()
    assert row_count(connection, TableName("crm", "note")) == 2
    assert not connection.in_transaction()


def test_an_unknown_type_is_read_without_a_warning(connection):
    connection.exec_driver_sql("CREATE INDEX half ON thing (id / 2)")
    with quiet_reflection():
        sa.Table("thing", sa.MetaData(), autoload_with=connection)


def test_mariadb_knows_its_types_of_addresses():
    dialect = mysql.dialect()
    know_types(dialect)
    assert hasattr(mysql, "INET6") == ("inet6" in dialect.ischema_names)
