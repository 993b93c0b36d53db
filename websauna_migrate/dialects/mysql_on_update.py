"""``ON UPDATE CURRENT_TIMESTAMP`` of MySQL and MariaDB, of which SQLAlchemy reads only that after a function.

For SQLAlchemy and Alembic it is a part of the default. Here it is added to the default ``NULL`` and to a literal, and
so is the comment that stands behind it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.temporary import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.reflection import Inspector

    # What a column does on an update, and its comment, by table and column.
    OnUpdate = Mapping[tuple[str, str], tuple[str, str]]

_ON_UPDATE = re.compile(r"\bon update\s+(.*)$", re.IGNORECASE)
_COLUMNS = sa.text(
    "SELECT TABLE_NAME, COLUMN_NAME, EXTRA, COLUMN_COMMENT FROM information_schema.COLUMNS"
    " WHERE TABLE_SCHEMA = :schema AND EXTRA LIKE '%on update%'"
)
_READ: WeakKeyDictionary[Inspector, dict[str | None, OnUpdate]] = WeakKeyDictionary()


class ReadingOnUpdate:
    """What operations of Alembic need to read ``ON UPDATE``: a class to mix in."""

    connection: Connection | None

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Complete the default of a column that was read."""
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[misc]
        default = column_info.get("default")
        if isinstance(column_info["type"], sa.DateTime) and not on_update(default or ""):
            found = _of_table(inspector, table, connection_of(self)).get((table.name, column_info["name"]))
            if found is not None:
                column_info["default"] = f"{default or 'NULL'} ON UPDATE {found[0]}"
                column_info["comment"] = found[1] or None


def on_update(default: str) -> str | None:
    """Return what ``default`` says after ``ON UPDATE``, None where it does not."""
    found = _ON_UPDATE.search(default)
    return found[1] if found else None


def without_on_update(default: str) -> str | None:
    """Return ``default`` without ``ON UPDATE``, None for one that is ``NULL`` then."""
    rest = _ON_UPDATE.sub("", default).strip()
    return None if rest.upper() == "NULL" else rest


def _of_table(inspector: Inspector, table: Table, connection: Connection) -> OnUpdate:
    """Return what the columns of a schema do on an update: one query for all tables, and one for a temporary one."""
    if table.name == TEMPORARY:
        rows = connection.exec_driver_sql(f"SHOW FULL COLUMNS FROM {TEMPORARY}").mappings()
        return _by_column((TEMPORARY, row["Field"], row["Extra"], row["Comment"]) for row in rows)
    read = _READ.setdefault(inspector, {})
    if table.schema not in read:
        schema = table.schema or connection.dialect.default_schema_name
        read[table.schema] = _by_column(connection.execute(_COLUMNS, {"schema": schema}))
    return read[table.schema]


def _by_column(rows: Any) -> OnUpdate:
    return {(row[0], row[1]): (found, row[3]) for row in rows if (found := on_update(row[2]))}
