"""Where the database of a running application stands, on SQLite; ``integration/test_running`` has the servers."""

from __future__ import annotations

import pytest
from sqlalchemy import event

import websauna_migrate
from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate, pending
from websauna_migrate.exceptions import RevisionError, UnknownAppliedRevision
from websauna_migrate.web.ahead import Newer
from websauna_migrate.web.state import application_of, standing


@pytest.fixture
def config(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}")
    config.commit()
    yield config
    dispose(config)


def steps(config):
    return [(step.package, step.revision.id, step.direction) for step in pending(config.registry)]


def upgrade(config, *packages):
    migrate(application_of(config.registry), packages or ("user", "shop"))


def test_what_is_pending_is_told_over_all_packages_in_the_order_of_the_plan(config):
    assert steps(config) == [("user", "u1", "up"), ("user", "u2", "up"), ("shop", "s1", "up")]
    upgrade(config, "shop")
    assert steps(config) == [("user", "u2", "up")]
    upgrade(config)
    assert pending(config.registry) == []
    assert websauna_migrate.pending is pending


def test_a_missing_sqlite_file_stays_missing(config, tmp_path):
    assert len(steps(config)) == 3
    assert not (tmp_path / "app.sqlite").exists()


def test_a_revision_that_is_written_later_is_found(config, tmp_path):
    upgrade(config)
    revise(tmp_path / "shop", "s2", "s1")
    assert steps(config) == [("shop", "s2", "up")]


def test_an_unknown_revision_is_an_error_of_pending_and_a_problem_elsewhere(config, tmp_path):
    upgrade(config)
    (tmp_path / "user/versions/u2.py").unlink()
    with get_engine(config.registry).begin() as connection:
        connection.exec_driver_sql("DROP TABLE users")
    with pytest.raises(UnknownAppliedRevision):
        pending(config.registry)
    found = standing(config.registry)
    assert not found.is_fine()
    assert [type(problem) for problem in found.problems()] == [UnknownAppliedRevision]


def test_a_database_that_newer_code_upgraded_is_fine_where_the_tables_are(config, tmp_path):
    revise(tmp_path / "user", "u3", "u2", "op.add_column('users', sa.Column('name', sa.String(10)))")
    upgrade(config)
    assert standing(config.registry).ahead == {}
    (tmp_path / "user/versions/u3.py").unlink()
    found = standing(config.registry)
    assert (found.ahead, found.is_fine(), found.problems()) == ({"user": Newer("user", ("u3",), None)}, True, [])
    revise(tmp_path / "shop", "s2", "s1")  # of another package
    found = standing(config.registry)
    assert [str(problem) for problem in found.problems()] == [
        "shop: 1 revision is pending; run: ws-alembic -x packages=shop upgrade"
    ]
    assert not found.is_fine()


def test_the_states_are_those_of_status(config):
    found = standing(config.registry)
    assert [(state.package, state.state, state.pending) for state in found.states().values()] == [
        ("user", "pending", 2),
        ("shop", "pending", 1),
    ]
    assert not found.is_fine()
    upgrade(config)
    assert standing(config.registry).is_fine()


def test_tables_without_revisions_are_a_problem(config, tmp_path):
    (tmp_path / "shop/versions/s1.py").unlink()
    upgrade(config)
    found = standing(config.registry)
    assert not found.is_fine()
    assert ["shop has tables and no revisions" in str(problem) for problem in found.problems()] == [True]


def test_the_engine_of_the_application_is_asked_twice_and_no_more_with_many_packages(config):
    upgrade(config)
    asked = []
    event.listen(get_engine(config.registry), "before_cursor_execute", lambda *args: asked.append(args[2]))
    standing(config.registry)
    assert len(asked) == 2, asked


def test_without_the_pool_no_connection_is_left_open(config):
    upgrade(config)
    closed = []
    for name in ("close", "close_detached"):
        event.listen(get_engine(config.registry), name, lambda *args: closed.append(args))
    standing(config.registry, pooled=False)
    assert len(closed) == 1
    standing(config.registry)
    assert len(closed) == 1


def test_a_database_in_memory_is_kept(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, "sqlite://")
    config.commit()
    with get_engine(config.registry).begin() as connection:
        for package, row in (("user", "u2"), ("shop", "s1")):
            connection.exec_driver_sql(f"CREATE TABLE alembic_history_{package} (version_num VARCHAR(32))")
            connection.exec_driver_sql(f"INSERT INTO alembic_history_{package} VALUES ('{row}')")
    assert standing(config.registry, pooled=False).is_fine()
    assert standing(config.registry).is_fine()
    dispose(config)


def test_what_cannot_be_read_is_one_error(config, tmp_path):
    (tmp_path / "app.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(websauna_migrate.MigrateError, match="history tables cannot be read: file is not a database"):
        standing(config.registry)


def test_without_an_ini_the_revisions_are_those_in_the_folder_of_the_project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    revise(folder / "alembic", "n1")
    (folder / "notes_app").mkdir()
    (folder / "notes_app/__init__.py").touch()
    (folder / "pyproject.toml").touch()
    monkeypatch.syspath_prepend(str(folder))
    config = configure(tmp_path, "sqlite://")
    config.registry.settings["websauna_migrate.app"] = "notes_app"
    config.commit()
    (history,) = [one for one in application_of(config.registry).histories if one.package == "notes_app"]
    assert history.script_location == folder / "alembic"


def test_a_broken_script_is_an_error_that_names_it(config, tmp_path):
    (tmp_path / "shop/versions/s1.py").write_text("revision = (")
    with pytest.raises(RevisionError, match=r"s1\.py"):
        pending(config.registry)
