"""The remedy of an error of the database is found in what each driver raises."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.remedies import remedy_for, was_done_already


class Said(Exception):
    """An error of a driver, with the attributes that it has there."""

    def __init__(self, *args, **attributes):
        super().__init__(*args)
        vars(self).update(attributes)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said("locked", pgcode="55P03"), "pg_stat_activity"),  # psycopg2
        (Said("locked", sqlstate="55P03"), "pg_stat_activity"),  # psycopg
        (Said({"S": "ERROR", "C": "55P03"}), "pg_stat_activity"),  # pg8000
        (Said(1205, "Lock wait timeout exceeded"), "PROCESSLIST"),  # PyMySQL, mysqlclient
        (Said("1205 (HY000): Lock wait", errno=1205, sqlstate="HY000"), "PROCESSLIST"),  # mysql-connector
        (sqlite3.OperationalError("database is locked"), "end the program"),
    ],
)
def test_a_lock_is_told_with_how_to_find_its_holder(said, told):
    assert told in remedy_for(DBAPIError("SELECT 1", {}, said))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said("canceling statement due to user request\n", pgcode="57014"), "who cancelled"),
        (Said("canceling statement due to statement timeout", sqlstate="57014"), "statement_timeout"),
        (Said("out of shared memory\nHINT:  You might need to", pgcode="53200"), "max_locks_per_transaction"),
        (Said({"C": "53200", "M": "out of memory"}), "more memory"),
    ],
)
def test_causes_that_share_a_code_are_told_apart(said, told):
    assert told in remedy_for(DBAPIError("SELECT 1", {}, said))


@pytest.mark.parametrize("error", [ValueError(28), OSError(2, "x"), SimpleNamespace(orig=Said(["a list"]))])
def test_what_a_script_can_fix_has_none(error):
    assert remedy_for(error) is None


@pytest.mark.parametrize(
    ("statement", "said", "done"),
    [
        ("CREATE TABLE note", Said('relation "note" already exists', pgcode="42P07"), True),
        ("ALTER TABLE", Said({"C": "42701"}), True),
        ("CREATE TABLE note", Said(1050, "Table 'note' already exists"), True),
        ("CREATE INDEX ix", sqlite3.OperationalError("index ix already exists"), True),
        ("ALTER TABLE note", sqlite3.OperationalError("duplicate column name: price"), True),
        ("DROP TABLE note", sqlite3.OperationalError("no such table: note"), True),
        ("ALTER TABLE note DROP COLUMN a", Said(1091, "Can't DROP COLUMN `a`"), True),
        ("UPDATE note", sqlite3.OperationalError("no such table: note"), False),
        ("INSERT", Said(1062, "Duplicate entry '1' for key 'PRIMARY'"), False),
    ],
)
def test_a_statement_that_was_done_before_is_told_from_other_errors(statement, said, done):
    assert was_done_already(DBAPIError(statement, {}, said)) is done
