"""What the panel of the toolbar shows, in real applications on SQLite."""

from __future__ import annotations

import re

import pytest
from pyramid.config import Configurator
from sqlalchemy import Column, ForeignKey, Integer, Table, event
from sqlalchemy.orm import Mapper, declarative_base
from sqlalchemy.types import UserDefinedType

from projects import revise
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate
from websauna_migrate.web.panel import panel_html
from websauna_migrate.web.state import application_of

AWAY = "postgresql+psycopg2://app:5ecret@127.0.0.1:1/app"


@pytest.fixture
def application(tmp_path):
    """Configure the application of two packages with the database ``url``."""
    made = []

    def application(url=None, **settings):
        config = configure(tmp_path, url or f"sqlite:///{tmp_path / 'app.sqlite'}", **settings)
        config.commit()
        made.append(config)
        return config.registry

    write_revisions(tmp_path)
    yield application
    for config in made:
        dispose(config)


def states(shown):
    return re.findall(r'<span class="state \w+">(.*?)</span>', shown)


def test_what_is_pending_is_shown_in_plan_order_with_the_command(application):
    shown = panel_html(application())
    plan = shown[shown.index("<h4>Plan") : shown.index("<h4>Revisions")]
    assert states(shown) == ["pending", "pending"]
    assert re.findall(r"<code>(\w+)</code>", plan) == ["u1", "u2", "s1"]
    assert "<pre>ws-alembic -x packages=all upgrade</pre>" in plan
    assert shown.count('<circle class="pending"') == 3


def test_after_an_upgrade_there_is_no_plan_and_each_dot_is_filled(application):
    registry = application()
    migrate(application_of(registry), ["user"])
    assert states(panel_html(registry)) == ["up to date", "pending"]
    migrate(application_of(registry), ["shop"])
    shown = panel_html(registry)
    assert "<p>All revisions are applied.</p>" in shown
    assert "<h4>Plan" not in shown
    assert shown.count('<circle class="applied"') == 3


def test_each_table_stands_under_its_owner_with_its_sql(application):
    shown = panel_html(application())
    tables = shown[shown.index("<h4>Tables") :]
    assert tables.index("<summary>user") < tables.index("<code>users") < tables.index("<summary>shop")
    assert "refers to user: users" in tables
    assert "CREATE TABLE orders (\n    id INTEGER NOT NULL,\n    user INTEGER," in tables


def test_a_database_that_is_away_is_said_without_its_password_and_the_rest_is_shown(application):
    shown = panel_html(application(AWAY))
    assert "cannot connect to postgresql+psycopg2://app:***@127.0.0.1:1/app" in shown
    assert "5ecret" not in shown
    assert states(shown) == ["unknown", "unknown"]
    assert shown.count('<circle class="unknown"') == 3
    assert "<h4>Plan" not in shown
    assert "CREATE TABLE orders" in shown


def test_a_revision_of_the_database_that_no_script_has_is_said_and_the_rest_is_shown(application):
    registry = application()
    migrate(application_of(registry), ["user"])
    with get_engine(registry).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_history_user SET version_num = 'zz'")
    shown = panel_html(registry)
    assert states(shown) == ["unknown revision", "pending"]
    assert "zz" in shown
    assert shown.count("<circle") == 3


def test_a_broken_script_is_said_once_and_the_tables_are_shown(application, tmp_path):
    revise(tmp_path / "user", "u9", "missing")
    shown = panel_html(application())
    assert shown.count("<li>") == 1
    assert "u9" in shown
    assert "CREATE TABLE orders" in shown


def test_a_missing_sqlite_file_is_not_created(application, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    panel_html(application())
    assert sorted(tmp_path.rglob("*")) == before


def test_the_heads_are_read_in_few_statements_and_the_sql_is_made_once(application, monkeypatch):
    registry = application()
    migrate(application_of(registry), ["user"])
    statements = []
    event.listen(get_engine(registry), "before_cursor_execute", lambda *args: statements.append(args[2]))
    panel_html(registry)
    assert len(statements) <= 3
    monkeypatch.setattr("websauna_migrate.web.panel.statements_by_table", None)
    assert "CREATE TABLE orders" in panel_html(registry)


def test_only_tables_of_other_packages_are_named_as_referred_to(application):
    registry = application()
    metadata = application_of(registry).packages["shop"].metadata[0]
    Table("line", metadata, Column("order", ForeignKey("orders.id"), primary_key=True), info={"package": "shop"})
    shown = panel_html(registry)
    assert "<code>line</code></summary>" in shown
    assert shown.count("refers to") == 1


class Odd(UserDefinedType):
    """A type whose author forgot something."""

    cache_ok = True

    def get_col_spec(self, **_):
        raise KeyError("forgotten")


def test_a_model_that_cannot_be_written_is_said_in_its_place(application):
    registry = application()
    metadata = application_of(registry).packages["shop"].metadata[0]
    Table("odd", metadata, Column("id", Integer), Column("odd", Odd), info={"package": "shop"})
    shown = panel_html(application())  # another one, with the same models
    assert "odd" not in shown
    del registry["websauna_migrate.application"]
    shown = panel_html(registry)
    assert "<pre>KeyError: &#x27;forgotten&#x27;</pre>" in shown
    assert "CREATE TABLE orders" in shown


def test_an_application_without_a_database_setting_is_told_and_its_tables_are_named(application):
    registry = application()
    del registry.settings["sqlalchemy.url"]
    shown = panel_html(registry)
    assert "sqlalchemy.url" in shown
    assert "<code>orders</code>" in shown


def test_a_table_of_nobody_is_a_problem(application):
    registry = application()
    Table("lost", application_of(registry).packages["shop"].metadata[0], Column("id", Integer))
    del registry["websauna_migrate.application"]
    assert "table &#x27;lost&#x27;" in panel_html(registry)


def test_a_table_that_is_made_when_the_mappers_are_configured_is_shown(application):
    registry = application()
    metadata = application_of(registry).packages["shop"].metadata[0]
    base = declarative_base(metadata=metadata)
    columns = {"id": Column(Integer, primary_key=True)}
    type("Thing", (base,), {"__tablename__": "thing", "__table_args__": {"info": {"package": "shop"}}, **columns})
    event.listen(Mapper, "after_configured", lambda: Table("made", metadata, info={"package": "shop"}), once=True)
    try:
        assert "<code>made</code>" in panel_html(registry)
    finally:
        base.registry.dispose()


def test_an_application_that_registers_nothing_is_told(tmp_path):
    config = Configurator(settings={"sqlalchemy.url": "sqlite://", "websauna_migrate.app": "nosuch"})
    assert "<li>" in panel_html(config.registry)
