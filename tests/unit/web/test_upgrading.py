"""An upgrade in the process of the application, told step by step."""

from __future__ import annotations

import threading

import pytest

from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import migrate, pending
from websauna_migrate.events import RevisionDone
from websauna_migrate.run.alone import alone
from websauna_migrate.run.observer import Observer
from websauna_migrate.web import upgrading as module
from websauna_migrate.web.state import application_of, standing
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
    *steps, end = Upgrades(config.registry).start()
    assert end == Ended(None)
    assert [(step.number, step.total, step.step.revision.id, step.state) for step in steps] == [
        (number, 3, id_, state)
        for number, id_ in enumerate(("u1", "u2", "s1"), start=1)
        for state in ("begins", "done")
    ]
    assert pending(config.registry) == []


def test_what_a_run_said_when_it_failed_is_kept_until_one_succeeds(config, tmp_path):
    script = revise(tmp_path / "user", "u3", "u2", "raise ValueError('no luck')")
    upgrades, of_another_process = Upgrades(config.registry), Upgrades(config.registry)
    *_, end = upgrades.start()
    assert "upgrade to user u3 failed: ValueError: no luck" in str(end.failure)
    rows = standing(config.registry).rows
    for one in (upgrades, of_another_process):
        assert one.last_failure.read(rows).said == end.failure
    script.unlink()
    *_, end = of_another_process.start()
    assert (end, upgrades.last_failure.read(rows)) == (Ended(None), None)


def test_the_subscribers_of_the_application_are_called(config):
    events = []
    config.add_migration_subscriber(events.append, RevisionDone)
    config.commit()
    list(Upgrades(config.registry).start())
    assert [event.step.revision.id for event in events] == ["u1", "u2", "s1"]


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


def test_two_at_once_run_one_after_the_other(config, monkeypatch):
    upgrades = Upgrades(config.registry)
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "migrate", lambda *args, **how: (begun.set(), go_on.wait(20), migrate(*args, **how)))
    first = upgrades.start()
    assert begun.wait(20)
    second = upgrades.start()
    assert next(second) == "Waiting for the upgrade that another page began."
    go_on.set()
    assert [*first][-1] == [*second][-1] == Ended(None)
    assert pending(config.registry) == []
