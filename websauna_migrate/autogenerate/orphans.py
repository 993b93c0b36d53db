"""The tables of packages that are not registered now, but whose histories are in the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alembic.util import warn

from websauna_migrate.database.connection import reading
from websauna_migrate.database.reflection import table_names
from websauna_migrate.packages.package import TABLE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.comparison import Comparison
    from websauna_migrate.packages.package import TableName


def without_orphans(comparison: Comparison, connection: Connection | None) -> Comparison:
    """Return ``comparison`` without its unclaimed tables while the database has the history of an unknown package.

    The script that created a table may belong to another package than the model, and the settings in use may register
    only some packages of the database. A warning lists the tables that exist.
    """
    if not comparison.unclaimed or connection is None:
        return comparison
    with reading(connection):
        existing = table_names(connection, {None, *(name.schema for name in comparison.unclaimed)})
    orphans = _orphans(existing, comparison)
    left = existing & comparison.unclaimed
    if not orphans or not left:
        return comparison
    warn(
        f"no registered package has models of {', '.join(sorted(map(str, left)))}, but the database has the history of "
        f"a package that is not registered ({', '.join(sorted(orphans))}), so these tables are not dropped"
    )
    return replace(comparison, tables=comparison.tables - left)


def has_orphans(comparison: Comparison, connection: Connection) -> bool:
    """Tell whether the database has the history of a package that is not registered."""
    return bool(_orphans(table_names(connection, {None}), comparison))


def _orphans(existing: Iterable[TableName], comparison: Comparison) -> set[str]:
    found = {name.name for name in existing if name.schema is None and name.name.startswith(TABLE_PREFIX)}
    return found - comparison.history_tables
