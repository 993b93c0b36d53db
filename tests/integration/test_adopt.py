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


def drop_option(table: str) -> list[str]:
    """Return the options that name a version table."""
    return [] if table == "alembic_version" else ["--from", table]


# --- what is taken over ------------------------------------------------------------------------------------------


def test_version_tables_are_taken_over_before_anything_runs_twice(here):
    scaled = revise(here.app / "alembic", "ccc3", "bbb2", "op.execute('UPDATE thing SET id = id * 100')")
    plain(here, "bbb2")
    before = look(here.url)
    refused_until_adopted(
        here, "alembic_version", ["upgrade"], ["upgrade", "aaa1"], ["-x", "packages=all", "upgrade"], ["check"]
    )
    # Without a terminal and without --yes, nothing is written.
    ran = here.run("adopt")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("FAILED: adopt ")
    assert ran.err.endswith("--yes\n")
    assert look(here.url) == before
    ran = here.run("adopt", "--yes")
    assert (ran.code, ran.out) == (0, "")
    said = "shop: alembic_version says so. These changes will be made:\n  alembic_history_shop: empty -> bbb2\n"
    assert said in ran.err
    assert (history(here), here.ok("current")) == (["bbb2"], "bbb2\n")
    assert "alembic_version" in here.tables()
    assert here.execute("SELECT id, name FROM thing") == [(1, "kept")]
    assert findings(here) == []
    here.ok("upgrade")
    assert (here.execute("SELECT id FROM thing"), history(here)) == ([(100,)], [scaled.stem])
    # The version table of another tool is taken over by its name.
    here.execute("DROP TABLE alembic_history_shop", "DROP TABLE alembic_version")
    plain(here, "bbb2", table="kotti_version")
    refused_until_adopted(here, "kotti_version", ["upgrade"])
    ran = here.run("adopt", "--from", "kotti_version", "--yes")
    assert ran.err.endswith(f"-c {here.ini} -x packages=shop adopt --from kotti_version --drop-old\n")
    assert history(here) == ["bbb2"]
    here.ok("adopt", "--from", "kotti_version", "--drop-old", "--yes")
    assert "kotti_version" not in here.tables()


def refused_until_adopted(workspace: Workspace, table: str, *commands: list[str]) -> None:
    """Nothing runs, and the table that says what is applied is named."""
    source = " ".join(["", *drop_option(table)])
    for arguments in commands:
        assert workspace.fails(*arguments) == (
            f"shop: nothing was run, because the table {table} says that bbb2 is applied already and the "
            f"history table is empty; take the database over with: "
            f"ws-alembic -c {workspace.ini} -x packages=shop adopt{source}"
        )
    assert history(workspace) == []


def test_a_database_is_taken_over_in_each_state_that_it_may_be_in(here):
    # Tables without any version are adopted at the revision that they match.
    here.execute("DROP TABLE note")
    ran = here.run("adopt", "--yes")
    assert ran.code == 0, ran
    assert "the tables in the database match aaa1" in ran.err
    assert history(here) == ["aaa1"]
    here.ok("upgrade")
    assert findings(here) == []
    # A version table that was renamed by hand.
    here.execute("ALTER TABLE alembic_history_shop RENAME TO alembic_version")
    here.ok("adopt", "--yes")
    assert history(here) == ["bbb2"]
    # The old version table is dropped with --drop-old.
    here.execute("DROP TABLE alembic_history_shop")
    here.ok("adopt", "--yes", "--drop-old")
    assert (here.tables(), history(here)) == ({"thing", "note", "alembic_history_shop"}, ["bbb2"])
    # A database of Websauna needs no adoption, but that of a renamed package is taken over from its old table.
    here.execute("UPDATE alembic_history_shop SET version_num = 'aaa1'", "DROP TABLE note")
    ran = here.run("adopt", "--yes")
    assert (ran.code, ran.err) == (0, "shop: nothing to adopt, alembic_history_shop says so already\n")
    here.ok("upgrade")
    assert history(here) == ["bbb2"]
    here.execute("ALTER TABLE alembic_history_shop RENAME TO alembic_history_old_shop")
    here.ok("adopt", "--from", "alembic_history_old_shop", "--yes", "--drop-old")
    assert (here.tables(), history(here)) == ({"thing", "note", "alembic_history_shop"}, ["bbb2"])
    # One that is left over after a downgrade to base is to be dropped.
    here.ok("downgrade", "base")
    plain(here, "bbb2")
    assert here.fails("upgrade").endswith(f"ws-alembic -c {here.ini} -x packages=shop adopt --drop-old")
    here.ok("adopt", "--drop-old", "--yes")
    assert here.tables() == {"alembic_history_shop"}
    # The version table of another application stops nobody.
    here.execute("DROP TABLE alembic_history_shop")
    plain(here, "0f0f")
    here.execute("CREATE TABLE sold (version_num INTEGER)", "INSERT INTO sold VALUES (7)")
    here.ok("upgrade")
    assert history(here) == ["bbb2"]
    # Several heads are taken over together.
    here.execute("DROP TABLE alembic_history_shop", "DROP TABLE alembic_version")
    revise(here.app / "alembic", "ccc3", "bbb2")
    revise(here.app / "alembic", "ddd4", "bbb2")
    plain(here, "ccc3", "ddd4")
    here.ok("adopt", "--yes")
    assert history(here) == ["ccc3", "ddd4"]


@pytest.mark.parametrize("table", ["alembic_version", "kotti_version"])
def test_a_version_table_that_is_left_over_after_a_downgrade_to_base_is_to_be_dropped(lite, table):
    plain(lite, "bbb2", table=table)
    source = drop_option(table)
    lite.ok("adopt", "--yes", *source)
    lite.ok("downgrade", "base")
    drop = f"ws-alembic -c {lite.ini} -x packages=shop {' '.join(['adopt', *source, '--drop-old'])}"
    for command in ("upgrade", "check"):
        told = "but the database has none of the tables that these revisions create; drop the old table with: "
        assert lite.fails(command).endswith(told + drop)
    assert "WARNING: shop: the database has none of the tables that these" in lite.run("adopt", *source).err
    (found,) = findings(lite)
    assert (found["problem"], found["remedy"]) == ("plain-alembic-version", f"{drop} --yes")
    assert lite.run("adopt", *source, "--drop-old", "--yes").err.endswith(f"shop: {table} was dropped\n")
    assert table not in lite.tables()
    lite.ok("upgrade")
    assert (lite.ok("doctor"), history(lite)) == ("No problems found.\n", ["bbb2"])


def test_a_version_table_is_not_left_over_where_sql_gave_the_tables_the_names_of_the_models(lite):
    plain(lite, "bbb2")
    lite.execute("ALTER TABLE thing RENAME TO item", "DROP TABLE note")
    lite.models(
        lite.app / "shop", 'class Item(Base):\n    __tablename__ = "item"\n    id = Column(Integer, primary_key=True)\n'
    )
    assert lite.fails("upgrade").endswith("-x packages=shop adopt")


def test_a_version_table_of_another_form_is_passed_over_for_what_the_schema_is(lite):
    lite.execute("CREATE TABLE migrate_version (repository TEXT, version INTEGER)")
    lite.ok("adopt", "--from", "migrate_version", "--yes")
    assert history(lite) == ["bbb2"]
    assert "holds more than the column version_num" in lite.fails("adopt", "--from", "thing", "--drop-old", "--yes")
    assert "thing" in lite.tables()


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


def test_a_terminal_is_asked(lite, start):
    plain(lite, "bbb2")
    for answer, code in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        process, ours = on_terminal(lite, start, "adopt")
        os.write(ours, answer.encode())
        _, said = process.communicate(timeout=20)
        os.close(ours)
        assert process.returncode == code, (answer, said)
        assert "alembic_history_shop: empty -> bbb2\nContinue? [y/N] " in said
        assert history(lite) == (["bbb2"] if code == 0 else []), answer


def test_downgrade_base_asks_on_a_terminal_unless_it_is_told_yes(lite, start):
    lite.ok("stamp", "head")
    for answer, code in (("n\n", 1), ("yes\n", 0)):
        process, ours = on_terminal(lite, start, "downgrade", "base")
        os.write(ours, answer.encode())
        _, said = process.communicate(timeout=20)
        os.close(ours)
        assert process.returncode == code, (answer, said)
        assert "this drops table note with 0 row(s)\nthis drops table thing with 1 row(s)\nContinue? [y/N] " in said
        assert ("thing" in lite.tables()) == bool(code), answer
    lite.ok("upgrade")
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

#: Kills at a moment before a statement or a commit. Moments between which nothing was written are one.
KILLER = """
import os, signal
from sqlalchemy import Engine, event
from websauna_migrate.repair import adoption
from websauna_migrate.scripts.ws_alembic import main

left = int(os.environ["KILL_AT"])
carry_out = adoption.carry_out
changed, to_commit = True, False


def kill(changes):
    global changed, left
    left -= changed
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    changed = changes


def statement(connection, cursor, sql, *_):
    global to_commit
    writes = sql.lstrip().startswith(("CREATE", "INSERT", "DELETE", "UPDATE", "DROP"))
    to_commit = to_commit or writes
    kill(writes)


def commit(_):
    global to_commit
    kill(to_commit)
    to_commit = False


def counted(*args):
    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    carry_out(*args)
    kill(False)


adoption.carry_out = counted
"""


def test_an_adoption_killed_at_any_statement_leaves_the_old_state_or_the_new(here):
    revise(here.app / "alembic", "ccc3", "bbb2")
    revise(here.app / "alembic", "ddd4", "bbb2")
    plain(here, "ccc3", "ddd4")
    write(here.folder / "killer.py", KILLER)
    here.path.append(here.folder)
    here.alone = True
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
