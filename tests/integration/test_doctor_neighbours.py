"""What ``doctor`` says of other applications, and of packages without scripts."""

from __future__ import annotations

import json
import re
import shlex
import shutil

from sqlalchemy import create_engine, text

from projects import revise
from troubles import NOTE, THING, findings, follow, shop

INVALIDATE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_note_thing_id'::regclass"


def test_the_histories_of_another_application_are_reported_until_the_settings_name_them(lite):
    lite.ok("upgrade")
    for table in ("alembic_history_other", "alembic_version"):
        lite.execute(f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        lite.execute(f"INSERT INTO {table} VALUES ('ooo1')")
    lite.execute("CREATE TABLE other (id INTEGER)")
    plain, orphan = findings(lite)
    for found, table in ((plain, "alembic_version"), (orphan, "alembic_history_other")):
        setting = f"If another program in this database uses {table}, add it to websauna_migrate.foreign_histories"
        assert found["remedy"].startswith(setting)
    setting = "websauna_migrate.foreign_histories = alembic_history_other\n    alembic_version\n"
    lite.add_app("shop", THING + NOTE, settings=setting)
    assert findings(lite) == []


def test_a_version_table_of_another_application_does_not_stop_an_upgrade(lite):
    """Also where its revisions have the ids of ours."""
    lite.execute(
        "CREATE TABLE alembic_version (version_num VARCHAR(32))", "INSERT INTO alembic_version VALUES ('aaa1')"
    )
    assert "adopt" in lite.fails("upgrade")
    lite.add_app("shop", THING + NOTE, settings="websauna_migrate.foreign_histories = alembic_version\n")
    lite.ok("upgrade")
    assert findings(lite) == []


def test_an_application_without_scripts_is_found_and_the_remedy_writes_the_first(lite):
    shutil.rmtree(lite.app / "alembic")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("no-revision-files", "shop")
    assert found["detail"].startswith("shop has models of the tables note, thing, but no revisions in ")
    commands = [shlex.split(one)[5:] for one in re.findall("ws-alembic -c [^,]+", found["remedy"])]
    assert [one[0] for one in commands] == ["init", "revision"]
    for one in commands:
        lite.ok(*one)
    assert findings(lite) == []


def test_an_installed_package_without_scripts_is_found(lite):
    memo = "class Memo(Base):\n    __tablename__ = 'memo'\n    id = Column(Integer, primary_key=True)\n"
    lite.add("notes", memo, history=True, installed=True)
    lite.add_app("shop", THING + NOTE, ["notes"])
    (found,) = findings(lite, "-x", "packages=all")
    assert (found["problem"], found["package"]) == ("no-revision-files", "notes")
    assert found["remedy"] == "Install a build of notes that contains its revision scripts."


def test_tables_that_may_be_those_of_an_unregistered_package_are_named_and_not_dropped(lite, run):
    """The application's first revision created what is now the add-on's."""
    memo = "class Memo(Base):\n    __tablename__ = 'memo'\n    id = Column(Integer, primary_key=True)\n"
    package = lite.add("notes", memo, history=True)
    create = "op.create_table('memo', sa.Column('id', sa.Integer, primary_key=True))"
    revise(lite.app / "alembic", "ccc3", "bbb2", create)
    revise(package / "alembic", "nnn1")
    lite.add_app("shop", THING + NOTE, ["notes"])
    lite.ok("-x", "packages=all", "upgrade")
    lite.add_app("shop", THING + NOTE)
    lite.ok("init")
    scripts = lite.scripts()
    for argv in (["check"], ["revision", "--autogenerate", "-m", "x"]):
        # A process: a warning is an error elsewhere.
        done = run("ws-alembic", "-c", lite.ini, *argv, env={"PYTHONPATH": ":".join(map(str, lite.path))})
        assert done.returncode == 0, done.stderr
        assert "WARNING: no registered package has models of memo, but the database has the history" in done.stderr
    assert lite.scripts() == scripts
    lite.execute("DROP TABLE alembic_history_notes")
    ran = lite.run("check", "--format", "json")
    assert [row["operation"] for row in json.loads(ran.out)] == ["remove_table"]


def test_a_version_table_of_any_name_is_adopted_by_the_remedy(lite):
    """Also where the tables look like another revision than the table says."""
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.execute('UPDATE thing SET id = id + 1')")
    lite.ok("upgrade", "bbb2")
    lite.execute("ALTER TABLE alembic_history_shop RENAME TO alembic_shop_version")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("plain-alembic-version", "shop")
    assert found["remedy"] == f"ws-alembic -c {lite.ini} -x packages=shop adopt --from alembic_shop_version --yes"
    follow(lite, found)
    assert lite.ok("current") == "bbb2\n"
    assert findings(lite) == []


def test_a_version_table_in_another_schema_of_the_search_path_is_adopted(tmp_path, postgresql):
    here = shop(tmp_path, postgresql.new_database())
    here.execute("CREATE SCHEMA main")
    here.write_ini(url=here.url.update_query_dict({"options": "-csearch_path=public,main"}))
    here.ok("upgrade")
    here.execute("ALTER TABLE alembic_history_shop SET SCHEMA main")
    here.execute("ALTER TABLE main.alembic_history_shop RENAME TO alembic_version")
    (found,) = findings(here)
    assert found["remedy"].endswith("-x packages=shop adopt --from main.alembic_version --yes")
    follow(here, found)
    assert findings(here) == []


def test_each_history_adopts_its_own_rows_of_one_version_table(lite):
    memo = "class Memo(Base):\n    __tablename__ = 'memo'\n    id = Column(Integer, primary_key=True)\n"
    package = lite.add("notes", memo, history=True)
    create = "op.create_table('memo', sa.Column('id', sa.Integer, primary_key=True))"
    revise(package / "alembic", "nnn1", None, create)
    lite.add_app("shop", THING + NOTE, ["notes"])
    both = ("-x", "packages=all")
    lite.ok(*both, "upgrade")
    lite.execute("DROP TABLE alembic_history_notes", "ALTER TABLE alembic_history_shop RENAME TO alembic_version")
    lite.execute("INSERT INTO alembic_version VALUES ('nnn1')")
    found = {one["package"]: one for one in findings(lite, *both)}
    assert {name: one["problem"] for name, one in found.items()} == dict.fromkeys(
        ("notes", "shop"), "plain-alembic-version"
    )
    follow(lite, found["shop"])
    assert "alembic_version also holds nnn1 of notes" in lite.fails("adopt", "--drop-old")
    follow(lite, found["notes"])
    assert lite.execute("SELECT version_num FROM alembic_history_notes") == [("nnn1",)]
    assert findings(lite, *both) == []
    lite.ok("adopt", "--drop-old", "--yes")
    assert "alembic_version" not in lite.tables()


def test_an_index_that_is_invalid_is_found_and_built_again_by_the_remedy(tmp_path, postgresql):
    here = shop(tmp_path, postgresql.new_database())
    here.ok("upgrade")
    here.execute("INSERT INTO note VALUES (1, 5), (2, 5)", INVALIDATE)
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("invalid-index", "shop")
    statement = found["remedy"].partition("run this SQL: ")[2]
    assert statement == "REINDEX INDEX CONCURRENTLY ix_note_thing_id;"
    engine = create_engine(here.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert findings(here) == []


def test_an_index_that_is_invalid_is_not_that_of_the_model(tmp_path, postgresql):
    here = shop(tmp_path, postgresql.new_database())
    here.ok("init")
    here.ok("upgrade")
    here.execute(INVALIDATE)
    ran = here.run("check", "--format", "json")
    assert [row["operation"] for row in json.loads(ran.out)] == ["modify_index"]
    (script,) = here.autogenerate()
    assert findings(here) == []
    here.ok("check")
    here.ok("downgrade", "-1")
    assert script.read_text().count("ix_note_thing_id") == 4
