"""Databases that another tool brought to where they are, and that nobody has adopted yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.database.version_tables import find_version_tables
from websauna_migrate.packages.histories import foreign_histories
from websauna_migrate.packages.package import TableName
from websauna_migrate.run.errors import NotAdopted

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan


def refuse_unadopted(app: Application, plan: Plan, connection: Connection) -> None:
    """Raise where ``plan`` begins a history whose revisions another version table says are applied.

    :raises NotAdopted: running them again would change data twice
    """
    begun = [package for package, rows in plan.heads_before.items() if not rows]
    if plan.direction == "down" or not begun:
        return
    own = (TableName(None, history.history_table) for history in app.histories)
    tables = find_version_tables(connection, {*own, *foreign_histories(app.ini.settings), *app.ownership.owners})
    for package in begun:
        known = app.graph().histories[package].revisions.keys()
        for table in tables:
            if known & set(table.rows or ()):
                raise NotAdopted(package, str(table.name), table.rows or ())
