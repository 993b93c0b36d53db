"""``adopt``: databases that other means brought to where they are, on all three databases."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from projects import Workspace, revise, write
from servers import Backend
from troubles import findings, look, shop

VERSION_TABLE = "CREATE TABLE {} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


@pytest.fixture
def here(tmp_path: Path, backend: Backend) -> Workspace:
    """An application of two tables whose database was upgraded and has no history table, of each kind."""
    return without_history(shop(tmp_path, backend.new_database()))


@pytest.fixture
def lite(tmp_path: Path, sqlite: Backend) -> Workspace:
    """The same on SQLite, for what does not depend on the database."""
    return without_history(shop(tmp_path, sqlite.new_database()))


def without_history(workspace: Workspace) -> Workspace:
    workspace.ok("upgrade")
    workspace.execute("DROP TABLE alembic_history_shop", "INSERT INTO thing VALUES (1, 'kept')")
    return workspace


def plain(workspace: Workspace, *revisions: str, table: str = "alembic_version") -> None:
    """Make a version table as plain Alembic does."""
    inserts = (f"INSERT INTO {table} VALUES ('{revision}')" for revision in revisions)
    workspace.execute(VERSION_TABLE.format(table), *inserts)


def history(workspace: Workspace) -> list[str]:
    """Return what the history table holds; nothing where there is none."""
    if "alembic_history_shop" not in workspace.tables():
        return []
    return [str(row[0]) for row in workspace.execute("SELECT version_num FROM alembic_history_shop ORDER BY 1")]


# --- what is taken over ------------------------------------------------------------------------------------------


def test_a_plain_version_table_is_taken_over_and_stays(here):
    plain(here, "bbb2")
    ran = here.run("adopt", "--yes")
    assert (ran.code, ran.out) == (0, "")
    assert (
        "shop: alembic_version says so. These changes will be made:\n  alembic_history_shop: empty -> bbb2\n" in ran.err
    )
    assert (history(here), here.ok("current")) == (["bbb2"], "bbb2 (head)\n")
    assert "alembic_version" in here.tables()
    assert here.execute("SELECT name FROM thing") == [("kept",)]
    assert findings(here) == []
    revise(here.app / "alembic", "ccc3", "bbb2", "op.add_column('thing', sa.Column('more', sa.Integer))")
    here.ok("upgrade")
    assert here.ok("current") == "ccc3 (head)\n"


def test_drop_old_drops_the_old_version_table(here):
    plain(here, "bbb2")
    here.ok("adopt", "--yes", "--drop-old")
    assert here.tables() == {"thing", "note", "alembic_history_shop"}
    assert history(here) == ["bbb2"]


@pytest.mark.parametrize("table", ["alembic_version", "kotti_version"])
def test_nothing_runs_twice_before_the_database_is_adopted(here, table):
    plain(here, "bbb2", table=table)
    scaled = revise(here.app / "alembic", "ccc3", "bbb2", "op.execute('UPDATE thing SET id = id * 100')")
    source = "" if table == "alembic_version" else f" --from {table}"
    for arguments in (["upgrade"], ["upgrade", "aaa1"], ["-x", "packages=all", "upgrade"], ["check"]):
        assert here.fails(*arguments) == (
            f"shop: nothing was run, because the table {table} says that bbb2 is applied already and the "
            f"history table is empty; take the database over with: "
            f"ws-alembic -c {here.ini} -x packages=shop adopt{source}"
        )
    assert (here.execute("SELECT id FROM thing"), history(here)) == ([(1,)], [])
    here.ok("adopt", "--yes", *source.split())
    here.ok("upgrade")
    assert (here.execute("SELECT id FROM thing"), history(here)) == ([(100,)], [scaled.stem])


@pytest.mark.parametrize("table", ["alembic_version", "kotti_version"])
def test_a_version_table_that_is_left_over_after_a_downgrade_to_base_is_to_be_dropped(here, table):
    plain(here, "bbb2", table=table)
    source = [] if table == "alembic_version" else ["--from", table]
    here.ok("adopt", "--yes", *source)
    here.ok("downgrade", "base")
    drop = f"ws-alembic -c {here.ini} -x packages=shop {' '.join(['adopt', *source, '--drop-old'])}"
    for command in ("upgrade", "check"):
        told = "but the database has none of the tables that these revisions create; drop the old table with: "
        assert here.fails(command).endswith(told + drop)
    assert "WARNING: shop: the database has none of the tables that these" in here.run("adopt", *source).err
    (found,) = findings(here)
    assert (found["problem"], found["remedy"]) == ("plain-alembic-version", f"{drop} --yes")
    assert here.run("adopt", *source, "--drop-old", "--yes").err.endswith(f"shop: {table} was dropped\n")
    assert table not in here.tables()
    here.ok("upgrade")
    assert (here.ok("doctor"), history(here)) == ("No problems found.\n", ["bbb2"])


def test_a_version_table_is_not_left_over_where_sql_gave_the_tables_the_names_of_the_models(lite):
    plain(lite, "bbb2")
    lite.execute("ALTER TABLE thing RENAME TO item", "DROP TABLE note")
    lite.models(
        lite.app / "shop", 'class Item(Base):\n    __tablename__ = "item"\n    id = Column(Integer, primary_key=True)\n'
    )
    assert lite.fails("upgrade").endswith("-x packages=shop adopt")


def test_the_version_table_of_another_application_stops_nobody(here):
    here.execute("DROP TABLE thing", "DROP TABLE note")
    plain(here, "0f0f")
    here.execute("CREATE TABLE sold (version_num INTEGER)", "INSERT INTO sold VALUES (7)")
    here.ok("upgrade")
    assert history(here) == ["bbb2"]


def test_several_heads_are_taken_over_together(here):
    revise(here.app / "alembic", "ccc3", "bbb2")
    revise(here.app / "alembic", "ddd4", "bbb2")
    plain(here, "ccc3", "ddd4")
    here.ok("adopt", "--yes")
    assert history(here) == ["ccc3", "ddd4"]


def test_the_version_table_of_another_tool_is_taken_over_by_its_name(here):
    plain(here, "aaa1", table="kotti_version")
    ran = here.run("adopt", "--from", "kotti_version", "--yes")
    assert ran.err.endswith(f"-c {here.ini} -x packages=shop adopt --from kotti_version --drop-old\n")
    assert history(here) == ["aaa1"]
    here.ok("adopt", "--from", "kotti_version", "--drop-old", "--yes")
    assert "kotti_version" not in here.tables()


def test_a_version_table_of_another_form_is_passed_over_for_what_the_schema_is(lite):
    lite.execute("CREATE TABLE migrate_version (repository TEXT, version INTEGER)")
    lite.ok("adopt", "--from", "migrate_version", "--yes")
    assert history(lite) == ["bbb2"]
    assert "holds more than the column version_num" in lite.fails("adopt", "--from", "thing", "--drop-old", "--yes")
    assert "thing" in lite.tables()


def test_tables_without_any_version_are_adopted_at_the_revision_that_they_match(here):
    here.execute("DROP TABLE note")
    ran = here.run("adopt", "--yes")
    assert ran.code == 0, ran
    assert "the tables in the database match aaa1" in ran.err
    assert history(here) == ["aaa1"]
    here.ok("upgrade")
    assert findings(here) == []


def test_an_unknown_revision_of_the_version_table_is_told_and_the_schema_decides(lite):
    plain(lite, "old9")
    ran = lite.run("adopt", "--yes")
    assert "alembic_version is at old9, which no script has; the tables in the database match bbb2" in ran.err
    assert history(lite) == ["bbb2"]
    drop = f"drop it with: ws-alembic -c {lite.ini} -x packages=shop adopt --drop-old\n"
    assert ran.err.endswith(f"alembic_version was kept; if nothing else uses it, {drop}")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("plain-alembic-version", None)
    assert found["remedy"].endswith(f"drop it with ws-alembic -c {lite.ini} -x packages=shop adopt --drop-old")
    lite.ok("adopt", "--drop-old", "--yes")
    assert findings(lite) == []
    assert history(lite) == ["bbb2"]


def test_a_revision_that_was_named_is_written_whatever_the_tables_are(lite):
    lite.execute("ALTER TABLE thing ADD COLUMN odd INTEGER")
    said = lite.fails("adopt", "--yes")
    assert "no revision. Closest: bbb2" in said
    assert "column odd INTEGER" in said
    assert "--revision" in said
    assert history(lite) == []
    lite.ok("adopt", "--revision", "aaa", "--yes")
    assert history(lite) == ["aaa1"]


def test_a_websauna_database_needs_no_adoption(here):
    plain(here, "aaa1", table="alembic_history_shop")
    here.execute("DROP TABLE note")
    ran = here.run("adopt", "--yes")
    assert (ran.code, ran.err) == (0, "shop: nothing to adopt, alembic_history_shop says so already\n")
    here.ok("upgrade")
    assert history(here) == ["bbb2"]


def test_a_websauna_database_of_a_renamed_package_is_taken_over_from_its_old_table(here):
    plain(here, "bbb2", table="alembic_history_old_shop")
    here.ok("adopt", "--from", "alembic_history_old_shop", "--yes", "--drop-old")
    assert here.tables() == {"thing", "note", "alembic_history_shop"}


def test_a_version_table_that_was_renamed_by_hand_is_taken_over(here):
    here.ok("stamp", "head")
    here.execute("ALTER TABLE alembic_history_shop RENAME TO alembic_version")
    here.ok("adopt", "--yes")
    assert history(here) == ["bbb2"]


def test_an_empty_database_has_nothing_to_adopt(tmp_path, sqlite):
    workspace = shop(tmp_path, sqlite.new_database())
    assert "nothing to adopt" in workspace.run("adopt", "--yes").err
    assert workspace.tables() == set()


# --- what is refused ---------------------------------------------------------------------------------------------


def test_a_history_that_says_something_else_is_not_overwritten(lite):
    plain(lite, "aaa1")
    lite.ok("stamp", "bbb2")
    said = lite.fails("adopt", "--from", "alembic_version", "--yes")
    assert said.endswith(f"to overwrite it, run: ws-alembic -c {lite.ini} -x packages=shop stamp --purge aaa1")
    assert history(lite) == ["bbb2"]


def test_a_version_table_that_is_not_there_is_told(lite):
    assert lite.fails("adopt", "--from", "nowhere", "--yes") == (
        "adopt --from: the database has no table nowhere; check which table the other tool uses"
    )


def test_one_history_at_a_time_is_adopted(lite):
    lite.add("notes", history=True)
    lite.add_app("shop", "", ["notes"])
    assert "select one with -x packages=notes" in lite.fails("-x", "packages=all", "adopt", "--yes", code=2)


def test_without_a_terminal_and_without_yes_nothing_is_written(here):
    plain(here, "bbb2")
    before = look(here.url)
    ran = here.run("adopt")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("FAILED: adopt ")
    assert ran.err.endswith("--yes\n")
    assert look(here.url) == before


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_terminal_is_asked(lite, start, answer, code):
    plain(lite, "bbb2")
    process, ours = on_terminal(lite, start, "adopt")
    os.write(ours, answer.encode())
    _, said = process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == code, said
    assert "alembic_history_shop: empty -> bbb2\nContinue? [y/N] " in said
    assert history(lite) == (["bbb2"] if code == 0 else [])


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("n\n", 1)])
def test_downgrade_base_asks_on_a_terminal(lite, start, answer, code):
    lite.ok("stamp", "head")
    process, ours = on_terminal(lite, start, "downgrade", "base")
    os.write(ours, answer.encode())
    _, said = process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == code, said
    assert "this drops table note with 0 row(s)\nthis drops table thing with 1 row(s)\nContinue? [y/N] " in said
    assert ("thing" in lite.tables()) == bool(code)


def test_downgrade_base_with_yes_does_not_ask(lite, start):
    lite.ok("stamp", "head")
    process, ours = on_terminal(lite, start, "downgrade", "base", "--yes")
    _, said = process.communicate(timeout=20)
    os.close(ours)
    assert (process.returncode, "Continue?" in said) == (0, False)
    assert "thing" not in lite.tables()


def on_terminal(workspace: Workspace, start, *argv: str) -> tuple[subprocess.Popen[str], int]:
    """Start ``ws-alembic`` with a terminal as its standard input, and return the other end of that."""
    ours, theirs = pty.openpty()
    path = ":".join(map(str, workspace.path))
    arguments = ("-c", workspace.ini, *argv)
    process = start("ws-alembic", *arguments, cwd=workspace.app, env={"PYTHONPATH": path}, stdin=theirs)
    os.close(theirs)
    return process, ours


# --- all or nothing ----------------------------------------------------------------------------------------------

KILLER = """
import os, signal
from sqlalchemy import Engine, event
from websauna_migrate.repair import adoption
from websauna_migrate.scripts.ws_alembic import main

left = int(os.environ["KILL_AT"])
carry_out = adoption.carry_out


def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(*args):
    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, count)
    carry_out(*args)


adoption.carry_out = counted
"""


def test_an_adoption_killed_at_any_statement_leaves_the_old_state_or_the_new(here):
    revise(here.app / "alembic", "ccc3", "bbb2")
    revise(here.app / "alembic", "ddd4", "bbb2")
    plain(here, "ccc3", "ddd4")
    write(here.folder / "killer.py", KILLER)
    here.path.append(here.folder)
    states, code = [], None
    while code != 0:
        ran = here.run("adopt", "--yes", "--drop-old", script="killer:main", env={"KILL_AT": str(len(states))})
        code = ran.code
        # MariaDB commits DDL by itself: the history table may be there, empty, and the old one stay a moment longer.
        states.append((tuple(history(here)), "alembic_version" in here.tables()))
        assert states[-1] in [((), True), (("ccc3", "ddd4"), True), (("ccc3", "ddd4"), False)]
        here.execute("DROP TABLE IF EXISTS alembic_history_shop", "DROP TABLE IF EXISTS alembic_version")
        plain(here, "ccc3", "ddd4")
    assert len(states) > 5
    assert states[0] == ((), True)
    assert states[-1] == (("ccc3", "ddd4"), False)
