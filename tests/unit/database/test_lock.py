"""Waiting for the lock of a run, on a SQLite file. The locks of servers are in tests/integration/test_lock.py."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from websauna_migrate.database.errors import LockTimeout, LockUnreachable
from websauna_migrate.database.lock import run_lock


@pytest.fixture
def engine(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")
    engine.connect().close()
    yield engine
    engine.dispose()


def test_a_second_run_is_told_who_holds_the_lock(engine):
    with run_lock(engine), pytest.raises(LockTimeout, match=r"shop\.db") as caught, run_lock(engine, timeout=0):
        pass
    assert caught.value.holder is not None


def test_who_waits_is_asked_each_time_and_goes_on_when_the_lock_is_free(engine):
    first = run_lock(engine)
    first.__enter__()
    waits = []

    def on_wait(holder, seconds):
        waits.append(holder)
        first.__exit__(None, None, None)

    with run_lock(engine, on_wait=on_wait) as lock:
        assert lock.is_held()
    assert len(waits) == 1


def test_the_lock_is_not_taken_on_a_database_of_another_kind(engine):
    url = make_url("postgresql://me:secret@db/shop")
    with pytest.raises(LockUnreachable, match="not of the same kind") as caught, run_lock(engine, lock_url=url):
        pass
    assert "secret" not in str(caught.value)
