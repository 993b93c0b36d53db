"""A plugin of pytest that switches ours into Alembic's own tests, as ``run_alembic`` does for a run.

It is loaded by the processes that ``test_alembic_suite`` starts. A test that is listed in ``answers`` has to fail; an
entry there that is none of the collected tests is an error.
"""

from __future__ import annotations

import gc
import re
import sys
from types import SimpleNamespace

import pytest
from alembic.ddl import mysql, postgresql, sqlite
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.migration import MigrationContext
from answers import ANSWERS

from websauna_migrate.autogenerate.comparators import plugins
from websauna_migrate.autogenerate.install import install

# Where the tests find the implementations that they do not look up by the name of a database.
PLACES = {
    "sqlite": (sqlite, "SQLiteImpl"),
    "postgresql": (postgresql, "PostgresqlImpl"),
    "mysql": (mysql, "MySQLImpl"),
    "mariadb": (mysql, "MariaDBImpl"),
}
# SQLAlchemy adds the database to the name of a class whose tests run on several.
_DATABASE = re.compile(r"_(?:sqlite|postgresql|mariadb)\+\w+(?=::)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--answers-on", help="the database whose answers count")


def pytest_configure() -> None:
    install()
    for name, (module, attribute) in PLACES.items():
        setattr(module, attribute, DefaultImpl.get_by_dialect(SimpleNamespace(name=name)))
    original = MigrationContext.__init__

    def with_our_comparators(self, dialect, connection, opts, *arguments):
        original(self, dialect, connection, {**opts, "autogenerate_plugins": plugins(opts)}, *arguments)

    MigrationContext.__init__ = with_our_comparators


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    database = config.getoption("--answers-on")
    reasons = {test: answer.reason for answer in ANSWERS if database in answer.on for test in answer.tests}
    unused = set(reasons)
    for item in items:
        listed = [name for name in _names(item) if name in reasons]
        unused.difference_update(listed)
        if listed:
            item.add_marker(pytest.mark.xfail(reason=reasons[listed[0]], strict=True))
    if unused:
        raise pytest.UsageError(f"answers.py lists no test of Alembic on {database}: {', '.join(sorted(unused))}")


def pytest_collection_finish() -> None:
    """Spare time: folders of scripts that the tests of autogenerate do not look into, and garbage collection."""
    for name, module in list(sys.modules.items()):
        if "_autogen_" in name and hasattr(module, "staging_env"):
            module.staging_env = module.clear_staging_env = lambda: None
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _names(item: pytest.Item) -> tuple[str, str, str]:
    """Return the test by its parameters, by its function and by its class."""
    test = _DATABASE.sub("", item.nodeid.removeprefix("tests/"))
    function = test.partition("[")[0]
    return test, function, function.rpartition("::")[0]
