"""The panel gets into the toolbar of an application, wherever it is included."""

from __future__ import annotations

import pytest
from webtest import TestApp

from costs import calls
from running import configure, dispose, write_revisions
from websauna_migrate.web.toolbar_panel import MigrationsPanel

TOOLBAR, PANEL, GUARD = "pyramid_debugtoolbar", "websauna_migrate.toolbar", "websauna_migrate.guard"
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def served(tmp_path):
    """Serve the application with what ``included`` names, in this order."""
    made = []

    def served(*included, **settings):
        config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}", **settings)
        made.append(config)
        for name in included:
            config.include(name)
        return TestApp(config.make_wsgi_app(), extra_environ=LOCAL)

    write_revisions(tmp_path)
    yield served
    for config in made:
        dispose(config)


def panels(app):
    """Return how often the toolbar shows the panel, after a request of the application."""
    app.get("/orders")
    return app.get("/_debug_toolbar/").text.count('<div class="ws-migrations">')


@pytest.mark.parametrize(
    ("included", "settings"),
    [
        ([TOOLBAR, PANEL], {}),
        ([PANEL, TOOLBAR], {}),
        ([TOOLBAR], {"debugtoolbar__includes": PANEL}),
        ([PANEL, TOOLBAR], {"debugtoolbar__includes": PANEL}),
        ([], {"pyramid__includes": f"{PANEL} {TOOLBAR}"}),
    ],
    ids=["after the toolbar", "before it", "by the setting", "twice", "by the settings of Pyramid"],
)
def test_the_panel_is_shown_once_however_it_is_included(served, included, settings):
    assert panels(served(*included, **settings)) == 1


@pytest.mark.parametrize("included", [[GUARD, TOOLBAR, PANEL], [TOOLBAR, PANEL, GUARD]], ids=["first", "last"])
def test_the_toolbar_is_there_while_the_guard_answers_and_leaves_the_page_alone_that_grows(served, included):
    app = served(*included, websauna_migrate__guard="page")
    shown = app.get("/orders", headers={"Accept": "text/html"}, status=503)
    assert "pShowToolBarButton" in shown.text
    assert "user: 2 revisions are pending" in app.get("/_debug_toolbar/").text
    done = shown.form.submit()
    assert "Done" in done.text
    assert "pShowToolBarButton" not in done.text
    assert app.get("/favicon.ico", status=404).text.count("pShowToolBarButton") == 0


def test_other_panels_of_the_settings_stay(served):
    other = "pyramid_debugtoolbar.panels.headers.HeaderDebugPanel"
    app = served(PANEL, TOOLBAR, debugtoolbar__extra_global_panels=other)
    assert panels(app) == 1
    assert '<li id="pDebugPanel-headers">' in app.get("/_debug_toolbar/").text


def test_without_the_toolbar_nothing_happens(served):
    app = served(PANEL)
    assert app.get("/orders").text == "the application"
    app.get("/_debug_toolbar/", status=404)


def test_a_request_costs_no_more_than_an_empty_panel(served, monkeypatch):
    def opened(registry):
        raise AssertionError("nobody opened the toolbar")

    monkeypatch.setattr("websauna_migrate.web.panel.panel_html", opened)
    served(TOOLBAR, PANEL).get("/orders")
    assert calls(lambda: MigrationsPanel(None).process_response(None)) <= 5
