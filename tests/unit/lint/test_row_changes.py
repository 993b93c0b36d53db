"""Which changes of rows are small, and how long a script lets a statement wait."""

from __future__ import annotations

import math

import pytest

from websauna_migrate.lint.actions import actions
from websauna_migrate.lint.row_changes import changes_few, lock_waits


@pytest.mark.parametrize(
    ("condition", "few"),
    [
        ("id = 5", True),
        ("id=-5 AND name IS NULL", True),
        ('public.t."id" IN (1, 2)', True),
        ("`t`.`id` BETWEEN 1 AND 5", True),
        ("id = %(id)s", True),
        ("id > 5", False),
        ("id = other_id", False),
        ("id IN (SELECT id FROM u)", False),
        ("paid = 5", False),
        ("id_of = 5", False),
        ("id = 5 OR TRUE", False),
        ("name = 'this or that' AND id = 5", True),
        ("id = 5 AND name NOT IN (SELECT name FROM u)", True),
        ("NOT id = 5", False),
        ('NOT ("id" IN (5))', False),
        ("EXISTS (SELECT 1 FROM u WHERE u.id = 5)", False),
        ("name = 'id'", False),
    ],
)
def test_a_condition_that_names_values_of_the_key_meets_few_rows(condition, few):
    (action,) = actions(f"DELETE FROM t WHERE {condition}", "postgresql")
    assert changes_few(action, "id") is few
    assert not changes_few(action, None)


@pytest.mark.parametrize(
    ("sql", "dialect", "seconds"),
    [
        ("SET lock_timeout = '2s'; SET lock_timeout = 500", "postgresql", [2, 0.5]),
        ("SET lock_timeout TO '1 h'", "postgresql", [3600]),
        ("SET LOCAL lock_timeout = '0'", "postgresql", [math.inf]),
        ("SET lock_timeout = '1.5.2s'", "postgresql", [0]),
        ("SET lock_timeout = DEFAULT", "postgresql", [0]),
        ("RESET lock_timeout", "postgresql", []),
        ("SET @@SESSION.lock_wait_timeout := 7, innodb_lock_wait_timeout = 8", "mariadb", [7, 8]),
        ("PRAGMA busy_timeout = 5000", "sqlite", []),
    ],
)
def test_the_seconds_that_a_statement_may_wait_are_read(sql, dialect, seconds):
    assert list(lock_waits(sql, dialect)) == seconds
