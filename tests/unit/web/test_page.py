"""The page that shows what is pending and runs it."""

from __future__ import annotations

import pytest
from webtest import TestApp

from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate, pending
from websauna_migrate.web.page import COOKIE, PATH
from websauna_migrate.web.state import application_of

HERE = {"REMOTE_ADDR": "127.0.0.1"}
THERE = {"REMOTE_ADDR": "192.168.1.2"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def config(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}", websauna_migrate__guard="page")
    config.include("websauna_migrate.guard")
    yield config
    dispose(config)


@pytest.fixture
def app(config):
    return TestApp(config.make_wsgi_app(), extra_environ=HERE)


def page(app, path="/orders?paid=1", **how):
    return app.get(path, headers=HTML, status=503, **how)


def test_the_page_lists_what_is_pending_in_the_order_of_the_plan(app):
    shown = page(app)
    assert [cell.text for cell in shown.html.find_all("code")] == ["u1", "u2", "s1"]
    assert "Create &lt;b&gt;orders&lt;/b&gt;" in shown.text
    assert "3 revisions of user, shop are pending." in shown.text
    assert [pre.text for pre in shown.html.find_all("pre")] == ["ws-alembic -x packages=all upgrade"]
    assert shown.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]


def test_the_button_upgrades_and_leads_to_the_page_that_was_asked_for(app, config):
    done = page(app).form.submit(status=200)
    assert [item.code.text for item in done.html.select(".steps li")] == ["u1", "u2", "s1"]
    assert done.html.select(".steps .failed") == []
    assert done.html.find(id="next")["href"] == "/orders?paid=1"
    assert pending(config.registry) == []
    assert app.get("/orders?paid=1", headers=HTML).text == "the application"


def test_a_page_that_is_still_open_may_be_used_when_all_is_done(app, config):
    first, second = page(app), page(app, "/orders")
    first.form.submit(status=200)
    assert "Done." in second.form.submit(status=200).text


def test_a_failure_is_shown_at_once_and_on_the_page_that_follows(app, config, tmp_path):
    revise(tmp_path / "user", "u3", "u2", "raise ValueError('no <luck>')")
    failed = page(app).form.submit(status=200)
    assert "ValueError: no &lt;luck&gt;" in failed.text
    assert failed.html.find(id="next") is None
    assert failed.html.select(".steps li")[-1].find(class_="failed").text == "failed"
    assert "The last upgrade failed, just now" in page(app).text
    assert "The last upgrade failed" not in page(app, extra_environ=THERE).text


def test_a_get_upgrades_nothing(app, config):
    app.get(PATH, headers=HTML, status=405)
    assert len(pending(config.registry)) == 3


def test_without_the_token_or_from_elsewhere_nothing_is_upgraded(app, config):
    token = page(app).form["token"].value
    app.post(PATH, {}, status=403)
    app.post(PATH, {"token": "x" * 43}, status=403)
    app.post(PATH, {"token": token}, extra_environ=THERE, status=403)
    app.post(PATH, {"token": token}, headers={"Host": "evil.example"}, status=403)
    app.post(PATH, {"token": token}, headers={"Origin": "http://localhost:9"}, status=403)
    app.reset()
    refused = app.post(PATH, {"token": token}, status=403)
    assert "the token is missing or wrong" in refused.text
    assert len(pending(config.registry)) == 3


def test_from_elsewhere_there_is_no_button_and_no_token(app):
    shown = page(app, extra_environ=THERE)
    assert shown.html.find("form") is None
    assert "at an address such as http://localhost" in shown.text
    assert COOKIE not in shown.headers.get("Set-Cookie", "")
    assert "u1" in shown.text


def test_the_cookie_is_for_this_page_alone(app):
    cookie = page(app).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize("mode", ["warn", "503"])
def test_in_other_modes_there_is_no_button(tmp_path, config, mode):
    config.commit()
    other = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}", websauna_migrate__guard=mode)
    other.include("websauna_migrate.guard")
    app = TestApp(other.make_wsgi_app(), extra_environ=HERE)
    app.post(PATH, {"token": "x" * 43}, status=503 if mode == "503" else 404)
    assert len(pending(config.registry)) == 3
    dispose(other)


def test_a_program_gets_a_plain_answer(app):
    assert app.get("/orders", headers={"Accept": "application/json"}, status=503).headers["Retry-After"] == "5"


def test_a_form_that_was_sent_meanwhile_leads_to_the_root(app):
    assert app.post("/orders", headers=HTML, status=503).form["next"].value == "/"


def test_below_a_prefix_all_paths_have_it(app):
    prefix = {**HERE, "SCRIPT_NAME": "/shop"}
    shown = page(app, extra_environ=prefix)
    assert shown.form.action == f"/shop{PATH}"
    assert shown.form["next"].value == "/shop/orders?paid=1"


def test_what_stops_a_plan_is_shown_in_its_place(app, config, tmp_path, monkeypatch):
    monkeypatch.setattr("websauna_migrate.web.watch._PAUSE", 0)
    migrate(application_of(config.registry), ["user", "shop"])
    (tmp_path / "user/versions/u2.py").unlink()
    with get_engine(config.registry).begin() as connection:
        connection.exec_driver_sql("DROP TABLE users")
    shown = page(app)
    assert "u2" in shown.html.find("ul").text
    assert shown.html.find("table") is None
    assert shown.html.find("form") is None  # an upgrade would change nothing
    assert shown.html.find(class_="button")["href"] == "/orders?paid=1"


def test_what_an_upgrade_leaves_is_shown_beside_what_is_pending(app, tmp_path, monkeypatch):
    monkeypatch.setattr("websauna_migrate.web.watch._PAUSE", 0)
    for id_ in ("s2", "s3"):
        revise(tmp_path / "shop", id_, "s1")
    shown = page(app)
    assert [item.text.partition(":")[0] for item in shown.html.select("ul li")] == ["shop has 2 heads"]
    assert [cell.text for cell in shown.html.select("td code")] == ["u1", "u2", "s1", "s2", "s3"]
