"""Character sets and collations of columns on MySQL and MariaDB: they count where the models name them.

A column that names none gets those of its table, its database or its server, which differ from one place to the next.
To change them takes long, and fails where a row does not fit.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from websauna_migrate.database.sql import adapted

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

_NAMES = ("charset", "collation")
_FLAGS = ("ascii", "unicode", "binary", "national")  # other ways to name one


def without_charset(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return ``type_`` as it is without a character set and a collation."""
    text = _text(type_, dialect)
    if text is None or not any(_named(text)):
        return type_
    bare: Any = copy.copy(text)
    for name in _NAMES:
        if hasattr(bare, name):
            setattr(bare, name, None)
    return bare  # type: ignore[no-any-return]


def implies_charset(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether ``type_`` means a character set that only the server knows, as ``ASCII`` and ``JSON`` do."""
    text = _text(type_, dialect)
    if text is None:
        return isinstance(adapted(type_, dialect), sa.JSON)
    return any(getattr(text, flag, False) for flag in _FLAGS)


def has_charset(found: Column[Any], wanted: Column[Any], dialect: Dialect) -> bool:
    """Tell whether the column ``found`` has the character set and the collation that ``wanted`` names, if it does."""
    text, stored = _text(wanted.type, dialect), _text(found.type, dialect)
    if text is None or stored is None:
        return True
    charset, collation = _named(text)
    of_column, default = _named(stored), _default(found)
    there = of_column if any(of_column) else default
    there_collation = there[1] or ""
    there_charset = there[0] or there_collation.partition("_")[0]
    return (not charset or _same(charset, there_charset)) and (not collation or _same(collation, there_collation))


def keeping_charset(wanted: TypeEngine[Any], found: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return ``wanted`` with the character set and the collation of ``found``, unless it names some itself."""
    text, stored = _text(wanted, dialect), _text(found, dialect)
    if (
        text is None
        or stored is None
        or any(_named(text))
        or not any(_named(stored))
        or implies_charset(wanted, dialect)
    ):
        return wanted
    kept: Any = copy.copy(text)
    for name, value in zip(_NAMES, _named(stored), strict=True):
        if hasattr(kept, name):  # a type of SQLAlchemy itself has a collation only, which says the rest
            setattr(kept, name, value)
    return kept  # type: ignore[no-any-return]


def _text(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return what ``type_`` is in ``dialect`` if that has a collation, as text, ``ENUM`` and ``SET`` have."""
    if dialect.name not in ("mysql", "mariadb"):
        return None
    # SQLAlchemy forgets the character set of an ENUM of MySQL that it adapts to MySQL.
    inner = type_ if hasattr(type_, "charset") and not isinstance(type_, TypeDecorator) else adapted(type_, dialect)
    return inner if hasattr(inner, "collation") else None


def _named(type_: TypeEngine[Any]) -> tuple[str | None, str | None]:
    return getattr(type_, "charset", None), getattr(type_, "collation", None)


def _default(column: Column[Any]) -> tuple[str | None, str | None]:
    """Return what the table of a reflected ``column`` has for columns that name nothing."""
    options = {name.partition("_")[2]: value for name, value in column.table.dialect_kwargs.items()}
    return options.get("default_charset"), options.get("collate")


def _same(one: str, other: str) -> bool:
    return _modern(one) == _modern(other)


def _modern(name: str) -> str:
    charset, underscore, rest = name.lower().partition("_")
    return ("utf8mb3" if charset == "utf8" else charset) + underscore + rest
