"""Which indexes are as in the models, where they are over more than columns.

A database writes an expression, a collation or a condition in its own way. PostgreSQL and MariaDB make the
index of the models on a copy of the table, and the two are compared as the database shows them. SQLite keeps the SQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.impl import ComparisonResult
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import UnaryExpression

from websauna_migrate.database.sql import escape_colons, plain_dialect, tokens, unquoted
from websauna_migrate.dialects.mysql_index_parts import decoded
from websauna_migrate.dialects.temporary import TEMPORARY, copy_columns, copy_table, undone
from websauna_migrate.packages.ownership import table_name

if TYPE_CHECKING:
    from sqlalchemy import Index, Table
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.packages.package import TableName

_SQLITE = sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = :name")
_POSTGRESQL = sa.text(
    "SELECT pg_get_indexdef(i.indexrelid), i.indisunique FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = CAST(:table AS regclass) AND c.relname = :name"
)
# The columns of SHOW INDEX that both servers have, without names and numbers of rows.
_MYSQL = ("Non_unique", "Seq_in_index", "Column_name", "Collation", "Sub_part", "Index_type")

RENAMES = "websauna_migrate:renames"  # the option of a comparison with the Renames that the database is to have
_BEFORE_PARTS = re.compile(r".*? USING ", re.DOTALL)  # CREATE INDEX name ON table


class ComparingIndexes:
    """What operations of Alembic need to compare indexes that are more than columns: a class to mix in."""

    connection: Connection | None
    context_opts: dict[str, Any]

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> ComparisonResult:
        """Compare an index of the models with that of the same name. Alembic does it where the server does not."""
        same = None
        if not (is_plain_index(metadata_index) and is_plain_index(reflected_index)):
            same = self._is_same(metadata_index, reflected_index)
        if same is None:
            return super().compare_indexes(metadata_index, reflected_index)  # type: ignore[misc,no-any-return]
        return ComparisonResult.Equal() if same else ComparisonResult.Different("the database shows another index")

    def _is_same(self, wanted: Index, found: Index) -> bool | None:
        """Tell whether the database makes the same of the two, None where it is not asked."""
        assert found.table is not None
        connection, renames = self.connection, self.context_opts.get(RENAMES)
        if connection is None or (renames is not None and renames.touch(_shown(found.table, connection.dialect))):
            return None
        if connection.dialect.name == "sqlite":
            stored = connection.scalar(_SQLITE, {"name": found.name})
            return spelled(_created(wanted, connection.dialect)) == spelled(str(stored))
        if _parser(wanted) != _parser(found) or _names_new_column(wanted, found.table, connection.dialect):
            return False
        try:
            with undone(connection):
                stored = _parts(found.table, str(found.name), connection)
                return _made_of(wanted, found.table, connection) == stored
        except SQLAlchemyError:  # the user lacks a privilege, or the type of a column changes too
            return None


def is_expression_index(index: Index) -> bool:
    """Tell whether a part of ``index`` is not a column."""
    return any(not isinstance(_sorted(part), sa.Column) for part in index.expressions)


def spelled(sql: str) -> str:
    """Return SQL as SQLite keeps it in one spelling. What is written in a literal stays as it is."""
    words = (token for token in tokens(sql, "sqlite") if not token.isspace() and not token.startswith(("--", "/*")))
    return " ".join(token if token[0] == "'" else unquoted(token).lower() for token in words)


def is_plain_index(index: Index) -> bool:
    """Tell whether ``index`` is over columns and says nothing more."""
    options = (value for name, value in index.dialect_kwargs.items() if not name.endswith("_concurrently"))
    has_options = any(isinstance(value, ClauseElement) or value for value in options)
    return not has_options and all(isinstance(part, sa.Column) for part in index.expressions)


def _parser(index: Index) -> str:
    """Return the parser of a ``FULLTEXT`` index, which MySQL shows nowhere else."""
    found = (value for name, value in index.dialect_kwargs.items() if name.endswith("_with_parser"))
    return str(next(filter(None, found), "")).lower()


def _names_new_column(wanted: Index, stored: Table, dialect: Dialect) -> bool:
    """Tell whether ``wanted`` says something of a column that its table lacks, also in a condition."""
    assert wanted.table is not None
    new = {column.name for column in wanted.table.columns} - {column.name for column in stored.columns}
    said = _created(wanted, dialect).partition(" ON ")[2] if new else ""
    return not new.isdisjoint(map(unquoted, tokens(said, dialect.name)))


def _sorted(part: object) -> object:
    while isinstance(part, UnaryExpression):
        part = part.element
    return part


def _shown(table: Table, dialect: Dialect) -> TableName:
    return table_name(table).shown(dialect.default_schema_name)


def _created(index: Index, dialect: Dialect) -> str:
    return str(CreateIndex(index).compile(dialect=plain_dialect(dialect)))


def _made_of(index: Index, table: Table, connection: Connection) -> list[object]:
    """Return what the database makes of ``index`` on an empty copy of ``table``."""
    assert index.table is not None
    dialect = connection.dialect
    prepare = plain_dialect(dialect).identifier_preparer
    name = str(index.name)
    drop = [f"DROP INDEX {prepare.quote(name)} ON {TEMPORARY}"]
    create = _created(index, dialect).replace(f" ON {prepare.format_table(index.table)} ", f" ON {TEMPORARY} ", 1)
    if create.startswith("CREATE FULLTEXT "):
        copy_columns(connection, table, "ENGINE = MyISAM")  # a temporary table of InnoDB cannot have one
        drop = []
    elif not copy_table(connection, table):
        drop = []
    for sql in (*drop, create.replace(" CONCURRENTLY ", " ", 1)):
        connection.execute(sa.text(escape_colons(sql)))
    return _parts(sa.table(TEMPORARY), name, connection)


def _parts(table: object, name: str, connection: Connection) -> list[object]:
    """Return what the database shows of the index ``name`` of ``table``."""
    formatted = plain_dialect(connection.dialect).identifier_preparer.format_table(table)
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_POSTGRESQL, {"table": formatted, "name": name})
        return [(_BEFORE_PARTS.sub("", sql, count=1), is_unique) for sql, is_unique in rows]
    shown = connection.execute(sa.text(f"SHOW INDEX FROM {escape_colons(formatted)}")).mappings()
    parts = [row for row in shown if row["Key_name"] == name]
    return [[*map(row.get, _MYSQL), decoded(row.get("Expression") or "")] for row in parts]
