"""Alembic migrations for Pyramid applications made of several packages.

The public names are loaded when they are first used: a script that needs none of Pyramid does not import it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from websauna_migrate.bootstrap import Application, load_application
    from websauna_migrate.dbsession import get_engine
    from websauna_migrate.exceptions import MigrateError
    from websauna_migrate.packages.directives import get_migration_packages
    from websauna_migrate.packages.initializer import Initializer
    from websauna_migrate.packages.package import History, MigrationPackage
    from websauna_migrate.packages.selection import Selected, select
    from websauna_migrate.revisions.plan import Plan, PlanStep, make_plan
    from websauna_migrate.run.data import data_session
    from websauna_migrate.run.executor import migrate
    from websauna_migrate.run.observer import Observer
    from websauna_migrate.run.steps import execute
    from websauna_migrate.web.state import pending

__all__ = [
    "Application",
    "History",
    "Initializer",
    "MigrateError",
    "MigrationPackage",
    "Observer",
    "Plan",
    "PlanStep",
    "Selected",
    "data_session",
    "execute",
    "get_engine",
    "get_migration_packages",
    "load_application",
    "make_plan",
    "migrate",
    "pending",
    "select",
]

_HOMES = {
    "Application": "bootstrap",
    "History": "packages.package",
    "Initializer": "packages.initializer",
    "MigrateError": "exceptions",
    "MigrationPackage": "packages.package",
    "Observer": "run.observer",
    "Plan": "revisions.plan",
    "PlanStep": "revisions.plan",
    "Selected": "packages.selection",
    "data_session": "run.data",
    "execute": "run.steps",
    "get_engine": "dbsession",
    "get_migration_packages": "packages.directives",
    "load_application": "bootstrap",
    "make_plan": "revisions.plan",
    "migrate": "run.executor",
    "pending": "web.state",
    "select": "packages.selection",
}

#: Directives that few applications use, and the modules that have them.
_DIRECTIVES = {"add_migration_health": "web.health", "add_migration_subscriber": "events"}


def includeme(config: Configurator) -> None:
    """Add the directives ``config.add_migration_*``; for ``config.include("websauna_migrate")``."""
    config.include("websauna_migrate.packages.directives")
    for name, home in _DIRECTIVES.items():
        config.add_directive(name, _imported_when_called(name, home))


def _imported_when_called(name: str, home: str) -> Callable[..., None]:
    def directive(config: Configurator, *args: Any, **options: Any) -> None:
        getattr(importlib.import_module(f"{__name__}.{home}"), name)(config, *args, **options)

    return directive


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "includeme"]
