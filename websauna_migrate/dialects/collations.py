"""Collations of columns on SQLite, which SQLAlchemy does not reflect: they are read from the SQL of the tables."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Inspector

from websauna_migrate.dialects.sqlite_sql import declared_collations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

_SQL = sa.text(
    "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    " UNION ALL SELECT name, sql FROM sqlite_temp_master WHERE type = 'table'"
)
# Those that SQLite has itself, in any case of letters; the first one is the default.
_OWN = ("BINARY", "NOCASE", "RTRIM")
_READ: WeakKeyDictionary[Inspector, dict[str, str]] = WeakKeyDictionary()


def add_collation(column: Any, table: str, inspector: Inspector, connection: Connection) -> None:
    """Give the reflected ``column`` of ``table`` a type with its collation. The SQL is read once for all tables."""
    if inspector not in _READ:
        _READ[inspector] = {name: sql for name, sql in connection.execute(_SQL) if sql and "COLLATE" in sql.upper()}
    declared = declared_collations(_READ[inspector].get(table, "")).get(column["name"], "")
    if declared.upper() in _OWN:
        declared = declared.upper()
    if declared not in ("", _OWN[0]):
        column["type"] = collated(column["type"], declared)


def collated(type_: Any, collation: str) -> Any:
    """Return ``type_`` with ``collation`` where it is a text without one."""
    if not isinstance(type_, sa.String) or type_.collation is not None:
        return type_
    with_collation = copy.copy(type_)
    with_collation.collation = collation
    return with_collation


def uncollated(operations: Iterable[tuple[str, tuple[Any, ...], Mapping[str, Any]]]) -> frozenset[str]:
    """Return the columns from which the ``operations`` of a batch take a collation: only their old types have one."""
    changes = [(arguments[1], options) for name, arguments, options in operations if name == "alter_column"]
    return frozenset(
        str(column)
        for column, options in changes
        if options.get("type_") is not None
        and _has_one(options.get("existing_type"))
        and not _has_one(options["type_"])
    )


def _has_one(type_: Any) -> bool:
    return getattr(type_, "collation", None) is not None
