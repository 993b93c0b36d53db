"""Migration packages, and the histories that hold their revisions.

Values only: nothing here reads a file or a database. Only metadata that a dotted name registers is imported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.packages.named_metadata import NamedMetadata, imported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import ForeignKey, MetaData

TABLE_PREFIX = "alembic_history_"

_LONGEST_NAME = 63  # bytes of an identifier in PostgreSQL, the shortest limit of the three databases
MAX_TABLE_NAME = _LONGEST_NAME - len("_pkc")  # Alembic names the primary key "<table>_pkc"


class TableName(NamedTuple):
    """A table by its schema, None for the default one, and its name."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def shown(self, default_schema: str | None) -> TableName:
        """Return the name as a database shows it: without the schema if that is the default one."""
        return TableName(None, self.name) if self.schema == default_schema else self


def referred_name(foreign_key: ForeignKey) -> TableName:
    """Return the table that ``foreign_key`` refers to, with the schema that it names."""
    if hasattr(foreign_key, "target_tokens"):  # since SQLAlchemy 2.1: a name may contain a dot
        return TableName(foreign_key.target_tokens.schema, foreign_key.target_tokens.table_name)
    path = foreign_key.target_fullname.split(".")
    return TableName(".".join(path[:-2]) or None, path[-2])


def named_table(text: str) -> TableName:
    """Return the table that ``text`` names, with or without a schema."""
    schema, _, name = text.rpartition(".")
    return TableName(schema or None, name)


@dataclass(frozen=True, slots=True)
class MigrationPackage:
    """A Python package registered with the metadata of its models.

    ``registered`` is that metadata, or what names it. ``script_location`` is the argument of the registration:
    ``pkg:folder``, a path, or None. ``objects`` are entities of alembic-utils or their dotted name, which is imported
    when models are compared; None where there are none.
    """

    name: str
    registered: tuple[MetaData | NamedMetadata, ...]
    script_location: str | None = None
    objects: object = None

    @property
    def metadata(self) -> tuple[MetaData, ...]:
        """The metadata; what was registered by a dotted name is imported when it is first asked for.

        :raises RegistrationError: it cannot be imported, or is no metadata
        """
        return tuple(dict.fromkeys(metadata for one in self.registered for metadata in imported(one)))

    @property
    def is_imported(self) -> bool:
        """Whether the metadata is known without an import."""
        return all(one.is_imported for one in self.registered if isinstance(one, NamedMetadata))


@dataclass(frozen=True, slots=True)
class History:
    """One script location with its history table.

    ``package`` owns the history. ``packages`` are all packages whose tables it holds: the owner first, then the
    adopted ones in registration order. ``script_location`` is absolute and need not exist yet.
    ``version_locations`` are the absolute folders with the revision scripts, the folder for new scripts first.
    ``recursive`` and ``sourceless`` are Alembic's options ``recursive_version_locations`` and ``sourceless``.
    """

    package: str
    packages: tuple[str, ...]
    script_location: Path
    version_locations: tuple[Path, ...]
    history_table: str
    recursive: bool = False
    sourceless: bool = False


def history_table_name(package: str) -> str:
    """Return the name of the history table of ``package``.

    A name that is too long for an identifier of PostgreSQL is shortened and ends with a hash of the whole name. It is
    the same on every machine and every database.
    """
    return _cut(TABLE_PREFIX + package.lower().replace(".", "_"), MAX_TABLE_NAME, package.lower())


def constraint_name(kind: str, table: str, columns: Iterable[str], referred: str = "") -> str:
    """Return a name for a constraint that has none in the models, so that a revision can drop it.

    ``kind`` is ``uq`` or ``fk``, ``referred`` is the table that a foreign key refers to. A name that is too long is
    shortened and ends with a hash of the whole name.
    """
    name = "_".join(part for part in (kind, table, *columns, referred) if part)
    return _cut(name, _LONGEST_NAME, name)


def _cut(name: str, longest: int, hashed: str) -> str:
    """Return ``name`` if it has at most ``longest`` bytes, else its start and a hash of ``hashed``."""
    if len(name.encode()) <= longest:
        return name
    digest = hashlib.sha256(hashed.encode()).hexdigest()[:8]
    kept = name.encode()[: longest - len(digest) - 1].decode(errors="ignore")
    return f"{kept}_{digest}"


def holds(package: str, dotted_name: str) -> bool:
    """Tell whether ``dotted_name`` is ``package`` or inside it. ``foo`` does not hold ``foobar``."""
    return dotted_name == package or dotted_name.startswith(package + ".")


# An enum type has a schema, None for the default one, and a name, as a table has.
TypeName = TableName


class ColumnName(NamedTuple):
    """A column by its table and its name."""

    table: TableName
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"
