"""The application with a new SQLite database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyramid.router import Router
from sqlalchemy.orm import Session
from websauna_migrate import get_engine, get_migration_packages
from webtest import TestApp

{% if cookiecutter.kind == "app" %}
from {{ cookiecutter.package_name }} import main
{% else %}
from {{ cookiecutter.package_name }}.development import main
{% endif %}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Router]:
    """The WSGI application. Its database has no tables yet."""
    settings = {"sqlalchemy.url": f"sqlite:///{tmp_path / 'test.sqlite'}"}
    app = main({}, **settings)
    yield app
    get_engine(app.registry).dispose()


@pytest.fixture
def tables(app: Router) -> None:
    """The tables of all packages, created without revisions."""
    for package in get_migration_packages(app.registry).values():
        for metadata in package.metadata:
            metadata.create_all(get_engine(app.registry))


@pytest.fixture
def dbsession(app: Router, tables: None) -> Iterator[Session]:
    """A session of the test. Commit changes that requests need to see."""
    with Session(get_engine(app.registry)) as session:
        yield session


@pytest.fixture
def testapp(app: Router) -> TestApp:
    """A test client."""
    return TestApp(app)
