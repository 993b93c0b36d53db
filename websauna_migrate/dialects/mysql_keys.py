"""The foreign keys of MySQL and MariaDB, which refuse changes of the columns and the indexes that a key uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

# The default of both servers, which they show as one or the other.
_NO_RULE = {"RESTRICT", "NO ACTION"}
_KEYS = sa.text(
    "SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA,"
    " k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE"
    " FROM information_schema.KEY_COLUMN_USAGE AS k JOIN information_schema.REFERENTIAL_CONSTRAINTS AS r"
    " ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME"
    " AND r.TABLE_NAME = k.TABLE_NAME WHERE k.TABLE_SCHEMA = :schema AND k.REFERENCED_TABLE_NAME IS NOT NULL"
    " ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"
)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key with a name; ``rules`` are those that differ from the default, as arguments of SQLAlchemy."""

    name: str
    table: TableName
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    rules: tuple[tuple[str, str], ...] = ()

    def columns_in(self, table: TableName) -> set[str]:
        """Return the columns of ``table`` that the key uses, on either of its sides."""
        own = self.columns if table == self.table else ()
        return {*own, *(self.target_columns if table == self.target else ())}


def read_foreign_keys(connection: Connection, schemas: Iterable[str | None]) -> list[ForeignKey]:
    """Return the foreign keys of all tables in ``schemas``: one query each, whatever the number of tables."""
    default = connection.dialect.default_schema_name
    found: dict[tuple[str, str, str], list[Any]] = {}
    for schema in {schema or default for schema in schemas}:
        for row in connection.execute(_KEYS, {"schema": schema}):
            found.setdefault((row[1], row[2], row[0]), []).append(row)
    return [_key(rows, default) for rows in found.values()]


def _key(rows: list[Any], default: str | None) -> ForeignKey:
    name, schema, table, _, target_schema, target, _, delete, update = rows[0]
    rules = {"ondelete": delete, "onupdate": update}
    return ForeignKey(
        name,
        TableName(schema, table).shown(default),
        tuple(row[3] for row in rows),
        TableName(target_schema, target).shown(default),
        tuple(row[6] for row in rows),
        tuple((rule, value) for rule, value in rules.items() if value not in _NO_RULE),
    )
