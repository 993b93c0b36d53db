"""The order and the collation of the indexes of SQLite, which SQLAlchemy does not reflect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from websauna_migrate.database.sql import unquoted
from websauna_migrate.dialects.sqlite_sql import listed
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Index, Table
    from sqlalchemy.engine import Connection

_SQL = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL")


def read_indexes(connection: Connection, table: Table, renames: Any) -> dict[str, str]:
    """Return the SQL of the indexes of ``table`` by name, without those of constraints.

    With ``renames``, those of a comparison, ``table`` and what is returned have the new names.
    """
    name = TableName(table.schema, table.name)
    stored = renames.stored(name) if renames else name
    rows = connection.execute(_SQL, {"table": stored.name})
    if not renames:
        return {row.name: row.sql for row in rows}
    names = renames.names.get(name, {})
    return {names.get(row.name, row.name): renames.sql(stored, row.sql, connection.dialect) for row in rows}


def as_stored_index(index: Index, sql: str) -> Index:
    """Return the reflected ``index`` with the order and the collation that its columns have in ``sql``."""
    assert index.table is not None
    parts = index_parts(sql, index.table)
    if all(isinstance(part, sa.Column) for part in parts):
        return index
    options: Any = dict(index.dialect_kwargs)
    index.table.indexes.discard(index)
    return sa.Index(index.name, *parts, unique=index.unique, **options)


def index_parts(sql: str, table: Table) -> list[Any]:
    """Return the columns of ``table`` in the SQL of an index, each with its order and its collation.

    Where a part is no column of ``table``, there are none.
    """
    by_name = {column.name.lower(): column for column in table.columns}
    parts = [[token for token in part if not token.isspace()] for part in listed(sql)]
    columns = [by_name.get(unquoted(words[0]).lower()) for words in parts]
    if any(column is None for column in columns):
        return []
    return [_with_order(column, words[1:]) for column, words in zip(columns, parts, strict=True)]


def _with_order(column: Any, words: Sequence[str]) -> Any:
    upper = [word.upper() for word in words]
    if "COLLATE" in upper:
        column = column.collate(unquoted(words[upper.index("COLLATE") + 1]))
    return column.desc() if upper[-1:] == ["DESC"] else column
