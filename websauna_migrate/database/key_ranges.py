"""A table in the order of its key, a range of rows at a time, and a place in that order as text."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from websauna_migrate.exceptions import RunError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, TableClause
    from sqlalchemy.engine import Connection

    _Compare: TypeAlias = Callable[[Any, Any], Any]

#: The values of a key column that JSON does not have: how each is written, and read again.
_FORMS: Mapping[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    UUID: (str, UUID),
    Decimal: (str, Decimal),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    date: (date.isoformat, date.fromisoformat),
    bytes: (bytes.hex, bytes.fromhex),
}
_BY_NAME = {kind.__name__: read for kind, (_, read) in _FORMS.items()}


@dataclass(frozen=True, slots=True)
class KeyedTable:
    """A table, and the columns of the key that its rows are taken in the order of."""

    table: TableClause
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the table, with its schema if it has one."""
        return f"{self.table.schema}.{self.table.name}" if self.table.schema else self.table.name

    def columns(self, table: sa.FromClause | None = None) -> tuple[ColumnElement[Any], ...]:
        """Return the columns of the key, as those of ``table`` where a statement has the table under another name."""
        own = self.table.c
        if table is None:
            return tuple(own[name] for name in self.key)
        return tuple(table.c[name] if name in table.c else sa.column(name, own[name].type) for name in self.key)


def read_keyed_table(connection: Connection, name: str, schema: str | None, key: Sequence[str]) -> KeyedTable:
    """Return the table with its ``key``, its primary key if that is empty.

    :raises RunError: there is no such table, no primary key, no such column, or one that may be NULL
    """
    inspector = sa.inspect(connection)
    shown = f"{schema}.{name}" if schema else name
    if not inspector.has_table(name, schema):
        raise RunError(f"in_batches(): there is no table {shown}", "correct its name, or pass schema=")
    names = tuple(key or inspector.get_pk_constraint(name, schema)["constrained_columns"])
    if not names:
        raise RunError(f"in_batches(): the table {shown} has no primary key", "pass key= with unique NOT NULL columns")
    columns = {column["name"]: column for column in inspector.get_columns(name, schema)}
    unusable = tuple(one for one in names if one not in columns or columns[one]["nullable"])
    if unusable:
        raise RunError(
            f"in_batches(): {listed(unusable)} of {shown} cannot be the key, because it does not exist or may be NULL",
            "pass key= with unique NOT NULL columns",
        )
    return KeyedTable(sa.table(name, *(sa.column(one, columns[one]["type"]) for one in names), schema=schema), names)


def next_keys(connection: Connection, table: KeyedTable, place: Sequence[Any] | None, size: int) -> list[Sequence[Any]]:
    """Return the keys of the next ``size`` rows after ``place``, of the first ones where that is None."""
    columns = table.columns()
    query = sa.select(*columns).order_by(*columns).limit(size)
    if place is not None:
        query = query.where(after(columns, place, connection.dialect.name))
    return [tuple(row) for row in connection.execute(query)]


def in_range(
    columns: Sequence[ColumnElement[Any]], place: Sequence[Any] | None, last: Sequence[Any], dialect: str
) -> ColumnElement[bool]:
    """Return the condition for the rows after ``place`` up to ``last``."""
    end = _compared(operator.lt, operator.le, columns, last, dialect)
    return end if place is None else sa.and_(after(columns, place, dialect), end)


def after(columns: Sequence[ColumnElement[Any]], place: Sequence[Any], dialect: str) -> ColumnElement[bool]:
    """Return the condition for the rows that come after ``place`` in the order of ``columns``."""
    return _compared(operator.gt, operator.gt, columns, place, dialect)


def _compared(
    strictly: _Compare, at_last: _Compare, columns: Sequence[ColumnElement[Any]], place: Sequence[Any], dialect: str
) -> ColumnElement[bool]:
    """Return ``columns`` compared with ``place`` in their order, by ``at_last`` where all but the last are equal.

    MariaDB and MySQL use no index for a comparison of rows.
    """
    if len(columns) == 1:
        only: ColumnElement[bool] = at_last(columns[0], place[0])
        return only
    if dialect not in ("mysql", "mariadb"):
        values = [sa.literal(value, column.type) for column, value in zip(columns, place, strict=True)]
        rows: ColumnElement[bool] = at_last(sa.tuple_(*columns), sa.tuple_(*values))
        return rows
    (first, *others), (value, *values) = columns, place
    rest = sa.and_(first == value, _compared(strictly, at_last, others, values, dialect))
    bound = first >= value if strictly is operator.gt else first <= value
    return sa.and_(bound, sa.or_(strictly(first, value), rest))


def place_as_text(place: Sequence[Any]) -> str:
    """Return the values of a key as text.

    :raises RunError: one has a type that cannot be written
    """
    return json.dumps([_written(value) for value in place], ensure_ascii=False)


def place_from_text(text: str) -> tuple[Any, ...]:
    """Return the values of a key that :func:`place_as_text` wrote."""
    return tuple(_BY_NAME[value[0]](value[1]) if isinstance(value, list) else value for value in json.loads(text))


def _written(value: object) -> object:
    if type(value) in (int, str, float):
        return value
    form = _FORMS.get(type(value))
    if form is None:
        raise RunError(
            f"in_batches(): a key of type {type(value).__name__} cannot be kept between two runs",
            "pass key= with columns of numbers, texts, UUIDs or times",
        )
    return [type(value).__name__, form[0](value)]
