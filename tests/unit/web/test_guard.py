"""The modes of the guard, in real applications on SQLite."""

from __future__ import annotations

import logging

import pytest
from webtest import TestApp

from costs import calls
from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import MigrateError, get_engine, migrate
from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.started import keep_global_config
from websauna_migrate.web.errors import StartRefused
from websauna_migrate.web.guard import Gate
from websauna_migrate.web.state import application_of
from websauna_migrate.web.watch import Watch

AWAY = "postgresql+psycopg2://app:5ecret@127.0.0.1:1/app"


@pytest.fixture
def guarded(tmp_path):
    """Configure an application with the mode of the guard, and a health route."""
    made = []

    def guarded(mode=None, url=None, **settings):
        if mode is not None:
            settings["websauna_migrate__guard"] = mode
        config = configure(tmp_path, url or f"sqlite:///{tmp_path / 'app.sqlite'}", **settings)
        made.append(config)
        config.include("websauna_migrate.guard")
        config.add_migration_health("/health")
        config.commit()
        return config

    write_revisions(tmp_path)
    yield guarded
    for config in made:
        dispose(config)


def upgrade(config):
    migrate(application_of(config.registry), ["user", "shop"])


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_wrong_value_is_one_clear_error(guarded):
    with pytest.raises(SettingsError) as raised:
        guarded("maybe")
    assert str(raised.value) == ("websauna_migrate.guard = maybe is not valid; write one of: warn, refuse, 503, page")


@pytest.mark.parametrize("mode", [None, "", "warn", "503", "page"])
def test_each_package_that_is_behind_is_one_line_in_the_log(guarded, caplog, mode):
    config = guarded(mode)
    config.make_wsgi_app()
    assert warnings(caplog) == [
        "user: 2 revisions are pending; run: ws-alembic -x packages=user upgrade",
        "shop: 1 revision is pending; run: ws-alembic -x packages=shop upgrade",
    ]


@pytest.mark.parametrize("mode", ["warn", "refuse", "503", "page"])
def test_where_all_is_well_nothing_is_said_and_requests_pass(guarded, caplog, mode):
    upgrade(guarded())
    app = TestApp(guarded(mode).make_wsgi_app())
    assert app.get("/orders").text == "the application"
    assert warnings(caplog) == []


def test_what_is_wrong_is_told_apart(guarded, caplog, tmp_path):
    upgrade(guarded())
    revise(tmp_path / "user", "u3", "u1")
    (tmp_path / "shop/versions/s1.py").unlink()
    with get_engine(guarded().registry).begin() as connection:
        connection.exec_driver_sql("DROP TABLE orders")
    said = told_at_start(guarded, caplog)
    assert [line.partition(" (")[0].partition(";")[0] for line in said] == [
        "user has 2 heads: u2, u3",
        "shop: the database is at revision s1",
    ]
    with get_engine(guarded().registry).begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_history_shop")
    (line,) = [line for line in told_at_start(guarded, caplog) if line.startswith("shop")]
    assert line.startswith("shop has tables and no revisions in ")


def told_at_start(guarded, caplog):
    caplog.clear()
    guarded("warn").make_wsgi_app()
    return warnings(caplog)


def test_warn_lets_requests_pass(guarded):
    assert TestApp(guarded("warn").make_wsgi_app()).get("/orders").text == "the application"


def test_refuse_fails_the_start_with_what_is_wrong(guarded):
    config = guarded("refuse")
    with pytest.raises(StartRefused) as raised:
        config.make_wsgi_app()
    assert "user: 2 revisions are pending; shop: 1 revision is pending" in str(raised.value)
    assert str(raised.value).endswith("run: ws-alembic -x packages=all upgrade")
    upgrade(config)
    guarded("refuse").make_wsgi_app()


def test_refuse_names_the_remedy_of_a_single_problem(guarded):
    config = guarded("refuse")
    migrate(application_of(config.registry), ["shop"])
    with pytest.raises(StartRefused, match=r"run: ws-alembic -x packages=user upgrade$"):
        config.make_wsgi_app()


def test_refuse_names_the_settings_file_that_the_application_was_started_from(guarded, tmp_path):
    ini = tmp_path / "app.ini"
    ini.write_text("[app:main]\n")
    config = guarded("refuse")
    keep_global_config(config.registry, {"__file__": str(ini), "here": str(tmp_path)})
    with pytest.raises(StartRefused) as raised:
        config.make_wsgi_app()
    assert str(raised.value).endswith(f"run: ws-alembic -c {ini} -x packages=all upgrade")


@pytest.mark.parametrize("mode", ["warn", "503", "page"])
def test_a_database_that_is_away_stops_no_start(guarded, caplog, mode):
    guarded(mode, AWAY).make_wsgi_app()
    (line,) = warnings(caplog)
    assert "cannot connect to postgresql+psycopg2://app:***@127.0.0.1:1/app" in line
    assert "5ecret" not in line


def test_a_database_that_is_away_fails_the_start_with_refuse(guarded):
    with pytest.raises(MigrateError, match="cannot connect"):
        guarded("refuse", AWAY).make_wsgi_app()


def test_503_answers_until_the_database_is_well_and_then_costs_nothing(guarded, monkeypatch):
    config = guarded("503")
    app = TestApp(config.make_wsgi_app())
    refused = app.get("/orders", status=503)
    assert refused.headers["Retry-After"] == "5"
    assert "orders" not in refused.text
    app.post("/orders", status=503)
    upgrade(config)
    app.get("/orders", status=503)  # it was asked less than a second ago
    monkeypatch.setattr("websauna_migrate.web.watch._PAUSE", 0)
    assert app.get("/orders", status=200).text == "the application"
    (config.registry["websauna_migrate.watch"]).registry = None  # nobody asks again
    assert app.get("/orders", status=200).text == "the application"


def test_a_request_that_passes_costs_one_call_of_the_guard(guarded):
    watch = Watch(None)
    watch.is_well = True
    gate = Gate(lambda request: request, watch, None)
    assert calls(lambda: gate("request")) - calls(lambda: (lambda request: request)("request")) == 1


def test_where_all_is_well_pyramid_looks_for_no_subscribers_because_of_the_guard(guarded):
    upgrade(guarded())
    for mode in ("warn", "503"):
        config = guarded(mode)
        config.make_wsgi_app()
        assert not config.registry.has_listeners


def test_an_application_that_names_other_tweens_is_checked_at_its_start(guarded):
    others = {"pyramid__tweens": "pyramid.tweens.excview_tween_factory"}
    with pytest.raises(StartRefused):
        guarded("refuse", **others).make_wsgi_app()
    named = "websauna_migrate.web.guard.guard_tween_factory pyramid.tweens.excview_tween_factory"
    TestApp(guarded("503", pyramid__tweens=named).make_wsgi_app()).get("/orders", status=503)


def test_the_health_route_is_answered_by_itself(guarded):
    config = guarded("503")
    app = TestApp(config.make_wsgi_app())
    assert {row["state"] for row in app.get("/health", status=503).json} == {"pending"}


@pytest.mark.parametrize("first", [True, False])
def test_the_tween_stands_before_the_transaction_and_after_the_toolbar(tmp_path, first):
    from pyramid.interfaces import ITweens

    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}", websauna_migrate__guard="503")
    others = ["pyramid_tm", "pyramid_debugtoolbar"]
    for name in ["websauna_migrate.guard", *others] if first else [*others, "websauna_migrate.guard"]:
        config.include(name)
    config.commit()
    names = [name for name, _ in config.registry.getUtility(ITweens).implicit()]
    assert names == [
        "pyramid_debugtoolbar.toolbar_tween_factory",
        "websauna_migrate.web.guard.guard_tween_factory",
        "pyramid_tm.tm_tween_factory",
        "pyramid.tweens.excview_tween_factory",
    ]


def test_while_a_script_loads_the_application_nothing_is_asked_and_nothing_guarded(guarded, caplog, monkeypatch):
    monkeypatch.setattr("websauna_migrate.web.guard.is_loading", lambda: True)
    app = TestApp(guarded("refuse").make_wsgi_app())
    assert app.get("/orders").text == "the application"
    assert warnings(caplog) == []
