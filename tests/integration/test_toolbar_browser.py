"""The panel of the toolbar in a real browser."""

from __future__ import annotations

import re
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from running import configure, dispose, write_revisions


class Server(ThreadingMixIn, WSGIServer):
    """A browser opens connections before it needs them: none of them may keep the others waiting."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path):
    """The address of the application, whose guard shows the page, with the toolbar."""
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}", websauna_migrate__guard="page")
    for name in ("pyramid_debugtoolbar", "websauna_migrate.toolbar", "websauna_migrate.guard"):
        config.include(name)
    with make_server("127.0.0.1", 0, config.make_wsgi_app(), Server, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    dispose(config)


def colours(browser, selector):
    """Return the colour of an element and of the panel behind it, each as red, green and blue."""
    values = (browser.find(selector).value_of_css_property("color"), _background(browser))
    return [tuple(map(int, re.findall(r"\d+", value)[:3])) for value in values]


def _background(browser):
    return browser.find(".ws-migrations").value_of_css_property("background-color")


def contrast(first, second):
    """Return the contrast of two colours as the WCAG defines it."""

    def luminance(colour):
        parts = [part / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_panel_is_readable_in_light_and_dark_and_asks_no_other_server(browser, address):
    browser.open(f"{address}/orders")
    handle = browser.find("#pShowToolBarButton")
    assert handle.value_of_css_property("display") == "block"  # the page of the guard lets the style of the button in
    browser.open(f"{address}/_debug_toolbar/")
    browser.find('a[href="#global"]').click()
    browser.find("#pDebugPanel-migrations a").click()
    panel = browser.find(".ws-migrations")
    assert "user: 2 revisions are pending" in panel.text
    assert "Create <b>orders</b> [head] [requires user u1]" in panel.text
    assert "CREATE TABLE" not in panel.text
    browser.find(".ws-migrations details details summary").click()
    assert "CREATE TABLE users" in panel.text
    for scheme in ("light", "dark"):
        browser.show_as((1280, 900), scheme)
        for selector in (
            ".ws-migrations td",
            ".ws-migrations th",
            ".ws-migrations .state.pending",
            ".ws-migrations pre",
        ):
            assert contrast(*colours(browser, selector)) >= 4.5, (scheme, selector)
    assert colours(browser, ".ws-migrations td")[1] < (60, 60, 60)
    browser.show_as((480, 900))
    width, content = browser.driver.execute_script("return [arguments[0].clientWidth, arguments[0].scrollWidth]", panel)
    assert content <= width < 480
    assert {url[: len(address)] for url in browser.requests()} == {address}
