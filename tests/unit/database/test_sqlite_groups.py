from __future__ import annotations

import sqlite3

import pytest

from websauna_migrate.database.sqlite_groups import GroupedConnection


@pytest.fixture
def grouped(tmp_path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None, factory=GroupedConnection)
    connection.execute("CREATE TABLE t (n)")
    yield connection
    connection.close()


def seen(connection):
    """Return the rows that another connection sees."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    other = sqlite3.connect(path)
    rows = [n for (n,) in other.execute("SELECT n FROM t")]
    other.close()
    return rows


def insert(connection, number):
    if connection.holds:
        connection.begin_next()
    else:
        connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (?)", (number,))


def defer(connection):
    connection.defers = True
    connection.commit()
    connection.defers = False


def test_what_is_deferred_is_committed_with_the_next(grouped):
    for number in (1, 2):
        insert(grouped, number)
        defer(grouped)
    assert (grouped.holds, seen(grouped)) == (True, [])
    insert(grouped, 3)
    grouped.commit()
    assert (grouped.holds, grouped.in_transaction, seen(grouped)) == (False, False, [1, 2, 3])


def test_a_rollback_undoes_the_last_one_alone(grouped):
    insert(grouped, 1)
    defer(grouped)
    for number in (2, 3):
        insert(grouped, number)
        grouped.rollback()
    grouped.rollback()  # with nothing begun
    assert seen(grouped) == []
    grouped.commit()
    assert seen(grouped) == [1]


def test_the_first_one_is_rolled_back_whole(grouped):
    insert(grouped, 1)
    grouped.rollback()
    assert (grouped.in_transaction, grouped.lost, seen(grouped)) == (False, False, [])


def test_what_sqlite_rolled_back_by_itself_is_lost(grouped):
    insert(grouped, 1)
    defer(grouped)
    insert(grouped, 2)
    with pytest.raises(sqlite3.IntegrityError):
        grouped.execute("CREATE TEMP TRIGGER refuse BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
        grouped.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(sqlite3.OperationalError, match="was rolled back"):
        grouped.commit()
    grouped.rollback()
    assert (grouped.holds, grouped.lost, seen(grouped)) == (False, True, [])
