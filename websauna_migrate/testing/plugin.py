"""The plugin of pytest: fixtures with migrated databases, and tests of the revisions.

It is there in each run of pytest, and does nothing unless ``--migrations`` or the option ``websauna_migrate`` of
pytest's settings names an INI file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from websauna_migrate.testing.session import OPTION, SETTING, close, open_database, tested_application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session

    from websauna_migrate.bootstrap import Application


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--migrations`` and the setting ``websauna_migrate``."""
    what = "INI file of the application whose migrations are tested, and whose migrated databases the fixtures give"
    parser.getgroup("websauna_migrate").addoption(OPTION, metavar="INI", help=f"{what}; its revisions are tested too")
    parser.addini(SETTING, f"{what}; relative to the folder of this file", default=None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the revisions: with ``--migrations``, and where no files or folders are named."""
    if _tests_revisions(config):
        from websauna_migrate.testing.items import NAME, Migrations

        items.extend(Migrations.from_parent(session, name=NAME, nodeid=NAME).collect())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist what only the first process knows: whether files or folders were named."""
    node.workerinput[SETTING] = _tests_revisions(node.config)


def _tests_revisions(config: pytest.Config) -> bool:
    told = getattr(config, "workerinput", {}).get(SETTING)
    if told is not None:
        return bool(told)
    names_none = config.args_source is not pytest.Config.ArgsSource.ARGS
    return config.getoption(OPTION) is not None or (names_none and bool(config.getini(SETTING)))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what was made."""
    close(config)


@pytest.fixture(scope="session")
def migration_app(pytestconfig: pytest.Config) -> Application:
    """The application, as far as its models and migrations need it: a :class:`websauna_migrate.Application`."""
    return tested_application(pytestconfig)


@pytest.fixture
def migrated_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a database of the test's own with all revisions, of the kind that the INI names."""
    with open_database(pytestconfig) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def migrated_engine(migrated_url: str) -> Iterator[Engine]:
    """An engine for ``migrated_url``."""
    with _engine(migrated_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def _shared_migrated_url(pytestconfig: pytest.Config) -> Iterator[str]:
    with open_database(pytestconfig) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def migrated_dbsession(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session whose work is rolled back at the end of the test, also what it commits.

    It is on ``migrated_url`` where the test uses that, else on one database for all tests, which is quicker.
    """
    from sqlalchemy.orm import Session

    from websauna_migrate.database.sqlite import begin_for_real

    own = "migrated_url" in request.fixturenames
    with _engine(request.getfixturevalue("migrated_url" if own else "_shared_migrated_url")) as engine:
        if engine.dialect.name == "sqlite":
            begin_for_real(engine, writes=False)  # or what is committed would stay
        with engine.connect() as connection:
            transaction = connection.begin()
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                yield session
            transaction.rollback()


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    from sqlalchemy import create_engine

    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
