"""What ``doctor`` says where the database is ahead of its history table, or lacks what that says."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from projects import WS_ALEMBIC, Workspace, revise
from troubles import CREATE_NOTE, NOTE, THING, findings, follow, shop

ADD = (
    "op.add_column('thing', sa.Column('price', sa.Integer));"
    " op.create_index(op.f('ix_thing_price'), 'thing', ['price'])"
)
PRICE = THING + "    price = Column(Integer, index=True)\n"


def statements(workspace: Workspace, found: dict[str, Any]) -> list[str]:
    """Return the SQL that the first command in a remedy prints, without what is about the history table."""
    (command,) = re.findall(r"(ws-alembic [^;]*--sql \S+:\w+)", found["remedy"])
    ran = workspace.call(WS_ALEMBIC, shlex.split(command)[1:])
    assert ran.code == 0, ran
    sql = "\n".join(line for line in ran.out.splitlines() if not line.startswith("--"))
    return [part for part in map(str.strip, sql.split(";")) if part and not re.search("BEGIN|COMMIT|_history_", part)]


def test_an_upgrade_over_what_is_there_already_leads_to_doctor_and_to_the_end(here):
    revise(here.app / "alembic", "ccc3", "bbb2", "op.execute('UPDATE thing SET id = id + 1')")
    here.ok("upgrade", "bbb2")
    here.execute("UPDATE alembic_history_shop SET version_num = 'aaa1'")
    assert "packages=shop doctor; if it was not, fix " in here.run("upgrade").err
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("already-applied", "shop")
    assert "but the database has table note, as after bbb2; the tables match revision bbb2" in found["detail"]
    follow(here, found)
    assert here.ok("current") == "bbb2\n"
    here.ok("upgrade")
    assert findings(here) == []


def test_columns_and_indexes_that_are_there_already_are_found_whatever_else_differs(lite):
    lite.add_app("shop", PRICE + NOTE)
    revise(lite.app / "alembic", "ccc3", "bbb2", ADD)
    revise(lite.app / "alembic", "ddd4", "ccc3", "op.execute('DROP INDEX ix_note_thing_id')")
    lite.ok("upgrade", "ccc3")
    lite.execute("UPDATE alembic_history_shop SET version_num = 'bbb2'", "CREATE INDEX mine ON thing (id)")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("already-applied", "shop")
    assert "the database has thing: column price, thing: index (price), as after ccc3; " in found["detail"]
    follow(lite, found)
    assert lite.ok("current") == "ccc3\n"
    assert findings(lite) == []


def test_a_revision_whose_drops_were_done_already_is_found(lite):
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.drop_table('note')")
    lite.add_app("shop", THING)
    lite.ok("upgrade")
    lite.execute("UPDATE alembic_history_shop SET version_num = 'bbb2'")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("already-applied", "shop")
    follow(lite, found)
    assert lite.ok("current") == "ccc3 (head)\n"


def test_a_revision_is_not_passed_over_because_a_later_one_was_applied(lite):
    lite.ok("upgrade", "aaa1")
    lite.add_app("shop", PRICE + NOTE)
    revise(lite.app / "alembic", "ccc3", "bbb2", ADD)
    lite.execute("ALTER TABLE thing ADD COLUMN price INTEGER", "CREATE INDEX ix_thing_price ON thing (price)")
    (found,) = findings(lite)
    upgrade, stamp = re.findall("(?:Run |then )(ws-alembic [^,]*)", found["remedy"])
    for command in (upgrade, stamp):
        follow(lite, {"remedy": command})
    assert lite.ok("current") == "ccc3 (head)\n"
    assert findings(lite) == []


def test_adopt_takes_a_history_on_to_the_revision_that_the_tables_match(lite):
    lite.ok("upgrade")
    lite.execute("UPDATE alembic_history_shop SET version_num = 'aaa1'")
    assert lite.run("adopt", "--yes").code == 0
    assert lite.ok("current") == "bbb2 (head)\n"
    assert "nothing to adopt" in lite.run("adopt", "--yes").err


def test_a_revision_that_failed_in_the_middle_is_completed_as_the_remedy_says(tmp_path, mariadb):
    """MariaDB keeps the statements before the one that failed."""
    here = shop(tmp_path, mariadb.new_database())
    here.add_app("shop", PRICE + NOTE)
    script = revise(here.app / "alembic", "ccc3", "bbb2", ADD.replace(";", "; sa.no_such_thing;"))
    assert "were not rolled back" in here.run("upgrade").err
    script.write_text(script.read_text().replace(" sa.no_such_thing;", ""))
    assert "packages=shop doctor" in here.run("upgrade").err
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("half-applied", "shop")
    assert "ccc3 is pending, but the database has thing: column price; it lacks thing: index (price)" in found["detail"]
    (_, index) = statements(here, found)
    here.execute(index)
    follow(here, {"remedy": found["remedy"].partition("then run ")[2]})
    assert findings(here) == []


def test_drops_of_a_revision_that_failed_in_the_middle_are_completed_as_the_remedy_says(lite):
    lite.add_app("shop", NOTE.replace(", index=True", ""))
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.drop_index('ix_note_thing_id', 'note'); op.drop_table('thing')")
    lite.ok("upgrade", "bbb2")
    lite.execute("DROP INDEX ix_note_thing_id")
    assert "packages=shop doctor" in lite.run("upgrade").err
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("half-applied", "shop")
    assert "the database lacks note: index (thing_id); it has table thing still" in found["detail"]
    (_, table) = statements(lite, found)
    lite.execute(table)
    follow(lite, {"remedy": found["remedy"].partition("then run ")[2]})
    assert findings(lite) == []


def test_without_a_replay_tables_of_pending_revisions_are_found(lite):
    lite.ok("upgrade", "aaa1")
    lite.execute("CREATE TABLE note (id INTEGER)")
    (found,) = json.loads(lite.run("doctor", "--no-replay", "--format", "json").out)
    assert found["problem"] == "half-applied"
    assert "the database has table note; note has 0 row(s); it was not determined" in found["detail"]
    assert "DROP TABLE note" in found["remedy"]
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.create_table('more', sa.Column('id', sa.Integer))")
    lite.execute("CREATE TABLE more (id INTEGER)")
    for found in json.loads(lite.run("doctor", "--no-replay", "--format", "json").out):
        assert found["problem"] == "half-applied"
        assert found["remedy"] == (
            "Drop nothing before it is known which revision the tables match; let the scripts run in "
            f"ws-alembic -c {lite.ini} -x packages=shop doctor"
        )


def test_an_empty_table_of_a_revision_that_failed_is_dropped_by_the_remedy(lite):
    lite.ok("upgrade", "aaa1")
    lite.execute("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, thing_id INTEGER)")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("half-applied", "shop")
    assert found["remedy"] == "The tables are empty. Drop them, then upgrade; run this SQL: DROP TABLE note;"
    lite.execute("INSERT INTO note VALUES (1, 1)")
    (found,) = findings(lite)
    assert "note has 1 row(s); it lacks note: index (thing_id)" in found["detail"]
    assert "DROP" not in found["remedy"]
    lite.execute("DROP TABLE note")
    lite.ok("upgrade")
    assert findings(lite) == []


@pytest.mark.parametrize("upgrade", [ADD, "op.create_table('extra', sa.Column('id', sa.Integer, primary_key=True))"])
def test_a_revision_that_was_inserted_before_applied_ones_is_found_and_completed_by_the_remedy(lite, upgrade):
    lite.ok("upgrade")
    lite.add_app("shop", (PRICE if upgrade == ADD else THING) + NOTE)
    revise(lite.app / "alembic", "abc0", "aaa1", upgrade)
    revise(lite.app / "alembic", "bbb2", "abc0", CREATE_NOTE, "op.drop_table('note')")
    (found,) = findings(lite)
    assert (found["problem"], found["package"]) == ("inserted-revision", "shop")
    assert "abc0" in found["detail"]
    lite.execute(*statements(lite, found))
    assert findings(lite) == []


def test_nothing_is_told_of_what_a_later_revision_or_nobody_but_the_models_has(lite):
    revise(lite.app / "alembic", "ccc3", "bbb2", "op.execute('DROP TABLE note')")
    lite.ok("upgrade")
    lite.add_app("shop", PRICE)
    assert findings(lite) == []


def test_a_database_that_create_all_made_is_stamped_where_it_matches_the_models(here):
    """Though no revision creates the same tables."""
    revise(here.app / "alembic", "bbb2", "aaa1", CREATE_NOTE.partition(";")[0])
    number = "SERIAL" if here.url.get_backend_name() == "postgresql" else "INTEGER"
    here.execute(f"CREATE TABLE thing (id {number} NOT NULL PRIMARY KEY, name VARCHAR(20), UNIQUE (name))")
    here.execute(f"CREATE TABLE note (id {number} NOT NULL PRIMARY KEY, thing_id INTEGER)")
    here.execute("CREATE INDEX ix_note_thing_id ON note (thing_id)")
    (found,) = findings(here)
    assert (found["problem"], found["package"]) == ("unstamped", "shop")
    assert (
        "the tables match the models, but the scripts create others, up to bbb2 (differences: note: "
        in (found["detail"])
    )
    assert "index (thing_id)" in found["detail"]
    follow(here, found)
    assert here.ok("current") == "bbb2 (head)\n"
    here.ok("check")
    assert findings(here) == []
