"""The panel of the toolbar in a running application, on a real database."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect
from webtest import TestApp

from running import configure, dispose, write_revisions
from servers import PASSWORD
from websauna_migrate import get_engine, migrate
from websauna_migrate.run.alone import alone
from websauna_migrate.run.observer import Observer
from websauna_migrate.web.state import application_of


@pytest.fixture
def config(backend, tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, backend.new_database())
    config.include("pyramid_debugtoolbar")
    config.include("websauna_migrate.toolbar")
    yield config
    dispose(config)


def test_the_panel_waits_for_no_lock_creates_nothing_and_shows_no_password(config):
    app = TestApp(config.make_wsgi_app(), extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    application = application_of(config.registry)
    app.get("/orders")
    with alone(application, Observer()):
        shown = app.get("/_debug_toolbar/").text
    panel = shown[shown.index('<div class="ws-migrations">') :]
    assert panel.count('<span class="state pending">') == 2
    assert "CREATE TABLE orders" in panel
    assert inspect(get_engine(config.registry)).get_table_names() == []
    migrate(application, ["user"])
    panel = app.get("/_debug_toolbar/").text
    assert panel.count('<circle class="applied"') == 2
    assert panel.count('<circle class="pending"') == 1
    if application.url.password:
        assert application.url.password == PASSWORD
        assert PASSWORD not in panel[panel.index('<div class="ws-migrations">') :]
