"""A renamed enum has its new name in SQL and operations that were read before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.enums.facts import StoredEnum, User
from websauna_migrate.autogenerate.enums.names import say_new_names, stored_after, with_new_names
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

DIALECT = postgresql.dialect()
DIALECT.default_schema_name = "public"
HUE, COLOUR, LOUD = TypeName(None, "hue"), TypeName("art", "colour"), TypeName(None, "Hue")


@pytest.mark.parametrize(
    ("sql", "after"),
    [
        ("'red'::hue", "'red'::art.colour"),
        ("ARRAY['red'::hue, 'blue'::hue]::hue[]", "ARRAY['red'::art.colour, 'blue'::art.colour]::art.colour[]"),
        ("'a ''::hue b'::text", "'a ''::hue b'::text"),
        ("'red'::hues, x::hue_old, x::hue.y", "'red'::hues, x::hue_old, x::hue.y"),
        ("'red'::\"Hue\"", "'red'::hue"),
    ],
)
def test_a_cast_has_the_new_name(sql, after):
    assert with_new_names(sql, {HUE: COLOUR, LOUD: HUE}, DIALECT) == after


def test_without_a_rename_sql_stays_as_it_is():
    assert with_new_names("'red'::hue", {}, DIALECT) == "'red'::hue"


def test_defaults_are_as_the_database_shows_them_afterwards():
    user = User(ColumnName(TableName(None, "wall"), "hue"), default="CASE WHEN true THEN 'red'::hue END")
    after = stored_after(StoredEnum(("red",), (user,)), {HUE: COLOUR}, DIALECT)
    assert after.users[0].default == "CASE WHEN true THEN 'red'::art.colour END"


def test_what_comes_back_has_the_new_name():
    default = sa.DefaultClause(sa.text("ARRAY['red'::hue]"))
    column = sa.Column("hues", postgresql.ARRAY(postgresql.ENUM("red", name="hue")), server_default=default)
    change = ops.AlterColumnOp("wall", "other", modify_server_default=sa.DefaultClause(sa.text("'red'::hue")))
    plain = ops.AlterColumnOp("wall", "third", modify_server_default=None)
    downgrade = ops.DowngradeOps([ops.ModifyTableOps("wall", [ops.AddColumnOp("wall", column), change, plain])])
    say_new_names(downgrade, {HUE: COLOUR}, DIALECT)
    assert column.server_default.arg.text == "ARRAY['red'::art.colour]"
    assert (column.type.item_type.schema, column.type.item_type.name) == COLOUR
    assert change.modify_server_default.arg.text == "'red'::art.colour"
    assert plain.modify_server_default is None
