"""Expressions of the models that cannot be written as SQL: found before a comparison, with the table that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import ClauseElement

from websauna_migrate.autogenerate.errors import UnrenderableExpression
from websauna_migrate.database.sql import literal_sql
from websauna_migrate.dialects.spelling import check_constraints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeGuard

    from sqlalchemy.engine import Dialect


def require_expressions(tables: Iterable[sa.Table], dialect: Dialect) -> None:
    """Make sure that the defaults, indexes and CHECK constraints of ``tables`` can be written as SQL of ``dialect``.

    :raises UnrenderableExpression: one cannot
    """
    for table in tables:
        for what, expression in _expressions(table):
            try:
                literal_sql(expression, dialect)
            except SQLAlchemyError as error:
                raise UnrenderableExpression(str(table.fullname), what, str(error).partition(";")[0]) from error


def _expressions(table: sa.Table) -> Iterator[tuple[str, ClauseElement]]:
    """Yield what is more than a column or a text."""
    for column in table.columns:
        default = column.server_default
        if isinstance(default, sa.DefaultClause) and _is_made(default.arg):
            yield f"server_default of column {column.name!r}", default.arg
    for index in table.indexes:
        yield from ((f"index {str(index.name)!r}", part) for part in index.expressions if _is_made(part))
    for check in check_constraints(table):
        if _is_made(check.sqltext):
            yield f"CHECK {str(check.name)!r}" if check.name else "CHECK", check.sqltext


def _is_made(expression: object) -> TypeGuard[ClauseElement]:
    return isinstance(expression, ClauseElement) and not isinstance(expression, (sa.Column, sa.TextClause))
