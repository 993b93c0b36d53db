"""Which operations break code that is running, by the names that ``lint`` gives it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import ops

from websauna_migrate.autogenerate.columns.fills import needs_value
from websauna_migrate.autogenerate.script_ops import RecreateColumn, RenameColumn, StatementsOp
from websauna_migrate.dialects.spelling import type_text
from websauna_migrate.dialects.widths import removed_values, widens

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect

    from websauna_migrate.revisions.breaking import Break

# Changes that are written in SQL, by the first word of what ``check`` reports.
_STATEMENTS: dict[str, Break] = {
    "remove_partition": "drop-table",
    "remove_enum": "remove-enum-value",
    "remove_enum_values": "remove-enum-value",
    "rename_enum": "remove-enum-value",
    "convert_enum": "narrow-type",
    # Foreign keys to a primary key that changes.
    "remove_fk": "new-not-null",
    "add_fk": "new-not-null",
}


def what_breaks(op: MigrateOperation, dialect: Dialect) -> Break | None:
    """Return how ``op`` breaks code that is running, None where it does not."""
    if isinstance(op, ops.DropTableOp):
        return "drop-table"
    if isinstance(op, ops.RenameTableOp):
        return "rename-table"
    if isinstance(op, RenameColumn):
        return "rename-column"
    if isinstance(op, ops.DropColumnOp):
        return "drop-column"
    if isinstance(op, RecreateColumn):  # code still writes a column that is computed now
        return "drop-column" if op.old.computed is None else None
    if isinstance(op, ops.CreatePrimaryKeyOp):
        return "new-not-null"
    if isinstance(op, ops.AddColumnOp):
        return "new-not-null" if needs_value(op) else None
    if isinstance(op, ops.AlterColumnOp):
        return _of_column(op, dialect)
    return _of_statements(op.diff) if isinstance(op, StatementsOp) else None


def _of_column(op: ops.AlterColumnOp, dialect: Dialect) -> Break | None:
    if op.modify_name is not None and op.modify_name != op.column_name:
        return "rename-column"
    if op.modify_nullable is False and op.existing_nullable is not False:
        return "new-not-null"
    if op.modify_type is None:
        return None
    before = type_text(op.existing_type, dialect) if op.existing_type is not None else None
    after = type_text(op.modify_type, dialect)
    if before is None or after is None:
        return "narrow-type"
    if removed_values(before, after):
        return "remove-enum-value"
    return None if widens(before, after) else "narrow-type"


def _of_statements(diff: tuple[object, ...]) -> Break | None:
    match diff:
        case ("modify_enum", _, tuple(before), tuple(after)):
            return "remove-enum-value" if set(before) - set(after) else None
        case (str(what), *_):
            return _STATEMENTS.get(what)
    return None
