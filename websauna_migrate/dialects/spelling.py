"""One text for types, defaults and constraints, so that the models and a database can be compared."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import literal_sql, quoted_text, tokens, without_cast
from websauna_migrate.dialects.temporary import TEMPORARY, undone
from websauna_migrate.packages.ownership import table_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Column, ForeignKeyConstraint, Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine


_RULES = ("onupdate", "ondelete", "deferrable", "initially")

_INTEGER_WIDTH = re.compile(r"(INT(?:EGER)?)\(\d+\)")


def check_constraints(table: Table) -> list[CheckConstraint]:
    """Return the CHECK constraints of ``table`` and of its columns."""
    everywhere = [*table.constraints, *(constraint for column in table.c for constraint in column.constraints)]
    return [constraint for constraint in everywhere if isinstance(constraint, CheckConstraint)]


def foreign_key_spec(key: ForeignKeyConstraint, default: str | None) -> tuple[object, ...]:
    """Return what ``key`` does, with None for the schema ``default``."""
    return (
        tuple(column.name for column in key.columns),
        table_name(key.elements[0].column.table).shown(default),
        tuple(element.column.name for element in key.elements),
        *key_rules({rule: getattr(key, rule) for rule in _RULES}),
    )


def key_rules(options: Mapping[str, object]) -> tuple[str, str, bool, bool]:
    """Return the rules of a foreign key; one that is not given is the default of the database."""
    update, delete = (str(options.get(rule) or "no action").lower() for rule in ("onupdate", "ondelete"))
    deferred = str(options.get("initially") or "").lower() == "deferred"
    return update, delete, deferred, deferred or bool(options.get("deferrable"))


def stored_name(constraint: sa.Constraint, dialect: Dialect) -> str:
    """Return the name of ``constraint`` as the database has it: one that a naming convention makes too long is cut."""
    return str(dialect.identifier_preparer.format_constraint(constraint)).strip('"`')


def as_stored(context: AutogenContext, column: Column[Any], *, with_default: bool) -> Column[Any] | None:
    """Return ``column`` as the database stores and shows it, None when it cannot make such a column.

    It is made in a temporary table, which is rolled back or dropped.
    """
    connection = connection_of(context)
    if type_text(column.type, connection.dialect) is None:
        return None
    default: Any = column.server_default if with_default else None
    made = sa.Column(column.name, column.type, server_default=default.arg if default is not None else None)
    hook: Callable[..., None] = context.migration_context.impl.autogen_column_reflect
    try:
        with undone(connection):
            # The statement alone: the types that the column uses are there, or it is another column.
            table = sa.Table(TEMPORARY, sa.MetaData(), made, prefixes=["TEMPORARY"])
            connection.execute(CreateTable(table))
            inspector = sa.inspect(connection)
            (shown,) = inspector.get_columns(TEMPORARY)  # the column alone: a Table would read keys and indexes too
            hook(inspector, table, shown)
            stored = shown.get("default")
            return sa.Column(shown["name"], shown["type"], server_default=None if stored is None else sa.text(stored))
    except SQLAlchemyError:
        return None


def type_text(type_: TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return ``type_`` as DDL of ``dialect``, None when it has none."""
    try:
        text = type_.compile(dialect)
    except Exception:  # SQLAlchemy breaks in many ways over a type of another database
        return None
    return _INTEGER_WIDTH.sub(r"\1", text)  # how wide MySQL shows an integer is no part of what it stores


def default_text(column: Column[Any], dialect: Dialect) -> str | None:
    """Return the default of ``column`` as SQL, as far as it can be normalized without the database."""
    default = column.server_default
    return _plain_default(_sql_of(default.arg, dialect), dialect) if isinstance(default, sa.DefaultClause) else None


def _sql_of(default: Any, dialect: Dialect) -> str:
    if isinstance(default, sa.TextClause):
        return default.text
    # A member of an enum of texts is one, as DDL has it.
    return quoted_text(str.__str__(default), dialect) if isinstance(default, str) else literal_sql(default, dialect)


def _plain_default(sql: str, dialect: Dialect) -> str | None:
    text = without_cast(sql.strip())
    while text.startswith("(") and _closes_at_end(text, dialect.name):
        text = text[1:-1].strip()
    return None if text.upper() == "NULL" else text


def _closes_at_end(text: str, dialect: str) -> bool:
    """Tell whether the parenthesis that opens ``text`` is closed by its last character."""
    parts = tokens(text, dialect)
    depths = list(accumulate((part == "(") - (part == ")") for part in parts))
    return 0 in depths and depths.index(0) == len(parts) - 1


class Texts:
    """The texts of types and defaults of many columns. Most are the same again and again, and are made once."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._types: dict[tuple[object, ...], str | None] = {}
        self._values: dict[str, str] = {}
        self._defaults: dict[str, str | None] = {}

    def of_type(self, type_: TypeEngine[Any]) -> str | None:
        """Return what :func:`type_text` returns."""
        if not type(type_).__module__.startswith("sqlalchemy."):
            return type_text(type_, self.dialect)  # what its text is made of is not known
        parts = vars(type_)
        if "dispatch" in parts:  # of the events of a Boolean: each has its own, which changes no text
            parts = {name: part for name, part in parts.items() if name != "dispatch"}
        key = (type(type_), *parts.items())
        try:
            return self._types[key]
        except KeyError:
            return self._types.setdefault(key, type_text(type_, self.dialect))
        except TypeError:  # the values of an enum cannot be hashed
            return type_text(type_, self.dialect)

    def of_default(self, default: sa.DefaultClause) -> str | None:
        """Return what :func:`default_text` returns for a column with ``default``."""
        if type(default.arg) is str:
            sql = self._values.get(default.arg)
            if sql is None:
                sql = self._values[default.arg] = _sql_of(default.arg, self.dialect)
            return self.of_sql(sql)
        return self.of_sql(_sql_of(default.arg, self.dialect))

    def of_sql(self, default: str) -> str | None:
        """Return what :func:`default_text` returns for a column with the ``default`` that a database shows."""
        if default not in self._defaults:
            self._defaults[default] = _plain_default(default, self.dialect)
        return self._defaults[default]
