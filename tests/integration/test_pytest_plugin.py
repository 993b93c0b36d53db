"""The plugin of pytest, used as users do: in the tests of a project."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from projects import Workspace, write
from tested_project import THING, project_with_tests, run_pytest

TESTS = """
import pytest
from sqlalchemy import create_engine, inspect, text

INSERT = text("INSERT INTO note (id, kind) VALUES (1, 'long')")
COUNT = text("SELECT count(*) FROM note")

def test_the_application(migration_app):
    assert list(migration_app.packages) == ["notes", "shop"]

@pytest.mark.parametrize("number", range(3))
def test_each_test_has_a_database_of_its_own(migrated_url, migrated_engine, number):
    with migrated_engine.begin() as connection:
        connection.execute(INSERT)
        assert connection.scalar(text("SELECT max(word) FROM word")) == "it's"
        assert connection.scalar(COUNT) == 1
    engine = create_engine(migrated_url)
    with engine.connect() as connection:
        assert connection.scalar(COUNT) == 1
        assert {"note", "thing", "alembic_history_shop"} <= set(inspect(connection).get_table_names())
    engine.dispose()

@pytest.mark.parametrize("number", range(3))
def test_a_session_is_rolled_back(migrated_dbsession, number):
    migrated_dbsession.execute(INSERT)
    migrated_dbsession.commit()
    migrated_dbsession.execute(text("DELETE FROM note"))
    migrated_dbsession.rollback()
    assert migrated_dbsession.scalar(COUNT) == 1

def test_a_session_of_the_tests_own_database(migrated_engine, migrated_dbsession):
    assert migrated_dbsession.get_bind().engine.url == migrated_engine.url
"""


def make_project(folder, backend, *, throw_away=True) -> Workspace:
    work = project_with_tests(folder, backend, throw_away=throw_away)
    if backend.name == "mariadb":
        work.environment["PATH"] = f"{backend.server.program.parent}{os.pathsep}{os.environ['PATH']}"
    (script,) = (work.app / "shop" / "alembic" / "versions").glob("*.py")
    rows = (
        "op.execute(\"CREATE TABLE word (word VARCHAR(9))\")\n    op.execute(\"INSERT INTO word VALUES ('it''s')\")\n"
    )
    text = script.read_text().replace("    op.create_table('thing'", f"    {rows}    op.create_table('thing'")
    script.write_text(
        text.replace("    op.drop_table('thing')", "    op.drop_table('thing')\n    op.drop_table('word')")
    )
    write(work.app / "tests" / "test_it.py", TESTS)
    write(work.app / "pytest.ini", "[pytest]\nwebsauna_migrate = development.ini\n")
    return work


@pytest.fixture
def project(tmp_path, backend) -> Workspace:
    return make_project(tmp_path, backend)


@pytest.fixture
def lite(tmp_path, sqlite) -> Workspace:
    return make_project(tmp_path, sqlite)


def numbers_of(work: Workspace, *argv: str, cache=None, looks=True) -> tuple[dict[str, int], str]:
    """Run pytest in the project, and return the numbers of its summary and what it says."""
    ran = run_pytest(work, *argv, env={"XDG_CACHE_HOME": str(cache)} if cache else {}, looks=looks)
    summary = (ran.out.strip().splitlines() or [""])[-1]
    return {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)", summary)
    }, ran.out + ran.err


def test_each_test_gets_a_migrated_database(project, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    for _ in range(2):  # the second time from what is kept
        numbers, said = numbers_of(project, "-v", cache=cache)
        assert numbers == {"passed": 12}, said
        assert "migrations::up_and_down" in said
    kept = [path.name for path in cache.rglob("websauna_migrate_filled_*") if path.suffix != ".lock"]
    assert len(kept) == 1


def test_on_a_named_server_the_filled_database_is_kept_until_the_scripts_change(postgresql, tmp_path):
    work = make_project(tmp_path, postgresql, throw_away=False)
    (script,) = (work.app / "shop" / "alembic" / "versions").glob("*.py")
    names = []
    for word in ("it''s", "it''s", "else"):
        script.write_text(script.read_text().replace("it''s", word))
        assert numbers_of(work, "-k", "rolled_back", looks=False)[0] == {"passed": 3}
        (found,) = work.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'websauna_migrate_')")
        names += found
    assert names[0] == names[1] != names[2]
    postgresql.server.drop_database(work.url.set(database=names[2]))


def test_it_works_in_several_processes(lite):
    numbers, said = numbers_of(lite, "-n", "2")
    assert numbers == {"passed": 12}, said


def test_what_is_kept_changes_with_the_scripts(lite, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    assert numbers_of(lite, "-k", "of_its_own", cache=cache)[0] == {"passed": 3}
    (script,) = (lite.app / "shop" / "alembic" / "versions").glob("*.py")
    script.write_text(script.read_text().replace("it''s", "else"))
    numbers, said = numbers_of(lite, "-k", "of_its_own or rolled_back", cache=cache)
    assert numbers == {"passed": 3, "failed": 3}, said


def test_its_own_tests_run_where_they_are_asked_for(lite):
    assert numbers_of(lite, "tests")[0] == {"passed": 8}
    assert numbers_of(lite, "tests", "--migrations", "development.ini")[0] == {"passed": 12}
    (lite.app / "pytest.ini").unlink()
    numbers, said = numbers_of(lite)
    assert numbers == {"errors": 8}
    assert "no application is named: run pytest --migrations development.ini" in said


def test_what_is_wrong_is_told_in_a_line(lite):
    lite.models(lite.app / "shop", THING + "    more = Column(Integer)\n")
    (script,) = (lite.app / "shop" / "alembic" / "versions").glob("*.py")
    script.write_text(script.read_text().replace("    op.drop_table('word')\n", ""))
    numbers, said = numbers_of(lite, "-k", "migrations")
    assert numbers == {"passed": 2, "failed": 2}, said
    assert "add column thing: more INTEGER" in said
    assert "extra table word" in said
    assert "Traceback" not in said


def test_without_a_setting_it_imports_nothing(tmp_path):
    write(tmp_path / "test_it.py", "import sys\n\ndef test():\n    assert 'sqlalchemy' not in sys.modules\n")
    argv = [sys.executable, "-m", "pytest", "-q", "test_it.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
