"""A database that newer code has upgraded, on each database: whether the code of before still runs with its tables."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Computed, Identity, Integer, MetaData, String, Table, create_engine
from webtest import TestApp

from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate
from websauna_migrate.web.ahead import fit
from websauna_migrate.web.state import application_of, standing


def made(connection, *columns):
    """Create the table ``thing`` of newer code, in the place of the one before."""
    table = Table("thing", MetaData(), Column("id", Integer, primary_key=True), *columns)
    connection.exec_driver_sql("DROP TABLE IF EXISTS thing")
    table.create(connection)
    connection.commit()


def test_all_that_the_models_need_has_to_be_there_and_nothing_that_an_insert_would_have_to_give(backend):
    """The table of this code, and the columns that newer code has added."""
    metadata = MetaData()
    thing = Table("thing", metadata, Column("id", Integer, primary_key=True), Column("name", String(10)))
    name = ("name", String(10))
    engine = create_engine(backend.new_database())
    with engine.connect() as connection:
        assert not fit([thing], connection)
        made(connection, Column(*name))
        assert fit([thing], connection)
        assert not fit([thing, Table("other", metadata, Column("id", Integer))], connection)
        made(connection)
        assert not fit([thing], connection)
        made(connection, Column(*name), Column("price", Integer))
        assert fit([thing], connection)
        made(connection, Column(*name), Column("price", Integer, nullable=False, server_default="0"))
        assert fit([thing], connection)
        made(connection, Column(*name), Column("double", Integer, Computed("2 * 2", persisted=True)))
        assert fit([thing], connection)
        if backend.name == "postgresql":
            made(connection, Column(*name), Column("number", Integer, Identity(), nullable=False))
            assert fit([thing], connection)
        made(connection, Column(*name), Column("price", Integer, nullable=False))
        assert not fit([thing], connection)
    engine.dispose()


@pytest.mark.parametrize("mode", ["warn", "refuse", "503", "page"])
def test_old_code_starts_and_serves_while_new_code_is_deployed(tmp_path, sqlite, caplog, mode):
    write_revisions(tmp_path)
    url = sqlite.new_database()
    newer = configure(tmp_path, url)
    newer.commit()
    new = revise(tmp_path / "user", "u3", "u2", "op.add_column('users', sa.Column('name', sa.String(10)))")
    migrate(application_of(newer.registry), ["user", "shop"])
    new.unlink()
    old = configure(tmp_path, url, websauna_migrate__guard=mode)
    old.include("websauna_migrate.guard")
    old.add_migration_health("/health")
    app = TestApp(old.make_wsgi_app())
    assert [record.getMessage() for record in caplog.records if record.name.endswith("guard")] == [
        "user: the database is at revision u3, which this code does not have; "
        "the tables have all that the code needs, so the application runs"
    ]
    assert app.get("/orders").text == "the application"
    assert [row["state"] for row in app.get("/health", status=200).json] == ["unknown revision", "up to date"]
    with get_engine(newer.registry).begin() as connection:
        connection.exec_driver_sql("DROP TABLE users")
    assert not standing(old.registry).is_fine()
    app.get("/health", status=503)
    for config in (newer, old):
        dispose(config)
