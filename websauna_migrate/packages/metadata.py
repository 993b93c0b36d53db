"""The metadata of several packages for Alembic: foreign keys between packages resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKeyConstraint, MetaData, Table
from sqlalchemy.sql.elements import conv

from websauna_migrate.packages.errors import UnresolvedForeignKey
from websauna_migrate.packages.ownership import referred_table
from websauna_migrate.packages.package import referred_name
from websauna_migrate.packages.references import is_unresolved
from websauna_migrate.private import is_of_type, name_by_convention

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History, MigrationPackage


def steps_metadata(history: History, registered: Mapping[str, MigrationPackage]) -> MetaData:
    """Return the metadata whose naming convention holds for the operations in the scripts of ``history``.

    That is the one of the package that the history belongs to, or of the adopted ones where it has no models. Of
    several, an empty one is returned, with the convention that they share, else without one: nothing tells which
    of them a script means.
    """
    adopted = [m for name in history.packages for m in registered[name].metadata]
    metadata = registered[history.package].metadata or adopted
    if len(metadata) == 1:
        return metadata[0]
    first = metadata[0].naming_convention if metadata else None
    return MetaData(naming_convention=first if all(m.naming_convention == first for m in metadata) else None)


def alters_names(convention: Mapping[str, object]) -> bool:
    """Tell whether ``convention`` makes another name of one that is given, unless that is marked as final."""
    return any(isinstance(template, str) and "constraint_name" in template for template in convention.values())


def target_metadata(packages: Iterable[MigrationPackage], ownership: Ownership) -> list[MetaData]:
    """Return the metadata of all ``packages``, with foreign keys between them that resolve.

    A package with its own metadata may refer to a table of another package by name, which SQLAlchemy looks up only in
    the metadata of the referring table. If one does, a copy of all tables in one metadata is returned.

    :raises UnresolvedForeignKey: no registered package has the table
    """
    metadata = list(dict.fromkeys(m for package in packages for m in package.metadata))
    elsewhere = [table for m in metadata for table in m.tables.values() if _refers_elsewhere(table)]
    if len(metadata) > 1 and elsewhere:
        return [merged_metadata(ownership)]
    for table in elsewhere:
        for key in filter(is_unresolved, table.foreign_keys):
            raise UnresolvedForeignKey(table.fullname, key.target_fullname)
    return metadata


def _refers_elsewhere(table: Table) -> bool:
    own = table.metadata.tables
    names = (str(referred_name(fk)) for fk in table.foreign_keys)
    return any(name not in own and f"{table.metadata.schema}.{name}" not in own for name in names)


def merged_metadata(ownership: Ownership) -> MetaData:
    """Return a copy of all owned tables in one metadata, where foreign keys between packages resolve.

    Everything has the name that it has in the metadata of its own table.
    """
    merged = MetaData()

    def referred_schema(
        table: Table, _to_schema: str | None, constraint: ForeignKeyConstraint, schema: str | None
    ) -> str | None:
        target = referred_table(ownership.tables, table, constraint.elements[0])
        if target is None:
            raise UnresolvedForeignKey(table.fullname, constraint.elements[0].target_fullname)
        return target.schema

    without = merged.naming_convention
    for table in ownership.tables.values():
        merged.naming_convention = table.metadata.naming_convention
        copied = table.to_metadata(merged, referred_schema_fn=referred_schema)
        _name_checks(copied)
        _copy_operator_classes(table, copied)
    merged.naming_convention = without
    return merged


def _copy_operator_classes(table: Table, copied: Table) -> None:
    """Give the EXCLUDE constraints of ``copied`` their operator classes: SQLAlchemy forgets to."""
    kind = "exclude_constraint"  # the class is in the dialect of PostgreSQL, which others need not load
    classes = {one.name: vars(one)["ops"] for one in table.constraints if one.__visit_name__ == kind}
    for constraint in copied.constraints:
        if constraint.__visit_name__ == kind:
            vars(constraint)["ops"] = classes[constraint.name]


def _name_checks(table: Table) -> None:
    """Name the CHECKs of the types in ``table`` now: SQLAlchemy asks for the convention when it writes the SQL."""
    for check in table.constraints:
        if is_of_type(check) and (name := name_by_convention(check, table)):
            check.name = conv(name)
