"""What a run does to real databases: its order, its transactions, and what it says of itself."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest
import sqlalchemy as sa

from scenarios import Revision, chain, write_project

BREAKS = ["CREATE TABLE half (id INTEGER)", "INSERT INTO half VALUES (1)", "INSERT INTO missing VALUES (1)"]


@pytest.fixture(params=["sqlite", "postgresql"])
def atomic_backend(request):
    """The databases that undo DDL."""
    return request.getfixturevalue(request.param)


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stderr


def steps(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the revisions that a run said it ran."""
    return [line.split()[2] for line in said(done).splitlines() if line.startswith("[")]


# --- transactions ----------------------------------------------------------------------------------------------


def test_a_failing_revision_keeps_what_was_done_before_it_and_nothing_of_itself(backend, tmp_path, run):
    histories = {"red": [*chain("red", 2), Revision("broken", up=BREAKS)], "blue": chain("blue", 2)}
    project = write_project(tmp_path, backend.new_database(), histories)

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("FAILED: upgrade to red broken failed: ")
    assert "applied in this run: red red1, red red2; not applied: red broken, blue blue1, blue blue2; fix" in line
    assert project.heads() == {"red": ["red2"]}
    if backend.name == "mariadb":
        assert (
            "; the earlier statements of broken were not rolled back, because this database cannot roll back DDL: "
            in line
        )
    else:
        assert "; broken was rolled back; " in line
        assert project.tables() == {"red1_a", "red2_a"}

    script = project.script("red", "broken")
    script.write_text(script.read_text().replace("INTO missing", "INTO half").replace("TABLE half", "TABLE whole"))
    if backend.name != "mariadb":
        script.write_text(script.read_text().replace("TABLE whole", "TABLE half"))
    assert steps(run(*project.argv("upgrade"), **project.options)) == ["broken", "blue1", "blue2"]


def test_a_script_that_cannot_be_loaded_is_named_before_anything_is_run(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 3)})
    script = project.script("red", "red3")
    script.write_text(f"import no_such_module\n{script.read_text()}")

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"FAILED: {script}: loading it failed with ModuleNotFoundError: No module named 'no_such_module'; "
        "nothing was run; correct the script and run the command again"
    )
    assert project.heads() == {}


def test_scripts_that_are_not_to_be_run_are_not_loaded(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 3)})
    said(run(*project.argv("upgrade", "red2"), **project.options))
    for number in (1, 2):
        script = project.script("red", f"red{number}")
        script.write_text(f"{script.read_text()}\nraise RuntimeError\n")

    assert steps(run(*project.argv("upgrade"), **project.options)) == ["red3"]


def test_a_script_may_ask_for_the_options_of_the_run_while_it_is_loaded(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    script = project.script("red", "red1")
    script.write_text(
        f"{script.read_text()}\nfrom alembic import context\nprint('got', context.get_x_argument(as_dictionary=True))\n"
    )

    assert "got {'packages': 'all', 'mine': 'yours'}" in said(
        run(*project.argv("-x", "mine=yours", "upgrade"), **project.options)
    )


def test_a_row_that_went_from_the_history_table_stops_the_run(atomic_backend, tmp_path, run):
    forgets = Revision("forgets", up=["CREATE TABLE half (id INTEGER)", "DELETE FROM alembic_history_red"])
    project = write_project(tmp_path, atomic_backend.new_database(), {"red": [*chain("red", 1), forgets]})

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert "the table alembic_history_red no longer holds red1; " in done.stderr
    assert project.heads() == {"red": ["red1"]}
    assert project.tables() == {"red1_a"}


@pytest.mark.parametrize("option", ["--conf", "--config", "-c"])
def test_an_abbreviated_option_runs_the_same_plan(sqlite, tmp_path, run, option):
    histories = {"red": [Revision("red1", requires={"blue": "blue1"})], "blue": chain("blue", 1)}
    project = write_project(tmp_path, sqlite.new_database(), histories)

    said(run("ws-alembic", option, project.ini, "-x", "packages=red", "upgrade", "head", **project.options))

    assert project.heads() == {"red": ["red1"], "blue": ["blue1"]}


def test_in_one_transaction_no_sql_is_printed_for_what_has_to_leave_it(postgresql, tmp_path, run):
    block = "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')"
    project = write_project(tmp_path, postgresql.new_database(), {"red": [Revision("red1", up=block)]})

    done = run(*project.argv("-x", "transaction=all", "upgrade", "--sql"), **project.options)

    assert (done.returncode, done.stdout) == (1, "")


def test_a_script_without_the_function_is_named_before_anything_is_run(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 2)})
    script = project.script("red", "red2")
    script.write_text(script.read_text().replace("def upgrade", "def uprade"))

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert (
        "red2.py: loading it failed with AttributeError: it has no function upgrade(); nothing was run" in done.stderr
    )
    assert project.heads() == {}


def test_a_revision_that_rolls_back_by_itself_is_an_error(backend, tmp_path, run):
    rolling_back_is_an_error(backend, tmp_path, run)


def test_a_revision_that_rolls_back_by_itself_is_an_error_where_another_could_share_its_commit(sqlite, tmp_path, run):
    rolling_back_is_an_error(sqlite, tmp_path, run, later=1)


def rolling_back_is_an_error(backend, tmp_path, run, later=0):
    up = """
        op.execute("CREATE TABLE one (id INTEGER)")
        op.get_bind().rollback()
        op.execute("CREATE TABLE two (id INTEGER)")
        """
    histories = {"red": [*chain("red", 1), Revision("ends", up=up), *chain("late", later)]}
    project = write_project(tmp_path, backend.new_database(), histories)

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("FAILED: upgrade to red ends failed: the revision ended its transaction")
    assert "applied in this run: red red1; not applied: red ends" in line
    assert project.heads() == {"red": ["red1"]}
    kept = {"one", "two"} if backend.name == "mariadb" else set()
    assert project.tables() == {"red1_a", *kept}
    assert ("statements of ends were not rolled back" in line) == bool(kept)


def test_revisions_that_commit_by_themselves_run_to_their_end_and_are_recorded(backend, tmp_path, run):
    block = "with op.get_context().autocommit_block(): op.execute('CREATE TABLE {}2 (id INTEGER)')"
    last = "op.execute('CREATE TABLE {}2 (id INTEGER)')"
    ends = {
        "bind": ["op.get_bind().commit()", last],
        "text": ["op.execute('COMMIT')", last],
        "block": ["op.get_bind().commit()", block],
    }
    histories = {
        name: [
            Revision(name, up="\n".join([f"op.execute('CREATE TABLE {name}1 (id INTEGER)')", *lines]).format(name)),
            *chain(f"{name}_late", 1),
        ]
        for name, lines in ends.items()
    }
    project = write_project(tmp_path, backend.new_database(), histories)

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 0, done.stderr
    for name in ends:
        assert done.stderr.count(f"{name} {name} commits by itself, so it is not atomic") == 1, name
    assert project.heads() == {name: [f"{name}_late1"] for name in ends}
    assert project.tables() == {f"{name}{table}" for name in ends for table in ("1", "2", "_late1_a")}
    assert "nothing to do" in run(*project.argv("upgrade"), **project.options).stderr


@pytest.mark.parametrize("statement", ["COMMIT", " end; "])
def test_a_failure_after_a_commit_in_sql_tells_that_something_stays(atomic_backend, tmp_path, run, statement):
    ends = Revision("ends", up=["CREATE TABLE one (id INTEGER)", statement, "SELECT nonsense"])
    project = write_project(tmp_path, atomic_backend.new_database(), {"red": [ends]})

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert "statements of ends were not rolled back" in done.stderr
    assert project.tables() == {"one"}


def test_in_one_transaction_a_revision_that_commits_is_an_error_that_tells_what_is_there(atomic_backend, tmp_path, run):
    histories = {"red": [*chain("red", 2), Revision("ends", up="from helper import end\nend(op)"), *chain("late", 1)]}
    (tmp_path / "helper.py").write_text("def end(op):\n    op.get_bind().commit()\n")
    project = write_project(tmp_path, atomic_backend.new_database(), histories)

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert done.returncode == 1
    assert "applied in this run: red red1, red red2; not applied: red ends, red late1" in done.stderr
    assert project.heads() == {"red": ["red2"]}


@pytest.mark.parametrize(
    "up", ["op.get_bind().commit()", "bind = op.get_bind()\nbind.commit()", "op.execute('commit;')"]
)
def test_in_one_transaction_a_revision_that_commits_is_refused_before_anything(sqlite, tmp_path, run, up):
    histories = {"red": [*chain("red", 2), Revision("ends", up=up)]}
    project = write_project(tmp_path, sqlite.new_database(), histories)

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert (done.returncode, project.heads()) == (1, {})
    assert "FAILED: -x transaction=all: red ends commits by itself (" in done.stderr


HIDDEN = """
def build(op, statement):
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE built (id INTEGER)")
    op.execute(statement)
"""


@pytest.mark.parametrize("one_transaction", [False, True])
def test_a_block_that_is_hidden_in_a_helper_is_not_said_to_be_undone(atomic_backend, tmp_path, run, one_transaction):
    up = "from helper import build\nbuild(op, 'INSERT INTO missing VALUES (1)')"
    project = write_project(tmp_path, atomic_backend.new_database(), {"red": [Revision("red1", up=up)]})
    (tmp_path / "helper.py").write_text(HIDDEN)
    options = ["-x", "transaction=all"] if one_transaction else []

    line = run(*project.argv(*options, "upgrade"), **project.options).stderr.splitlines()[-1]

    assert "red red1 " in line
    assert ("red1 were not rolled back, because it leaves its transaction" in line) == (not one_transaction)
    assert ("autocommit_block" in line) == one_transaction
    assert project.tables() == (set() if one_transaction else {"built"})


@pytest.mark.parametrize("value", [True, False])
def test_an_env_py_does_not_decide_over_the_transactions_of_a_run(atomic_backend, tmp_path, run, value):
    project = write_project(tmp_path, atomic_backend.new_database(), {"red": chain("red", 2)})
    env = tmp_path / "red" / "alembic" / "env.py"
    env.write_text(env.read_text().replace('"red"', f'"red", transaction_per_migration={value}'))

    assert steps(run(*project.argv("upgrade"), **project.options)) == ["red1", "red2"]
    assert project.heads() == {"red": ["red2"]}


def test_a_failing_revision_is_undone_though_the_application_works_in_autocommit(postgresql, tmp_path, run):
    histories = {"red": [*chain("red", 1), Revision("broken", up=BREAKS)]}
    autocommit = {"sqlalchemy.isolation_level": "AUTOCOMMIT"}
    project = write_project(tmp_path, postgresql.new_database(), histories, autocommit)

    assert "; broken was rolled back; " in run(*project.argv("upgrade"), **project.options).stderr
    assert project.tables() == {"red1_a"}


def test_a_revision_that_ends_the_process_ends_the_run_with_an_error(backend, tmp_path, run):
    ends = Revision("ends", up="exit()")
    project = write_project(tmp_path, backend.new_database(), {"red": [*chain("red", 1), ends]})

    line = the_exit_is_told(run(*project.argv("upgrade"), **project.options))

    assert "applied in this run: red red1; not applied: red ends" in line
    assert project.heads() == {"red": ["red1"]}


def the_exit_is_told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what a run said that a SystemExit has ended."""
    assert (done.returncode, done.stdout) == (1, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("FAILED: ")
    assert "SystemExit" in line
    return line


@pytest.mark.parametrize("file", ["alembic/versions/red1.py", "alembic/env.py", "__init__.py"])
def test_who_ends_the_process_before_a_revision_runs_ends_the_run_with_an_error(sqlite, tmp_path, run, file):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    path = tmp_path / "red" / file
    path.write_text(f"import sys\nsys.exit(0)\n{path.read_text()}")

    the_exit_is_told(run(*project.argv("upgrade"), **project.options))

    assert project.tables() == set()


def test_an_env_py_that_fails_is_named(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    env = tmp_path / "red" / "alembic" / "env.py"
    env.write_text(f"raise ValueError('boo')\n{env.read_text()}")

    said_last = run(*project.argv("upgrade"), **project.options).stderr.splitlines()[-1]

    assert said_last == (
        f"FAILED: {env} of red failed with ValueError: boo; nothing was run; correct it and run the command again"
    )


@pytest.mark.parametrize("command", [("status", "--format", "json"), ("upgrade", "--sql")])
def test_what_an_application_prints_is_no_result(sqlite, tmp_path, run, command):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    for file in (tmp_path / "red" / "__init__.py", tmp_path / "red" / "alembic" / "env.py"):
        file.write_text(f"print('hello')\n{file.read_text()}")

    done = run(*project.argv(*command), **project.options)

    assert done.returncode == 0
    assert "hello" not in done.stdout
    assert "hello" in done.stderr


@pytest.mark.parametrize("command", ["status", "current", "plan", "doctor"])
def test_what_only_reads_makes_no_sqlite_file_by_whatever_name(tmp_path, run, command):
    file = tmp_path / "m.db"
    url = sa.make_url(f"sqlite:///file:{file}?uri=true")
    project = write_project(tmp_path, url, {"red": chain("red", 1)})

    assert run(*project.argv(command), **project.options).returncode == 0
    assert not file.exists()
    said(run(*project.argv("upgrade"), **project.options))
    assert file.exists()


def test_a_failing_downgrade_keeps_its_revision(atomic_backend, tmp_path, run):
    histories = {"red": [Revision("red1", up=BREAKS[:1], down=["DROP TABLE half", "DROP TABLE missing"])]}
    project = write_project(tmp_path, atomic_backend.new_database(), histories)
    said(run(*project.argv("upgrade"), **project.options))

    done = run(*project.argv("downgrade", "base"), **project.options)

    assert done.returncode == 1
    assert "downgrade of red red1 failed: " in done.stderr
    assert project.heads() == {"red": ["red1"]}
    assert project.tables() == {"half"}


def test_in_one_transaction_a_failing_revision_leaves_nothing_at_all(atomic_backend, tmp_path, run):
    histories = {"red": chain("red", 2), "blue": [*chain("blue", 1), Revision("broken", up=BREAKS)]}
    project = write_project(tmp_path, atomic_backend.new_database(), histories)

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert done.returncode == 1
    assert "applied in this run: none; not applied: red red1, red red2, blue blue1, blue broken; fix" in done.stderr
    assert sa.inspect(project.engine()).get_table_names() == []


def test_one_transaction_holds_over_all_packages_and_both_ways(atomic_backend, tmp_path, run):
    project = write_project(tmp_path, atomic_backend.new_database(), {n: chain(n, 2) for n in ("red", "blue")})
    alone = ["-x", "transaction=all"]

    assert steps(run(*project.argv(*alone, "upgrade"), **project.options)) == ["red1", "red2", "blue1", "blue2"]
    assert project.heads() == {"red": ["red2"], "blue": ["blue2"]}
    assert len(steps(run(*project.argv(*alone, "downgrade", "base"), **project.options))) == 4
    assert project.tables() == set()


def test_what_breaks_at_the_commit_of_the_one_transaction_leaves_nothing(postgresql, tmp_path, run):
    late = [
        "CREATE TABLE child (id INTEGER REFERENCES red1_a DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO child VALUES (7)",
    ]
    project = write_project(tmp_path, postgresql.new_database(), {"red": [*chain("red", 1), Revision("late", up=late)]})

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert done.returncode == 1
    assert "applied in this run: none; not applied: red red1, red late" in done.stderr
    assert project.tables() == set()


def test_one_transaction_is_refused_before_anything_where_a_revision_has_to_leave_it(postgresql, tmp_path, run):
    outside = "with op.get_context().autocommit_block():\n    op.execute('VACUUM')"
    histories = {"red": [*chain("red", 1), Revision("outside", up=outside)]}
    project = write_project(tmp_path, postgresql.new_database(), histories)

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: -x transaction=all: red outside uses autocommit_block() (")
    assert sa.inspect(project.engine()).get_table_names() == []
    assert steps(run(*project.argv("upgrade"), **project.options)) == ["red1", "outside"]


def test_one_transaction_is_refused_before_anything_on_mariadb(mariadb, tmp_path, run):
    project = write_project(tmp_path, mariadb.new_database(), {"red": chain("red", 1)})

    done = run(*project.argv("-x", "transaction=all", "upgrade"), **project.options)

    assert done.returncode == 1
    assert f"{mariadb.server.name} commits each DDL statement by itself" in done.stderr
    assert sa.inspect(project.engine()).get_table_names() == []


def test_a_revision_that_breaks_after_its_autocommit_block_is_told_to_have_left_something(postgresql, tmp_path, run):
    work = """
        op.execute("CREATE TABLE kept (id INTEGER)")
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY i ON kept (id)")
        op.execute("CREATE TABLE lost (id INTEGER)")
        op.execute("SELECT 1 / 0")
        """
    project = write_project(tmp_path, postgresql.new_database(), {"red": [*chain("red", 1), Revision("odd", up=work)]})

    done = run(*project.argv("upgrade"), **project.options)

    assert "odd were not rolled back, because it leaves its transaction: " in done.stderr
    assert project.tables() == {"red1_a", "kept"}
    assert project.heads() == {"red": ["red1"]}


def test_an_env_py_that_uses_the_connection_too_early_is_refused_before_anything_runs(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    env = tmp_path / "red" / "alembic" / "env.py"
    early = "context.config.attributes['websauna_migrate'].connect().exec_driver_sql('SELECT 1')\n"
    env.write_text(f"from alembic import context\n{early}{env.read_text()}")

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert "env.py of red: a transaction is open on the connection, so nothing would be committed" in done.stderr
    assert project.heads() == {}


def test_a_whole_run_has_one_connection_for_its_revisions(postgresql, tmp_path, run):
    note = ["CREATE TABLE IF NOT EXISTS backends (pid INTEGER)", "INSERT INTO backends VALUES (pg_backend_pid())"]
    histories = {name: [Revision(f"{name}{n}", up=note) for n in (1, 2)] for name in ("red", "blue")}
    project = write_project(tmp_path, postgresql.new_database(), histories)

    said(run(*project.argv("upgrade"), **project.options))

    assert [row[0] for row in project.rows("SELECT count(*) FROM backends GROUP BY pid")] == [4]


# --- order -----------------------------------------------------------------------------------------------------


def interleaved() -> dict[str, list[Revision]]:
    """Histories that need each other in turn: each revision fills the table that the one before it made."""
    red, blue = chain("red", 3), chain("blue", 3)
    red[1] = Revision(
        "red2", up=["INSERT INTO blue1_a VALUES (2)", *red[1].up], down=red[1].down, requires={"blue": "blue1"}
    )
    blue[1] = Revision(
        "blue2", up=["INSERT INTO red2_a VALUES (3)", *blue[1].up], down=blue[1].down, requires={"red": "red2"}
    )
    green = [
        Revision(
            "green1", up=["CREATE TABLE green (id INTEGER)"], down=["DROP TABLE green"], run_before={"blue": "blue3"}
        )
    ]
    return {"red": red, "blue": blue, "green": green}


def test_packages_that_require_each_other_are_interleaved_and_undone_in_reverse(backend, tmp_path, run):
    project = write_project(tmp_path, backend.new_database(), interleaved())

    planned = json.loads(run(*project.argv("plan", "--format", "json"), **project.options).stdout)
    up = steps(run(*project.argv("upgrade"), **project.options))
    down = steps(run(*project.argv("downgrade", "base"), **project.options))

    assert [step["revision"] for step in planned] == up
    place = {revision: index for index, revision in enumerate(up)}
    assert sorted(place) == ["blue1", "blue2", "blue3", "green1", "red1", "red2", "red3"]
    assert place["blue1"] < place["red2"] < place["blue2"]
    assert place["green1"] < place["blue3"]
    assert down == up[::-1]
    assert project.tables() == set()


def test_an_upgrade_of_one_package_takes_along_what_it_requires(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), interleaved())

    up = steps(run(*project.argv("upgrade", packages="red"), **project.options))

    assert sorted(up) == ["blue1", "red1", "red2", "red3"]
    assert up.index("blue1") < up.index("red2")
    assert project.heads() == {"red": ["red3"], "blue": ["blue1"]}


def test_a_downgrade_that_breaks_others_is_refused_and_done_with_cascade(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), interleaved())
    said(run(*project.argv("upgrade"), **project.options))

    refused = run(*project.argv("downgrade", "red1", packages="red"), **project.options)

    assert refused.returncode == 1
    assert "the downgrade would undo what other packages require: blue blue2 requires red red2" in refused.stderr
    assert len(project.tables()) == 7
    done = run(*project.argv("-x", "cascade=yes", "downgrade", "red1", packages="red"), **project.options)
    assert set(steps(done)) == {"red3", "red2", "blue3", "blue2"}
    assert project.heads() == {"red": ["red1"], "blue": ["blue1"], "green": ["green1"]}


def test_the_offline_sql_makes_the_same_database(atomic_backend, tmp_path, run):
    project = write_project(tmp_path, atomic_backend.new_database(), interleaved())
    script = run(*project.argv("upgrade", "--sql"), **project.options).stdout
    assert sa.inspect(project.engine()).get_table_names() == []

    connection = project.engine().raw_connection()
    if atomic_backend.name == "sqlite":
        connection.executescript(script)
    else:
        connection.driver_connection.autocommit = True
        connection.cursor().execute(script)
    connection.close()

    assert "nothing to do" in said(run(*project.argv("upgrade"), **project.options))
    assert len(project.tables()) == 7


# --- SQLite's foreign keys -------------------------------------------------------------------------------------

ENFORCED = """
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def enforce(connection, record):
    connection.execute("PRAGMA foreign_keys = ON")
"""
FAMILY = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(10))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent ON DELETE CASCADE)",
    "INSERT INTO parent VALUES (1, 'a')",
    "INSERT INTO child VALUES (5, 1)",
]


@pytest.fixture
def family(sqlite, tmp_path):
    """An application that enforces foreign keys, or not, and two tables of which one refers to the other."""

    def family(change: str, *, enforced: bool = True):
        revisions = [Revision("family", up=FAMILY), Revision("change", up=change)]
        project = write_project(tmp_path, sqlite.new_database(), {"red": revisions})
        with (tmp_path / "red" / "__init__.py").open("a") as file:
            file.write(ENFORCED if enforced else "")
        return project

    return family


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("INSERT INTO child VALUES (6, 77)", "op.rename_table('child', 'kid')"),
        (
            "CREATE TABLE odd (name VARCHAR(10) REFERENCES parent (name))",
            "op.create_index('i', 'child', ['parent_id'])",
        ),
    ],
    ids=["a row without a parent", "a key that refers to what is not unique"],
)
def test_what_was_wrong_with_keys_before_does_not_stop_a_revision(family, run, before, change):
    project = family(change)
    said(run(*project.argv("upgrade", "family"), **project.options))
    with project.engine().begin() as connection:
        connection.exec_driver_sql(before)

    assert steps(run(*project.argv("upgrade"), **project.options)) == ["change"]


@pytest.mark.parametrize("mode", ["each", "all"])
def test_batch_mode_keeps_the_rows_that_refer_to_a_table_it_makes_anew(mode, family, run):
    project = family("with op.batch_alter_table('parent') as batch:\n    batch.alter_column('name', nullable=False)")

    said(run(*project.argv("-x", f"transaction={mode}", "upgrade"), **project.options))

    assert project.rows("SELECT * FROM child") == [(5, 1)]
    assert project.heads() == {"red": ["change"]}


@pytest.mark.parametrize("enforced", [True, False], ids=["enforced", "not enforced"])
def test_rows_that_a_revision_leaves_without_their_parent_stop_it(family, run, enforced):
    project = family("op.execute('DELETE FROM parent')", enforced=enforced)

    done = run(*project.argv("upgrade"), **project.options)

    assert done.returncode == 1
    assert "foreign key violation: row 5 of child refers to a missing row of parent" in done.stderr
    assert project.heads() == {"red": ["family"]}
    assert project.rows("SELECT id FROM parent") == [(1,)]


# --- what a run says -------------------------------------------------------------------------------------------


@pytest.fixture
def project(sqlite, tmp_path):
    return write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 2), "blue": chain("blue", 1)})


def test_in_a_pipe_each_revision_is_one_plain_line_and_a_table_sums_up(project, run):
    done = run(*project.argv("upgrade"), **project.options)

    assert done.stdout == ""
    lines = said(done).splitlines()
    assert lines[:3] == [
        "[1/3] red red1 up: Make red1",
        "[2/3] red red2 up: Make red2",
        "[3/3] blue blue1 up: Make blue1",
    ]
    assert [line.split()[:4] for line in lines[3:]] == [
        ["package", "from", "to", "revisions"],
        [lines[4]],
        ["red", "base", "red2", "2"],
        ["blue", "base", "blue1", "1"],
    ]
    assert "\x1b" not in done.stderr


def test_quiet_says_nothing(project, run):
    done = run(*project.argv("-q", "upgrade"), **project.options)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nobody_reading_the_progress_does_not_stop_the_run(project, start):
    process = start(*project.argv("upgrade"), **project.options)
    process.stderr.close()

    assert process.wait(30) == 0
    assert project.heads() == {"red": ["red2"], "blue": ["blue1"]}


def on_terminal(project, start, *args: str, **env: str) -> str:
    """Run ``ws-alembic`` with a terminal for its stderr, and return what came there."""
    ours, theirs = pty.openpty()
    options = {**project.options, "stderr": theirs}
    options["env"] = {**options["env"], "TERM": "xterm", "COLUMNS": "100", **env}
    process = start(*project.argv(*args), **options)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return seen.decode()


def test_on_a_terminal_one_line_moves_and_goes_when_the_run_is_done(project, start):
    project.script("red", "red2").write_text(
        project.script("red", "red2")
        .read_text()
        .replace("def upgrade():", "def upgrade():\n    import time\n    time.sleep(0.4)")
    )

    seen = on_terminal(project, start, "upgrade")

    assert "red red2 up: Make red2" in seen
    assert "1/3" in seen
    assert "0:00:00" in seen
    assert "\x1b[2K" in seen
    assert "[1/3]" not in seen
    assert seen.count("package") == 1


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(project, start):
    seen = on_terminal(project, start, "upgrade", TERM="dumb")

    assert "[1/3] red red1 up: Make red1" in seen


def test_what_a_revision_prints_goes_to_stderr(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": [Revision("red1", up="print('hello')")]})

    done = run(*project.argv("upgrade"), **project.options)

    assert done.stdout == ""
    assert "hello" in said(done)


SPY = """
CREATE TABLE spied (by text);
CREATE FUNCTION spy(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO spied VALUES (current_user); RETURN $1::text = $2::text; END $$;
CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = spy);
"""


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_an_operator_of_somebody_else_is_not_run_on_a_history_table(tmp_path, postgresql, run, driver):
    url = postgresql.new_database().set(drivername=f"postgresql+{driver}")
    project = write_project(tmp_path, url, {"red": chain("red", 2)})
    with project.engine().begin() as connection:
        connection.exec_driver_sql(SPY)
    for argv in (
        ["upgrade", "red1"],
        ["upgrade"],
        ["stamp", "red1"],
        ["stamp", "--purge", "red2"],
        ["downgrade", "base"],
    ):
        done = run(*project.argv(*argv), **project.options)
        assert done.returncode == 0, done.stderr
    assert project.rows("SELECT * FROM spied") == []
