"""Which changes of a type need the foreign keys away, where no server is needed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from websauna_migrate.autogenerate.constraints.referring_keys import other_kinds


class Number(TypeDecorator[int]):
    impl = sa.BigInteger
    cache_ok = True


@pytest.mark.parametrize(
    ("before", "after", "is_other"),
    [
        (postgresql.INTEGER(), sa.BigInteger(), False),
        (postgresql.INTEGER(), Number(), False),
        (postgresql.NUMERIC(8), sa.Numeric(10), False),
        (postgresql.VARCHAR(20), sa.Text(), False),
        (postgresql.TIMESTAMP(), sa.DateTime(timezone=True), False),
        (postgresql.INTEGER(), sa.String(20), True),
        (postgresql.VARCHAR(36), sa.Uuid(), True),
        (postgresql.ENUM("a", name="e"), sa.String(20), False),
    ],
)
def test_a_column_becomes_of_another_kind_where_its_values_cannot_be_compared_with_those_before(
    before, after, is_other
):
    alter = ops.AlterColumnOp("t", "c", existing_type=before, modify_type=after)
    found = list(other_kinds(ops.ModifyTableOps("t", [alter]), postgresql.dialect()))
    assert found == (["c"] if is_other else [])
