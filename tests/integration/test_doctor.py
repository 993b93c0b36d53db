"""What ``doctor`` finds in real databases, that its remedies mend it, and that nothing is changed by looking."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from projects import Workspace, revise, write
from servers import Backend
from troubles import NOTE, THING, everything, findings, follow, look, shop, until

ALL = ("-x", "packages=all")


def sql(finding: dict[str, Any]) -> list[str]:
    """Return the statements that a remedy says to run."""
    return [statement for statement in finding["remedy"].partition("run this SQL: ")[2].split(";") if statement.strip()]


@pytest.fixture
def postgres(tmp_path: Path, postgresql: Backend) -> Workspace:
    """The same on PostgreSQL."""
    return shop(tmp_path, postgresql.new_database())


# --- one history -------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_history_is_found_and_corrected_by_the_remedy(here):
    assert findings(here, *ALL) == []
    assert here.ok("doctor") == "No problems found.\n"
    # Tables without a history.
    here.ok("upgrade", "aaa1")
    here.execute("DROP TABLE alembic_history_shop")
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("unstamped", "shop")
    assert "the tables match revision aaa1" in found["detail"]
    follow(here, found)
    assert here.ok("current") == "aaa1\n"
    assert findings(here) == []
    here.ok("upgrade")
    assert findings(here) == []
    # A version table of plain Alembic.
    here.execute("ALTER TABLE alembic_history_shop RENAME TO alembic_version")
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("plain-alembic-version", "shop")
    assert "the table alembic_version of plain Alembic is at bbb2" in found["detail"]
    assert found["remedy"] == f"ws-alembic -c {here.ini} -x packages=shop adopt --yes"
    follow(here, found)
    assert here.ok("current") == "bbb2 (head)\n"
    assert findings(here) == []
    # A revision that no script has.
    here.execute("DROP TABLE alembic_version", "UPDATE alembic_history_shop SET version_num = 'ccc3'")
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("unknown-revision", "shop")
    assert "alembic_history_shop is at ccc3, which no script has" in found["detail"]
    assert "the tables match revision bbb2" in found["detail"]
    assert found["remedy"] == f"ws-alembic -c {here.ini} -x packages=shop stamp --purge bbb2"
    # It changed the tables.
    here.execute("ALTER TABLE note ADD COLUMN more INTEGER")
    (changed,) = findings(here)
    differs = "the tables match no revision; the closest is bbb2 (differences: note: extra column more INT"
    assert differs in changed["detail"]
    assert "git log --all -S ccc3" in changed["remedy"]
    here.execute("ALTER TABLE note DROP COLUMN more")
    follow(here, found)
    assert here.ok("current") == "bbb2 (head)\n"
    assert findings(here) == []
    # A script that cannot be replayed.
    script = revise(here.app / "alembic", "ccc3", "bbb2", "op.execute('SELECT * FROM not_there')")
    here.execute("DELETE FROM alembic_history_shop")
    (found,) = findings(here)
    assert "the tables match revision bbb2" in found["detail"]
    assert "not all scripts were compared: shop ccc3 fails on an empty database: " in found["detail"]
    assert found["remedy"].endswith("stamp bbb2")
    script.unlink()
    # Tables that the models made.
    ddl = here.call("websauna_migrate.scripts.ws_create_table:main", [str(here.ini)])
    here.execute(*(f"DROP TABLE {name}" for name in ("note", "thing", "alembic_history_shop")))
    here.execute(*(statement for statement in ddl.out.split(";") if statement.strip()))
    (found,) = findings(here)
    assert "the tables match revision bbb2" in found["detail"]


# --- a revision that no script has -------------------------------------------------------------------------------


NEEDS_HISTORY = (
    *("upgrade", "downgrade base", "downgrade -1", "stamp head", "current", "current -v", "plan", "plan --down"),
    *("check", "revision --autogenerate -m x", "rebase bbb2 base", "history -i"),
)


def test_every_command_tells_of_an_unknown_revision_before_it_does_anything(lite):
    lite.ok("upgrade")
    lite.execute("UPDATE alembic_history_shop SET version_num = 'zzz9'")
    before, files = look(lite.url), lite.files()
    (lite.app / "alembic" / "script.py.mako").write_text("")
    for command in NEEDS_HISTORY:
        ran = lite.run(*command.split())
        said = ran.err.splitlines()[-1]
        assert (ran.code, ran.out) == (1, ""), (command, ran)
        assert "shop: the database is at revision zzz9 (table alembic_history_shop), which no script has" in said
        assert "older than the database" in said
        assert "another branch" in said
        assert "deleted or rewritten" in said
        assert said.endswith(f"; run: ws-alembic -c {lite.ini} -x packages=shop doctor")
    ran = lite.run("status")
    assert ran.code == 0
    assert "WARNING: shop: the database is at revision zzz9" in ran.err
    (lite.app / "alembic" / "script.py.mako").unlink()
    assert (look(lite.url), lite.files()) == (before, files)


# --- tables without a history ------------------------------------------------------------------------------------


CHANGES = {
    "c01": "op.add_column('note', sa.Column('far_id', sa.Integer)); op.create_table('far', sa.Column('id', sa.Integer,"
    " primary_key=True), sa.Column('kind', sa.Enum('a', 'b', name='kind')))",
    "c02": "b = op.batch_alter_table('note'); b.__enter__().create_foreign_key('fk', 'far', ['far_id'], ['id']);"
    " b.__exit__(None, None, None)",
    "c03": "op.execute('ALTER TABLE far RENAME COLUMN id TO number')",
    "c04": "op.rename_table('far', 'near')",
    "c05": "op.create_index('i', 'near', ['kind'], unique=True)",
    "c06": "op.execute(\"ALTER TYPE kind ADD VALUE 'c'\")",
}


#: Upgrades to each revision, and prints which one the tables match. The scripts are replayed once for all.
MATCHING = """
from websauna_migrate.bootstrap import load_application
from websauna_migrate.repair.replay import Replayer
from websauna_migrate.scratch.places import ScratchPlaces
from websauna_migrate.scripts.ws_alembic import run


def main(argv):
    ini, *revisions = argv
    app = load_application(ini)
    with ScratchPlaces() as places:
        replayer = Replayer(app, places)
        for revision in revisions:
            run(["-c", ini, "upgrade", revision])
            with app.connected(writes=False) as connection:
                replay = replayer.find_matches(app.history("shop"), connection)
            print(revision, *replay.exact, replay.stopped)
"""


def test_each_kind_of_change_tells_one_revision_from_the_next(here):
    """Also where another table is changed than the one whose facts are different then."""
    down = "bbb2"
    for id_, upgrade in CHANGES.items():
        if here.url.get_backend_name() == "postgresql" or "TYPE" not in upgrade:
            revise(here.app / "alembic", id_, down, upgrade)
            down = id_
    revisions = sorted(path.stem for path in here.scripts())
    write(here.app / "matching.py", MATCHING)
    ran = here.call("matching:main", [str(here.ini), *revisions])
    assert ran.out.splitlines() == [f"{id_} {id_} None" for id_ in revisions], ran


def test_the_latest_of_revisions_with_equal_tables_is_named_first(lite):
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.execute('UPDATE note SET thing_id = 1')")
    lite.ok("upgrade")
    lite.execute("DELETE FROM alembic_history_shop")
    (found,) = findings(lite)
    assert "match revision ccc3 (as those of bbb2, which differ in no table)" in found["detail"]
    assert found["remedy"].endswith("stamp ccc3")


def test_what_a_history_requires_of_others_is_replayed_and_not_compared(here):
    model = "class User(Base):\n    __tablename__ = 'users'\n    id = Column(Integer, primary_key=True)\n"
    here.add("user", model, history=True)
    here.add_app("shop", THING + NOTE, ["user"])
    revise(
        here.folder / "user" / "user" / "alembic",
        "uuu1",
        None,
        "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))",
    )
    key = "op.create_table('owned', sa.Column('id', sa.Integer, sa.ForeignKey('users.id'), primary_key=True))"
    revise(here.app / "alembic", "ccc3", "bbb2", key, header="requires = {'user': 'uuu1'}")
    here.ok(*ALL, "upgrade")
    here.execute("DELETE FROM alembic_history_shop")
    (found,) = findings(here)
    assert "the tables match revision ccc3" in found["detail"]


def test_a_script_is_replayed_in_a_database_of_its_own_also_where_a_search_path_names_the_schema(postgres):
    leaves = "with op.get_context().autocommit_block(): op.execute('CREATE INDEX CONCURRENTLY i ON thing (name)')"
    revise(postgres.app / "alembic", "ccc3", "bbb2", leaves)
    postgres.execute('CREATE SCHEMA "Tenant"')
    postgres.write_ini(url=postgres.url.update_query_dict({"options": '-csearch_path="Tenant"'}))
    postgres.ok("upgrade")
    postgres.execute('DELETE FROM "Tenant".alembic_history_shop')
    (found,) = findings(postgres)
    assert "the tables match revision ccc3" in found["detail"]


def test_scripts_are_replayed_in_a_database_of_their_own(postgres):
    # They leave their transaction, and create tables in schemas.
    leaves = "with op.get_context().autocommit_block(): op.execute('CREATE INDEX CONCURRENTLY i ON thing (name)')"
    revise(postgres.app / "alembic", "ccc3", "bbb2", leaves)
    create = "op.create_table('far', sa.Column('id', sa.Integer, primary_key=True), schema='crm')"
    revise(postgres.app / "alembic", "ddd4", "ccc3", create)
    postgres.execute("CREATE SCHEMA crm")
    postgres.ok("upgrade")
    postgres.execute("DELETE FROM alembic_history_shop", "INSERT INTO thing VALUES (1, 'kept')")
    before = look(postgres.url)
    (found,) = findings(postgres)
    assert "the tables match revision ddd4" in found["detail"]
    # One names the real schema.
    revise(postgres.app / "alembic", "eee5", "ddd4", "op.execute('DELETE FROM public.thing')")
    (found,) = findings(postgres)
    assert "the tables match revision eee5 (as those of ddd4" in found["detail"]
    assert look(postgres.url) == before
    assert postgres.tables("crm") == {"far"}
    # A user who may only read gets the same answer.
    role = f"reader_{postgres.url.database}"
    postgres.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA crm TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO {role}",
    )
    postgres.write_ini(url=postgres.url.set(username=role))
    assert findings(postgres) == [found]
    postgres.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# --- the other problems ------------------------------------------------------------------------------------------


def test_two_heads_are_told_with_date_and_message_and_merged_by_the_remedy(lite):
    date = "Create Date: 2026-03-04 10:00:00"
    script = revise(lite.app / "alembic", "ccc3", "bbb2")
    script.write_text(f'"""Add colours\n\nRevises: bbb2\n{date}\n"""\n' + script.read_text())
    revise(lite.app / "alembic", "ddd4", "bbb2")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("several-heads", "shop")
    assert "ccc3 'Add colours' of 2026-03-04 10:00:00, after bbb2, not applied" in found["detail"]
    assert "ddd4 '' of a day that the script does not say, after bbb2, not applied" in found["detail"]
    lite.ok("init")
    follow(lite, found)
    assert findings(lite) == []
    lite.ok("upgrade", "head")


def test_two_heads_of_an_installed_package_are_not_merged_where_nobody_may_write(lite):
    package = lite.add("notes", history=True, installed=True)
    revise(package / "alembic", "nnn1")
    revise(package / "alembic", "ooo1")
    lite.add_app("shop", THING + NOTE, ["notes"])
    (found,) = findings(lite, *ALL)
    assert (found["problem"], found["package"]) == ("several-heads", "notes")
    assert found["remedy"] == "Install a version of notes with one head, or merge them in a source checkout of it."


def test_a_plain_version_table_of_another_program_is_found_and_left(lite):
    lite.ok("upgrade")
    lite.execute("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('other')")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("plain-alembic-version", None)
    assert findings(lite, "-x", "packages=shop") == [found]


def with_notes(workspace: Workspace) -> Workspace:
    """Add an add-on with a history, and upgrade."""
    model = "class Memo(Base):\n    __tablename__ = 'memo'\n    id = Column(Integer, primary_key=True)\n"
    package = workspace.add("acme.notes", model, history=True)
    create = "op.create_table('memo', sa.Column('id', sa.Integer, primary_key=True))"
    revise(package / "alembic", "mmm1", None, create, "op.drop_table('memo')")
    workspace.add_app("shop", THING + NOTE, ["acme.notes"])
    workspace.ok(*ALL, "upgrade")
    workspace.execute("INSERT INTO memo VALUES (1)", "INSERT INTO memo VALUES (2)")
    return workspace


def test_what_is_wrong_with_an_add_on_is_found_and_corrected_by_the_remedy(here):
    with_notes(here)
    # The application requires a revision of it that is not recorded, though its tables are there.
    script = revise(here.app / "alembic", "ccc3", "bbb2", header="requires = {'acme.notes': 'mmm1'}")
    here.ok(*ALL, "upgrade")
    here.execute("DROP TABLE alembic_history_acme_notes")
    stamp = f"ws-alembic -c {here.ini} -x packages=acme.notes stamp mmm1"
    together = [(found["problem"], found["package"], found["remedy"]) for found in findings(here, *ALL)]
    assert together == [("unstamped", "acme.notes", stamp), ("unmet-requirement", "shop", stamp)]
    (found,) = findings(here)
    follow(here, found)
    assert findings(here, *ALL) == []
    assert here.execute("SELECT count(*) FROM memo") == [(2,)]
    # It is no longer registered.
    script.unlink()
    here.execute("UPDATE alembic_history_shop SET version_num = 'bbb2'")
    here.add_app("shop", THING + NOTE)
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("orphan-history", "acme.notes")
    assert "alembic_history_acme_notes is at mmm1" in found["detail"]
    assert "its tables: memo (2 rows)" in found["detail"]
    assert "install and register it again" in found["remedy"]
    downgrade = f"ws-alembic -c {here.ini} -x packages=acme.notes downgrade base; "
    assert downgrade in found["remedy"]
    here.execute(*sql(found))
    assert here.tables() == {"thing", "note", "alembic_history_shop"}
    assert findings(here) == []
    # Its tables are gone: what a downgrade to base drops is told with the number of rows.
    ran = with_notes(here).run("-x", "packages=acme.notes", "downgrade", "base")
    assert ran.code == 0
    assert "this drops table memo with 2 row(s)" in ran.err
    assert here.tables() == {"thing", "note", "alembic_history_shop", "alembic_history_acme_notes"}
    here.add_app("shop", THING + NOTE)
    (found,) = findings(here)
    sql_ = "Otherwise nothing is left but the table; run this SQL: DROP TABLE alembic_history_acme_notes;"
    assert found["remedy"].endswith(sql_)
    here.execute(*sql(found))
    assert findings(here) == []


ODD_TABLES = [
    "op.create_table('Odd Box', sa.Column('id', sa.Integer, primary_key=True), sa.Column('item', sa.Integer))",
    "op.create_table('order', sa.Column('id', sa.Integer, primary_key=True), sa.Column('parent', sa.Integer,"
    " sa.ForeignKey('order.id')), sa.Column('box', sa.Integer, sa.ForeignKey('Odd Box.id')))",
    "op.create_table('A-last', sa.Column('id', sa.Integer, sa.ForeignKey('order.id'), primary_key=True))",
    "if op.get_bind().dialect.name != 'sqlite':"
    " op.create_foreign_key('Back to order', 'Odd Box', 'order', ['item'], ['id'])",
]


def test_the_sql_against_an_orphan_takes_odd_names_and_foreign_keys_in_a_circle(here):
    package = here.add("acme.notes", history=True)
    body = "\n    ".join(ODD_TABLES)
    if here.url.get_backend_name() == "postgresql":
        here.execute('CREATE SCHEMA "Far"')
        key = "sa.Column('id', sa.Integer, sa.ForeignKey('A-last.id'), primary_key=True)"
        body = f"{body}\n    op.create_table('user', {key}, schema='Far')"
    revise(package / "alembic", "mmm1", None, body)
    here.add_app("shop", THING + NOTE, ["acme.notes"])
    here.ok(*ALL, "upgrade")
    here.add_app("shop", THING + NOTE)
    (found,) = findings(here)
    here.execute(*sql(found))
    assert here.tables() == {"thing", "note", "alembic_history_shop"}
    assert findings(here) == []


def test_a_package_that_is_no_longer_installed_is_found_with_the_tables_that_nobody_claims(lite):
    with_notes(lite).add_app("shop", THING + NOTE)
    lite.path = [path for path in lite.path if path.name != "acme.notes"]
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("orphan-history", None)
    assert "tables of no registered package: memo (2 rows)" in found["detail"]
    assert "DROP TABLE memo" not in found["remedy"]
    assert "ws-alembic" not in found["remedy"]  # nobody knows how the package is written


def test_a_table_without_an_owner_is_found(lite):
    module = "from sqlalchemy import *\nm = MetaData()\nTable('lost', m, Column('id', Integer))\n"
    (lite.folder / "elsewhere.py").write_text(module)
    lite.path.append(lite.folder)
    lite.models(lite.app / "shop", THING + NOTE + "\nimport elsewhere\nfrom elsewhere import m as m\n")
    init = lite.app / "shop" / "__init__.py"
    init.write_text(
        init.read_text().replace(
            '"shop.models:Base")',
            '"shop.models:Base")\n        self.config.add_migration_package("one", "elsewhere:m")\n'
            '        self.config.add_migration_package("two", "elsewhere:m")',
        )
    )
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("ownerless-table", None)
    assert "'lost'" in found["detail"]


def test_a_requirement_that_is_not_applied_is_found_and_mended_by_the_remedy(lite):
    with_notes(lite)
    revise(lite.app / "alembic", "ccc3", "bbb2", header="requires = {'acme.notes': 'mmm1'}")
    lite.ok(*ALL, "upgrade")
    lite.execute("DELETE FROM alembic_history_acme_notes", "DROP TABLE memo")
    (found,) = findings(lite, *ALL)
    assert (found["problem"], found["package"]) == ("unmet-requirement", "shop")
    assert found["remedy"] == f"ws-alembic -c {lite.ini} -x packages=acme.notes upgrade mmm1"
    assert findings(lite, "-x", "packages=acme.notes") == []
    follow(lite, found)
    assert findings(lite, *ALL) == []


def test_a_requirement_in_a_history_that_nobody_can_read_is_mended_there_first(lite):
    alembic = with_notes(lite).folder / "acme.notes" / "acme" / "notes" / "alembic"
    revise(alembic, "nnn2", "mmm1")
    revise(lite.app / "alembic", "ccc3", "bbb2", header="requires = {'acme.notes': 'ooo1'}")
    revise(alembic, "ooo1", "nnn2")
    lite.ok(*ALL, "upgrade")
    lite.execute("UPDATE alembic_history_acme_notes SET version_num = 'nnn2'")
    lite.execute("INSERT INTO alembic_history_acme_notes VALUES ('mmm1')")
    for _ in range(2):
        (found,) = findings(lite)
        assert (found["problem"], found["package"]) == ("unmet-requirement", "shop")
        follow(lite, found)
    assert findings(lite, *ALL) == []


def test_a_requirement_that_stops_each_upgrade_is_found_as_upgrade_tells_it(lite):
    alembic = with_notes(lite).folder / "acme.notes" / "acme" / "notes" / "alembic"
    for header, words in (
        ("requires = {'acme.notes': 'mmm9'}", "does not have this revision"),
        ("requires = {'acme.nothing': 'mmm1'}", "not registered"),
        ("run_before = {'acme.notes': 'mmm9'}", "does not have this revision"),
        ("requires = {'acme.notes': 'nnn2'}", "form a cycle"),
    ):
        revise(alembic, "nnn2", "mmm1", header="requires = {'shop': 'ccc3'}")
        revise(lite.app / "alembic", "ccc3", "bbb2", header=header)
        (found,) = findings(lite)
        assert (found["problem"], found["package"]) == ("broken-requirement", "shop")
        assert words in found["detail"]
        assert lite.fails("upgrade").startswith(found["detail"])
    revise(lite.app / "alembic", "ccc3", "bbb2")
    assert findings(lite, *ALL) == []


def test_doctor_follows_the_selected_packages(lite):
    with_notes(lite)
    lite.execute("DELETE FROM alembic_history_acme_notes", "DELETE FROM alembic_history_shop")
    assert [found["package"] for found in findings(lite, "-x", "packages=acme.notes")] == ["acme.notes"]
    assert [found["package"] for found in findings(lite)] == ["shop"]
    assert [found["package"] for found in findings(lite, *ALL)] == ["acme.notes", "shop"]


def test_the_text_tells_what_it_is_why_it_matters_and_what_to_do(lite):
    lite.ok("upgrade")
    lite.execute("DELETE FROM alembic_history_shop")
    ran = lite.run("doctor")
    assert (ran.code, ran.err) == (1, "")
    title, what, why, fix = ran.out.splitlines()
    assert title == "unstamped in shop"
    assert what.startswith("  what: alembic_history_shop holds no revision")
    assert why == "  why:  an upgrade would create the tables that are there already, and fail"
    assert fix == f"  fix:  ws-alembic -c {lite.ini} -x packages=shop stamp bbb2"


# --- looking changes nothing -------------------------------------------------------------------------------------

LOOKING = ("doctor", "status", "plan", "check")


def test_looking_changes_nothing_in_the_database_and_nothing_on_disk(here):
    changes_nothing(here, "empty")
    here.ok("upgrade")
    here.execute("UPDATE alembic_history_shop SET version_num = 'zzz9'")
    changes_nothing(here, "unknown")
    here.execute(
        "UPDATE alembic_history_shop SET version_num = 'bbb2'",
        "ALTER TABLE alembic_history_shop RENAME TO alembic_version",
    )
    changes_nothing(here, "plain")
    here.execute("DROP TABLE alembic_version")
    changes_nothing(here, "unstamped")


def changes_nothing(workspace: Workspace, state: str) -> None:
    before, files = look(workspace.url), everything(workspace.folder)
    for command in LOOKING:
        workspace.run(*ALL, *command.split())
        assert everything(workspace.folder) == files, (state, command)
    assert look(workspace.url) == before, state


def test_a_missing_sqlite_file_is_not_made(lite):
    for command in LOOKING:
        lite.run(*command.split())
        assert not Path(str(lite.url.database)).exists(), command


def test_a_killed_doctor_leaves_nothing(postgres, start):
    postgres.throw_away = True
    postgres.write_ini()
    postgres.ok("upgrade")
    postgres.execute("DELETE FROM alembic_history_shop")
    began = postgres.folder / "began"
    revise(postgres.app / "alembic", "ccc3", "bbb2", f"open({str(began)!r}, 'w'); import time; time.sleep(30)")
    before = look(postgres.url)
    path = ":".join(map(str, postgres.path))
    process = start("ws-alembic", "-c", postgres.ini, "doctor", cwd=postgres.app, env={"PYTHONPATH": path})
    until(began.exists)
    process.kill()
    process.wait()
    until(lambda: look(postgres.url) == before)


def test_a_locked_database_is_only_read(lite):
    """Another program that holds the write lock of a SQLite database stops nobody from looking."""
    lite.ok("upgrade")
    lite.execute("DELETE FROM alembic_history_shop")
    writer = sqlite3.connect(str(lite.url.database), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert [found["problem"] for found in findings(lite)] == ["unstamped"]
    writer.close()
