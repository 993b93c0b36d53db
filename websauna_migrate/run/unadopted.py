"""Databases that another tool brought to where they are, and that nobody has adopted yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import table_names
from websauna_migrate.database.version_tables import find_version_tables
from websauna_migrate.packages.histories import foreign_histories
from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.history import HistoryGraph, applied
from websauna_migrate.run.errors import NotAdopted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application


def refuse_unadopted(app: Application, begun: Collection[str], connection: Connection) -> None:
    """Raise where another version table says that revisions of a package in ``begun`` are applied.

    The history tables of these packages are empty.

    :raises NotAdopted: running the revisions again would change data twice
    """
    if not begun:
        return
    own = (TableName(None, history.history_table) for history in app.histories)
    tables = find_version_tables(connection, {*own, *foreign_histories(app.ini.settings), *app.ownership.owners})
    for package in begun:
        graph = app.graph().histories[package]
        for table in tables:
            if graph.revisions.keys() & set(table.rows or ()):
                rows, models = table.rows or (), app.ownership.of(app.history(package).packages)
                left_over = is_left_over(graph, rows, models, connection)
                raise NotAdopted(package, str(table.name), rows, is_left_over=left_over)


def is_left_over(graph: HistoryGraph, rows: Iterable[str], models: Iterable[TableName], connection: Connection) -> bool:
    """Tell whether ``rows``, those of an old version table, are of a database that has none of their tables any more.

    So it is after ``downgrade base``, which does not know the old table. A table of the ``models`` may be one that SQL
    in a script created or renamed.
    """
    created = created_tables(graph.revisions[id_] for id_ in applied(graph, rows)).keys()
    tables = {*created, *models}
    with reading(connection):
        return bool(created) and tables.isdisjoint(table_names(connection, {name.schema for name in tables}))
