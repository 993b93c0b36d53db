"""The sequences of ``SERIAL`` columns on PostgreSQL, each of which has a width of its own.

Alembic changes the type of the column only: a sequence that stays ``AS integer`` ends at 2,147,483,647.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.dialects.spelling import type_text
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations import ops
    from sqlalchemy.engine import Connection, Dialect

_WIDTHS = {"SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint"}

_OWNED = sa.text(
    "SELECT tn.nspname, t.relname, a.attname, sn.nspname, s.relname, format_type(q.seqtypid, NULL)"
    " FROM pg_sequence AS q JOIN pg_class AS s ON s.oid = q.seqrelid JOIN pg_namespace AS sn ON sn.oid = s.relnamespace"
    " JOIN pg_depend AS d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'"
    " AND d.refclassid = 'pg_class'::regclass JOIN pg_class AS t ON t.oid = d.refobjid"
    " JOIN pg_namespace AS tn ON tn.oid = t.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
    " ORDER BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class _Owned:
    """The ``sequence`` that ``column`` has its numbers from, and how wide it is."""

    column: ColumnName
    sequence: TableName
    width: str


def change_sequences(script: ops.MigrationScript, connection: Connection, tables: Iterable[sa.Table]) -> None:
    """Add to ``script`` what makes the sequence of each ``SERIAL`` column of ``tables`` as wide as the column."""
    dialect = connection.dialect
    wanted = dict(_serials(tables, dialect))
    changes = [
        _change(owned, wanted[owned.column], dialect)
        for owned in _owned(connection)
        if wanted.get(owned.column, owned.width) != owned.width
    ]
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        upgrade.ops += changes
        downgrade.ops[:0] = [change.reverse() for change in reversed(changes)]


def _serials(tables: Iterable[sa.Table], dialect: Dialect) -> Iterator[tuple[ColumnName, str]]:
    """Yield the columns that are made as ``SERIAL``, and the width that their sequence then has."""
    for table in tables:
        column = table.autoincrement_column
        if column is None or column.server_default is not None or column.default is not None:
            continue
        width = _WIDTHS.get(type_text(column.type, dialect) or "")
        if width:
            name = TableName(table.schema, table.name).shown(dialect.default_schema_name)
            yield ColumnName(name, column.name), width


def _owned(connection: Connection) -> list[_Owned]:
    default = connection.dialect.default_schema_name
    return [
        _Owned(ColumnName(TableName(*row[:2]).shown(default), row[2]), TableName(*row[3:5]).shown(default), row[5])
        for row in connection.execute(_OWNED)
    ]


def _change(owned: _Owned, width: str, dialect: Dialect) -> StatementsOp:
    def altered(to: str) -> list[Do]:
        return [Do(f"ALTER SEQUENCE {quoted_table(owned.sequence, dialect)} AS {to}")]

    table, column = owned.column
    diff: tuple[object, ...] = ("modify_sequence", table.schema, table.name, column, {}, owned.width, width)
    return StatementsOp(diff, altered(width), altered(owned.width))
