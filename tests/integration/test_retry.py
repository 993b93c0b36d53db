"""``request.dbsession`` with ``pyramid_retry``: what the database aborted because of another request is done again."""

from __future__ import annotations

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select, update
from webtest import TestApp

from websauna_migrate.dbsession import get_engine

counter = Table("counter", MetaData(), Column("value", Integer))


def test_a_serialisation_failure_is_repeated(postgresql):
    url = postgresql.new_database()
    other = create_engine(url)
    with other.begin() as connection:
        counter.create(connection)
        connection.execute(insert(counter).values(value=0))
    seen = []

    def add_one(request):
        seen.append(request.dbsession.scalar(select(counter.c.value)))
        if len(seen) == 1:
            with other.begin() as connection:
                connection.execute(update(counter).values(value=10))
        request.dbsession.execute(update(counter).values(value=seen[-1] + 1))
        zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
        return Response("done")

    settings = {"url": url.render_as_string(hide_password=False), "isolation_level": "SERIALIZABLE"}
    config = Configurator(settings={f"sqlalchemy.{key}": value for key, value in settings.items()})
    config.include("pyramid_retry")
    config.include("websauna_migrate.dbsession")
    config.add_route("home", "/")
    config.add_view(add_one, route_name="home")
    assert TestApp(config.make_wsgi_app()).get("/").text == "done"
    with other.connect() as connection:
        assert (seen, connection.scalar(select(counter.c.value))) == ([0, 10], 11)
    other.dispose()
    get_engine(config.registry).dispose()
