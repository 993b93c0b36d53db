"""The one place where this package changes what Alembic does: called by ``run_alembic``, never by an import."""

from __future__ import annotations

from functools import cache

from alembic.autogenerate import renderers
from alembic.runtime.plugins import Plugin

from websauna_migrate.autogenerate import comparators, unchanged
from websauna_migrate.autogenerate.constraints.key_ops import CreateKey, render_key
from websauna_migrate.autogenerate.objects.kept import OfObject, ReadPrivileges, render_of_object
from websauna_migrate.autogenerate.objects.undeclared import DropUndeclared, MakeUndeclared, render_undeclared
from websauna_migrate.autogenerate.script_ops import (
    Comment,
    ConvertColumn,
    RecreateColumn,
    Refusal,
    RenameTable,
    SqlOfPostgresql,
    StatementsOp,
    render_comment,
    render_conversion,
    render_recreation,
    render_refusal,
    render_rename,
    render_sql_of_postgresql,
    render_statements,
)
from websauna_migrate.dialects.install import install_implementations

_RENDERERS = (
    (RenameTable, render_rename),
    (SqlOfPostgresql, render_sql_of_postgresql),
    (OfObject, render_of_object),
    (ReadPrivileges, render_of_object),
    (DropUndeclared, render_undeclared),
    (MakeUndeclared, render_undeclared),
    (CreateKey, render_key),
    (RecreateColumn, render_recreation),
    (ConvertColumn, render_conversion),
    (Comment, render_comment),
    (StatementsOp, render_statements),
    (Refusal, render_refusal),
)


@cache
def install() -> None:
    """Give Alembic our implementations, renderers and comparators, once in a process: its registries are global.

    Comparators are at work only where the options of a comparison name them, renderers only for operations of ours.
    """
    install_implementations()
    for operation, render in _RENDERERS:
        renderers.dispatch_for(operation)(render)
    # Alembic's own comparators were registered by the import above: of one priority, the first ones are asked first.
    for plugin in (comparators, unchanged):
        plugin.setup(Plugin(plugin.PLUGIN))
