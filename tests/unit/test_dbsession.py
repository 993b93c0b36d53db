"""``request.dbsession`` and ``get_engine``, in real Pyramid applications on SQLite."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
import transaction
import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import Column, Integer, MetaData, Table, event, func, insert, select
from sqlalchemy.orm import Session
from webtest import TestApp

import websauna_migrate
from websauna_migrate.dbsession import get_engine
from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.errors import InvalidDatabaseUrl, MissingDatabaseUrl, MissingDriver

visits = Table("visits", MetaData(), Column("id", Integer, primary_key=True))


@pytest.fixture
def config(tmp_path):
    config = Configurator(settings={"sqlalchemy.url": f"sqlite:///{tmp_path / 'test.sqlite'}"})
    yield config
    if "websauna_migrate.engine" in config.registry:
        get_engine(config.registry).dispose()


@pytest.fixture
def engine(config):
    engine = get_engine(config.registry)
    visits.create(engine)
    return engine


def with_view(config, view):
    config.add_route("home", "/")
    config.add_view(view, route_name="home")
    return TestApp(config.make_wsgi_app())


def with_settings(**settings: Any):
    return Configurator(settings={f"sqlalchemy.{key}": value for key, value in settings.items()}).registry


def count(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(visits))


def write(request):
    request.dbsession.execute(insert(visits))
    zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
    return Response("written")


def write_and_fail(request):
    write(request)
    raise RuntimeError("after the write")


def test_a_request_that_ends_well_is_committed(config, engine):
    config.include("websauna_migrate.dbsession")
    with_view(config, write).get("/")
    assert count(engine) == 1


def test_a_request_that_fails_is_rolled_back(config, engine):
    config.include("websauna_migrate.dbsession")
    with pytest.raises(RuntimeError):
        with_view(config, write_and_fail).get("/")
    assert count(engine) == 0


def test_the_session_joins_the_transaction_manager_of_the_request(config, engine):
    config.registry.settings["tm.manager_hook"] = "pyramid_tm.explicit_manager"
    config.include("websauna_migrate.dbsession")
    outer = transaction.begin()
    with_view(config, write).get("/")
    assert count(engine) == 1
    outer.abort()


def test_the_session_is_one_for_a_request_and_closed_after_it(config, engine):
    config.include("websauna_migrate.dbsession")
    seen = []

    def view(request):
        seen.append(request.dbsession)
        assert request.dbsession is request.dbsession
        return write(request)

    app = with_view(config, view)
    app.get("/")
    app.get("/")
    assert seen[0] is not seen[1]
    assert [session.in_transaction() for session in seen] == [False, False]
    assert engine.pool.checkedout() == 0


def test_a_session_without_a_tween_is_closed_with_its_request(config, engine):
    config.include("websauna_migrate.dbsession")
    config.registry.settings["tm.activate_hook"] = lambda request: False
    with_view(config, lambda request: Response(str(request.dbsession.scalar(select(1))))).get("/")
    assert engine.pool.checkedout() == 0


def test_the_session_knows_its_request(config, engine):
    config.include("websauna_migrate.dbsession")
    app = with_view(config, lambda request: Response(str(request.dbsession.info["request"] is request)))
    assert app.get("/").text == "True"


def test_a_session_in_the_environ_is_used_as_it_is(config, engine):
    config.include("websauna_migrate.dbsession")

    def view(request):
        request.dbsession.execute(insert(visits))
        return Response("written")

    with Session(engine) as session:
        with_view(config, view).get("/", extra_environ={"app.dbsession": session})
        assert session.in_transaction()
        session.rollback()
    assert count(engine) == 0


def own_session(config):
    config.add_request_method(lambda request: "mine", "dbsession", reify=True)


def own_method(config):
    config.add_request_method(lambda request: "mine", "dbsession")


@pytest.mark.parametrize("order", [["own", "ours"], ["ours", "own"]])
def test_the_session_of_another_include_is_left_alone(config, order):
    for include in order:
        config.include(own_session if include == "own" else "websauna_migrate.dbsession")
    assert with_view(config, lambda request: Response(request.dbsession)).get("/").text == "mine"


def test_a_request_method_of_that_name_is_left_alone(config):
    config.include("websauna_migrate.dbsession")
    own_method(config)
    assert with_view(config, lambda request: Response(request.dbsession())).get("/").text == "mine"


def test_a_request_class_with_a_session_is_left_alone(config):
    class OwnRequest(Request):
        dbsession = "mine"

    config.set_request_factory(OwnRequest)
    config.include("websauna_migrate.dbsession")
    assert with_view(config, lambda request: Response(request.dbsession)).get("/").text == "mine"


def test_the_application_may_include_pyramid_tm_itself(config, engine):
    config.include("pyramid_tm")
    config.include("websauna_migrate.dbsession")
    with_view(config, write).get("/")
    assert count(engine) == 1


def test_nothing_connects_before_a_session_is_used(config):
    config.include("websauna_migrate.dbsession")
    connects = []
    event.listen(get_engine(config.registry), "connect", lambda *args: connects.append(args))
    app = with_view(config, lambda request: Response(type(request.dbsession).__name__))
    assert app.get("/").text == "Session"
    assert connects == []


def test_an_application_has_one_engine_whoever_asks_for_it(config):
    engines = []
    threads = [threading.Thread(target=lambda: engines.append(get_engine(config.registry))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(engines) == 8
    assert len(set(engines)) == 1


def test_the_engine_takes_all_settings_of_sqlalchemy(tmp_path):
    registry = with_settings(url=f"sqlite:///{tmp_path / 'a'}", pool_size="3", echo_pool="false")
    assert get_engine(registry).pool.size() == 3


def test_the_pool_is_closed_when_the_application_goes_away(tmp_path):
    closed = []
    registry = with_settings(url=f"sqlite:///{tmp_path / 'a'}")
    engine = get_engine(registry)
    event.listen(engine, "close", lambda *args: closed.append(args))
    engine.connect().close()
    del registry
    gc.collect()
    assert len(closed) == 1


def test_get_engine_is_public():
    assert websauna_migrate.get_engine is get_engine


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, MissingDatabaseUrl),
        ({"url": ""}, MissingDatabaseUrl),
        ({"url": "no url s3cret"}, InvalidDatabaseUrl),
        ({"url": "postgresql://me:s3cret@host:s3cret/db"}, InvalidDatabaseUrl),
        ({"url": "nosuchdialect://me:s3cret@host/db"}, InvalidDatabaseUrl),
        ({"url": "mssql+pymssql://me:s3cret@host/db"}, MissingDriver),
        ({"url": "sqlite://", "pool_size": "many"}, SettingsError),
        ({"url": "sqlite://", "poool_size": "1"}, SettingsError),
    ],
)
def test_settings_that_make_no_engine_are_one_line_without_a_secret(settings, error):
    with pytest.raises(error) as caught:
        get_engine(with_settings(**settings))
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
