"""How often the database is asked until it is well."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from running import configure, dispose, write_revisions
from websauna_migrate import migrate
from websauna_migrate.web import watch as module
from websauna_migrate.web.state import application_of
from websauna_migrate.web.watch import Watch, watch_of


@pytest.fixture
def config(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}")
    config.commit()
    yield config
    dispose(config)


@pytest.fixture
def questions(monkeypatch):
    """Count the questions to the database, and let the time stand still: ``questions[0]`` is the clock."""
    asked = [1000.0]

    def standing(registry, **how):
        asked.append(threading.get_ident())
        return real(registry, **how)

    real = module.standing
    monkeypatch.setattr(module, "standing", standing)
    monkeypatch.setattr(module.time, "monotonic", lambda: asked[0])
    return asked


def test_the_database_is_asked_once_a_second_with_many_threads(config, questions):
    watch = Watch(config.registry)
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: watch.ask_again(), range(200)))
    assert len(questions) == 2
    questions[0] += 0.99
    assert not watch.ask_again()
    assert len(questions) == 2
    questions[0] += 0.01
    assert not watch.ask_again()
    assert len(questions) == 3


def test_a_thread_does_not_wait_for_one_that_asks(config, questions, monkeypatch):
    watch = Watch(config.registry)
    begun, go_on = threading.Event(), threading.Event()

    def slow(registry, **how):
        begun.set()
        assert go_on.wait(20)
        return real(registry, **how)

    real = module.standing
    monkeypatch.setattr(module, "standing", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(watch.ask_again)
        assert begun.wait(20)
        assert watch.ask_again() is False
        go_on.set()
        assert first.result(20) is False


def test_what_was_wrong_is_known_until_it_is_well(config, questions):
    watch = watch_of(config.registry)
    assert watch_of(config.registry) is watch
    assert watch.problems() == []
    watch.ask()
    assert [error.what for error in watch.problems()] == [
        "user: 2 revisions are pending",
        "shop: 1 revision is pending",
    ]
    migrate(application_of(config.registry), ["user", "shop"])
    questions[0] += 1
    assert watch.ask_again()
    assert watch.problems() == []


def test_an_error_is_what_is_wrong(config, tmp_path):
    watch = Watch(config.registry)
    (tmp_path / "shop/versions/s1.py").write_text("revision = (")
    watch.ask()
    assert not watch.is_well
    assert ["s1.py" in str(error) for error in watch.problems()] == [True]


def test_what_answers_meanwhile_says_when_to_come_back():
    response = module.unavailable(None)
    assert (response.status_int, response.headers["Retry-After"]) == (503, "5")
    assert response.headers["Cache-Control"] == "no-store"
