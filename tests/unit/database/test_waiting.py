"""Waiting for a server. Servers that start late are in the integration tests."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from sqlalchemy.engine import make_url

from websauna_migrate.database.connection import Database
from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.waiting import pauses, wait_for_server, with_time_limit


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


def test_a_try_that_lasts_longer_than_the_time_is_the_last_one():
    told = []
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"postgresql+psycopg2://127.0.0.1:{mute.getsockname()[1]}/a?connect_timeout=2"
        with pytest.raises(DatabaseUnreachable):
            wait_for_server(Database(make_url(url), "a.ini"), 1, lambda *each: told.append(each))
    assert told == []


@pytest.mark.parametrize(
    "drivername", ["postgresql+psycopg2", "postgresql+psycopg", "mysql+pymysql", "mariadb+mysqldb"]
)
def test_one_try_has_a_limit_unless_the_url_sets_one(drivername):
    database = Database(make_url(f"{drivername}://u:p@h/a?ssl_ca=x"), "a.ini")
    limited = with_time_limit(database)
    assert limited.url.query == {"ssl_ca": "x", "connect_timeout": "15"}
    assert with_time_limit(limited) == limited


def test_a_driver_without_the_option_gets_none():
    database = Database(make_url("sqlite:///a.db"), "a.ini")
    assert with_time_limit(database) is database
