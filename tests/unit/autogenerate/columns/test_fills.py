"""The order in which a column is made, filled and restricted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.columns.fills import filled
from websauna_migrate.packages.package import ColumnName, TableName

TABLE = TableName(None, "Note")


def column(name, **options):
    return sa.Table("Note", sa.MetaData(), sa.Column(name, sa.Integer, **options)).c[name]


def outline(operations):
    """Return the operations as short texts."""
    found = []
    for op in operations:
        match op:
            case ops.ExecuteSQLOp():
                found.append(str(op.sqltext))
            case ops.ModifyTableOps():
                found.append(outline(op.ops))
            case ops.AddColumnOp(column=added):
                found.append(f"add {added.name} nullable={added.nullable}")
            case ops.AlterColumnOp():
                found.append(f"alter {op.column_name} nullable={op.modify_nullable}")
    return found


def test_a_new_column_is_restricted_only_after_it_was_filled():
    kind = column("kind", nullable=False)
    operations = [ops.ModifyTableOps("Note", [ops.AddColumnOp("Note", kind), ops.AddColumnOp("Note", column("size"))])]
    fills = {ColumnName(TABLE, "kind"): "'a :b'"}
    assert outline(filled(operations, fills, postgresql.dialect())) == [
        ["add kind nullable=True", "add size nullable=True"],
        """UPDATE "Note" SET kind = 'a \\:b' WHERE kind IS NULL""",
        ["alter kind nullable=False"],
    ]
    assert not kind.nullable  # it is that of the models


def test_a_column_is_filled_before_it_is_restricted():
    alter = ops.AlterColumnOp("Note", "kind", modify_nullable=False)
    operations = [ops.ModifyTableOps("Note", [alter])]
    assert outline(filled(operations, {ColumnName(TABLE, "kind"): "1"}, postgresql.dialect())) == [
        """UPDATE "Note" SET kind = 1 WHERE kind IS NULL""",
        ["alter kind nullable=False"],
    ]


def test_what_needs_no_value_stays_as_it_is():
    operations = [ops.ModifyTableOps("Note", [ops.AddColumnOp("Note", column("kind", nullable=False))])]
    assert filled(operations, {}, postgresql.dialect()) == operations
    assert filled(operations, {ColumnName(TABLE, "other"): "1"}, postgresql.dialect()) == operations
