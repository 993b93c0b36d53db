"""What a message says of the holder of a lock, and what stands where there is no lock."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
import sqlalchemy as sa

from websauna_migrate.database.errors import LockLost
from websauna_migrate.database.lock_base import LockHolder, no_lock


def test_only_what_is_known_of_a_holder_is_told():
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert str(LockHolder(7, "db1", None, since)) == "process 7, host db1, since 2026-01-02 03:04:05 UTC"
    assert str(LockHolder()) == ""


def test_without_a_lock_everybody_has_it():
    lock = no_lock()
    assert lock.try_to_take()
    assert lock.holder() is None
    lock.check()
    lock.close()


def test_no_lock_is_enough_for_a_database_in_memory_only(tmp_path):
    for url, guards in (("sqlite://", True), (f"sqlite:///{tmp_path}/a.db", False)):
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            assert no_lock().guards(connection) is guards
        engine.dispose()


def test_a_lock_that_was_lost_is_an_error_that_names_the_database(monkeypatch):
    lock = no_lock()
    monkeypatch.setattr(lock, "is_held", lambda: False)
    monkeypatch.setattr(lock, "database", "shop.db")
    with pytest.raises(LockLost, match=r"shop\.db"):
        lock.check()
