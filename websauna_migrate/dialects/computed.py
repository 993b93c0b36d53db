"""Whether the expression of a computed column is that of the models.

A database writes an expression in its own way. PostgreSQL and MariaDB make the column of the models in a copy
of the table, and show what they make of it. SQLite keeps the SQL, of which SQLAlchemy does not read everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from websauna_migrate.database.sql import escape_colons, literal_sql, plain_dialect
from websauna_migrate.dialects.indexes import spelled
from websauna_migrate.dialects.sqlite_sql import computed_expressions
from websauna_migrate.dialects.temporary import TEMPORARY, copy_table, undone

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Connection

_SQL = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")


def is_same_computed(found: Column[Any], wanted: Column[Any], connection: Connection) -> bool | None:
    """Tell whether the computed columns ``found`` and ``wanted`` are the same, None where the database cannot tell."""
    if connection.dialect.name == "sqlite":
        sql = connection.scalar(_SQL, {"name": found.table.name})
        expression = computed_expressions(sql or "").get(found.name)
        wanted_sql = literal_sql(_computed(wanted).sqltext, connection.dialect)
        return None if expression is None else spelled(expression) == spelled(wanted_sql)
    try:
        with undone(connection):
            return _shown(found, wanted, connection) == str(_computed(found).sqltext)
    except SQLAlchemyError:  # it names a new column, or the user lacks a privilege
        return None


def _shown(found: Column[Any], wanted: Column[Any], connection: Connection) -> str:
    dialect = plain_dialect(connection.dialect)
    copy_table(connection, found.table)
    name = dialect.identifier_preparer.quote(wanted.name)
    made = CreateColumn(wanted).compile(dialect=dialect)
    for change in (f"DROP COLUMN {name}", f"ADD COLUMN {made}"):
        connection.execute(sa.text(escape_colons(f"ALTER TABLE {TEMPORARY} {change}")))
    columns = sa.inspect(connection).get_columns(TEMPORARY)
    return next(column["computed"]["sqltext"] for column in columns if column["name"] == wanted.name)


def _computed(column: Column[Any]) -> sa.Computed:
    assert column.computed is not None
    return column.computed
