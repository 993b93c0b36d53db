"""The page of the guard in a real browser, from a real server, and what the server refuses to others."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from ipaddress import ip_address

import pytest
from selenium.webdriver.common.keys import Keys
from webtest.http import StopableWSGIServer

from browser import DESKTOP, PHONE, wait_for
from projects import Workspace, revise
from running import configure, dispose, write_revisions
from servers import free_port
from websauna_migrate import pending
from websauna_migrate.web.page import PATH

#: Waits until the test lets it go on, and notes that it ran.
SLOW = """import pathlib, time
    folder = pathlib.Path({folder!r})
    with (folder / "ran").open("a") as file:
        file.write("{id} ")
    while not (folder / "go").exists():
        time.sleep(.01)"""
LONG = "Store-the-address-at-which-an-order-was-delivered-and-more-that-nobody-can-break-into-lines"


class Site:
    """An application with the guard behind a server, and its revisions in ``folder``."""

    def __init__(self, folder, mode="page", **how):
        self.folder = folder
        self.config = configure(folder, f"sqlite:///{folder / 'app.sqlite'}", websauna_migrate__guard=mode)
        self.config.include("websauna_migrate.guard")
        self.server = StopableWSGIServer.create(self.config.make_wsgi_app(), **how)
        self.netloc = f"localhost:{self.server.effective_port}"

    def url(self, path="/orders?paid=1"):
        return f"http://{self.netloc}{path}"

    def pending(self):
        return [step.revision.id for step in pending(self.config.registry)]

    def add_slow(self, id_, down):
        revise(self.folder / "shop", id_, down, SLOW.format(folder=str(self.folder), id=id_), message=LONG)

    def go_on(self):
        (self.folder / "go").touch()

    def ask(self, *how, **headers):
        return said(self.server.effective_port, *how, **headers)

    def close(self):
        self.go_on()
        self.server.shutdown()
        dispose(self.config)


@pytest.fixture
def open_site(tmp_path):
    sites = []

    def open_site(**how):
        sites.append(Site(tmp_path, **how))
        return sites[-1]

    write_revisions(tmp_path)
    yield open_site
    for site in sites:
        site.close()


def said(port, method="POST", path=PATH, body="", address="localhost", **headers):
    """Return the status and the text of an answer, status 0 where nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded", **given})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return 0, str(error)
    finally:
        connection.close()


def press(browser):
    browser.find("form button").click()


def test_with_the_keyboard_and_a_screen_reader_from_the_page_to_the_one_asked_for(browser, open_site):
    site = open_site()
    browser.open(site.url())
    assert browser.driver.title == browser.find("h1").text == "The database is behind the code"
    assert browser.find("html").get_attribute("lang") == "en"
    assert "3 revisions of user, shop are pending." in browser.text()
    named = [(one.aria_role, one.accessible_name) for one in browser.find_all("main, table, th, button")]
    assert named == [
        ("main", ""),
        ("button", "Upgrade the database"),
        ("button", "Copy"),
        ("table", "In the order in which an upgrade runs them"),
        *(("columnheader", name) for name in ("package", "revision", "message", "created")),
    ]
    keyboard = browser.driver.switch_to
    keyboard.active_element.send_keys(Keys.TAB)
    assert keyboard.active_element.accessible_name == "Upgrade the database"
    assert browser.style("form button", "outline-style") == "solid"
    keyboard.active_element.send_keys(Keys.ENTER)
    browser.wait_for_text("the application")
    assert browser.driver.current_url == site.url()
    assert site.pending() == []
    assert {url.split("/")[2] for url in browser.requests()} == {site.netloc}


def test_the_command_is_copied_with_a_button(browser, open_site):
    site = open_site()
    browser.open(site.url())
    browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.find("#copy").click()
    browser.wait_for_text("Copied")
    copied = browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == browser.find("#command").text == "ws-alembic -x packages=all upgrade"


def test_without_scripts_the_button_works_and_a_link_leads_on(browser, open_site):
    site = open_site()
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(site.url())
        assert not browser.find("#copy").is_displayed()
        press(browser)
        browser.wait_for_text("Done.")
        browser.find("#next").click()
        browser.wait_for_text("the application")
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.driver.current_url == site.url()


def test_progress_is_shown_while_it_runs_and_a_second_window_waits(browser, open_site):
    site = open_site()
    site.add_slow("s2", "s1")
    browser.open(site.url())
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("window")
    second = browser.driver.current_window_handle
    browser.open(site.url("/orders"))
    press(browser)
    browser.wait_for_text(f"4 of 4: shop s2 {LONG} running")
    assert "3 of 4: shop s1 Create <b>orders</b>" in browser.text()
    assert "running" not in browser.find_all(".steps li")[0].text
    assert browser.find(".steps").aria_role == "log"
    width = browser.find(".bar").size["width"]
    wait_for(lambda: browser.find(".bar div").size["width"] == pytest.approx(width * 3 / 4, abs=1), "the bar")
    browser.driver.switch_to.window(first)
    press(browser)
    browser.wait_for_text("Waiting for the upgrade that another page began.")
    site.go_on()
    for window in (first, second):
        browser.driver.switch_to.window(window)
        browser.wait_for_text("the application")
    assert (site.folder / "ran").read_text() == "s2 "


def test_a_failure_is_shown_at_once_and_then_by_every_worker_until_one_succeeds(browser, open_site):
    script = "op.create_table('orders', sa.Column('id', sa.Integer))"
    site, other_worker = open_site(), open_site()
    broken = revise(site.folder / "shop", "s2", "s1", script, message=LONG)
    browser.open(site.url())
    press(browser)
    browser.wait_for_text("The upgrade failed")
    assert "table orders already exists" in browser.find("[role=alert] pre").text
    assert "failed" in browser.find_all(".steps li")[-1].text
    assert not looks_broken(browser)
    browser.find("a.button").click()
    browser.wait_for_text("1 revision of shop is pending.")
    assert "The last upgrade failed, just now" in browser.text()
    wait_for(lambda: "1 revision" in other_worker.ask("GET", "/", Accept="text/html")[1], "the other worker")
    browser.open(other_worker.url())
    assert "table orders already exists" in browser.find("[role=alert] pre").text
    assert not looks_broken(browser)
    revise(site.folder / "shop", broken.stem, "s1")
    press(browser)
    browser.wait_for_text("the application")
    revise(site.folder / "shop", "s3", "s2")
    assert "The last upgrade failed" not in open_site().ask("GET", "/", Accept="text/html")[1]


def looks_broken(browser):
    """Tell whether the page is wider than a phone or a desktop, in any colours, or is the same in light and dark."""
    colours = set()
    for size in (DESKTOP, PHONE):
        for scheme in ("light", "dark"):
            browser.show_as(size, scheme)
            colours.add((browser.style("body", "background-color"), browser.style("h1", "color")))
            if browser.scrolls_sideways():
                return f"{size} {scheme} scrolls sideways"
    browser.show_as(DESKTOP)
    return len(colours) != 2


def test_the_page_fits_a_phone_and_follows_the_colours_of_the_machine(browser, open_site):
    site = open_site()
    revise(site.folder / "shop", "s2" + "0123456789" * 3, "s1", message=LONG)
    browser.open(site.url())
    assert not looks_broken(browser)
    for scheme, light in (("light", True), ("dark", False)):
        browser.show_as(PHONE, scheme)
        background = browser.style("body", "background-color")
        assert (sum(map(int, background[background.index("(") + 1 : -1].split(",")[:3])) > 3 * 128) is light
    (site.folder / "user/versions/u1.py").unlink()
    time.sleep(1)  # it was asked less than a second ago
    browser.open(site.url())
    assert browser.driver.title == "The database does not fit the code"
    assert not looks_broken(browser)
    assert (browser.find_all("form"), browser.find("a.button").text) == ([], "Check again")


def test_from_elsewhere_or_without_the_token_or_by_get_nothing_is_upgraded(open_site):
    site = open_site()
    status, page = site.ask("GET", "/orders", Accept="text/html")
    token = page.split('name="token" value="')[1].split('"')[0]
    good = {"body": f"token={token}", "Cookie": f"websauna_migrate_token={token}"}
    assert status == 503
    assert site.ask("GET", **good)[0] == 405
    assert site.ask(Cookie=good["Cookie"])[0] == 403
    assert site.ask(body=good["body"])[0] == 403
    assert site.ask(**good, Host="app.example.com")[0] == 403
    assert site.ask(**good, Host="app.example.com", X_Forwarded_Host="localhost", X_Forwarded_For="127.0.0.1")[0] == 403
    assert site.ask(**good, Origin="http://localhost:1")[0] == 403
    assert "a browser on the machine" in site.ask("GET", "/", Accept="text/html", Host="app.example.com")[1].lower()
    production = open_site(mode="503")
    assert production.ask(**good) == (503, "The database is being upgraded. Try again in a moment.\n")
    assert open_site(mode="warn").ask(**good)[0] == 404
    assert len(site.pending()) == 3
    assert "Done." in site.ask(**good)[1]
    assert site.pending() == []


def test_another_address_of_this_machine_is_elsewhere(open_site):
    """A server that listens on all addresses is asked at one that is not loopback, as from another machine."""
    site = open_site(host="0.0.0.0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no other address")
        address = probe.getsockname()[0]
    token = "a" * 43
    good = {"body": f"token={token}", "Cookie": f"websauna_migrate_token={token}", "Host": site.netloc}
    assert not ip_address(address).is_loopback
    assert "<form" not in site.ask("GET", "/", Accept="text/html", Host=site.netloc, address=address)[1]
    assert site.ask(**good, address=address)[0] == 403
    assert len(site.pending()) == 3


APPLICATION = """
from pyramid.config import Configurator
from pyramid.response import Response

def main(global_config, **settings):
    config = Configurator(settings=settings)
    config.include("websauna_migrate.guard")
    config.add_migration_package("{name}", "{name}.models:Base")
    config.add_view(lambda request: Response("the first code"))
    return config.make_wsgi_app()
"""
SERVER = """
[alembic]
script_location = %(here)s/alembic

[server:main]
use = egg:waitress#main
listen = localhost:%(http_port)s
"""
THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"


def test_several_processes_and_one_that_reloads_tell_the_same(tmp_path, sqlite, start, keeper):
    here = Workspace(tmp_path, sqlite.new_database())
    package = here.add_app("shop", THING, init=APPLICATION)
    here.write_ini(f"websauna_migrate.guard = page\n{SERVER}", start="use = call:shop:main\n")
    broken = revise(here.app / "alembic", "a1", None, "raise ValueError('no luck')")
    ports = [free_port(), free_port()]
    environment = {"PYTHONPATH": str(here.app), "XDG_CACHE_HOME": str(keeper.folder / "cache")}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": here.app}
    for port, option in zip(ports, ("--reload", "--quiet"), strict=True):
        start("pserve", option, f"ws://{here.ini}", f"http_port={port}", **silent)

    def answers(text, *numbers):
        for port in [ports[number] for number in numbers or (0, 1)]:
            wait_for(lambda port=port: text in said(port, "GET", "/", Accept="text/html")[1], f"{port}: {text}")

    answers("1 revision of shop is pending.")
    good = {"body": f"token={'a' * 43}", "Cookie": f"websauna_migrate_token={'a' * 43}"}
    assert "The upgrade failed" in said(ports[0], **good)[1]
    answers("ValueError: no luck")
    revise(here.app / "alembic", broken.stem, None, "op.create_table('thing', sa.Column('id', sa.Integer))")
    answers("ValueError: no luck", 1)
    assert "Done." in said(ports[1], **good)[1]
    answers("the first code")
    init = package / "__init__.py"
    init.write_text(init.read_text().replace("the first code", "the second code"))
    answers("the second code", 0)
    answers("the first code", 1)
