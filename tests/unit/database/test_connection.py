"""The URL of the settings: what is refused, and what no error shows."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from websauna_migrate.database.connection import Database, parse_url
from websauna_migrate.exceptions import SettingsError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:SEC@RET@host/db",
        "postgresql://u:SEC@RET/c@host/db",
        "postgresql://u:SEC@RET?c@host/db",
        "postgresql://u:SEC@RET?c=d@host/db",
        "postgresql://u:SEC@RET:c@host/db",
        "postgresql://us/er:SECRET@host/db",
        "postgresql://u:SECRET/db",
        "postgresql://SEC@RET@host/db",
        "mysql+pymysql://:SEC@RET@host/db",
        "SECRET",
    ],
)
def test_an_ambiguous_url_is_refused_and_nothing_of_it_is_shown(url):
    with pytest.raises(SettingsError) as caught:
        parse_url(url, "x.ini", "sqlalchemy.url")
    assert not any(part in str(caught.value) for part in ("SEC", "RET"))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("password", ["a/b", "a#b", "a:b", "a?b", "a%40b", "a%%40b", "a[b", "a${lower}b", "a%23"])
def test_a_password_that_has_one_meaning_is_taken(password):
    url = parse_url(f"postgresql+psycopg2://u:{password}@host/db", "x.ini", "sqlalchemy.url")
    assert (url.host, url.database, dict(url.query)) == ("host", "db", {})


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////home/u@host/x.db",
        "postgresql+psycopg2://u@host/db?application_name=a@b",
        "postgresql+psycopg2://host/db?application_name=a@b",
        "mssql+pyodbc:///?odbc_connect=UID=u;PWD=x@y",
    ],
)
def test_an_at_sign_elsewhere_is_taken(url):
    assert parse_url(url, "x.ini", "sqlalchemy.url").host in ("host", None)


def test_a_variable_that_is_not_set_is_named_unless_it_may_be_a_part_of_a_password(monkeypatch):
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    with pytest.raises(SettingsError, match=r"needs the environment variable SHOP_PASSWORD, which is not set"):
        parse_url("postgresql://u:${SHOP_PASSWORD}@host/db", "x.ini", "sqlalchemy.url")
    monkeypatch.setenv("SHOP_PASSWORD", "set, so this is a value that looks like a variable")
    assert parse_url("postgresql+psycopg2://u:${SHOP_PASSWORD}@host/db", "x.ini", "sqlalchemy.url").host == "host"


@pytest.mark.parametrize("name", ["postgresql+psycopg2", "postgresql+psycopg", "sqlite", "mariadb+pymysql"])
def test_a_connection_that_only_reads_does_not_ask_for_the_type_hstore(name):
    database = Database(make_url(f"{name}://"), "app.ini")
    asks = [vars(database.engine_of_run(writes=writes).dialect).get("use_native_hstore") for writes in (False, True)]
    assert asks == ([False, True] if "postgresql" in name else [None, None])


def test_the_settings_may_want_the_type_hstore():
    options = {"sqlalchemy.use_native_hstore": "true"}
    database = Database(make_url("postgresql+psycopg2://"), "app.ini", options)
    assert vars(database.engine_of_run(writes=False).dialect)["use_native_hstore"]
