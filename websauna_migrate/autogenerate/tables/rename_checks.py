"""What is over columns that get another name: MySQL renames no column that it uses (errors 3959 and 3108).

A CHECK constraint is dropped and created again, a computed column is named in a comment: with it its indexes would go.
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
    checks = {
        str(check["name"]): check["sqltext"]
        for check in inspector.get_check_constraints(stored.name, stored.schema)
        if _names(check["sqltext"], columns, dialect)
    }
    notes = [
        _note(f"{table}.{column['name']}")
        for column in inspector.get_columns(stored.name, stored.schema)
        if "computed" in column and _names(column["computed"]["sqltext"], columns, dialect)
    ]
    return [*notes, *_drops(checks, table, dialect)], list(_creates(checks, table, columns, dialect))


def _names(sql: str, columns: Mapping[str, str], dialect: Dialect) -> bool:
    return not columns.keys().isdisjoint(map(unquoted, tokens(sql, dialect.name)))


def _note(column: str) -> Comment:
    text = f"MySQL renames no column that the computed column {column} uses: drop it before, and add it again after"
    warn(text)
    return Comment(text)


def _drops(checks: Mapping[str, str], table: TableName, dialect: Dialect) -> Iterator[Sql]:
    for name, sql in checks.items():
        yield Sql(*_drop_and_create(name, sql, table, dialect))


def _creates(
    checks: Mapping[str, str], table: TableName, columns: Mapping[str, str], dialect: Dialect
) -> Iterator[Sql]:
    for name, sql in checks.items():
        drop, create = _drop_and_create(name, renamed_sql(sql, columns, dialect), table, dialect)
        yield Sql(create, drop)


def _drop_and_create(name: str, sql: str, table: TableName, dialect: Dialect) -> tuple[str, str]:
    quoted, check = quoted_table(table, dialect), quoted_name(name, dialect)
    create = f"ALTER TABLE {quoted} ADD CONSTRAINT {check} CHECK ({sql})"
    return f"ALTER TABLE {quoted} DROP CHECK {check}", escape_colons(create)
