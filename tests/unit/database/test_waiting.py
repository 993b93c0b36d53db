"""Waiting for a server. Servers that start late are in the integration tests."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from websauna_migrate.database.connection import Database
from websauna_migrate.database.waiting import pauses, wait_for_server


def test_without_time_there_is_no_try_in_between():
    assert list(pauses(0)) == []


def test_there_is_a_try_at_once_and_the_time_passes():
    passed = list(pauses(0.06))
    assert passed == sorted(passed)
    assert passed


def test_nobody_waits_for_a_database_that_answers(tmp_path):
    told = []
    wait_for_server(Database(make_url(f"sqlite:///{tmp_path}/a.db"), "a.ini"), 60, lambda *each: told.append(each))
    assert told == []
