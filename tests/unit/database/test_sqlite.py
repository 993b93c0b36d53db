"""Transactions and foreign keys of SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from websauna_migrate.database.sqlite import (
    begin_for_real,
    depends_on_folder,
    keys_unenforced,
    real_transactions,
    sqlite_path,
)
from websauna_migrate.exceptions import RunError


@pytest.fixture
def engine():
    engine = sa.create_engine("sqlite://")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite://", None),
        ("sqlite:////srv/a.db", Path("/srv/a.db")),
        ("sqlite:///file:/srv/a%20b.db?uri=true", Path("/srv/a b.db")),
        ("sqlite:///file:x?mode=memory&uri=true", None),
    ],
)
def test_the_file_of_a_url(url, path):
    assert sqlite_path(make_url(url)) == path
    assert not depends_on_folder(make_url(url))


@pytest.mark.parametrize("url", ["sqlite:///a.db", "sqlite:///file:a.db?uri=true"])
def test_a_relative_path_depends_on_the_working_directory(url):
    assert depends_on_folder(make_url(url))
    assert not depends_on_folder(make_url("postgresql://host/a.db"))


def tables(connection):
    return connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()


def test_a_table_that_is_rolled_back_is_gone(engine):
    begin_for_real(engine, writes=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
        connection.rollback()
        assert tables(connection) == []


def test_a_connection_of_an_ordinary_engine_has_real_transactions_for_a_while(engine):
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        before = driver.isolation_level
        with real_transactions(connection):
            connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
            connection.rollback()
            assert tables(connection) == []
            connection.rollback()
        assert driver.isolation_level == before


def test_a_row_that_refers_to_nothing_is_found_before_the_commit(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE child (id INTEGER PRIMARY KEY, up INTEGER REFERENCES parent)")
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.rollback()
        with keys_unenforced(connection) as check:
            check()
            connection.exec_driver_sql("INSERT INTO child VALUES (5, 1)")
            with pytest.raises(RunError, match="row 5 of child refers to a missing row of parent"):
                check()
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
