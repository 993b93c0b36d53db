"""Version tables of Alembic are found by their form, not by their name."""

from __future__ import annotations

from sqlalchemy import create_engine

from websauna_migrate.database.version_tables import VersionTable, find_version_tables, read_version_table
from websauna_migrate.packages.package import TableName

ONE, MORE, OTHER = (TableName(None, name) for name in ("crm_version", "more", "other"))


def test_what_has_the_column_is_found_but_for_those_that_are_left_out():
    with create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE crm_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO crm_version VALUES ('b2'), ('a1')")
        connection.exec_driver_sql("CREATE TABLE more (version_num VARCHAR(32), at DATE)")
        connection.exec_driver_sql("CREATE TABLE other (number INTEGER)")
        one, more = VersionTable(ONE, ("a1", "b2"), only_rows=True), VersionTable(MORE, (), only_rows=False)
        assert find_version_tables(connection, ()) == (one, more)
        assert find_version_tables(connection, [TableName("main", "crm_version")]) == (more,)
        assert read_version_table(connection, ONE) == one
        assert read_version_table(connection, OTHER) == VersionTable(OTHER, None, only_rows=False)
        assert read_version_table(connection, TableName(None, "nowhere")) is None
