"""``status --check`` succeeds only where ``upgrade`` works and has nothing to do."""

from __future__ import annotations

import json

import pytest

from projects import Workspace, revise
from troubles import NOTE, THING, findings, follow, shop

STATUS = ("status", "--check", "--format", "json")


def state_and_code(workspace: Workspace) -> tuple[str, int]:
    """Return the state of the only history and the exit code of ``status --check``."""
    ran = workspace.run(*STATUS)
    (row,) = json.loads(ran.out)
    return row["state"], ran.code


def test_a_row_together_with_an_ancestor_of_it_is_an_unknown_revision(lite):
    lite.ok("upgrade")
    assert state_and_code(lite) == ("up to date", 0)
    lite.execute("INSERT INTO alembic_history_shop VALUES ('aaa1')")
    assert lite.run("upgrade").code == 1
    assert state_and_code(lite) == ("unknown revision", 1)
    (found,) = findings(lite)
    follow(lite, found)
    assert state_and_code(lite) == ("up to date", 0)


def test_a_row_that_is_null_is_an_unknown_revision_that_doctor_removes(here):
    null_is_removed(here, "('bbb2'), (NULL)")


def test_a_single_row_that_is_null_is_an_unknown_revision_that_doctor_removes(lite):
    null_is_removed(lite, "(NULL)")


def null_is_removed(workspace: Workspace, rows: str) -> None:
    workspace.ok("upgrade")
    workspace.execute(
        "DROP TABLE alembic_history_shop",
        "CREATE TABLE alembic_history_shop (version_num VARCHAR(32))",
        f"INSERT INTO alembic_history_shop VALUES {rows}",
    )
    said = workspace.fails("upgrade")
    assert said.startswith("shop: the database is at revision NULL (table alembic_history_shop), which no script has")
    assert state_and_code(workspace) == ("unknown revision", 1)
    (found,) = findings(workspace)
    follow(workspace, found)
    assert workspace.execute("SELECT version_num FROM alembic_history_shop") == [("bbb2",)]
    assert state_and_code(workspace) == ("up to date", 0)


def test_packages_with_tables_and_without_revisions_fail(lite):
    for script in (lite.app / "alembic" / "versions").glob("*.py"):
        script.unlink()
    assert state_and_code(lite) == ("no revisions", 1)
    assert "WARNING: shop has tables and no revisions in " in lite.run("status", "--check").err


def test_a_package_without_tables_needs_no_revisions(lite):
    lite.add("notes", history=True)
    lite.add_app("shop", THING + NOTE, ["notes"])
    lite.ok("upgrade")
    rows = json.loads(lite.ok("-x", "packages=all", *STATUS))
    assert {row["package"]: row["state"] for row in rows} == {"notes": "no revisions", "shop": "up to date"}


def test_what_is_pending_in_other_packages_is_told_unless_packages_were_chosen(tmp_path, sqlite):
    notes = Workspace(tmp_path, sqlite.new_database())
    for id, down in (("nnn1", None), ("nnn2", "nnn1")):
        revise(notes.add("notes", history=True) / "alembic", id, down)
    notes.add_app("main", "", ["notes"])
    revise(notes.app / "alembic", "mmm1")
    told = f"other packages have pending revisions: notes (2); run: ws-alembic -c {notes.ini} -x packages=all upgrade\n"
    for command in ("plan", "status", "upgrade", "upgrade", "doctor"):
        ran = notes.run(command)
        assert ran.err.endswith(told), (command, ran)
        assert "nnn" not in ran.out
        assert "other packages" not in notes.run("-x", "packages=main", command).err
    assert "other packages" not in notes.run("-q", "status").err
    assert "other packages" not in notes.run("-x", "packages=all", "upgrade").err
    assert "other packages" not in notes.run("status").err


@pytest.mark.parametrize("name", ["package", "pakages", "Packages"])
def test_an_x_option_that_resembles_one_of_ours_is_a_warning(lite, name):
    said = lite.run("-x", f"{name}=all", "plan").err
    assert f"WARNING: -x {name}= " in said
    assert "write -x packages=" in said


def test_an_x_option_of_the_users_own_is_no_warning(lite):
    assert "WARNING" not in lite.run("-x", "tenant=blue", "-x", "action=1", "plan").err


def test_a_search_path_whose_first_schema_does_not_exist_fails(tmp_path, postgresql):
    here = shop(tmp_path, postgresql.new_database())
    here.ok("upgrade")
    here.write_ini(url=here.url.update_query_dict({"options": "-csearch_path=nowhere,public"}))
    assert state_and_code(here) == ("up to date", 1)
    assert "WARNING: the schema nowhere, " in here.run("status", "--check").err
    here.execute("CREATE SCHEMA nowhere")
    assert state_and_code(here) == ("pending", 1)
