"""``execute()`` on a connection of the caller's own: it keeps what it says, or refuses the connection."""

from __future__ import annotations

import os
import sqlite3

import pytest
import sqlalchemy as sa

from forked import Program
from scenarios import Revision, chain, write_project
from worker import Worker

BREAKS = ["CREATE TABLE half (id INTEGER)", "INSERT INTO missing VALUES (1)"]

PROGRAM = """
import sys
from sqlalchemy import create_engine, event, text
from websauna_migrate import execute, load_application

app = load_application("app.ini")
engine = create_engine(app.url, **{engine})
{prepare}
with engine.connect() as connection:
    {before}
    try:
        execute(app, app.plan({{}}, list(app.packages)), connection{options})
    except Exception as error:
        sys.exit(f"{{type(error).__name__}}: {{error}}")
    {after}
"""
OWN_BEGIN = """
@event.listens_for(engine, "connect")
def connected(dbapi_connection, record):
    dbapi_connection.isolation_level = None

@event.listens_for(engine, "begin")
def begin(connection):
    connection.exec_driver_sql("BEGIN")
"""


@pytest.fixture
def broken(tmp_path, backend):
    """Two revisions that can be run and one that fails after its first statement."""
    return write_project(tmp_path, backend.new_database(), {"red": [*chain("red", 2), Revision("broken", up=BREAKS)]})


def call(project, *, engine="{}", prepare="", before="pass", after="pass", options=""):
    text = PROGRAM.format(engine=engine, prepare=prepare, before=before, after=after, options=options)
    (project.folder / "caller.py").write_text(text)
    environment = {**os.environ, **project.options["env"]}
    return Worker.shared().run(Program("caller", ["caller"], environment, str(project.folder)))


def test_a_revision_that_fails_leaves_what_the_error_says(broken, backend):
    done = call(broken)

    assert done.err.startswith("StepFailed: ")
    assert broken.heads() == {"red": ["red2"]}
    kept = {"half"} if backend.name == "mariadb" else set()
    assert broken.tables() == {"red1_a", "red2_a"} | kept
    assert ("this database cannot roll back DDL" in done.err) == bool(kept)


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_in_one_transaction_nothing_stays(name, tmp_path, request):
    url = request.getfixturevalue(name).new_database()
    project = write_project(tmp_path, url, {"red": [*chain("red", 2), Revision("broken", up=BREAKS)]})

    assert call(project, options=", one_transaction=True").code == 1
    assert (project.heads(), project.tables()) == ({}, set())


def test_what_is_run_is_committed_and_the_connection_goes_on_as_before(backend, tmp_path):
    project = write_project(tmp_path, backend.new_database(), {"red": chain("red", 2)})

    done = call(project, after='connection.execute(text("INSERT INTO red1_a VALUES (2)")); connection.commit()')

    assert done.code == 0, done.err
    assert project.heads() == {"red": ["red2"]}
    assert len(project.rows("SELECT id FROM red1_a")) == 2


SQLITE_WAYS = {
    "its own BEGIN": {"prepare": OWN_BEGIN},
    "AUTOCOMMIT of the engine": {"engine": "{'isolation_level': 'AUTOCOMMIT'}"},
    "keys enforced": {"prepare": 'event.listen(engine, "connect", lambda c, r: c.execute("PRAGMA foreign_keys = ON"))'},
    **(
        {f"autocommit={value}": {"engine": f"{{'connect_args': {{'autocommit': {value}}}}}"} for value in (True, False)}
        if hasattr(sqlite3, "LEGACY_TRANSACTION_CONTROL")
        else {}
    ),
}


@pytest.mark.parametrize("way", SQLITE_WAYS)
def test_however_the_driver_of_sqlite_was_told_to_begin_a_revision_that_fails_leaves_nothing(way, sqlite, tmp_path):
    histories = {"red": [*chain("red", 2), Revision("broken", up=BREAKS)]}
    project = write_project(tmp_path, sqlite.new_database(), histories)

    assert call(project, **SQLITE_WAYS[way]).err.startswith("StepFailed: ")
    assert project.heads() == {"red": ["red2"]}
    assert project.tables() == {"red1_a", "red2_a"}


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
@pytest.mark.parametrize(
    "way",
    [
        {"engine": "{'isolation_level': 'AUTOCOMMIT'}"},
        {"before": 'connection = connection.execution_options(isolation_level="AUTOCOMMIT")'},
    ],
    ids=["engine", "connection"],
)
def test_a_connection_in_autocommit_is_refused_before_anything_is_run(name, way, tmp_path, request):
    project = write_project(tmp_path, request.getfixturevalue(name).new_database(), {"red": chain("red", 2)})

    done = call(project, **way)

    assert done.err.startswith("UnusableConnection: ")
    assert "AUTOCOMMIT" in done.err
    assert len(done.err.splitlines()) == 1
    assert (project.heads(), project.tables()) == ({}, set())


def test_a_connection_with_an_open_transaction_is_refused(backend, tmp_path):
    project = write_project(tmp_path, backend.new_database(), {"red": chain("red", 2)})
    with project.engine().begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (id INTEGER)"))

    done = call(project, before='connection.execute(text("INSERT INTO mine VALUES (1)"))')

    assert done.err.startswith("UnusableConnection: ")
    assert "transaction is open" in done.err
    assert project.heads() == {}


def test_a_plan_that_was_made_before_another_run_is_refused(sqlite, tmp_path):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 2)})

    done = call(project, before="earlier = app.plan({}, list(app.packages)); execute(app, earlier, connection)")

    assert done.err.startswith("PlanOutdated: the plan was made when red was at none, and it is at red2 now; ")
    assert len(project.rows("SELECT id FROM red1_a")) == 1


def test_an_error_of_a_callback_is_not_one_of_the_script(sqlite, tmp_path):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 2)})

    done = call(project, options=", on_progress=lambda progress: progress.number > 1 and 1 / 0")

    assert done.err.startswith("RunStopped: the observer of the run failed: ZeroDivisionError: ")
    assert "; applied in this run: red red1; not applied: red red2; fix it and run the command again" in done.err
    assert project.heads() == {"red": ["red1"]}
