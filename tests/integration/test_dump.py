"""What the SQL of a SQLite database brings back, read by Python and, where it is installed, by the sqlite3 program."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.database import dump as dump_module
from websauna_migrate.database.dump import dump
from websauna_migrate.exceptions import ClientError

PROGRAM = "the sqlite3 program"


@pytest.fixture(params=["python", PROGRAM])
def restore(request, tmp_path):
    """Make a database, dump it, restore the dump, and return the connection to what came out."""
    if request.param == PROGRAM and not shutil.which("sqlite3"):
        pytest.skip("no sqlite3 program here")
    opened = []

    def restore(*statements: str | tuple) -> sqlite3.Connection:
        sql = dump_of(make(tmp_path / "source.db", statements))
        opened.append(read_back(tmp_path / "restored.db", sql, request.param))
        return opened[-1]

    yield restore
    for connection in opened:
        connection.close()


def make(path: Path, statements) -> Path:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(*([statement] if isinstance(statement, str) else statement))
            database.commit()
    return path


def dump_of(path: Path) -> bytes:
    with closing(dump(sa.make_url(f"sqlite:///{path}"))) as pieces:
        return b"".join(pieces)


def read_back(path: Path, sql: bytes, reader: str) -> sqlite3.Connection:
    if reader == PROGRAM:
        subprocess.run(["sqlite3", "-bail", str(path)], input=sql, check=True, capture_output=True)
        return sqlite3.connect(path)
    connection = sqlite3.connect(path)
    connection.executescript(sql.decode())
    return connection


VALUES = [
    *(None, 0, 1, -(2**63), 2**63 - 1),
    *(0.1 + 0.2, 1e308, 5e-324, float("inf"), float("-inf"), 1.0),
    *("", 'it\'s "quoted"', "a\r\nb\rc\n", "zero\0byte", "🐘 ü \u2028", "-- no comment; .quit\n.quit", "%s :x ? \\n"),
    *(b"", bytes(range(256))),
]


def test_every_value_comes_back_as_it_was(restore):
    inserts = [("INSERT INTO t VALUES (?, ?)", (number, value)) for number, value in enumerate(VALUES)]
    database = restore("CREATE TABLE t (id, value)", *inserts)
    assert [repr(value) for (value,) in database.execute("SELECT value FROM t ORDER BY id")] == list(map(repr, VALUES))


# Not any float: SQLite itself reads some numbers beside the extremes, such as 1.350996722728219e-303, a bit off.
ANY = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**12), 10**12).map(lambda number: number / 1000),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
)


@given(rows=st.lists(st.tuples(ANY, ANY), max_size=20))
def test_any_rows_come_back_as_they_were(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    inserts = [("INSERT INTO t VALUES (?, ?)", row) for row in rows]
    source = make(folder / "source.db", ["CREATE TABLE t (a, b)", *inserts])
    with closing(read_back(folder / "restored.db", dump_of(source), "python")) as database:
        assert list(map(repr, database.execute("SELECT a, b FROM t"))) == list(map(repr, rows))


def test_names_with_quotes_and_reserved_words_come_back(restore):
    database = restore(
        'CREATE TABLE "se""lect" ("from" INTEGER, "a b{0}" TEXT)', 'INSERT INTO "se""lect" VALUES (1, \'x\')'
    )
    assert list(database.execute('SELECT "from", "a b{0}" FROM "se""lect"')) == [(1, "x")]


def test_all_that_is_no_table_comes_back_in_an_order_that_runs(restore):
    database = restore(
        "CREATE VIEW early AS SELECT n + 1 AS m FROM t",
        "CREATE TABLE t (n INTEGER PRIMARY KEY AUTOINCREMENT, twice INTEGER AS (n * 2) STORED, x AS (n * 3))",
        "CREATE TRIGGER into_view INSTEAD OF INSERT ON early BEGIN INSERT INTO t (n) VALUES (NEW.m); END",
        "CREATE UNIQUE INDEX partial ON t (twice) WHERE twice > 4 -- why not",
        "CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        "INSERT INTO t (n) VALUES (1), (5)",
        "DELETE FROM t WHERE n = 5",
        "INSERT INTO w VALUES ('k', 'v')",
    )
    database.execute("INSERT INTO t DEFAULT VALUES")
    database.execute("INSERT INTO early VALUES (9)")
    assert list(database.execute("SELECT * FROM t")) == [(1, 2, 3), (6, 12, 18), (9, 18, 27)]
    assert list(database.execute("SELECT m FROM early")) == [(2,), (7,), (10,)]
    assert list(database.execute("SELECT * FROM w")) == [("k", "v")]
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("UPDATE t SET n = 6 WHERE n = 9")
    assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]


def test_full_text_search_and_trees_come_back(restore):
    database = restore(
        "CREATE VIRTUAL TABLE doc USING fts5(body)",
        "CREATE VIRTUAL TABLE box USING rtree(id, x0, x1)",
        "INSERT INTO doc VALUES ('the quick brown fox'), ('a lazy dog')",
        "INSERT INTO box VALUES (1, 0, 10), (2, 20, 30)",
    )
    assert list(database.execute("SELECT body FROM doc WHERE doc MATCH 'lazy'")) == [("a lazy dog",)]
    database.execute("INSERT INTO doc VALUES ('lazy too')")
    assert len(list(database.execute("SELECT body FROM doc WHERE doc MATCH 'lazy'"))) == 2
    assert list(database.execute("SELECT id FROM box WHERE x0 > 15")) == [(2,)]
    assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]


def test_settings_of_the_whole_database_come_back(restore):
    text = "a\r\nb🐘"
    database = restore(
        "PRAGMA encoding='UTF-16le'",
        "PRAGMA user_version=7",
        "PRAGMA application_id=-3",
        "CREATE TABLE t (n)",
        ("INSERT INTO t VALUES (?)", (text,)),
        "CREATE INDEX i ON t (n)",
        "ANALYZE",
    )
    names = ("encoding", "user_version", "application_id")
    assert [database.execute(f"PRAGMA {name}").fetchone()[0] for name in names] == ["UTF-16le", 7, -3]
    assert list(database.execute("SELECT n FROM t")) == [(text,)]
    assert list(database.execute("SELECT tbl, idx FROM sqlite_stat1")) == [("t", "i")]


def test_a_table_with_as_many_columns_as_sqlite_takes_is_dumped(restore):
    columns = [f"c{number}" for number in range(2000)]
    database = restore(f"CREATE TABLE t ({','.join(columns)})", "INSERT INTO t (c1999) VALUES ('last')")
    assert list(database.execute("SELECT c1999 FROM t")) == [("last",)]


def test_an_empty_database_is_dumped(restore):
    assert list(restore().execute("SELECT * FROM sqlite_master")) == []


def test_the_copy_lies_in_the_folder_given_and_goes_however_the_dump_ends(tmp_path):
    source = make(tmp_path / "source.db", ["CREATE TABLE t (n)", "INSERT INTO t VALUES (1)"])
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    pieces = dump(sa.make_url(f"sqlite:///{source}"), folder=folder)
    next(pieces)
    (private,) = folder.iterdir()
    assert private.stat().st_mode & 0o777 == 0o700
    pieces.close()
    assert list(folder.iterdir()) == []


def test_a_database_that_stays_locked_is_an_error_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(dump_module, "BUSY_SECONDS", 0.2)
    source = make(tmp_path / "source.db", ["CREATE TABLE t (n)"])
    with closing(sqlite3.connect(source)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ClientError, match="locked"):
            dump_of(source)


def test_what_a_crash_left_in_the_journal_is_not_dumped(tmp_path):
    source = make(tmp_path / "source.db", ["CREATE TABLE t (n)", "INSERT INTO t VALUES ('kept')"])
    crash = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size=1');"
        "c.executemany('INSERT INTO t VALUES (?)', [('lost' * 999,)] * 99); os._exit(0)"
    )
    subprocess.run([shutil.which("python3") or "python", "-c", crash, str(source)], check=True)
    assert source.with_name("source.db-journal").exists()
    sql = dump_of(source)
    assert b"kept" in sql
    assert b"lost" not in sql
