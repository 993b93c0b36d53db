"""Invalid indexes of PostgreSQL: they have the name and the columns of an index of the models, and are not used."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from alembic.operations.ops import CreateIndexOp, DropIndexOp
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Inspector

from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.reflection import invalid_indexes
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import ModifyTableOps
    from sqlalchemy import Table

_READ: WeakKeyDictionary[Inspector, dict[TableName, set[str]]] = WeakKeyDictionary()


def tables_with_invalid_indexes(context: AutogenContext) -> dict[TableName, set[str]]:
    """Return the names of the invalid indexes by their tables; they are read once in a comparison."""
    inspector = context.inspector
    if inspector not in _READ:
        names = _READ[inspector] = {}
        for index in invalid_indexes(connection_of(context)):
            names.setdefault(index.table, set()).add(index.name)
    return _READ[inspector]


def compare_invalid_indexes(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Let an invalid index of the models be dropped and created again, unless it changes anyway."""
    if found is not None and wanted is not None:
        invalid = tables_with_invalid_indexes(context).get(TableName(schema, name), set())
        changed = {str(op.index_name) for op in modify.ops if isinstance(op, DropIndexOp)}
        models = {str(index.name): index for index in wanted.indexes}
        stored = {str(index.name): index for index in found.indexes}  # read twice, by Alembic too
        for key in sorted(models.keys() & stored.keys() & invalid - changed):
            modify.ops += [DropIndexOp.from_index(stored[key]), CreateIndexOp.from_index(models[key])]
    return PriorityDispatchResult.CONTINUE
