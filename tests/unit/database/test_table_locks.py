"""Locks of tables: which one a statement takes, and for how long. A real server is asked in test_dry_run."""

from __future__ import annotations

import pytest

from websauna_migrate.database.table_locks import MODES, Clock, TableLock, Taken, blocks, lock_of

STATEMENTS = [
    ("ALTER TABLE thing ADD COLUMN a INTEGER REFERENCES other (id)", "ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"),
    ('alter table "thing" drop constraint c', "ACCESS EXCLUSIVE", None),
    ("ALTER TABLE s.thing ADD FOREIGN KEY (a) REFERENCES other (id)", *["SHARE ROW EXCLUSIVE"] * 2),
    ("ALTER TABLE thing VALIDATE CONSTRAINT c", "SHARE UPDATE EXCLUSIVE", None),
    ("ALTER TABLE thing ALTER COLUMN a SET STATISTICS 5", "SHARE UPDATE EXCLUSIVE", None),
    ("CREATE UNIQUE INDEX i ON thing (a)", "SHARE", None),
    ("CREATE TABLE new (a INTEGER REFERENCES other (id))", None, "SHARE ROW EXCLUSIVE"),
    ("-- why\nINSERT INTO thing SELECT * FROM other", "ROW EXCLUSIVE", "ACCESS SHARE"),
    ("WITH x AS (SELECT 1) UPDATE thing SET a = (SELECT 1 FROM other)", "ROW EXCLUSIVE", "ACCESS SHARE"),
    ("SELECT 'FOR UPDATE' FROM thing, other", "ACCESS SHARE", "ACCESS SHARE"),
    ("WITH x AS (SELECT * FROM thing FOR NO KEY UPDATE) SELECT * FROM x", "ROW SHARE", None),
    ("COMMENT ON TABLE thing IS 'x'", "SHARE UPDATE EXCLUSIVE", None),
    ("DROP TABLE other, thing", "ACCESS EXCLUSIVE", "ACCESS EXCLUSIVE"),
    ("TRUNCATE thing", "ACCESS EXCLUSIVE", None),
]


@pytest.mark.parametrize(("statement", "thing", "other"), STATEMENTS)
def test_a_statement_takes_the_lock_that_the_manual_names(statement, thing, other):
    if thing:
        assert lock_of(statement, "thing") == thing
    if other:
        assert lock_of(statement, "other") == other


def test_a_lock_blocks_what_the_application_does():
    assert [mode for mode in MODES if blocks(mode)] == [*MODES[4:]]
    assert blocks("SHARE") == "writes"
    assert blocks("ACCESS EXCLUSIVE") == "reads and writes"


def test_the_strongest_lock_counts_from_when_it_was_taken():
    taken = Taken({1: "b", 2: "a"}, {(1, "ACCESS SHARE"): 1.0, (1, "SHARE"): 3.0, (2, "ROW SHARE"): 2.0})
    assert taken.until(5.0) == (TableLock("a", "ROW SHARE", 3.0), TableLock("b", "SHARE", 2.0))


def test_a_stopped_clock_counts_no_seconds(monkeypatch):
    times = iter([10.0, 14.0, 15.0])
    monkeypatch.setattr("websauna_migrate.database.table_locks.time.monotonic", lambda: next(times))
    clock = Clock()
    with clock.stop():
        pass
    assert clock.now() == 11.0
