"""The route that says whether the database is where the application needs it."""

from __future__ import annotations

import json

import pytest
from webtest import TestApp

from running import configure, dispose, write_revisions
from websauna_migrate import migrate
from websauna_migrate.web.health import is_health_path
from websauna_migrate.web.state import application_of


@pytest.fixture
def config(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, f"sqlite:///{tmp_path / 'app.sqlite'}")
    config.add_migration_health("/health/migrations")
    config.commit()
    yield config
    dispose(config)


def test_it_is_503_while_something_is_pending_and_200_afterwards(config):
    app = TestApp(config.make_wsgi_app())
    before = app.get("/health/migrations", status=503)
    assert [(row["package"], row["pending"], row["state"]) for row in before.json] == [
        ("user", 2, "pending"),
        ("shop", 1, "pending"),
    ]
    migrate(application_of(config.registry), ["user", "shop"])
    after = app.get("/health/migrations", status=200)
    assert [row["current"] for row in after.json] == [["u2"], ["s1"]]
    assert after.content_type == "application/json"
    assert "no-store" in after.headers["Cache-Control"] or "max-age=0" in after.headers["Cache-Control"]


def test_a_broken_script_is_an_error_in_json(config, tmp_path):
    (tmp_path / "shop/versions/s1.py").write_text("revision = (")
    found = TestApp(config.make_wsgi_app()).get("/health/migrations", status=503)
    assert list(found.json) == ["error"]
    assert "s1.py" in found.json["error"]


def test_a_database_that_is_away_is_an_error_without_secrets(tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, "postgresql+psycopg2://app:5ecret@127.0.0.1:1/app")
    config.add_migration_health("/health")
    found = TestApp(config.make_wsgi_app()).get("/health", status=503)
    assert "cannot connect to postgresql+psycopg2://app:***@127.0.0.1:1/app" in json.loads(found.text)["error"]
    assert "5ecret" not in found.text
    dispose(config)


def test_only_its_own_paths_are_those_of_the_health(config):
    assert is_health_path(config.registry, "/health/migrations")
    assert not is_health_path(config.registry, "/health")
    assert not is_health_path(config.registry, "/")
