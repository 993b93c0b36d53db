"""TODO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import URL, Connection

    from websauna_migrate.autogenerate.comparison import Comparison
    from websauna_migrate.packages.package import History


ATTRIBUTE = "websauna_migrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """One run of one history's ``env.py``.

    ``metadata`` is that of the packages of the history, ``connect`` gives the connection of the whole command and is
    not called offline, ``comparison`` is None unless the command compares the models with the database.
    ``on_configured`` gets the ``MigrationContext`` that the ``env.py`` configured; unless it ``only_configures``,
    Alembic's own ``run_migrations()`` follows.
    """

    history: History
    url: URL
    metadata: tuple[MetaData, ...]
    connect: Callable[[], Connection]
    comparison: Comparison | None = None
    on_configured: Callable[[MigrationContext], None] = lambda migration: None
    only_configures: bool = False
