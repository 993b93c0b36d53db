"""What to write where a foreign key to another package does not resolve.

SQLAlchemy looks for the table of ``ForeignKey("note.id")`` in the metadata of the referring table only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.exc import NoReferencedTableError

from websauna_migrate.packages.package import referred_name
from websauna_migrate.private import all_mappers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ForeignKey

    from websauna_migrate.packages.package import MigrationPackage


def remedy_for_reference(error: BaseException, packages: Collection[MigrationPackage]) -> str | None:
    """Return the lines to write in place of the foreign key that raised ``error``; None for any other error."""
    if not isinstance(error, NoReferencedTableError):
        return None
    tables = list(_tables(packages))
    for table in tables:
        for key in table.foreign_keys:
            name = str(referred_name(key))
            target = next((one for one in tables if one.fullname == name), None)
            if name == error.table_name and name not in table.metadata.tables and target is not None:
                return _lines(table, key, target)
    return f"include the package that has the table {error.table_name!r} with config.include(), or correct the name"


def is_unresolved(key: ForeignKey) -> bool:
    """Tell whether ``key`` names a table that its metadata does not have."""
    try:
        return key.column is None
    except NoReferencedTableError:
        return True


def _lines(table: Table, key: ForeignKey, target: Table) -> str:
    column = key.target_fullname.rpartition(".")[2]
    place = f"{table.fullname}.{key.parent.name}"
    for mapper in all_mappers():
        if mapper.local_table is target:
            name, module = mapper.class_.__qualname__, mapper.class_.__module__
            line = f"from {module} import {name}"
            return f"import the model with {line!r} and write ForeignKey({name}.{column}) at {place}"
    return f"import the Table {target.fullname!r} and write ForeignKey(that_table.c.{column}) at {place}"


def _tables(packages: Collection[MigrationPackage]) -> Iterator[Table]:
    for metadata in dict.fromkeys(m for package in packages for m in package.metadata):
        yield from metadata.tables.values()
