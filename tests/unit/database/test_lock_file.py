"""The lock of a SQLite file: who gets it, what it leaves behind, and what a file in its place may do."""

from __future__ import annotations

import json
import os

import pytest
import sqlalchemy as sa

from websauna_migrate.database.errors import LockFileError
from websauna_migrate.database.lock_file import LOCK_FILE_SUFFIX, file_lock


@pytest.fixture
def engine(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
    yield engine
    engine.dispose()


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"shop.db{LOCK_FILE_SUFFIX}"


def test_one_of_two_gets_the_lock_and_the_file_goes_with_it(engine, path):
    first, second = file_lock(engine), file_lock(engine)
    assert first.try_to_take()
    assert not second.try_to_take()
    assert second.holder().process == os.getpid()
    first.close()
    assert not path.exists()
    assert second.try_to_take()
    second.close()


def test_a_lock_whose_file_was_removed_is_lost(engine, path):
    lock = file_lock(engine)
    assert lock.try_to_take()
    path.unlink()
    assert not lock.is_held()
    lock.close()


def test_a_link_in_the_place_of_the_file_is_not_followed(engine, path, tmp_path):
    (tmp_path / "other").write_text("mine")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(LockFileError, match=path.name):
        file_lock(engine).try_to_take()
    assert (tmp_path / "other").read_text() == "mine"


@pytest.mark.parametrize(("process", "host"), [(0, "a"), (-1, "a"), (True, "a"), ("7", "a"), (7, "a; rm"), (7, None)])
def test_a_note_that_no_run_wrote_names_no_holder(engine, path, process, host):
    path.write_text("\n" + json.dumps({"process": process, "host": host, "since": 0}))
    assert file_lock(engine).holder() is None


def test_a_database_in_memory_has_no_file():
    engine = sa.create_engine("sqlite://")
    lock = file_lock(engine)
    assert lock.try_to_take()
    assert lock.database == ""
    engine.dispose()
