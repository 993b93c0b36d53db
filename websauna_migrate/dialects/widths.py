"""Whether a column of one type takes all that a column of another one had: on the text of types, as DDL has it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from websauna_migrate.database.sql import texts_in

_TYPE = re.compile(r"(?P<base>[^(]+)(?:\((?P<arguments>.*?)\))?(?P<rest>[^)]*)", re.DOTALL)

_ONE_NAME = {
    "character varying": "varchar",
    "nvarchar": "varchar",
    "character": "char",
    "nchar": "char",
    "bpchar": "char",
    "decimal": "numeric",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float": "double",
    "float4": "real",
    "float8": "double",
    "double precision": "double",
    "bool": "boolean",
    "timestamp without time zone": "timestamp",
    "timestamptz": "timestamp with time zone",
    "time without time zone": "time",
    "bit varying": "varbit",
}

# Each type takes all values of those before it.
_FAMILIES = (
    ("smallint", "integer", "bigint"),
    ("tinyint", "smallint", "mediumint", "integer", "bigint"),
    ("tinyint unsigned", "smallint unsigned", "mediumint unsigned", "integer unsigned", "bigint unsigned"),
    ("real", "double"),
    ("char", "varchar", "text"),
    ("char", "varchar", "text", "mediumtext", "longtext"),
    ("tinytext", "text", "mediumtext", "longtext"),
    ("binary", "varbinary", "blob", "mediumblob", "longblob"),
    ("tinyblob", "blob", "mediumblob", "longblob"),
)

# What PostgreSQL makes wider without writing a row.
_KEPT_IN_PLACE = frozenset({"varchar", "text", "numeric", "varbit", "timestamp", "timestamp with time zone", "time"})

_WITH_LENGTH = frozenset({"char", "varchar", "binary", "varbinary", "bit", "varbit"})

_WITH_PRECISION = frozenset({"timestamp", "timestamp with time zone", "time", "datetime"})

_UNLIMITED = 10**9


@dataclass(frozen=True, slots=True)
class _Type:
    base: str
    numbers: tuple[int, ...]
    values: tuple[str, ...]


def widens(before: str, after: str) -> bool:
    """Tell whether code that knows a column as ``before`` goes on to work where it is ``after``.

    The type is the same, or takes more of the same kind. Any other change does not count as wider.
    """
    old, new = _parsed(before), _parsed(after)
    if old.base == new.base:
        return _takes_all(old, new)
    is_later = any(old.base in family and new.base in family[family.index(old.base) :] for family in _known(old))
    return is_later and (new.base not in _WITH_LENGTH or _length(old) <= _length(new))


def keeps_rows(before: str, after: str) -> bool:
    """Tell whether PostgreSQL changes the type of a column from ``before`` to ``after`` without writing its rows."""
    old, new = _parsed(before), _parsed(after)
    if old == new:
        return True
    scale_stays = old.base != "numeric" or not new.numbers or old.numbers[1:] == new.numbers[1:]
    return {old.base, new.base} <= _KEPT_IN_PLACE and widens(before, after) and scale_stays


def removed_values(before: str, after: str) -> tuple[str, ...]:
    """Return the values that an ``ENUM`` or ``SET`` of MariaDB has as ``before`` and not as ``after``."""
    old, new = _parsed(before), _parsed(after)
    return tuple(value for value in old.values if value not in new.values) if new.values else ()


def _known(old: _Type) -> list[tuple[str, ...]]:
    return [family for family in _FAMILIES if old.base in family]


def _takes_all(old: _Type, new: _Type) -> bool:
    if old.values or new.values:
        return set(old.values) <= set(new.values)
    if old.base == "numeric":
        return _takes_numbers(old, new)
    if old.base in _WITH_LENGTH:
        return _length(old) <= _length(new)
    if old.base in _WITH_PRECISION:
        # MariaDB's default is no fraction, PostgreSQL's is all six digits: one that is said may be less than it.
        return old.numbers == new.numbers or (bool(old.numbers and new.numbers) and old.numbers <= new.numbers)
    return True


def _takes_numbers(old: _Type, new: _Type) -> bool:
    if not new.numbers:
        return True
    if not old.numbers:
        return False
    (precision, scale), (new_precision, new_scale) = ((*one.numbers, 0)[:2] for one in (old, new))
    return scale <= new_scale and precision - scale <= new_precision - new_scale


def _length(type_: _Type) -> int:
    """Return how much a column of ``type_`` takes; what has no length takes all, but a lone ``CHAR`` takes one."""
    if type_.numbers:
        return type_.numbers[0]
    return 1 if type_.base in ("char", "bit", "binary") else _UNLIMITED


def _parsed(text: str) -> _Type:
    found = _TYPE.fullmatch(text.strip())
    if found is None:  # of an array, or quoted: it is the same only if it is written the same
        return _Type(" ".join(text.split()).lower(), (), ())
    arguments = found["arguments"] or ""
    base = " ".join(f"{found['base']} {found['rest']}".split()).lower()
    head, _, unsigned = base.partition(" unsigned")
    name = _ONE_NAME.get(head if _ else base, head if _ else base) + (_ and " unsigned") + unsigned
    values = tuple(texts_in(arguments, "mysql"))
    numbers = () if values or "int" in name else tuple(int(part) for part in re.findall(r"\d+", arguments))
    return _Type(name, numbers, values)
