"""What SQLAlchemy does not reflect of a PostgreSQL table that is dropped: how it is partitioned, and its partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.util import PriorityDispatchResult

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import ModifyTableOps
    from sqlalchemy import Table
    from sqlalchemy.engine import Dialect

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
    """Return what drops a partition, and on the way back makes it again."""
    names = [TableName(schema, str(name)).shown(dialect.default_schema_name) for schema, name in (row[:2], row[2:4])]
    partition, whole = (quoted_table(name, dialect) for name in names)
    bounds, key = row[4:]
    create = f"CREATE TABLE {partition} PARTITION OF {whole} {bounds}{f' PARTITION BY {key}' if key else ''}"
    return StatementsOp(("remove_partition", str(names[0])), [Do(f"DROP TABLE {partition}")], [Do(create)])
