"""A table that is made to look at, and gone again."""

from __future__ import annotations

import sqlalchemy as sa

from websauna_migrate.dialects.temporary import TEMPORARY, makes_temporary_tables, undone


def test_what_was_done_to_the_temporary_table_is_undone():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        with undone(connection):
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {TEMPORARY} (a INTEGER)")
        assert not sa.inspect(connection).has_table(TEMPORARY)
    engine.dispose()


def test_whether_temporary_tables_can_be_made_is_found_out_by_making_one():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        assert makes_temporary_tables(connection)
        connection.exec_driver_sql("PRAGMA query_only = ON")
    engine.dispose()
