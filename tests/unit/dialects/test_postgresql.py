"""Foreign keys of models and of PostgreSQL that are the same."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from websauna_migrate.dialects.postgresql import ReadingPostgresqlImpl


def keys(schema, **rules):
    key = sa.ForeignKeyConstraint(["b"], [f"{schema}.b.id" if schema else "b.id"], name="fk", **rules)
    metadata = sa.MetaData()
    sa.Table("b", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema)
    sa.Table("a", metadata, sa.Column("b", sa.Integer), key)
    return {key}


@pytest.mark.parametrize(
    ("model", "rules", "differ"),
    [("public", {}, False), (None, {}, False), ("crm", {}, True), (None, {"ondelete": "CASCADE"}, True)],
)
def test_a_key_is_the_same_whether_the_model_names_the_default_schema_or_not(model, rules, differ):
    dialect = postgresql.dialect()
    dialect.default_schema_name = "public"
    impl = ReadingPostgresqlImpl(dialect, None, True, False, None, {})
    found, wanted = keys(None), keys(model, **rules)
    impl.correct_for_autogen_foreignkeys(found, wanted)
    assert (bool(found), bool(wanted)) == (differ, differ)
