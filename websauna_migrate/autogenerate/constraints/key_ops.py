"""A primary key that a script makes or drops: Alembic has the operations, and cannot write them into a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations import ops

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import PrimaryKeyConstraint


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
