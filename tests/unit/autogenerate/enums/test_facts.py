"""The enums of the models as values."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from costs import calls
from websauna_migrate.autogenerate.enums.facts import Models
from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.packages.ownership import Ownership
from websauna_migrate.packages.package import TableName

MOOD = TableName(None, "mood")
DIALECT = postgresql.dialect()


def enums(*types, selected):
    """Return the enums of the tables ``one`` and ``two``, which ``first`` and ``second`` own."""
    metadata = sa.MetaData()
    tables = [sa.Table(name, metadata, sa.Column("m", of)) for name, of in zip(("one", "two"), types, strict=True)]
    keys = [TableName(None, table.name) for table in tables]
    ownership = Ownership(dict(zip(keys, tables, strict=True)), dict(zip(keys, ("first", "second"), strict=True)))
    return Models(ownership, (selected,), keys).enums(DIALECT)


def test_the_package_of_the_first_column_owns_an_enum():
    mood = sa.Enum("a", "b", name="mood")
    enum = enums(mood, mood, selected="second")[MOOD]
    assert (enum.owner, enum.values, len(enum.users)) == ("first", ("a", "b"), 2)


def test_columns_that_can_have_no_enum_are_passed_over_with_few_calls():
    key, number = TableName(None, "one"), 100
    table = sa.Table("one", sa.MetaData(), *(sa.Column(f"c{n}", sa.Numeric(9, 2)) for n in range(number)))
    models = Models(Ownership({key: table}, {key: "first"}), ("first",), [key])
    assert calls(lambda: models.enums(DIALECT)) < 10 * number  # to adapt each type to the dialect takes more than 50


def test_two_enums_of_one_name_have_the_same_values():
    types = sa.Enum("a", "b", name="mood"), sa.Enum("b", "a", name="mood")
    said = "the enum 'mood' has the values 'a', 'b' for one.m, and 'b', 'a' for two.m; give one of the two another name"
    for selected in ("first", "second"):
        with pytest.raises(OwnershipError, match=said):
            enums(*types, selected=selected)
    assert enums(*types, selected="third").keys() == {MOOD}
    of_others = postgresql.ENUM("b", name="mood", create_type=False)
    assert enums(types[0], of_others, selected="first")[MOOD].values == ("a", "b")
