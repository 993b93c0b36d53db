"""Indexes of PostgreSQL that say more than SQLAlchemy reads: options of operator classes, and other collations.

One of these in the place of a plain index of the models is another index, and what drops one can make it again from the
definition that the database shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.operations.ops import CreateIndexOp, DropIndexOp
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Inspector

from websauna_migrate.autogenerate.script_ops import Sql
from websauna_migrate.autogenerate.tables.renamed import Renames, renamed_sql
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons, quoted_table
from websauna_migrate.dialects.indexes import RENAMES, is_plain_index
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import ModifyTableOps
    from sqlalchemy import Table

_SPECIAL = sa.text(
    "SELECT n.nspname, t.relname, x.relname, pg_get_indexdef(x.oid) FROM pg_index AS i"
    " JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relkind IN ('i', 'I') AND NOT x.relispartition"
    " JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace"
    # What comes with the server has lower numbers.
    " WHERE i.indrelid >= 16384 AND n.nspname !~ '^pg_'"
    " AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = x.oid)"
    " AND (EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = x.oid AND a.attoptions IS NOT NULL)"
    " OR EXISTS (SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS part (number, coll)"
    " JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = part.number"
    " WHERE part.coll <> 0 AND part.coll <> a.attcollation))"
)

_READ: WeakKeyDictionary[Inspector, dict[TableName, dict[str, str]]] = WeakKeyDictionary()


class DropStoredIndex(DropIndexOp):
    """``op.drop_index()`` of an index that comes back as the database shows it."""

    statements: Sql

    @classmethod
    def of(cls, op: DropIndexOp, statements: Sql) -> DropStoredIndex:
        """Return ``op`` with the statements that make the index and drop it."""
        drop = cls(op.index_name, op.table_name)
        vars(drop).update(vars(op))
        drop.statements = statements
        return drop

    def reverse(self) -> Sql:  # type: ignore[override]
        """Return the operation of the other direction."""
        return self.statements


def special_indexes(context: AutogenContext) -> dict[TableName, dict[str, str]]:
    """Return the definitions of such indexes by their tables and names, after the renames; they are read once."""
    inspector, connection = context.inspector, connection_of(context)
    if inspector not in _READ:
        found = _READ[inspector] = {}
        renames, dialect = context.opts.get(RENAMES) or Renames(), connection.dialect
        for schema, table, index, definition in connection.execute(_SPECIAL):
            stored = TableName(schema, table).shown(dialect.default_schema_name)
            new = renames.table(stored)
            name = renames.names.get(new, {}).get(index, index)
            sql = renamed_sql(renames.sql(stored, definition, dialect), {index: name} if name != index else {}, dialect)
            found.setdefault(new, {})[name] = sql
    return _READ[inspector]


def compare_special_indexes(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Let such an index be another one than a plain index of the models, and come back as it was."""
    if found is None or connection_of(context).dialect.name != "postgresql":
        return PriorityDispatchResult.CONTINUE
    table = TableName(schema, name)
    special = special_indexes(context).get(table, {})
    dropped = {str(op.index_name) for op in modify.ops if isinstance(op, DropIndexOp)}
    models = {str(index.name): index for index in wanted.indexes} if wanted is not None else {}
    stored = {str(index.name): index for index in found.indexes}  # Alembic adds what it read to those that are there
    for key in sorted(special.keys() & stored.keys() & models.keys() - dropped):
        if is_plain_index(models[key]):
            modify.ops += [DropIndexOp.from_index(stored[key]), CreateIndexOp.from_index(models[key])]
    for place, op in enumerate(modify.ops):
        if isinstance(op, DropIndexOp) and op.index_name in special:
            modify.ops[place] = DropStoredIndex.of(op, _statements(table, special[str(op.index_name)], op, context))
    return PriorityDispatchResult.CONTINUE


def _statements(table: TableName, definition: str, op: DropIndexOp, context: AutogenContext) -> Sql:
    quoted = quoted_table(TableName(table.schema, str(op.index_name)), connection_of(context).dialect)
    return Sql(escape_colons(definition), f"DROP INDEX {quoted}")
