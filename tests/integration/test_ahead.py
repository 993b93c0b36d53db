"""A database that newer code has upgraded, on each database: whether the code of before still runs with its tables."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ColumnDefault, Computed, Identity, Integer, MetaData, String, Table, create_engine
from webtest import TestApp

from projects import Workspace, revise
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate
from websauna_migrate.web.ahead import misfit
from websauna_migrate.web.state import application_of, standing

ALL = ("-x", "packages=all")
THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(10))
"""


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
        assert misfit([thing], connection) == "table thing is missing"
        made(connection, Column(*name))
        assert misfit([thing], connection) is None
        other = Table("other", metadata, Column("id", Integer))
        assert misfit([thing, other], connection) == "table other is missing"
        made(connection)
        assert misfit([thing], connection) == "column thing.name is missing"
        made(connection, Column(*name), Column("price", Integer))
        assert misfit([thing], connection) is None
        made(connection, Column(*name), Column("price", Integer, nullable=False, server_default="0"))
        assert misfit([thing], connection) is None
        made(connection, Column(*name), Column("double", Integer, Computed("2 * 2", persisted=True)))
        assert misfit([thing], connection) is None
        if backend.name == "postgresql":
            made(connection, Column(*name), Column("number", Integer, Identity(), nullable=False))
            assert misfit([thing], connection) is None
        made(connection, Column(*name), Column("price", Integer, nullable=False))
        assert misfit([thing], connection) == "column thing.price is NOT NULL without a default"
        made(connection, Column(*name, nullable=False, server_default="x"))
        assert misfit([thing], connection) == "column thing.name is NOT NULL, and nullable in the models"
        thing.c.name.default = ColumnDefault("x")
        assert misfit([thing], connection) is None
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


def test_an_earlier_release_accepts_what_it_can_run_with_and_upgrades_the_rest(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    user = workspace.add("user", THING, history=True) / "alembic"
    workspace.add_app("shop", THING.replace("thing", "order"), ["user"])
    workspace.ok(*ALL, "init")
    [first] = [path for path in workspace.autogenerate(*ALL) if user in path.parents]
    newer = revise(user, "u2", first.stem.partition("_")[0], "op.add_column('thing', sa.Column('more', sa.Integer))")
    workspace.ok(*ALL, "upgrade")
    newer.unlink()
    [head] = [path.stem.partition("_")[0] for path in workspace.scripts() if user not in path.parents]
    revise(workspace.app / "alembic", "s2", head)

    assert "user: the database is at revision u2" in workspace.fails(*ALL, "upgrade")
    warning = (
        "WARNING: user: the database is at revision u2, which this code does not have; "
        "the tables have all that the code needs, so this code can run\n"
    )
    ran = workspace.run(*ALL, "upgrade", "--allow-ahead")
    assert (ran.code, ran.err.count("WARNING"), warning in ran.err) == (0, 1, True)
    ran = workspace.run("-x", "packages=user", "upgrade", first.stem.partition("_")[0], "--allow-ahead")
    assert (ran.code, ran.err) == (0, f"{warning}nothing to do\n")
    checked = workspace.run(*ALL, "status", "--check", "--allow-ahead")
    assert (checked.code, checked.err) == (0, warning)
    assert workspace.run("upgrade", "--sql", "--allow-ahead").code == 2

    workspace.execute("ALTER TABLE thing RENAME name TO title")
    misfit = "this code cannot run with its tables: column thing.name is missing; deploy the release that has"
    assert misfit in workspace.fails(*ALL, "upgrade", "--allow-ahead")
    checked = workspace.run(*ALL, "status", "--check", "--allow-ahead")
    assert (checked.code, misfit in checked.err) == (1, True)
