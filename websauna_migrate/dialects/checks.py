"""CHECK constraints as SQLite, MariaDB and MySQL show them, and what MariaDB and MySQL make of those of the models.

SQLite keeps the text of a condition. MariaDB and MySQL write it in their own way: the constraint of the models is made
on a temporary copy of its table, and the two are compared as the server shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.sql import escape_colons, plain_dialect, quoted_table, tokens
from websauna_migrate.dialects.constraints import Shown
from websauna_migrate.dialects.sqlite_sql import checks_in
from websauna_migrate.dialects.temporary import TEMPORARY, copy_table, undone
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.dialects.constraints import Question

# Those of a column belong to its definition; MySQL has none of these.
_OF_COLUMNS = sa.text(
    "SELECT check_clause FROM information_schema.check_constraints"
    " WHERE level = 'Column' AND constraint_schema = coalesce(:schema, database()) AND table_name = :name"
)


def checks_of_sqlite(connection: Connection, schema: str | None) -> Iterator[tuple[TableName, list[Shown]]]:
    """Yield the tables in ``schema`` of a SQLite database that have CHECK constraints, and these."""
    master = quoted_table(TableName(schema, "sqlite_master"), connection.dialect)
    query = f"SELECT name, sql FROM {master} WHERE type = 'table' AND sql LIKE '%check%'"
    for name, sql in connection.execute(sa.text(query)):
        yield TableName(schema, name), [Shown(check, condition) for check, condition in checks_in(sql)]


def checks_of_columns(connection: Connection, table: TableName) -> list[Shown]:
    """Return the CHECK constraints that MariaDB has in the definitions of columns, and SQLAlchemy does not read."""
    if not getattr(connection.dialect, "is_mariadb", False):
        return []
    rows = connection.scalars(_OF_COLUMNS, {"schema": table.schema, "name": table.name})
    return [Shown(None, condition, own=False) for condition in rows]


def made_by_mysql(question: Question, connection: Connection) -> tuple[str, ...] | None:
    """Return what MariaDB or MySQL makes of each definition, empty where it makes nothing of it; None if not asked."""
    quote = plain_dialect(connection.dialect).identifier_preparer.quote
    names = [f"websauna_migrate_{place}" for place in range(len(question.definitions))]
    try:
        with undone(connection):
            stored = sa.Table(question.stored.name, sa.MetaData(), schema=question.stored.schema)
            copy_table(connection, stored)
            for old, new in question.renamed.items():
                _execute(connection, f"ALTER TABLE {TEMPORARY} RENAME COLUMN {quote(old)} TO {quote(new)}")
            for name, definition in zip(names, question.definitions, strict=True):
                _try(connection, f"ALTER TABLE {TEMPORARY} ADD CONSTRAINT {name} {definition}")
            shown = sa.inspect(connection).get_check_constraints(TEMPORARY)
    except SQLAlchemyError:  # the user may make no temporary tables
        return None
    made = {check["name"]: without_nesting(check["sqltext"], connection.dialect) for check in shown}
    return tuple(made.get(name, "") for name in names)


def without_nesting(condition: str, dialect: Dialect) -> str:
    """Return ``condition`` as MySQL shows it when it has written it several times; that of another database as it is.

    Each time MySQL writes ``a and (b and c)``, it takes more of these parentheses away.
    """
    if dialect.name not in ("mysql", "mariadb") or getattr(dialect, "is_mariadb", False):
        return condition
    return "".join(_flat(tokens(condition, dialect.name)))


def _flat(parts: Sequence[str]) -> list[str]:
    """Return the tokens ``parts`` with the parentheses taken away in which a word joins what it joins outside too."""
    groups: list[list[Any]] = [[]]
    for part in parts:
        if part == "(":
            groups.append([])
        elif part == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].append(inner)
        else:
            groups[-1].append(part)
    return list(_written(groups[0]))


def _written(group: Sequence[Any]) -> Iterator[str]:
    word = _joined_by(group)
    for part in group:
        if isinstance(part, str):
            yield part
        elif word is not None and _joined_by(part) == word:
            yield from _written(part)
        else:
            yield from ("(", *_written(part), ")")


def _joined_by(group: Sequence[Any]) -> str | None:
    """Return ``and`` or ``or`` if that is all that stands between the parentheses in ``group``."""
    words = {part.lower() for part in group if isinstance(part, str) and not part.isspace()}
    return words.pop() if words in ({"and"}, {"or"}) else None


def _execute(connection: Connection, sql: str) -> None:
    connection.execute(sa.text(escape_colons(sql)))


def _try(connection: Connection, sql: str) -> None:
    try:
        _execute(connection, sql)
    except SQLAlchemyError:  # it names a new column
        return
