"""Statements that are read by themselves: which changes of rows are small, and how long a script lets one wait."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websauna_migrate.lint.actions import Action

#: From so many rows on a table is changed in batches.
MANY = 10_000

# One column of the key, with its table or not, compared with values.
_FEW = (
    r"""(?<![\w."`])(?<!\bNOT\s)(?<!\bNOT\()(?<!\bNOT\s\()(?:(?:\w+|"[^"]+"|`[^`]+`)\.)*["`]?%s["`]?\s*"""
    r"""(?:=\s*(?:[-+]?\d|'|[:%%?$])|IN\s*\((?!\s*SELECT\b)|BETWEEN\b)"""
)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_ALTERNATIVE = re.compile(r"\bOR\b", re.IGNORECASE)
_BEFORE_QUERY = re.compile(r".*?(?:\bSELECT\b|$)", re.IGNORECASE | re.DOTALL)  # what is in it is of another table

_UNITS = {"us": 1e-6, "ms": 1e-3, "": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PG_LOCK = re.compile(
    r"\bSET\s+(?:SESSION\s+|LOCAL\s+)?lock_timeout\s*(?:=|\bTO\b)\s*('[^']*'|\w+)"
    r"|\bset_config\s*\(\s*'lock_timeout'\s*,\s*('[^']*')",
    re.IGNORECASE,
)
_MYSQL_LOCK = re.compile(r"\b(?:innodb_)?lock_wait_timeout\s*:?=\s*(\d+)", re.IGNORECASE)
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)")


def changes_few(action: Action, key: str | None) -> bool:
    """Tell whether the condition of a change names rows by the primary key; ``key`` is its column, where it has one."""
    if "LIMIT" in action.marks:
        return True
    condition = _TEXT.sub("''", action.rest)
    if key is None or _ALTERNATIVE.search(condition):
        return False
    outside = _BEFORE_QUERY.match(condition)
    return outside is not None and re.search(_FEW % re.escape(key), outside[0], re.IGNORECASE) is not None


def lock_waits(sql: str, dialect: str) -> Iterator[float]:
    """Yield the seconds that ``sql`` sets as the limit of waiting for a table; no limit is infinite."""
    if dialect == "postgresql":
        yield from (_seconds(found[1] or found[2]) for found in _PG_LOCK.finditer(sql))
    elif dialect in ("mysql", "mariadb"):
        yield from (float(found[1]) for found in _MYSQL_LOCK.finditer(sql))


def _seconds(value: str) -> float:
    text = value.strip("' ").lower()
    found = _DURATION.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        return 0.0  # DEFAULT, or what is not known
    return float(found[1]) * _UNITS[found[2]] or math.inf
