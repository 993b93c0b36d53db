"""The options of sequences and identity columns, with the defaults of the database for those that are not given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from websauna_migrate.dialects.spelling import type_text

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_WIDTHS = {width.upper(): width for width in _BITS}


@dataclass(frozen=True, slots=True)
class Numbering:
    """How numbers are counted; ``width`` is the type of the numbers, as PostgreSQL calls it."""

    width: str
    increment: int
    minvalue: int
    maxvalue: int
    start: int
    cache: int
    cycle: bool

    def __str__(self) -> str:
        clauses = (_clause(one.name, getattr(self, one.name)) for one in fields(self))
        return " ".join(clause for clause in clauses if clause)


def width_of(type_: TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return the width of the numbers of a column or sequence of ``type_``, None where it is no plain integer."""
    return _WIDTHS.get(type_text(type_, dialect) or "")


def numbering(options: sa.Identity | sa.Sequence, width: str, dialect: str) -> Numbering:
    """Return what a database makes of ``options`` for numbers of a ``width``."""
    step = options.increment or 1
    lowest, highest, cache = _limits(width, dialect)
    low = options.minvalue if options.minvalue is not None else 1 if step > 0 else lowest
    high = options.maxvalue if options.maxvalue is not None else highest if step > 0 else -1
    start = options.start if options.start is not None else low if step > 0 else high
    return Numbering(width, step, low, high, start, options.cache or cache, bool(options.cycle))


def _limits(width: str, dialect: str) -> tuple[int, int, int]:
    """Return the lowest and the highest number, and how many are cached."""
    highest = 2 ** (_BITS.get(width, 64) - 1) - 1
    return (-highest - 1, highest, 1) if dialect == "postgresql" else (-highest, highest - 1, 1000)


def altered(before: Numbering, after: Numbering) -> Iterator[str]:
    """Yield the clauses of ``ALTER SEQUENCE`` that make ``after`` of ``before``."""
    for one in fields(before):
        new = getattr(after, one.name)
        if getattr(before, one.name) != new:
            yield _clause(one.name, new) or "NO CYCLE"


def statements(alter: str, clauses: Sequence[str], sequence: str, before: Numbering, after: Numbering) -> list[str]:
    """Return the statements of PostgreSQL that begin with ``alter`` and have the ``clauses``.

    ``sequence`` is an expression for the name. It goes on where it may before the lowest number rises above its last.
    """
    lowest = after.minvalue
    if lowest <= before.minvalue:
        return [" ".join((alter, *clauses))]
    last = [clause for clause in clauses if clause.endswith(f"MINVALUE {lowest}")]
    first = [clause for clause in clauses if clause not in last]
    used = f"pg_sequence_last_value({sequence}::regclass)"  # NULL before the first number
    position = f"CASE WHEN {used} IS NULL THEN {after.start} ELSE {lowest} END" if after.start != lowest else lowest
    return [
        *([" ".join((alter, *first))] if first else []),
        f"SELECT setval({sequence}, {position}, false) WHERE coalesce({used}, {lowest - 1}) < {lowest}",
        " ".join((alter, *last)),
    ]


def _clause(name: str, value: object) -> str:
    words = {"width": "AS", "increment": "INCREMENT BY", "start": "START WITH"}
    if name == "cycle":
        return "CYCLE" if value else ""
    return f"{words.get(name, name.upper())} {value}"
