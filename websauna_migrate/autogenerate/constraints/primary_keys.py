"""Changes of primary keys on MySQL and MariaDB.

They are made in one statement, because a column with ``AUTO_INCREMENT`` is in a key at all times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import ops

from websauna_migrate.autogenerate.constraints.key_ops import CreateKey, DropKey
from websauna_migrate.autogenerate.script_ops import Sql, table_of
from websauna_migrate.database.sql import escape_colons, quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Dialect


def change_keys_at_once(container: ops.OpContainer, dialect: Dialect) -> None:
    """Change each primary key in ``container`` in one statement, as MySQL and MariaDB need it."""
    for modify in container.ops:
        if isinstance(modify, ops.ModifyTableOps):
            modify.ops = list(_at_once(modify, dialect))


def _at_once(modify: ops.ModifyTableOps, dialect: Dialect) -> Iterable[ops.MigrateOperation]:
    changes = [op for op in modify.ops if isinstance(op, (CreateKey, DropKey))]
    if len(changes) < 2:
        return modify.ops
    create = next(op for op in changes if isinstance(op, CreateKey))
    columns = ", ".join(quoted_table(TableName(None, name), dialect) for name in create.columns)
    alter = f"ALTER TABLE {quoted_table(table_of(modify), dialect)}"
    change = Sql(escape_colons(f"{alter} DROP PRIMARY KEY, ADD PRIMARY KEY ({columns})"), "")
    return [change if op is changes[0] else op for op in modify.ops if op not in changes[1:]]
