"""Whether the expression of a computed column is that of the models.

A database writes an expression in its own way. PostgreSQL and MariaDB make the column of the models in a copy
of the table, and show what they make of it. SQLite keeps the SQL, of which SQLAlchemy does not read everything.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from websauna_migrate.database.remedies import codes_of
from websauna_migrate.database.sql import escape_colons, literal_sql, plain_dialect, without_parameters
from websauna_migrate.dialects.indexes import spelled
from websauna_migrate.dialects.sqlite_sql import computed_expressions, renamed_columns
from websauna_migrate.dialects.temporary import TEMPORARY, copy_table, undone
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Connection

_NO_VALUE = "22P02"  # invalid_text_representation
_SQL = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")


@dataclass(frozen=True, slots=True)
class Stored:
    """The name of a table in the database, and the new names of its columns by those in the database."""

    table: TableName
    columns: Mapping[str, str] = field(default_factory=dict)


def is_same_computed(
    found: Column[Any], wanted: Column[Any], connection: Connection, stored: Stored | None = None
) -> bool | None:
    """Tell whether the computed columns ``found`` and ``wanted`` are the same, None where the database cannot tell.

    ``stored`` is the table in the database, where that of ``found`` has its new names already.
    """
    stored = stored or Stored(TableName(found.table.schema, found.table.name))
    if connection.dialect.name == "sqlite":
        return _is_same_on_sqlite(found, wanted, connection, stored)
    try:
        with undone(connection):
            shown = _shown(found, wanted, connection, stored)
            return shown == (str(_computed(found).sqltext), bool(_computed(found).persisted))
    except SQLAlchemyError as error:
        # A value that its enum gets in this script; else the user lacks a privilege.
        return False if _NO_VALUE in codes_of(error) else None


def _is_same_on_sqlite(found: Column[Any], wanted: Column[Any], connection: Connection, stored: Stored) -> bool | None:
    expressions = computed_expressions(connection.scalar(_SQL, {"name": stored.table.name}) or "")
    expression = {stored.columns.get(name, name): sql for name, sql in expressions.items()}.get(found.name)
    if expression is None:
        return None
    wanted_sql = literal_sql(_computed(wanted).sqltext, connection.dialect)
    same = spelled(renamed_columns(expression, stored.columns)) == spelled(wanted_sql)
    return same and bool(_computed(found).persisted) is bool(_computed(wanted).persisted)


def _shown(found: Column[Any], wanted: Column[Any], connection: Connection, stored: Stored) -> tuple[str, bool]:
    """Return the expression that the database shows of ``wanted``, and whether it is stored."""
    dialect = plain_dialect(connection.dialect)
    quote = dialect.identifier_preparer.quote
    copy_table(connection, sa.Table(stored.table.name, sa.MetaData(), schema=stored.table.schema))
    beside = copy.copy(wanted)  # a constraint may be over the column that is there
    beside.name = TEMPORARY
    beside.computed = sa.Computed(without_parameters(_computed(wanted).sqltext), _computed(wanted).persisted)
    more = [column for column in wanted.table.c if column.name not in found.table.c and column.computed is None]
    changes = [
        *(f"RENAME COLUMN {quote(old)} TO {quote(new)}" for old, new in stored.columns.items()),
        *(f"ADD COLUMN {quote(column.name)} {column.type.compile(connection.dialect)}" for column in more),
        f"ADD COLUMN {CreateColumn(beside).compile(dialect=dialect)}",
    ]
    for change in changes:
        connection.execute(sa.text(escape_colons(f"ALTER TABLE {TEMPORARY} {change}")))
    columns = sa.inspect(connection).get_columns(TEMPORARY)
    shown = next(column["computed"] for column in columns if column["name"] == TEMPORARY)
    return shown["sqltext"], bool(shown.get("persisted"))


def _computed(column: Column[Any]) -> sa.Computed:
    assert column.computed is not None
    return column.computed
