"""Primary keys and EXCLUDE constraints that a script makes or drops.

Alembic has operations for primary keys, and cannot write them into a script. EXCLUDE constraints are written in SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import PrimaryKeyConstraint
    from sqlalchemy.engine import Dialect


class CreateKey(ops.CreatePrimaryKeyOp):
    """``op.create_primary_key()``, which Alembic does not render."""

    def reverse(self) -> DropKey:
        """Return the operation of the other direction."""
        return DropKey(self)


class DropKey(ops.DropConstraintOp):
    """``op.drop_constraint()`` of a primary key."""

    def __init__(self, key: CreateKey) -> None:
        super().__init__(key.constraint_name, key.table_name, type_="primary", schema=key.schema)
        self.key = key

    def reverse(self) -> CreateKey:
        """Return the operation of the other direction, with the name that this one has now."""
        columns = list(self.key.columns)
        return CreateKey(self.constraint_name, self.table_name, columns, schema=self.schema)

    def to_constraint(self) -> PrimaryKeyConstraint:
        """Return the constraint that is dropped."""
        return self.reverse().to_constraint()


def render_key(context: AutogenContext, op: CreateKey) -> list[str]:
    """Return the call of ``create_primary_key()``, whose arguments are those of ``create_unique_constraint()``."""
    unique = ops.CreateUniqueConstraintOp(op.constraint_name, op.table_name, list(op.columns), schema=op.schema)
    lines = renderers.dispatch(unique)(context, unique)
    return [line.replace("create_unique_constraint", "create_primary_key", 1) for line in lines]


# --- EXCLUDE -----------------------------------------------------------------------------------------------------


class _ExcludeOp(StatementsOp):
    """An EXCLUDE constraint with a name, of a table."""

    def __init__(self, diff: tuple[object, ...], drop: Do, make: Do, constraint_name: str, table: TableName) -> None:
        there, back = (drop, make) if isinstance(self, DropExclude) else (make, drop)
        super().__init__(diff, [there], [back])
        self.drop, self.make = drop, make
        self.constraint_name, self.table_name, self.schema = constraint_name, table.name, table.schema

    def _other(self, kind: type[_ExcludeOp]) -> _ExcludeOp:
        table = TableName(self.schema, self.table_name)
        return kind(("undo", *self.diff), self.drop, self.make, self.constraint_name, table)


class CreateExclude(_ExcludeOp):
    """``ALTER TABLE ... ADD CONSTRAINT ... EXCLUDE``."""

    def reverse(self) -> _ExcludeOp:
        """Return the operation of the other direction."""
        return self._other(DropExclude)


class DropExclude(_ExcludeOp):
    """``ALTER TABLE ... DROP CONSTRAINT`` of an EXCLUDE constraint."""

    def reverse(self) -> _ExcludeOp:
        """Return the operation of the other direction."""
        return self._other(CreateExclude)


def exclude_statements(table: TableName, name: str, sql: str, dialect: Dialect) -> tuple[Do, Do]:
    """Return what drops and what makes the EXCLUDE constraint ``name`` with the definition ``sql``."""
    alter = f"ALTER TABLE {quoted_table(table, dialect)}"
    quoted = quoted_table(TableName(None, name), dialect)
    return Do(f"{alter} DROP CONSTRAINT {quoted}"), Do(f"{alter} ADD CONSTRAINT {quoted} {sql}")
