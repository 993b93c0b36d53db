"""``upgrade --dry-run``: what it measures holds for a real run, and the database stays as it was."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import textwrap

import pytest

from scenarios import Revision, chain, write_project
from websauna_migrate.database.table_locks import MODES

BEFORE = [
    "CREATE TABLE customer (id INTEGER PRIMARY KEY)",
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, customer INTEGER, size INTEGER)",
    "CREATE TABLE late (id INTEGER PRIMARY KEY, up INTEGER, UNIQUE (up) DEFERRABLE INITIALLY DEFERRED)",
    "INSERT INTO customer VALUES (1)",
    "INSERT INTO thing SELECT g, 1, g FROM generate_series(1, 500) g",
    "INSERT INTO late VALUES (1, 1), (2, 2)",
]
# Each works on tables that the ones before it have locked already.
STEPS = {
    "a": ["ALTER TABLE thing ADD COLUMN note TEXT", "CREATE TABLE fresh (id INTEGER)"],
    "b": ["UPDATE thing SET note = 'x'"],
    "c": ["ALTER TABLE thing ADD FOREIGN KEY (customer) REFERENCES customer (id)"],
    "d": ["SELECT * FROM customer FOR UPDATE", "COMMENT ON TABLE thing IS 'it''s COMMIT;'"],
    "e": ["ALTER TABLE thing ALTER COLUMN note SET NOT NULL", "INSERT INTO fresh VALUES (1)"],
    "f": ["CREATE INDEX ON thing (size)", "ALTER TABLE thing ALTER COLUMN size SET STATISTICS 500"],
    "g": ["UPDATE late SET up = 3 - up", "UPDATE thing SET size = 1 WHERE id IN (SELECT id FROM customer)"],
    "h": ["ALTER TABLE late ADD COLUMN more INTEGER", "ALTER TABLE thing RENAME TO thang"],
    "i": ["SELECT 1"],
    "j": ["UPDATE thang SET note = 'COMMIT'", "ALTER TABLE thang DROP COLUMN size"],
}
HELD = """
held = op.get_bind().exec_driver_sql(
    "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'").all()
with open("held.jsonl", "a") as file:
    print(json.dumps([list(row) for row in held]), file=file)
"""


def body(statements):
    calls = "".join(f"op.execute({statement!r})\n" for statement in statements)
    return f"import json\n{calls}{HELD}"


def execute(project, *statements):
    with project.engine().begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def dump(project, server):
    url = project.url
    program = [server.programs / "pg_dump", "-h", url.host, "-p", str(url.port), "-U", url.username, url.database]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "INSERT" in done.stdout or "COPY" in done.stdout
    # pg_dump begins and ends with a random word.
    return [line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def rows(table):
    """Return the cells of a table that was printed, without its heading and the line below it."""
    return [line.split() for line in table.splitlines()[2:]]


def locks(printed):
    """Return the locks that a dry run printed, by revision and table."""
    found, revision = {}, None
    for line in printed.splitlines()[2:]:
        cells = line.split()
        if not line.startswith(" "):
            revision, cells = cells[1], cells[3:]
        if cells[0] != "-":
            mode = max((mode for mode in MODES if " ".join(cells[1:]).startswith(mode)), key=len)
            found.setdefault(revision, {})[cells[0]] = mode
    return found


def test_the_locks_are_those_of_a_real_run_and_the_database_stays_as_it_was(postgresql, tmp_path, run):
    revisions = [Revision(name, up=body(statements)) for name, statements in STEPS.items()]
    project = write_project(tmp_path, postgresql.new_database(), {"red": revisions, "blue": chain("blue", 1)})
    execute(project, *BEFORE)
    before = dump(project, postgresql.server)
    tried = run(*project.argv("upgrade", "--dry-run"), **project.options)
    assert tried.returncode == 0, tried.stderr
    assert tried.stderr.splitlines()[-1] == "dry run: everything was rolled back"
    assert dump(project, postgresql.server) == before
    assert project.heads() == {}

    (tmp_path / "held.jsonl").unlink()
    names = dict(
        project.rows("SELECT CAST(oid AS bigint), relname FROM pg_class WHERE relname ~ '^(thing|customer|late)$'")
    )
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    held = {}
    for name, line in zip(STEPS, (tmp_path / "held.jsonl").read_text().splitlines(), strict=True):
        for oid, lock in json.loads(line):
            mode = next(mode for mode in MODES if f"{mode.title().replace(' ', '')}Lock" == lock)
            if oid in names:
                strongest = held.setdefault(name, {}).get(names[oid], mode)
                held[name][names[oid]] = max(strongest, mode, key=MODES.index)
    assert locks(tried.stdout) == held
    assert held["a"] == {"thing": "ACCESS EXCLUSIVE"}
    assert held["b"] == {"thing": "ROW EXCLUSIVE"}


def test_a_lock_is_held_from_its_statement_to_the_end_of_its_revision(postgresql, tmp_path, run):
    slow = "op.execute('ALTER TABLE thing ADD COLUMN a INTEGER')\nop.execute('SELECT pg_sleep(0.3)')"
    late = "op.execute('SELECT pg_sleep(0.3)')\nop.execute('UPDATE late SET up = 5 - up')"
    project = write_project(
        tmp_path, postgresql.new_database(), {"red": [Revision("a", up=slow), Revision("b", up=late)]}
    )
    execute(project, *BEFORE)
    (_, first, seconds, *a), (_, second, _, *b) = rows(
        run(*project.argv("upgrade", "--dry-run"), **project.options).stdout
    )
    assert (first, second) == ("a", "b")
    assert a[:3] == ["thing", "ACCESS", "EXCLUSIVE"]
    assert a[4:] == ["reads", "and", "writes"]
    assert 0.3 <= float(a[3]) <= float(seconds)
    assert b[:3] == ["late", "ROW", "EXCLUSIVE"]
    assert b[4:] == ["-"]
    assert float(b[3]) < 0.3
    together = project.argv("-x", "transaction=all", "upgrade", "--dry-run")
    (*_, a), (*_, b) = ([row[6]] for row in rows(run(*together, **project.options).stdout))
    assert float(a) >= 0.6


@pytest.fixture(params=["sqlite", "postgresql"])
def undoing(request):
    return request.getfixturevalue(request.param)


def test_nothing_stays_of_new_tables_history_tables_and_a_new_file(undoing, tmp_path, run):
    project = write_project(tmp_path, undoing.new_database(), {"red": chain("red", 2), "blue": chain("blue", 2)})
    files = {path.name for path in tmp_path.glob("*.db*")}
    tried = run(*project.argv("upgrade", "red1", "--dry-run"), **project.options)
    assert [row[:2] for row in rows(tried.stdout)] == [["red", "red1"]]
    assert {path.name for path in tmp_path.glob("*.db*")} == files
    assert project.heads() == {}
    assert project.tables() == set()
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    tried = run(*project.argv("upgrade", "--dry-run"), **project.options)
    assert tried.stdout == "Nothing to do.\n"


BLOCK = (
    "op.execute('CREATE TABLE x (id INTEGER)')\nwith {}op.get_context().autocommit_block():\n    op.execute('SELECT 1')"
)
FAILS = {
    "autocommit_block": (BLOCK.format(""), "--dry-run: red bad uses autocommit_block() ("),
    "hidden_block": (
        "getattr(op.get_context(), 'autocommit' + '_block')().__enter__()",
        "--dry-run: red bad uses autocommit_block() (",
    ),
    "commit": ("op.get_bind().commit()", "--dry-run: red bad commits by itself ("),
    "hidden_commit": ("getattr(op.get_bind(), 'com' + 'mit')()", "bad.py) commits by itself; nothing was changed"),
    "sql": ("op.execute('CREATE TABLE x (id INTEGER); /* */ COMMIT;')", "bad.py) ends its transaction by itself"),
    "connection": ("op.get_bind().engine.connect()", "bad.py) opens a connection of its own; nothing was changed"),
    "deferred": (
        "op.execute('INSERT INTO late VALUES (7, 1)')",
        "upgrade to red bad failed: IntegrityError",
    ),
    "enum": ("op.execute(\"INSERT INTO mood VALUES ('new')\")", "--dry-run: red bad uses a value that an earlier rev"),
}


def test_what_cannot_be_rolled_back_is_refused_and_what_would_fail_fails(postgresql, tmp_path, run):
    first = Revision("good", up=["ALTER TYPE moods ADD VALUE 'new'", "CREATE TABLE y (id INTEGER)"])
    project = write_project(tmp_path, postgresql.new_database(), {"red": [first, Revision("bad", up="HERE")]})
    script = project.script("red", "bad")
    text = script.read_text()
    execute(project, *BEFORE, "CREATE TYPE moods AS ENUM ('old')", "CREATE TABLE mood (mood moods)")
    tables = project.tables()
    for case, (up, told) in FAILS.items():
        script.write_text(text.replace("    HERE", textwrap.indent(up, "    ")))
        done = run(*project.argv("upgrade", "--dry-run"), **project.options)
        assert done.returncode == 1, case
        if case in ("autocommit_block", "commit"):  # found before anything is run
            assert done.stdout == "", case
        else:
            good, bad = (line for line in done.stdout.splitlines()[2:] if line.startswith("red "))
            assert good.split()[:2] == ["red", "good"], case
            assert re.match(r"red +bad +\d+\.\d\d \(failed\) ", bad), case
            assert "(failed)" not in good, case
        assert told in done.stderr.splitlines()[-1], case
        assert project.tables() == tables, case
        assert project.heads() == {}, case
        assert project.rows("SELECT count(*) FROM late") == [(2,)], case


def test_mariadb_is_refused_before_anything_is_run(mariadb, tmp_path, run):
    project = write_project(tmp_path, mariadb.new_database(), {"red": chain("red", 1)})
    done = run(*project.argv("upgrade", "--dry-run"), **project.options)
    assert done.stderr == (
        f"FAILED: --dry-run: {mariadb.server.name} commits each DDL statement by itself; nothing was changed; upgrade "
        "a copy of the database instead\n"
    )
    assert project.heads() == {}


def test_mail_and_subscribers_wait_for_a_real_run(sqlite, tmp_path, run):
    up = """
    import transaction
    from websauna_migrate import data_session
    data_session().execute(sa.text("CREATE TABLE x (id INTEGER)"))
    transaction.get().addAfterCommitHook(lambda committed: open("mail.txt", "a").close())
    """
    project = write_project(tmp_path, sqlite.new_database(), {"red": [Revision("a", up=up)]})
    app = tmp_path / "red" / "__init__.py"
    app.write_text(
        app.read_text().replace(
            "        for package in",
            "        from websauna_migrate.events import BeforeUpgrade\n"
            "        told = lambda event: open('told.txt', 'a').close()\n"
            "        self.config.add_migration_subscriber(told, BeforeUpgrade)\n"
            "        for package in",
        )
    )
    assert run(*project.argv("upgrade", "--dry-run"), **project.options).returncode == 0
    assert list(tmp_path.glob("*.txt")) == []
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert {path.name for path in tmp_path.glob("*.txt")} == {"mail.txt", "told.txt"}


def test_a_script_that_commits_for_others_does_not_reach_them(sqlite, tmp_path, run):
    up = """
    import transaction
    transaction.get().addAfterCommitHook(lambda committed: open("mail.txt", "a").close())
    transaction.commit()
    """
    project = write_project(tmp_path, sqlite.new_database(), {"red": [Revision("a", up=up)]})
    done = run(*project.argv("upgrade", "--dry-run"), **project.options)
    assert "upgrade to red a failed: DoomedTransaction" in done.stderr
    assert done.stdout.splitlines()[-1].endswith("(failed)")
    assert list(tmp_path.glob("*.txt")) == []


def test_it_waits_for_the_lock_and_ctrl_c_rolls_it_back(postgresql, tmp_path, start, run):
    up = "op.execute('CREATE TABLE x (id INTEGER)')\nop.execute('SELECT pg_sleep(60)')"
    project = write_project(
        tmp_path, postgresql.new_database(), {"red": [Revision("a", up=up)]}, {"websauna_migrate.lock_timeout": 0}
    )
    tried = start(*project.argv("upgrade", "--dry-run"), **project.options)
    assert "[1/1] red a up" in tried.stderr.readline()
    assert "another run holds it" in run(*project.argv("upgrade"), **project.options).stderr
    tried.send_signal(signal.SIGINT)
    assert tried.wait(30) == 130
    assert "applied in this run: none; not applied: red a" in tried.stderr.read()
    assert project.tables() == set()


@pytest.mark.parametrize("option", [["--sql"], ["--backup", "x.sql"]])
def test_options_that_make_no_sense_together_are_refused(sqlite, tmp_path, run, option):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 1)})
    done = run(*project.argv("upgrade", "--dry-run", *option), **project.options)
    assert done.returncode == 2
    assert "leave out" in done.stderr
