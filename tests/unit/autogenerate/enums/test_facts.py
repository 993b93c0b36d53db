"""The enums of the models as values."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.enums.facts import Models
from websauna_migrate.packages.ownership import Ownership
from websauna_migrate.packages.package import TableName

MOOD = TableName(None, "mood")
DIALECT = postgresql.dialect()


def test_the_package_of_the_first_column_owns_an_enum():
    metadata = sa.MetaData()
    mood = sa.Enum("a", "b", name="mood")
    tables = [sa.Table(name, metadata, sa.Column("m", mood)) for name in ("one", "two")]
    keys = [TableName(None, table.name) for table in tables]
    ownership = Ownership(dict(zip(keys, tables, strict=True)), dict(zip(keys, ("first", "second"), strict=True)))
    enum = Models(ownership, ("second",), keys).enums(DIALECT)[MOOD]
    assert (enum.owner, enum.values, len(enum.users)) == ("first", ("a", "b"), 2)
