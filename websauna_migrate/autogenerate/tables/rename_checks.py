"""What is over columns that get another name: MySQL renames no column that it uses (errors 3959, 3837 and 3108).

A CHECK constraint, and an index over an expression, is dropped and created again. A computed column is named in a
comment: with it its indexes would go.
PostgreSQL, SQLite and MariaDB let both follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.util import warn

from websauna_migrate.autogenerate.script_ops import Comment, Sql
from websauna_migrate.autogenerate.tables.renamed import quoted_name, renamed_sql
from websauna_migrate.database.sql import escape_colons, quoted_table, tokens, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.packages.package import TableName

    # The kind and the name of a part of a table, and its definition.
    _Parts = Mapping[tuple[str, str], str]


_OVER_EXPRESSIONS = sa.text(
    "SELECT DISTINCT index_name FROM information_schema.statistics WHERE expression IS NOT NULL"
    " AND table_schema = coalesce(:schema, database()) AND table_name = :name ORDER BY 1"
)


def around_renames(
    connection: Connection, stored: TableName, table: TableName, columns: Mapping[str, str]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Return what comes before and after the renames of ``columns``, by the old name, of a table of MySQL.

    ``stored`` is the name of the table in the database, ``table`` the one that it has then.
    """
    dialect = connection.dialect
    if dialect.name not in ("mysql", "mariadb") or getattr(dialect, "is_mariadb", False):
        return [], []
    inspector = sa.inspect(connection)
    parts = {
        (
            "CHECK",
            str(check["name"]),
        ): f"CONSTRAINT {quoted_name(str(check['name']), dialect)} CHECK ({check['sqltext']})"
        for check in inspector.get_check_constraints(stored.name, stored.schema)
        if _names(check["sqltext"], columns, dialect)
    }
    parts |= dict(_indexes(connection, stored, columns))
    notes = [
        _note(f"{table}.{column['name']}")
        for column in inspector.get_columns(stored.name, stored.schema)
        if "computed" in column and _names(column["computed"]["sqltext"], columns, dialect)
    ]
    return [*notes, *_drops(parts, table, dialect)], list(_creates(parts, table, columns, dialect))


def _indexes(
    connection: Connection, stored: TableName, columns: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the indexes over expressions that name one of ``columns``, as the server shows them."""
    dialect = connection.dialect
    names = connection.scalars(_OVER_EXPRESSIONS, {"schema": stored.schema, "name": stored.name}).all()
    if not names:
        return
    shown = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted_table(stored, dialect)}".replace("%", "%%"))
    lines = [line.strip().rstrip(",") for line in shown.one()[1].splitlines()]
    for name in names:
        found = next(line for line in lines if line.startswith((f"KEY `{name}` ", f"UNIQUE KEY `{name}` ")))
        if _names(found, columns, dialect):
            yield ("INDEX", name), found


def _names(sql: str, columns: Mapping[str, str], dialect: Dialect) -> bool:
    return not columns.keys().isdisjoint(map(unquoted, tokens(sql, dialect.name)))


def _note(column: str) -> Comment:
    text = f"MySQL renames no column that the computed column {column} uses: drop it before, and add it again after"
    warn(text)
    return Comment(text)


def _drops(parts: _Parts, table: TableName, dialect: Dialect) -> Iterator[Sql]:
    for (kind, name), sql in parts.items():
        yield Sql(*_drop_and_create(kind, name, sql, table, dialect))


def _creates(parts: _Parts, table: TableName, columns: Mapping[str, str], dialect: Dialect) -> Iterator[Sql]:
    for (kind, name), sql in parts.items():
        drop, create = _drop_and_create(kind, name, renamed_sql(sql, columns, dialect), table, dialect)
        yield Sql(create, drop)


def _drop_and_create(kind: str, name: str, sql: str, table: TableName, dialect: Dialect) -> tuple[str, str]:
    alter = f"ALTER TABLE {quoted_table(table, dialect)}"
    return f"{alter} DROP {kind} {quoted_name(name, dialect)}", escape_colons(f"{alter} ADD {sql}")
