"""What statements do, read from their text: those that Alembic writes, and those that people write."""

from __future__ import annotations

import pytest

from websauna_migrate.lint.actions import Action, actions
from websauna_migrate.packages.package import TableName

T = TableName(None, "t")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("CREATE TABLE IF NOT EXISTS t (id INTEGER, PRIMARY KEY (id));", [Action("create table", T)]),
        ("CREATE TEMPORARY TABLE t (id INTEGER)", []),
        ("DROP TABLE t", [Action("drop table", T)]),
        (
            'drop table if exists a."T", t cascade',
            [Action("drop table", TableName("a", "T")), Action("drop table", T)],
        ),
        ("ALTER TABLE t RENAME TO u", [Action("rename table", T, "u")]),
        ("ALTER TABLE t RENAME a TO b", [Action("rename column", T, "b", "a")]),
        ("ALTER TABLE t RENAME COLUMN a TO b", [Action("rename column", T, "b", "a")]),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", []),
        (
            "ALTER TABLE t ADD COLUMN n NUMERIC(10, 2) DEFAULT '1' NOT NULL",
            [Action("add column", T, "n", type="NUMERIC(10, 2)", rest="DEFAULT '1' NOT NULL")],
        ),
        (
            "ALTER TABLE IF EXISTS ONLY t ADD IF NOT EXISTS n TIMESTAMP WITHOUT TIME ZONE, DROP COLUMN IF EXISTS m",
            [Action("add column", T, "n", type="TIMESTAMP WITHOUT TIME ZONE"), Action("drop column", T, "m")],
        ),
        ("ALTER TABLE t DROP CONSTRAINT a", []),
        ("ALTER TABLE t ALTER COLUMN c TYPE TEXT USING c::text", [Action("change type", T, "c", type="TEXT")]),
        ("ALTER TABLE t ALTER c SET DATA TYPE text", [Action("change type", T, "c", type="text")]),
        ("ALTER TABLE t ALTER COLUMN c SET NOT NULL", [Action("set not null", T, "c")]),
        ("ALTER TABLE t ALTER COLUMN c DROP NOT NULL", []),
        (
            "ALTER TABLE t ADD CONSTRAINT k CHECK (a >= 1) NOT VALID",
            [Action("add check", T, "k", rest="CHECK (a >= 1) NOT VALID")],
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY(a) REFERENCES u (id)",
            [Action("add foreign key", T, rest="FOREIGN KEY(a) REFERENCES u (id)")],
        ),
        ("ALTER TABLE t ADD CONSTRAINT k UNIQUE (a, b)", [Action("add unique", T, "k", rest="UNIQUE (a, b)")]),
        ("ALTER TABLE t VALIDATE CONSTRAINT k", [Action("validate", T, "k")]),
        ("ALTER TABLE t SET TABLESPACE fast", [Action("rewrite", T)]),
        ("VACUUM FULL t", [Action("rewrite", T)]),
        ("CREATE INDEX i ON t (a)", [Action("create index", T, "i", rest="(a)")]),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY t (lower(a))",
            [Action("create index", T, "i", rest="(lower(a))", marks=("UNIQUE", "CONCURRENTLY", "ONLY"))],
        ),
        ("CREATE INDEX ON t (a)", [Action("create index", T, rest="(a)")]),
        ("CREATE TYPE t AS ENUM ('a', 'it''s')", [Action("create enum", T, values=("a", "it's"))]),
        ("ALTER TYPE t RENAME TO t_old", [Action("rename enum", T, "t_old")]),
        ("ALTER TYPE t RENAME VALUE 'a' TO 'b'", [Action("rename enum value", T, "b", "a")]),
        ("-- DROP TABLE t\nSELECT 'DROP TABLE t' /* ; DROP TABLE t */", []),
        ("DELETE FROM t; DROP TABLE t;", [Action("delete rows", T, start="DELETE FROM t"), Action("drop table", T)]),
        (
            "UPDATE ONLY t SET a = (SELECT 1 WHERE true) WHERE b = 'WHERE'",
            [Action("update rows", T, rest="b = 'WHERE'", start="UPDATE ONLY t SET a = (SELECT 1 WHERE true)")],
        ),
        (
            "WITH u AS (DELETE FROM v) UPDATE t AS x SET a = 1 FROM u",
            [
                Action(
                    "update rows",
                    T,
                    marks=("WITH", "FROM", "AS"),
                    start="WITH u AS (DELETE FROM v) UPDATE t AS x SET a = 1 FROM u",
                )
            ],
        ),
        ("INSERT INTO t SELECT 1 FROM u; SELECT 1 FROM t FOR UPDATE", []),
        ("CREATE FUNCTION f() RETURNS int AS $$ SELECT 1; DELETE FROM t; $$ LANGUAGE sql", []),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; DELETE FROM u; END", []),
        ("DO $x$ BEGIN PERFORM 1; DELETE FROM u; END $x$; DROP TABLE t", [Action("drop table", T)]),
        ("CREATE INDEX i ON event (a)", [Action("create index", TableName(None, "event"), "i", rest="(a)")]),
        ('CREATE TABLE a."trigger" (id INTEGER)', [Action("create table", TableName("a", "trigger"))]),
        ("CREATE OR REPLACE DEFINER = a@b PROCEDURE p() BEGIN DELETE FROM t; DELETE FROM u; END", []),
        ("CREATE CONSTRAINT TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; DELETE FROM u; END", []),
        ("ALTER", []),
        ("", []),
    ],
)
def test_a_statement_does_something_to_a_table(sql, found):
    assert list(actions(sql, "postgresql")) == found


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("ALTER TABLE t MODIFY `c` ENUM('a','b') NULL", [Action("change type", T, "c", "c", "ENUM('a','b')", "NULL")]),
        (
            "ALTER TABLE t CHANGE a c VARCHAR(20) NOT NULL",
            [
                Action("rename column", T, "c", "a"),
                Action("change type", T, "c", "a", "VARCHAR(20)", "NOT NULL"),
                Action("set not null", T, "c", "a", "VARCHAR(20)", "NOT NULL"),
            ],
        ),
        ("ALTER TABLE t RENAME u", [Action("rename table", T, "u")]),
        ("RENAME TABLE t TO u", [Action("rename table", T, "u")]),
        ("ALTER TABLE t ADD INDEX i (a)", [Action("create index", T, "i", rest="(a)")]),
        ("CREATE FULLTEXT INDEX i ON t (a)", [Action("create index", T, "i", rest="(a)")]),
        ("ALTER TABLE t DROP FOREIGN KEY k, DROP INDEX i", []),
    ],
)
def test_mariadb_says_it_in_other_words(sql, found):
    assert list(actions(sql, "mariadb")) == found


def test_what_is_in_quotes_is_not_said():
    (action,) = actions("ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'NOT NULL' COLLATE \"NOT NULL\"", "postgresql")
    assert action.says("DEFAULT")
    assert not action.says("NOT NULL")
