"""Rows changed in batches: each once, whatever stops the run, and without holding anybody up for long."""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from textwrap import indent

import pytest
import sqlalchemy as sa

from forked import Program
from looking import looking
from projects import ALEMBIC
from scenarios import Revision, run_killed_at, write_project
from servers import Backend
from worker import Worker

START = "from websauna_migrate.data import in_batches\n"
TABLES = [
    "CREATE TABLE numbers (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL)",
    "CREATE TABLE pairs (a INTEGER NOT NULL, b VARCHAR(9) NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (a, b))",
    "CREATE TABLE words (word {word} NOT NULL PRIMARY KEY, n INTEGER NOT NULL)",
]
SQL = "UPDATE numbers SET n = n + 1 WHERE id BETWEEN :low AND :high"
ROWS = 23
HISTORY = [
    Revision("one", up=f"{START}in_batches('numbers', {SQL!r}, size=4)"),
    Revision(
        "two",
        up=f"{START}pairs = sa.table('pairs', sa.column('n'))\n"
        "done = in_batches(pairs, sa.update(pairs).values(n=pairs.c.n + 1), size=5)\n"
        f"assert done == {ROWS}, done\n"
        "op.add_column('pairs', sa.Column('more', sa.Integer))",
    ),
    Revision(
        "three",
        up=f"{START}words = sa.table('words', sa.column('word'), sa.column('n'))\n"
        "in_batches('words', sa.update(words).values(n=words.c.n + 1).where(words.c.n >= 0), size=6)\n"
        "assert op.get_bind().scalar(sa.select(words.c.n)) is not None\n"
        "in_batches('words', sa.delete(words).where(words.c.n > 1), size=6)",
    ),
]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "mysql"])
def database(request):
    return request.getfixturevalue(request.param)


def execute(project, *statements):
    with looking(project.url) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def plain_alembic(project, *argv):
    with project.ini.open("a") as file:
        file.write("[alembic]\nscript_location = %(here)s/red/alembic\n")
    environment = {**os.environ, **project.options["env"]}
    return Worker.shared().run(
        Program(ALEMBIC, ["alembic", "-c", str(project.ini), *argv], environment, str(project.folder))
    )


def project_with_rows(folder, backend, *revisions, settings=None):
    project = write_project(folder, backend.new_database(), {"red": revisions}, settings)
    kind = "UUID" if backend.name == "postgresql" else "VARCHAR(40)"
    pairs = ", ".join(f"({i % 4}, 'é{i}', 0)" for i in range(ROWS))
    words = ", ".join(f"('{i:08x}-0000-4000-8000-{i * 7919 % 997:012x}', 0)" for i in range(ROWS))
    execute(
        project,
        *(table.format(word=kind) for table in TABLES),
        f"INSERT INTO numbers VALUES {', '.join(f'({i * 3}, 0)' for i in range(ROWS))}",
        f"INSERT INTO pairs VALUES {pairs}",
        f"INSERT INTO words VALUES {words}",
    )
    return project


def places(project):
    return project.rows("SELECT revision, call_number, row_count FROM alembic_batches ORDER BY 1, 2")


def test_a_run_that_is_killed_goes_on_where_it_was_and_changes_each_row_once(database, tmp_path, run):
    project = project_with_rows(tmp_path, database, *HISTORY)
    seen = []
    for moment in (4, 11, 9, 23, 13):
        assert run_killed_at(moment, project, "upgrade", counted_from="UPDATE alembic_batches") == -signal.SIGKILL
        if "alembic_batches" in project.tables():
            seen += places(project)
    assert len({rows for _, _, rows in seen}) > 3
    plain = plain_alembic(project, "current")
    assert plain.code == 0, plain.err
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, done.stderr
    assert "atomic" not in done.stderr
    assert project.heads() == {"red": ["three"]}
    assert "alembic_batches" not in project.tables()
    for table in ("numbers", "pairs", "words"):
        assert project.rows(f"SELECT n, count(*) FROM {table} GROUP BY n") == [(1, ROWS)]


REFUSED = {
    "together": (
        f"in_batches('numbers', {SQL!r})",
        ["-x", "transaction=all"],
        "FAILED: -x transaction=all: red one works in batches (",
    ),
    "dry": (f"in_batches('numbers', {SQL!r})", ["--dry-run"], "FAILED: --dry-run: red one works in batches ("),
    "hidden": (
        f"globals()['in_' + 'batches']('numbers', {SQL!r})",
        ["-x", "transaction=all"],
        "FAILED: -x transaction=all: red one works in batches; run without",
    ),
    "sql": (f"in_batches('numbers', {SQL!r})", ["--sql"], "in_batches() needs a database, and --sql has none; run"),
    "written": (
        f"op.execute('UPDATE numbers SET n = 5')\nin_batches('numbers', {SQL!r})",
        [],
        "the revision has changed something before it, which would be done again when a run was stopped; one was",
    ),
    "session": (
        f"from websauna_migrate.data import data_session\ndata_session()\nin_batches('numbers', {SQL!r})",
        [],
        "move what comes before in_batches() into a revision of its own",
    ),
    "table": (f"in_batches('nothing', {SQL!r})", [], "there is no table nothing; one was rolled back"),
    "size": (f"in_batches('numbers', {SQL!r}, size=0)", [], "size=0 is not a number of rows"),
    "key": (f"in_batches('plain', {SQL!r})", [], "the table plain has no primary key; one was rolled back"),
    "null": (f"in_batches('plain', {SQL!r}, key='id')", [], "id of plain cannot be the key"),
    "composite": (f"in_batches('pairs', {SQL!r})", [], "the key of pairs has 2 columns, and SQL can name only one"),
    "range": ("in_batches('numbers', 'UPDATE numbers SET n = 1')", [], "add WHERE id BETWEEN :low AND :high to it"),
    "other": ("in_batches('numbers', sa.delete(sa.table('pairs')))", [], "the statement does not change numbers"),
}


def test_what_cannot_be_done_in_batches_is_refused_and_changes_nothing(sqlite, tmp_path, run):
    project = project_with_rows(tmp_path, sqlite, Revision("one"))
    execute(project, "CREATE TABLE plain (id INTEGER)")
    script = project.script("red", "one")
    head, tail = script.read_text().split("    pass\n", 1)
    for case, (up, options, told) in REFUSED.items():
        script.write_text(head + indent(f"global in_batches\n{START}{up}\n", "    ") + tail)
        done = run(*project.argv("upgrade", *options), **project.options)
        assert (case, done.returncode) == (case, 1)
        assert told in done.stderr.splitlines()[-1], case
        assert project.rows("SELECT DISTINCT n FROM numbers") == [(0,)], case
        assert "alembic_batches" not in project.tables(), case


def test_plain_alembic_is_told_to_use_ws_alembic(sqlite, tmp_path):
    project = project_with_rows(tmp_path, sqlite, HISTORY[0])
    done = plain_alembic(project, "upgrade", "head")
    assert done.code != 0
    assert "run this revision with ws-alembic upgrade" in done.err + done.out
    assert project.rows("SELECT DISTINCT n FROM numbers") == [(0,)]


BREAKS = SQL.replace("n + 1", "n + 1 / (id - 30)")


def test_a_statement_that_fails_can_be_corrected_and_goes_on(postgresql, tmp_path, run):
    project = project_with_rows(
        tmp_path, postgresql, Revision("one", up=f"{START}in_batches('numbers', {BREAKS!r}, size=4)")
    )
    failed = run(*project.argv("upgrade"), **project.options)
    assert "; the finished batches of one are kept, and the next run goes on after them; " in failed.stderr
    assert places(project) == [("one", 1, 8)]
    script = project.script("red", "one")
    script.write_text(script.read_text().replace("1 / (id - 30)", "1"))
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert project.rows("SELECT n, count(*) FROM numbers GROUP BY n ORDER BY 1") == [(0, 8), (1, ROWS - 8)]


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
def test_a_revision_that_is_half_done_is_finished_or_given_up_before_the_other_way_is_taken(
    request, tmp_path, run, name
):
    way_back = BREAKS.replace("n + 1", "n - 1")
    half = Revision(
        "one",
        up=f"{START}in_batches('numbers', {BREAKS!r}, size=4)",
        down=f"{START}in_batches('numbers', {way_back!r}, size=4)",
    )
    project = project_with_rows(tmp_path, request.getfixturevalue(name), Revision("zero"), half)

    def said(*command, code=1):
        done = run(*project.argv(*command), **project.options)
        assert done.returncode == code, done.stderr
        return done.stderr + done.stdout

    def commands(message):
        return [shlex.split(found)[5:] for found in re.findall(r"ws-alembic -c [^;\n\"]+", message)]

    assert "; the finished batches of one are kept, and the next run goes on after them; " in said("upgrade")
    refused = said("downgrade", "base")
    assert "the upgrade to red one is half done, with 8 rows of numbers so far; nothing was run; " in refused
    assert commands(refused) == [["upgrade", "one"], ["stamp", "zero"]]
    found = said("doctor", "--no-replay", "--format", "json")
    assert '"half-applied"' in found and commands(found) == [["upgrade", "one"]]
    script = project.script("red", "one")
    script.write_text(script.read_text().replace("1 / (id - 30)", "1", 1))
    said("upgrade", "one", code=0)
    assert project.rows("SELECT n, count(*) FROM numbers GROUP BY n ORDER BY 1") == [(0, 8), (1, ROWS - 8)]

    said("downgrade", "base")
    assert commands(said("status", "--check")) == [["downgrade", "zero"]]
    refused = said("upgrade")  # there is nothing to upgrade, but half of the rows lack the revision
    assert "the downgrade of red one is half done, with 8 rows of numbers so far; nothing was run; " in refused
    assert commands(refused) == [["downgrade", "zero"], ["stamp", "one"]]
    said("stamp", "one", code=0)
    assert "nothing to do" in said("upgrade", code=0)
    assert "alembic_batches" not in project.tables()


def test_calls_that_change_their_order_are_refused_and_a_stamp_forgets_the_places(postgresql, tmp_path, run):
    project = project_with_rows(
        tmp_path, postgresql, Revision("one", up=f"{START}in_batches('numbers', {BREAKS!r}, size=4)")
    )
    run(*project.argv("upgrade"), **project.options)
    script = project.script("red", "one")
    script.write_text(script.read_text().replace("in_batches('numbers'", "in_batches('words'"))
    failed = run(*project.argv("upgrade"), **project.options).stderr
    assert "call 1 of the revision was stopped in the table numbers, and is for words now; the finished" in failed
    assert "; bring the calls into their former order, or delete the rows of one in the table alembic_batches" in failed
    assert run(*project.argv("stamp", "base"), **project.options).returncode == 0
    assert "alembic_batches" not in project.tables()


def line_with(process, words):
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"no line with {words!r}")


def test_it_pauses_while_an_old_transaction_reads_and_keeps_the_lock_of_the_run(postgresql, tmp_path, start, run):
    up = f"{START}in_batches('numbers', {SQL!r}, size=4, max_age=0.2)"
    settings = {"websauna_migrate.lock_timeout": 0}
    project = project_with_rows(tmp_path, postgresql, Revision("one", up=up), settings=settings)
    with project.engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        number = connection.scalar(sa.text("SELECT pg_backend_pid() FROM numbers LIMIT 1"))
        connection.execute(sa.text("SELECT pg_sleep(0.3)"))
        upgrade = start(*project.argv("upgrade"), **project.options)
        line = line_with(upgrade, "pauses")
        assert re.fullmatch(
            rf"red one: 0 rows of numbers are done; pauses, because a transaction of process {number} is \d+ s old\n",
            line,
        )
        assert "another run holds it" in run(*project.argv("upgrade"), **project.options).stderr
        connection.execute(sa.text("SELECT pg_sleep(1.2)"))  # it looks each second
    assert upgrade.wait(30) == 0
    assert [line for line in upgrade.stderr if "pauses" in line] == []
    assert project.rows("SELECT DISTINCT n FROM numbers") == [(1,)]


def test_it_pauses_while_a_replica_is_behind(replicated, tmp_path, start):
    primary, replica = map(Backend, replicated)
    up = f"{START}in_batches('numbers', {SQL!r}, size=4, max_lag=0.2)"
    project = project_with_rows(tmp_path, primary, Revision("one", up=up))
    asked = sa.create_engine(replica.server.url("postgres"), isolation_level="AUTOCOMMIT")
    with asked.connect() as follower, project.engine().connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")

        def write_until(reached):
            """Write, because with each flush the replica tells where it is."""
            deadline = time.monotonic() + 60
            while not reached():
                assert time.monotonic() < deadline
                connection.execute(sa.text("INSERT INTO more VALUES (1)"))
                time.sleep(0.02)

        def is_so(condition):
            return lambda: connection.scalar(sa.text(f"SELECT {condition} FROM pg_stat_replication"))

        connection.execute(sa.text("CREATE TABLE more (id INTEGER)"))
        write_until(is_so("replay_lag IS NOT NULL"))
        follower.execute(sa.text("SELECT pg_wal_replay_pause()"))
        write_until(is_so("replay_lag > interval '0.3 seconds'"))
        upgrade = start(*project.argv("upgrade"), **project.options)
        line = line_with(upgrade, "pauses")
        assert re.fullmatch(
            r"red one: 0 rows of numbers are done; pauses, because the replica walreceiver is \d+ s behind\n", line
        )
        follower.execute(sa.text("SELECT pg_wal_replay_resume()"))
        write_until(lambda: upgrade.poll() is not None)
    asked.dispose()
    assert upgrade.returncode == 0
    assert [line for line in upgrade.stderr if "pauses" in line] == []
    assert project.rows("SELECT DISTINCT n FROM numbers") == [(1,)]


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_batch_that_waits_for_a_row_is_rolled_back_and_tried_again(request, tmp_path, start, name):
    backend = request.getfixturevalue(name)
    settings = {"websauna_migrate.lock_wait": 0.3}
    project = project_with_rows(tmp_path, backend, Revision("one", up=HISTORY[0].up), settings=settings)
    with project.engine().begin() as connection:
        connection.execute(sa.text("UPDATE numbers SET n = n WHERE id = 30"))
        upgrade = start(*project.argv("upgrade"), **project.options)
        line_with(upgrade, "red one waits for the table numbers, which is in use by process ")
        line_with(upgrade, "try 2 of 20")
        assert places(project) == [("one", 1, 8)]
    assert upgrade.wait(30) == 0
    assert project.rows("SELECT DISTINCT n FROM numbers") == [(1,)]


def test_sqlite_finds_rows_that_refer_to_missing_rows_in_each_batch(sqlite, tmp_path, run):
    up = f"{START}in_batches('numbers', sa.delete(sa.table('numbers', sa.column('id'))), size=4)"
    project = project_with_rows(tmp_path, sqlite, Revision("one", up=up))
    execute(project, "CREATE TABLE child (id INTEGER REFERENCES numbers (id))", "INSERT INTO child VALUES (30)")
    failed = run(*project.argv("upgrade"), **project.options)
    assert "foreign key violation: row 1 of child refers to a missing row of numbers" in failed.stderr
    assert project.rows("SELECT count(*) FROM numbers") == [(ROWS - 8,)]


PAUSES = """
import itertools, sqlite3
from types import SimpleNamespace
from websauna_migrate.run import batches

def pause(seconds):
    assert seconds > 0.1  # as long as SQLite sleeps before it looks at the file again
    other = sqlite3.connect(op.get_bind().engine.url.database, timeout=0)
    other.execute("INSERT INTO written VALUES (1)")
    other.commit()
    other.close()

usual, ticks = batches.time, itertools.count()
batches.time = SimpleNamespace(monotonic=lambda: next(ticks) / 3, sleep=pause)
try:
    batches.in_batches('numbers', SQL, size=1)
finally:
    batches.time = usual
"""


def test_others_can_write_to_a_file_of_sqlite_each_second(sqlite, tmp_path, run):
    project = project_with_rows(tmp_path, sqlite, Revision("one", up=PAUSES.replace("SQL", repr(SQL))))
    execute(project, "CREATE TABLE written (id INTEGER)")
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, done.stderr
    [(written,)] = project.rows("SELECT count(*) FROM written")
    assert written >= ROWS // 4
    assert project.rows("SELECT DISTINCT n FROM numbers") == [(1,)]
