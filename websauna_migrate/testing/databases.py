"""Migrated databases for the tests of an application: one copy for each test of a database with all revisions."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from websauna_migrate.packages.selection import select
from websauna_migrate.repair.trial import trial_in, wanted_for
from websauna_migrate.run.steps import execute
from websauna_migrate.scratch.copies import copies
from websauna_migrate.testing.assertions import settings_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.scratch.copies import Open
    from websauna_migrate.scratch.places import ScratchPlace
    from websauna_migrate.scratch.wanted import Wanted

_LIBRARIES = ("websauna_migrate", "alembic", "sqlalchemy")


@contextmanager
def migrated_databases(app: Application) -> Iterator[Open]:
    """Yield what opens databases of the kind of ``app`` with all its revisions applied.

    :raises NoScratchPlace: there is no way to make one here
    :raises MigrateError: a revision fails
    """
    plan = app.plan_selected({}, select(app.histories, app.packages))
    with settings_database(app) as real:
        wanted = wanted_for(app, plan, real)
    with copies(wanted, _key(app, plan, wanted), partial(_upgrade, app, plan, wanted)) as open_copy:
        yield open_copy


def _upgrade(app: Application, plan: Plan, wanted: Wanted, place: ScratchPlace) -> None:
    with trial_in(app, plan, wanted, place) as tried:
        execute(tried.app, plan, tried.connection)


def _key(app: Application, plan: Plan, wanted: Wanted) -> str:
    """Return a name that changes with the scripts, the ``env.py`` files, the settings and the database.

    It begins with the application, so that what was filled for it before can be found.
    """
    found = hashlib.sha256(repr((wanted, sorted(app.ini.settings.items()))).encode())
    found.update(repr([(name, version(name)) for name in _LIBRARIES]).encode())
    for history in app.histories:
        env = history.script_location / "env.py"
        found.update(env.read_bytes() if env.exists() else b"")
    for step in plan.steps:
        found.update(f"\0{step.package}\0{step.revision.id}\0".encode() + step.revision.source)
    name = hashlib.sha256(f"{app.app_package} {app.url.database}".encode()).hexdigest()
    return f"{name[:8]}_{found.hexdigest()[:24]}"
