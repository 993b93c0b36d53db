"""The order and the expressions of the indexes of MySQL and MariaDB, which SQLAlchemy does not reflect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from websauna_migrate.database.sql import escape_colons
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import index_of_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Index, MetaData, Table
    from sqlalchemy.engine import Connection

    # The parts of an index: the column or None, the length, the order, and the expression or None.
    Part = tuple[str | None, int | None, str | None, str | None]
    Parts = dict[tuple[str, str], list[Part]]

_STATISTICS = (
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, COLLATION, {expression}"
    " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = :schema ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
)
# By the metadata of one comparison, and by schema.
_READ: WeakKeyDictionary[MetaData, dict[str | None, Parts]] = WeakKeyDictionary()


def complete_indexes(indexes: set[Index], connection: Connection, renames: Any) -> None:
    """Give reflected ``indexes``, all of one table, their order and expressions. ``renames`` are of the comparison."""
    table = next((index.table for index in indexes), None)
    if table is None:
        return
    name = TableName(table.schema, table.name)
    stored = renames.stored(name) if renames else name
    names = {new: old for old, new in renames.names.get(name, {}).items()} if renames else {}
    parts = _parts(table, connection)
    for index in list(indexes):
        found = parts.get((stored.name, names.get(str(index.name), str(index.name))), [])
        if is_more_than_columns(found):
            indexes.remove(index)
            indexes.add(_completed(index, table, found, stored, renames, connection))


def is_more_than_columns(parts: Sequence[Part]) -> bool:
    """Tell whether one of ``parts`` has an order or is an expression, and none is a prefix, of which columns tell."""
    return not any(length for _, length, *_ in parts) and any(
        order == "D" or expression for *_, order, expression in parts
    )


def decoded(expression: str) -> str:
    """Return the ``expression`` of an index of MySQL, which shows UTF-8 as if it were Latin-1."""
    try:
        return expression.encode("latin-1").decode()
    except UnicodeError:  # it is shown as it is, as of a temporary table
        return expression


def _completed(
    index: Index, table: Table, parts: Sequence[Part], stored: TableName, renames: Any, connection: Connection
) -> Index:
    expressions: list[Any] = []
    for name, _, order, expression in parts:
        if expression is not None:
            sql = decoded(expression).replace("\\'", "'")  # as information_schema shows a quote
            sql = renames.sql(stored, sql, connection.dialect) if renames else sql
            part: Any = sa.text(f"({escape_colons(sql)})" + (" DESC" if order == "D" else ""))
        else:
            column = table.c[str(renames.column(stored, name) if renames else name)]
            part = column.desc() if order == "D" else column
        expressions.append(part)
    table.indexes.discard(index)
    return index_of_table(table, index.name, expressions, unique=index.unique, **dict(index.dialect_kwargs))


def _parts(table: Table, connection: Connection) -> Parts:
    read = _READ.setdefault(table.metadata, {})
    if table.schema not in read:
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
        query = sa.text(_STATISTICS.format(expression="NULL" if is_mariadb else "EXPRESSION"))
        found: Parts = {}
        for name, index, *part in connection.execute(
            query, {"schema": table.schema or connection.dialect.default_schema_name}
        ):
            found.setdefault((name, index), []).append((part[0], part[1], part[2], part[3]))
        read[table.schema] = found
    return read[table.schema]
