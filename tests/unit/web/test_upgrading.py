"""An upgrade in the process of the application, told line by line."""

from __future__ import annotations

import threading

import pytest

from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import pending
from websauna_migrate.run.alone import alone
from websauna_migrate.run.observer import Observer
from websauna_migrate.web.state import application_of
from websauna_migrate.web.upgrading import Ended, Upgrades


@pytest.fixture
def config(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}")
    config.commit()
    yield config
    for thread in threading.enumerate():
        if thread.name == "websauna_migrate upgrade":
            thread.join()
    dispose(config)


def test_each_step_is_told_when_it_begins_and_when_it_is_done(config):
    *lines, end = Upgrades(config.registry).start()
    assert end == Ended(None)
    assert [line.partition(" done")[0] for line in lines] == [
        "1 of 3: user u1 ...",
        "1 of 3:",
        "2 of 3: user u2 ...",
        "2 of 3:",
        "3 of 3: shop s1 ...",
        "3 of 3:",
    ]
    assert pending(config.registry) == []


def test_what_a_run_said_when_it_failed_is_kept_until_one_succeeds(config, tmp_path):
    script = revise(tmp_path / "user", "u3", "u2", "raise ValueError('no luck')")
    upgrades = Upgrades(config.registry)
    *_, end = upgrades.start()
    assert "upgrade to user u3 failed: ValueError: no luck" in str(end.failure)
    assert upgrades.failure == end.failure
    script.unlink()
    *_, end = upgrades.start()
    assert (end, upgrades.failure) == (Ended(None), None)


def test_it_goes_on_when_nobody_listens(config):
    next(Upgrades(config.registry).start())
    for thread in threading.enumerate():
        if thread.name == "websauna_migrate upgrade":
            thread.join()
    assert pending(config.registry) == []


def test_it_waits_for_a_run_of_another_process_and_says_so(config):
    with alone(application_of(config.registry), Observer()):
        told = Upgrades(config.registry).start()
        assert next(told).startswith("Waiting for another run: ")
    *_, end = told
    assert end == Ended(None)


def test_two_at_once_run_one_after_the_other(config):
    upgrades = Upgrades(config.registry)
    first, second = upgrades.start(), upgrades.start()
    assert [*first][-1] == [*second][-1] == Ended(None)
    assert pending(config.registry) == []
