"""How tables of PostgreSQL are partitioned, which SQLAlchemy does not reflect.

A table that is dropped comes back with its partitions. One that is to be partitioned otherwise is left to the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.util import PriorityDispatchResult
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp, by_hand
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons, quoted_table
from websauna_migrate.dialects.temporary import TEMPORARY, undone
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrationScript, ModifyTableOps
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames

_FACTS = sa.text(
    "SELECT pg_get_partkeydef(oid), reloptions FROM pg_class"
    " WHERE oid = CAST(:table AS regclass) AND (relkind = 'p' OR reloptions IS NOT NULL)"
)
# Each after the one that it is a part of.
_PARTITIONS = sa.text(
    "SELECT n.nspname, c.relname, pn.nspname, p.relname, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid)"
    " FROM pg_partition_tree(CAST(:table AS regclass)) AS t JOIN pg_class AS c ON c.oid = t.relid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_class AS p ON p.oid = t.parentrelid"
    " JOIN pg_namespace AS pn ON pn.oid = p.relnamespace WHERE t.level > 0 ORDER BY t.level, 1, 2"
)


_KEYS = sa.text(
    "SELECT n.nspname, c.relname, pg_get_partkeydef(c.oid) FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (:names)"
)
_MADE = sa.text(f"SELECT pg_get_partkeydef('{TEMPORARY}'::regclass)")


def compare_partitioning(
    script: MigrationScript, connection: Connection, tables: Iterable[Table], renames: Renames
) -> None:
    """Add to ``script`` what is to be written by hand where ``tables`` are not partitioned as their models say."""
    default = connection.dialect.default_schema_name
    named = {table_name(table).shown(default): table.dialect_options["postgresql"]["partition_by"] for table in tables}
    wanted = {table: str(key) for table, key in named.items() if key and not renames.touch(table)}
    if not wanted:
        return
    found = {
        TableName(schema, name).shown(default): key
        for schema, name, key in connection.execute(_KEYS, {"names": sorted({table.name for table in wanted})})
    }
    for table in sorted(wanted.keys() & found.keys(), key=str):
        if not _is_same(table, found[table], wanted[table], connection):
            change = _by_hand(table, found[table], wanted[table])
            for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
                upgrade.ops.append(change)
                downgrade.ops.insert(0, change.reverse())


def _is_same(table: TableName, found: str | None, wanted: str, connection: Connection) -> bool:
    """Tell whether the server shows the partition key ``wanted`` as it shows the one ``found``."""
    if found is None or found == wanted:
        return found == wanted
    create = (
        f"CREATE TEMPORARY TABLE {TEMPORARY} (LIKE {quoted_table(table, connection.dialect)}) PARTITION BY {wanted}"
    )
    try:
        with undone(connection):
            connection.execute(sa.text(escape_colons(create)))
            return bool(connection.scalar(_MADE) == found)
    except SQLAlchemyError:  # it names a new column, or the user lacks a privilege
        return False


def _by_hand(table: TableName, found: str | None, wanted: str) -> StatementsOp:
    diff: tuple[object, ...] = ("modify_table", table.schema, table.name, "partition_by", {}, found, wanted)
    before = f"by {found}" if found else "not at all"
    text = f"table {table} is partitioned {before}, and the models have {wanted}: make a new table and move the rows"
    return by_hand(diff, text)


def keep_partitions(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Complete a table that is dropped, so that the way back makes it as it was, with its partitions."""
    if found is None or wanted is not None:
        return PriorityDispatchResult.CONTINUE
    connection = connection_of(context)
    dialect = connection.dialect
    quoted = quoted_table(TableName(schema, name), dialect)
    facts = connection.execute(_FACTS, {"table": quoted}).first()
    if facts is None:
        return PriorityDispatchResult.CONTINUE
    key, options = facts
    if options:
        found.dialect_kwargs["postgresql_with"] = dict(option.split("=", 1) for option in options)
    if key:
        found.dialect_kwargs["postgresql_partition_by"] = key
        rows = connection.execute(_PARTITIONS, {"table": quoted}).all()
        modify.ops += [_partition(row, dialect) for row in reversed(rows)]  # the way back is in the order of the rows
    return PriorityDispatchResult.CONTINUE


def _partition(row: Sequence[str | None], dialect: Dialect) -> StatementsOp:
    """Return what makes a partition again on the way back. It goes with its table: elsewhere there are others."""
    names = [TableName(schema, str(name)).shown(dialect.default_schema_name) for schema, name in (row[:2], row[2:4])]
    partition, whole = (quoted_table(name, dialect) for name in names)
    bounds, key = row[4:]
    create = f"CREATE TABLE {partition} PARTITION OF {whole} {bounds}{f' PARTITION BY {key}' if key else ''}"
    return StatementsOp(("remove_partition", str(names[0])), [], [Do(create)])
