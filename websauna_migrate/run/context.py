"""What the side that runs Alembic and the side that ``env.py`` calls share.

The run puts a :class:`RunContext` into ``Config.attributes``; :mod:`websauna_migrate.env` takes it out. Neither knows
anything else of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from websauna_migrate.packages.histories import foreign_histories

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import URL, Connection

    from websauna_migrate.autogenerate.comparison import Comparison
    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import History
    from websauna_migrate.packages.selection import Selected


ATTRIBUTE = "websauna_migrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """One run of one history's ``env.py``.

    ``metadata`` has the naming convention of its scripts, ``connect`` gives the connection of the whole command and is
    not called offline, ``comparison`` is None unless the command compares the models with the database.
    ``on_configured`` gets the ``MigrationContext`` that the ``env.py`` configured; unless it ``only_configures``,
    Alembic's own ``run_migrations()`` follows. A connection ``of_caller`` belongs to the program that called
    Alembic, which ends the transaction that it has begun. ``has_objects`` where a package declares views or functions.
    """

    history: History
    url: URL
    metadata: MetaData
    connect: Callable[[], Connection]
    comparison: Comparison | None = None
    on_configured: Callable[[MigrationContext], None] = lambda migration: None
    only_configures: bool = False
    of_caller: bool = False
    has_objects: bool = False


def run_context(app: Application, history: History, connect: Callable[[], Connection], **options: Any) -> RunContext:
    """Return one run of the ``env.py`` of ``history`` for ``app``; ``options`` are those of :class:`RunContext`."""
    metadata = app.steps_metadata(history)
    options.setdefault("has_objects", any(package.objects is not None for package in app.packages.values()))
    return RunContext(history=history, url=app.url, metadata=metadata, connect=connect, **options)


def comparison_of(app: Application, one: Selected) -> Comparison:
    """Return what autogenerate may see for the packages of ``one``.

    :raises OwnershipError: the owner of a table is not known
    """
    from websauna_migrate.autogenerate.comparison import make_comparison  # most runs compare nothing

    foreign = foreign_histories(app.ini.settings)
    return make_comparison(one.packages, one.history, app.packages, app.ownership, foreign)
