"""What changes Alembic is installed once, on purpose, and leaves what the application brought itself."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.sqlite import SQLiteImpl

from websauna_migrate.autogenerate.install import install
from websauna_migrate.dialects.install import IMPLEMENTATIONS, install_implementations

ONLY_IMPORTED = """
import importlib, pkgutil
import websauna_migrate
from alembic.autogenerate import comparators, renderers
from alembic.ddl import impl
from alembic.runtime import plugins

def state():
    return dict(impl._impls), dict(renderers._registry), set(plugins._all_plugins), dict(comparators._registry)

before = state()
for wing in ("autogenerate", "dialects", "database", "run"):
    package = importlib.import_module(f"websauna_migrate.{wing}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"websauna_migrate.{wing}.{module.name}")
import websauna_migrate.env
assert state() == before
importlib.import_module("websauna_migrate.autogenerate.install").install()
assert all(one != other for one, other in zip(state()[:3], before[:3]))
"""


def registered(dialect):
    return DefaultImpl.get_by_dialect(SimpleNamespace(name=dialect))


def test_an_import_changes_nothing_of_alembic():
    done = subprocess.run([sys.executable, "-c", ONLY_IMPORTED], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_our_implementation_takes_the_place_of_alembics(implementation):
    install()
    install()
    assert issubclass(registered(implementation.__dialect__), implementation)


def test_an_implementation_of_the_application_stays():
    install()
    ours = registered("sqlite")
    try:
        theirs = type("TheirSQLiteImpl", (SQLiteImpl,), {"__dialect__": "sqlite"})
        install_implementations()
        assert registered("sqlite") is theirs
    finally:
        type("Ours", (ours,), {"__dialect__": "sqlite"})
