"""Whether the tables of a database are those of the models, whatever its history table says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websauna_migrate.database.connection import reading
from websauna_migrate.packages.selection import Selected
from websauna_migrate.run.context import comparison_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import History


def models_match(app: Application, history: History, connection: Connection) -> bool:
    """Tell whether ``check`` would find no difference for ``history``, if all its revisions were applied.

    Filters in the ``env.py`` of the history are not asked, so that no code of it runs.
    """
    from alembic.autogenerate import produce_migrations
    from alembic.runtime.migration import MigrationContext

    from websauna_migrate.autogenerate.install import install
    from websauna_migrate.autogenerate.options import comparison_options
    from websauna_migrate.autogenerate.passes import Draft, apply

    if app.ownership.problems:
        return False
    install()
    with reading(connection):
        # The findings are about tables.
        comparison = replace(comparison_of(app, Selected(history, history.packages)), objects=None)
        context = MigrationContext.configure(connection, opts=comparison_options(comparison, connection, {}))
        metadata: Any = comparison.metadata  # Alembic takes several
        script = produce_migrations(context, metadata)
        apply(Draft([script], context, (), comparison, {}))
    return script.upgrade_ops is not None and script.upgrade_ops.is_empty()
