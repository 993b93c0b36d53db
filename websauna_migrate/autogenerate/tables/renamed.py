"""The renames of one command, and a database seen as it is after them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import sqlalchemy as sa

from websauna_migrate.database.sql import plain_dialect, tokens, unquoted
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.engine.reflection import Inspector


_FACTS = ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints")

_FACTS_BY_NAME = ("table_comment", "table_options")

_NAMES = {"name", "duplicates_index", "duplicates_constraint"}


class ColumnRename(NamedTuple):
    """A column that got another name; ``table`` has its new one."""

    table: TableName
    old: str
    new: str


@dataclass(slots=True)
class Renames:
    """The renames of one command: the new name by the old one.

    ``columns``, and the ``names`` of indexes and constraints, are by the new name of their table. More are added while
    the command compares one history after the other: those of one are known to the next.
    """

    tables: dict[TableName, TableName] = field(default_factory=dict)
    columns: dict[TableName, dict[str, str]] = field(default_factory=dict)
    names: dict[TableName, dict[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def add_tables(self, found: Mapping[TableName, TableName]) -> None:
        """Add tables that were renamed."""
        self.tables.update(found)

    def add_columns(self, table: TableName, found: Mapping[str, str]) -> None:
        """Add columns of ``table`` that were renamed."""
        if found:
            self.columns.setdefault(table, {}).update(found)

    def add_name(self, table: TableName, old: str, new: str) -> None:
        """Add an index or a constraint of ``table`` that gets another name."""
        self.names.setdefault(table, {})[old] = new

    def table(self, stored: TableName) -> TableName:
        """Return the name that the table ``stored`` has in the end."""
        return self.tables.get(stored, stored)

    def stored(self, table: TableName) -> TableName:
        """Return the name that ``table`` has in the database."""
        return next((old for old, new in self.tables.items() if new == table), table)

    def place(self, stored: TableName, column: str) -> tuple[TableName, str]:
        """Return the names that a column of the table ``stored`` and the table have in the end."""
        return self.table(stored), self.column(stored, column)

    def column(self, stored: TableName, name: str) -> str:
        """Return the name that a column of the table ``stored`` has in the end."""
        return self.columns.get(self.table(stored), {}).get(name, name)

    def stored_column(self, column: ColumnName) -> ColumnName:
        """Return the name that ``column`` has in the database."""
        names = self.columns.get(column.table, {})
        old = next((old for old, new in names.items() if new == column.name), column.name)
        return ColumnName(self.stored(column.table), old)

    def sql(self, stored: TableName, sql: str, dialect: Dialect) -> str:
        """Return ``sql`` about the table ``stored`` with the new names; text literals stay as they are."""
        names = {stored.name: self.table(stored).name, **self.columns.get(self.table(stored), {})}
        return renamed_sql(sql, names, dialect) if self.touch(self.table(stored)) else sql

    def definition(self, stored: TableName, target: TableName | None, sql: str, dialect: Dialect) -> str:
        """Return the definition of a constraint of ``stored`` with the new names; it may refer to ``target``."""
        own, references, other = sql.partition(" REFERENCES ")
        if target is None or not references:
            return self.sql(stored, sql, dialect)
        return self.sql(stored, own, dialect) + references + self.sql(target, other, dialect)

    def touch(self, table: TableName) -> bool:
        """Tell whether ``table``, by its new name, or a column of it was renamed."""
        return table in self.columns or table in self.tables.values()


def inspect_renamed(
    connection: Connection, renames: Renames | None, on_column: Callable[..., None] = lambda *_: None
) -> Inspector:
    """Return an inspector that shows the database as it is after ``renames``.

    ``on_column`` is called for each column of a renamed table, as by the event ``column_reflect``, while table and
    column have the names that the database knows.
    """
    inspector = sa.inspect(connection)
    return cast("Inspector", _RenamedInspector(inspector, renames, on_column)) if renames else inspector


class _RenamedInspector:
    """An inspector in whose answers tables and columns have their new names; what it is asked for has too."""

    def __init__(self, inspector: Inspector, renames: Renames, on_column: Callable[..., None]) -> None:
        self._inspector = inspector
        self._renames = renames
        self._on_column = on_column

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inspector, name)
        fact = name.removeprefix("get_").removeprefix("multi_")
        if fact not in (*_FACTS, *_FACTS_BY_NAME):
            return found
        return self._of_many(found, fact) if name.startswith("get_multi_") else self._of_one(found, fact)

    def get_table_names(self, schema: str | None = None, **options: object) -> list[str]:
        found = self._inspector.get_table_names(schema, **options)
        return [self._renames.table(TableName(schema, name)).name for name in found]

    def has_table(self, table_name: str, schema: str | None = None, **options: object) -> bool:
        stored = self._renames.stored(TableName(schema, table_name))
        return self._inspector.has_table(stored.name, schema, **options)

    def _of_one(self, method: Callable[..., object], fact: str) -> Callable[..., object]:
        @functools.wraps(method)
        def one(table_name: str, schema: str | None = None, **options: object) -> Any:
            stored = self._renames.stored(TableName(schema, table_name))
            return self._renamed(fact, stored, method(stored.name, schema, **options))

        return one

    def _of_many(self, method: Callable[..., Any], fact: str) -> Callable[..., object]:
        @functools.wraps(method)
        def many(schema: str | None = None, filter_names: Iterable[str] | None = None, **options: object) -> Any:
            if filter_names is not None:
                filter_names = [self._renames.stored(TableName(schema, name)).name for name in filter_names]
            found = method(schema=schema, filter_names=filter_names, **options)
            return {
                (key[0], self._renames.table(TableName(*key)).name): self._renamed(fact, TableName(*key), value)
                for key, value in found.items()
            }

        return many

    def _renamed(self, fact: str, table: TableName, found: Any) -> Any:
        if not found or fact in _FACTS_BY_NAME:
            return found
        if isinstance(found, dict):
            return self._renamed_item(fact, table, found)
        return [self._renamed_item(fact, table, item) for item in found]

    def _renamed_item(self, fact: str, table: TableName, item: Mapping[str, Any]) -> dict[str, object]:
        renamed = dict(item)
        if self._renames.touch(self._renames.table(table)):
            if fact == "columns":
                self._on_column(self._inspector, sa.Table(table.name, sa.MetaData(), schema=table.schema), renamed)
                renamed["name"] = self._renames.column(table, item["name"])
            renamed = {key: self._renamed_value(key, value, table) for key, value in renamed.items()}
        if fact == "foreign_keys":
            target = TableName(item["referred_schema"], item["referred_table"])
            renamed["referred_table"] = self._renames.table(target).name
            renamed["referred_columns"] = [self._renames.column(target, name) for name in item["referred_columns"]]
        if fact != "columns":
            names = self._renames.names.get(self._renames.table(table), {})
            renamed |= {key: names.get(item[key], item[key]) for key in _NAMES & item.keys()}
        return renamed

    def _renamed_value(self, key: str, value: Any, table: TableName) -> Any:
        """Return ``value`` with the new names of columns; ``key`` is what SQLAlchemy calls it."""
        if key in ("constrained_columns", "column_names", "include_columns", "postgresql_include"):
            return [name if name is None else self._renames.column(table, name) for name in value]
        if key == "column_sorting":
            return {self._renames.column(table, name): sorting for name, sorting in value.items()}
        if key in ("dialect_options", "computed"):
            return {inner: self._renamed_value(inner, one, table) for inner, one in value.items()}
        if key in ("sqltext", "expressions", "postgresql_where", "sqlite_where"):
            return self._renamed_sql(value, table)
        return value

    def _renamed_sql(self, value: Any, table: TableName) -> Any:
        if isinstance(value, list):
            return [self._renamed_sql(one, table) for one in value]
        if isinstance(value, sa.TextClause):
            return sa.text(self._renamed_sql(value.text, table))
        return self._renames.sql(table, value, self._inspector.dialect)


def renamed_sql(sql: str, names: Mapping[str, str], dialect: Dialect) -> str:
    """Return ``sql`` with other identifiers, as in ``names``; text literals and types in casts stay as they are."""
    before = ["", ""]  # the last two tokens; those of the name of a type count as part of the cast
    renamed = []
    for token in tokens(sql, dialect.name):
        name = unquoted(token)
        is_type = before == [":", ":"]
        is_name = token[0] != "'" and name in names and not is_type
        renamed.append(quoted_name(names[name], dialect) if is_name else token)
        if not is_type or not (token == "." or name.isidentifier()):
            before = [before[1], token]
    return "".join(renamed)


def quoted_name(name: str, dialect: Dialect) -> str:
    """Return ``name`` as an identifier, in quotes where ``dialect`` needs them."""
    return str(plain_dialect(dialect).identifier_preparer.quote(name))
