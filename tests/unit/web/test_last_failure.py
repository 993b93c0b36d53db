"""What the last upgrade said that failed, for all processes of an application."""

from __future__ import annotations

import pytest

from websauna_migrate.web.last_failure import Failure, LastFailure

FAILURE = Failure("no luck", "2024-03-10T12:00:00+00:00")
ROWS = {"shop": ("s1",)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "websauna_migrate"


def test_all_processes_know_it_until_an_upgrade_succeeds(cache):
    one, another = LastFailure("shop"), LastFailure("shop")
    one.keep(FAILURE, ROWS)
    assert one.read(ROWS) == another.read(ROWS) == FAILURE
    assert LastFailure("blog").read(ROWS) is None
    another.forget()
    assert one.read(ROWS) is None
    one.forget()


def test_it_is_of_the_past_when_the_history_tables_hold_something_else(cache):
    one = LastFailure("shop")
    one.keep(FAILURE, ROWS)
    assert one.read({"shop": ("s2",)}) is None
    assert one.read(None) is None
    one.keep(FAILURE, None)
    assert one.read(None) == FAILURE


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"rows": null}', "3"])
def test_a_file_that_is_damaged_is_none(cache, content):
    one = LastFailure("shop")
    one.keep(FAILURE, None)
    (file,) = cache.iterdir()
    file.write_text(content)
    assert one.read(None) is None


def test_without_a_file_this_process_knows_it(cache, monkeypatch):
    def full(path):
        raise OSError("the disk is full")

    one = LastFailure("shop")
    monkeypatch.setattr("websauna_migrate.web.last_failure.replaced", full)
    one.keep(FAILURE, ROWS)
    assert one.read(ROWS) == FAILURE
    assert LastFailure("shop").read(ROWS) is None
    monkeypatch.setattr("websauna_migrate.web.last_failure.cache_folder", lambda: None)
    nowhere = LastFailure("shop")
    nowhere.keep(FAILURE, ROWS)
    assert nowhere.read(ROWS) == FAILURE
    nowhere.forget()
    assert nowhere.read(ROWS) is None
