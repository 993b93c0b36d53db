from __future__ import annotations

import getpass

import pytest
from sqlalchemy import make_url

from websauna_migrate.scratch.wanted import wanted_like

URL = "postgresql+psycopg2://app:secret@db.example:6432/shop?options=-csearch_path%3Dshop&sslmode=require&host=other"


def test_nothing_leads_to_the_server_of_the_application():
    wanted = wanted_like(make_url(URL))
    assert (wanted.drivername, wanted.dialect, wanted.user, wanted.database) == (
        "postgresql+psycopg2",
        "postgresql",
        "app",
        "shop",
    )
    assert wanted.session == {"options": "-csearch_path=shop"}
    assert not any(word in repr(wanted) for word in ("secret", "db.example", "6432", "other", "require"))


@pytest.mark.parametrize(
    ("url", "user", "database"),
    [
        ("postgresql:///shop", "someone", "shop"),
        ("postgresql://app@db", "app", "app"),
        ("mysql+pymysql:///shop", getpass.getuser(), "shop"),
    ],
)
def test_what_the_url_leaves_out_is_what_its_driver_takes(url, user, database, monkeypatch):
    monkeypatch.setenv("PGUSER", "someone")
    wanted = wanted_like(make_url(url))
    assert (wanted.user, wanted.database) == (user, database)
