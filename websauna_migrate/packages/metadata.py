"""The metadata of several packages for Alembic: foreign keys between packages resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table

from websauna_migrate.packages.errors import UnresolvedForeignKey
from websauna_migrate.packages.ownership import referred_table
from websauna_migrate.packages.package import referred_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import MigrationPackage


def target_metadata(packages: Iterable[MigrationPackage], ownership: Ownership) -> list[MetaData]:
    """Return the metadata of all ``packages``, with foreign keys between them that resolve.

    A package with its own metadata may refer to a table of another package by name, which SQLAlchemy looks up only in
    the metadata of the referring table. If one does, a copy of all tables in one metadata is returned.
    """
    metadata = list(dict.fromkeys(m for package in packages for m in package.metadata))
    if len(metadata) < 2 or not any(_refers_elsewhere(table) for m in metadata for table in m.tables.values()):
        return metadata
    return [merged_metadata(ownership)]


def _refers_elsewhere(table: Table) -> bool:
    own = table.metadata.tables
    names = (str(referred_name(fk)) for fk in table.foreign_keys)
    return any(name not in own and f"{table.metadata.schema}.{name}" not in own for name in names)


def merged_metadata(ownership: Ownership) -> MetaData:
    """Return a copy of all owned tables in one metadata, where foreign keys between packages resolve."""
    merged = MetaData()

    def referred_schema(table: Table, _to_schema: str | None, constraint: Any, schema: str | None) -> str | None:
        target = referred_table(ownership.tables, table, constraint.elements[0])
        if target is None:
            raise UnresolvedForeignKey(table.fullname, constraint.elements[0].target_fullname)
        return target.schema

    for table in ownership.tables.values():
        table.to_metadata(merged, referred_schema_fn=referred_schema)
    return merged
